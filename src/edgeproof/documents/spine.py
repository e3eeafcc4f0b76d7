"""``spine.json``: the exported program a format starts from, and what its graph's tensors mean."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Marked
from edgeproof.documents.signature import Form, Loop, Signature, TensorSpec

__all__ = ["SpineDocument"]


class SpineDocument(Marked, frozen=True, kw_only=True):
    """Stands beside ``program.pt2``."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.spine", 1)
    FILE: ClassVar[str] = "spine.json"

    model: str
    name: str
    form: Form
    signature: Signature
    loop: Loop | None
    graph_inputs: tuple[TensorSpec, ...]
    """In graph order: the inputs (of one step in the step form), then the states."""
    graph_outputs: tuple[TensorSpec, ...]
    export_max_abs: float
    """Largest difference between the exported program and the module on the samples it was tried on."""
    seconds: float
    program_sha256: str = ""
    """Of ``program.pt2``."""
