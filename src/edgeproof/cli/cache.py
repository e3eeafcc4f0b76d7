"""``edgeproof cache``: the conversions that were made before, and how to be rid of them."""

from __future__ import annotations

import click

from edgeproof.cli.console import emit_json, json_option, stdout_console
from edgeproof.errors import UsageError

__all__ = ["cache"]


@click.group(epilog="\b\nExamples:\n  edgeproof cache show\n  edgeproof cache clear")
def cache() -> None:
    """Show or clear the conversions that were made before.

    One is taken again where the exported program, the samples, the precision and the versions of all that is installed
    are the same. EDGEPROOF_CACHE=off switches the cache off.
    """


@cache.command(epilog="Example:  edgeproof cache show --json")
@json_option
def show(as_json: bool) -> None:
    """List what is kept, the one that was used last first."""
    import msgspec

    from edgeproof.formats.cache import default_conversions

    kept = default_conversions()
    if kept is None:
        raise UsageError("the cache is switched off", hint="unset EDGEPROOF_CACHE")
    entries = kept.entries()
    total = sum(entry.bytes for _, entry in entries)
    if as_json:
        told = [{"key": path.name, **msgspec.to_builtins(entry)} for path, entry in entries]
        emit_json({"folder": str(kept.folder), "bytes": total, "most_bytes": kept.most_bytes, "entries": told})
        return
    if entries:
        from rich.table import Table

        table = Table("Candidate", "Model", "Made", "Took (s)", "Size (MB)", box=None)
        for _, entry in entries:
            size = f"{entry.bytes / 1e6:.2f}"
            table.add_row(entry.candidate, entry.model, entry.made, f"{entry.seconds:.1f}", size)
        stdout_console().print(table)
    limit = f"of at most {kept.most_bytes / 1e9:.1f} GB"
    click.echo(f"{len(entries)} conversions, {total / 1e6:.1f} MB {limit}: {kept.folder}")


@cache.command(epilog="Example:  edgeproof cache clear")
@json_option
def clear(as_json: bool) -> None:
    """Remove all of it; runs keep their artifacts."""
    from edgeproof.formats.cache import default_conversions

    kept = default_conversions()
    if kept is None:
        raise UsageError("the cache is switched off", hint="unset EDGEPROOF_CACHE")
    freed = kept.clear()
    if as_json:
        emit_json({"folder": str(kept.folder), "freed_bytes": freed})
    else:
        click.echo(f"{freed / 1e6:.1f} MB removed: {kept.folder}")
