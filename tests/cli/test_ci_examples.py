"""The examples for build servers: each command in them is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import edgeproof.cli as cli

DOCS = Path(__file__).parents[2] / "docs"
FILES = (DOCS / "ci.md", *sorted((DOCS / "ci").glob("*.yml")))


def commands(path):
    for line in path.read_text().splitlines():
        found = re.match(r"^(?: {4}|\s*- |\s*run: )(edgeproof .+?)(?: # .*)?$", line)
        if found:
            yield shlex.split(found.group(1))[1:]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_parses(path):
    found = list(commands(path))
    assert found
    for name, *words in found:
        command = click_command(name)
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def click_command(name):
    group = next(value for value in vars(cli).values() if isinstance(value, click.Group))
    with click.Context(group) as context:
        command = group.get_command(context, name)
    assert command is not None, name
    return command
