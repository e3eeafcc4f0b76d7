"""Conversions in processes of their own: one that fails costs itself, and leaves nothing half-written."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psutil
import pytest
from tests.formats.conftest import Exported

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.model.warm import with_export
from edgeproof.process import Limits
from edgeproof.trust import fingerprint

pytestmark = [pytest.mark.usefixtures("_misbehaving"), pytest.mark.xdist_group("misbehaving")]
ROOMY = Limits(seconds=120, memory_bytes=8 << 30)
HANGS = Limits(seconds=120, memory_bytes=1 << 30, wall_seconds=30)


def job(root: Path, exported: Exported, behaviour: str, name: str = "misbehaving") -> Job:
    candidate = f"{name}-{behaviour}"
    return Job(
        candidate=candidate,
        format=name,
        precision=behaviour,
        spine=str(exported.spine),
        samples=str(exported.samples),
        folder=str(root / "artifacts" / candidate),
        name="net",
        log=str(root / "logs" / f"{candidate}.log"),
    )


def run(root: Path, exported: Exported, *behaviours: str, limits: Limits = ROOMY) -> dict[str, Outcome]:
    outcomes = run_jobs([job(root, exported, behaviour) for behaviour in behaviours], limits, Means(jobs=2))
    return {name.removeprefix("misbehaving-"): outcome for name, outcome in outcomes.items()}


def left(root: Path) -> set[str]:
    return {path.name for path in (root / "artifacts").iterdir()}


@pytest.mark.slow
def test_whatever_a_converter_does_the_others_are_made(tmp_path: Path, exported: Exported) -> None:
    failing = {
        "raises": "ValueError: no kernel for aten::frobnicate",
        "refuses": "this operator is not known",
        "half": "ValueError: halfway",
        "says_much": "word word",
        "aborts": "the converter was killed by SIGABRT (signal 6)",
        "segfaults": "the converter was killed by SIGSEGV (signal 11)",
        "leaves": "SystemExit: 0",
        "vanishes": "the converter ended with exit code 0",
        "nothing": "the converter ended without an error and made no net.mis",
    }
    order = ["raises", "good", *[name for name in failing if name != "raises"], "chatters", "forks"]
    with_export()
    kept = descendants()
    began = time.monotonic()
    outcomes = run(tmp_path, exported, *order)
    assert time.monotonic() - began < 60
    assert list(outcomes) == order
    for name, reason in failing.items():
        assert outcomes[name].status in ("failed", "crashed"), name
        assert reason in (outcomes[name].reason or ""), name
        assert len(outcomes[name].reason or "") < 2000, name
    assert outcomes["refuses"].remedy == "use another"
    for name in ("good", "chatters", "forks"):
        assert (outcomes[name].status, outcomes[name].reason) == ("ok", None), name
        folder = tmp_path / "artifacts" / f"misbehaving-{name}"
        document = decode((folder / "artifact.json").read_bytes(), ArtifactDocument)
        assert (document.candidate, document.format, document.precision) == (f"misbehaving-{name}", "misbehaving", name)
        assert (document.file, document.form, document.versions) == ("net.mis", "whole", {"misbehaving": "1.0"})
        assert (document.sha256, document.bytes) == fingerprint(folder / "net.mis")
        assert [spec.tensor.name for spec in document.inputs] == ["x"]
        assert (outcomes[name].peak_memory_bytes or 0) > 50 << 20
        assert outcomes[name].seconds < 30
    assert left(tmp_path) == {"misbehaving-good", "misbehaving-chatters", "misbehaving-forks"}
    log = (tmp_path / "logs" / "misbehaving-chatters.log").read_bytes()
    for words in (b"python says", b"descriptor 1 says \xff\xfe", b"descriptor 2 says", b"a child says", b"libc says"):
        assert words in log
    assert b"frobnicate" in (tmp_path / "logs" / "misbehaving-raises.log").read_bytes()
    assert descendants() == kept


def descendants() -> set[psutil.Process]:
    """Processes of ours: once a conversion has been made, those that are kept for the next."""
    return set(psutil.Process().children(recursive=True))


@pytest.mark.slow
def test_one_that_hangs_or_eats_the_memory_is_stopped_and_the_next_is_made(tmp_path: Path, exported: Exported) -> None:
    with_export()
    kept = descendants()
    outcomes = run(tmp_path, exported, "hangs", "eats", "good", limits=HANGS)
    hangs, eats = outcomes["hangs"], outcomes["eats"]
    assert (hangs.status, eats.status, outcomes["good"].status) == ("failed", "failed", "ok")
    assert re.fullmatch(
        r"stopped after 3[0-2] s by the clock, in which it used \d+ s of processor time", hangs.reason or ""
    )
    assert "GiB of memory; the limit is 1.0 GiB" in (eats.reason or "")
    assert (eats.peak_memory_bytes or 0) > 1 << 30
    for behaviour in (hangs, eats):
        assert "--limit-seconds or --limit-memory" in (behaviour.remedy or "")
    assert left(tmp_path) == {"misbehaving-good"}
    assert descendants() == kept


def test_a_converter_that_hangs_while_it_is_imported_costs_its_format_only(tmp_path: Path, exported: Exported) -> None:
    jobs = [job(tmp_path, exported, "good", "stuck"), job(tmp_path, exported, "raises", "stuck")]
    outcomes = run_jobs(jobs, Limits(seconds=60, wall_seconds=2), Means(jobs=2))
    assert len(outcomes) == 2
    for outcome in outcomes.values():
        assert (outcome.status, outcome.remedy) == (
            "failed",
            "raise --limit-seconds or --limit-memory, or convert the one-step form",
        )
        assert re.fullmatch(
            r"stopped after [23] s by the clock, in which it used [0-2] s of processor time", outcome.reason or ""
        )


def test_a_format_that_is_not_there_fails_each_of_its_jobs(tmp_path: Path, exported: Exported) -> None:
    jobs = [job(tmp_path, exported, "good", "nowhere"), job(tmp_path, exported, "raises", "nowhere")]
    outcomes = run_jobs(jobs, ROOMY, Means(jobs=2))
    assert len(outcomes) == 2
    for outcome in outcomes.values():
        assert outcome.status == "failed"
        assert "the converter's process ended with exit code 1; it said: " in (outcome.reason or "")
        assert "KeyError: 'nowhere'" in (outcome.reason or "")


def test_outcomes_are_reported_as_they_come(tmp_path: Path, exported: Exported) -> None:
    told: list[str] = []
    run_jobs([], ROOMY, Means(jobs=2), report=lambda outcome, _finished: told.append(outcome.candidate))
    assert told == []


def test_a_folder_s_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, **files: str) -> Path:
        (tmp_path / name / "sub").mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / name / "sub" / file).write_text(text)
        return tmp_path / name

    one, same = folder("one", a="x", b="yy"), folder("same", b="yy", a="x")
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one)[1] == 3
    assert fingerprint(folder("swapped", a="yy", b="x"))[0] != fingerprint(one)[0]
    assert fingerprint(folder("renamed", a="x", c="yy"))[0] != fingerprint(one)[0]
