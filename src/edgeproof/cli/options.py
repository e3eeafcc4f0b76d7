"""Options that several commands share: how a model is called, its samples, the limits of a conversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["limit_options", "model_options", "split_names"]

F = TypeVar("F", bound=Callable[..., Any])


def split_names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """A comma-separated list as a tuple."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def model_options(command: F) -> F:
    """``--input``, ``--samples``, ``--trust``."""
    command = click.option(
        "--trust", is_flag=True, help="Open a TorchScript file: it runs the code inside with your rights."
    )(command)
    command = click.option(
        "--samples",
        metavar="PATH",
        help="Folder of .npy (one a sample; .npz for several inputs), or one .npz keyed by input name, sample axis "
        "first, with `labels` if there are any.",
    )(command)
    return click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME:dtype[shape]",
        help="An input, batch axis included, such as x:float32[1,64]; repeat for several.",
    )(command)


def limit_options(command: F) -> F:
    """``--limit-seconds``, ``--limit-memory``."""
    command = click.option(
        "--limit-memory",
        type=click.FloatRange(min=0.25),
        default=8.0,
        show_default=True,
        metavar="GIB",
        help="Memory limit of one conversion.",
    )(command)
    return click.option(
        "--limit-seconds",
        type=click.FloatRange(min=1),
        default=300.0,
        show_default=True,
        help="Time limit of one conversion.",
    )(command)
