"""The recorder: what a meter does wrong becomes a fault of the trace, and what was read is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgeproof.documents.held import Held
from edgeproof.documents.power import ClockOffset, PowerTrace
from edgeproof.errors import DocumentError, MeterError
from edgeproof.measure.energy import energy_of
from edgeproof.meters.base import Garbage, Reading, SamplesLost
from edgeproof.meters.ina import METER
from edgeproof.meters.recording import MOST_GARBAGE, Recording, record, save
from edgeproof.meters.traces import Trace, gaps_of, read_trace, write_trace

BEGIN = 1_796_000_000_000_000_000
SECOND = 1_000_000_000


class Played:
    """A meter that is read ten times a second by clocks of its own, and does at its ticks what it is told.

    It stands for no instrument: its readings are 2 W and a little.
    """

    source, rate_hz, charging, clock = "a played meter", 10.0, None, None

    def __init__(self, at: dict[int, Callable[[], Sequence[Reading]]] | None = None) -> None:
        self.ticks, self.set_ns, self._at = 0, 0, at or {}

    def unix_ns(self) -> int:
        return BEGIN + self.ticks * SECOND // 10 + self.set_ns

    def steady_ns(self) -> int:
        return 5 * SECOND + self.ticks * SECOND // 10

    def read(self) -> Sequence[Reading]:
        self.ticks += 1
        if self.ticks in self._at:
            return self._at[self.ticks]()
        return (Reading(self.unix_ns(), 2.0 + 0.01 * (self.ticks % 7)),)

    def close(self) -> None: ...

    def __enter__(self) -> Played:
        return self

    def __exit__(self, *_: object) -> None: ...


def raising(error: BaseException) -> Callable[[], Sequence[Reading]]:
    def fail() -> Sequence[Reading]:
        raise error

    return fail


def played(at: dict[int, Callable[[], Sequence[Reading]]] | None = None, seconds: float | None = 20.0) -> Recording:
    meter = Played(at)
    return record(meter, seconds, clock=meter)  # type: ignore[arg-type]


def energy(seen: Recording, tmp_path: Path):
    trace = save(tmp_path / "trace.json", seen, Played(), METER.about, "played")
    told = msgspec.structs.replace(trace, clock=ClockOffset(0.0, 0.0, "one"))
    held = Held(
        seconds=10.0, calls=1000, begin_unix_ns=BEGIN + 5 * SECOND, end_unix_ns=BEGIN + 15 * SECOND,
        median_us=1e4, mean_us=1e4, busy_share=1.0,
    )  # fmt: skip
    arrays = read_trace(tmp_path / "trace.json")
    return energy_of(told, arrays.unix_ns, arrays.watts, [held])


def test_a_whole_recording_has_no_faults(tmp_path: Path) -> None:
    seen = played()
    assert (len(seen.readings), seen.faults, seen.partial) == (200, [], None)
    assert energy(seen, tmp_path).gross_mj == pytest.approx(20.3, rel=0.01)


def test_a_meter_that_stalls(tmp_path: Path) -> None:
    silent = dict.fromkeys(range(80, 110), lambda: ())
    seen = played(silent)
    (fault,) = seen.faults
    assert (fault.kind, seen.partial) == ("stall", None)
    found = energy(seen, tmp_path)
    assert "gaps of 3.1" in (found.reason or "")
    assert "stalled" in (found.reason or "")


def test_a_meter_that_falls_silent_for_good_ends_the_recording(tmp_path: Path) -> None:
    seen = played(dict.fromkeys(range(80, 2000), lambda: ()), seconds=100)
    assert "silent for 30 s" in (seen.partial or "")
    assert len(seen.readings) == 79
    assert "silent" in (energy(seen, tmp_path).reason or "")


def test_a_meter_that_sends_garbage(tmp_path: Path) -> None:
    seen = played(dict.fromkeys((80, 90, 100), raising(Garbage("3 bytes came, expected 130"))))
    assert [fault.kind for fault in seen.faults] == ["garbage"] * 3
    assert "3 answers of the meter" in (energy(seen, tmp_path).reason or "")
    seen = played(dict.fromkeys(range(80, 2000), raising(Garbage("no reading of mine"))), seconds=100)
    assert f"{MOST_GARBAGE} answers in a row" in (seen.partial or "")


def test_a_meter_that_loses_samples(tmp_path: Path) -> None:
    seen = played({100: raising(SamplesLost("64 samples were lost"))})
    assert [fault.kind for fault in seen.faults] == ["lost samples"]
    assert "64 samples were lost" in (energy(seen, tmp_path).reason or "")


@pytest.mark.parametrize("seconds", [2, -2])
def test_a_clock_that_jumps(tmp_path: Path, seconds: int) -> None:
    meter = Played()

    def set_clock() -> Sequence[Reading]:
        meter.set_ns = seconds * SECOND
        return ()

    meter._at = {100: set_clock}
    seen = record(meter, 20, clock=meter)  # type: ignore[arg-type]
    (fault,) = seen.faults
    assert fault.kind == "clock jump"
    assert f"set by {seconds:+.3f} s" in fault.text
    assert "cannot be held against the marks" in (energy(seen, tmp_path).reason or "")
    assert np.all(np.diff(read_trace(tmp_path / "trace.json").unix_ns) > 0)


def test_a_meter_that_is_unplugged_leaves_what_it_gave() -> None:
    seen = played({100: raising(MeterError("it is gone"))})
    assert (len(seen.readings), seen.partial) == (99, "the meter is gone: it is gone")


def test_an_interruption_keeps_what_was_read_and_says_that_it_is_partial(tmp_path: Path) -> None:
    seen = played({100: raising(KeyboardInterrupt())})
    assert isinstance(seen.stopped, KeyboardInterrupt)
    assert "stopped after" in (seen.partial or "")
    assert save(tmp_path / "t.json", seen, Played(), METER.about, "played").partial == seen.partial
    whole = played({100: raising(KeyboardInterrupt())}, seconds=None)
    assert (whole.partial, whole.stopped, len(whole.readings)) == (None, None, 99)


def test_nothing_recorded_is_an_error_and_no_trace(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="gave no reading"):
        save(tmp_path / "t.json", Recording(), Played(), METER.about, "played")
    assert list(tmp_path.iterdir()) == []


def written(tmp_path: Path) -> Path:
    save(tmp_path / "t.json", played(), Played(), METER.about, "played")
    return tmp_path / "t.json"


def test_a_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path))
    assert isinstance(trace, Trace)
    assert (trace.document.count, trace.document.meter, trace.document.rate_hz) == (200, "ina", 10.0)
    assert trace.unix_ns[0] == trace.document.begin_unix_ns == BEGIN + SECOND // 10
    assert trace.document.recorder


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.with_suffix(".npz").unlink(), "cannot read"),
        (lambda path: path.with_suffix(".npz").write_bytes(b"PK"), "sha256 differs"),
        (lambda path: path.write_text(path.read_text().replace('"t.npz"', '"../t.npz"')), "outside its folder"),
        (lambda path: path.write_text(path.read_text().replace('"count": 200', '"count": 201')), "no table"),
        (lambda path: path.write_text(path.read_text().replace('"count": 200', '"count": 9')), "larger than the 9"),
    ],
)
def test_a_trace_that_was_tampered_with_is_refused(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    path = written(tmp_path / "in")
    spoil(path)
    with pytest.raises(DocumentError, match=words):
        read_trace(path)


def test_times_must_ascend(tmp_path: Path) -> None:
    document = msgspec.structs.replace(read_trace(written(tmp_path)).document)
    assert isinstance(document, PowerTrace)
    times = np.array([3, 2], dtype=np.int64)
    with pytest.raises(DocumentError, match="must ascend"):
        write_trace(tmp_path / "x.json", document, times, np.array([1.0, 2.0]))
    with pytest.raises(DocumentError, match="without samples"):
        write_trace(tmp_path / "x.json", document, times[:0], np.array([]))


def test_gaps_are_pauses_of_five_usual_intervals() -> None:
    times = np.arange(100, dtype=np.int64) * 10_000_000
    assert gaps_of(times) == ()
    times[50:] += 39_000_000
    assert gaps_of(times) == ()
    times[50:] += 2_000_000
    (gap,) = gaps_of(times)
    assert (gap.begin_unix_ns, gap.end_unix_ns) == (490_000_000, 541_000_000)
    assert gaps_of(times, rate_hz=50) == ()
