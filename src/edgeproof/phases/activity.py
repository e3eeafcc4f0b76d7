"""Phase 3, beside the conversion: what a spiking network does on held-out samples, counted in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeproof.documents.activity import (
    ActivityDocument,
    EnergyValue,
    LayerActivity,
    NeuronActivity,
    OperationTotals,
    RasterFile,
)
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import EdgeProofError
from edgeproof.rundir import RunDir, atomic_path

if TYPE_CHECKING:
    import numpy.typing as npt

    from edgeproof.spike.counts.operations import OperationCount

__all__ = ["ACTIVITY", "RASTER", "activity_document", "count_activity", "count_spine", "load_raster"]

ACTIVITY = "phase3_activity.json"
RASTER = "phase3_raster.npz"
SAMPLES = "phase1_samples.json"
STEP = "work/spine/step"
LOG = "work/logs/activity.log"
SOURCES = {
    "model": "held out by the model",
    "user": "held out, as given",
    "representative": "the representative ones: none are held out",
}
COUNTED = 32
"""Held-out samples, evenly chosen."""
DEFINITIONS = "NeuroBench (Yik et al., Nature Communications 16, 1545, 2025)"


def count_activity(run: RunDir, report: Callable[[str], None] = lambda _: None) -> ActivityDocument | None:
    """Count on held-out samples and write ``phase3_activity.json`` and ``phase3_raster.npz``.

    A network of which nothing can be counted gets a document with the reason. Needs the export of one time step.

    Returns:
        the document; None for a model that does not spike: nothing is written.
    """
    samples = run.read(SAMPLES, SamplesDocument)
    if not samples.signature.spiking:
        return None
    if run.has(f"{STEP}/spine.json"):
        report("counting spikes and operations")
        reason = _count_apart(run)
    elif samples.signature.timesteps is None:
        reason = "the model loops over time by itself, so no step of it is known"
    else:
        reason = "no candidate of this run was made from one time step; sdk-native is one"
    if reason is not None:
        run.write(ACTIVITY, ActivityDocument(model=_model(run), definitions=DEFINITIONS, reason=reason))
    return run.read(ACTIVITY, ActivityDocument)


def _model(run: RunDir) -> str:
    return run.manifest().options.model_name


def _count_apart(run: RunDir) -> str | None:
    """Count in a process of its own; the reason where it does not come to an end."""
    from edgeproof.formats.supervise import worker_environment

    limit = run.manifest().options.limit_seconds
    log = run.path(LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    run.path(ACTIVITY).unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeproof.phases.activity", str(run.root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=worker_environment(),
        )
        try:
            code = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            return f"counting was stopped after {limit:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
    if run.has(ACTIVITY):
        return None
    said = log.read_text(errors="replace").strip().splitlines()
    return f"counting ended with exit code {code}: {said[-1] if said else 'it said nothing'}"


def load_raster(run: RunDir, document: ActivityDocument) -> dict[str, npt.NDArray[Any]]:
    """Spikes of one sample by neurons, bool ``[time steps, neurons]``; nothing where the file is gone or damaged."""
    import numpy as np

    if document.raster is None:
        return {}
    path = run.path(document.raster.file).resolve()
    if not path.is_relative_to(run.root.resolve()):
        return {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}
    return {name: train != 0 for name, train in found.items() if train.ndim == 2}


def activity_document(model: str, count: OperationCount, *, source: str, raster: RasterFile | None) -> ActivityDocument:
    """Counts as the mean of one inference, with the energy that tables give for them."""
    from edgeproof.spike.counts.energy import FLOAT32, FORMULA, INT8, SOURCE, estimate_energy

    per = count.samples
    totals = OperationTotals(
        acs=sum(one.acs for one in count.layers) / per,
        macs=sum(one.macs for one in count.layers) / per,
        dense=sum(one.dense for one in count.layers) / per,
        membrane_updates=sum(one.membrane_updates for one in count.neurons) / per,
        connection_sparsity=count.connection_sparsity,
        activation_sparsity=count.activation_sparsity,
    )
    energy = []
    for technology in (FLOAT32, INT8):
        found = estimate_energy(
            technology,
            acs=totals.acs,
            macs=totals.macs,
            dense=totals.dense,
            membrane_updates=totals.membrane_updates,
            weights=sum(one.weights for one in count.layers),
            membranes=sum(one.membranes_held for one in count.neurons),
        )
        energy.append(
            EnergyValue(
                technology=technology.name,
                synapses_energy_estimate_uj=found.synapses_uj,
                dense_energy_estimate_uj=found.dense_uj,
                neurons_energy_estimate_uj=found.neurons_uj,
                memory_energy_estimate_uj=found.memory_uj,
                memory=found.memory,
                formula=FORMULA,
                constants_pj={
                    "add": technology.add_pj,
                    "multiply": technology.multiply_pj,
                    "membrane multiply": technology.membrane_multiply_pj,
                    "weight read": found.weight_pj,
                    "state access": found.state_pj,
                },
                source=SOURCE,
            )
        )
    return ActivityDocument(
        model=model,
        definitions=DEFINITIONS,
        timesteps=count.timesteps,
        samples=count.samples,
        sample_source=source,
        totals=totals,
        layers=tuple(
            LayerActivity(
                name=one.name,
                kind=one.kind,
                input_shape=one.input_shape,
                output_shape=one.output_shape,
                weights=one.weights,
                connection_sparsity=one.zero_weights / one.weights if one.weights else None,
                input_activity=one.nonzero_inputs / one.inputs,
                acs=one.acs / per,
                macs=one.macs / per,
                dense=one.dense / per,
            )
            for one in count.layers
        ),
        neurons=tuple(
            NeuronActivity(
                name=one.name,
                shape=one.shape,
                states=one.states,
                membranes=one.membranes,
                firing_rate=one.firing_rate,
                activation_sparsity=None if one.firing_rate is None else 1 - one.firing_rate,
                membrane_updates=one.membrane_updates / per,
            )
            for one in count.neurons
        ),
        energy=tuple(energy),
        raster=raster,
    )


def count_spine(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], wanted: int) -> tuple[OperationCount, int]:
    """Count an exported program on evenly chosen samples.

    Args:
        folder: of the spine.
        arrays: one per model input, sample axis first.
        wanted: samples, at most.

    Returns:
        the counts, and which sample the raster is of.

    Raises:
        ConversionError: the engine does not take the program.
    """
    import numpy as np

    from edgeproof.formats.sdk_native import program_of
    from edgeproof.model.spine import load_spine
    from edgeproof.spike.counts.operations import count_operations

    program = program_of(load_spine(folder, arrays))
    available = min(len(one) for one in arrays.values())
    chosen = np.unique(np.linspace(0, available - 1, min(wanted, available)).astype(int))
    samples: list[Mapping[str, Any]] = [{name: one[at] for name, one in arrays.items()} for at in chosen]
    return count_operations(program, samples), int(chosen[0])


def _count_here(run: RunDir) -> ActivityDocument:
    import numpy as np

    from edgeproof.model.samples import load_arrays

    document = run.read(SAMPLES, SamplesDocument)
    arrays, labels = load_arrays(run.path(document.held_out.file))
    count, first = count_spine(run.path(STEP), arrays, COUNTED)
    raster = None
    if count.raster:
        with atomic_path(run.path(RASTER)) as path, path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **dict(count.raster))
        raster = RasterFile(file=RASTER, sample=first, label=None if labels is None else int(labels[first]))
    source = SOURCES[document.held_out.source]
    return activity_document(_model(run), count, source=source, raster=raster)


def main(root: str) -> None:
    """Count for the run in ``root``; a network that the engine does not take gets a document with the reason."""
    from edgeproof.formats.worker import die_with_parent

    die_with_parent()
    run = RunDir.open(Path(root))
    try:
        document = _count_here(run)
    except EdgeProofError as error:
        document = ActivityDocument(model=_model(run), definitions=DEFINITIONS, reason=error.message)
    run.write(ACTIVITY, document)


if __name__ == "__main__":
    main(sys.argv[1])
