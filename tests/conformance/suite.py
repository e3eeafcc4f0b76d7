"""Runs coremltools' own tests over the interpreter, and counts what they say."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.plugin import RECORD, SAMPLE

__all__ = ["CONVERSIONS", "OPERATIONS", "Outcome", "counts", "read_record", "run_suite", "suite_folder"]

ROOT = Path(__file__).parents[2]
OPERATIONS = ("converters/mil/mil/ops/tests",)
"""Every operation, built by hand and held against literals, numpy, torch or scipy."""
TORCH = "converters/mil/frontend/torch/test"
CONVERSIONS = (f"{TORCH}/test_torch_ops.py", f"{TORCH}/test_torch_stateful_model.py", "test/ml_program/test_utils.py")
"""PyTorch's operations and layers, converted as users convert theirs and held against PyTorch; states; functions."""


@dataclass(frozen=True)
class Outcome:
    """One case. ``predicted``: how often the interpreter was asked; 0 where nothing was compared."""

    case: str
    outcome: str
    predicted: int
    reason: str | None

    @property
    def file(self) -> str:
        """``iOS17/test_conv.py``."""
        return self.case.partition("::")[0]


def suite_folder() -> Path:
    """The installed coremltools, which has its tests in it."""
    found = importlib.util.find_spec("coremltools")
    if found is None or found.origin is None:
        raise RuntimeError("coremltools is not installed")
    return Path(found.origin).parent


def run_suite(
    record: Path,
    files: Sequence[str] = OPERATIONS,
    *,
    sample: int | None = None,
    single: bool = True,
    workers: int = 0,
    show: bool = False,
) -> list[Outcome]:
    """Run the cases for ML programs in a process of their own.

    Args:
        record: file for a line per case.
        files: the suite's files or folders.
        sample: about so many cases, spread over all files; None: all.
        single: the cases in fp32 too, which the suite leaves out by default; their tolerances are far tighter.
        workers: processes; 0: one.
        show: let pytest's own progress through.

    Raises:
        RuntimeError: pytest ended without running cases.
    """
    record.unlink(missing_ok=True)
    environment = dict(
        os.environ, PYTHONPATH=str(ROOT), PYMIL_TEST_TARGETS="mlprogram", OMP_NUM_THREADS="1", **{RECORD: str(record)}
    )
    if single:
        environment["INCLUDE_MIL_FP32_UNIT_TESTS"] = "1"
    if sample is not None:
        environment[SAMPLE] = str(sample)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conformance.plugin"]
    command += ["-p", "no:logging", "--assert=plain", "-W", "ignore", "--no-header", "--tb=no"]
    command += ["-c", os.devnull, "--rootdir", str(suite_folder())]
    command += ["-n", str(workers)] if workers else []
    done = subprocess.run(
        [*command, *(str(suite_folder() / file) for file in files)], env=environment, cwd=record.parent, check=False,
        stdout=None if show else subprocess.PIPE, stderr=None if show else subprocess.STDOUT, text=True,
    )  # fmt: skip
    if not record.exists():
        raise RuntimeError(f"the suite ran no case: {(done.stdout or '')[-2000:]}")
    return read_record(record)


def read_record(record: Path) -> list[Outcome]:
    """What a run left."""
    return [Outcome(**json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]


def counts(outcomes: Sequence[Outcome]) -> dict[str, Counter[str]]:
    """Outcomes per file of the suite."""
    files: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        files.setdefault(outcome.file, Counter())[outcome.outcome] += 1
    return dict(sorted(files.items()))
