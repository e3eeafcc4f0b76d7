"""Which candidates a run makes, and in which form."""

from __future__ import annotations

import pytest

from edgeproof.errors import UsageError
from edgeproof.formats.registry import candidate_names, formats
from edgeproof.phases.conversion.planned import check_name, forms_of, named, plan, select

USUAL = tuple(known.candidate(precision) for known in formats().values() for precision in known.precisions)


def test_a_dense_model_is_made_whole_in_every_candidate() -> None:
    planned = plan(steps=False)
    assert [candidate.candidate for candidate in planned] == list(USUAL)
    assert {candidate.form for candidate in planned} == {"whole"}


def test_a_model_with_time_steps_is_made_in_each_format_s_first_form_and_its_fp32_in_the_other() -> None:
    planned = plan(steps=True)
    names = [candidate.candidate for candidate in planned]
    assert len(set(names)) == len(names)
    assert set(USUAL) <= set(names)
    for candidate in planned:
        forms = candidate.format.forms(candidate.precision)
        extra = candidate.candidate not in USUAL
        assert candidate.form == (forms[1] if extra else forms[0])
        assert not extra or candidate.candidate == f"{candidate.format.candidate(candidate.precision)}-{candidate.form}"
    assert {candidate.precision for candidate in planned if candidate.candidate.endswith("-step")} <= {"fp32"}


def test_names_are_taken_in_their_order_and_once() -> None:
    planned = plan(("onnx-int8", "sdk-eager", "onnx-int8"), steps=False)
    assert [(candidate.candidate, candidate.precision) for candidate in planned] == [
        ("onnx-int8", "int8"),
        ("sdk-eager", "fp32"),
    ]


def test_a_form_may_be_asked_for_by_name() -> None:
    first, second = plan(("onnx-fp32-step", "onnx-int8"), steps=True)
    assert (first.candidate, first.form) == ("onnx-fp32-step", "step")
    forms = formats()["onnx"].forms("int8")
    assert second.form == forms[0]
    (same,) = plan((f"onnx-int8-{forms[0]}",), steps=True)
    assert (same.candidate, same.form) == ("onnx-int8", forms[0])


def test_a_format_stands_for_all_its_precisions() -> None:
    names = [candidate.candidate for candidate in plan(("onnx", "sdk-eager"), steps=True)]
    assert names == ["onnx-fp32", "onnx-fp16", "onnx-int8", "sdk-eager"]
    assert named("onnx-step") == ("onnx-fp32-step", "onnx-fp16-step", "onnx-int8-step")
    planned = plan(("litert-step",), steps=True)
    assert [candidate.candidate for candidate in planned] == ["litert-fp32-step", "litert-fp16-step", "litert-int8"]
    assert {candidate.form for candidate in planned} == {"step"}


def test_a_name_of_a_format_and_of_a_candidate() -> None:
    """``--to sdk-native`` is the format with both precisions; ``--candidates sdk-native`` is the one in fp32."""
    assert select(("sdk-native",), ()) == ("sdk-native", "sdk-native-int8")
    assert [candidate.candidate for candidate in plan(("sdk-native",), steps=True)] == ["sdk-native"]


@pytest.mark.parametrize(
    ("steps", "name", "message"),
    [
        (False, "onnx-fp33", "there is no candidate onnx-fp33"),
        (False, "onyx", "there is no candidate onyx (did you mean onnx?)"),
        (False, "onnx-step", "no time steps, so it has one form only"),
        (False, "onnx-fp32-step", "no time steps, so it has one form only"),
        (True, "onnx-fp33-step", "there is no candidate onnx-fp33"),
        (True, "onnx-fp32-whole", "there is no candidate onnx-fp32-whole"),
    ],
)
def test_a_name_that_cannot_be_planned(steps: bool, name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan((name,), steps=steps)
    assert message in str(caught.value)


def test_a_name_is_known_or_not_before_the_model_is() -> None:
    """Whether the model has time steps is known only once it was loaded; a misspelt name is refused before that."""
    for name in (*candidate_names(), *formats(), "onnx-fp32-step", "onnx-int8-unrolled", "litert-step"):
        check_name(name)
    for name in ("onnx-fp33", "onyx", "onyx-step", "onnx-fp33-step", "onnx-fp32-whole", ""):
        with pytest.raises(UsageError, match="there is no candidate"):
            check_name(name)


def test_the_forms_to_export_are_those_of_the_candidates_whatever_the_model_is() -> None:
    assert forms_of(("torchscript-fp32-step",)) == ("whole", "step")
    assert set(forms_of()) == {"whole", "unrolled", "step"}
    assert forms_of(("sdk-native",)) == ("whole", "step")


def test_formats_and_precisions_are_crossed() -> None:
    assert select((), ()) == USUAL
    assert select(("onnx", "litert"), ("fp32", "int8")) == ("onnx-fp32", "onnx-int8", "litert-fp32", "litert-int8")
    assert select(("torchscript", "onnx"), ("fp16",)) == ("onnx-fp16",)
    assert select(("sdk-eager",), ()) == ("sdk-eager",)


def test_candidates_and_forms_may_stand_among_the_formats() -> None:
    assert select(("litert-int8", "onnx", "onnx-int8"), ("int8",)) == ("litert-int8", "onnx-int8")
    assert select(("litert-step",), ("fp32",)) == ("litert-fp32-step",)
    assert select(("onnx-fp32-step", "onnx-fp32"), ()) == ("onnx-fp32-step", "onnx-fp32")


@pytest.mark.parametrize(
    ("to", "precisions", "message"),
    [
        (("onnxx",), (), "there is no candidate onnxx"),
        (("onnx-int8",), ("fp32",), "onnx-int8 cannot be made in fp32"),
        ((), ("int4",), "there is no precision int4"),
        (("torchscript",), ("int8",), "torchscript cannot be made in int8"),
    ],
)
def test_nothing_to_make_is_wrong_use(to: tuple[str, ...], precisions: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(to, precisions)


def test_a_precision_on_request_is_among_none_and_found_by_name() -> None:
    assert "onnx-int8w7" not in [planned.candidate for planned in plan(steps=False)]
    assert "onnx-int8w7" not in named("onnx")
    assert [planned.precision for planned in plan(["onnx-int8w7"], steps=False)] == ["int8w7"]
    assert select(["onnx", "litert"], ["int8w7"]) == ("onnx-int8w7",)
    assert select(["onnx"], ["int8", "int8w7"]) == ("onnx-int8", "onnx-int8w7")
    assert select([], ["int8w7"]) == ("onnx-int8w7",)
