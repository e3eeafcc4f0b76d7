"""Runs: all five phases on a model, and what is done with a run's documents after they were written."""

from __future__ import annotations

from pathlib import Path

from edgeproof.errors import ModelReferenceError, UsageError

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypedDict, Unpack

    from edgeproof.api.origin import Given
    from edgeproof.documents.device import DeviceClass
    from edgeproof.documents.evaluation import EvaluationDocument
    from edgeproof.documents.source import ModelSource
    from edgeproof.process import Limits
    from edgeproof.report.comparison import Comparison
    from edgeproof.verdict.gate import Held

    Progress = Callable[[str, str], None]

    class Settings(TypedDict, total=False):
        """What ``run`` may be told.

        Attributes:
            inputs: ``NAME:dtype[shape]``, batch axis included; wins over the model's own.
            name: what the model is called in files and reports; default: as its file.
            samples: folder or ``.npz`` of representative samples; default: drawn from what the model brings.
            held_out: folder or ``.npz`` for validation and the task score; default: what the model brings.
            metric: what the task is scored by, in place of the model's own: a name, or ``"top_k:k=3"``.
            count: how many are drawn from the model's own; 256.
            seed: of the draw; 0.
            synthetic: use random input where there are no samples; no int8 verdict stands on it.
            policy: TOML with the thresholds of the verdict, or the name of a policy that ships; default: the built-in
                one.
            candidates: such as ``("sdk-eager", "onnx-int8")``; a format, ``"onnx"``, stands for all its precisions;
                empty: all.
            devices: to measure on; empty: the host.
            processors: to compare outputs on as well, by emulation, such as ``("x86-64-v3", "cortex-a76")``; empty:
                fp16 and int8 on a usual one or two, where QEMU is installed; ``("none",)``: none.
            artifacts: ``NAME=PATH`` of candidates that were made elsewhere.
            threads: counts of threads to measure each candidate with, such as ``(1, 4)``; empty: one.
            paces: seconds between the beginnings of calls to measure each at as well, such as ``(0.033, 1.0)``.
            hold: seconds of load that each process holds after its timed calls, for a power meter.
            batches: samples a call, such as ``(1, 8)``: candidates are made for these too and measured on the host;
                verdicts are about one.
            latency_ms: milliseconds per inference, in place of the policy's.
            requests: of the local proof; 100.
            cold_starts: fresh servers of the local proof, per candidate, fewer of slow ones; 5.
            networks: profiles that the local proof drives over as well, such as ``("wifi", "4g")``.
            capacity: a bound such as ``"p99=20ms"``, whose highest rate the local proof looks for.
            trust: open files of unknown origin that run the code inside with your rights, such as TorchScript.
            quick: a first look: the first precision of each format, on this host, with fewer counts; labelled so, and
                its confidence is never high.
            jobs: conversions and validations at a time; None: as many as there are cores, and as the memory holds.
            cache: whether conversions that were made before of the same program, samples and versions are taken from
                the user's cache.
        """

        inputs: Sequence[str]
        name: str | None
        samples: str | Path | None
        held_out: str | Path | None
        metric: str | None
        count: int
        seed: int
        synthetic: bool
        policy: str | Path | None
        candidates: Sequence[str]
        devices: Sequence[str]
        processors: Sequence[str]
        artifacts: Sequence[str]
        threads: Sequence[int]
        paces: Sequence[float]
        hold: float | None
        batches: Sequence[int]
        latency_ms: float | None
        requests: int
        cold_starts: int
        networks: Sequence[str]
        capacity: str | None
        trust: bool
        quick: bool
        jobs: int | None
        cache: bool


ON_BOARD = "board:"
"""Before the address of a meter that the device has."""

__all__ = ["compare_runs", "gate", "iphone_project", "measure", "new_run_folder", "report", "resume", "run", "runbook"]


def run(
    model: str | Path | ModelSource,
    *,
    out: str | Path | None = None,
    limits: Limits | None = None,
    progress: Progress = lambda _title, _text: None,
    **settings: Unpack[Settings],
) -> EvaluationDocument:
    """Take a model through all five phases.

    A run can be resumed and repeated from its folder alone, so its model and samples are references and paths.

    Args:
        model: ``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``model.pt`` or ``graph.nir``.
        out: run folder, new or empty; default: ``bench_output/edge_phase_runs/<time>``.
        limits: as in ``convert``.
        progress: called with a phase's title and what it is doing.
        settings: samples, policy, candidates, devices and counts: see ``Settings``.

    Returns:
        the evaluation: verdicts per device class, and the table of candidates. All else is in the run folder.

    Raises:
        UsageError: wrong use. RunFolderError: ``out`` is in use.
        EdgeProofError: a phase failed; the folder is kept and ``resume`` goes on with it.
    """
    from edgeproof.pipeline import execute
    from edgeproof.rundir import RunDir

    folder = new_run_folder(model, out=out, limits=limits, **settings)
    return execute(RunDir(folder, trust=True), progress)


def new_run_folder(
    model: str | Path | ModelSource,
    *,
    out: str | Path | None = None,
    limits: Limits | None = None,
    **settings: Unpack[Settings],
) -> Path:
    """A run's folder with its manifest and nothing done yet; ``resume`` takes it from there.

    Args:
        model: as in ``run``, and so are the others.

    Raises:
        UsageError: wrong use. RunFolderError: ``out`` is in use.
    """
    from edgeproof.api.origin import source_of
    from edgeproof.documents.manifest import RunOptions
    from edgeproof.documents.source import ModelSource
    from edgeproof.model.address import parse_address
    from edgeproof.pipeline import new_run
    from edgeproof.process import Limits

    if not isinstance(model, str | Path | ModelSource):
        raise ModelReferenceError(
            f"a run needs an address, not a {type(model).__name__}: it is resumed from its folder alone",
            hint="put the model into a function and give file.py:function",
        )
    words: dict[str, Any] = dict(settings)
    if not isinstance(model, ModelSource):
        given: Given = {
            "inputs": words.pop("inputs", ()),
            "samples": words.pop("samples", None),
            "metric": words.pop("metric", None),
            "name": words.pop("name", None),
        }
        model = source_of(model, {**given, "trust": words.pop("trust", False)})
    if words.get("quick"):
        from edgeproof.phases.quick import quick_settings

        words = quick_settings(words)
    if "count" in words:
        words["sample_count"] = words.pop("count")
    bounds = limits or Limits()
    options = RunOptions(
        model=model.model,
        model_name=model.name or parse_address(model.model).name,
        name=model.name,
        inputs=model.inputs,
        samples=model.samples,
        metric=model.metric,
        trust=model.trust,
        limit_seconds=bounds.seconds,
        limit_memory_bytes=bounds.memory_bytes,
        **{name: _plain(value) for name, value in words.items()},
    )
    return new_run(options, None if out is None else Path(out)).root


def _plain(value: Any) -> Any:
    """A setting as the manifest has it."""
    return str(value) if isinstance(value, Path) else tuple(value) if isinstance(value, list) else value


def resume(
    folder: str | Path,
    *,
    devices: Sequence[str] = (),
    candidates: Sequence[str] = (),
    policy: str | Path | None = None,
    metric: str | None = None,
    latency_ms: float | None = None,
    trust: bool = False,
    progress: Progress = lambda _title, _text: None,
) -> EvaluationDocument:
    """Go on with a run that was stopped, or take one that is done further; what is done is not done again.

    Args:
        folder: the run folder.
        devices: to measure on instead of the run's own, though it did so already; empty: the run's own.
        candidates: further ones; those of the run keep their artifacts, comparisons and measurements.
        policy: in place of the run's own; outputs are held against it anew, and the verdict is given by it.
        metric: what the task is scored by, in place of the run's own.
        latency_ms: milliseconds per inference, in place of the policy's.
        trust: go on with a run that somebody else started: its manifest names the model, whose code runs with your
            rights, and its artifacts may be code.
        progress: as in ``run``.

    Raises:
        TrustError: somebody else started it, and ``trust`` was not said.
        RunFolderError: it is no run folder, or a damaged one.
        UsageError: an option that cannot be right. DeviceError: a device is not there, or does not let us in.
        EdgeProofError: a phase failed again.
    """
    from edgeproof.pipeline import change_options, execute
    from edgeproof.rundir import RunDir

    run = RunDir.open(Path(folder), trust=trust)
    run.ask_for_trust()
    asked = {
        "devices": tuple(devices),
        "candidates": tuple(candidates),
        "policy": None if policy is None else str(policy),
        "metric": metric,
        "latency_ms": latency_ms,
    }
    changes = {name: value for name, value in asked.items() if value}
    if changes:
        change_options(run, changes)
    return execute(run, progress)


def measure(
    folder: str | Path,
    *,
    devices: Sequence[str] = (),
    candidates: Sequence[str] = (),
    count: int | None = None,
    threads: Sequence[int] = (),
    paces: Sequence[float] | None = None,
    hold: float | None = None,
    sustained: float | None = None,
    meter: str | None = None,
    idle: float | None = None,
    supply_volts: float | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> EvaluationDocument:
    """Measure candidates of a run again, interleaved, and write its evaluation and report.

    Args:
        folder: the run folder.
        devices: addresses; empty: the run's own.
        candidates: which; empty: all of the run.
        count: timed calls of each; None: 702, in 5 s at most.
        threads: counts of threads; empty: the run's own.
        paces: seconds between the beginnings of calls, measured beside back to back; None: the run's own.
        hold: seconds of load that each process holds for a meter; None: the run's own.
        sustained: seconds under load of each candidate after all of that, from one temperature; None: none.
        meter: a power meter's address, recorded meanwhile and joined to every load that is held; ``board:pmic`` is one
            of the device's own; None: none.
        idle: seconds that are recorded before anything runs, for idle power.
        supply_volts: where the meter tells current alone.
        progress: takes a line.

    Raises:
        RunFolderError: it is no run folder, or a damaged one.
        UsageError: a candidate, a device or the meter is unknown, or there is a meter and no load is held.
        DeviceError: no device could be measured. MeterError: the meter cannot be read.
    """
    import contextlib
    import math
    from dataclasses import replace

    from edgeproof.devices.base import Effort
    from edgeproof.phases.device import measure_devices
    from edgeproof.phases.evaluate import conclude
    from edgeproof.process import Limits
    from edgeproof.rundir import RunDir

    run = RunDir.open(Path(folder))
    effort = Effort()
    if count is not None:
        effort = Effort(count=math.ceil(count / effort.rounds), seconds=3600, limits=Limits(seconds=3600))
    options = run.options()
    at = options.paces if paces is None else tuple(paces)
    effort = replace(effort, paces=at, hold=hold or options.hold, sustained=sustained)
    if meter is not None and effort.hold is None:
        raise UsageError("a meter sees no call of microseconds: a load has to be held for it", hint="add --hold 60s")
    with run.held(), contextlib.ExitStack() as beside:
        metering = None
        if meter is not None and meter.startswith(ON_BOARD):
            effort = replace(effort, meter=meter.removeprefix(ON_BOARD))
        elif meter is not None:
            from edgeproof.meters.base import How
            from edgeproof.phases.power.beside import metered

            how = How(volts=supply_volts)
            metering = beside.enter_context(metered(meter, how=how, idle_s=idle, report=progress))
        documents = measure_devices(
            run,
            devices=tuple(devices) or options.devices or ("host",),
            candidates=candidates,
            effort=effort,
            threads=tuple(threads) or options.threads,
            report=progress,
        )
        beside.close()
        if metering is not None:
            metering.join(run, documents, idle_s=idle, report=progress)
        return conclude(run)


def report(
    folder: str | Path,
    *,
    measured: Mapping[DeviceClass, Mapping[str, Path]] | None = None,
    policy: str | Path | None = None,
    csv: str | Path | None = None,
) -> EvaluationDocument:
    """Hold a run's documents against its policy again, and write its evaluation, report and plots.

    Args:
        folder: the run folder.
        measured: results that were measured by hand, to be brought into the run: per device class and candidate a JSON
            file, a list of latencies in µs or the object that the runbook describes.
        policy: TOML, or a policy that ships, to hold in place of the run's own.
        csv: a folder to write every table to, one CSV file a table.

    Raises:
        RunFolderError: it is no run folder, or a damaged one.
        PolicyError: the policy cannot be used.
        UsageError: the run has no such candidate.
        DocumentError: a file is no result.
    """
    from edgeproof.phases.away.bring_back import bring_back
    from edgeproof.phases.evaluate import evaluate
    from edgeproof.rundir import RunDir

    run = RunDir.open(Path(folder))
    for device_class, files in (measured or {}).items():
        bring_back(run, device_class, files)
    return evaluate(run, None if policy is None else Path(policy), csv=None if csv is None else Path(csv))


def runbook(folder: str | Path) -> Path:
    """Write the device runbook of a run, and give its path.

    Raises:
        RunFolderError: it is no run folder, or nothing was converted yet.
    """
    from edgeproof.phases.evaluate import write_runbook
    from edgeproof.rundir import RunDir

    return write_runbook(RunDir.open(Path(folder)))


def iphone_project(folder: str | Path, out: str | Path) -> dict[str, str]:
    """Write an Xcode project that measures a run's artifacts on an iPhone.

    Args:
        folder: of the run.
        out: folder of its own; a project that was written there before is replaced.

    Returns:
        candidates that ship to an iPhone and cannot be in the app, and why.

    Raises:
        RunFolderError: no run, or nothing in it ships to an iPhone. UsageError: the folder holds something else.
    """
    from edgeproof.phases.away.iphone import write_iphone_project
    from edgeproof.rundir import RunDir

    return write_iphone_project(RunDir.open(Path(folder)), Path(out))


def compare_runs(before: str | Path, after: str | Path) -> Comparison:
    """Hold two runs against each other, candidate by candidate.

    Where they are runs of other models, inputs, samples, policies or hosts, ``unlike`` says so.

    Raises:
        RunFolderError: one is no run folder, or a damaged one.
    """
    from edgeproof.phases.evaluate import compared_run
    from edgeproof.report.comparison import compare_runs as compared

    return compared(*(compared_run(str(folder)) for folder in (before, after)))


def gate(folder: str | Path, *, policy: str | Path | None = None, device_classes: Sequence[DeviceClass] = ()) -> Held:
    """Which points of a policy a run leaves unmet; none are left where the gate opens.

    Args:
        folder: the run folder.
        policy: TOML to hold in place of the run's own.
        device_classes: that have to meet it; empty: every class that was measured.

    Raises:
        RunFolderError: it is no run folder, or a damaged one.
        PolicyError: the policy cannot be used.
    """
    from edgeproof.phases.evaluate import judge, read_evidence
    from edgeproof.rundir import RunDir
    from edgeproof.verdict.gate import Held, measured_classes
    from edgeproof.verdict.gate import gate as unmet_points

    run = RunDir.open(Path(folder))
    evaluation = judge(run, read_evidence(run), None if policy is None else Path(policy))
    classes = tuple(device_classes) or measured_classes(evaluation)
    return Held(evaluation, classes, tuple(unmet_points(evaluation, device_classes)))
