"""What serves a run or stands by itself: the machine, samples, graphs, counts, engines, servers, devices."""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from edgeproof.api.origin import Given
    from edgeproof.client.simulator import ClientReport, Drive
    from edgeproof.devices.discover import ListedDevice
    from edgeproof.documents.activity import ActivityDocument
    from edgeproof.documents.environment import EnvironmentDocument
    from edgeproof.documents.nir import NirDocument
    from edgeproof.documents.samples import SamplesDocument
    from edgeproof.measure.soak import SoakLength, SoakReport
    from edgeproof.model.drawing import Draw
    from edgeproof.process import Limits
    from edgeproof.serve.launch import Ready

    Report = Callable[[str], None]

__all__ = ["activity", "bench", "devices", "environment", "nir", "samples", "serve", "soak"]

RANDOM_SAMPLES = 16
SEED = 0


def environment() -> EnvironmentDocument:
    """This machine, its tools, and which candidates are possible on it. Nothing heavy is imported."""
    from edgeproof.phases.preparation.environment import read_environment

    return read_environment()


def samples(
    model: str | Path,
    out: str | Path,
    how: Draw,
    *,
    limits: Limits | None = None,
    report: Report = lambda _: None,
    **given: Unpack[Given],
) -> SamplesDocument:
    """Draw representative samples of a model into a folder that ``samples=`` takes, the held-out ones beside them.

    Args:
        model: a reference.
        out: folder, new or empty.
        how: how many, and how.
        limits: of the model's process.
        report: told of each step, in words.
        given: as in ``load``; samples in files.

    Raises:
        UsageError: the model, its signature or its samples; ``out`` is in use.
    """
    from edgeproof.api.origin import source_of
    from edgeproof.phases.alone.samples import draw_alone

    return draw_alone(source_of(model, given), Path(out), how, limits=limits, report=report)


def nir(
    model: str | Path,
    out: str | Path,
    *,
    dt_s: float | None = None,
    check: int = 64,
    limits: Limits | None = None,
    report: Report = lambda _: None,
    **given: Unpack[Given],
) -> NirDocument:
    """Write a model's spiking network as a NIR graph, kept only if what is read back computes the same.

    Args:
        model: a reference; its module computes one time step, or loops over them by itself.
        out: the file; it must not be there.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.
        check: on how many samples the file is held against the model.
        limits: of the model's process.
        report: told of each step, in words.
        given: as in ``load``; samples in files.

    Raises:
        UsageError: the model, its signature or samples; ``out`` exists.
        SpikeGraphError: a layer or neuron that has no counterpart in NIR, with its name.
        ConversionError: the file computes something else than the model; it is not kept.
    """
    from edgeproof.api.origin import source_of
    from edgeproof.phases.nir.write import nir_alone

    return nir_alone(source_of(model, given), Path(out), dt_s=dt_s, check=check, limits=limits, report=report)


def activity(
    model: str | Path,
    *,
    count: int = 32,
    limits: Limits | None = None,
    report: Report = lambda _: None,
    **given: Unpack[Given],
) -> ActivityDocument:
    """Count what a model does on samples: NeuroBench's operations, and an estimate of their energy.

    Args:
        model: a reference.
        count: samples, at most, evenly chosen.
        limits: of a process.
        report: told of each step, in words.
        given: as in ``load``; samples in files.

    Raises:
        UsageError: the model, its signature or samples.
        ConversionError: the engine does not take it, so there is nothing to count on.
    """
    from edgeproof.api.origin import source_of
    from edgeproof.phases.activity.alone import activity_alone

    return activity_alone(source_of(model, given), count=count, limits=limits, report=report)


def serve(
    model: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    name: str | None = None,
    threads: int = 1,
    body_limit_bytes: int | None = None,
    ready: Callable[[Ready], None] = lambda _: None,
    **given: Unpack[Given],
) -> None:
    """Serve a model or an artifact over the Open Inference Protocol, in this process, until SIGTERM or SIGINT.

    Args:
        model: an artifact's file or folder, or a model reference, which runs in PyTorch.
        host: address to listen on.
        port: 0 takes a free one.
        name: the model's name in the URL; default: the file's or the factory's.
        threads: of the runtime.
        body_limit_bytes: longer request bodies are refused; None: 64 MiB.
        ready: called once, when connections are answered.
        given: as in ``load``; samples in files.

    Raises:
        EdgeProofError: it cannot be opened, or the port cannot be had.
    """
    from edgeproof.api.origin import source_of
    from edgeproof.serve.launch import open_served, serve_opened

    opened = open_served(source_of(model, given), threads=threads, name=name)
    serve_opened(opened, host=host, port=port, body_limit_bytes=body_limit_bytes, ready=ready)


def bench(url: str, how: Drive) -> ClientReport:
    """Drive a server as one client and keep the latency of each request.

    Args:
        url: ``http://host:port``.
        how: with what, how many, how fast.

    Raises:
        ServingError: not reachable, the model unknown, gone in the middle, or every request failed.
        UsageError: a name is needed, a number is out of range, or the samples do not fit.
    """
    from edgeproof.client.simulator import drive

    return drive(url, how)


def devices(named: Sequence[str] = ()) -> list[ListedDevice]:
    """The host, everything ``adb`` lists, and the named SSH targets.

    Args:
        named: ``ssh:user@host`` or ``ssh:user@host:port``; nothing is scanned.

    Raises:
        UsageError: a name is of no known kind.
    """
    from edgeproof.devices.discover import discover

    return discover(named)


def soak(
    artifact: str | Path,
    length: SoakLength,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    report: Report = lambda _: None,
) -> SoakReport:
    """Run an artifact on this host for long, and hold the last window against the first.

    Args:
        artifact: its file or folder.
        length: how long, in which windows.
        samples: npz or folder of inputs; None: seeded random ones.
        threads: of the runtime.
        report: takes a line of progress a window.

    Raises:
        ArtifactError: it cannot be opened, or its times cannot be had here.
        SamplesError: the samples cannot be read, or do not fit.
        UsageError: the time has no room for two windows.
    """
    from edgeproof.formats.registry import open_artifact
    from edgeproof.measure.soak import soak as soaked
    from edgeproof.model.samples import calls_of, read_calls, synthetic_samples

    with open_artifact(Path(artifact), threads=threads, timed=True) as session:
        if samples is not None:
            calls = read_calls(Path(samples), session.inputs)
        else:
            calls = calls_of(synthetic_samples(session.inputs, RANDOM_SAMPLES, SEED))
        return soaked(session, calls, artifact=str(artifact), length=length, report=report)
