"""Every fuzz target on its seeds, on mutations of them, and on what once broke it; ``make fuzz`` does more of it."""

from __future__ import annotations

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
        target.read(mutated(seeds, TOKENS, number))


def test_a_mutation_is_told_by_its_number() -> None:
    seeds = [b"abcdefgh", b"01234567"]
    found = [mutated(seeds, TOKENS, number) for number in range(200)]
    assert found == [mutated(seeds, TOKENS, number) for number in range(200)]
    assert len(set(found)) > 150
