"""A runner's job as words, and the runner's parser as their reader."""

from __future__ import annotations

import msgspec
import pytest

from edgeproof.devices.runner import _parser
from edgeproof.documents.runner import RunnerJob

FULL = RunnerJob(
    artifact="a b/net.onnx",
    inputs="s.npz",
    outputs="o.npz",
    limit=3,
    measure=40,
    warmup=0,
    seconds=0.25,
    pace=0.033,
    hold=60.0,
    window=1.5,
    below=51.25,
    wait=60.0,
    threads=2,
    memory_limit=1 << 30,
    variant="fast-kernels",
    served=True,
    base="base.onnx",
    trust=True,
    delegation=True,
    untimed=True,
    json="report.json",
)


@pytest.mark.parametrize(
    "job", [FULL, RunnerJob(artifact="a", inputs="b"), RunnerJob(artifact="a", inputs="b", warmup=0, measure=1)]
)
def test_the_words_of_a_job_are_read_back_as_the_job(job: RunnerJob) -> None:
    read = vars(_parser().parse_args(job.words()))
    assert read.pop("exec_unix_ns") is None
    assert RunnerJob(**read) == job


def test_what_is_the_default_is_not_said() -> None:
    assert RunnerJob(artifact="a", inputs="b").words() == ["a", "--inputs", "b"]


def test_every_field_has_a_word() -> None:
    assert {f"--{name.replace('_', '-')}" for name in RunnerJob.__struct_fields__[1:]} <= set(FULL.words())
    assert msgspec.convert(msgspec.to_builtins(FULL), RunnerJob) == FULL
