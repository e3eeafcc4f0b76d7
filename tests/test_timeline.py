"""What ran when: a line for every process that was started while a record is kept."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from edgeproof.forkserver import ForkServer
from edgeproof.process import Child, Limits
from edgeproof.timeline import MEASUREMENT, STANDING, WORK, doing, measuring, read_timeline, recorded_in
from edgeproof.together import each

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def run(code: str = "pass") -> None:
    with Child([sys.executable, "-c", code]) as child:
        child.wait(Limits(seconds=60))


def test_each_process_is_told_with_what_it_was_for_and_what_it_used(tmp_path: Path) -> None:
    record = tmp_path / "work" / "timeline.jsonl"
    run()
    with recorded_in(record):
        began = time.monotonic()
        with doing("convert onnx-fp32"):
            run(BUSY)
        with measuring("measure onnx-fp32 on host"):
            run()
        run()
    run()
    entries = read_timeline(record)
    assert [(entry.what, entry.kind) for entry in entries] == [
        ("convert onnx-fp32", WORK),
        ("measure onnx-fp32 on host", MEASUREMENT),
        (Path(sys.executable).name, WORK),
    ]
    busy = entries[0]
    assert began <= busy.begin_s < busy.end_s <= entries[1].begin_s
    if sys.platform == "linux":
        assert busy.processor_s == pytest.approx(0.4, abs=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux is a fork safe")
def test_forks_are_told_too_and_what_they_are_forked_from_stands(tmp_path: Path) -> None:
    record = tmp_path / "timeline.jsonl"
    with recorded_in(record), ForkServer("platform:system") as server:
        assert server.ready(Limits(seconds=60)) is None
        with (
            doing("fork"),
            Child([sys.executable, "-m", "timeit", "-n", "1", "-r", "1", BUSY], start=server.start) as child,
        ):
            child.wait(Limits(seconds=60))
    standing, fork = read_timeline(record)
    assert (standing.kind, fork.what) == (STANDING, "fork")
    assert fork.processor_s == pytest.approx(0.4, abs=0.2)
    assert standing.begin_s < fork.begin_s < fork.end_s < standing.end_s


def test_threads_that_work_together_share_the_record(tmp_path: Path) -> None:
    record = tmp_path / "timeline.jsonl"

    def work(name: str) -> None:
        with doing(name):
            run()

    with recorded_in(record):
        each(work, ["a", "b", "c"], parallel=3)
        stranger = threading.Thread(target=run)
        stranger.start()
        stranger.join()
    assert sorted(entry.what for entry in read_timeline(record)) == ["a", "b", "c"]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "timeline.jsonl"
    with recorded_in(record):
        run()
    whole = record.read_text()
    record.write_text(whole + whole[: len(whole) // 2])
    assert len(read_timeline(record)) == 1
