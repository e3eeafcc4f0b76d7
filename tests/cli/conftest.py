"""The command line called in this process, as a terminal would."""

from __future__ import annotations

import pytest
from tests.cli.calling import Call

from edgeproof.cli import main


@pytest.fixture
def edgeproof(capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out.decode(), err.decode()

    return call
