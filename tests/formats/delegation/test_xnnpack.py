"""Why XNNPACK leaves an operator, by what it documents."""

from __future__ import annotations

from edgeproof.formats.delegation.xnnpack import FLOAT, QUANTISED, cause_of


def test_a_cause_is_the_first_that_holds() -> None:
    assert cause_of("CUMSUM", {"float32"}) == "XNNPACK has no CUMSUM"
    assert "has int32" in cause_of("MUL", {"int32", "float32"})
    assert cause_of("DIV", {"int8"}) == "XNNPACK takes DIV on float, and not on 8 bits"
    assert "not as it is called here" in cause_of("CONV_2D", {"float32"})
    assert "not as it is called here" in cause_of("CONV_2D", {"int8"})


def test_what_it_takes_on_8_bits_it_takes_on_float() -> None:
    assert QUANTISED < FLOAT
