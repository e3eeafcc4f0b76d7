"""MODEL with what goes with it: its inputs as words, its samples, whether it is trusted, and where it is at home."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeproof.documents.base import Value

__all__ = ["ModelSource", "absolute_address"]

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
    trust: bool = False
    """Whether a TorchScript file may be opened: it runs the code inside."""
    folder: str | None = None
    """Where it is at home: relative paths and packages are looked for here; None: the current folder."""

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
        return [*words, "--trust"] if self.trust else words
