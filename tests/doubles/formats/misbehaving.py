"""A format from elsewhere whose converter fails in every way that converters do. It stands for their native code and
leaves out the conversion: a precision is a way to behave. Put this folder on ``PYTHONPATH`` to install it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.errors import ConversionError
from edgeproof.formats.base import Conversion, Format, Produced
from edgeproof.formats.bindings import plain_bindings

print("a word at import, where nobody asked for one")


def good(conversion: Conversion) -> None:
    (conversion.folder / f"{conversion.name}.mis").write_text(conversion.precision)


def raises(conversion: Conversion) -> None:
    raise ValueError("no kernel\n   for aten::frobnicate")


def refuses(conversion: Conversion) -> None:
    raise ConversionError("this operator is not known", hint="use another")


def half(conversion: Conversion) -> None:
    good(conversion)
    raise ValueError("halfway")


def says_much(conversion: Conversion) -> None:
    raise ConversionError("word " * 100_000)


def aborts(conversion: Conversion) -> None:
    good(conversion)
    os.abort()


def segfaults(conversion: Conversion) -> None:
    ctypes.string_at(0)


def leaves(conversion: Conversion) -> None:
    sys.exit(0)


def vanishes(conversion: Conversion) -> None:
    os._exit(0)


def hangs(conversion: Conversion) -> None:
    good(conversion)
    time.sleep(1000)


def eats(conversion: Conversion) -> None:
    kept = []
    while True:
        kept.append(b"\x01" * (64 << 20))
        time.sleep(0.02)


def chatters(conversion: Conversion) -> None:
    print("python says", '{"candidate": "misbehaving-raises"}')
    os.write(1, b"descriptor 1 says \xff\xfe\n")
    os.write(2, b"descriptor 2 says\n")
    subprocess.run(["echo", "a child says"], check=True)
    libc = ctypes.CDLL(None)
    libc.puts(b"libc says")
    libc.fflush(None)
    good(conversion)


def forks(conversion: Conversion) -> None:
    if os.fork() == 0:
        time.sleep(1000)
        os._exit(0)
    good(conversion)


def nothing(conversion: Conversion) -> None:
    """Ends well and writes no file."""


BEHAVIOURS: dict[str, Callable[[Conversion], None]] = {
    behaviour.__name__: behaviour
    for behaviour in (
        good, raises, refuses, half, says_much, aborts, segfaults, leaves, vanishes, nothing, chatters, forks, eats,
        hangs,
    )
}  # fmt: skip


class Misbehaving(Format):
    """A format like any other, as far as its declaration goes."""

    title = "Misbehaving"
    precisions = tuple(BEHAVIOURS)
    requires = ("misbehaving>=1",)
    runtime_requires = ("misbehaving>=1",)
    suffix = ".mis"
    platforms = ("host",)

    def __init__(self, name: str, preload: tuple[str, ...]) -> None:
        self.name = name
        self.preload = preload

    def convert(self, conversion: Conversion) -> Produced:
        BEHAVIOURS[conversion.precision](conversion)
        inputs, outputs = plain_bindings(conversion.spine)
        return Produced(f"{conversion.name}.mis", inputs, outputs)

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> Any:
        return Runner(artifact)


class Runner:
    """Gives NaN for every output."""

    def __init__(self, artifact: ArtifactDocument) -> None:
        self._outputs = artifact.outputs

    def __call__(self, arrays: Any) -> Any:
        import numpy as np

        return [np.full(values.graph_shape, np.nan, values.graph_dtype) for values in self._outputs]

    def close(self) -> None:
        """Nothing to release."""


FORMAT = Misbehaving("misbehaving", preload=("torch", "edgeproof.model.spine"))
STUCK = Misbehaving("stuck", preload=("stuck_at_import",))
