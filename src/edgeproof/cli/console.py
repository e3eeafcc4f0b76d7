"""What every command shares on a terminal: JSON on stdout, everything else on stderr.

Progress is a spinner with lines above it where stderr is a terminal, and plain lines where it is none, as in a log: one
for each thing that is finished, with the seconds it took, and each warning.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["emit_json", "json_option", "phases", "progress", "stdout_console"]

FINISHED = re.compile(r" in \d+(\.\d+)? s$|^done before$")
"""What a line of progress ends with that tells of something finished."""
UNFOLDED = 10_000
"""Columns of a table that goes into a file or another program; it is no wider than its cells."""

TO_BE_READ = ("warning: ", "note: ")
"""What a line of progress begins with that is to be read."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else there."
)


def emit_json(value: Any) -> None:
    """Print one JSON object, indented, on stdout."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def stdout_console() -> Console:
    """For tables on stdout: folded to the width of a terminal, and a row a line where it is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=UNFOLDED)


@contextlib.contextmanager
def phases(begin: str, *, quiet: bool) -> Iterator[Callable[[str, str], None]]:
    """Progress of work in phases: a function of a phase's title and what it is doing."""
    if quiet:
        yield lambda _title, _text: None
    elif not sys.stderr.isatty():
        yield _plainly
    else:
        from rich.console import Console

        console = Console(stderr=True)
        with console.status(begin) as status:

            def tell(title: str, text: str) -> None:
                if text:
                    console.print(f"  {text}", highlight=False, markup=False, style="dim")
                else:
                    console.print(f"[bold]{title}[/bold]", highlight=False)
                status.update(f"{title}: {text}" if text and title else title or text)

            yield tell


@contextlib.contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Progress of one piece of work: a function of what it is doing. Its end is told too."""
    began = time.monotonic()
    with phases(what, quiet=quiet) as tell:
        yield lambda text: tell("", text)
        tell("", f"{what}: done in {time.monotonic() - began:.1f} s")


def _plainly(title: str, text: str) -> None:
    if FINISHED.search(text) or text.startswith(TO_BE_READ):
        click.echo(f"{title}: {text}" if title else text, err=True)
