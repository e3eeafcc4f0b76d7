"""What every command shares on a terminal: JSON on stdout, everything else on stderr, quiet when it is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["emit_json", "json_option", "stderr_console"]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else there."
)


def emit_json(value: Any) -> None:
    """Print one JSON object, indented, on stdout."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def stderr_console() -> Console:
    """A rich console on stderr that says nothing when stderr is no terminal."""
    from rich.console import Console

    return Console(stderr=True, quiet=not sys.stderr.isatty())
