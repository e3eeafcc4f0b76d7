"""Conversions that were made before are taken where everything that goes into them is the same, and nowhere else."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.formats.conftest import Exported

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, read_marked
from edgeproof.formats import cache as module
from edgeproof.formats import here
from edgeproof.formats.cache import Conversions, default_conversions
from edgeproof.formats.registry import formats
from edgeproof.formats.supervise import Means, run_jobs
from edgeproof.formats.worker import Job, Outcome
from edgeproof.process import Limits
from edgeproof.trust import fingerprint

LIMITS = Limits(seconds=120)
FORMAT = "torchscript"


@pytest.fixture
def conversions(tmp_path: Path) -> Conversions:
    return Conversions(tmp_path / "conversions")


def job_of(exported: Exported, folder: Path, **other: str | None) -> Job:
    job = Job(
        candidate=f"{FORMAT}-fp32",
        format=FORMAT,
        precision="fp32",
        spine=str(exported.spine),
        samples=str(exported.samples),
        folder=str(folder),
        name="net",
        log=str(folder.with_suffix(".log")),
    )
    return msgspec.structs.replace(job, **other)


def run(job: Job, conversions: Conversions | None) -> Outcome:
    return run_jobs([job], LIMITS, Means(1, conversions))[job.candidate]


def key_of(conversions: Conversions, job: Job) -> str:
    key = conversions.key(job, formats()[job.format])
    assert key is not None
    return key


def test_the_second_one_is_taken_whole_and_says_when_it_was_made(
    exported: Exported, conversions: Conversions, tmp_path: Path
) -> None:
    made, taken = (run(job_of(exported, tmp_path / name), conversions) for name in ("first", "second"))
    assert (made.status, made.cached) == ("ok", None)
    assert taken.status == "ok"
    assert taken.cached is not None
    assert taken.seconds == pytest.approx(made.seconds, abs=1e-3), "what it took when it was made"
    assert fingerprint(tmp_path / "first")[0] == fingerprint(tmp_path / "second")[0]
    document, ours = read_marked(tmp_path / "second" / ArtifactDocument.FILE, ArtifactDocument)
    assert ours
    assert document.sha256
    assert run(job_of(exported, tmp_path / "third"), None).cached is None


def other_weights(exported: Exported, folder: Path) -> Exported:
    from tests.zoo.models import FACTORIES

    from edgeproof.model.spine import export_spine
    from edgeproof.model.subject import make_subject

    model = FACTORIES["mlp"]()
    samples = dict(np.load(exported.samples))
    samples.pop("labels")
    next(iter(model.module.parameters())).data[0, 0] += 1e-3
    export_spine(make_subject(model, model.specs()), "whole", samples, folder / "whole", address="mlp")
    return Exported(folder / "whole", exported.samples)


def other_samples(exported: Exported, folder: Path) -> Exported:
    folder.mkdir()
    arrays = dict(np.load(exported.samples))
    arrays["x"][0, 0, 0] += 1
    np.savez(folder / "samples.npz", **arrays)
    return Exported(exported.spine, folder / "samples.npz")


@pytest.mark.parametrize("change", [other_weights, other_samples])
def test_other_weights_or_samples_are_another_conversion(
    change: Callable[[Exported, Path], Exported], exported: Exported, conversions: Conversions, tmp_path: Path
) -> None:
    before = key_of(conversions, job_of(exported, tmp_path / "a"))
    assert key_of(conversions, job_of(change(exported, tmp_path / "other"), tmp_path / "a")) != before


def test_the_same_program_that_is_exported_again_is_the_same_conversion(
    exported: Exported, conversions: Conversions, tmp_path: Path
) -> None:
    from tests.zoo.models import FACTORIES

    from edgeproof.model.spine import export_spine
    from edgeproof.model.subject import make_subject

    model = FACTORIES["mlp"]()
    samples = {"x": np.load(exported.samples)["x"]}
    export_spine(make_subject(model, model.specs()), "whole", samples, tmp_path / "again", address="mlp")
    again = Exported(tmp_path / "again", exported.samples)
    assert key_of(conversions, job_of(again, tmp_path / "a")) == key_of(conversions, job_of(exported, tmp_path / "b"))


@pytest.mark.parametrize(
    "other",
    [
        {"precision": "int8"},
        {"name": "other"},
        {"candidate": "torchscript-fp32-step"},
        {"format": "onnx"},
    ],
)
def test_another_precision_name_form_or_format_is_another_conversion(
    other: dict[str, str], exported: Exported, conversions: Conversions, tmp_path: Path
) -> None:
    first = key_of(conversions, job_of(exported, tmp_path / "a"))
    assert key_of(conversions, job_of(exported, tmp_path / "a", **other)) != first


def test_so_is_one_with_another_version_of_anything_or_other_sources_of_ours(
    exported: Exported, conversions: Conversions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.everything_here.cache_clear()
    job = job_of(exported, tmp_path / "a")
    seen = {key_of(conversions, job)}
    real = list(metadata.distributions())
    monkeypatch.setattr(metadata, "distributions", lambda: real[1:])
    here.everything_here.cache_clear()
    seen.add(key_of(conversions, job))
    copied = tmp_path / "copied"
    shutil.copytree(Path(here.edgeproof.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(here.edgeproof, "__file__", str(copied / "__init__.py"))
    here.everything_here.cache_clear()
    seen.add(same := key_of(conversions, job))
    assert len(seen) == 2, "a copy of the same sources is the same"
    (copied / "formats" / "torchscript.py").write_text("# another\n")
    here.everything_here.cache_clear()
    assert key_of(conversions, job) != same
    here.everything_here.cache_clear()


def test_what_starts_from_a_base_depends_on_that(exported: Exported, conversions: Conversions, tmp_path: Path) -> None:
    run(job_of(exported, tmp_path / "base"), None)
    base = next((tmp_path / "base").glob("*.pt"))
    job = job_of(exported, tmp_path / "a", base=str(base))
    keys = {key_of(conversions, job), key_of(conversions, job_of(exported, tmp_path / "a"))}
    file = tmp_path / "base" / ArtifactDocument.FILE
    document = decode(file.read_bytes(), ArtifactDocument)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(document, sha256="0" * 64)))
    assert len(keys | {key_of(conversions, job)}) == 3


@pytest.mark.parametrize("damage", ["artifact", "document", "entry", "mark"])
def test_a_damaged_or_foreign_entry_is_not_taken_and_is_removed(
    damage: str, exported: Exported, conversions: Conversions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(job_of(exported, tmp_path / "first"), conversions)
    ((entry, _),) = conversions.entries()
    artifact = entry / module.ARTIFACT
    if damage == "artifact":
        next(artifact.glob("*.pt")).write_bytes(b"another")
    elif damage == "document":
        (artifact / ArtifactDocument.FILE).write_bytes(b"{")
    elif damage == "entry":
        (entry / module.ENTRY).write_bytes(b"[]")
    else:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of another user"))
    second = run(job_of(exported, tmp_path / "second"), conversions)
    assert (second.status, second.cached) == ("ok", None)
    assert fingerprint(next((tmp_path / "second").glob("*.pt"))) == fingerprint(next((tmp_path / "first").glob("*.pt")))


def test_what_failed_is_tried_again(exported: Exported, conversions: Conversions, tmp_path: Path) -> None:
    broken = job_of(exported, tmp_path / "a", samples=str(tmp_path / "nowhere"))
    assert run(broken, conversions).status == "failed"
    assert conversions.entries() == []


def test_those_that_were_not_used_for_longest_go_first(exported: Exported, tmp_path: Path) -> None:
    run(job_of(exported, tmp_path / "a"), None)
    size = fingerprint(tmp_path / "a")[1]
    small = Conversions(tmp_path / "conversions", most_bytes=4 * size)
    outcome = Outcome(candidate=f"{FORMAT}-fp32", status="ok", seconds=1.0)
    job = job_of(exported, tmp_path / "a")
    for number in range(4):
        small.keep(f"k{number}", job, outcome)
        time.sleep(0.02)
    assert small.take("k0", job_of(exported, tmp_path / "b")) is not None, "used now"
    time.sleep(0.02)
    small.keep("k4", job, outcome)
    assert {path.name for path, _ in small.entries()} == {"k0", "k2", "k3", "k4"}
    assert small.clear() == 4 * size
    assert small.entries() == []


WRITER = """
import sys
from pathlib import Path
from edgeproof.formats.cache import Conversions
from edgeproof.formats.worker import Job, Outcome
import msgspec
job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
kept = Conversions(Path(sys.argv[2]))
print("ready", flush=True)
for number in range(10**6):
    kept.keep(f"{sys.argv[3]}{number}", job, Outcome(candidate=job.candidate, status="ok", seconds=1.0))
    kept.keep("shared", job, Outcome(candidate=job.candidate, status="ok", seconds=1.0))
"""


def test_two_that_write_at_once_and_are_killed_leave_it_whole(exported: Exported, tmp_path: Path) -> None:
    run(job_of(exported, tmp_path / "made"), None)
    job, folder = job_of(exported, tmp_path / "made"), tmp_path / "conversions"
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(job))
    drawn = random.Random(0)
    for turn in range(6):
        words = [sys.executable, "-c", WRITER, str(tmp_path / "job.json"), str(folder)]
        writers = [
            subprocess.Popen([*words, f"{turn}{name}-"], stdout=subprocess.PIPE, text=True) for name in ("a", "b")
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        time.sleep(drawn.uniform(0.02, 0.3))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    conversions = Conversions(folder)
    entries = conversions.entries()
    assert len(entries) > 10
    assert len([path for path in folder.iterdir() if not path.name.startswith(".")]) == len(entries)
    for path, _ in entries:
        assert conversions.take(path.name, job_of(exported, tmp_path / "taken")) is not None


def test_the_environment_switches_it_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_conversions() is None, "as the tests have it"
    monkeypatch.delenv("EDGEPROOF_CACHE")
    assert default_conversions() == Conversions(tmp_path / "edgeproof" / "conversions")


def test_our_own_engines_are_made_anew(exported: Exported, conversions: Conversions, tmp_path: Path) -> None:
    """They take seconds, and depend on the compiler at hand."""
    for name in ("sdk-native", "sdk-eager"):
        assert conversions.key(job_of(exported, tmp_path / "a", format=name), formats()[name]) is None
