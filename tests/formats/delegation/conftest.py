"""The six networks in the formats that tell where their operators run, each asked in a process of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.formats.delegation.splits import OPERATORS, PLACES, SHAPE, Split, samples
from torch import nn

import edgeproof
from edgeproof.documents.delegation import CandidateDelegation
from edgeproof.formats.registry import formats
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job
from edgeproof.model.resolve import resolve_model
from edgeproof.model.spine import export_spine
from edgeproof.phases.delegation.telling import Telling
from edgeproof.process import Limits

__all__ = ["Asked", "asked", "convert_all"]


@dataclass(frozen=True)
class Asked:
    """An artifact, the samples it was made with, and what it said."""

    artifact: Path
    samples: Path
    told: CandidateDelegation


def convert_all(modules: dict[str, nn.Module], format_name: str, precision: str, root: Path) -> dict[str, Path]:
    """Each module's artifact, by its name; all converted by one worker."""
    jobs = []
    for name, module in modules.items():
        given = samples()
        shape = ",".join(map(str, SHAPE))
        model = edgeproof.Model(module.eval(), inputs=[f"x:float32[{shape}]"], name=name)
        export_spine(resolve_model(model).subject, "whole", given, root / name / "whole", address=name)
        np.savez(root / name / "samples.npz", **given)
        jobs.append(
            Job(
                candidate=name,
                format=format_name,
                precision=precision,
                spine=str(root / name / "whole"),
                samples=str(root / name / "samples.npz"),
                folder=str(root / name / "artifact"),
                name="model",
                log=str(root / name / "log"),
            )
        )
    assert format_name in formats()
    outcomes = run_jobs(jobs, Limits(seconds=120), Means(jobs=1))
    assert {name: outcome.reason for name, outcome in outcomes.items() if outcome.status != "ok"} == {}
    return {name: root / name / "artifact" for name in modules}


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], dict[str, Asked]]:
    """By format and precision: the six networks, converted and asked."""

    @functools.cache
    def of(format_name: str, precision: str) -> dict[str, Asked]:
        root = tmp_path_factory.mktemp(f"{format_name}-{precision}")
        modules = {name: Split(OPERATORS[format_name], places) for name, places in PLACES.items()}
        made = convert_all(modules, format_name, precision, root)
        given = root / "none" / "samples.npz"
        told = Telling(given).tell(list(made.values()))
        return {name: Asked(path, given, said) for (name, path), said in zip(made.items(), told, strict=True)}

    return of
