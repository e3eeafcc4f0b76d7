"""The commands whose output is recorded, run through the real command line; what a machine adds itself is masked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ON_A_RUN", "ON_MODELS", "RUNS", "command_output", "masked", "prepared", "said_in_turn"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNS = ("digits_snn", "built")
"""``digits_snn``: the example's run on a virtual machine, its processor shares raised to those of an idle one.
``built``: every kind of result in one run, invented, as
``tests/report/builders.py`` makes it."""

ON_A_RUN: dict[str, tuple[str, ...]] = {
    "report": ("report", "run", "--json"),
    "report.txt": ("report", "run"),
    "runbook": ("runbook", "run", "--json"),
    "compare": ("compare", "run", "other", "--json"),
    "compare.txt": ("compare", "run", "other"),
    "gate": ("gate", "run", "--json"),
    "gate-strict": ("gate", "run", "--policy", "strict.toml", "--json"),
    "gate-phone": ("gate", "run", "--device-class", "android", "--device-class", "raspberry-pi", "--json"),
    "brought-back": ("report", "run", "--measured", "iphone:coreml-fp16=latencies.json", "--json"),
}
"""By name: commands on a finished run, whose every byte is compared."""

FILES = (
    "phase5_evaluation.json",
    "edge_phase1_5_report.md",
    "edge_phase1_5_report.html",
    "phase4_device_runbook.md",
    "phase4_devices/iphone-by-hand.json",
)
"""What these commands write."""

SNN = str(ROOT / "examples" / "digits_snn.py") + ":model"
ON_MODELS: dict[str, tuple[str, ...]] = {
    "samples": ("samples", SNN, "--count", "32", "--out", "drawn", "--json"),
    "nir": ("nir", SNN, "--out", "digits.nir", "--check", "8", "--json"),
    "activity": ("activity", SNN, "--count", "4", "--json"),
    "convert": ("convert", SNN, "--to", "sdk-eager,sdk-native", "--out", "out", "--json"),
    "validate": ("validate", SNN, "out/sdk-eager", "out/sdk-native", "out/sdk-native-int8", "--json"),
    "build": ("build", "out/sdk-native", "--kind", "cmake", "--out", "package", "--json"),
    "soak": ("soak", "out/sdk-native", "--seconds", "0.4", "--json"),
    "devices": ("devices", "--json"),
    "env": ("env", "--json"),
}
"""By name, in order: commands that compute. Of their documents what a machine or a clock puts in is left out."""

OF_THE_MACHINE = frozenset(
    {
        *("created", "machine", "packages", "tools", "versions", "log", "seconds", "peak_memory_bytes", "sha256"),
        *("limit_memory_bytes", "windows", "drift", "resident_growth_bytes", "count", "throttled", "not_measured"),
        *("detail", "bytes", "possible", "missing", "remedy", "segments", "source"),
    }
)
"""Fields whose values are the machine's own."""
OF_THE_PROCESSOR = frozenset(
    {
        *("max_abs", "l2_mean", "l2_max", "relative_l2", "cosine_min", "snr_db", "smallest_passing_tolerance"),
        *("count_mean_abs", "count_max_abs", "agreement", "equal", "difference"),
    }
)
"""Fields that follow from PyTorch's order of sums: a spike at the threshold flips with the kernels a processor gets."""


IN_TURN = """
import json, os, sys
from edgeproof.cli import main
for name, words in json.loads(sys.argv[1]).items():
    with open(name + ".said", "wb") as out, open(name + ".err", "wb") as err:
        os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
        try:
            main(words)
        except SystemExit as left:
            code = left.code
        sys.stdout.flush(), sys.stderr.flush()
    with open(name + ".said", "rb") as out, open(name + ".err", "rb") as err, open(name + ".out", "wb") as kept:
        kept.write(b"exit code %d\\n" % code + out.read() + err.read())
"""


def said_in_turn(folder: Path) -> dict[str, bytes]:
    """By name, what the commands on a finished run say in ``folder``, exit code first; in one process, in turn."""
    done = subprocess.run([sys.executable, "-c", IN_TURN, json.dumps(ON_A_RUN)], cwd=folder, timeout=600, check=False)
    assert done.returncode == 0
    return {name: (folder / f"{name}.out").read_bytes() for name in ON_A_RUN}


def command_output(words: tuple[str, ...], folder: Path) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of ``edgeproof WORDS`` in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-c", "from edgeproof.cli import main; main()", *words],
        cwd=folder,
        capture_output=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def prepared(run: str, folder: Path) -> None:
    """Fill ``folder`` with copies of a recorded run, ``run`` and ``other``, and the files that the commands name."""
    for copy in ("run", "other"):
        shutil.copytree(HERE / run, folder / copy)
    for document in (folder / "other" / "phase4_devices").glob("*.json"):
        _slower(document)
    (folder / "strict.toml").write_text("latency_ms = 0.0001\n[difference]\nfp16 = 1e-9\n")
    (folder / "latencies.json").write_text(json.dumps([1000.0 + number for number in range(200)]))


def _slower(document: Path) -> None:
    """A device document with twice the medians, so that two runs differ."""
    text = re.sub(r'("median_us": )([\d.]+)', lambda found: f"{found[1]}{2 * float(found[2])}", document.read_text())
    document.write_text(text)


def masked(value: Any, key: str = "") -> Any:
    """The value with the machine's own replaced: fields of ``OF_THE_MACHINE`` by their kind, floats by four digits,
    what differs between processors by a word."""
    if key in OF_THE_MACHINE:
        return f"<{type(value).__name__}>" if not isinstance(value, (int, float)) else "<number>"
    if key in OF_THE_PROCESSOR:
        return "<of the processor>"
    if isinstance(value, dict):
        return {name: masked(held, name) for name, held in value.items()}
    if isinstance(value, list):
        return [masked(held) for held in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if abs(value) > 1e-4 else 0.0
    if isinstance(value, str):
        return value.replace(str(ROOT), "<root>").replace(os.fspath(Path.cwd()), "<folder>")
    return value
