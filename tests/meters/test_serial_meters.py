"""Serial meters, each spoken to by a pseudo terminal: what they read, and what is made of silence and garbage."""

from __future__ import annotations

import time

import pytest
from tests.doubles.meters.serial_meters import Terminal, fnb58_report, tc66c_answer, um25c_answer

from edgeproof.errors import MeterError
from edgeproof.meters import fnb58, um25c
from edgeproof.meters.base import Garbage, How
from edgeproof.meters.recording import Recording, record
from edgeproof.meters.registry import open_meter

pytest.importorskip("serial", reason="pyserial is not installed")


def asked(question: bytes, answers):
    """Answers each question with the next of what is given; the last for ever."""
    left = list(answers)

    def answer(come: bytes) -> tuple[bytes, int]:
        if question not in come:
            return b"", 0
        return (left.pop(0) if len(left) > 1 else left[0]), len(come)

    return answer


def recorded(address: str, seconds: float, rate: float | None = None) -> Recording:
    _, reader = open_meter(address, How(rate_hz=rate))
    with reader:
        return record(reader, seconds)


@pytest.mark.parametrize(("model", "amperes"), [(0x09C9, 0.1234), (0x0963, 0.123), (0x0D4C, 0.123)])
def test_um_testers(model: int, amperes: float) -> None:
    with Terminal(asked(b"\xf0", [um25c_answer(5.12, amperes, model)])) as terminal:
        seen = recorded(f"um25c:{terminal.path}", 1.0, 20)
    assert len(seen.readings) > 10
    assert {round(reading.watts, 9) for reading in seen.readings} == {round(5.12 * amperes, 9)}
    assert seen.faults == []
    assert abs(seen.readings[-1].unix_ns - time.time_ns()) < 2e9


def test_tc66c() -> None:
    pytest.importorskip("tc66_serial", reason="tc66-serial is not installed")
    with Terminal(asked(b"getva", [tc66c_answer(5.0, 0.4)])) as terminal:
        seen = recorded(f"tc66c:{terminal.path}", 0.6, 20)
    assert len(seen.readings) > 5
    assert {round(reading.watts, 6) for reading in seen.readings} == {2.0}
    assert seen.faults == []


def test_a_damaged_answer_is_garbage_and_the_next_one_is_read() -> None:
    pytest.importorskip("tc66_serial", reason="tc66-serial is not installed")
    good = tc66c_answer(5.0, 0.4)
    answers = [good, tc66c_answer(5.0, 0.4, damaged=True), bytes(192), good]
    with Terminal(asked(b"getva", answers)) as terminal:
        seen = recorded(f"tc66c:{terminal.path}", 0.6, 20)
    assert [fault.kind for fault in seen.faults] == ["garbage", "garbage"]
    assert "checksum" in seen.faults[0].text
    assert len(seen.readings) > 3


def test_half_an_answer_is_garbage() -> None:
    good = um25c_answer(5.0, 0.5)
    with Terminal(asked(b"\xf0", [good, good[:60], b"\x00" * 130, good[:-2] + b"\x00\x00", good])) as terminal:
        seen = recorded(f"um25c:{terminal.path}", 3.0, 20)
    assert [fault.text for fault in seen.faults] == [
        "60 bytes came, expected 130",
        "0x0000 is no model of the family",
        "the answer of UM25C does not end as it should: it was damaged on its way",
    ]
    assert len(seen.readings) > 3


def test_a_silent_tester_is_a_stall() -> None:
    with Terminal(asked(b"\xf0", [um25c_answer(5.0, 0.5), b""])) as terminal:
        seen = recorded(f"um25c:{terminal.path}", 4.5, 10)
    assert len(seen.readings) == 1
    (fault,) = seen.faults
    assert fault.kind == "stall"
    assert "no reading for" in fault.text


def test_fnb58_sends_by_itself_once_asked() -> None:
    commands = []

    def answer(come: bytes) -> tuple[bytes, int]:
        while len(come) >= 65:
            commands.append(come[1:3].hex())
            come = come[65:]
        return (fnb58_report(5.1, 0.3) if "aa83" in commands else b""), len(come) // 65 * 65

    def serve(come: bytes) -> tuple[bytes, int]:
        whole = len(come) // 65 * 65
        sent, _ = answer(come[:whole])
        return sent, whole

    with Terminal(serve, every_s=0.04) as terminal:
        seen = recorded(f"fnb58:{terminal.path}", 1.0)
    assert commands[:4] == ["aa81", "aa82", "aa82", "aa83"]
    assert 40 <= len(seen.readings) <= 120
    assert {round(reading.watts, 9) for reading in seen.readings} == {1.53}
    assert seen.readings[3].unix_ns - seen.readings[0].unix_ns == 30_000_000


def test_fnb58_finds_the_next_report_after_garbage() -> None:
    good, sent = fnb58_report(5.0, 0.2), [0]

    def answer(come: bytes) -> tuple[bytes, int]:
        sent[0] += 1
        report = {3: b"\x00\x01\x02" + good, 6: good[:30] + b"\xff" + good[31:]}.get(sent[0], good)
        return report, len(come)

    with Terminal(answer, every_s=0.03) as terminal:
        seen = recorded(f"fnb58:{terminal.path}", 1.0)
    assert 1 <= len(seen.faults) <= 4
    assert {fault.kind for fault in seen.faults} == {"garbage"}
    assert len(seen.readings) > 40
    assert fnb58.decode(fnb58_report(1, 1, kind=0x03), 0) == []
    with pytest.raises(Garbage, match="check byte"):
        fnb58.decode(good[:63] + b"\x00", 0)


def test_a_cable_that_is_pulled_ends_the_recording_and_keeps_it() -> None:
    with Terminal(lambda come: (fnb58_report(5.0, 0.2), len(come)), every_s=0.03) as terminal:
        _, reader = open_meter(f"fnb58:{terminal.path}", How())
        with reader:
            assert len(record(reader, 0.3).readings) > 8
            terminal.unplug()
            seen = record(reader, 5)
    assert "gone" in (seen.partial or "")


def test_a_port_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(MeterError, match="cannot be opened") as refused:
        open_meter("um25c:/dev/no-such-port", How())
    assert "rfcomm" in (refused.value.hint or "")
    with pytest.raises(MeterError, match="cannot be opened"):
        open_meter("fnb58:/dev/no-such-node", How())
    with pytest.raises(MeterError, match="not found by itself"):
        open_meter("um25c", How())


def test_the_bytes_of_an_answer_are_those_of_the_family() -> None:
    assert um25c.decode(um25c_answer(20.001, 2.5001)) == ("UM25C", pytest.approx(20.001 * 2.5001))
    damaged = bytearray(um25c_answer(5.0, 1.0, 0x0D4C))
    damaged[3] ^= 1
    with pytest.raises(Garbage, match="UM34C"):
        um25c.decode(bytes(damaged))
