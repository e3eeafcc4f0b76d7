"""Tests that need a program of the machine's are skipped where it is missing."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

__all__ = ["need", "need_zig"]


def need(*programs: str | None) -> None:
    """Skip where one is not installed."""
    missing = [program for program in programs if program is not None and shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def need_zig() -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
