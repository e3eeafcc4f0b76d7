"""Looks at the sensors, on trees of machines that have some."""

from __future__ import annotations

import time
from pathlib import Path

from tests.measure.test_machine import tree

from edgeproof.measure.heat import MOST_SAMPLES, HeatWatch, cool_down
from edgeproof.measure.machine import usable_cpus

WARM = "sys/class/thermal/thermal_zone0/temp"
WORD = "sys/devices/platform/soc/soc:firmware/get_throttled"
FREQUENCY = f"sys/devices/system/cpu/cpu{(usable_cpus() or (0,))[0]}/cpufreq/scaling_cur_freq"


def board(root: Path) -> Path:
    return tree(root, {WARM: "50000\n", WORD: "0\n", FREQUENCY: "1800000\n"})


def test_a_window_has_its_end_s_temperature_the_median_clock_and_any_throttling(tmp_path: Path) -> None:
    watch = HeatWatch(board(tmp_path))
    watch.look()
    tree(tmp_path, {WARM: "60000\n", FREQUENCY: "600000\n", WORD: "4\n"})
    watch.look()
    tree(tmp_path, {WARM: "55000\n", WORD: "40000\n"})
    assert watch.seen() == (55.0, 600.0, True)
    tree(tmp_path, {FREQUENCY: "1800000\n"})
    assert watch.seen() == (55.0, 1800.0, False), "the bit since boot is an old one by now"
    heat = watch.told()
    assert heat is not None
    assert (heat.looks, heat.throttled, heat.hottest_c, heat.slowest_mhz) == (4, True, 60.0, 600.0)
    assert [sample.throttled for sample in heat.samples] == [False, True, True, False]


def test_the_cost_of_the_looks_is_told(tmp_path: Path) -> None:
    watch = HeatWatch(board(tmp_path))
    for _ in range(20):
        watch.look()
        time.sleep(0.002)
    heat = watch.told()
    assert heat is not None
    assert 0 < heat.cost_us < 20_000
    assert 0 < heat.cost_share < 1


def test_of_a_long_stretch_the_looks_are_thinned_and_made_less_often(tmp_path: Path) -> None:
    watch = HeatWatch(board(tmp_path), every_s=0.5)
    for _ in range(2 * MOST_SAMPLES):
        watch.look()
    heat = watch.told()
    assert heat is not None
    assert heat.looks == 2 * MOST_SAMPLES
    assert len(heat.samples) <= MOST_SAMPLES
    assert heat.every_s >= 1.0


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path) -> None:
    watch = HeatWatch(tmp_path)
    assert watch.seen() == (None, None, None)
    assert watch.told() is None


def test_it_waits_until_it_is_cool_and_not_for_ever(tmp_path: Path) -> None:
    root = board(tmp_path)
    assert cool_down(55.0, 10.0, root) < 0.5
    assert 0.2 <= cool_down(45.0, 0.2, root) < 2
    assert cool_down(45.0, 10.0, tmp_path / "none") < 0.5
