"""A folder for a board that no program of ours reaches: everything that measuring a run there takes, and a script.

It holds this package, the runtimes in this machine's versions for the board's processor, the artifacts as they are
built for it, and the held-out samples. Nothing is installed there, and no index is asked.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof.devices.base import Place
from edgeproof.devices.packages import RUNNER_NEEDS, gather, ours
from edgeproof.documents.runner import RUNNER, RunnerJob
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError, UsageError
from edgeproof.phases.measurement.choosing import Chosen, choose
from edgeproof.phases.measurement.record import chosen_candidates, targets_of
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder

__all__ = ["SCRIPT", "write_bundle"]

SCRIPT = "measure.sh"
PLACE = Place("linux", "aarch64", "glibc 2.36", "3.11")
"""Raspberry Pi OS of Debian 12."""
HEAD = """#!/bin/sh
# Measures every candidate in fresh processes that take turns, and leaves a report and the outputs of each in results/.
set -eu
cd "$(dirname "$0")"
mkdir -p results
export PYTHONPATH="$PWD/packages" ORT_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
run() { "${PYTHON:-python3}" -m RUNNER "$@" --exec-unix-ns "$(date +%s%N)" || true; }
""".replace("RUNNER", RUNNER)


def write_bundle(
    folder: str | Path,
    out: str | Path,
    *,
    place: Place = PLACE,
    report: Callable[[str], None] = lambda _line: None,
) -> dict[str, str]:
    """Write the folder.

    Args:
        folder: the run; phases 1 and 3 are done.
        out: a folder that is not there yet.
        place: the board, as far as choosing goes.
        report: takes a line of progress.

    Returns:
        candidates that are not in it, and why.

    Raises:
        UsageError: the folder is there. DeviceError: what the runner needs is not to be had.
    """
    run, out = RunDir.open(Path(folder)), Path(out)
    if out.exists():
        raise UsageError(f"{out} is there", hint="name a folder that is not there yet")
    results, skipped = chosen_candidates(run, ())
    with scratch_folder("bundle") as building:
        targets = targets_of(run, results, skipped)
        chosen, unfit = choose(targets, place, "raspberry-pi", building / "built", trust=run.trust)
        packages = building / "packages"
        packages.mkdir()
        ours(packages)
        base = gather(" ".join(RUNNER_NEEDS), place, report)
        shutil.copytree(base.folder, packages, dirs_exist_ok=True)
        lacking: dict[str, str] = {}
        for requirement in dict.fromkeys(word for one in chosen for word in one.kind.runtime_requires):
            try:
                shutil.copytree(gather(requirement, place, report, beside=base).folder, packages, dirs_exist_ok=True)
            except DeviceError as error:
                lacking[requirement] = error.message
        left_out = {
            one.target.candidate: lacking[first]
            for one in chosen
            if (first := next((word for word in one.kind.runtime_requires if word in lacking), None)) is not None
        }
        taken = [one for one in chosen if one.target.candidate not in left_out]
        for one in taken:
            shutil.copytree(one.target.artifact, building / "artifacts" / one.target.candidate)
        samples = run.path(run.read(SamplesDocument).held_out.file)
        (shutil.copytree if samples.is_dir() else shutil.copyfile)(samples, building / samples.name)
        (building / SCRIPT).write_text(script(taken, samples.name))
        (building / SCRIPT).chmod(0o755)
        shutil.rmtree(building / "built", ignore_errors=True)
        shutil.copytree(building, out)
    return {**skipped, **unfit, **left_out}


def script(chosen: list[Chosen], samples: str) -> str:
    """Outputs first, then the timed calls, 700 of each after 50, which support a p99."""
    lines = [HEAD]
    for one in chosen:
        name = one.target.candidate
        job = RunnerJob(artifact=f"artifacts/{name}", inputs=samples, outputs=f"results/{name}.npz", trust=True)
        timed = msgspec.structs.replace(
            job, outputs=None, measure=700, warmup=50, seconds=30.0, json=f"results/{name}.json"
        )
        lines.append(f"run {shlex.join(msgspec.structs.replace(job, json=f'results/{name}.outputs').words())}")
        lines.append(f"run {shlex.join(timed.words())}")
    return "\n".join([*lines, "rm -f results/*.outputs", ""])
