"""``edgeproof policy``: the policies that ship, what one says, and whether a file is one."""

from __future__ import annotations

from pathlib import Path

import click

from edgeproof.cli.console import emit_json, json_option

__all__ = ["policy"]


@click.group(
    epilog="\b\nExamples:\n  edgeproof policy list\n  edgeproof policy show realtime-audio > ship.toml\n"
    "  edgeproof policy check ship.toml"
)
def policy() -> None:
    """List, show and check policies: the thresholds that a verdict is held against."""


@policy.command("list", epilog="Example:  edgeproof policy list --json")
@json_option
def list_policies(as_json: bool) -> None:
    """List the policies that ship; each can be named where a policy's file is asked for."""
    from edgeproof.verdict.policy import preset_names, preset_summary

    found = {name: preset_summary(name) for name in preset_names()}
    if as_json:
        emit_json({"policies": found})
        return
    for name, summary in found.items():
        click.echo(f"{name:<16} {summary}")


@policy.command(epilog="Example:  edgeproof policy show microcontroller > ship.toml")
@click.argument("name", default="default", metavar="[NAME]")
def show(name: str) -> None:
    """Print a policy that ships as the file it is, to start one of your own from. Default: the built-in one."""
    from edgeproof.verdict.policy import preset_toml

    click.echo(preset_toml(name), nl=False)


@policy.command(epilog="Example:  edgeproof policy check ship.toml")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Say whether FILE is a policy, and what it comes to with everything that it leaves out. Exit code 2 where not."""
    from edgeproof.verdict.policy import load_policy, policy_toml

    found = load_policy(file)
    if as_json:
        emit_json({"file": str(file), "policy": found})
    else:
        click.echo(f"# {file} is a policy; with what it leaves out:\n{policy_toml(found)}", nl=False)
