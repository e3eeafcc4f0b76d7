"""Phase 2, the local proof: each candidate behind the edge server, driven by the client simulator as another process.

Cold starts come from fresh server processes, the steady state from one that is warm; the two are never mixed. Several
candidates take turns, so that all of them see the same period of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edgeproof.client.calling import INTERRUPTED
from edgeproof.client.capacity import bound_of
from edgeproof.client.wire import encode_call
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.latency import LatencySummary
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import ServingError
from edgeproof.model.samples import read_calls
from edgeproof.phases.convert import convert_sdk
from edgeproof.phases.proving.cold import start_all
from edgeproof.phases.proving.driving import drive_over_networks, drive_steady, search_capacity
from edgeproof.phases.proving.record import merged
from edgeproof.phases.proving.taken import Proof, Taken
from edgeproof.rundir import RunDir
from edgeproof.timeline import measuring
from edgeproof.verdict.best import best_converted

__all__ = ["Proof", "prove_converted", "prove_local", "prove_sdk"]

Report = Callable[[str], None]


def prove_sdk(run: RunDir, report: Report = lambda _line: None) -> None:
    """Make PyTorch and our own engine, and serve each."""
    made = convert_sdk(run, report)
    if not made:
        report("no SDK candidate could be made: nothing to serve yet")
    for candidate in made:
        prove_local(run, [candidate], proof_of(run), report)


def prove_converted(run: RunDir, report: Report = lambda _line: None) -> None:
    """Serve the fastest on this host among the converted ones that passed."""
    best = best_converted(run.read(ConversionDocument), run.read(ValidationDocument), run.device("host"))
    if best is None:
        report("no converted artifact passed and ran here: nothing to serve")
        return
    candidate, artifact = best
    prove_local(run, [(candidate, run.path(artifact))], proof_of(run), report)


def proof_of(run: RunDir) -> Proof:
    """How hard the run asks to prove."""
    options = run.options()
    return Proof(
        requests=options.requests,
        cold_starts=options.cold_starts,
        trust=run.trust,
        networks=options.networks,
        bound=None if options.capacity is None else bound_of(options.capacity),
    )


def prove_local(
    run: RunDir,
    candidates: Sequence[tuple[str, Path]],
    proof: Proof,
    report: Report = lambda _line: None,
) -> LatencySummary:
    """Serve and drive the candidates, and write ``phase2_latency_summary.json`` with its raw files.

    What an earlier call measured of other candidates is kept. A candidate that fails stands in ``not_measured`` with
    the reason. When it is interrupted, what was driven by then is written, as partial.

    Args:
        run: the run; its held-out samples are the requests.
        candidates: name and artifact of each.
        proof: how hard.
        report: takes a line of progress.

    Raises:
        ServingError: no candidate could be served.
        KeyboardInterrupt: it was interrupted.
    """
    if not candidates:
        raise ServingError("there is no candidate to serve")
    document = run.read(SamplesDocument)
    samples = run.path(document.held_out.file)
    body = encode_call("json", read_calls(samples, document.signature.inputs, limit=1)[0]).body
    began = time.monotonic()
    taken = [Taken(name, artifact) for name, artifact in candidates]
    try:
        with ExitStack() as servers, measuring("local proof"):
            start_all(taken, body, proof, servers, report)
            drive_steady(taken, samples, proof, report)
            for candidate in taken:
                if candidate.failure is None:
                    drive_over_networks(run, candidate, samples, proof, report)
                    if proof.bound is not None:
                        search_capacity(candidate, samples, proof, report)
    except KeyboardInterrupt:
        for candidate in taken:
            candidate.partial = INTERRUPTED
        if any(candidate.reports for candidate in taken):
            run.write(merged(run, taken, proof.threads))
        raise
    if not any(candidate.reports for candidate in taken):
        raise ServingError("; ".join(f"{candidate.candidate}: {candidate.failure}" for candidate in taken))
    for candidate in taken:
        outcome = "served" if candidate.failure is None else "not served"
        report(f"{candidate.candidate}: {outcome} in {time.monotonic() - began:.1f} s")
    summary = merged(run, taken, proof.threads)
    run.write(summary)
    return summary
