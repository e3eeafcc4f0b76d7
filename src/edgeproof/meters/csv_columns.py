"""Which columns of a meter's table are time and power, and in which units, by what stands in its head.

It guesses what the programs of Joulescope, PPK2, Otii, UM25C, TC66C and FNIRSI write, and what people write by hand. A
guess is told; what the user says wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeproof.errors import UsageError

__all__ = ["Asked", "Columns", "Quantity", "TimeUnit", "choose"]

Quantity = Literal["time", "watts", "volts", "amps"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]

UNIT = re.compile(r"[\[(](?P<bracket>[^\])]*)[\])]|[_/ ](?P<tail>[munµμ]?(?:s|sec|seconds|W|V|A|watts?|volts?|amps?))$")
NAMES: dict[Quantity, re.Pattern[str]] = {
    "time": re.compile(r"time|date|elapsed|^t$|^seconds$|^sample time"),
    "watts": re.compile(r"power|watt|^p$|^w$|^p_avg$"),
    "volts": re.compile(r"volt|^v$|^u$|^v_avg$|^vbus$"),
    "amps": re.compile(r"current|amp|^i$|^a$|^i_avg$|^ibus$"),
}
NEVER: dict[Quantity, re.Pattern[str]] = {
    "time": re.compile(r"zone|out$"),
    "watts": re.compile(r"impact|factor|score|delivery|state|profile|max|min|std|peak"),
    "volts": re.compile(r"d\+|d-|^dp|^dn|cc1|cc2|max|min|std|peak"),
    "amps": re.compile(r"range|max|min|std|peak|sample|example"),
}
"""Words that a column of that kind does not have: an energy impact is no power, D+ is no supply."""
BASES: dict[Quantity, str] = {"watts": "w", "volts": "v", "amps": "a"}
SCALES = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "k": 1e3}
TIMES: dict[str, TimeUnit] = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms", "us": "us", "µs": "us",
    "μs": "us", "ns": "ns",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What the user says of a table; None: to be found.

    Attributes:
        time: a column's name or its number from 1; and so are the others.
        watts: power.
        volts: voltage.
        amps: current.
        time_unit: of the time.
        supply_volts: of a supply whose voltage no column has.
        scales: unit by quantity, such as ``{"amps": "mA"}``.
    """

    time: str | None = None
    watts: str | None = None
    volts: str | None = None
    amps: str | None = None
    time_unit: TimeUnit | None = None
    supply_volts: float | None = None
    scales: dict[Quantity, str] | None = None


@dataclass(frozen=True)
class Columns:
    """What is read, by number from 0, with what one step of it is in s, W, V, A.

    Attributes:
        time: the column of the time.
        time_unit: its unit; None: by its values.
        power: columns whose product is power, with their scales.
        factor: a voltage that no column has.
        said: how that was taken, in words.
    """

    time: int
    time_unit: TimeUnit | None
    power: tuple[tuple[int, float], ...]
    factor: float
    said: str


def choose(head: Sequence[str], asked: Asked) -> Columns:
    """The columns of a table with such a head.

    Args:
        head: a cell a column; numbers from 1 where the table has no head.
        asked: what the user says.

    Raises:
        UsageError: a column is not there, or power cannot be made of what is.
    """
    time = wanted(head, "time", asked.time)
    if time is None:
        raise UsageError(
            f"no column looks like time; the table has {told(head)}", hint="name it: --time COLUMN, by name or number"
        )
    unit = asked.time_unit or TIMES.get(unit_of(head[time]).lower())
    watts = wanted(head, "watts", asked.watts) if asked.volts is None and asked.amps is None else None
    if watts is not None:
        scale = scale_of(head[watts], "watts", asked)
        return Columns(time, unit, ((watts, scale),), 1.0, f"time: {head[time]}; power: {head[watts]}")
    amps, volts = wanted(head, "amps", asked.amps), wanted(head, "volts", asked.volts)
    if amps is None:
        impact = next((name for name in head if "impact" in name.lower()), None)
        what = f"{impact} is a score and no power" if impact else "no column looks like power or current"
        raise UsageError(
            f"{what}; the table has {told(head)}", hint="name them: --watts COLUMN, or --volts COLUMN --amps COLUMN"
        )
    current = (amps, scale_of(head[amps], "amps", asked))
    if volts is not None and (asked.volts is not None or asked.supply_volts is None):
        said = f"time: {head[time]}; power: {head[volts]} × {head[amps]}"
        return Columns(time, unit, (current, (volts, scale_of(head[volts], "volts", asked))), 1.0, said)
    if asked.supply_volts is None:
        raise UsageError(
            f"{head[amps]} is a current, and no column has the voltage; the table has {told(head)}",
            hint="say the voltage of the supply: --supply-volts 3.3",
        )
    said = f"time: {head[time]}; power: {head[amps]} × {asked.supply_volts:g} V as told"
    return Columns(time, unit, (current,), asked.supply_volts, said)


def told(head: Sequence[str]) -> str:
    return ", ".join(head)


def wanted(head: Sequence[str], quantity: Quantity, named: str | None) -> int | None:
    """The column of a quantity: the one that the user names, else the first that looks like it."""
    if named is None:
        return next((at for at, name in enumerate(head) if quantity_of(name) == quantity), None)
    plain = [name.strip().lower() for name in head]
    if named.strip().lower() in plain:
        return plain.index(named.strip().lower())
    if named.isascii() and named.isdigit() and 1 <= int(named) <= len(head):
        return int(named) - 1
    raise UsageError(f"there is no column {named}; the table has {told(head)}", hint="by name, or by number from 1")


def quantity_of(name: str) -> Quantity | None:
    """What a column is of, by its name; by its unit where the name says nothing."""
    bare = UNIT.sub("", name).strip().lower()
    for quantity, pattern in NAMES.items():
        if pattern.search(bare) and not NEVER[quantity].search(name.lower()):
            return quantity
    unit = unit_of(name)
    for quantity, base in BASES.items():
        if unit[-1:].lower() == base and unit[:-1] in SCALES and not NEVER[quantity].search(name.lower()):
            return quantity
    return None


def unit_of(name: str) -> str:
    """The unit in a column's name: ``mW`` of ``Power (mW)``; nothing where it has none."""
    found = UNIT.search(name.strip())
    return "" if found is None else (found["bracket"] or found["tail"] or "").strip()


def scale_of(name: str, quantity: Quantity, asked: Asked) -> float:
    """What one of the column's values is in W, V or A; 1 where no unit is told."""
    unit = (asked.scales or {}).get(quantity) or unit_of(name)
    prefix = unit[: -len(unit.lstrip("munµμk"))] if len(unit) > 1 else ""
    prefix = unit[0] if len(unit) > 1 and unit[0] in "munµμk" and unit[1:2].lower() == BASES[quantity] else ""
    base = unit[len(prefix) :].lower()
    if unit and not base.startswith(BASES[quantity]):
        raise UsageError(f"{unit} is no unit of {name}", hint=f"expected W, mW, uW; V, mV; A, mA, uA: {quantity}")
    return SCALES[prefix]
