"""Tables as the meters' own programs export them: columns, units, delimiters and times found; and what is refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.errors import DocumentError, UsageError
from edgeproof.meters.csv_columns import Asked, choose
from edgeproof.meters.csv_file import read_csv
from edgeproof.meters.csv_table import parse_time
from edgeproof.meters.traces import Trace

START = 1_796_000_000_000_000_000


def table(tmp_path: Path, text: str, asked: Asked | None = None, **more) -> Trace:
    file = tmp_path / "meter.csv"
    file.write_text(text, encoding="utf-8")
    return read_csv(file, asked or Asked(), **more)


SHAPES = {
    "ppk2": ("Timestamp(ms),Current(uA)\n0,1000\n10,2000\n20,3000\n", {"supply_volts": 5.0}, (0.005, 0.01, 0.015)),
    "ppk2 with digital": ("Timestamp(ms),Current(uA),D0-D7\n0,1000,00000000\n10,2000,00000001\n20,3000,0\n",
                          {"supply_volts": 5.0}, (0.005, 0.01, 0.015)),
    "joulescope": ("#time,current,voltage,power\n0.0,0.001,5.0,0.005\n0.01,0.002,5.0,0.01\n0.02,0.003,5,0.015\n", {},
                   (0.005, 0.01, 0.015)),
    "joulescope statistics": (
        "#device,sampled_id,i_avg,i_std,i_min,i_max,v_avg,v_std,v_min,v_max,p_avg,p_std,p_min,p_max,charge,energy\n"
        + "".join(f"u/js220/1,{n},0,0,0,0,5,0,0,0,0.00{n}5,0,0,9,0,0\n" for n in (0, 1, 2)),
        {"time": "sampled_id", "time_unit": "s"}, (0.0005, 0.0015, 0.0025)),
    "otii": ("Timestamp (s),Main Current (A),Main Voltage (V)\n0,0.001,5\n0.01,0.002,5\n0.02,0.003,5\n", {},
             (0.005, 0.01, 0.015)),
    "um25c": ("Time[S]\tVoltage(V)\tCurrent(A)\tPower(W)\n0\t5\t0.001\t0.005\n1\t5\t0.002\t0.010\n2\t5\t0.003\t0.015\n",
              {}, (0.005, 0.01, 0.015)),
    "um25c, clocked": ("Time,Voltage(V),Current(mA)\n0:00:00,5.0,1\n0:00:01,5.0,2\n0:00:02,5.0,3\n", {},
                       (0.005, 0.01, 0.015)),
    "tc66c": ("Time[S],Voltage[V],Current[A]\n0.0,5,0.001\n0.1,5,0.002\n0.2,5,0.003\n", {}, (0.005, 0.01, 0.015)),
    "fnirsi logger": ("timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As\n"
                      "1796000000.00 0 5.0 0.001 0.6 0.6 25 0 0\n1796000000.01 1 5.0 0.002 0.6 0.6 25 0 0\n"
                      "1796000000.02 2 5.0 0.003 0.6 0.6 25 0 0\n", {}, (0.005, 0.01, 0.015)),
    "decimal comma": ("Zeit;Power (mW)\n0,00;5,0\n0,01;10,0\n0,02;15,0\n", {"time": "Zeit"}, (0.005, 0.01, 0.015)),
    "units in cells": ("Time (s),Power (mW)\n0 s,5 mW\n0.01 s,10 mW\n0.02 s,15 mW\n", {}, (0.005, 0.01, 0.015)),
    "no head": ("0.0,5\n0.01,10\n0.02,15\n", {"time": "1", "watts": "2", "scales": {"watts": "mW"}},
                (0.005, 0.01, 0.015)),
    "a preamble": ("Device: FNB58\nExported 2026\n\nTime (s),Power(W)\n0,0.005\n1,0.01\n2,0.015\n", {},
                   (0.005, 0.01, 0.015)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_exports_are_read_as_their_programs_mean_them(tmp_path: Path, shape: str) -> None:
    text, asked, watts = SHAPES[shape]
    trace = table(tmp_path, text, Asked(**asked), starts_unix_ns=START)
    assert trace.watts == pytest.approx(watts)
    assert trace.document.count == 3
    assert trace.document.begin_unix_ns == START
    assert "time: " in trace.document.notes[0]


def test_times_are_taken_for_what_they_are(tmp_path: Path) -> None:
    for cell, factor in (("1796000000.5", 1e9), ("1796000000500", 1e6), ("1796000000500000000", 1)):
        later = str(float(cell) + 1e9 / factor) if "." in cell else str(int(cell) + round(1e9 / factor))
        trace = table(tmp_path, f"time,power_w\n{cell},1\n{later},2\n")
        assert trace.unix_ns[0] == pytest.approx(1_796_000_000_500_000_000, abs=1000)
        assert trace.unix_ns[1] - trace.unix_ns[0] == pytest.approx(1e9, abs=1000)
    zoned = table(tmp_path, "Date,Power (W)\n2026-11-30T12:00:00.250Z,1\n2026-11-30T13:00:01.250+01:00,2\n")
    moment = datetime.datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=datetime.UTC)
    assert zoned.unix_ns[0] == round(moment.timestamp() * 1e9)
    assert zoned.unix_ns[1] - zoned.unix_ns[0] == 1_000_000_000
    local = table(tmp_path, "Date,Power (W)\n2026/11/30 12:00:00,1\n2026/11/30 12:00:01,2\n")
    assert local.unix_ns[0] == round(datetime.datetime(2026, 11, 30, 12).timestamp() * 1e9)
    assert any("no zone" in note for note in local.document.notes)
    assert parse_time("1:02:03.5") == 3723.5
    assert parse_time("12.11") is None


@given(st.datetimes(datetime.datetime(2002, 1, 1), datetime.datetime(2037, 1, 1), timezones=st.just(datetime.UTC)))
def test_an_iso_moment_is_read_as_written(moment: datetime.datetime) -> None:
    assert parse_time(moment.isoformat(sep=" ")) == moment.timestamp()


def test_samples_of_a_clock_of_whole_seconds_are_spread(tmp_path: Path) -> None:
    rows = "".join(f"2026-11-30T12:00:0{n // 4}Z,{n}\n" for n in range(12))
    trace = table(tmp_path, "Time,Power(W)\n" + rows)
    assert (trace.unix_ns[1:] - trace.unix_ns[:-1]).tolist() == pytest.approx([250_000_000] * 11, abs=1000)
    assert any("spread evenly" in note for note in trace.document.notes)


def test_a_row_that_is_no_sample_is_a_fault_with_its_line(tmp_path: Path) -> None:
    rows = "".join(f"{n / 10},{n}\n" if n != 100 else "10.0,OL\n" for n in range(300))
    trace = table(tmp_path, "Time (s),Power (W)\n" + rows, starts_unix_ns=START)
    (fault,) = trace.document.faults
    assert (fault.kind, fault.unix_ns) == ("garbage", START + 9_900_000_000)
    assert "line 102" in fault.text
    assert len(trace.watts) == 299


def test_gaps_are_found(tmp_path: Path) -> None:
    rows = "".join(f"{n / 10},{n}\n" for n in range(100) if not 40 <= n < 60)
    (gap,) = table(tmp_path, "Time (s),Power (W)\n" + rows, starts_unix_ns=START).document.gaps
    assert gap.end_unix_ns - gap.begin_unix_ns == pytest.approx(2.1e9, abs=1000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Time (s),Energy Impact\n0,3\n1,4\n", "is a score and no power"),
        ("Time (s),Temperature\n0,3\n1,4\n", "no column looks like power"),
        ("Reading,Power (W)\n0,3\n1,4\n", "no column looks like time"),
        ("Time (s),Current (mA)\n0,3\n1,4\n", "--supply-volts"),
        ("Time (s),Power (W)\n0,3\n1,4\n", "--starts"),
    ],
)
def test_what_is_missing_is_said_with_the_option_that_says_it(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        table(tmp_path, text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Time (s),Power (W)\n0,3\n2,4\n1,5\n", "goes back at line 4"),
        ("hello\n", "no row of numbers"),
        ("", "no row of numbers"),
        ("Time (s),Power (W)\n0,3\n1,x\n2,x\n3,x\n4,1\n", "3 of 5 rows"),
        ("Time (s),Power (W)\n0,3\n", "1 samples"),
        ("Time (s),Power (W)\n1,3\n1,3\n1,3\n", "same time"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        table(tmp_path, text, starts_unix_ns=START)
    assert words in str(refused.value)


def test_what_the_user_says_wins() -> None:
    head = ["t", "Power(W)", "Vbus", "Ibus (mA)", "Power max (W)"]
    found = choose(head, Asked())
    assert (found.time, found.power) == (0, ((1, 1.0),))
    found = choose(head, Asked(volts="vbus", amps="4"))
    assert (found.power, found.factor) == (((3, 1e-3), (2, 1.0)), 1.0)
    found = choose(head, Asked(amps="4", supply_volts=3.0))
    assert (found.power, found.factor) == (((3, 1e-3),), 3.0)
    with pytest.raises(UsageError, match="no unit of"):
        choose(head, Asked(scales={"watts": "kg"}))


def test_another_encoding_is_read(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_bytes("Time (s),Power (µW)\n0,3\n1,4\n".encode("utf-16"))
    assert read_csv(file, Asked(), starts_unix_ns=START).watts.tolist() == pytest.approx([3e-6, 4e-6])
    file.write_bytes("Time (s),Power (µW)\n0,3\n1,4\n".encode("latin-1"))
    assert read_csv(file, Asked(), starts_unix_ns=START).watts.tolist() == pytest.approx([3e-6, 4e-6])


def test_a_quick_meter_is_averaged_and_its_energy_kept(tmp_path: Path) -> None:
    rows = "".join(f"{n / 100:.2f},{1000 + n % 7}\n" for n in range(50_000))
    trace = table(tmp_path, "Timestamp(ms),Current(uA)\n" + rows, Asked(supply_volts=1.0), starts_unix_ns=START)
    assert trace.document.count == 500
    assert any("100 samples were averaged to one" in note for note in trace.document.notes)
    assert trace.watts.mean() == pytest.approx(1.003e-3, rel=1e-4)
    assert trace.unix_ns[1] - trace.unix_ns[0] == pytest.approx(1_000_000, abs=1000)
    assert trace.unix_ns[0] - START == pytest.approx(495_000, abs=1000)


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e400"])
def test_what_is_not_finite_is_no_sample(tmp_path: Path, cell: str) -> None:
    rows = "".join(f"{n},{n}\n" for n in range(200)) + f"200,{cell}\n"
    (fault,) = table(tmp_path, "Time (s),Power (W)\n" + rows, starts_unix_ns=START).document.faults
    assert "line 202" in fault.text
