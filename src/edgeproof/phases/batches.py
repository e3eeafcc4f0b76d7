"""Phase 4, batches: the candidates made anew for several samples a call, compared, and measured beside the run's own.

Verdicts stay about one sample a call; ``phase4_batches.json`` tells what a sample takes in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from edgeproof.devices.base import Effort, Measured, Target
from edgeproof.devices.discover import open_device
from edgeproof.devices.measuring import measure
from edgeproof.documents.batches import BatchesDocument, BatchResult, RefusedBatch
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.environment import Machine
from edgeproof.documents.latency import starved
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import EdgeProofError
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.batching.grouped import grouped_workspace, input_words, why_not_grouped
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.conversion.planned import Planned, plan
from edgeproof.phases.measurement.record import fastest_of, steady_of, untimed, why_not
from edgeproof.phases.prepare import limits_of, means_of
from edgeproof.phases.validation.against import load_reference
from edgeproof.phases.validation.artifacts import Validating
from edgeproof.rundir import RunDir

__all__ = ["measure_batches"]

Report = Callable[[str], None]
BATCHES = "work/batches"
FORM: Form = "whole"
REMEDY = "let forward take its first axis as the batch, whatever its length"


@dataclass(frozen=True)
class Made:
    """A candidate in one size, before it is measured."""

    candidate: str
    batch: int
    inputs: Path
    conversion: ConversionResult
    validation: ValidationResult | None

    @property
    def name(self) -> str:
        """The size is in it, of one too: single values of the run's own measurement stay."""
        return name_of(self.candidate, self.batch)


def name_of(candidate: str, batch: int) -> str:
    """What a candidate is called in one size."""
    return f"{candidate}-b{batch}"


def measure_batches(run: RunDir, report: Report = lambda _line: None, *, effort: Effort | None = None) -> None:
    """Make, compare and measure the candidates in every size that the manifest asks for.

    One sample a call is always measured beside them, interleaved. A size, or a candidate, that cannot be is written
    down with its reason.
    """
    options = run.options()
    sizes = tuple(size for size in options.batches if size > 1)
    samples = run.read(SamplesDocument)
    conversion, validation = run.read(ConversionDocument), run.read_if_there(ValidationDocument)
    validated = {result.candidate: result for result in (validation.results if validation is not None else ())}
    planned = [
        candidate
        for candidate in plan(options.candidates, steps=samples.signature.timesteps is not None)
        if not candidate.format.eager and _is_made(candidate.candidate, conversion)
    ]
    own = {result.candidate: result for result in conversion.candidates}
    held_out = run.path(samples.held_out.file)
    made = [Made(name.candidate, 1, held_out, own[name.candidate], validated.get(name.candidate)) for name in planned]
    refused: list[RefusedBatch] = []
    left_out: dict[str, int] = {}
    for size in sizes:
        found = _made(run, samples, planned, size, report)
        if isinstance(found, RefusedBatch):
            report(f"warning: no batches of {size}: {found.reason}")
            refused.append(found)
        else:
            made += found
            left_out[str(size)] = samples.held_out.count % size
    results, machine = _measured(run, made if len(refused) < len(sizes) else [], effort or Effort(), report)
    run.write(
        BatchesDocument(
            device="host",
            machine=machine,
            asked=options.batches,
            results=results,
            refused=tuple(refused),
            left_out=left_out,
        )
    )


def _is_made(candidate: str, conversion: ConversionDocument) -> bool:
    return any(result.candidate == candidate and result.status == "ok" for result in conversion.candidates)


def _made(
    run: RunDir, samples: SamplesDocument, planned: list[Planned], size: int, report: Report
) -> list[Made] | RefusedBatch:
    """Every candidate in one size, or why there is none."""
    reason = why_not_grouped(samples, size)
    if reason is not None:
        return RefusedBatch(batch=size, reason=reason)
    options, manifest, bounds = run.options(), run.manifest(), limits_of(run.options())
    report(f"batches of {size}: exporting the model")
    folder = run.root.resolve()
    workspace = grouped_workspace(Workspace(folder), size, folder / BATCHES / str(size))
    source = replace(
        options.source(manifest.working_directory), inputs=input_words(samples.signature, size), samples=None
    )
    draw = Draw(count=options.sample_count, seed=options.seed)
    try:
        prepare_workspace(workspace, source, draw=draw, forms=(FORM,), reference=False, limits=bounds)
    except EdgeProofError as error:
        return RefusedBatch(batch=size, reason=error.message, remedy=REMEDY)
    failure = workspace.prepared.failure(FORM)
    if failure is not None:
        return RefusedBatch(batch=size, reason=failure.reason or "it cannot be exported", remedy=failure.remedy)
    wanted = {name_of(candidate.candidate, size): candidate for candidate in planned}
    making = Making(
        workspace, options.model, options.model_name, run.path("artifacts"), bounds, report, means_of(options)
    )
    conversion = making.make(
        [Planned(name, candidate.format, candidate.precision, FORM) for name, candidate in wanted.items()]
    )
    validation = Validating(
        load_reference(workspace), run.policy()[0], workspace.root / "outputs", report, trust=run.trust
    ).validate(options.model, [Path(result.artifact) for result in conversion.candidates if result.artifact])
    validated = {result.candidate: result for result in validation.results}
    return [
        Made(
            wanted[result.candidate].candidate,
            size,
            workspace.held_out,
            _placed(run, result),
            _compared(run, validated.get(result.candidate)),
        )
        for result in conversion.candidates
    ]


def _placed(run: RunDir, result: ConversionResult) -> ConversionResult:
    """With paths as the run's documents write them."""
    return replace(result, artifact=run.written(result.artifact), log=run.written(result.log))


def _compared(run: RunDir, result: ValidationResult | None) -> ValidationResult | None:
    return None if result is None else replace(result, artifact=run.written(result.artifact))


def _measured(run: RunDir, made: list[Made], effort: Effort, report: Report) -> tuple[tuple[BatchResult, ...], Machine]:
    """What the host gives for each, all interleaved, on the count of threads that is the fastest."""
    device = open_device("host")
    reasons = {item.name: why_not(item.conversion, item.validation) for item in made}
    targets = [
        Target(item.name, run.path(item.conversion.artifact), threads, item.inputs)
        for item in made
        if item.conversion.artifact is not None and reasons[item.name] is None
        for threads in (run.options().threads or (None,))
    ]
    taken = measure(device, targets, made[0].inputs, effort, report, trust=run.trust) if targets else []
    fastest, _ = fastest_of(taken)
    results = []
    for item in made:
        plain = BatchResult(
            candidate=item.candidate,
            batch=item.batch,
            conversion=None if item.batch == 1 else item.conversion,
            validation=None if item.batch == 1 else item.validation,
        )
        found = fastest.get(item.name)
        results.append(
            replace(plain, reason=reasons[item.name] or "the device did not measure it")
            if found is None
            else _timed(run, plain, found)
        )
    return tuple(results), device.machine()


def _timed(run: RunDir, plain: BatchResult, found: Measured) -> BatchResult:
    """With the figures of its processes, single values beside."""
    if (lost := untimed(found)) is not None:
        return replace(plain, reason=lost)
    return replace(
        plain,
        steady=steady_of(run, "host", found.candidate, found),
        threads=found.reports[0].threads,
        starved=any(starved(told.cpu_percent) for told in found.reports),
    )
