"""The export process: loads the model once, writes its spines and the eager reference, and says which form failed why.

    python -m edgeproof.formats.exporting JOB.json

A process of its own, with a time limit: the user's code and ``torch.export`` run in it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.signature import Form
from edgeproof.errors import ConversionError, EdgeProofError
from edgeproof.formats.worker import die_with_parent

__all__ = ["ExportJob", "ExportResult", "FormResult", "export_model", "exported_before"]


class ExportJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to export."""

    model: str
    inputs: tuple[str, ...]
    user_samples: str | None
    trust: bool
    forms: tuple[Form, ...]
    samples: str
    """npz of representative samples in the signature's shapes."""
    held_out: str | None
    """npz whose samples the eager reference is computed on."""
    folder: str
    reference: str | None
    """Where the reference outputs go, as npz."""


class FormResult(msgspec.Struct, frozen=True, kw_only=True):
    """One form: exported, or why not."""

    form: Form
    reason: str | None = None
    remedy: str | None = None
    seconds: float = 0.0
    max_abs: float | None = None


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """Every form that was asked for."""

    forms: tuple[FormResult, ...]

    def failure(self, form: Form) -> FormResult | None:
        """The result of a form that cannot be converted, or None."""
        return next((one for one in self.forms if one.form == form and one.reason), None)


def export_model(job: ExportJob, *, seconds: float) -> ExportResult:
    """Run the export process.

    Raises:
        ConversionError: it crashed or ran out of time as a whole.
    """
    from edgeproof.formats.supervise import worker_environment

    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    request, answer, log = folder / "job.json", folder / "result.json", folder / "export.log"
    request.write_bytes(msgspec.json.encode(job))
    answer.unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeproof.formats.exporting", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=worker_environment(),
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ConversionError(
                f"torch.export was stopped after {seconds:.0f} s",
                hint="raise --limit-seconds, or lower the number of time steps in the graph",
            ) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
    if not answer.is_file():
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = log.read_text(errors="replace").strip().splitlines()
        raise ConversionError(f"the export process ended with {how}: {said[-1] if said else 'it said nothing'}")
    return msgspec.json.decode(answer.read_bytes(), type=ExportResult)


def exported_before(folder: Path) -> ExportResult | None:
    """What an earlier export process left in ``folder``, or None."""
    try:
        return msgspec.json.decode((folder / "result.json").read_bytes(), type=ExportResult)
    except (OSError, msgspec.MsgspecError):
        return None


def _serve(job: ExportJob) -> ExportResult:
    import numpy as np

    from edgeproof.model.eager import EagerSession, run_all
    from edgeproof.model.resolve import resolve
    from edgeproof.model.samples import load_arrays
    from edgeproof.model.spine import export_spine
    from edgeproof.rundir import atomic_path

    subject = resolve(job.model, inputs=job.inputs, samples=job.user_samples, trust=job.trust).subject
    if job.held_out and job.reference:
        outputs = run_all(EagerSession(subject), load_arrays(Path(job.held_out))[0])
        with atomic_path(Path(job.reference)) as path:
            np.savez(path, allow_pickle=False, **outputs)
    samples = load_arrays(Path(job.samples))[0]
    return ExportResult(forms=tuple(_one(subject, form, samples, job, export_spine) for form in job.forms))


def _one(subject, form: Form, samples, job: ExportJob, export_spine) -> FormResult:  # type: ignore[no-untyped-def]
    try:
        document = export_spine(subject, form, samples, Path(job.folder) / form, reference=job.model)
    except EdgeProofError as error:
        traceback.print_exc()
        return FormResult(form=form, reason=error.message, remedy=error.hint)
    except Exception as error:
        traceback.print_exc()
        said = " ".join(str(error).split())[:1000]
        return FormResult(form=form, reason=f"the export failed: {type(error).__name__}: {said}")
    return FormResult(form=form, seconds=document.seconds, max_abs=document.export_max_abs)


def main(arguments: Sequence[str]) -> None:
    """Read the job, write the result beside it."""
    die_with_parent()
    request = Path(arguments[0])
    job = msgspec.json.decode(request.read_bytes(), type=ExportJob)
    try:
        result = _serve(job)
    except EdgeProofError as error:
        traceback.print_exc()
        result = ExportResult(
            forms=tuple(FormResult(form=form, reason=error.message, remedy=error.hint) for form in job.forms)
        )
    request.with_name("result.json").write_bytes(msgspec.json.encode(result))


if __name__ == "__main__":
    main(sys.argv[1:])
