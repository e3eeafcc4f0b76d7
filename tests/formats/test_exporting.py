"""The export process: each form has an end of its own, and what is finished is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeproof.errors import ConversionError
from edgeproof.formats.exporting import ExportJob, export_model, exported_before

MODEL = """
import os, pathlib, time, torch, edgeproof

MARK = pathlib.Path(__file__).with_name("mark")

class Net(torch.nn.Module):
    def forward(self, x):
        {first}
        return torch.relu(x)

def model():
    return edgeproof.Model(Net(), inputs=["x:float32[1,4]"], timesteps=3)
"""
ONCE = "if torch.compiler.is_exporting() and not MARK.exists(): MARK.touch(); {what}"


def job_for(folder: Path, first: str) -> ExportJob:
    (folder / "net.py").write_text(MODEL.format(first=first))
    np.savez(folder / "samples.npz", x=np.random.default_rng(0).standard_normal((8, 1, 4)).astype(np.float32))
    samples = str(folder / "samples.npz")
    return ExportJob(
        model=f"{folder}/net.py:model",
        inputs=(),
        user_samples=None,
        trust=False,
        forms=("unrolled", "step"),
        samples=samples,
        held_out=samples,
        folder=str(folder / "spine"),
        reference=str(folder / "reference.npz"),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "seconds", "reason"),
    [
        ("time.sleep(1000)", 20, "stopped after 20 s"),
        ("os.abort()", 300, "ended with signal SIGABRT"),
    ],
)
def test_a_form_that_ends_the_process_fails_alone(tmp_path: Path, what: str, seconds: float, reason: str) -> None:
    result = export_model(job_for(tmp_path, ONCE.format(what=what)), seconds=seconds)

    first, second = result.forms
    assert (first.form, second.form) == ("unrolled", "step")
    assert reason in (first.reason or "")
    assert second.reason is None
    assert (tmp_path / "spine" / "step" / "spine.json").is_file()
    assert exported_before(tmp_path / "spine") == result
    assert result.failure("unrolled") == first


def test_a_model_that_ends_the_process_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="the export process ended with signal SIGABRT"):
        export_model(job_for(tmp_path, "os.abort()"), seconds=300)
