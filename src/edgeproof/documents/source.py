"""MODEL with what goes with it: its inputs as words, its samples, whether it is trusted, and where it is at home."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from edgeproof.documents.base import Value
from edgeproof.errors import UsageError

__all__ = ["ModelSource", "absolute_address"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
MODEL_SUFFIXES = (".pt2", ".pt", ".pth", ".ts", ".nir")
"""Files that hold a model themselves."""


def absolute_address(text: str, folder: Path) -> str:
    """MODEL with its file as an absolute path; a package's module as it is.

    Args:
        text: ``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``graph.nir?timesteps=25``.
        folder: what a relative path starts from.
    """
    file, mark, rest = text.partition("?")
    if not mark or not file.endswith(".nir"):
        file, mark, rest = text.rpartition(":") if text.rpartition(":")[0].endswith(".py") else (text, "", "")
    if not (file.endswith(".py") or file.endswith(MODEL_SUFFIXES)):
        return text
    return f"{folder / file}{mark}{rest}"


class ModelSource(Value, frozen=True, kw_only=True):
    """What a process of its own needs to load a model."""

    model: str
    """MODEL as on the command line."""
    inputs: tuple[str, ...] = ()
    """``NAME:dtype[shape]`` specs, where the model does not say."""
    samples: str | None = None
    """Folder or npz that was given with it."""
    metric: str | None = None
    """What its task is scored by, ``NAME:key=value,key=value``; wins over the model's own."""
    name: str | None = None
    """What it is called in files and reports; None: as the factory, or its file, calls it."""
    trust: bool = False
    """Whether a TorchScript file may be opened: it runs the code inside."""
    folder: str | None = None
    """Where it is at home: relative paths and packages are looked for here; None: the current folder."""

    def __post_init__(self) -> None:
        if self.name is not None and not NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name[:100]!r} cannot be the name of a model: files are called so",
                hint="letters, digits, - and _, a letter or digit first, at most 60",
            )

    def absolute(self) -> ModelSource:
        """The same from whichever folder it is asked for."""
        home = Path(self.folder or ".").resolve()
        return msgspec.structs.replace(
            self,
            model=absolute_address(self.model, home),
            samples=None if self.samples is None else str(home / self.samples),
            folder=str(home),
        )

    def words(self) -> list[str]:
        """It as words of a command line."""
        words = [self.model]
        for spec in self.inputs:
            words += ["--input", spec]
        if self.samples is not None:
            words += ["--samples", self.samples]
        if self.metric is not None:
            words += ["--metric", self.metric]
        if self.name is not None:
            words += ["--name", self.name]
        return [*words, "--trust"] if self.trust else words
