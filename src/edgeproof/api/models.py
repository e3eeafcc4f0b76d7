"""One model and its artifacts: load it, convert it, open an artifact, hold artifacts against it."""

from __future__ import annotations

from pathlib import Path

from edgeproof.errors import UsageError

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from edgeproof.api.origin import AnyModel, Given
    from edgeproof.documents.conversion import ConversionDocument
    from edgeproof.documents.validation import ValidationDocument
    from edgeproof.formats.base import Session
    from edgeproof.model.eager import EagerSession
    from edgeproof.process import Limits
    from edgeproof.spike.runtime.session import NativeSession

    Report = Callable[[str], None]

__all__ = ["compare", "convert", "load", "open"]


def load(model: AnyModel, *, threads: int = 1, **given: Unpack[Given]) -> EagerSession:
    """Load a model in this process and open it eagerly: the reference that artifacts are held against.

    Args:
        model: an address, a module or an ``edgeproof.Model``. A module is put into evaluation mode.
        threads: of PyTorch, in this process.
        given: ``inputs``, ``NAME:dtype[shape]`` with the batch axis, such as ``x:float32[1,64]``, which win over the
            model's own; ``samples``, which tell the signature where nothing else does: a folder or ``.npz``,
            ``edgeproof.Samples``, or arrays keyed by input name, sample axis first; ``trust``, to open files
            of unknown origin that run the code inside with your rights.

    Returns:
        a session: ``run({name: array})`` takes and gives arrays of exactly the shapes and dtypes in its ``inputs`` and
        ``outputs``. ``session.subject.signature`` tells of time steps, spikes and the score output.

    Raises:
        ModelReferenceError: the model cannot be found or loaded.
        SignatureError: its inputs are unknown, or it does not run on them.
        SamplesError: the samples cannot be read.
    """
    from edgeproof.api.origin import resolved_here
    from edgeproof.model.eager import EagerSession

    return EagerSession(resolved_here(model, given).subject, threads=threads)


def convert(
    model: AnyModel,
    out: str | Path,
    *,
    to: Sequence[str] = (),
    precision: Sequence[str] = (),
    limits: Limits | None = None,
    jobs: int | None = None,
    cache: bool = True,
    report: Report = lambda _: None,
    **given: Unpack[Given],
) -> ConversionDocument:
    """Convert a model; every converter runs in a process of its own.

    A model that is an address is loaded and exported in a process of its own too. One that lives in this process is
    exported here, so the limits hold for its converters and not for ``torch.export``.

    Args:
        model: as in ``load``.
        out: folder for the artifacts, one folder a candidate inside.
        to: formats or candidates, such as ``("onnx", "litert-int8")``; ``litert-step`` asks for that form of a model
            with time steps; empty: all formats.
        precision: ``fp32``, ``fp16``, ``int8``; empty: all. A pair that a format does not have is left out.
        limits: processor seconds and resident bytes of one process; default 300 s, 8 GiB.
        jobs: conversions at a time; None: as many as there are cores, and as the memory holds.
        cache: whether what was made before of the same program, samples and versions is taken from the user's cache.
        report: told of each step, in words; called from other threads too.
        given: as in ``load``; int8 needs samples, the model's or these.

    Returns:
        one result per candidate. A conversion that failed is a result with its reason, never an exception.

    Raises:
        UsageError: an unknown format or precision, or the model, its signature or its samples; ``out`` is a file.
    """
    from edgeproof.api.origin import origin_of
    from edgeproof.formats.supervise import Means
    from edgeproof.phases.alone.conversion import convert_alone
    from edgeproof.phases.conversion.planned import select
    from edgeproof.scratch import scratch_folder

    names = select(to, precision)
    with scratch_folder("given") as scratch:
        origin = origin_of(model, given, scratch)
        means = Means.of(jobs, cache=cache)
        return convert_alone(origin, names, Path(out), limits=limits, means=means, report=report)


def open(artifact: str | Path, *, threads: int = 1, trust: bool = False) -> Session | NativeSession:
    """Open an artifact in its runtime.

    An engine of our own (``sdk-native``) opens with neither torch nor numpy, and takes and gives plain buffers such as
    ``array.array`` as well as arrays.

    Args:
        artifact: its file, or its folder with ``artifact.json``. A file alone is recognised by its suffix.
        threads: of the runtime, where it lets them be set.
        trust: open a native library or TorchScript whatever its origin; opening it runs the code inside with your
            rights. What you made yourself needs no such word.

    Returns:
        a session, to be used in a ``with`` block: ``run({name: array})`` takes and gives arrays of exactly the shapes
        and dtypes in its ``inputs`` and ``outputs``. Threads that share one take turns; open one per thread for calls
        at the same time.

    Raises:
        ArtifactError: not there, damaged, another file than its document describes, or it cannot run on this machine.
        TrustError: it would run code, you did not make it, and ``trust`` was not said.
        MissingDependency: its runtime is not installed.
    """
    from edgeproof.formats.engine_artifact import open_engine

    engine = open_engine(Path(artifact), trust=trust)
    if engine is not None:
        return engine
    from edgeproof.formats.registry import open_artifact

    return open_artifact(Path(artifact), threads=threads, trust=trust)


def compare(
    model: AnyModel,
    artifacts: str | Path | Sequence[str | Path],
    *,
    policy: str | Path | None = None,
    processors: Sequence[str] = (),
    limits: Limits | None = None,
    report: Report = lambda _: None,
    **given: Unpack[Given],
) -> ValidationDocument:
    """Run artifacts and hold their outputs against the eager model.

    Args:
        model: as in ``convert``: an address runs in a process of its own.
        artifacts: one, or several; each runs in a fresh process.
        policy: TOML with the thresholds; default: the built-in ones.
        processors: others than this machine's to run the artifacts on as well, such as ``("x86-64-v3",
            "cortex-a76")``: by QEMU's user mode, outputs only.
        limits: of the model's process.
        report: told of each step, in words; called from other threads too.
        given: as in ``load``; ``samples`` to compare on: by default the model's held-out ones, else its own, else
            random ones. ``metric`` scores them in place of the
            model's own. ``trust`` counts for the artifacts too.

    Returns:
        one result per artifact, in order: status, differences with their formulas in ``edgeproof.differences``, task
        score. An artifact that cannot run is a result with its reason, never an exception.

    Raises:
        UsageError: the model, its signature, its samples, the policy, a processor, or no artifact.
        ConversionError: the model itself fails on its samples.
    """
    from edgeproof.api.origin import origin_of
    from edgeproof.documents.source import ModelSource
    from edgeproof.phases.alone.validation import validate_alone
    from edgeproof.scratch import scratch_folder

    paths = [Path(artifacts)] if isinstance(artifacts, str | Path) else [Path(artifact) for artifact in artifacts]
    if not paths:
        raise UsageError("there is no artifact to compare")
    asked = None if policy is None else Path(policy)
    with scratch_folder("given") as scratch:
        origin = origin_of(model, given, scratch)
        trust = model.trust if isinstance(model, ModelSource) else given.get("trust", False)
        return validate_alone(
            origin, paths, policy=asked, limits=limits, report=report, trust=trust, processors=processors
        )
