"""What every command shares on a terminal: JSON on stdout, everything else on stderr.

Progress is a line for each thing that is finished, with the seconds it took and the how manyth of how many it is, and
for each warning. Where stderr is a terminal, what goes on stands below them with a clock.
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

FINISHED = re.compile(r" in \d+(\.\d+)? s(?: \((?P<done>\d+) of (?P<all>\d+)(?:, about \d+ s left)?\))?$|^done before$")
"""What a line of progress ends with that tells of something finished, and the how manyth of how many it is."""
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

        with _Live(Console(stderr=True), begin) as live:
            yield live.tell


class _Live:
    """On a terminal: what is finished line by line, and below it a clock, how many are done, and what goes on.

    Args:
        console: of stderr.
        begin: what goes on before anything is told.
    """

    def __init__(self, console: Console, begin: str) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.fields[count]}{task.description}"))
        self._console = console
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task(begin, total=None, count="")

    def tell(self, title: str, text: str) -> None:
        """A phase begins, or something of it is told."""
        if not text:
            self._console.print(f"[bold]{title}[/bold]", highlight=False)
            self._progress.reset(self._task, description=title, count="")
            return
        finished = FINISHED.search(text)
        if finished is None and not text.startswith(TO_BE_READ):
            self._progress.update(self._task, description=text)
            return
        self._console.print(f"  {text}", highlight=False, markup=False, style="dim")
        if finished is not None and finished["all"] is not None:
            self._progress.update(self._task, count=f"{finished['done']} of {finished['all']} done, ")

    def __enter__(self) -> _Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


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
