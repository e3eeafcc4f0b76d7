"""Raw latency files drawn: the share of calls that are done after a time, and the calls in their order."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.errors import DocumentError, UsageError
from edgeproof.files import atomic_path

__all__ = ["draw_latencies", "main", "read_latencies"]

VALUE_KEYS = ("latency_us", "steady_us")
"""Where a client's and a runner's report keep their values."""


def read_latencies(path: Path) -> list[float]:
    """The latencies in µs of a raw file: a list, a client's report, or a runner's.

    Raises:
        DocumentError: it is none of them, or holds none.
    """
    try:
        found = parse_json(file_bytes(path))
        if isinstance(found, dict):
            found = next((found[key] for key in VALUE_KEYS if key in found), None)
        values = msgspec.convert(found, list[float])
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        keys = " or ".join(VALUE_KEYS)
        raise DocumentError(
            f"{path} is no raw latency file: expected a JSON list of µs, or an object with {keys}"
        ) from error
    values = [value for value in values if math.isfinite(value) and value > 0]
    if not values:
        raise DocumentError(f"{path} holds no latency")
    return values


def draw_latencies(series: Mapping[str, Sequence[float]], out: Path, *, title: str = "") -> None:
    """Draw the series into one SVG, PNG or PDF file, by its suffix.

    Args:
        series: label to latencies in µs, in order.
        out: the file.
        title: above the drawing.

    Raises:
        UsageError: the suffix is of no drawing.
    """
    if out.suffix not in {".svg", ".png", ".pdf"}:
        raise UsageError(f"{out} is no drawing", hint="give a file that ends in .svg, .png or .pdf")
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    share, order = figure.subplots(2, 1)
    for label, values in series.items():
        ascending = sorted(values)
        steps = [(index + 1) / len(ascending) for index in range(len(ascending))]
        share.step(ascending, steps, where="post", label=f"{label}: median {statistics.median(values):.1f} µs")
        order.plot(range(len(values)), values, ".", markersize=2)
    share.set(xscale="log", xlabel="latency, µs", ylabel="share of calls done", ylim=(0, 1.01))
    share.legend(loc="lower right", fontsize="small")
    order.set(yscale="log", xlabel="call", ylabel="latency, µs")
    for axes in (share, order):
        axes.grid(visible=True, which="both", alpha=0.25)
    if title:
        figure.suptitle(title)
    out.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "edgeproof"}), atomic_path(out) as temporary:
        figure.savefig(temporary, metadata={"Date": None} if out.suffix == ".svg" else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw from the command line. Wrong use exits 2.

    Raises:
        EdgeProofError: a file is no raw latency file, or the drawing's suffix is of none.
    """
    parser = argparse.ArgumentParser(description="Draw raw latency files: distribution, and the calls in order.")
    parser.add_argument("files", type=Path, nargs="+", help="raw JSON files of runs, benches or the runner")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".svg, .png or .pdf")
    parser.add_argument("--title", default="", help="above the drawing")
    options = parser.parse_args(arguments)
    draw_latencies({path.stem: read_latencies(path) for path in options.files}, options.out, title=options.title)
    print(options.out)
    return 0
