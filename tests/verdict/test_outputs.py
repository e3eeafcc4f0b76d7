"""Which differences pass, at which precision; the smallest tolerance that would have passed is exact."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.differences.outputs import compare_output
from edgeproof.documents.policy import DifferenceLimits
from edgeproof.documents.validation import Differences
from edgeproof.verdict.outputs import judge_outputs, limit_for

LIMITS = DifferenceLimits()


def failures(outputs: list[Differences], precision: str, limits: DifferenceLimits) -> tuple[str, ...]:
    return tuple(point.text for point in judge_outputs(outputs, limits, precision) if point.state == "not met")


def off_by(share: float, name: str = "y") -> Differences:
    reference = np.ones((4, 1, 5))
    return compare_output(name, "real", reference, reference * (1 + share))


def spikes(wrong: int, name: str = "spikes") -> Differences:
    reference = np.full((10, 1, 100), 2.0)
    candidate = reference.copy()
    candidate.reshape(-1)[:wrong] = 3
    return compare_output(name, "spikes", reference, candidate)


@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-3), ("fp16", 1e-2), ("int8", 0.1), ("unknown", 1e-3)])
def test_the_limit_of_a_precision(precision: str, limit: float) -> None:
    assert limit_for(precision, LIMITS, spikes=False) == limit
    assert failures([off_by(limit * 0.99)], precision, LIMITS) == ()
    (said,) = failures([off_by(limit * 1.01)], precision, LIMITS)
    assert said.startswith("relative L2 difference of output y ")
    assert said.endswith(f"limit {limit:g} at {precision if precision != 'unknown' else 'fp32'}")


@pytest.mark.parametrize(("precision", "wrong"), [("fp32", 1), ("fp16", 20), ("int8", 200)])
def test_the_agreement_that_spikes_need(precision: str, wrong: int) -> None:
    assert failures([spikes(wrong)], precision, LIMITS) == ()
    (said,) = failures([spikes(wrong + 1)], precision, LIMITS)
    assert "spike counts of output spikes agree in" in said
    assert limit_for(precision, LIMITS, spikes=True) == pytest.approx(wrong / 1000)


@given(st.floats(0, 2), st.sampled_from(["fp32", "fp16", "int8"]))
def test_the_smallest_passing_tolerance_passes_and_anything_below_does_not(share: float, precision: str) -> None:
    output = off_by(share)
    assert output.smallest_passing_tolerance is not None
    exact = msgspec.structs.replace(LIMITS, **{precision: output.smallest_passing_tolerance})
    assert failures([output], precision, exact) == ()
    if output.smallest_passing_tolerance > 0:
        below = msgspec.structs.replace(LIMITS, **{precision: np.nextafter(output.smallest_passing_tolerance, 0)})
        assert failures([output], precision, below)


@given(st.integers(0, 1000))
def test_the_same_for_spikes(wrong: int) -> None:
    output = spikes(wrong)
    assert output.smallest_passing_tolerance is not None
    exact = DifferenceLimits(spike_agreement_int8=1 - output.smallest_passing_tolerance)
    assert failures([output], "int8", exact) == ()
    if wrong:
        stricter = DifferenceLimits(spike_agreement_int8=1 - (wrong - 1) / 1000)
        assert failures([output], "int8", stricter)


def test_every_output_that_does_not_pass_is_named() -> None:
    said = failures([off_by(1, "a"), off_by(0, "b"), off_by(2, "c")], "fp32", LIMITS)
    assert [text.split()[5] for text in said] == ["a", "c"]


def test_a_membrane_beside_spikes_is_gated_at_fp32_only_and_its_flips_are_allowed_for() -> None:
    membrane = off_by(0.2, "membrane")
    assert failures([spikes(0), membrane], "int8", LIMITS) == ()
    assert failures([spikes(0), membrane], "fp16", LIMITS) == ()
    (said,) = failures([spikes(0), membrane], "fp32", LIMITS)
    assert "of output membrane" in said
    assert failures([spikes(1), off_by(0.03, "membrane")], "fp32", LIMITS) == ()
    assert failures([spikes(1), off_by(0.04, "membrane")], "fp32", LIMITS)


def test_a_spiking_model_without_spike_outputs_is_gated_on_what_it_gives() -> None:
    assert failures([off_by(0.2)], "int8", LIMITS)
