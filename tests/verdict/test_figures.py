"""The table of figures, and the case that its rows read."""

from __future__ import annotations

import math

import msgspec
import pytest

from edgeproof.documents.evaluation import CandidateRow
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.cases import Case, cases_of
from edgeproof.verdict.figures import FIGURES, told
from edgeproof.verdict.on_devices import DEVICE_LIMITS


def test_every_figure_is_a_field_of_the_row_once():
    keys = [figure.key for figure in FIGURES]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {field.name for field in msgspec.structs.fields(CandidateRow)}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_every_figure_has_a_source_and_a_reason_for_its_absence(build, figure):
    case = cases_of(build.evidence())["litert-fp32"]
    assert math.isfinite(figure.value(case))
    for nothing in (Case("litert-fp32", build.empty()), Case("litert-fp32", build.evidence())):
        assert figure.value(nothing) is None
        assert figure.absent(nothing)


def test_every_limit_is_a_key_of_the_policy_that_may_be_left_out():
    for limit in DEVICE_LIMITS:
        assert limit.asked(PolicyValue()) is None
        assert limit.key.endswith(f"_{limit.unit.lower()}")


def test_a_field_of_none_is_none(build):
    case = cases_of(build.evidence())["coreml-fp16"]
    assert told("conversion.artifact")(case) == "artifacts/coreml-fp16"
    assert told("host.steady.median_us")(case) is None
    with pytest.raises(AttributeError):
        told("conversion.artefact")(case)
