"""The five phases in order, each done once: a run that was killed goes on where it stopped.

Phase 2 has two halves: the SDK is served before conversion, the best converted artifact once it is known.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edgeproof import __version__
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.manifest import NO_PROCESSORS, Manifest, PhaseRecord, RunOptions
from edgeproof.errors import DocumentError, EdgeProofError, UsageError
from edgeproof.files import utc_now
from edgeproof.rundir import TIMELINE, RunDir
from edgeproof.timeline import doing, recorded_in

__all__ = [
    "CHANGES",
    "PHASES",
    "Phase",
    "Progress",
    "change_options",
    "check_options",
    "command_of",
    "execute",
    "new_run",
]

Progress = Callable[[str, str], None]
"""Called with the phase's title and what it is doing."""


@dataclass(frozen=True)
class Phase:
    """One step of a run.

    Attributes:
        name: in the manifest.
        title: for people.
        work: ``module:function`` that does it; it is given the run and what to tell, and reads and writes documents.
        asked: whether a run with these options has it.
    """

    name: str
    title: str
    work: str
    asked: Callable[[RunOptions], bool] = lambda _options: True

    def do(self, run: RunDir, report: Callable[[str], None]) -> None:
        """Do the work; its module is imported now."""
        module, _, function = self.work.partition(":")
        getattr(importlib.import_module(f"edgeproof.phases.{module}"), function)(run, report)


PHASES = (
    Phase("prepare", "1 prepare", "prepare:prepare"),
    Phase("prove-sdk", "2 local proof, SDK", "local:prove_sdk"),
    Phase("convert", "3 convert", "convert:convert"),
    Phase("validate", "3 validate", "validate:validate"),
    Phase("devices", "4 devices", "device:measure_run"),
    Phase("batches", "4 batches", "batches:measure_batches", lambda options: any(size > 1 for size in options.batches)),
    Phase("prove-converted", "2 local proof, best converted", "local:prove_converted"),
    Phase("evaluate", "5 evaluate", "evaluate:conclude"),
)


def command_of(options: RunOptions) -> str:
    """The command line that asks for such a run, wherever it was asked for."""
    plain = RunOptions(model=options.model, model_name=options.model_name)
    words = ["edgeproof", "run", options.model]
    for spec in options.inputs:
        words += ["--input", spec]
    for artifact in options.artifacts:
        words += ["--artifact", artifact]
    for flag, value, default in (
        ("--name", options.name, plain.name),
        ("--samples", options.samples, plain.samples),
        ("--held-out", options.held_out, plain.held_out),
        ("--metric", options.metric, plain.metric),
        ("--count", options.sample_count, plain.sample_count),
        ("--seed", options.seed, plain.seed),
        ("--policy", options.policy, plain.policy),
        ("--candidates", ",".join(options.candidates), ""),
        ("--devices", ",".join(options.devices), ""),
        ("--processors", ",".join(options.processors), ""),
        ("--threads", ",".join(map(str, options.threads)), ""),
        ("--batch", ",".join(map(str, options.batches)), ""),
        ("--latency-ms", options.latency_ms, plain.latency_ms),
        ("--requests", options.requests, plain.requests),
        ("--cold-starts", options.cold_starts, plain.cold_starts),
        ("--network", ",".join(options.networks), ""),
        ("--capacity", options.capacity, plain.capacity),
        ("--jobs", options.jobs, plain.jobs),
        ("--limit-seconds", options.limit_seconds, plain.limit_seconds),
        ("--limit-memory", options.limit_memory_bytes / 2**30, plain.limit_memory_bytes / 2**30),
    ):
        if value != default:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    flags = (
        ("--synthetic", options.synthetic),
        ("--trust", options.trust),
        ("--no-cache", not options.cache),
        ("--quick", options.quick),
    )
    words += [flag for flag, on in flags if on]
    return shlex.join(words)


def check_options(options: RunOptions, *, devices: bool = True) -> None:
    """What can be known to be wrong before anything is written.

    Args:
        options: of the run.
        devices: whether they are asked too.

    Raises:
        UsageError: a candidate, a device, an input, the metric, the policy, a network, a bound or a path.
    """
    from edgeproof.client.capacity import bound_of
    from edgeproof.client.network import profile_of
    from edgeproof.devices.processors import find_processors
    from edgeproof.metrics.registry import find_metric
    from edgeproof.model.model import parse_spec
    from edgeproof.phases.conversion.adopted import check_adopted
    from edgeproof.phases.conversion.planned import check_name
    from edgeproof.verdict.policy import load_policy

    for name in options.candidates:
        check_name(name)
    for text in options.inputs:
        parse_spec(text)
    check_adopted(options.artifacts, trust=options.trust)
    if options.metric is not None:
        find_metric(options.metric)
    if options.policy is not None:
        load_policy(Path(options.policy))
    if options.processors != NO_PROCESSORS:
        find_processors(options.processors)
    if devices:
        check_devices(options.devices)
    for network in options.networks:
        profile_of(network)
    if options.capacity is not None:
        bound_of(options.capacity)
    for option, value in (("samples", options.samples), ("held-out samples", options.held_out)):
        if value is not None and not Path(value).exists():
            raise UsageError(f"{option}: there is no {value}")


def check_devices(addresses: Sequence[str]) -> None:
    """Whether each can be measured now: what cannot is better known before anything is done.

    Raises:
        UsageError: one is no device. DeviceError: one is not there, or does not let us in.
    """
    from edgeproof.devices.discover import open_device

    for address in addresses:
        with contextlib.closing(open_device(address)) as device:
            refused = device.available()
            if refused is not None:
                raise refused


CHANGES: dict[str, tuple[str, ...]] = {
    "devices": ("devices", "batches", "prove-converted", "evaluate"),
    "candidates": ("prepare", "convert", "validate", "devices", "prove-converted", "evaluate"),
    "metric": ("prepare", "validate", "evaluate"),
    "policy": ("validate", "prove-converted", "evaluate"),
    "latency_ms": ("evaluate",),
}
"""The options that a run may take in place of its own once it was done, and the phases that are then done anew. What
they read again of what was made, compared or measured of the same things stands."""


def change_options(run: RunDir, changes: Mapping[str, Any]) -> None:
    """Have a run go on with other options than its own.

    Args:
        run: the run.
        changes: by name, those of ``CHANGES``; ``candidates`` are further ones.

    Raises:
        UsageError: a value that cannot be right. DeviceError: a device is not there, or does not let us in.
    """
    manifest = run.manifest()
    before = manifest.options
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
    if "candidates" in given:
        given["candidates"] = tuple(dict.fromkeys((*_candidates_of(run, before), *given["candidates"])))
    options = msgspec.structs.replace(before, **given).absolute(Path.cwd())
    check_options(options, devices="devices" in given)
    again = {name for change in given for name in CHANGES[change]}
    if "policy" in given and any(device != "host" for device in options.devices):
        again.add("devices")  # whose outputs are held against it before they are timed
    with run.held():
        if "metric" in given:
            _forget_scores(run)
        stands = _measured(run) if "devices" in again and "devices" not in given else ()
        phases = tuple(
            PhaseRecord(name=record.name, status="pending", stands=stands if record.name == "devices" else ())
            if record.name in again
            else record
            for record in manifest.phases
        )
        run.write(
            msgspec.structs.replace(manifest, options=options, command=command_of(options), phases=phases).marked()
        )


def _candidates_of(run: RunDir, options: RunOptions) -> tuple[str, ...]:
    """Those that a run makes, by name, where it was asked for all of them too."""
    from edgeproof.documents.conversion import ConversionDocument
    from edgeproof.phases.conversion.adopted import parse_adopted
    from edgeproof.phases.conversion.planned import plan

    if options.candidates:
        return options.candidates
    try:
        made = [result.candidate for result in run.read(ConversionDocument).candidates]
    except DocumentError:
        made = [planned.candidate for planned in plan(steps=False)]
    return tuple(name for name in made if name not in parse_adopted(options.artifacts))


def _forget_scores(run: RunDir) -> None:
    """Have samples drawn again, the same, with the metric that they are scored by, and the eager model tried on it."""
    from edgeproof.documents.samples import SamplesDocument
    from edgeproof.model.workspace import Workspace

    for path in (run.root / SamplesDocument.FILE, Workspace(run.root).reference):
        path.unlink(missing_ok=True)


def _measured(run: RunDir) -> tuple[str, ...]:
    """Candidates that were measured, or seen not to run, on every device of the run."""
    devices = [run.device(name) for name in run.options().devices or ("host",)]
    seen = [{told.candidate for told in device.measurements} if device is not None else set() for device in devices]
    return tuple(sorted(set.intersection(*seen))) if seen else ()


def new_run(options: RunOptions, out: Path | None) -> RunDir:
    """Make a run's folder and manifest; the files that the options name are absolute from here on.

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
        options=options.absolute(Path.cwd()),
        phases=tuple(PhaseRecord(name=phase.name, status="pending") for phase in PHASES if phase.asked(options)),
    )
    return RunDir.create(manifest, out)


def execute(run: RunDir, progress: Progress = lambda _title, _text: None) -> EvaluationDocument:
    """Do every phase that is not done.

    Args:
        progress: told what is going on.

    Raises:
        RunFolderError: another process is at work in it.
        EdgeProofError: a phase failed; what it and the earlier ones wrote is kept, and the run can be resumed.
    """
    with run.held(), recorded_in(run.root / TIMELINE):
        return _execute(run, progress)


def _execute(run: RunDir, progress: Progress) -> EvaluationDocument:
    run.remove_unfinished()
    done = {record.name for record in run.manifest().phases if record.status == "done"}
    asked = [phase for phase in PHASES if phase.asked(run.manifest().options)]
    for phase in asked:
        if phase.name in done:
            progress(phase.title, "")
            progress(phase.title, "done before")
            continue
        _mark(run, PhaseRecord(name=phase.name, status="running"))
        began = time.monotonic()
        progress(phase.title, "")
        try:
            with doing(phase.name):
                phase.do(run, functools.partial(progress, phase.title))
        except EdgeProofError as error:
            _mark(run, PhaseRecord(name=phase.name, status="failed", reason=str(error)))
            raise
        seconds = round(time.monotonic() - began, 3)
        _mark(run, PhaseRecord(name=phase.name, status="done", seconds=seconds))
        progress(phase.title, f"done in {seconds:.1f} s")
    return run.read(EvaluationDocument)


def _mark(run: RunDir, record: PhaseRecord) -> None:
    manifest = run.manifest()
    phases = tuple(
        msgspec.structs.replace(record, stands=() if record.status == "done" else earlier.stands)
        if earlier.name == record.name
        else earlier
        for earlier in manifest.phases
    )
    run.write(msgspec.structs.replace(manifest, phases=phases))
