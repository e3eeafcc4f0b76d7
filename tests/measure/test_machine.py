"""The machine's readers, on trees of machines that this one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.measure.machine import (
    Throttling,
    current_mhz,
    device_class,
    governor,
    read_machine,
    read_throttling,
    temperature_c,
    throttled_between,
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def raspberry(tmp_path: Path) -> Path:
    return tree(
        tmp_path,
        {
            "proc/cpuinfo": "".join(f"processor\t: {core}\nBogoMIPS\t: 108.00\n\n" for core in range(4)),
            "proc/meminfo": "MemTotal:        8245280 kB\nMemFree: 100 kB\n",
            "proc/sys/kernel/osrelease": "6.12.25+rpt-rpi-2712\n",
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\x00",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand\n",
            "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
            "sys/class/thermal/thermal_zone0/temp": "51250\n",
            "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "50000\n",
        },
    )


def test_a_raspberry_pi(raspberry: Path) -> None:
    machine = read_machine(raspberry)
    assert machine.cpu_model == "Raspberry Pi 5 Model B Rev 1.0"
    assert machine.logical_cores == 4
    assert machine.memory_bytes == 8245280 * 1024
    assert machine.release == "6.12.25+rpt-rpi-2712"
    assert machine.governor == "ondemand"
    assert machine.max_mhz == 2400
    assert machine.temperature_c == pytest.approx(51.2, abs=0.1)
    assert machine.virtual is False
    assert device_class(raspberry) == "raspberry-pi"
    assert read_throttling(raspberry) == Throttling(raspberry_bits=0x50000, events=None)


def test_a_virtual_machine_without_sensors(tmp_path: Path) -> None:
    root = tree(
        tmp_path, {"proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse hypervisor avx2\n"}
    )
    machine = read_machine(root)
    assert machine.virtual is True
    assert (machine.governor, machine.max_mhz, machine.temperature_c) == (None, None, None)
    assert machine.cpu_model == "AMD EPYC"
    assert device_class(root) == "host"


@pytest.mark.parametrize(
    ("files", "virtual"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, True),
        ({"sys/class/dmi/id/product_name": "VMware Virtual Platform\n"}, True),
        ({"sys/class/dmi/id/sys_vendor": "Dell Inc.\n"}, False),
        ({"proc/device-tree/model": "linux,dummy-virt\x00"}, True),
        ({"sys/hypervisor/type": "xen\n"}, True),
        ({}, None),
    ],
)
def test_virtual_is_said_only_with_a_sign(tmp_path: Path, files: dict[str, str], virtual: bool | None) -> None:
    assert read_machine(tree(tmp_path, files)).virtual is virtual


def test_a_sensor_that_shows_nonsense_is_no_temperature(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/class/thermal/thermal_zone0/temp": "-274000\n",
            "sys/class/thermal/thermal_zone1/temp": "not a number\n",
            "sys/class/thermal/thermal_zone2/temp": "",
        },
    )
    assert temperature_c(root) is None


def test_hwmon_stands_in_for_thermal_zones(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "nvme\n",
            "sys/class/hwmon/hwmon0/temp1_input": "90000\n",
            "sys/class/hwmon/hwmon1/name": "coretemp\n",
            "sys/class/hwmon/hwmon1/temp1_input": "61000\n",
        },
    )
    assert temperature_c(root) == 61.0


def test_cores_of_different_governors_are_all_named(tmp_path: Path) -> None:
    files = {
        f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_governor": name
        for i, name in enumerate(["performance", "powersave"])
    }
    assert governor(tree(tmp_path, files)) == "performance+powersave"


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        (Throttling(0, None), Throttling(0, None), False),
        (Throttling(0x50000, None), Throttling(0x50000, None), False),
        (Throttling(0x50000, None), Throttling(0x50004, None), True),
        (Throttling(0, None), Throttling(0x20000, None), True),
        (Throttling(None, 7), Throttling(None, 7), False),
        (Throttling(None, 7), Throttling(None, 9), True),
        (Throttling(None, None), Throttling(None, None), None),
        (Throttling(None, None, 0), Throttling(None, None, 0), False),
        (Throttling(None, None, 0), Throttling(None, None, 2), True),
        (Throttling(0, None, None), Throttling(0, None, 1), False),
    ],
)
def test_throttling_is_a_bit_now_or_a_new_sticky_one(
    before: Throttling, after: Throttling, answer: bool | None
) -> None:
    assert throttled_between(before, after) is answer


def test_what_slows_a_processor_down_to_cool_it_is_throttling_and_a_fan_is_not(tmp_path: Path) -> None:
    folder = "sys/class/thermal/cooling_device"
    fan = {f"{folder}0/type": "pwm-fan\n", f"{folder}0/cur_state": "3\n"}
    assert read_throttling(tree(tmp_path, fan)) == Throttling(None, None, None)
    slower = {f"{folder}1/type": "thermal-cpufreq-0\n", f"{folder}1/cur_state": "2\n"}
    assert read_throttling(tree(tmp_path, slower)) == Throttling(None, None, 2)


def test_the_fastest_of_the_cores_that_may_be_used_is_told(tmp_path: Path) -> None:
    speeds = {f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq": f"{n + 1}00000\n" for n in range(4)}
    root = tree(tmp_path, speeds)
    assert current_mhz(root) == 400
    assert current_mhz(root, (0, 2)) == 300
    assert current_mhz(tmp_path / "none") is None


def test_this_machine_can_be_read() -> None:
    machine = read_machine()
    assert 1 <= machine.usable_cores <= machine.logical_cores
    assert machine.memory_bytes > 1 << 28
