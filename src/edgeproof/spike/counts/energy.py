"""Energy that counted operations would take in a given technology: an estimate from a table, never a measurement.

``E = n_AC · e_AC + n_MAC · e_MAC``, and beside it, stated apart, what membrane updates and memory would take. The
energies are those of Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, 45 nm at 0.9 V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FLOAT32", "FORMULA", "INT8", "SOURCE", "EnergyEstimate", "Technology", "estimate_energy", "word_access_pj"]

SOURCE = "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014; 45 nm, 0.9 V"
FORMULA = (
    "synapses = ACs * add + MACs * (multiply + add); neurons = membrane updates * (multiply + add); "
    "memory = (ACs + MACs) weight reads + 2 * membrane updates state reads and writes"
)
MEMORIES: Sequence[tuple[int, str, float]] = (
    (8 << 10, "8 KiB of SRAM", 10.0),
    (32 << 10, "32 KiB of SRAM", 20.0),
    (1 << 20, "1 MiB of SRAM", 100.0),
)
"""Bytes, what holds them, and pJ for 64 bits."""
DRAM = ("DRAM", 1300.0)
"""The lower end of 1.3 to 2.6 nJ for 64 bits."""


@dataclass(frozen=True)
class Technology:
    """Energies of one arithmetic, pJ.

    Attributes:
        name: of the arithmetic.
        add_pj: an addition to a sum.
        multiply_pj: a product.
        weight_bytes: of a weight in memory.
        state_bytes: of a membrane in memory.
        membrane_multiply_pj: a product with a membrane.
    """

    name: str
    add_pj: float
    multiply_pj: float
    weight_bytes: int
    state_bytes: int
    membrane_multiply_pj: float

    @property
    def ac_pj(self) -> float:
        """An accumulate."""
        return self.add_pj

    @property
    def mac_pj(self) -> float:
        """A multiply-accumulate."""
        return self.multiply_pj + self.add_pj


FLOAT32 = Technology("float32", 0.9, 3.7, 4, 4, 3.7)
INT8 = Technology("int8 weights, int32 sums", 0.1, 0.2, 1, 4, 3.1)


@dataclass(frozen=True)
class EnergyEstimate:
    """µJ for one inference, by cause.

    Attributes:
        synapses_uj: of synaptic operations.
        dense_uj: of the same layers as dense MACs: what a network without spikes and zeros of this size would take.
        neurons_uj: of membrane updates.
        memory_uj: of weights and membranes that are read and written.
        memory: what holds them.
        weight_pj, state_pj: of reading a weight, and of reading or writing a membrane.
    """

    synapses_uj: float
    dense_uj: float
    neurons_uj: float
    memory_uj: float
    memory: str
    weight_pj: float
    state_pj: float


def word_access_pj(held_bytes: int, word_bytes: int) -> tuple[str, float]:
    """The smallest memory that holds so much, and pJ for a word of it: its share of an access of 64 bits."""
    for size, name, pj in MEMORIES:
        if held_bytes <= size:
            return name, pj * word_bytes / 8
    return DRAM[0], DRAM[1] * word_bytes / 8


def estimate_energy(
    technology: Technology,
    *,
    acs: float,
    macs: float,
    dense: float,
    membrane_updates: float,
    weights: int,
    membranes: int,
) -> EnergyEstimate:
    """Energy of one inference.

    Args:
        technology: the arithmetic.
        acs, macs, dense, membrane_updates: operations of one inference.
        weights: how many the memory holds.
        membranes: how many the memory holds beside them.
    """
    held = weights * technology.weight_bytes + membranes * technology.state_bytes
    name, weight_pj = word_access_pj(held, technology.weight_bytes)
    _, state_pj = word_access_pj(held, technology.state_bytes)
    update_pj = technology.membrane_multiply_pj + technology.add_pj
    return EnergyEstimate(
        synapses_uj=(acs * technology.ac_pj + macs * technology.mac_pj) / 1e6,
        dense_uj=dense * technology.mac_pj / 1e6,
        neurons_uj=membrane_updates * update_pj / 1e6,
        memory_uj=((acs + macs) * weight_pj + 2 * membrane_updates * state_pj) / 1e6,
        memory=name,
        weight_pj=weight_pj,
        state_pj=state_pj,
    )
