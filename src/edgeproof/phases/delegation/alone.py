"""Artifacts asked where their operators run, without a run and without their model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.documents.delegation import DelegationDocument
from edgeproof.errors import UsageError
from edgeproof.phases.delegation.telling import Telling

__all__ = ["delegation_alone"]


def delegation_alone(
    artifacts: Sequence[str | Path] | str | Path,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    trust: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> DelegationDocument:
    """Ask artifacts which operators run in their runtime's delegate or on its fast kernels, and why others do not.

    Args:
        artifacts: one, or several; each is asked in a fresh process.
        samples: ``.npz`` keyed by input name, sample axis first, or a folder of ``.npy``, to profile with; default:
            random ones.
        threads: of the runtime.
        trust: whether artifacts of unknown origin may run code.
        report: told of each step, in words.

    Returns:
        one result per artifact, in order. One that cannot be asked is a result with its reason, never an exception.

    Raises:
        UsageError: no artifact, or samples that are not there.
    """
    paths = [Path(artifacts)] if isinstance(artifacts, str | Path) else [Path(artifact) for artifact in artifacts]
    if not paths:
        raise UsageError("there is no artifact to ask")
    if samples is not None and not Path(samples).exists():
        raise UsageError(f"samples: there is no {samples}")
    telling = Telling(None if samples is None else Path(samples), report, trust=trust, threads=threads)
    return DelegationDocument(model=", ".join(dict.fromkeys(map(str, paths))), candidates=telling.tell(paths))
