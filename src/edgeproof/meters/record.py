"""Record power where the meter is: on the board itself.

    python -m edgeproof.meters.record pmic --seconds 90 --out trace.json

It runs with numpy and msgspec alone, and ends by its time or by SIGTERM or SIGINT; what was recorded is written either
way. The trace's times are of this machine's clock.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgeproof.meters.record", description=__doc__)
    parser.add_argument("meter", help="such as rapl, ina:hwmon3, pmic, battery")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="where the trace goes")
    parser.add_argument("--seconds", type=float, help="how long; else until SIGTERM or SIGINT")
    parser.add_argument("--rate", type=float, metavar="HZ", help="readings a second; else as the meter says")
    parser.add_argument("--supply-volts", type=float, metavar="V", help="of a meter that tells current alone")
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    return parser


@contextlib.contextmanager
def _ended_by_signal() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, write, and give the exit code: 0, or 1 with a line on stderr."""
    words = _parser().parse_args(arguments)
    from edgeproof.errors import EdgeProofError
    from edgeproof.meters.base import How
    from edgeproof.meters.recording import record, save
    from edgeproof.meters.registry import open_meter

    try:
        with _ended_by_signal():
            how = How(root=words.root, volts=words.supply_volts, rate_hz=words.rate)
            meter, reader = open_meter(words.meter, how)
            with reader:
                seen = record(reader, words.seconds)
            trace = save(words.out, seen, reader, meter.about, words.meter)
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: stopped before anything was recorded", file=sys.stderr)
        return 1
    print(f"{trace.count} samples" + (f"; {trace.partial}" if trace.partial else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
