"""The command line as a test calls it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Call"]

Call = Callable[..., tuple[int, str, str]]
"""The words after ``edgeproof`` → exit code, stdout, stderr."""
