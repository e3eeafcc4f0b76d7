"""Options that several commands share: how a model is called and its samples, limits, quiet."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

__all__ = [
    "as_seconds",
    "limit_options",
    "means_options",
    "metric_option",
    "model_options",
    "name_option",
    "pace_options",
    "processors_option",
    "quiet_option",
    "split_counts",
    "split_names",
    "split_seconds",
    "trust_option",
]

F = TypeVar("F", bound=Callable[..., Any])

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)?")
UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def split_names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """A comma-separated list as a tuple."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def split_counts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """A comma-separated list of whole numbers above 0, each once.

    Raises:
        BadParameter: something else.
    """
    words = split_names(_context, _parameter, value)
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise click.BadParameter(f"{value}: expected whole numbers above 0, such as 1,4")
    return tuple(dict.fromkeys(int(word) for word in words))


def as_seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """A time such as ``33ms``, ``90``, ``5min`` or ``24h`` in seconds; None where none is given.

    Raises:
        BadParameter: it is no time above 0.
    """
    if value is None:
        return None
    found = DURATION.fullmatch(value.strip())
    if found is None or not (seconds := float(found[1]) * UNITS[found[2] or "s"]):
        raise click.BadParameter(f"{value!r} is no time: expected a number above 0 with ms, s, min or h, such as 5min")
    return seconds


def split_seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """A comma-separated list of times in seconds, each once; None where none is given.

    Raises:
        BadParameter: one is no time above 0.
    """
    if value is None:
        return None
    times = (as_seconds(context, parameter, word) for word in split_names(context, parameter, value))
    return tuple(dict.fromkeys(time for time in times if time is not None))


def pace_options(command: F) -> F:
    """``--pace``, ``--hold``: the command is given ``paces``, None where none are asked for, and ``hold``."""
    pace = click.option(
        "--pace",
        "paces",
        callback=split_seconds,
        metavar="TIME,…",
        help="Measure at a pace too, such as 33ms,1s: an app calls now and then, and the clock has gone down by then.",
    )
    hold = click.option(
        "--hold",
        callback=as_seconds,
        metavar="TIME",
        help="Hold the load so long in each process after its timed calls, such as 60s, for a power meter to see.",
    )
    return pace(hold(command))


trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Run code of a file that you did not make here, such as TorchScript or a native library, with your rights.",
)


def model_options(command: F) -> F:
    """``--input``, ``--samples``, ``--trust``: the command is given them and MODEL as one ``source``."""

    @click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME:dtype[shape]",
        help="An input, batch axis included, such as x:float32[1,64]; repeat for several.",
    )
    @click.option(
        "--samples",
        metavar="PATH",
        help="Folder of .npy (one a sample; .npz for several inputs), or one .npz keyed by input name, sample axis "
        "first, with `labels` if there are any.",
    )
    @trust_option
    @functools.wraps(command)
    def with_model(
        *words: Any, model: str, inputs: tuple[str, ...], samples: str | None, trust: bool, **rest: Any
    ) -> Any:
        from edgeproof.documents.source import ModelSource

        source = ModelSource(model=model or "", inputs=inputs, samples=samples, trust=trust)
        return command(*words, source=source, **rest)

    return cast("F", with_model)


def name_option(command: F) -> F:
    """``--name``, below ``model_options``: the ``source`` that the command is given has it."""

    @click.option(
        "--name", metavar="NAME", help="What the model is called in files and reports; default: as its file is called."
    )
    @functools.wraps(command)
    def with_name(*words: Any, source: Any, name: str | None, **rest: Any) -> Any:
        import msgspec

        return command(*words, source=msgspec.structs.replace(source, name=name), **rest)

    return cast("F", with_name)


def metric_option(command: F) -> F:
    """``--metric``, below ``model_options``: the ``source`` that the command is given has it."""

    @click.option(
        "--metric",
        metavar="NAME[:KEY=VALUE,…]",
        help="What the task is scored by, such as mae or top_k:k=3, in place of the model's own; names: "
        "docs/metrics.md. Default: the model's, else accuracy where the labels are classes.",
    )
    @functools.wraps(command)
    def with_metric(*words: Any, source: Any, metric: str | None, **rest: Any) -> Any:
        import msgspec

        return command(*words, source=msgspec.structs.replace(source, metric=metric), **rest)

    return cast("F", with_metric)


def means_options(command: F) -> F:
    """``--jobs``, ``--no-cache``."""
    command = click.option(
        "--cache/--no-cache",
        default=True,
        help="Whether conversions that were made before, of the same program, samples and versions, are taken from the "
        "cache; see edgeproof cache.  [default: cache]",
    )(command)
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="Conversions and validations at a time; default: as many as there are cores, and as the memory holds. A "
        "measurement has the machine to itself.",
    )(command)


def limit_options(command: F) -> F:
    """``--limit-seconds``, ``--limit-memory``: the command is given ``limits``."""

    @click.option(
        "--limit-seconds",
        type=click.FloatRange(min=1),
        default=300.0,
        show_default=True,
        help="Processor time of one conversion, and of the model's own process; four times as long by the clock.",
    )
    @click.option(
        "--limit-memory",
        type=click.FloatRange(min=0.25),
        default=8.0,
        show_default=True,
        metavar="GIB",
        help="Memory limit of one conversion.",
    )
    @functools.wraps(command)
    def with_limits(*words: Any, limit_seconds: float, limit_memory: float, **rest: Any) -> Any:
        from edgeproof.process import Limits

        return command(*words, limits=Limits(limit_seconds, int(limit_memory * 2**30)), **rest)

    return cast("F", with_limits)


quiet_option = click.option("--quiet", "-q", is_flag=True, help="Say nothing of the progress on stderr.")


def processors_option(what: str) -> Callable[[F], F]:
    """``--processors``: names, as a tuple.

    Args:
        what: the help's first words.
    """
    names = "x86-64-v2, x86-64-v3, cortex-a53, cortex-a72, cortex-a76"
    return click.option("--processors", callback=split_names, metavar="A,B", help=f"{what}: {names}.")
