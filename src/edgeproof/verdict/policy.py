"""The policy file: TOML read into a ``PolicyValue``, and written back. Decides nothing."""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.documents.evaluation import DifferenceLimits, PolicyValue
from edgeproof.errors import PolicyError

__all__ = ["default_policy_toml", "load_policy", "parse_policy", "policy_toml"]

SAMPLES_FLOOR = 200
"""Below this int8 results cannot pass whatever a policy says: a lower ``minimum_samples`` would be without effect."""

MEANING = {
    "latency_percentile": "which percentile of steady-state latency is held against latency_ms: p50, p90, p95, p99",
    "latency_ms": "milliseconds per inference",
    "task_drop_points": "percentage points of task score that may be lost against the eager model",
    "power_mw": "mean power in milliwatts while inferring; leave it out for no budget",
    "memory_mb": "peak resident memory in megabytes (10^6 bytes); leave it out for no limit",
    "size_mb": "everything that ships, in megabytes (10^6 bytes); leave it out for no limit",
    "minimum_samples": f"representative samples an int8 candidate must stand on, {SAMPLES_FLOOR} or more",
    "prefer_sdk_for_spiking": "a spiking model runs in its own engine wherever that meets the policy",
    "fp32": "largest relative L2 difference of real-valued outputs",
    "spike_agreement_fp32": "smallest share of equal spike counts, 0 to 1",
}
EXAMPLE = {"power_mw": "2000.0", "memory_mb": "64.0", "size_mb": "5.0"}


def load_policy(path: Path) -> PolicyValue:
    """Read a policy file.

    Raises:
        PolicyError: it cannot be read, is not TOML, or has a key or value that no policy has.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(f"cannot read the policy {path}: {reason}") from error
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
    refuse_unknown(table, PolicyValue, source, prefix="")
    if isinstance(table.get("difference"), dict):
        refuse_unknown(table["difference"], DifferenceLimits, source, prefix="difference.")
    try:
        policy = msgspec.convert(table, PolicyValue)
    except (msgspec.ValidationError, OverflowError) as error:
        raise PolicyError(f"{source}: {error}", hint="docs/policy.md lists every key with its type and unit") from error
    check_ranges(policy, source)
    return policy


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

    require("latency_ms", policy.latency_ms, policy.latency_ms > 0, "milliseconds above 0")
    require("task_drop_points", policy.task_drop_points, 0 <= policy.task_drop_points <= 100, "points from 0 to 100")
    for key in ("power_mw", "memory_mb", "size_mb"):
        value: float | None = getattr(policy, key)
        require(key, value, value is None or value > 0, "a number above 0, or no such key for no limit")
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
        if key == "difference":
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
    return "\n".join(lines) + "\n"


def toml_value(value: str | bool | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)
