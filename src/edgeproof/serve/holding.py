"""One model as the protocol sees it: a request's bytes in, an answer's bytes out. Knows no process and no socket."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from edgeproof.errors import EdgeProofError, SignatureError
from edgeproof.serve.lane import Message
from edgeproof.serve.limits import most_calls
from edgeproof.serve.messages import ModelMetadata, Parameters, SequenceMetadata, TensorMetadata
from edgeproof.serve.opening import Opened, Opening
from edgeproof.serve.protocol import Asked, DecodedRequest, Encoded, ProtocolError, decode_request, encode_response
from edgeproof.serve.repeated import MARK_US, Repeated, repeated_of
from edgeproof.serve.sequences import Sequences, TooMany
from edgeproof.serve.tensors import Tensor

__all__ = ["MODEL_VERSION", "Held", "Holding", "error_body"]

MODEL_VERSION = "1"
MESSAGE_LIMIT = 2000
"""Characters of an error: it may repeat what a client sent."""
MOST_KEPT = 256
"""Kinds of binary requests whose JSON is kept."""
LONGEST_KEPT = 4096
"""Bytes of it."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that holds a model says of it once it is open."""

    metadata: ModelMetadata
    load_ms: float
    first_inference_us: float
    threads: int
    input_values: int
    """Of the largest request, of all inputs together."""
    degraded: str | None = None


class Holding:
    """A model that is open, with the sequences that are asked step by step.

    Args:
        opened: it.
        opening: as it was asked for.

    Attributes:
        held: what there is to say of it.
    """

    def __init__(self, opened: Opened, opening: Opening) -> None:
        self._running = running = opened.running
        self._name = opening.name
        batched = [tensor.shape[:1] == (1,) for tensor in (*running.inputs, *running.outputs)]
        values = sum(tensor.count for tensor in running.inputs)
        self._most_calls = most_calls(values) if all(batched) and running.inputs else 1
        self._sequences: Sequences | None = None
        steps = None
        if running.step_inputs:
            self._sequences = Sequences(running.stream, most=opening.sequences, seconds=opening.sequence_seconds)
            steps = SequenceMetadata(inputs=told_of(running.step_inputs), outputs=told_of(running.step_outputs))
        self._repeated: dict[bytes, Repeated] = {}
        self._about: Parameters = {
            **({} if opened.sha256 is None else {"artifact_sha256": opened.sha256}),
            "runtime": opened.runtime,
            "runtime_version": opened.runtime_version,
            **({} if opened.degraded is None else {"degraded": opened.degraded}),
        }
        self.held = Held(
            metadata=ModelMetadata(
                name=opening.name,
                versions=[MODEL_VERSION],
                platform=opened.platform,
                inputs=told_of(running.inputs, batched=self._most_calls > 1),
                outputs=told_of(running.outputs, batched=self._most_calls > 1),
                degraded=opened.degraded,
                sequence=steps,
                artifact_sha256=opened.sha256,
                runtime=opened.runtime,
                runtime_version=opened.runtime_version,
            ),
            load_ms=opened.load_ms,
            first_inference_us=opened.first_us,
            threads=opening.threads,
            input_values=self._most_calls * values,
            degraded=opened.degraded,
        )

    def answer(self, question: Message) -> Message:
        """The answer to a request: whatever is wrong with it is an answer too."""
        try:
            encoded, spent_ns = self._answered(question)
        except TooMany as error:
            return Message(503, error_body(str(error)))
        except (ProtocolError, SignatureError) as error:
            return Message(400, error_body(str(error)))
        except EdgeProofError as error:
            return Message(500, error_body(str(error)))
        except Exception as error:
            return Message(500, error_body(f"{type(error).__name__}: {error}"))
        return Message(200, encoded.body, encoded.json_bytes, spent_ns)

    def close(self) -> None:
        """Let go of the model."""
        self._running.close()

    def _answered(self, question: Message) -> tuple[Encoded, int]:
        body, json_bytes = question.body, question.json_bytes
        head, known = b"", None
        if json_bytes is not None:
            head = bytes(body[:json_bytes])
            known = self._repeated.get(head)
        if known is not None and known.size == len(body):
            request, inputs = known.request, [body[begin:end] for begin, end in known.spans]
        else:  # where it is known, to hear what is wrong with it
            request = self._decoded(question)
            inputs = request.inputs
        begin_ns = time.perf_counter_ns()
        if request.sequence is not None:
            results = self._step(request.sequence, inputs)
        else:
            results = self._running.call(inputs) if request.calls == 1 else self._calls(request.calls, inputs)
        spent_ns = time.perf_counter_ns() - begin_ns
        if known is not None and known.places is not None:
            return known.encoded(results, spent_ns / 1000), spent_ns
        if known is None and 0 < len(head) <= LONGEST_KEPT and len(self._repeated) < MOST_KEPT:
            marked = self._encoded(request, results, MARK_US)
            kept = repeated_of(request, len(body), self._outputs(request), marked)
            if kept is not None:
                self._repeated[head] = kept
        return self._encoded(request, results, spent_ns / 1000), spent_ns

    def _decoded(self, question: Message) -> DecodedRequest:
        running = self._running
        return decode_request(
            question.body,
            running.inputs,
            running.outputs,
            json_bytes=question.json_bytes,
            most_calls=self._most_calls,
            step=None if self._sequences is None else (running.step_inputs, running.step_outputs),
        )

    def _encoded(self, request: DecodedRequest, results: Sequence[Any], spent_us: float) -> Encoded:
        parameters = {"inference_us": spent_us, **self._about}
        outputs = self._outputs(request)
        return encode_response(self._name, MODEL_VERSION, outputs, results, request=request, parameters=parameters)

    def _outputs(self, request: DecodedRequest) -> Sequence[Tensor]:
        return self._running.outputs if request.sequence is None else self._running.step_outputs

    def _calls(self, count: int, inputs: Sequence[Any]) -> list[Any]:
        """Several calls, their outputs one behind the other."""
        sizes = [tensor.bytes for tensor in self._running.inputs]
        found: list[list[bytes]] = []
        for call in range(count):
            given = [data[call * size : (call + 1) * size] for data, size in zip(inputs, sizes, strict=True)]
            found.append([bytes(result) for result in self._running.call(given)])
        return [b"".join(parts) for parts in zip(*found, strict=True)]

    def _step(self, asked: Asked, inputs: Sequence[Any]) -> list[Any]:
        assert self._sequences is not None
        try:
            return self._sequences.states(asked).step(inputs)
        finally:
            if asked.end:
                self._sequences.end(asked)


def told_of(tensors: Sequence[Tensor], *, batched: bool = False) -> list[TensorMetadata]:
    """Tensors as the protocol's metadata has them; -1 is an axis of any length."""
    return [
        TensorMetadata(
            name=tensor.name,
            datatype=tensor.datatype.name,
            shape=[-1, *tensor.shape[1:]] if batched else list(tensor.shape),
        )
        for tensor in tensors
    ]


def error_body(message: str) -> bytes:
    """An error as the protocol writes it."""
    clipped = message if len(message) <= MESSAGE_LIMIT else f"{message[:MESSAGE_LIMIT]}…"
    return msgspec.json.encode({"error": clipped})
