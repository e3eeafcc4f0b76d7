"""The policy file: TOML read into a ``PolicyValue``, and written back. Decides nothing."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.documents.device import EVERY_CLASS
from edgeproof.documents.policy import DeviceLimits, DifferenceLimits, PolicyValue
from edgeproof.errors import PolicyError

__all__ = [
    "default_policy_toml",
    "load_policy",
    "parse_policy",
    "policy_toml",
    "preset_names",
    "preset_summary",
    "preset_toml",
]

SAMPLES_FLOOR = 200
"""Below this int8 results cannot pass whatever a policy says: a lower ``minimum_samples`` would be without effect."""
RELATIVE = re.compile(r"\s*(\d+(\.\d+)?)\s*%\s*")
DEFAULT = "default"

MEANING = {
    "latency_percentile": "which percentile of steady-state latency is held against latency_ms: p50, p90, p95, p99",
    "latency_ms": "milliseconds per inference",
    "latency_not_above": "a candidate whose latency, measured interleaved, is the limit",
    "cold_start_ms": "milliseconds from the start of the process to the first result",
    "task_drop": 'task score that may be lost: in its unit, points for a share; or "2 %" of the eager model\'s',
    "task_drop_points": "the same where task_drop is not said: points of a share, percent of any other metric",
    "task_held_to": "interval: the end of the 95 % interval must be within the limit; estimate: the estimate alone",
    "slice_drop": "task score that may be lost on the worst slice, as in task_drop",
    "cosine_min": "smallest cosine of a sample's real outputs to the eager model's",
    "threshold": "what threshold_agreement is about",
    "threshold_agreement": "share of real output values on the same side of threshold as the eager model's, 0 to 1",
    "output_saturation": "share of a quantised output's values that stand at its end, 0 to 1",
    "power_mw": "mean power in milliwatts while inferring; leave it out for no budget",
    "memory_mb": "peak resident memory in megabytes (10^6 bytes); leave it out for no limit",
    "size_mb": "everything that ships, artifact and runtime, in megabytes (10^6 bytes)",
    "throttled": "what was taken while the device throttled: exclude, fatal or count",
    "soak_hours": 'hours that it must have run and been stable; soak = "1h" or "30min" says the same',
    "soak_drift": "share by which latency may rise over a soak, with 99 % confidence that it rises at all",
    "soak_growth": "share of its memory at first that may come on top in soak_hours; or the next, where that is more",
    "soak_growth_mb": "megabytes (10^6 bytes) of the same",
    "soak_errors": "share of a soak's calls that may fail, 0 to 1",
    "minimum_samples": f"representative samples an int8 candidate must stand on, {SAMPLES_FLOOR} or more",
    "prefer": "which of those that meet the policy: fastest, smallest, faithful, sdk",
    "prefer_sdk_for_spiking": "a spiking model runs in its own engine wherever that meets the policy",
    "served_network_ms": "round trip between a phone and an edge server nearby",
    "fp32": "largest relative L2 difference of real-valued outputs",
    "spike_agreement_fp32": "smallest share of equal spike counts, 0 to 1",
}
EXAMPLE = {
    "latency_not_above": '"sdk-eager"',
    "cold_start_ms": "500.0",
    "task_drop": '"1 %"',
    "slice_drop": "5.0",
    "cosine_min": "0.999",
    "threshold_agreement": "0.999",
    "output_saturation": "0.01",
    "power_mw": "2000.0",
    "memory_mb": "64.0",
    "size_mb": "5.0",
    "soak_hours": "24.0",
}
ABOVE_ZERO = ("latency_ms", "cold_start_ms", "power_mw", "memory_mb", "size_mb", "soak_hours")
SHARES = ("threshold_agreement", "output_saturation", "soak_errors")
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")
HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}


def preset_names() -> list[str]:
    """The policies that ship, ``default`` first."""
    found = resources.files("edgeproof.verdict").joinpath("presets").iterdir()
    return [DEFAULT, *sorted(file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml"))]


def preset_toml(name: str) -> str:
    """A policy that ships, as its file.

    Raises:
        PolicyError: there is none of that name.
    """
    known = preset_names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise PolicyError(
            f"there is no policy {name}" + (f"; the nearest name is {near[0]}" if near else ""),
            hint=f"give a TOML file, or one of {', '.join(known)}",
        )
    if name == DEFAULT:
        return default_policy_toml()
    return resources.files("edgeproof.verdict").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")


def preset_summary(name: str) -> str:
    """What a policy that ships is for, in a line.

    Raises:
        PolicyError: there is none of that name.
    """
    if name == DEFAULT:
        return "p90 below 10 ms, a point of the task score, the fastest that meets it."
    first = preset_toml(name).splitlines()[0]
    return first.removeprefix("# ")


def load_policy(path: Path) -> PolicyValue:
    """Read a policy file, or one that ships by its name.

    Raises:
        PolicyError: it cannot be read, is not TOML, or has a key or value that no policy has.
    """
    if not path.suffix and not path.exists() and len(path.parts) == 1:
        return parse_policy(preset_toml(str(path)), source=str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(
            f"cannot read the policy {path}: {reason}", hint=f"policies that ship: {', '.join(preset_names())}"
        ) from error
    return parse_policy(text, source=str(path))


def parse_policy(text: str, *, source: str = "policy") -> PolicyValue:
    """Parse a policy; what it leaves out keeps its default.

    Raises:
        PolicyError: not TOML, an unknown key, a value of the wrong type or out of range.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{source} is not valid TOML: {error}") from error
    if "soak" in table:
        table["soak_hours"] = hours_of(table, source)
    refuse_unknown(table, PolicyValue, source, prefix="")
    if isinstance(table.get("difference"), dict):
        refuse_unknown(table["difference"], DifferenceLimits, source, prefix="difference.")
    if isinstance(table.get("device"), dict):
        for name, own in table["device"].items():
            if name not in EVERY_CLASS:
                raise PolicyError(
                    f"{source}: there is no device class `{name}`", hint=f"classes: {', '.join(EVERY_CLASS)}"
                )
            if isinstance(own, dict):
                refuse_unknown(own, DeviceLimits, source, prefix=f"device.{name}.")
    try:
        policy = msgspec.convert(table, PolicyValue)
    except (msgspec.ValidationError, OverflowError) as error:
        raise PolicyError(f"{source}: {error}", hint="docs/policy.md lists every key with its type and unit") from error
    check_ranges(policy, source)
    return policy


def hours_of(table: dict[str, Any], source: str) -> float:
    """Takes ``soak`` out of a policy's table: its hours.

    Raises:
        PolicyError: it is no time, or ``soak_hours`` stands beside it.
    """
    said = table.pop("soak")
    found = DURATION.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise PolicyError(f'{source}: `soak` is {said!r}; expected a time such as "1h" or "30min"')
    if "soak_hours" in table:
        raise PolicyError(f"{source}: `soak` and `soak_hours` say the same", hint="leave one of them out")
    return float(found[1]) * HOURS[found[2]]


def refuse_unknown(table: dict[str, Any], kind: type[msgspec.Struct], source: str, *, prefix: str) -> None:
    """Refuse a key that ``kind`` does not have, and name the nearest one it has.

    Raises:
        PolicyError: there is such a key.
    """
    known = kind.__struct_fields__
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise PolicyError(
                f"{source}: unknown key `{prefix}{key}`; the nearest known key is `{prefix}{near[0]}`",
                hint=f"keys here: {', '.join(known)}",
            )


def check_ranges(policy: PolicyValue, source: str) -> None:
    """Refuse numbers that cannot be meant: NaN, negative limits, shares outside 0..1.

    Raises:
        PolicyError: there is such a number.
    """
    limits = policy.difference

    def require(key: str, value: float | None, holds: bool, expected: str) -> None:
        if value is not None and not (math.isfinite(value) and holds):
            raise PolicyError(f"{source}: `{key}` is {value:g}; expected {expected}")

    require("task_drop_points", policy.task_drop_points, 0 <= policy.task_drop_points <= 100, "points from 0 to 100")
    require("served_network_ms", policy.served_network_ms, policy.served_network_ms >= 0, "milliseconds, 0 or more")
    for prefix, held in (("", policy), *((f"device.{name}.", own) for name, own in policy.device.items())):
        for key in ABOVE_ZERO:
            value: float | None = getattr(held, key, None)
            require(
                f"{prefix}{key}", value, value is None or value > 0, "a number above 0, or no such key for no limit"
            )
    for key in SHARES:
        share: float | None = getattr(policy, key)
        require(key, share, share is None or 0 <= share <= 1, "a share from 0 to 1")
    require("cosine_min", policy.cosine_min, policy.cosine_min is None or -1 <= policy.cosine_min <= 1, "-1 to 1")
    require("threshold", policy.threshold, True, "a number")
    for key in ("soak_drift", "soak_growth", "soak_growth_mb"):
        most: float = getattr(policy, key)
        require(key, most, most >= 0, "0 or more")
    for key in ("task_drop", "slice_drop"):
        drop: float | str | None = getattr(policy, key)
        if isinstance(drop, str) and RELATIVE.fullmatch(drop) is None:
            raise PolicyError(f'{source}: `{key}` is "{drop}"; expected a number, or a share such as "2 %"')
        if not isinstance(drop, str):
            require(key, drop, drop is None or drop >= 0, "0 or more")
    require(
        "minimum_samples",
        policy.minimum_samples,
        policy.minimum_samples >= SAMPLES_FLOOR,
        f"{SAMPLES_FLOOR} or more: int8 results on fewer cannot pass under any policy",
    )
    for key in DifferenceLimits.__struct_fields__:
        limit: float = getattr(limits, key)
        if key.startswith("spike_agreement"):
            require(f"difference.{key}", limit, 0 <= limit <= 1, "a share from 0 to 1")
        else:
            require(f"difference.{key}", limit, limit > 0, "a relative L2 above 0")


def policy_toml(policy: PolicyValue) -> str:
    """The policy as TOML that ``parse_policy`` reads back to the same value; absent budgets stand as comments."""
    return render(policy, comments=False)


def default_policy_toml() -> str:
    """The default policy as a commented TOML file to start from."""
    return render(PolicyValue(), comments=True)


def render(policy: PolicyValue, *, comments: bool) -> str:
    lines: list[str] = []
    for key in PolicyValue.__struct_fields__:
        if key in ("difference", "device"):
            continue
        value = getattr(policy, key)
        if comments:
            lines.append(f"# {MEANING[key]}")
        lines.append(f"{key} = {toml_value(value)}" if value is not None else f"# {key} = {EXAMPLE[key]}  (no limit)")
    lines += ["", "[difference]"]
    for key in DifferenceLimits.__struct_fields__:
        if comments and key in MEANING:
            lines.append(f"# {MEANING[key]}")
        lines.append(f"{key} = {toml_value(getattr(policy.difference, key))}")
    for name, own in policy.device.items():
        said = {key: value for key in own.__struct_fields__ if (value := getattr(own, key)) is not None}
        lines += ["", f"[device.{name}]", *(f"{key} = {toml_value(value)}" for key, value in said.items())]
    if comments:
        lines += ["", "# what one device class is held to in place of the above", "# [device.raspberry-pi]"]
        lines.append("# latency_ms = 20.0")
    return "\n".join(lines) + "\n"


def toml_value(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
