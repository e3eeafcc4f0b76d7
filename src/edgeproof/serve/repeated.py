"""Binary requests that differ in their tensors alone: their JSON is parsed once, and so is that of the answer made.

A client sends the same JSON before every sample, and to parse it takes longer than a small network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from edgeproof.serve.protocol import DecodedRequest, Encoded
from edgeproof.serve.tensors import Tensor

__all__ = ["MARK_US", "Repeated", "repeated_of"]

MARK_US = 987654321.125
"""Stands for the time of an inference in the JSON of an answer that is to be cut there."""
MARK = b"987654321.125"


class Repeated(NamedTuple):
    """What the JSON of a request says, all inputs being binary.

    Attributes:
        request: as it was decoded, without inputs.
        spans: where each input lies in the body, in the model's order: first byte, and the one behind the last.
        size: of the body.
        places: of the outputs asked for, among the model's; None where one is not binary.
        before: the answer's JSON up to the time of the inference.
        behind: the rest of it.
    """

    request: DecodedRequest
    spans: tuple[tuple[int, int], ...]
    size: int
    places: tuple[int, ...] | None
    before: bytes
    behind: bytes

    def encoded(self, results: Sequence[Any], spent_us: float) -> Encoded:
        """The answer of packed results."""
        assert self.places is not None
        text = b"%b%.3f%b" % (self.before, spent_us, self.behind)
        return Encoded(b"".join((text, *[results[place] for place in self.places])), len(text))


def repeated_of(request: DecodedRequest, size: int, outputs: Sequence[Tensor], marked: Encoded) -> Repeated | None:
    """What can be kept of a request; None where its JSON alone does not say all but the tensors.

    Args:
        request: the first of its kind.
        size: of its body.
        outputs: of the model, or of one time step.
        marked: its answer, with ``MARK_US`` as the time of the inference.
    """
    if request.spans is None:
        return None
    kept = request._replace(inputs=[])
    if marked.json_bytes is None or not all(binary for _, binary in request.outputs):
        return Repeated(kept, request.spans, size, None, b"", b"")
    names = [tensor.name for tensor in outputs]
    places = tuple(names.index(name) for name, _ in request.outputs)
    before, mark, behind = marked.body[: marked.json_bytes].rpartition(MARK)
    return Repeated(kept, request.spans, size, places if mark else None, before, behind)
