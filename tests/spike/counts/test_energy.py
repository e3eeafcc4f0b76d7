"""The energy of counted operations: the formula, with numbers worked out by hand."""

from __future__ import annotations

import pytest

from edgeproof.spike.counts.energy import FLOAT32, INT8, estimate_energy, word_access_pj


def test_float32_by_hand() -> None:
    found = estimate_energy(FLOAT32, acs=1000, macs=100, dense=10_000, membrane_updates=50, weights=1000, membranes=10)
    assert found.synapses_uj == pytest.approx((1000 * 0.9 + 100 * 4.6) / 1e6)
    assert found.dense_uj == pytest.approx(10_000 * 4.6 / 1e6)
    assert found.neurons_uj == pytest.approx(50 * 4.6 / 1e6)
    assert found.memory == "8 KiB of SRAM", "4,040 bytes"
    assert found.memory_uj == pytest.approx((1100 * 5 + 2 * 50 * 5) / 1e6)


def test_int8_by_hand() -> None:
    found = estimate_energy(INT8, acs=1000, macs=100, dense=10_000, membrane_updates=50, weights=9000, membranes=10)
    assert found.synapses_uj == pytest.approx((1000 * 0.1 + 100 * 0.3) / 1e6)
    assert found.neurons_uj == pytest.approx(50 * 3.2 / 1e6)
    assert found.memory == "32 KiB of SRAM", "9,040 bytes"
    assert found.memory_uj == pytest.approx((1100 * 20 / 8 + 2 * 50 * 20 / 2) / 1e6)


@pytest.mark.parametrize(
    ("held", "name", "pj"),
    [(8192, "8 KiB of SRAM", 5), (8193, "32 KiB of SRAM", 10), (1 << 20, "1 MiB of SRAM", 50), (2 << 20, "DRAM", 650)],
)
def test_memory_is_the_smallest_that_holds_it(held: int, name: str, pj: float) -> None:
    assert word_access_pj(held, 4) == (name, pj)
