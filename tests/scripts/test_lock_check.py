"""What uv says of a lock on another system, as words of a table; uv itself is a stand-in that answers as it does."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NO_WHEEL = """error: No solution found when resolving dependencies
  cause: Because litert-converter==0.5.0 has no wheels with a matching platform tag (e.g., `manylinux_2_39_aarch64`)
  and you require litert-converter==0.5.0, we can conclude that your requirements are unsatisfiable.
"""
NO_VERSION = "  cause: Because there is no version of kgb==7.3 and you require kgb==7.3, we can conclude that …\n"
NOWHERE = "  cause: Because kgb was not found in the package registry and you require kgb==7.3, we can …\n"


@pytest.fixture
def lock_check(monkeypatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(SCRIPTS)
    return SimpleNamespace(**runpy.run_path(str(SCRIPTS / "lock_check.py")))


def test_the_locks_are_read_with_their_markers(lock_check) -> None:
    pins = lock_check.pins_of(lock_check.LOCKS)
    names = [lock_check.name_of(pin) for pin in pins]
    assert {"torch", "pytest", "coremltools"} <= set(names)
    assert not lock_check.SOURCES & set(names)
    assert any(pin.startswith("coremltools==") and "platform_machine" in pin for pin in pins)


@pytest.mark.parametrize(
    ("said", "names"),
    [(NO_WHEEL, {"litert-converter"}), (NO_VERSION, {"kgb"}), (NOWHERE, {"kgb"}), ("error: dns error", set())],
)
def test_a_name_is_read_out_of_what_uv_says(lock_check, said: str, names: set[str]) -> None:
    assert lock_check.lacking(said) == names


def test_everything_that_is_missing_is_named(lock_check, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        '#!/bin/sh\nfor name in coremltools litert-converter; do\n  if grep -q "^$name" "$1"; then\n'
        '    echo "Because $name==1.0 has no usable wheels and you require $name==1.0" >&2; exit 1\n  fi\ndone\n'
    )
    uv.chmod(0o755)
    pins = ["coremltools==1.0; sys_platform == 'darwin'", "litert-converter==1.0", "numpy==2.3.5"]
    assert lock_check.check([str(uv)], {"PATH": "/usr/bin:/bin"}, pins) == (["coremltools", "litert-converter"], "")
    assert lock_check.check([str(uv)], {"PATH": "/usr/bin:/bin"}, pins[2:]) == ([], "")


def test_what_is_not_understood_is_told_as_it_is(lock_check, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: dns  error' >&2\nexit 2\n")
    uv.chmod(0o755)
    assert lock_check.check([str(uv)], {}, ["numpy==2.3.5"]) == ([], "error: dns error")
