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
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.signature import Form
from edgeproof.errors import ConversionError, EdgeProofError
from edgeproof.formats.worker import die_with_parent

__all__ = ["ExportJob", "ExportResult", "FormResult", "export_model", "exported_before"]

RESULT = "result.json"


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
    """Run the export process. A form that hangs or crashes it fails alone: the forms after it get a process anew.

    Args:
        seconds: for one process; what it finished by then is kept.

    Raises:
        ConversionError: it crashed or ran out of time before the first form.
    """
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    done: list[FormResult] = []
    waiting = job.forms
    while True:
        ended = _export_process(msgspec.structs.replace(job, forms=waiting), seconds)
        kept = exported_before(folder)
        if ended is not None and (kept is None or (job.reference and not Path(job.reference).is_file())):
            raise ended
        done += kept.forms if kept is not None else ()
        waiting = waiting[len(kept.forms) if kept is not None else 0 :]
        if ended is None or not waiting:
            break
        done.append(FormResult(form=waiting[0], reason=ended.message, remedy=ended.hint))
        waiting = waiting[1:]
        if not waiting:
            break
    result = ExportResult(forms=tuple(done))
    (folder / RESULT).write_bytes(msgspec.json.encode(result))
    return result


def _export_process(job: ExportJob, seconds: float) -> ConversionError | None:
    """One process; None when it came to its end, else how it ended. What it finished stands in its result file."""
    from edgeproof.formats.supervise import worker_environment

    folder = Path(job.folder)
    request, log = folder / "job.json", folder / "export.log"
    request.write_bytes(msgspec.json.encode(job))
    (folder / RESULT).unlink(missing_ok=True)
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
        except subprocess.TimeoutExpired:
            return ConversionError(
                f"torch.export was stopped after {seconds:.0f} s",
                hint="raise --limit-seconds, or lower the number of time steps in the graph",
            )
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
    if code == 0:
        return None
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    said = log.read_text(errors="replace").strip().splitlines()
    return ConversionError(f"the export process ended with {how}: {said[-1] if said else 'it said nothing'}")


def exported_before(folder: Path) -> ExportResult | None:
    """What an earlier export process left in ``folder``, or None."""
    try:
        return msgspec.json.decode((folder / RESULT).read_bytes(), type=ExportResult)
    except (OSError, msgspec.MsgspecError):
        return None


def _serve(job: ExportJob, finished: Callable[[ExportResult], None]) -> None:
    """Do the job; ``finished`` is told after the reference and after each form, with all forms so far."""
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
    results: tuple[FormResult, ...] = ()
    finished(ExportResult(forms=results))
    for form in job.forms:
        results = (*results, _one(subject, form, samples, job, export_spine))
        finished(ExportResult(forms=results))


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
    """Read the job; what is finished stands in the result file beside it at any moment."""
    from edgeproof.rundir import write_bytes

    die_with_parent()
    request = Path(arguments[0])
    job = msgspec.json.decode(request.read_bytes(), type=ExportJob)

    def finished(result: ExportResult) -> None:
        write_bytes(request.with_name(RESULT), msgspec.json.encode(result))

    try:
        _serve(job, finished)
    except EdgeProofError as error:
        traceback.print_exc()
        finished(
            ExportResult(
                forms=tuple(FormResult(form=form, reason=error.message, remedy=error.hint) for form in job.forms)
            )
        )


if __name__ == "__main__":
    main(sys.argv[1:])
