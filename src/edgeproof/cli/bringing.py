"""``import``: files with what was measured elsewhere, brought into a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import quiet_option
from edgeproof.documents.device_class import EVERY_CLASS

if TYPE_CHECKING:
    from edgeproof.documents.device_class import DeviceClass

__all__ = ["bring"]


@click.command(
    "import",
    epilog="\b\nExamples:\n  edgeproof import RUN onnx-fp32.json litert-int8.json --device raspberry-pi\n"
    '  edgeproof import RUN edgeproof.json --by "A. Tester" --on "iPhone 15"\n'
    "  edgeproof import RUN meter.csv --candidate sdk-native --device raspberry-pi",
)
@click.argument("folder", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--candidate", metavar="NAME", help="That the files are of, where they do not say.")
@click.option("--device", "device_class", type=click.Choice(EVERY_CLASS), help="What they were measured on.")
@click.option(
    "--outputs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The npz that the runner left; default: the one beside a report, of the same name.",
)
@click.option("--by", metavar="WHO", help="Who measured.")
@click.option("--on", metavar="MACHINE", help="On what.")
@click.option("--how", metavar="TEXT", help="How.")
@quiet_option
@json_option
def bring(
    folder: Path,
    files: tuple[Path, ...],
    candidate: str | None,
    device_class: DeviceClass | None,
    outputs: Path | None,
    by: str | None,
    on: str | None,
    how: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring FILEs with what was measured elsewhere into RUN, and write its report again.

    A FILE is a report of the runner (with --outputs it is seen as if measured from here), the document of the iPhone
    app, a JSON list of latencies in µs, or a table or trace of a power meter. Figures without machine and outputs are
    told, not seen: confidence is low, and they push aside nothing that was measured.
    """
    from edgeproof import api
    from edgeproof.documents.device import Provenance
    from edgeproof.phases.away.importing import Given

    given = Given(candidate, device_class, outputs, Provenance(by=by, on=on, how=how))
    with progress("importing", quiet=quiet) as tell:
        done = api.import_files(folder, files, given=given, report=tell)
    if as_json:
        emit_json({"run": str(folder), "imported": done})
        return
    for one in done:
        told = f" (told, not seen: {one.told})" if one.told else ""
        click.echo(f"{one.file}: {one.kind}, {', '.join(one.candidates) or 'nothing'} on {one.device}{told}")
