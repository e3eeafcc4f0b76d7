"""The command line: which command lives in which file, and how errors leave. Commands load when they are called."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from typing import Any

import click

from edgeproof import __version__
from edgeproof.errors import EdgeProofError

__all__ = ["main"]

ENDING = (signal.SIGTERM, signal.SIGHUP)
COMMANDS = {
    "run": "edgeproof.cli.run:run",
    "env": "edgeproof.cli.prepare:env",
    "samples": "edgeproof.cli.prepare:samples",
    "convert": "edgeproof.cli.convert:convert",
    "validate": "edgeproof.cli.convert:validate",
    "build": "edgeproof.cli.build:build",
    "nir": "edgeproof.cli.nir:nir",
    "delegation": "edgeproof.cli.delegation:delegation",
    "activity": "edgeproof.cli.activity:activity",
    "serve": "edgeproof.cli.serve:serve",
    "bench": "edgeproof.cli.bench:bench",
    "devices": "edgeproof.cli.devices:devices",
    "measure": "edgeproof.cli.devices:measure",
    "soak": "edgeproof.cli.soak:soak",
    "power": "edgeproof.cli.power:power",
    "import": "edgeproof.cli.bringing:bring",
    "runbook": "edgeproof.cli.report:runbook",
    "report": "edgeproof.cli.report:report",
    "compare": "edgeproof.cli.report:compare",
    "gate": "edgeproof.cli.report:gate",
    "policy": "edgeproof.cli.policy:policy",
    "cache": "edgeproof.cli.cache:cache",
    "completion": "edgeproof.cli.completion:completion",
}

SUMMARIES = {
    "run": "All five phases on a model, ending in a verdict.",
    "env": "What this machine has, and what each format lacks.",
    "samples": "Draw representative samples of a model.",
    "convert": "Convert a model into formats and precisions.",
    "validate": "Run artifacts and hold their outputs against the model.",
    "build": "Build a native engine for another machine.",
    "nir": "Write a spiking model as a NIR graph.",
    "delegation": "Tell which operators a runtime's fast part runs.",
    "activity": "Count a model's spikes and operations.",
    "serve": "Serve a model or an artifact over the Open Inference Protocol.",
    "bench": "Drive a server and report its latency.",
    "devices": "List the devices that can be measured.",
    "measure": "Measure candidates of a run again.",
    "soak": "Run an artifact for long and watch it drift.",
    "power": "Record power, and join it to a run: energy per inference.",
    "import": "Bring what was measured elsewhere into a run.",
    "runbook": "Write the device runbook of a run.",
    "report": "Write a run's report again, from its documents.",
    "compare": "Hold two runs against each other.",
    "gate": "Exit 3 when a run does not meet its policy.",
    "policy": "List, show and check policies.",
    "cache": "Show or clear conversions that were made before.",
    "completion": "Print the completion script for a shell.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        import importlib

        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example:  edgeproof run examples/digits_snn.py:model",
)
@click.version_option(__version__, prog_name="edgeproof")
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
def cli(debug: bool) -> None:
    """Prove a PyTorch model, spiking or dense, on the edge before it ships."""
    if debug:
        os.environ["EDGEPROOF_DEBUG"] = "1"


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 wrong use, 3 a policy was not met; 128 and its number
    after a signal that asked it to end."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup has one ignored
                signal.signal(number, _end)
    sys.exit(_run(args))


class _Ending(KeyboardInterrupt):
    """A signal asked the command to end: as Ctrl-C does, so that everything is put away on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _end(number: int, _frame: object) -> None:
    for ending in ENDING:
        signal.signal(ending, signal.SIG_DFL)  # the next one does not wait
    raise _Ending(number)


def _run(args: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=args, prog_name="edgeproof", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stopped:
        with contextlib.suppress(OSError):  # a terminal that has hung up takes no more
            click.echo("stopped; what was finished is kept", err=True)
        cause = stopped.__cause__ if isinstance(stopped, click.Abort) else stopped
        return 128 + (cause.number if isinstance(cause, _Ending) else signal.SIGINT)
    except EdgeProofError as error:
        click.secho(f"error: {error.message}", fg="red", err=True)
        if error.hint:
            click.secho(f"hint: {error.hint}", err=True)
        if os.environ.get("EDGEPROOF_DEBUG"):
            traceback.print_exc()
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if os.environ.get("EDGEPROOF_DEBUG"):
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        click.secho(f"error: {where}{error.strerror or error}", fg="red", err=True)
        click.secho(f"hint: {_remedy(error)}", err=True)
        return 1
    except Exception as error:
        if os.environ.get("EDGEPROOF_DEBUG"):
            traceback.print_exc()
        click.secho(f"error: {type(error).__name__}: {error}", fg="red", err=True)
        click.secho(
            "hint: this is a fault of edgeproof; run again with `edgeproof --debug …` for the traceback", err=True
        )
        return 1


def _remedy(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.errno is None
    what = "make room on the disk" if full else "see that the file can be read and written"
    return f"{what}; what was finished is kept, and `edgeproof run --resume RUN` goes on with a run"
