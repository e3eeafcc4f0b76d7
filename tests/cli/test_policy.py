"""``edgeproof policy``: what ships, what one says, and whether a file is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeproof.cli.policy import policy
from edgeproof.documents.policy import PolicyValue
from edgeproof.errors import PolicyError
from edgeproof.verdict.policy import load_policy, parse_policy, preset_names


def test_all_that_ship_are_listed_with_what_they_are_for() -> None:
    told = CliRunner().invoke(policy, ["list"])
    assert [line.split()[0] for line in told.output.splitlines()] == preset_names()
    found = json.loads(CliRunner().invoke(policy, ["list", "--json"]).output)
    assert all(found["policies"].values())


@pytest.mark.parametrize("name", preset_names())
def test_what_is_shown_is_a_file_to_start_from(tmp_path: Path, name: str) -> None:
    shown = CliRunner().invoke(policy, ["show", name])
    assert shown.exit_code == 0
    (tmp_path / "mine.toml").write_text(shown.output)
    assert load_policy(tmp_path / "mine.toml") == load_policy(Path(name))


def test_the_built_in_one_is_shown_unasked() -> None:
    assert parse_policy(CliRunner().invoke(policy, ["show"]).output) == PolicyValue()


def test_a_file_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("latency_ms = 3\n[device.iphone]\nlatency_ms = 7\n")
    told = CliRunner().invoke(policy, ["check", str(path)])
    assert told.exit_code == 0
    assert parse_policy(told.output).on("iphone").latency_ms == 7
    path.write_text("latency = 3\n")
    refused = CliRunner().invoke(policy, ["check", str(path)])
    assert isinstance(refused.exception, PolicyError)
    assert refused.exception.exit_code == 2
