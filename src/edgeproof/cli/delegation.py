"""``edgeproof delegation``: which operators of an artifact its runtime's fast part runs, and why others not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress, stdout_console
from edgeproof.cli.options import quiet_option, trust_option

if TYPE_CHECKING:
    from edgeproof.documents.delegation import CandidateDelegation, DelegationDocument

__all__ = ["delegation"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof delegation out/litert-int8 out/executorch-fp32\n"
    "  edgeproof delegation model.onnx --samples samples.npz --json"
)
@click.argument("artifacts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Inputs to profile with: .npz keyed by input name, sample axis first, or a folder of .npy. Default: random.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of the runtime.")
@trust_option
@quiet_option
@json_option
def delegation(artifacts: tuple[Path, ...], quiet: bool, as_json: bool, **how: Any) -> int:
    """Ask ARTIFACTS which operators run in the runtime's delegate or on its fast kernels, and why others do not.

    Each is opened and profiled in a process of its own. What a runtime here tells is *seen*; what follows for one that
    is not here, such as NNAPI, is *predicted*. Exit code 1 when an artifact could not be asked, or its runtime has
    fallen back to slow kernels for all of it.
    """
    from edgeproof import api

    with progress("delegation", quiet=quiet) as report:
        document = api.delegation(artifacts, report=report, **how)
    if as_json:
        emit_json(document)
    else:
        _print(document)
    return 1 if any(told.degraded or not told.told for told in document.candidates) else 0


def _print(document: DelegationDocument) -> None:
    from rich.table import Column, Table

    names = ("candidate", "runtime", "how", "in", "out", "partitions", "time inside")
    table = Table(*(Column(name, no_wrap=True) for name in names), box=None)
    table.add_column("note", overflow="fold")
    for told in document.candidates:
        if not told.delegations:
            table.add_row(told.candidate, *[""] * 6, told.reason or "")
        for found in told.delegations:
            share = "" if found.time_inside is None else f"{100 * found.time_inside:.1f} %"
            figures = (str(found.inside), str(found.outside), str(found.partitions), share)
            note = f"degraded: {found.degraded}" if found.degraded else found.no_time or ""
            table.add_row(told.candidate, found.delegate, found.how, *figures, note)
    stdout_console().print(table)
    for told in document.candidates:
        _print_outside(told)


def _print_outside(told: CandidateDelegation) -> None:
    """What runs outside, and why, and what to do."""
    from rich.table import Column, Table

    for found in told.delegations:
        outside = [operator for operator in found.operators if not operator.inside]
        if not outside:
            continue
        click.echo(f"\n{told.candidate}, outside of {found.delegate} ({found.how}):")
        table = Table(Column("operator", no_wrap=True), "count", "time", "line", box=None)
        table.add_column("why, and what to do", overflow="fold")
        for operator in outside:
            share = "" if operator.time_share is None else f"{100 * operator.time_share:.1f} %"
            why = "\n".join(text for text in (operator.cause, f"→ {operator.remedy or 'no rewrite is known'}") if text)
            table.add_row(operator.name, str(operator.count), share, "\n".join(operator.lines), why)
        stdout_console().print(table)
