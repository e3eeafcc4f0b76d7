"""``artifact.json``: what one artifact is, how it was made and how it is to be called."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Marked, Value
from edgeproof.documents.signature import Form, Loop, TensorSpec

__all__ = ["ArtifactDocument", "Binding", "Rewrite"]


class Rewrite(Value, frozen=True, kw_only=True):
    """A change made to the graph so that a converter can take it, checked against the graph before."""

    name: str
    why: str
    max_abs: float | None
    """Largest absolute difference it caused on real samples, in output units; None if it touches only the call."""


class Binding(Value, frozen=True, kw_only=True):
    """How one graph tensor is fed or read: ``tensor`` as the caller sees it, ``graph_*`` as the runtime wants it."""

    tensor: TensorSpec
    graph_name: str
    graph_dtype: str
    graph_shape: tuple[int, ...]
    scale: float | None = None
    """Of an integer tensor that stands for reals: real = scale · (integer - zero_point); None: values as they are."""
    zero_point: int = 0


class ArtifactDocument(Marked, frozen=True, kw_only=True):
    """Stands beside the artifact's files; paths are relative to its folder, and lie in it."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.artifact", 1)
    FILE: ClassVar[str] = "artifact.json"

    candidate: str
    format: str
    precision: str
    form: Form
    file: str
    """The file or folder that a runtime opens."""
    sha256: str
    """Of the file, or of the sorted (path, sha256) list for a folder."""
    beside: dict[str, str] = {}
    """sha256 of the other files that a runtime or a session reads: a file of weights, first states."""
    sources: dict[str, str] = {}
    """sha256 of the files that it is built of for other machines; they do not ship."""
    bytes: int
    """Size of everything that ships."""
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    loop: Loop | None = None
    rewrites: tuple[Rewrite, ...] = ()
    notes: tuple[str, ...] = ()
    undelegated: dict[str, str] = {}
    """Operators that the delegate does not take as they are called here, with the reason that its partitioner gave."""
    structure: tuple[str, ...] = ()
    """Structural checks that held when it was made, for an artifact that cannot run where it was made."""
    versions: dict[str, str] = {}
    """Package versions of the tools that made it."""
    options: dict[str, str] = {}
    """Runtime options it must be opened with, such as OpenVINO's precision hint."""
