"""A format from elsewhere that misbehaves, a spine to convert, and its samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.registered import _misbehaving

__all__ = ["Exported", "_misbehaving", "exported"]


@dataclass(frozen=True)
class Exported:
    """Where a spine and its samples stand."""

    spine: Path
    samples: Path


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A small dense network, exported."""
    from tests.zoo.models import FACTORIES

    from edgeproof.model.spine import export_spine
    from edgeproof.model.subject import make_subject

    root = tmp_path_factory.mktemp("spine")
    model = FACTORIES["mlp"]()
    samples = {"x": np.random.default_rng(0).standard_normal((8, 1, 16)).astype(np.float32)}
    export_spine(make_subject(model, model.specs()), "whole", samples, root / "whole", address="mlp")
    np.savez(root / "samples.npz", **samples, labels=np.arange(8))
    return Exported(root / "whole", root / "samples.npz")
