"""Seeded mutations of bytes: the fuzzer that is always there. It is not guided by coverage."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

__all__ = ["mutated"]

EDGES = (0, 1, 0x7F, 0x80, 0xFF)


def mutated(
    seeds: Sequence[bytes],
    tokens: Sequence[bytes],
    number: int,
    change: Callable[[bytes, random.Random], bytes] | None = None,
) -> bytes:
    """The input of that number: a seed with one to eight changes.

    Args:
        seeds: to start from.
        tokens: words that are written into them.
        number: the same one gives the same input.
        change: makes every second input, one that is well formed.
    """
    chance = random.Random(number)
    if change is not None and number % 2:
        return change(chance.choice(seeds), chance)
    raw = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(raw) + 1)
        end = min(len(raw), at + chance.choice((1, 1, 2, 4, 16, 64)))
        match chance.randrange(7):
            case 0 if at < len(raw):
                raw[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(raw):
                raw[at] = chance.choice((*EDGES, chance.randrange(256)))
            case 2:
                del raw[at:end]
            case 3:
                raw[at:at] = raw[at:end]
            case 4:
                raw[at:end] = chance.choice(tokens)
            case 5:
                other = chance.choice(seeds)
                start = chance.randrange(len(other) + 1)
                raw[at:end] = other[start : start + 64]
            case _:
                del raw[chance.randrange(len(raw) // 2, len(raw) + 1) :]
    return bytes(raw)
