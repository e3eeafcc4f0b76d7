"""The command line called in this process, as a terminal would: exit code, stdout, stderr."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgeproof.cli import main

__all__ = ["Call", "caller"]

Call = Callable[..., tuple[int, str, str]]


def caller(capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """A function that is given the words after ``edgeproof``."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return int(left.value.code or 0), out.decode(), err.decode()

    return call
