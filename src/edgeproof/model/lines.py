"""Which line of the user's own code something comes from."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import linecache
import re
import site
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

__all__ = ["deciding_line", "known_line", "line_of", "of_the_model", "own_line"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)')


def deciding_line(error: BaseException) -> tuple[str, str]:
    """Of an error: the innermost line of the model's own code in its traceback; failing that, of a library outside
    torch. ``file:line`` and the source."""
    frames: list[traceback.FrameSummary] = []
    seen: BaseException | None = error
    while seen is not None and not frames:
        frames = [
            frame for frame in traceback.extract_tb(seen.__traceback__) if "<eval_with_key>" not in frame.filename
        ]
        seen = seen.__cause__ or seen.__context__
    return own_line(frames)


def line_of(trace: str) -> tuple[str, str]:
    """Of a stack trace as a graph's nodes keep it."""
    return own_line(
        [traceback.FrameSummary(found["file"], int(found["line"]), found["name"]) for found in _FRAME.finditer(trace)]
    )


def known_line(trace: str) -> str | None:
    """``file:line`` of a stack trace; None where it keeps none that is the model's."""
    location, _ = line_of(trace)
    return location if of_the_model(location) else None


def of_the_model(location: str) -> bool:
    """Whether a place is one that a reader can change: it is known, and neither of this package nor of PyTorch."""
    return not location.startswith("unknown:") and not str(Path(location).absolute()).startswith(
        (*_torch_roots(), _OURS)
    )


def own_line(frames: Sequence[traceback.FrameSummary]) -> tuple[str, str]:
    """The innermost of the model's own lines among frames (outermost first); else that of a library outside torch."""
    roots = _library_roots()
    own = [frame for frame in frames if not frame.filename.startswith((*roots, "<"))]
    foreign = [frame for frame in frames if not frame.filename.startswith((*_torch_roots(), _OURS, "<"))]
    chosen = (own or foreign or frames or [traceback.FrameSummary("unknown", 0, "forward")])[-1]
    source = (chosen.line or linecache.getline(chosen.filename, chosen.lineno or 0)).strip()
    path = Path(chosen.filename)
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return f"{path}:{chosen.lineno}", source


_OURS = str(Path(__file__).resolve().parents[1])


@functools.cache
def _torch_roots() -> tuple[str, ...]:
    """Where PyTorch lies, which is not imported for it."""
    found = importlib.util.find_spec("torch")
    return tuple(found.submodule_search_locations or ()) if found is not None else ()


@functools.cache
def _library_roots() -> tuple[str, ...]:
    roots = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    roots.update(site.getsitepackages())
    roots.add(_OURS)
    return tuple(root for root in roots if root)
