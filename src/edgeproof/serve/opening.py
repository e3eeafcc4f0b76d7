"""Opens what a server serves, in the process that runs it, and calls it once."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeproof import __version__
from edgeproof.serve.running import Running, running

if TYPE_CHECKING:
    from edgeproof.formats.base import Session
    from edgeproof.spike.runtime.session import NativeSession

__all__ = ["MODEL_SUFFIXES", "Opened", "Opening", "is_artifact", "name_of", "open_model", "opened_session"]

MODEL_SUFFIXES = {".pt", ".pt2", ".nir", ".py"}
"""Files that are a MODEL, unless an ``artifact.json`` beside them says otherwise."""
NAME = re.compile(r"[A-Za-z0-9._-]+")
"""Of a package, in a requirement."""
DOCUMENT = "artifact.json"
"""``ArtifactDocument.FILE``, whose module takes longer to import than an engine to open."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to open and to serve."""

    name: str
    """Of the model in the URL."""
    source: dict[str, Any]
    """A ``ModelSource``, as JSON has it."""
    threads: int = 1
    """Of the runtime."""
    states: dict[str, str] = {}
    """Which output is which input of the next call in the same sequence, by input; a model with time steps knows it."""
    sequences: int = 64
    """That are kept at a time."""
    sequence_seconds: float = 300.0
    """That one is kept without a request."""
    opener: str = "edgeproof.serve.opening:open_model"
    """``MODULE:FUNCTION`` that takes this and gives an ``Opened``."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is open."""

    running: Running
    platform: str
    """The candidate."""
    load_ms: float
    """Opening it, its runtime's import included."""
    first_us: float
    """The first call of all, on zeros."""
    sha256: str | None = None
    """Of the artifact; None of a MODEL that runs in PyTorch."""
    runtime: str
    """What computes, by name."""
    runtime_version: str
    degraded: str | None = None
    """Why the runtime has fallen back to slow kernels; None where it has not."""


def is_artifact(address: str) -> bool:
    """Whether ``address`` names an artifact on disk, and not a MODEL."""
    path = Path(address)
    if not path.exists():
        return False
    return path.suffix not in MODEL_SUFFIXES or (path.parent / DOCUMENT).is_file()


def name_of(address: str) -> str:
    """``mlp.onnx`` → ``mlp``; ``file.py:factory`` → ``factory``."""
    path, _, factory = address.rpartition(":")
    return factory if path and factory else Path(address).stem or "model"


def open_model(opening: Opening) -> Opened:
    """Open an artifact, or a MODEL with PyTorch, and call it once.

    Raises:
        ArtifactError: the artifact cannot be opened, or is another file than its document describes.
        TrustError: it would run code, this user did not make it, and it is not trusted.
        MissingDependency: its runtime is not installed.
        UsageError: MODEL is wrong.
        ServingError: a tensor that the protocol cannot carry.
    """
    begin = time.perf_counter_ns()
    address = str(opening.source["model"])
    if not is_artifact(address):
        return _open_eager(opening, begin)
    from edgeproof.formats.engine_artifact import open_engine, told_of

    path = Path(address)
    engine = open_engine(path, trust=bool(opening.source.get("trust")))
    if engine is not None:
        told = told_of(path) or {}
        return opened_session(
            engine,
            opening,
            begin,
            platform=str(told.get("candidate", "sdk-native")),
            sha256=told.get("sha256"),
            runtime="edgeproof native engine",
            runtime_version=__version__,
        )
    return _open_artifact(path, opening, begin)


def opened_session(session: Session | NativeSession, opening: Opening, begin_ns: int, **about: Any) -> Opened:
    """A session that was opened since ``begin_ns``, called once: a file that is damaged shows it now, and not under a
    request.

    Args:
        about: fields of ``Opened``.
    """
    load_ms = (time.perf_counter_ns() - begin_ns) / 1e6
    try:
        found = running(session, opening.states)
        begin = time.perf_counter_ns()
        found.call([bytes(tensor.bytes) for tensor in found.inputs])
        first_us = (time.perf_counter_ns() - begin) / 1e3
    except BaseException:
        session.close()
        raise
    return Opened(running=found, load_ms=load_ms, first_us=first_us, **about)


def _open_artifact(path: Path, opening: Opening, begin_ns: int) -> Opened:
    from importlib import metadata

    from edgeproof.formats.registry import artifact_document, open_artifact
    from edgeproof.trust import fingerprint

    trust = bool(opening.source.get("trust"))
    session = open_artifact(path, threads=opening.threads, timed=True, trust=trust)
    document, folder, found = artifact_document(path, trust=trust)
    package = NAME.match(next(iter(found.runtime_requires), ""))
    return opened_session(
        session,
        opening,
        begin_ns,
        platform=document.candidate,
        sha256=document.sha256 or fingerprint(folder / document.file)[0],  # from elsewhere: nobody wrote it down
        runtime=found.title,
        runtime_version=metadata.version(package.group()) if package is not None else __version__,
        degraded=getattr(session, "degraded", None),
    )


def _open_eager(opening: Opening, begin_ns: int) -> Opened:
    from importlib import metadata

    from edgeproof.documents.source import ModelSource
    from edgeproof.model.eager import EagerSession
    from edgeproof.model.resolve import resolve

    source = msgspec.convert(opening.source, ModelSource)
    session = EagerSession(resolve(source).subject, threads=opening.threads)
    version = metadata.version("torch")
    return opened_session(session, opening, begin_ns, platform="eager", runtime="PyTorch", runtime_version=version)
