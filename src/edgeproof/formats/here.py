"""All that a result of ours depends on beside what it is made of: what is installed, our own sources, the machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path

import edgeproof

__all__ = ["everything_here"]


@functools.cache
def everything_here() -> str:
    """A sha256 of the versions of all that is installed, of our own sources, whose version does not change with every
    line, and of the machine and its processor."""
    whole = hashlib.sha256()
    root = Path(edgeproof.__file__).parent
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for name in sorted({f"{each.name}=={each.version}" for each in metadata.distributions()}):
        whole.update(f"{name}\n".encode())
    whole.update(f"{sys.version} {platform.platform()} {_processor()}".encode())
    return whole.hexdigest()


def _processor() -> str:
    """Calibration runs on this processor, whose instructions round in their own way."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    return platform.processor()
