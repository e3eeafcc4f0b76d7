"""``edgeproof delegation`` through the real command line, on a real artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.cli import main
from edgeproof.documents.base import decode
from edgeproof.documents.delegation import DelegationDocument


def run(capfd: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["delegation", *map(str, args)])
    out, err = capfd.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


def test_an_artifact_in_json_and_as_tables(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    artifact = write_onnx(tmp_path / "tiny.onnx")
    code, out, _ = run(capfd, artifact, "--json")
    assert code == 0
    (found,) = decode(out, DelegationDocument).candidates
    assert [(told.how, told.delegate) for told in found.delegations] == [
        ("seen", "ONNX Runtime, CPUExecutionProvider"),
        ("predicted", "ONNX Runtime, NNAPI"),
        ("predicted", "ONNX Runtime, Core ML"),
    ]
    assert (found.delegations[0].outside, found.delegations[0].time_inside) == (0, 1.0)
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=np.zeros((8, 1, 4), np.float32))
    code, out, err = run(capfd, artifact, "--samples", samples)
    assert code == 0
    assert "seen" in out
    assert "predicted" in out
    assert "told in" in err


def test_what_cannot_be_asked_is_a_result_with_its_reason(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    code, out, _ = run(capfd, broken, tmp_path / "nothing.onnx", "--json")
    assert code == 1
    first, second = decode(out, DelegationDocument).candidates
    assert "cannot open" in str(first.reason)
    assert "there is no artifact" in str(second.reason)


def test_samples_that_are_not_there_are_wrong_use(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capfd, write_onnx(tmp_path / "tiny.onnx"), "--samples", tmp_path / "nothing")
    assert code == 2
    assert "there is no" in err
