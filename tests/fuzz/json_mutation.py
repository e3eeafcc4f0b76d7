"""Changes of JSON that leave it JSON: what a fuzzer of bytes seldom finds its way through."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

__all__ = ["changed", "changed_request"]

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 4, 5, 7, 8, 12, 24, 255, 256, 65536, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63)),
    *(0.5, -0.0, 1e-45, 65504.0, 65520.0, 3.5e38, 1e308, "", "x", "y", "h", "n", "f", "é\0", "a" * 300, [], {}, [[]]),
    *("FP16", "FP32", "FP64", "BOOL", "INT64", "UINT8", "BYTES", [1, 3], [2, 3], [4, 3], [5, 3], [0, 3], [3], [1]),
)
NAMES = (
    *("name", "shape", "datatype", "data", "parameters", "inputs", "outputs", "id", "binary_data", "binary_data_size"),
    *("binary_data_output", "sequence_id", "sequence_start", "sequence_end", "classification", "x"),
)


def changed(document: Any, chance: random.Random) -> Any:
    """A copy with one place changed: a value replaced, an element or member added, doubled, moved or taken away."""
    whole = [copy.deepcopy(document)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    for held, key in places:  # grows meanwhile
        value = held[key]
        if isinstance(value, dict):
            places += [(value, name) for name in value]
        elif isinstance(value, list):
            places += [(value, place) for place in range(len(value))]
    held, key = chance.choice(places)
    value = held[key]
    match chance.randrange(6):
        case 0 if isinstance(value, dict):
            value[chance.choice(NAMES)] = copy.deepcopy(chance.choice(VALUES))
        case 1 if isinstance(value, list):
            value.insert(chance.randrange(len(value) + 1), copy.deepcopy(chance.choice(value or VALUES)))
        case 2 if isinstance(value, list):
            value *= chance.choice((2, 4, 5))
        case 3 if held is not whole:
            del held[key]
        case 4:
            other, name = chance.choice(places)
            held[key] = copy.deepcopy(other[name])
        case _:
            held[key] = copy.deepcopy(chance.choice(VALUES))
    return whole[0]


def changed_request(raw: bytes, chance: random.Random) -> bytes:
    """An input of the ``request`` target with its JSON changed in one to four places, and the bytes behind it cut or
    lengthened; as it was where it has none."""
    binary = raw[:1] >= b"b"
    start = 3 if binary else 1
    end = start + int.from_bytes(raw[1:3], "little") if binary else len(raw)
    try:
        document = json.loads(raw[start:end])
    except (ValueError, RecursionError):
        return raw
    for _ in range(chance.choice((1, 1, 2, 4))):
        document = changed(document, chance)
    text, rest = json.dumps(document).encode(), raw[end:]
    if not binary:
        return raw[:1] + text
    if chance.random() < 0.3:
        rest = rest[: chance.randrange(len(rest) + 1)] + bytes(chance.choice((0, 1, 2, 8, 12, 66)))
    return raw[:1] + min(len(text), 65535).to_bytes(2, "little") + text + rest
