"""Write what is expected anew: ``python -m tests.recorded``."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from tests.recorded.commands import FILES, HERE, ON_MODELS, RUNS, command_output, masked, prepared, said_in_turn

EXPECTED = HERE / "expected"


def record() -> None:
    """Run every command and keep what it said and wrote."""
    shutil.rmtree(EXPECTED, ignore_errors=True)
    for run in RUNS:
        with tempfile.TemporaryDirectory() as scratch:
            folder, kept = Path(scratch), EXPECTED / run
            kept.mkdir(parents=True)
            prepared(run, folder)
            for name, said in said_in_turn(folder).items():
                (kept / f"{name}.out").write_bytes(said)
            for name in FILES:
                shutil.copyfile(folder / "run" / name, kept / Path(name).name)
    with tempfile.TemporaryDirectory() as scratch:
        kept = EXPECTED / "models"
        kept.mkdir()
        for name, words in ON_MODELS.items():
            code, out, err = command_output(words, Path(scratch))
            assert code == 0, f"{name}: {err.decode()}"
            (kept / f"{name}.json").write_text(json.dumps(masked(json.loads(out)), indent=1) + "\n")


if __name__ == "__main__":
    record()
