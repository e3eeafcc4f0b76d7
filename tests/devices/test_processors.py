"""Processors by name, and what tells that an emulator gives another one."""

from __future__ import annotations

import pytest

from edgeproof.devices.processors import PROCESSORS, find_processors
from edgeproof.errors import UsageError


def test_processors_are_found_by_name_and_once() -> None:
    found = find_processors(("cortex-a76", "x86-64-v3", "cortex-a76"))
    assert [processor.name for processor in found] == ["cortex-a76", "x86-64-v3"]
    assert found[0].classes == ("raspberry-pi", "android")
    assert found[1].classes == (), "it is no device of a verdict, and says nothing of this machine"


def test_an_unknown_one_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="there is no processor cortex-a7 to emulate") as raised:
        find_processors(("cortex-a7",))
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("did you mean cortex-a7")
    assert "x86-64-v3" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "instructions", "doubt"),
    [
        ("x86-64-v3", ("SSE42", "AVX2"), None),
        ("x86-64-v3", ("SSE42",), "the emulator gives no AVX2"),
        ("x86-64-v3", ("AVX2", "AVX512F"), "the emulator gives AVX512F"),
        ("x86-64-v2", ("SSE42", "AVX", "AVX2"), "which x86-64-v2 lacks"),
        ("cortex-a53", ("NEON", "ASIMD"), None),
        ("cortex-a53", ("ASIMD", "ASIMDHP"), "the emulator gives ASIMDHP"),
        ("cortex-a76", ("ASIMD", "ASIMDDP"), "the emulator gives no ASIMDHP"),
        ("cortex-a76", ("ASIMD", "ASIMDHP", "SVE"), "the emulator gives SVE"),
    ],
)
def test_an_emulator_that_gives_another_processor_is_told(name: str, instructions: tuple[str, ...], doubt: str) -> None:
    found = PROCESSORS[name].doubt(instructions)
    assert (found is None) if doubt is None else (found is not None and doubt in found)
