"""Options that several commands share, by themselves."""

from __future__ import annotations

import click
import pytest

from edgeproof.cli.options import as_seconds, split_seconds

CONTEXT, OPTION = click.Context(click.Command("test")), click.Option(["--time"])


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("33ms", 0.033), ("1s", 1.0), ("90", 90.0), ("1.5 min", 90.0), ("24h", 86400.0), (" 5min ", 300.0)],
)
def test_a_time_is_read_with_its_unit(said: str, seconds: float) -> None:
    assert as_seconds(CONTEXT, OPTION, said) == pytest.approx(seconds)


@pytest.mark.parametrize("said", ["", "ms", "-1s", "0s", "1d", "1,5s", "inf", "1e3s", "5 minutes"])
def test_what_is_no_time_is_refused(said: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        as_seconds(CONTEXT, OPTION, said)


def test_several_times_are_taken_once_each_and_none_is_not_nothing() -> None:
    assert split_seconds(CONTEXT, OPTION, "33ms, 1s,1000ms") == (0.033, 1.0)
    assert split_seconds(CONTEXT, OPTION, None) is None
    assert split_seconds(CONTEXT, OPTION, "") == ()
    assert as_seconds(CONTEXT, OPTION, None) is None
