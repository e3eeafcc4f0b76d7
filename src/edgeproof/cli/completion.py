"""``edgeproof completion``: the script that teaches a shell the commands and options."""

from __future__ import annotations

import click

__all__ = ["completion"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof completion bash > ~/.local/share/bash-completion/completions/edgeproof\n"
    "  edgeproof completion zsh > ~/.zfunc/_edgeproof        # with fpath+=~/.zfunc before compinit\n"
    "  edgeproof completion fish > ~/.config/fish/completions/edgeproof.fish"
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    from click.shell_completion import get_completion_class

    from edgeproof.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "edgeproof", "_EDGEPROOF_COMPLETE").source())
