"""Every fuzz target on its seeds, on mutations of them, and on what once broke it; ``make fuzz`` does more of it."""

from __future__ import annotations

import json
import random

import pytest
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, TOKENS

ROUNDS = {True: 1500, False: 25}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations_are_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())
    for raw in (*seeds, b"", *TOKENS):
        target.read(raw)
    for number in range(ROUNDS[target.cheap]):
        target.read(mutated(seeds, TOKENS, number, target.change))


def test_a_mutation_is_told_by_its_number() -> None:
    seeds = [b"abcdefgh", b"01234567"]
    found = [mutated(seeds, TOKENS, number) for number in range(200)]
    assert found == [mutated(seeds, TOKENS, number) for number in range(200)]
    assert len(set(found)) > 150


def test_changes_of_a_request_reach_behind_the_parser() -> None:
    """What is not JSON never gets there: a good part of the changed ones is refused by what it says, or answered."""
    target = TARGETS["request"]
    seeds = list(target.seeds())
    assert target.change is not None
    chance = random.Random(0)
    found = [target.change(chance.choice(seeds), chance) for _ in range(300)]
    assert len(set(found)) > 250
    for raw in found:
        start = 3 if raw[:1] == b"b" else 1
        end = start + int.from_bytes(raw[1:3], "little") if start == 3 else len(raw)
        json.loads(raw[start:end])
