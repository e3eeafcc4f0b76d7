"""Every model of the zoo in every format at fp32: relative L2 below 1e-3 on every output, or refused with its line.

Conversions go through the real workers, one a format, as in a run; artifacts are opened in their real runtimes, Core ML
packages in the MIL reference check.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import models
import msgspec
import numpy as np
import pytest
from filelock import FileLock, Timeout

from edgeproof.differences.outputs import compare_outputs
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode
from edgeproof.documents.source import ModelSource
from edgeproof.formats.registry import formats, open_artifact
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import resolve_model
from edgeproof.model.samples import synthetic_samples
from edgeproof.model.spine import export_spine
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.process import Limits

TAKEN = [name for name in models.FACTORIES if name not in models.REFUSED]
FORMATS = list(formats())
RELATIVE_L2 = 1e-3
ENGINE = {
    *("snn_hidden", "snn_synaptic", "snn_recurrent", "snn_convolutional", "spikingjelly_nodes", "norse_cells"),
    *("adaptive_threshold", "ring_of_delays", "population_readout"),
}
"""What the native engine takes; it refuses the others with a reason."""
LONG = {
    "executorch": {"gru", "lstm_bidirectional", "snn_own_loop", "spikingjelly_multi_step", "gpt"},
    "litert": {"snn_synaptic", "spikingjelly_nodes", "snn_own_loop", "gpt", "vision_transformer"},
    "openvino": {"snn_synaptic", "snn_own_loop"},
}
"""Those whose conversion takes longest, and whose like is among the others."""
SAMPLES = 16

pytestmark = pytest.mark.zoo


def cases() -> list[Any]:
    """Every model in every format; one xdist worker takes a whole format, so its conversions run once."""
    return [
        pytest.param(
            format_name,
            name,
            id=f"{name}-{format_name}",
            marks=[pytest.mark.xdist_group(f"zoo-{format_name}"), *[pytest.mark.long] * is_long(format_name, name)],
        )
        for format_name in FORMATS
        for name in TAKEN
    ]


def is_long(format_name: str, name: str) -> bool:
    return name in LONG.get(format_name, ())


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spines, samples and eager references of all models, exported once, by all xdist workers together."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "zoo"
    folder.mkdir(exist_ok=True)
    waiting = []
    for name in TAKEN:
        try:
            with FileLock(folder / f".{name}.lock", timeout=0):
                export(name, folder / name)
        except Timeout:
            waiting.append(name)
    for name in waiting:
        with FileLock(folder / f".{name}.lock"):
            export(name, folder / name)
    return folder


def export(name: str, folder: Path) -> None:
    if (folder / "reference.npz").is_file():
        return
    subject = resolve_model(models.FACTORIES[name]()).subject
    samples = synthetic_samples(subject.signature.inputs, SAMPLES, seed=5).inputs
    for form in subject.forms:
        export_spine(subject, form, samples, folder / form, address=name)
    np.savez(folder / "samples.npz", **samples)
    np.savez(folder / "reference.npz", **run_all(EagerSession(subject), samples))


@pytest.fixture
def converted(format_name: str, name: str, zoo: Path) -> dict[str, Outcome]:
    """What the format's worker made of every model, or of those that take long; made once for all xdist workers."""
    long = is_long(format_name, name)
    kept = zoo / f"{format_name}.{'long' if long else 'short'}.json"
    with FileLock(zoo / f".{format_name}.lock"):
        if not kept.is_file():
            names = [model_name for model_name in TAKEN if is_long(format_name, model_name) == long]
            kept.write_bytes(msgspec.json.encode(convert_all(format_name, names, zoo)))
    return msgspec.json.decode(kept.read_bytes(), type=dict[str, Outcome])


def convert_all(format_name: str, names: list[str], zoo: Path) -> dict[str, Outcome]:
    known = formats()[format_name]
    precision = known.precisions[0]
    jobs = [
        Job(
            candidate=name,
            format=format_name,
            precision=precision,
            spine=str(zoo / name / ("whole" if (zoo / name / "whole").is_dir() else known.forms(precision)[0])),
            samples=str(zoo / name / "samples.npz"),
            folder=str(zoo / name / "artifacts" / format_name),
            name=name,
            log=str(zoo / name / f"{format_name}.log"),
        )
        for name in names
    ]
    return run_jobs(jobs, Limits(seconds=180), Means(jobs=1))


def test_the_zoo_is_as_large_as_it_says() -> None:
    assert len(TAKEN) >= 20
    assert len(FORMATS) >= 7


@pytest.mark.parametrize(("format_name", "name"), cases())
def test_converted_model_computes_what_the_model_does(
    format_name: str, name: str, converted: dict[str, Outcome], zoo: Path
) -> None:
    outcome = converted[name]
    if format_name == "sdk-native" and name not in ENGINE and outcome.status != "ok":
        assert outcome.status == "skipped"
        assert "the engine " in (outcome.reason or "")
        assert outcome.remedy
        return
    assert outcome.status == "ok", f"{outcome.reason}; {outcome.remedy}"
    folder = zoo / name / "artifacts" / format_name
    document = decode((folder / "artifact.json").read_bytes(), ArtifactDocument)
    assert all(rewrite.max_abs is None or rewrite.max_abs < 1e-3 for rewrite in document.rewrites)
    with np.load(zoo / name / "reference.npz") as archive:
        reference = dict(archive)
    with np.load(zoo / name / "samples.npz") as archive:
        samples = dict(archive)
    with open_artifact(folder) as session:
        outputs = run_all(session, samples)
        specs = session.outputs
    assert [spec.name for spec in specs] == list(reference)
    for difference in compare_outputs(specs, reference, outputs):
        assert difference.relative_l2 is not None
        assert difference.relative_l2 < RELATIVE_L2, difference


@pytest.mark.slow
@pytest.mark.xdist_group("zoo-refused")
@pytest.mark.parametrize("name", models.REFUSED)
def test_data_dependent_control_flow_is_refused_in_every_format(name: str, tmp_path: Path) -> None:
    lines = Path(models.__file__).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"def {name}("))
    deciding = next(number for number, line in enumerate(lines) if number > start and "the line that decides" in line)
    candidates = [known.candidate(known.precisions[0]) for known in formats().values()]

    document = convert_alone(ModelSource(model=f"{models.__file__}:{name}"), candidates, tmp_path / "out")

    assert [candidate.candidate for candidate in document.candidates] == candidates
    for candidate in document.candidates:
        assert candidate.status == "failed"
        assert candidate.artifact is None
        assert candidate.reason is not None
        assert f"models.py:{deciding + 1}" in candidate.reason
        assert lines[deciding].strip() in candidate.reason
        assert candidate.remedy is not None
        assert "torch.where" in candidate.remedy
    assert not list((tmp_path / "out").glob("*/*")) if (tmp_path / "out").exists() else True
