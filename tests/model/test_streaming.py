"""Samples that are read one by one: the same as all at once, in less memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.devices.host import run_job
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError
from edgeproof.model.samples import read_calls
from edgeproof.model.streaming import HELD_BYTES, stream_calls

WIDE = HELD_BYTES // 16
SPECS = (
    TensorSpec(name="x", dtype="float32", shape=(1, WIDE)),
    TensorSpec(name="ids", dtype="int64", shape=(1, 2)),
)
COUNT = 9


def arrays() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    generator = np.random.default_rng(0)
    return {
        "ids": generator.integers(0, 9, (COUNT, 2), dtype=np.int32),
        "x": generator.standard_normal((COUNT, 1, WIDE)).astype(np.float32),
        "labels": np.arange(COUNT),
    }


def stored(path: Path) -> Path:
    np.savez(path, allow_pickle=False, **arrays())
    return path


def compressed(path: Path) -> Path:
    np.savez_compressed(path, allow_pickle=False, **arrays())
    return path


def by_columns(path: Path) -> Path:
    np.savez(path, allow_pickle=False, **{**arrays(), "x": np.asfortranarray(arrays()["x"].squeeze(1))})
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    for index in range(COUNT):
        np.savez(path / f"{index:03d}.npz", allow_pickle=False, **{k: v[index] for k, v in arrays().items()})
    return path


@pytest.mark.parametrize("write", [stored, compressed, by_columns, folder])
def test_each_call_is_what_it_is_among_all(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Whatever lies where in the file, whatever is cast, with and without a batch axis."""
    path = write(tmp_path / "samples.npz")
    whole, one_by_one = read_calls(path, SPECS), stream_calls(path, SPECS)
    assert len(one_by_one) == len(whole) == COUNT
    assert isinstance(one_by_one, list) == (write in (compressed, by_columns)), "these cannot be read one by one"
    for index, call in enumerate(whole):
        found = one_by_one[index]
        assert found.keys() == call.keys()
        for name, array in call.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
            assert found[name].flags.writeable
    assert len(stream_calls(path, SPECS, limit=3)) == 3
    assert [call["ids"].tolist() for call in one_by_one[:2]] == [call["ids"].tolist() for call in whole[:2]]
    np.testing.assert_array_equal(one_by_one[-1]["x"], whole[-1]["x"])
    with pytest.raises(IndexError):
        one_by_one[COUNT]


def test_few_are_held(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", x=np.zeros((8, 1, 4), np.float32))
    found = stream_calls(tmp_path / "few.npz", [TensorSpec(name="x", dtype="float32", shape=(1, 4))])
    assert isinstance(found, list)


def test_what_is_wrong_is_told_as_ever(tmp_path: Path) -> None:
    path = stored(tmp_path / "samples.npz")
    with pytest.raises(SamplesError, match="the model takes"):
        stream_calls(path, [SPECS[0], TensorSpec(name="ids", dtype="int64", shape=(1, 3))])[0]
    with pytest.raises(SamplesError, match="is not there"):
        stream_calls(tmp_path / "none.npz", SPECS)
    path.write_bytes(path.read_bytes()[: HELD_BYTES + 1000])
    with pytest.raises(SamplesError, match=r"cannot read .*samples\.npz"):
        stream_calls(path, SPECS)
    np.savez(path, x=arrays()["x"], ids=arrays()["ids"][:3])
    with pytest.raises(SamplesError, match="sample counts differ"):
        stream_calls(path, SPECS)


def test_the_memory_of_a_candidate_is_its_own(tmp_path: Path) -> None:
    """Samples of 128 MB behind a small input and beside it: what is read of them is gone before the next."""
    artifact = write_onnx(tmp_path / "tiny.onnx")
    peaks = []
    for count in (8, 8_000_000):
        np.savez(tmp_path / "in.npz", x=np.zeros((count, 1, 4), np.float32))
        ran = run_job(RunnerJob(artifact=str(artifact), inputs=str(tmp_path / "in.npz"), measure=20))
        assert (ran.error, ran.samples) == (None, count)
        assert ran.peak_memory_bytes is not None
        peaks.append(ran.peak_memory_bytes)
    assert peaks[1] - peaks[0] < 20 << 20
