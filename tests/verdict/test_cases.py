"""What the phases say of a candidate, gathered."""

from __future__ import annotations

import pytest

from edgeproof.verdict.cases import Case, cases_of


def test_every_candidate_has_one_case_and_the_own_engine_comes_first(build):
    stranger = build.device((build.measurement("stranger-int8"),), name="ssh:pi", device_class="raspberry-pi")
    cases = cases_of(build.evidence(devices=(build.device(), stranger)))
    assert list(cases)[:2] == ["sdk-eager", "sdk-native"]
    assert list(cases)[-1] == "stranger-int8"
    assert set(cases) == set(build.PLATFORMS) | {"stranger-int8"}
    assert [measured.device.device for measured in cases["stranger-int8"].on("raspberry-pi")] == ["ssh:pi"]
    assert cases["stranger-int8"].host is None


def test_an_emulated_device_names_candidates_and_measures_nothing(build):
    emulated = build.device((build.measurement("stranger-int8"),), device_class="raspberry-pi", emulated=True)
    assert cases_of(build.evidence(devices=(emulated,)))["stranger-int8"].measured == ()


@pytest.mark.parametrize(
    ("name", "kind", "precision"),
    [("onnx-int8", "onnx", "int8"), ("tf-lite-fp16", "tf-lite", "fp16"), ("odd", "odd", "fp32"), ("x-y", "x", "fp32")],
)
def test_a_name_tells_what_no_phase_does(build, name, kind, precision):
    case = Case(name, build.empty())
    assert (case.format, case.precision, case.form, case.sdk) == (kind, precision, "whole", False)
    assert case.ending[0] == "skipped"


def test_the_lowest_agreement_over_all_outputs_stands(build):
    outputs = (build.differences(0.1, 0.9, "a"), build.differences(0.1, None, "b"), build.differences(0.1, 0.8, "c"))
    validation = build.validation(build.result("litert-fp32", outputs=outputs))
    assert cases_of(build.evidence(validation=validation))["litert-fp32"].agreement == 0.8
