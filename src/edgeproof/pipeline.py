"""The five phases in order, each done once: a run that was killed goes on where it stopped.

Phase 2 has two halves: the SDK is served before conversion, the best converted artifact once it is known.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof import __version__
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.manifest import Manifest, PhaseRecord, RunOptions
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import EdgeProofError, UsageError
from edgeproof.rundir import RunDir, utc_now

__all__ = ["PHASES", "Progress", "execute", "new_run"]

Progress = Callable[[str, str], None]
"""Called with the phase's title and what it is doing."""

EVALUATION = "phase5_evaluation.json"


def _prepare(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.prepare import prepare

    prepare(run, report)


def _convert(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.activity import count_activity
    from edgeproof.phases.convert import convert

    convert(run, report)
    count_activity(run, report)


def _validate(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.validate import validate

    validate(run, report)


def _prove_sdk(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.convert import convert_sdk

    made = convert_sdk(run, report)
    if not made:
        report("no SDK candidate could be made: nothing to serve yet")
    for candidate, artifact in made:
        _serve(run, candidate, artifact, report)


def _devices(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.device import measure_devices

    measure_devices(run, devices=run.manifest().options.devices or ("host",), report=report)


def _prove_converted(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.verdict.best import best_converted

    best = best_converted(
        run.read("phase3_conversion.json", ConversionDocument),
        run.read("phase3_validation.json", ValidationDocument),
        run.read_if_there("phase4_devices/host.json", DeviceDocument),
    )
    if best is None:
        report("no converted artifact passed and ran here: nothing to serve")
        return
    candidate, artifact = best
    _serve(run, candidate, run.path(artifact), report)


def _evaluate(run: RunDir, report: Callable[[str], None]) -> None:
    from edgeproof.phases.evaluate import evaluate, write_runbook

    report("writing the runbook")
    write_runbook(run)
    report("weighing the evidence")
    evaluate(run)


PHASES: tuple[tuple[str, str, Callable[[RunDir, Callable[[str], None]], None]], ...] = (
    ("prepare", "1 prepare", _prepare),
    ("prove-sdk", "2 local proof, SDK", _prove_sdk),
    ("convert", "3 convert", _convert),
    ("validate", "3 validate", _validate),
    ("devices", "4 devices", _devices),
    ("prove-converted", "2 local proof, best converted", _prove_converted),
    ("evaluate", "5 evaluate", _evaluate),
)


def _serve(run: RunDir, candidate: str, artifact: Path, report: Callable[[str], None]) -> None:
    from edgeproof.phases.local import prove_local

    options = run.manifest().options
    prove_local(
        run,
        [(candidate, artifact)],
        requests=options.requests,
        cold_starts=options.cold_starts,
        report=report,
    )


def command_of(options: RunOptions) -> str:
    """The command line that asks for such a run, wherever it was asked for."""
    plain = RunOptions(model=options.model, model_name=options.model_name)
    words = ["edgeproof", "run", options.model]
    for spec in options.inputs:
        words += ["--input", spec]
    for flag, value, default in (
        ("--samples", options.samples, plain.samples),
        ("--held-out", options.held_out, plain.held_out),
        ("--count", options.sample_count, plain.sample_count),
        ("--seed", options.seed, plain.seed),
        ("--policy", options.policy, plain.policy),
        ("--candidates", ",".join(options.candidates), ""),
        ("--devices", ",".join(options.devices), ""),
        ("--requests", options.requests, plain.requests),
        ("--cold-starts", options.cold_starts, plain.cold_starts),
        ("--limit-seconds", options.limit_seconds, plain.limit_seconds),
        ("--limit-memory", options.limit_memory_bytes / 2**30, plain.limit_memory_bytes / 2**30),
    ):
        if value != default:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    words += [flag for flag, on in (("--synthetic", options.synthetic), ("--trust", options.trust)) if on]
    return shlex.join(words)


def check_options(options: RunOptions) -> None:
    """What can be known to be wrong before anything is written.

    Raises:
        UsageError: a candidate, an input, the policy or a path.
    """
    from edgeproof.model.model import parse_spec
    from edgeproof.phases.plan import check_name
    from edgeproof.verdict.policy import load_policy

    for name in options.candidates:
        check_name(name)
    for text in options.inputs:
        parse_spec(text)
    if options.policy is not None:
        load_policy(Path(options.policy))
    for option, value in (("samples", options.samples), ("held-out samples", options.held_out)):
        if value is not None and not Path(value).exists():
            raise UsageError(f"{option}: there is no {value}")


def new_run(options: RunOptions, out: Path | None) -> RunDir:
    """Make a run's folder and manifest.

    Raises:
        UsageError: an option that cannot be right.
        RunFolderError: ``out`` is in use.
    """
    check_options(options)
    manifest = Manifest(
        created=utc_now(),
        edgeproof=__version__,
        command=command_of(options),
        working_directory=str(Path.cwd()),
        options=options,
        phases=tuple(PhaseRecord(name=name, status="pending") for name, _, _ in PHASES),
    )
    return RunDir.create(manifest, out)


def execute(run: RunDir, progress: Progress = lambda _title, _text: None) -> EvaluationDocument:
    """Do every phase that is not done.

    Args:
        progress: told what is going on.

    Raises:
        EdgeProofError: a phase failed; what it and the earlier ones wrote is kept, and the run can be resumed.
    """
    done = {one.name for one in run.manifest().phases if one.status == "done"}
    for name, title, work in PHASES:
        if name in done:
            progress(title, "done before")
            continue
        _mark(run, name, PhaseRecord(name=name, status="running"))
        began = time.monotonic()
        progress(title, "")

        def tell(text: str, title: str = title) -> None:
            progress(title, text)

        try:
            work(run, tell)
        except EdgeProofError as error:
            _mark(run, name, PhaseRecord(name=name, status="failed", reason=str(error)))
            raise
        _mark(run, name, PhaseRecord(name=name, status="done", seconds=round(time.monotonic() - began, 3)))
    return run.read(EVALUATION, EvaluationDocument)


def _mark(run: RunDir, name: str, record: PhaseRecord) -> None:
    manifest = run.manifest()
    phases = tuple(record if one.name == name else one for one in manifest.phases)
    run.write(RunDir.manifest_name, msgspec.structs.replace(manifest, phases=phases))
