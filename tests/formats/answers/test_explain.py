"""What becomes of real converters' failures: the operator and the line are told, and what the answer says converts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.formats.answers.pairs import PAIRS, Computed, Pair

import edgeproof
from edgeproof.formats.answers.table import ANSWERS, answer_for
from edgeproof.formats.registry import formats, open_artifact
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import resolve_model
from edgeproof.model.samples import synthetic_samples
from edgeproof.model.spine import export_spine
from edgeproof.process import Limits

Made = dict[str, tuple[Path, Outcome]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """What a format made of every refused call and every remedy: by its name, the folder and the outcome."""

    @functools.cache
    def of(format_name: str) -> Made:
        root = tmp_path_factory.mktemp(format_name)
        jobs = []
        for pair in (pair for pair in PAIRS if pair.format == format_name):
            for kind, function in (("refused", pair.refused), ("remedy", pair.remedy)):
                name = f"{kind}-{pair.operator}"
                export(pair, function, root / name)
                jobs.append(job(name, format_name, root / name))
        outcomes = run_jobs(jobs, Limits(seconds=120), Means(jobs=1))
        return {name: (root / name, outcome) for name, outcome in outcomes.items()}

    return of


def export(pair: Pair, function: Any, folder: Path) -> None:
    model = edgeproof.Model(Computed(function).eval(), inputs=pair.inputs, name=pair.operator)
    subject = resolve_model(model).subject
    samples = synthetic_samples(subject.signature.inputs, 8, seed=5).inputs
    samples = {name: values % pair.largest if values.dtype == np.int64 else values for name, values in samples.items()}
    export_spine(subject, "whole", samples, folder / "whole", address=pair.operator)
    np.savez(folder / "samples.npz", **samples)
    np.savez(folder / "reference.npz", **run_all(EagerSession(subject), samples))


def job(name: str, format_name: str, folder: Path) -> Job:
    return Job(
        candidate=name,
        format=format_name,
        precision=formats()[format_name].precisions[0],
        spine=str(folder / "whole"),
        samples=str(folder / "samples.npz"),
        folder=str(folder / "artifact"),
        name="model",
        log=str(folder / "log"),
    )


CASES = [
    pytest.param(pair, id=f"{pair.format}-{pair.operator}", marks=pytest.mark.xdist_group(f"answers-{pair.format}"))
    for pair in PAIRS
]


@pytest.mark.parametrize("pair", CASES)
def test_a_refusal_names_the_operator_its_line_and_what_to_do(made: Callable[[str], Made], pair: Pair) -> None:
    _, outcome = made(pair.format)[f"refused-{pair.operator}"]
    answer = answer_for(pair.operator, pair.format)
    assert answer is not None
    assert outcome.status == "failed"
    assert outcome.operator == pair.operator
    assert outcome.remedy == answer.remedy
    assert outcome.reason is not None
    assert f"{pair.operator} at " in outcome.reason
    assert "pairs.py:" in outcome.reason
    assert answer.why in outcome.reason
    assert outcome.detail
    assert outcome.detail not in outcome.reason


@pytest.mark.parametrize("pair", CASES)
def test_what_the_answer_says_converts_and_computes_the_same(made: Callable[[str], Made], pair: Pair) -> None:
    folder, outcome = made(pair.format)[f"remedy-{pair.operator}"]
    assert outcome.status == "ok", f"{outcome.reason}; {outcome.detail}"
    wanted = dict(np.load(folder.with_name(f"refused-{pair.operator}") / "reference.npz"))
    with open_artifact(folder / "artifact") as session:
        given = run_all(session, dict(np.load(folder / "samples.npz")))
    for expected, found in zip(wanted.values(), given.values(), strict=True):
        np.testing.assert_allclose(found.reshape(-1), expected.reshape(-1), rtol=1e-4, atol=1e-4)


def test_forty_operators_have_an_answer() -> None:
    operators = [operator for answer in ANSWERS for operator in answer.operators]
    assert len(operators) == len(set(operators))
    assert len(operators) >= 40
    names = [operator.partition(".")[0] for operator in operators]
    assert all(hasattr(torch.ops.aten, name) or hasattr(torch.ops.higher_order, name) for name in names)


def test_an_answer_names_formats_that_there_are() -> None:
    assert {name for answer in ANSWERS for name in answer.fails} <= set(formats())


def test_an_answer_is_half_a_sentence_and_one() -> None:
    for answer in ANSWERS:
        assert not answer.why.endswith(".")
        assert not answer.remedy.endswith(".")
        assert "error" not in answer.why.lower()
