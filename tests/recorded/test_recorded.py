"""A finished run says what it said when it was recorded, to the byte; commands that compute give the same document."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
from tests.recorded.commands import (
    FILES,
    HERE,
    ON_A_RUN,
    ON_MODELS,
    RUNS,
    command_output,
    masked,
    prepared,
    said_in_turn,
)

EXPECTED = HERE / "expected"


def assert_same(found: bytes, expected: Path) -> None:
    wanted = expected.read_bytes()
    if found != wanted:
        lines = (text.decode(errors="replace").splitlines() for text in (wanted, found))
        raise AssertionError("\n".join([*difflib.unified_diff(*lines, str(expected), "now", lineterm="", n=1)][:60]))


@pytest.fixture(scope="module", params=RUNS)
def answered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, dict[str, bytes]]:
    """The run's name, its folder, and what each command said."""
    folder = tmp_path_factory.mktemp(request.param)
    prepared(request.param, folder)
    return request.param, folder, said_in_turn(folder)


@pytest.mark.parametrize("name", ON_A_RUN)
def test_a_command_says_the_same_of_a_finished_run(answered: tuple[str, Path, dict[str, bytes]], name: str) -> None:
    run, _, said = answered
    assert_same(said[name], EXPECTED / run / f"{name}.out")


@pytest.mark.parametrize("name", FILES)
def test_a_finished_run_has_the_same_files(answered: tuple[str, Path, dict[str, bytes]], name: str) -> None:
    run, folder, _ = answered
    assert_same((folder / "run" / name).read_bytes(), EXPECTED / run / Path(name).name)


@pytest.mark.long
def test_commands_on_a_model_give_the_same_documents(tmp_path: Path) -> None:
    for name, words in ON_MODELS.items():
        code, out, err = command_output(words, tmp_path)
        assert code == 0, f"{name}: {err.decode()}"
        assert_same(
            (json.dumps(masked(json.loads(out)), indent=1) + "\n").encode(), EXPECTED / "models" / f"{name}.json"
        )
