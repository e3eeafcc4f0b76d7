"""Heat, clocks and battery of a phone, from what ``dumpsys`` and ``/sys`` print. Pure readers of text."""

from __future__ import annotations

import re

from edgeproof.documents.conditions import Conditions

__all__ = ["HEALTH", "cpu_temperature_c", "read_conditions", "throttled"]

HEALTH = (
    "echo @thermal; dumpsys thermalservice 2>/dev/null; echo @battery; dumpsys battery 2>/dev/null; echo @clocks; "
    "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq 2>/dev/null; echo @end"
)
"""A script of the phone's shell that prints what ``read_conditions`` reads."""
CPU = 0
"""A type of temperature, of ``android.hardware.thermal.TemperatureType``."""
CPU_COOLING = 2
"""A type of cooling device, of ``android.hardware.thermal.CoolingType``: a processor that is held back."""
CHARGING = {2: True, 3: False, 4: False}
"""``BatteryManager.BATTERY_STATUS_*``: charging, discharging, not charging; full (5) tells nothing of the current."""
TEMPERATURE = re.compile(r"Temperature\{mValue=([-\d.]+), mType=(-?\d+), mName=([^,}]*)")
COOLING = re.compile(r"CoolingDevice\{mValue=(\d+), mType=(\d+), mName=([^,}]*)")


def read_conditions(text: str) -> Conditions:
    """What ``HEALTH`` printed, at its end or anywhere in a longer text."""
    thermal, battery, clocks = (_section(text, name) for name in ("thermal", "battery", "clocks"))
    status = re.search(r"^Thermal Status: (\d+)", thermal, re.MULTILINE)
    told = dict(re.findall(r"^ {2}([\w ]+): (\S+)$", battery, re.MULTILINE))
    level, scale = _number(told.get("level")), _number(told.get("scale"))
    degrees, volts, state = (_number(told.get(name)) for name in ("temperature", "voltage", "status"))
    return Conditions(
        thermal_status=int(status[1]) if status else None,
        temperatures_c={name: float(value) for value, _, name in TEMPERATURE.findall(_current(thermal))},
        cooling={name: int(value) for value, _, name in COOLING.findall(thermal)},
        clocks_mhz=tuple(int(line) / 1000 for line in clocks.split() if line.isdigit()),
        battery_percent=round(100 * level / scale, 1) if level is not None and scale else None,
        battery_c=degrees / 10 if degrees is not None else None,
        battery_volts=volts / 1000 if volts is not None else None,
        powered_by=tuple(
            name.removesuffix(" powered")
            for name, value in told.items()
            if name.endswith(" powered") and value == "true"
        ),
        charging=CHARGING.get(int(state)) if state is not None else None,
    )


def cpu_temperature_c(text: str) -> float | None:
    """The hottest sensor of a processor that the thermal service tells, degrees Celsius; None without any."""
    found = TEMPERATURE.findall(_current(_section(text, "thermal")))
    degrees = [float(value) for value, kind, _ in found if int(kind) == CPU and float(value) > 0]
    return max(degrees, default=None)


def throttled(text: str) -> bool | None:
    """Whether the thermal service says that the phone is held back: its status is not 0, or a processor is being
    cooled by holding it back. None where there is no such service, as before Android 10."""
    thermal = _section(text, "thermal")
    status = re.search(r"^Thermal Status: (\d+)", thermal, re.MULTILINE)
    cooled = [int(value) for value, kind, _ in COOLING.findall(thermal) if int(kind) == CPU_COOLING]
    if status is None and not cooled:
        return None
    return bool((status and int(status[1])) or any(cooled))


def _section(text: str, name: str) -> str:
    """What stands between ``@name`` and the next mark; the last of several."""
    found = re.findall(rf"^@{name}\n(.*?)(?=^@\w+$|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[-1] if found else ""


def _current(thermal: str) -> str:
    """The temperatures of now, where they stand beside older ones."""
    _, mark, current = thermal.partition("Current temperatures from HAL:")
    return current if mark and TEMPERATURE.search(current) else thermal


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
