"""What a device says of its heat, clocks and battery at one moment; None and nothing where it does not tell."""

from __future__ import annotations

from edgeproof.documents.base import Value

__all__ = ["Conditions"]


class Conditions(Value, frozen=True, kw_only=True):
    """A device between two pieces of work."""

    thermal_status: int | None = None
    """Android's, 0 (none) to 6 (shutdown); from 1 on it throttles."""
    thermal_state: str | None = None
    """An iPhone's: ``nominal``, ``fair``, ``serious`` or ``critical``; from ``serious`` on it is held back."""
    temperatures_c: dict[str, float] = {}
    """By sensor."""
    cooling: dict[str, int] = {}
    """By cooling device, how far it holds a part back; 0: not at all."""
    clocks_mhz: tuple[float, ...] = ()
    """Of each core, now."""
    battery_percent: float | None = None
    battery_c: float | None = None
    battery_volts: float | None = None
    powered_by: tuple[str, ...] = ()
    """What feeds it beside its battery: ``USB``, ``AC``."""
    charging: bool | None = None
    low_power: bool | None = None
    """Whether its user asked it to save power."""
