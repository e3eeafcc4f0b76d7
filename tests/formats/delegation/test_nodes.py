"""Operators one by one, grouped, with shares that are figures or absent."""

from __future__ import annotations

import pytest

from edgeproof.formats.delegation.nodes import Node, delegation_of, runs_inside

NODES = (
    Node("CONV", inside=True, time_us=30.0),
    Node("CAST", inside=False, time_us=10.0, line="net.py:3", cause="no", remedy="do"),
    Node("CAST", inside=False, time_us=20.0, line="net.py:9", cause="no"),
    Node("SORT", inside=False, time_us=40.0, cause="no"),
)


def test_operators_of_a_name_and_cause_are_one_and_those_that_take_longest_outside_stand_first() -> None:
    told = delegation_of("D", NODES, partitions=2, calls=7)
    assert [(operator.name, operator.count, operator.time_share) for operator in told.operators] == [
        ("SORT", 1, 0.4),
        ("CAST", 2, 0.3),
        ("CONV", 1, 0.3),
    ]
    assert told.operators[1].lines == ("net.py:3", "net.py:9")
    assert told.operators[1].remedy == "do"
    assert (told.inside, told.outside, told.time_inside, told.call_us, told.calls) == (1, 3, 0.3, 100.0, 7)


def test_a_delegates_own_time_stands_for_all_that_is_inside() -> None:
    nodes = (Node("CONV", inside=True), Node("CAST", inside=False, time_us=10.0))
    told = delegation_of("D", nodes, partitions=1, calls=1, inside_us=30.0)
    assert told.time_inside == 0.75
    assert [operator.time_share for operator in told.operators] == [0.25, None]


@pytest.mark.parametrize(("resolution", "absent"), [(1.0, False), (26.0, True)])
def test_a_profile_that_is_too_coarse_gives_no_share(resolution: float, absent: bool) -> None:
    told = delegation_of("D", NODES, partitions=2, calls=7, resolution_us=resolution)
    assert (told.time_inside is None) == absent
    assert (told.no_time is not None) == absent
    assert (told.call_us is None) == absent
    assert all((operator.time_share is None) == absent for operator in told.operators)


def test_what_runs_on_one_side_alone_needs_no_clock() -> None:
    told = delegation_of("D", [Node("CONV", inside=True)], partitions=1)
    assert (told.time_inside, told.no_time) == (1.0, None)
    told = delegation_of("D", [Node("CAST", inside=False)], partitions=0, degraded="fell back")
    assert (told.time_inside, told.degraded) == (0.0, "fell back")


def test_what_is_predicted_has_no_time() -> None:
    told = delegation_of("D", NODES, how="predicted", partitions=2)
    assert (told.time_inside, told.call_us, told.calls) == (None, None, 0)
    assert all(operator.time_share is None for operator in told.operators)


def test_partitions_are_stretches() -> None:
    assert runs_inside([]) == 0
    assert runs_inside([True, True]) == 1
    assert runs_inside([False, True, False, True, True]) == 2
