"""An artifact soaked, alone or as a candidate of a run, on this host or on a device.

What the soak saw stands in the run from then on; while it lasts, in a file beside, which goes on with what was stopped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from edgeproof.devices.base import Device, Target
from edgeproof.devices.discover import open_device
from edgeproof.devices.soaking import soak_on
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import ArtifactError, DeviceError, UsageError
from edgeproof.formats.registry import artifact_document
from edgeproof.measure.soak import RANDOM_SAMPLES, SEED, SoakLength, begun, gone_on_with, held_to, keeper, soak_artifact
from edgeproof.model.samples import synthetic_samples
from edgeproof.phases.evaluate import conclude
from edgeproof.phases.measurement.choosing import choose
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder
from edgeproof.trust import hold

__all__ = ["resume_soak", "soak_alone", "soak_candidate", "stopped_soak"]

Report = Callable[[str], None]


def soak_alone(
    artifact: str | Path,
    length: SoakLength,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    trust: bool = False,
    device: str = "host",
    out: str | Path | None = None,
    report: Report = lambda _line: None,
) -> SoakReport:
    """Soak an artifact on this host, in this process, or on a device, in processes of some minutes each.

    Args:
        artifact: its file or folder.
        length: how long, in which windows.
        samples: npz or folder of inputs; None: seeded random ones.
        threads: of the runtime.
        trust: whether an artifact that this user did not make may run code.
        device: address.
        out: a file that what was seen is kept in while it is seen; None: it is kept nowhere.
        report: takes a line of progress.

    Raises:
        TrustError: it would run code, this user did not make it, and it is not trusted.
        ArtifactError: it cannot be opened, is another than its document describes, or its times cannot be had here.
        DeviceError: the device cannot be measured, or was lost before anything was seen.
        SamplesError: the samples cannot be read, or do not fit.
        UsageError: the time has no room for two windows.
    """
    length.check()
    start = msgspec.structs.replace(
        begun(str(artifact), length),
        source=str(Path(artifact).resolve()),
        device=device,
        sha256=_sha256(Path(artifact), trust=trust),
        threads=threads,
        samples=None if samples is None else str(Path(samples).resolve()),
    )
    return _soak(Path(artifact), start, samples, None if out is None else Path(out), report, trust=trust)


def soak_candidate(
    folder: str | Path,
    artifact: str | Path,
    length: SoakLength,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    trust: bool = False,
    device: str = "host",
    report: Report = lambda _line: None,
) -> SoakReport:
    """Soak the artifact of one of a run's candidates, write ``phase4_soak/<candidate>.json`` and the run's report.

    Until it is over, what was seen stands in ``phase4_soak/partial``, and counts as a soak that was too short.

    Args:
        folder: the run.
        artifact: the file or folder that the run has of the candidate.
        length: how long, in which windows.
        samples: npz or folder of inputs; None: the run's held-out samples.
        threads: of the runtime.
        trust: as of ``soak_alone``.
        device: address.
        report: takes a line of progress.

    Raises:
        RunFolderError: it is no run folder, or another process is at work in it when the soak is over.
        ArtifactError: the artifact is another than the run converted.
        UsageError: the artifact is none of the run's; or as of ``soak_alone``, whose other errors are raised too.
    """
    length.check()
    run = RunDir.open(Path(folder), trust=trust)
    candidate = candidate_of(run, Path(artifact))
    if samples is None:
        samples = run.path(run.read(SamplesDocument).held_out.file)
    inside = Path(samples).resolve().is_relative_to(run.root.resolve())
    start = msgspec.structs.replace(
        begun(candidate.artifact or "", length),
        device=device,
        candidate=candidate.candidate,
        sha256=candidate.sha256,
        threads=threads,
        samples=run.relative(Path(samples)) if inside else str(Path(samples).resolve()),
    )
    return _soak_in(run, candidate, start, report, trust=trust)


def resume_soak(place: str | Path, *, trust: bool = False, report: Report = lambda _line: None) -> SoakReport:
    """Go on with a soak that was stopped, in a new process: until the time that was asked for.

    Args:
        place: its file, or the run that has it.
        trust: as of ``soak_alone``.
        report: takes a line of progress.

    Raises:
        ArtifactError: the artifact is another one by now.
        UsageError: there is no such soak; or as of the two others.
    """
    file, before = stopped_soak(place)
    if before.candidate is None:
        artifact = Path(before.source or before.artifact)
        held_to(before, _sha256(artifact, trust=trust))
        return _soak(artifact, before, before.samples, file, report, trust=trust)
    run = RunDir.open(file.resolve().parents[2], trust=trust)
    candidate = candidate_of(run, run.path(before.artifact))
    held_to(before, candidate.sha256)
    return _soak_in(run, candidate, before, report, trust=trust)


def _soak_in(run: RunDir, candidate: ConversionResult, start: SoakReport, report: Report, *, trust: bool) -> SoakReport:
    """Soak a candidate, and write down what was seen."""
    own = run.path(candidate.artifact or "")
    found = _sha256(own, trust=trust)
    if candidate.sha256 and found and found != candidate.sha256:
        raise ArtifactError(
            f"{own} is another artifact than the run's document tells of: its sha256 differs",
            hint=f"edgeproof run --resume {run.root}, or soak it outside of the run",
        )
    partial = run.path(SoakReport.partial_of(candidate.candidate, start.device))
    samples = None if start.samples is None else run.path(start.samples)
    seen = _soak(own, start, samples, partial, report, trust=trust)
    if not seen.partial:
        run.write(seen)
        partial.unlink(missing_ok=True)
    with run.held():
        conclude(run)
    return seen


def _soak(
    artifact: Path, start: SoakReport, samples: str | Path | None, out: Path | None, report: Report, *, trust: bool
) -> SoakReport:
    """Soak on the device that the report to begin with names."""
    keep = None if out is None else keeper(out)
    if start.device == "host":
        return soak_artifact(artifact, start, samples=samples, trust=trust, keep=keep, report=report)
    with scratch_folder("soak") as folder, contextlib.ExitStack() as leave:
        device = open_device(start.device)
        leave.callback(device.close)
        refused = device.available()
        if refused is not None:
            raise refused
        if device.emulated:
            raise DeviceError(f"{device.name} is emulated: it has no times of its own, and a soak of it says nothing")
        document, beside, _ = artifact_document(artifact, trust=trust)
        hold(beside, document.file, document.sha256, document.beside)
        target = _fitted(device, Target(document.candidate, artifact, start.threads), folder, report, trust=trust)
        inputs = Path(samples) if samples is not None else _random(document, folder)
        start = msgspec.structs.replace(start, device_class=device.device_class, machine=device.machine())
        job = RunnerJob(
            artifact=device.put(target.artifact), inputs=device.put(inputs), threads=start.threads, trust=True
        )
        return soak_on(device, job, start, keep=keep, report=report)


def _fitted(device: Device, target: Target, folder: Path, report: Report, *, trust: bool) -> Target:
    """The artifact as the device can run it, with its runtime there.

    Raises:
        DeviceError: it does not exist for the device, or its runtime is not to be had.
    """
    place = device.place()
    if place is None:
        return target
    chosen, unfit = choose([target], place, device.device_class, folder / "built", trust=trust)
    lacking = list(unfit.values())
    if chosen:
        lacking += device.equip(list(chosen[0].kind.runtime_requires), report).values()
    if lacking:
        raise DeviceError(f"{target.candidate} cannot be soaked on {device.name}: {'; '.join(lacking)}")
    return chosen[0].target


def _random(document: ArtifactDocument, folder: Path) -> Path:
    """Seeded random inputs of an artifact, as a file."""
    drawn = synthetic_samples(tuple(binding.tensor for binding in document.inputs), RANDOM_SAMPLES, SEED, below=2)
    path = folder / "random.npz"
    np.savez(path, allow_pickle=False, **drawn.inputs)
    return path


def _sha256(artifact: Path, *, trust: bool) -> str | None:
    """Of an artifact, as its document tells it; None where it has none."""
    return artifact_document(artifact, trust=trust)[0].sha256 or None


def stopped_soak(place: str | Path) -> tuple[Path, SoakReport]:
    """A soak that was stopped: its file, and what it saw.

    Args:
        place: the file, or a run with one such soak.

    Raises:
        DocumentError: the file is none.
        UsageError: there is none, or the run has several, or it is over.
    """
    path = Path(place)
    if not path.is_dir():
        return path, gone_on_with(path)
    found = sorted((path / SoakReport.PARTIAL).glob("*.json"))
    if len(found) != 1:
        raise UsageError(
            f"{path} has {'several soaks that were' if found else 'no soak that was'} stopped",
            hint=f"name one: {', '.join(map(str, found))}" if found else f"a soak leaves one in {SoakReport.PARTIAL}",
        )
    return found[0], gone_on_with(found[0])


def candidate_of(run: RunDir, artifact: Path) -> ConversionResult:
    """The candidate that the run has this artifact of.

    Raises:
        UsageError: none.
    """
    asked = artifact.resolve()
    made = [result for result in run.read(ConversionDocument).candidates if result.artifact is not None]
    for result in made:
        own = run.path(result.artifact or "").resolve()
        if own == asked or (asked.is_dir() and own.parent == asked):
            return result
    names = ", ".join(f"{run.root}/{result.artifact}" for result in made)
    raise UsageError(f"{artifact} is no artifact of the run {run.root}", hint=f"it has {names or 'none'}")
