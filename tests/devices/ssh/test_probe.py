"""A board's answer, read: a Raspberry Pi, a board of musl, a 32-bit system under a 64-bit kernel, half an answer."""

from __future__ import annotations

import subprocess

import pytest

from edgeproof.devices.ssh.device import SshDevice
from edgeproof.devices.ssh.probe import COMMANDS, FILES, MARK, probe_script, read_probe
from edgeproof.errors import DeviceError

PI = {
    "model": "Raspberry Pi 4 Model B Rev 1.4\x00",
    "cpuinfo": "processor\t: 0\nprocessor\t: 1\nprocessor\t: 2\nprocessor\t: 3\nModel\t\t: Raspberry Pi 4",
    "meminfo": "MemTotal:        3884304 kB\nMemAvailable:    3000000 kB",
    "governor": "ondemand\nondemand\nondemand\nondemand",
    "max_khz": "1800000\n1800000",
    "thermal": "48312",
    "system": "Linux",
    "kernel": "6.6.51+rpt-rpi-v8",
    "architecture": "aarch64",
    "bits": "64",
    "libc": "glibc 2.36",
    "usable": "4",
    "disk": "/dev/mmcblk0p2  30000000 9000000 21000000  31% /",
    "folder": "/home/pi/.cache/edgeproof",
    "clock": "1790000000123456789",
    "vcgencmd": "temp=48.9'C\nthrottled=0x50000",
    "emulator": "0\n/usr/bin/sleep",
    "python": "/usr/bin/python3 3 11 cpython-311",
}


def answer(**changed: str) -> str:
    told = {**PI, **changed}
    return "".join(f"{MARK}{name}\n{text}\n" for name, text in told.items()) + f"{MARK}end\n"


def test_a_raspberry_pi() -> None:
    probe = read_probe(answer())
    place, machine = probe.place(), probe.machine()
    assert (place.system, place.architecture, place.libc, place.python) == ("linux", "aarch64", "glibc 2.36", "3.11")
    assert place.memory_bytes == 3_000_000 * 1024
    assert place.disk_bytes == 21_000_000 * 1024
    assert probe.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert (machine.logical_cores, machine.usable_cores, machine.governor) == (4, 4, "ondemand")
    assert machine.max_mhz == 1800
    assert machine.virtual is False
    assert machine.temperature_c == 48.9
    assert probe.throttled_bits == 0x50000
    assert probe.clock_unix_ns == 1_790_000_000_123_456_789


@pytest.mark.parametrize(
    ("libc", "read"),
    [
        ("ldd (Debian GLIBC 2.36-9+deb12u9) 2.36", "glibc 2.36"),
        ("musl libc (aarch64)\nVersion 1.2.4", "musl"),
        ("", None),
    ],
)
def test_c_libraries(libc: str, read: str | None) -> None:
    assert read_probe(answer(libc=libc)).libc == read


def test_a_32_bit_system_under_a_64_bit_kernel_runs_32_bit_programs() -> None:
    assert read_probe(answer(bits="32")).place().architecture == "armv7l"


@pytest.mark.parametrize("python", ["", "/usr/bin/python3 3 9 cpython-39", "Segmentation fault"])
def test_a_python_that_our_runner_does_not_run_in_is_none(python: str) -> None:
    assert read_probe(answer(python=python)).place().python is None


def test_a_clock_of_seconds_alone_is_no_clock() -> None:
    assert read_probe(answer(clock="1790000000N")).clock_unix_ns is None


@pytest.mark.parametrize("text", ["", "Welcome!\n", answer().partition(f"{MARK}end")[0], answer(architecture="")])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(DeviceError, match="no whole answer"):
        read_probe(text)


def test_a_banner_before_the_answer_is_no_part_of_it() -> None:
    assert read_probe("*** property of the lab ***\n" + answer()).architecture == "aarch64"


def test_this_machine_answers_the_whole_script(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    done = subprocess.run(["sh", "-c", probe_script()], capture_output=True, text=True, check=False)
    probe = read_probe(done.stdout)
    assert set(probe.told) == {*FILES, *COMMANDS, "python", "end"}
    assert probe.folder == f"{tmp_path}/.cache/edgeproof"
    assert probe.place().disk_bytes
    assert probe.text("emulator").splitlines()[-1].endswith(("sleep", "coreutils", "busybox"))


@pytest.mark.parametrize(
    ("changed", "python"),
    [
        ({}, "3.11"),
        ({"libc": "musl libc (aarch64)"}, None),
        ({"architecture": "armv7l"}, None),
        ({"bits": "32"}, None),
        ({"architecture": "riscv64"}, None),
    ],
)
def test_a_python_for_which_no_wheels_are_published_is_of_no_use(changed: dict[str, str], python: str | None) -> None:
    """Programs of their own run there; its user may name a Python that has the runtimes."""
    device, told = SshDevice("pi@x"), SshDevice("pi@x?python=/opt/python")
    for one in (device, told):
        one.__dict__["probe"] = read_probe(answer(**changed))
    assert device.place().python == python
    assert told.place().python == "3.11"
