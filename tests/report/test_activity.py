"""The section on activity: what it says and draws, what it says where nothing was counted; and no verdict uses it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from edgeproof.documents.activity import ActivityDocument, EnergyValue, RasterFile
from edgeproof.documents.base import decode, encode, to_builtins
from edgeproof.documents.evaluation import CandidateRow, EvaluationDocument
from edgeproof.phases.activity.raster import RASTER, load_raster
from edgeproof.phases.activity.totals import activity_document
from edgeproof.phases.evaluate import evaluate
from edgeproof.report.activity import section
from edgeproof.report.activity_drawings import MOST_NEURONS, shown_neurons
from edgeproof.rundir import REPORT_HTML, REPORT_MD, RunDir
from edgeproof.spike.counts.operations import LayerCount, NeuronCount, OperationCount

TRAINS = {"lif1": np.eye(25, 128, dtype=bool), "lif2": np.zeros((25, 10), dtype=bool)}
COUNT = OperationCount(
    samples=4,
    timesteps=25,
    layers=(
        LayerCount("linear 1", "linear", (64,), (128,), 8192, 0, 6400, 3200, False, 409_600, 819_200),
        LayerCount("linear 2", "linear", (128,), (10,), 1280, 320, 12_800, 1280, True, 12_800, 128_000),
    ),
    neurons=(
        NeuronCount("lif1", (128,), ("lif1.mem",), ("lif1.mem",), 12_800, 1280, 12_800),
        NeuronCount("li", (10,), ("li.v",), ("li.v",), 0, None, 1000),
    ),
    raster=TRAINS,
)


@pytest.fixture
def document() -> ActivityDocument:
    raster = RasterFile(file=RASTER, sample=7, label=3)
    return activity_document("digits_snn", COUNT, source="held out by the model", raster=raster)


def test_figures_are_of_one_inference(document: ActivityDocument) -> None:
    assert document.totals is not None
    assert (document.totals.acs, document.totals.macs, document.totals.dense) == (3200, 102_400, 236_800)
    assert [layer.input_activity for layer in document.layers] == [0.5, 0.1]
    assert [layer.connection_sparsity for layer in document.layers] == [0, 0.25]
    assert [group.firing_rate for group in document.neurons] == [0.1, None]
    assert [group.membrane_updates for group in document.neurons] == [3200, 250]
    assert document.totals.activation_sparsity == pytest.approx(0.9)


def test_it_says_what_a_spike_is_in_operations(document: ActivityDocument) -> None:
    found = section(document, TRAINS)
    assert "105,600 synaptic operations, 44.6 % of the 236,800" in found.words[0]
    assert "In linear 2 a spike reaches 10 outputs: 10 synaptic operations" in found.words[1]
    assert found.layers is not None
    assert [[cell.text for cell in row] for row in found.layers.rows] == [
        ["linear 1", "64 → 128", "50.0", "0.0", "0", "102,400", "204,800"],
        ["linear 2", "128 → 10", "10.0", "25.0", "3,200", "0", "32,000"],
        ["all layers", "", "", "3.4", "3,200", "102,400", "236,800"],
    ]
    assert found.neurons is not None
    assert [[cell.text for cell in row] for row in found.neurons.rows] == [
        ["lif1", "128", "0.100", "90.0", "3,200"],
        ["li", "10", "none", "none", "250"],
    ]


def test_the_raster_has_a_tick_for_every_spike_that_is_drawn(document: ActivityDocument) -> None:
    raster, rates = section(document, TRAINS).plots
    assert "Held-out sample 7 (class 3)" in raster.caption
    assert "Of the 128 of lif1, 64 are drawn, evenly chosen." in raster.caption
    assert "lif1 25, lif2 0" in raster.description
    assert "10.0 % of neurons" in rates.description
    drawn = TRAINS["lif1"][:, shown_neurons(128)].sum()
    path = re.search(r'<path d="([^"]+)"[^>]*style="[^"]*#0072b2[^"]*"', raster.inline)
    assert path is not None
    assert path[1].count("M") == drawn == path[1].count("L")
    for plot in (raster, rates):
        ElementTree.fromstring(plot.alone)


@pytest.mark.parametrize("count", [1, 10, MOST_NEURONS, MOST_NEURONS + 1, 5000])
def test_chosen_neurons_are_different_ones_from_first_to_last(count: int) -> None:
    shown = shown_neurons(count)
    assert len(set(shown)) == len(shown) == min(count, MOST_NEURONS)
    assert (shown[0], shown[-1]) == (0, count - 1)


def test_without_counts_there_is_the_reason() -> None:
    found = section(ActivityDocument(model="gru", definitions="x", reason="no step of it is known"), {})
    assert found.words == ("Nothing was counted: no step of it is known.",)
    assert (found.layers, found.neurons, found.energy, found.plots) == (None, None, None, ())


def test_energy_is_an_estimate_in_fields_of_its_own(document: ActivityDocument) -> None:
    again = decode(encode(document), ActivityDocument)
    assert again == document
    for estimate in to_builtins(document)["energy"]:
        assert estimate["estimate"] is True
        assert "Horowitz" in estimate["source"]
        figures = [name for name in estimate if name.endswith("_uj")]
        assert len(figures) == 4
        assert all(name.endswith("_energy_estimate_uj") for name in figures)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(to_builtins(document.energy[0]) | {"estimate": False}, EnergyValue)


def test_no_verdict_knows_of_it(build: SimpleNamespace, document: ActivityDocument, tmp_path: Path) -> None:
    """The table of candidates has no place for it, and the evaluation is the same with it, where neurons fire."""
    assert not [field.name for field in msgspec.structs.fields(CandidateRow) if re.search("activ|energy", field.name)]
    run = RunDir.open(build.write_run(tmp_path / "run"))
    evaluate(run)
    before = run.path(EvaluationDocument.FILE).read_bytes()
    assert "Activity" not in run.path(REPORT_MD).read_text()
    run.write(document)
    np.savez_compressed(run.path(RASTER), allow_pickle=False, **TRAINS)
    evaluate(run)
    assert run.path(EvaluationDocument.FILE).read_bytes() == before
    assert run.path("plots/raster.svg").is_file()
    markdown, page = run.path(REPORT_MD).read_text(), run.path(REPORT_HTML).read_text()
    assert "## Activity" in markdown
    assert "plots/firing-rates.svg" in markdown
    assert "Nothing here was measured, and no verdict uses it." in markdown
    assert page.count('id="activity"') == page.count('id="figure-raster"') == 1
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([\w-]+)"', page)) <= set(ids)


def test_a_raster_outside_the_run_or_damaged_is_left_out(
    build: SimpleNamespace, document: ActivityDocument, tmp_path: Path
) -> None:
    run = RunDir.open(build.write_run(tmp_path / "run"))
    np.savez_compressed(tmp_path / "elsewhere.npz", allow_pickle=False, **TRAINS)
    outside = msgspec.structs.replace(document, raster=RasterFile(file="../elsewhere.npz", sample=0, label=None))
    assert load_raster(run, outside) == {}
    assert load_raster(run, document) == {}
    run.path(RASTER).write_bytes(b"PK\x03\x04 not a zip")
    assert load_raster(run, document) == {}
