"""``edgeproof activity`` through the real command line: the example's counts, a dense model, and a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.cli import main
from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.base import decode

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["activity", *args])
    out, err = capfd.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_the_example_in_json_and_as_tables(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, f"{EXAMPLES / 'digits_snn.py'}:model", "--count", "8", "--json")
    assert code == 0
    document = decode(out, ActivityDocument)
    assert (document.samples, document.timesteps) == (8, 25)
    assert document.sample_source == "scikit-learn handwritten digits, held-out split"
    assert document.totals is not None
    assert document.totals.dense == 25 * (64 * 128 + 128 * 10)
    assert [neuron.name for neuron in document.neurons] == ["lif1", "lif2"]
    assert 0 < document.totals.acs < document.totals.dense
    code, out, _ = run(capfd, f"{EXAMPLES / 'digits_snn.py'}:model", "--count", "8")
    assert code == 0
    assert "236,800" in out
    assert "Nothing here was measured, and no verdict uses it." in out


def test_a_dense_model_does_macs_alone(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, f"{EXAMPLES / 'digits_cnn.py'}:model", "--count", "4", "--json")
    assert code == 0
    document = decode(out, ActivityDocument)
    assert document.totals is not None
    assert (document.timesteps, document.neurons, document.totals.acs) == (1, (), 0)
    assert 0 < document.totals.macs < document.totals.dense


def test_a_model_that_the_engine_does_not_take_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, f"{EXAMPLES / 'digits_gru.py'}:model", "--json")
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert "hint: " in err
