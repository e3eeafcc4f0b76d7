"""What the command line does, as typed functions: load, convert, open, compare, run, resume.

A model may be a reference (``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``model.pt``), a
``torch.nn.Module`` or an ``edgeproof.Model``. Errors are those of ``edgeproof.errors``; nothing here prints or exits.
"""

from __future__ import annotations

from pathlib import Path

from edgeproof.errors import ModelReferenceError, UsageError

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt
    import torch

    from edgeproof.documents.conversion import ConversionDocument
    from edgeproof.documents.evaluation import EvaluationDocument
    from edgeproof.documents.validation import ValidationDocument
    from edgeproof.formats.base import Session
    from edgeproof.formats.supervise import Limits
    from edgeproof.model.eager import EagerSession
    from edgeproof.model.model import Model, Samples
    from edgeproof.model.resolve import Resolved
    from edgeproof.spike.runtime.session import NativeSession

    Arrays = Mapping[str, npt.NDArray[Any]]
    SomeSamples = str | Path | Samples | Arrays

    Report = Callable[[str], None]
    Progress = Callable[[str, str], None]

__all__ = ["compare", "convert", "load", "open", "resume", "run"]


def load(
    model: str | Path | Model | torch.nn.Module,
    *,
    inputs: Sequence[str] = (),
    samples: SomeSamples | None = None,
    trust: bool = False,
    threads: int = 1,
) -> EagerSession:
    """Load a model and open it eagerly: the reference that artifacts are held against.

    Args:
        model: a reference, a module or an ``edgeproof.Model``. A module is put into evaluation mode.
        inputs: ``NAME:dtype[shape]``, batch axis included, such as ``x:float32[1,64]``; wins over the model's own.
        samples: tell the signature where nothing else does: a folder or ``.npz``, ``edgeproof.Samples``, or arrays
            keyed by input name, sample axis first.
        trust: open TorchScript files; they run the code inside with your rights.
        threads: of PyTorch, in this process.

    Returns:
        a session: ``run({name: array})`` takes and gives arrays of exactly the shapes and dtypes in its ``inputs`` and
        ``outputs``. ``session.subject.signature`` tells of time steps, spikes and the score output.

    Raises:
        ModelReferenceError: the model cannot be found or loaded.
        SignatureError: its inputs are unknown, or it does not run on them.
        SamplesError: the samples cannot be read.
    """
    from edgeproof.model.eager import EagerSession

    return EagerSession(_resolve(model, inputs, samples, trust=trust).subject, threads=threads)


def convert(
    model: str | Path | Model | torch.nn.Module,
    out: str | Path,
    *,
    to: Sequence[str] = (),
    precision: Sequence[str] = (),
    inputs: Sequence[str] = (),
    samples: SomeSamples | None = None,
    trust: bool = False,
    limits: Limits | None = None,
    report: Report = lambda _: None,
) -> ConversionDocument:
    """Convert a model, as ``edgeproof convert`` does; every converter runs in a process of its own.

    A model that is a reference is also exported in a process of its own. One that lives in this process is exported
    here, so the limits hold for its converters and not for ``torch.export``.

    Args:
        model: as in ``load``.
        out: folder for the artifacts, one folder a candidate inside.
        to: formats, such as ``("onnx", "litert")``; empty: all.
        precision: ``fp32``, ``fp16``, ``int8``; empty: all. A pair that a format does not have is left out.
        inputs: as in ``load``.
        samples: as in ``load``; int8 needs samples, the model's or these.
        trust: as in ``load``.
        limits: wall seconds and resident bytes of one conversion; default 300 s, 8 GiB.
        report: told of each step, in words; called from other threads too.

    Returns:
        one result per candidate. A conversion that failed is a result with its reason, never an exception.

    Raises:
        UsageError: an unknown format or precision, or the model, its signature or its samples; ``out`` is a file.
    """
    from edgeproof.formats.supervise import Limits
    from edgeproof.phases.alone import convert_alone
    from edgeproof.phases.in_process import convert_here
    from edgeproof.phases.plan import select

    names, folder = select(to, precision), Path(out)
    if isinstance(model, str | Path) and (samples is None or isinstance(samples, str | Path)):
        return convert_alone(
            str(model),
            names,
            folder,
            inputs=tuple(inputs),
            samples=None if samples is None else str(samples),
            trust=trust,
            limits=limits,
            report=report,
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; expected a folder for the artifacts")
    resolved = _resolve(model, inputs, samples, trust=trust)
    return convert_here(resolved, names, folder, limits=limits or Limits(), report=report)


def open(artifact: str | Path, *, threads: int = 1) -> Session | NativeSession:
    """Open an artifact in its runtime.

    An engine of our own (``sdk-native``) opens with neither torch nor numpy, and takes and gives plain buffers such as
    ``array.array`` as well as arrays.

    Args:
        artifact: its file, or its folder with ``artifact.json``. A file alone is recognised by its suffix.
        threads: of the runtime, where it lets them be set.

    Returns:
        a session, to be used in a ``with`` block: ``run({name: array})`` takes and gives arrays of exactly the shapes
        and dtypes in its ``inputs`` and ``outputs``. Not thread-safe.

    Raises:
        ArtifactError: not there, damaged, or it cannot run on this machine.
        MissingDependency: its runtime is not installed.
    """
    from edgeproof.spike.runtime.session import NativeSession, engine_in

    library = engine_in(Path(artifact))
    if library is not None:
        return NativeSession(library)
    from edgeproof.formats.registry import open_artifact

    return open_artifact(Path(artifact), threads=threads)


def compare(
    model: str | Path | Model | torch.nn.Module,
    artifacts: str | Path | Sequence[str | Path],
    *,
    inputs: Sequence[str] = (),
    samples: SomeSamples | None = None,
    trust: bool = False,
    policy: str | Path | None = None,
    report: Report = lambda _: None,
) -> ValidationDocument:
    """Run artifacts and hold their outputs against the eager model, as ``edgeproof validate`` does.

    Args:
        model: as in ``load``.
        artifacts: one, or several; each runs in a fresh process.
        inputs: as in ``load``.
        trust: as in ``load``.
        samples: to compare on; default: the model's held-out ones, else its own, else random ones.
        policy: TOML with the thresholds; default: the built-in ones.
        report: told of each step, in words; called from other threads too.

    Returns:
        one result per artifact, in order: status, differences (formulas in ``edgeproof.differences.outputs``), task
        score. An artifact that cannot run is a result with its reason, never an exception.

    Raises:
        UsageError: the model, its signature, its samples, the policy, or no artifact.
        ArtifactError: the model itself fails on its samples.
    """
    from edgeproof.documents.evaluation import PolicyValue
    from edgeproof.phases.in_process import validate_here
    from edgeproof.verdict.policy import load_policy

    paths = [Path(artifacts)] if isinstance(artifacts, str | Path) else [Path(one) for one in artifacts]
    if not paths:
        raise UsageError("there is no artifact to compare")
    limits = (load_policy(Path(policy)) if policy is not None else PolicyValue()).difference
    resolved = _resolve(model, inputs, samples, trust=trust)
    title = str(model) if isinstance(model, str | Path) else resolved.subject.name
    return validate_here(resolved, title, paths, limits, report=report)


def run(
    model: str | Path,
    *,
    out: str | Path | None = None,
    inputs: Sequence[str] = (),
    samples: str | Path | None = None,
    held_out: str | Path | None = None,
    count: int = 256,
    seed: int = 0,
    synthetic: bool = False,
    policy: str | Path | None = None,
    candidates: Sequence[str] = (),
    devices: Sequence[str] = (),
    requests: int = 100,
    cold_starts: int = 5,
    trust: bool = False,
    limits: Limits | None = None,
    progress: Progress = lambda _title, _text: None,
) -> EvaluationDocument:
    """Take a model through all five phases, as ``edgeproof run`` does.

    A run can be resumed and repeated from its folder alone, so its model and samples are references and paths.

    Args:
        model: ``file.py:factory``, ``package.module:factory``, ``model.pt2`` or ``model.pt``.
        out: run folder, new or empty; default: ``bench_output/edge_phase_runs/<time>``.
        inputs: as in ``load``.
        samples: folder or ``.npz`` of representative samples; default: drawn from what the model brings.
        held_out: folder or ``.npz`` for validation and the task score; default: what the model brings.
        count: how many are drawn from the model's own.
        seed: of the draw.
        trust: as in ``load``.
        synthetic: use random input where there are no samples; no int8 verdict stands on it.
        policy: TOML with the thresholds of the verdict; default: the built-in policy.
        candidates: such as ``("sdk-eager", "onnx-int8")``; empty: all.
        devices: to measure on; empty: the host.
        requests: of the local proof.
        cold_starts: fresh servers of the local proof, per candidate.
        limits: as in ``convert``.
        progress: called with a phase's title and what it is doing.

    Returns:
        the evaluation: verdicts per device class, and the table of candidates. All else is in the run folder.

    Raises:
        UsageError: wrong use. RunFolderError: ``out`` is in use.
        EdgeProofError: a phase failed; the folder is kept and ``resume`` goes on with it.
    """
    from edgeproof.documents.manifest import RunOptions
    from edgeproof.formats.supervise import Limits
    from edgeproof.model.reference import parse_reference
    from edgeproof.pipeline import execute, new_run

    if not isinstance(model, str | Path):
        raise ModelReferenceError(
            f"a run needs a reference, not a {type(model).__name__}: it is resumed from its folder alone",
            hint="put the model into a function and give file.py:function",
        )
    bounds = limits or Limits()
    options = RunOptions(
        model=str(model),
        model_name=parse_reference(str(model)).name,
        inputs=tuple(inputs),
        samples=None if samples is None else str(samples),
        held_out=None if held_out is None else str(held_out),
        sample_count=count,
        seed=seed,
        synthetic=synthetic,
        policy=None if policy is None else str(policy),
        candidates=tuple(candidates),
        devices=tuple(devices),
        requests=requests,
        cold_starts=cold_starts,
        trust=trust,
        limit_seconds=bounds.seconds,
        limit_memory_bytes=bounds.memory_bytes,
    )
    return execute(new_run(options, None if out is None else Path(out)), progress)


def resume(folder: str | Path, *, progress: Progress = lambda _title, _text: None) -> EvaluationDocument:
    """Go on with a run that was stopped; phases that are done are not done again.

    Args:
        folder: the run folder.
        progress: as in ``run``.

    Raises:
        RunFolderError: it is no run folder, or a damaged one.
        EdgeProofError: a phase failed again.
    """
    from edgeproof.pipeline import execute
    from edgeproof.rundir import RunDir

    return execute(RunDir.open(Path(folder)), progress)


def _samples(samples: SomeSamples | None) -> Samples | None:
    from edgeproof.model.model import Samples

    if samples is None or isinstance(samples, Samples):
        return samples
    if isinstance(samples, str | Path):
        from edgeproof.model.samples import read_samples

        return read_samples(Path(samples))
    arrays = dict(samples)
    labels = arrays.pop("labels", None)
    return Samples(arrays, labels, origin="given by the caller")


def _resolve(
    model: str | Path | Model | torch.nn.Module, inputs: Sequence[str], samples: SomeSamples | None, *, trust: bool
) -> Resolved:
    from edgeproof.model.model import Model, parse_spec
    from edgeproof.model.reference import load_model
    from edgeproof.model.resolve import resolve_model

    if isinstance(model, str | Path):
        loaded = load_model(str(model), trust=trust)
    else:
        loaded = model if isinstance(model, Model) else Model(model, name=type(model).__name__.lower())
        loaded.module.eval()
    return resolve_model(loaded, tuple(parse_spec(text) for text in inputs), _samples(samples))
