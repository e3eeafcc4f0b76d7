"""A first look at a model: every format once, on this host, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeproof.devices.base import Effort
from edgeproof.documents.manifest import NO_PROCESSORS, RunOptions
from edgeproof.errors import UsageError
from edgeproof.formats.registry import formats

__all__ = ["QUICK_EFFORT", "quick_settings"]

QUICK_EFFORT = Effort(rounds=1, count=100, warmup=20, seconds=1.0)
"""One process and a hundred calls a candidate: a median, and no percentile beyond p90."""
FEWER: dict[str, Any] = {"requests": 20, "cold_starts": 1}


def quick_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run as a quick look has them; what was asked for by name stays.

    Raises:
        UsageError: other devices, processors, batches or networks were asked for, which are no quick look.
    """
    slow = [name for name in ("devices", "batches", "networks", "capacity", "hold", "paces") if settings.get(name)]
    if tuple(settings.get("devices") or ()) == ("host",):
        slow.remove("devices")
    if tuple(settings.get("processors") or ()) not in ((), NO_PROCESSORS):
        slow.append("processors")
    if slow:
        raise UsageError(f"a quick look leaves out {', '.join(slow)}", hint="leave out --quick, or these")
    plain = RunOptions(model="", model_name="")
    fewer = {
        name: value for name, value in FEWER.items() if settings.get(name, getattr(plain, name)) == getattr(plain, name)
    }
    first = tuple(known.candidate(known.precisions[0]) for known in formats().values())
    return {
        **settings,
        **fewer,
        "candidates": tuple(settings.get("candidates") or ()) or first,
        "processors": NO_PROCESSORS,
    }
