"""Cold starts: fresh server processes, one after the other, from exec to the first answer.

A fast runtime gets as many as were asked for. A slow one, PyTorch above all, gets at least three and no more once they
have taken long: its start is seconds of imports, and how well its median is known is said beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from urllib.parse import quote

from edgeproof.client.connection import Connection
from edgeproof.client.wire import parse_answer
from edgeproof.errors import EdgeProofError, ServingError
from edgeproof.phases.proving.taken import Proof, Taken

__all__ = ["LEAST_STARTS", "LONG_S", "enough", "start_all"]

LEAST_STARTS = 3
LONG_S = 5.0
"""That the cold starts of a candidate may take together before no further one is made."""


def start_all(
    taken: Sequence[Taken], body: bytes, proof: Proof, kept: ExitStack, report: Callable[[str], None]
) -> None:
    """All cold starts, the candidates in turns. The server of each one's last start stays, warm from one request.

    Args:
        taken: the candidates.
        body: of the first request, as JSON.
        proof: how many.
        kept: what the last servers end with.
        report: takes a line of progress.
    """
    for index in range(proof.cold_starts):
        for candidate in taken:
            if candidate.failure is None and candidate.server is None:
                report(f"{candidate.candidate}: cold start {index + 1} of {proof.cold_starts}")
                _start(candidate, body, proof, kept)


def enough(exec_to_first_ms: Sequence[float], asked: int) -> bool:
    """Whether no further cold start is made."""
    count = len(exec_to_first_ms)
    return count >= asked or (count >= LEAST_STARTS and sum(exec_to_first_ms) > 1000 * LONG_S)


def note(exec_to_first_ms: Sequence[float], asked: int) -> str | None:
    """Why fewer were made than were asked for, and what they say; None where as many were made.

    The median of a continuous distribution lies between the least and the greatest of n values with probability
    1 - 2^(1 - n): it is outside only when all of them are on one side of it.
    """
    count = len(exec_to_first_ms)
    if count >= asked or not count:
        return None
    least, most, sure = min(exec_to_first_ms), max(exec_to_first_ms), 1 - 2.0 ** (1 - count)
    return (
        f"{count} of {asked} that were asked for: they took {sum(exec_to_first_ms) / 1000:.1f} s; the median lies "
        f"between {least:.0f} and {most:.0f} ms with {100 * sure:.0f} % confidence"
    )


def _start(taken: Taken, body: bytes, proof: Proof, kept: ExitStack) -> None:
    """One fresh process: exec to the first answer, parsed, over HTTP."""
    with ExitStack() as here:
        try:
            server = here.enter_context(proof.server(taken.artifact))
            connecting = time.monotonic_ns()
            with Connection(server.ready.url, timeout_s=proof.timeout_s) as connection:
                reply = connection.request("POST", f"/v2/models/{quote(server.ready.model, safe='')}/infer", body)
            if reply.status != 200:
                raise ServingError(f"the first request got HTTP {reply.status}: {reply.body[:300].decode()}")
            parse_answer(reply.body, reply.json_bytes)
            answered = time.monotonic_ns()
        except EdgeProofError as error:
            taken.failure = str(error)
            return
        taken.exec_to_first_ms.append((answered - server.spawned_monotonic_ns) / 1e6)
        taken.first_request_us.append((answered - connecting) / 1000)
        taken.load_ms.append(server.ready.load_ms)
        if server.ready.first_inference_us is not None:
            taken.first_inference_us.append(server.ready.first_inference_us)
        if enough(taken.exec_to_first_ms, proof.cold_starts):
            taken.cold_starts_note = note(taken.exec_to_first_ms, proof.cold_starts)
            taken.server = server
            kept.push(here.pop_all())
