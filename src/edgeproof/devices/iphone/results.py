"""What the app told, read: reports as the runner makes them, and the outputs of each candidate."""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.documents.app import AppMeasured, AppReport
from edgeproof.documents.base import read_document
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import OutputSummary, RunnerReport
from edgeproof.errors import DocumentError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["machine_of", "outputs_of", "read_app_report", "reports_of"]


def read_app_report(path: Path) -> AppReport:
    """The document of one run of the app.

    Raises:
        DocumentError: it is none, or has figures that cannot be.
    """
    told = read_document(path, AppReport)
    for measured in told.candidates:
        values = (*measured.report.steady_us, *measured.paced_us)
        if not all(math.isfinite(value) and value > 0 for value in values):
            raise DocumentError(f"{path}: a latency of {measured.candidate} is not above zero")
    return told


def machine_of(told: AppReport) -> Machine:
    """The phone, as documents record a machine."""
    system, _, release = told.phone.system.partition(" ")
    return Machine(
        system=system,
        release=release or "unknown",
        architecture="arm64",
        cpu_model=told.phone.model,
        logical_cores=told.phone.cores,
        usable_cores=told.phone.cores,
        memory_bytes=told.phone.memory_bytes,
        python="none",
        governor=None,
        max_mhz=None,
        virtual=told.phone.simulator,
        temperature_c=None,
    )


def outputs_of(measured: AppMeasured) -> dict[str, npt.NDArray[np.float32]]:
    """Outputs by name, sample axis first.

    Raises:
        DocumentError: one holds no whole number of samples, or another number than the rest.
    """
    import numpy as np

    found: dict[str, npt.NDArray[np.float32]] = {}
    for output in measured.outputs:
        try:
            data = base64.b64decode(output.data, validate=True)
        except binascii.Error as error:
            raise DocumentError(f"the output {output.name} of {measured.candidate} is no base64") from error
        size = 4 * math.prod(output.shape)
        if not size or len(data) != size * measured.report.samples:
            raise DocumentError(
                f"the output {output.name} of {measured.candidate} has {len(data)} bytes; expected "
                f"{measured.report.samples} samples of {size}"
            )
        found[output.name] = np.frombuffer(data, "<f4").reshape(-1, *output.shape).astype(np.float32)
    return found


def reports_of(told: AppReport) -> dict[str, RunnerReport]:
    """A runner's report for each candidate, as of any other device; of the simulator without its times.

    Raises:
        DocumentError: as ``outputs_of``.
    """
    import numpy as np

    machine, reports = machine_of(told), {}
    for measured in told.candidates:
        summaries = tuple(
            OutputSummary(
                name=name,
                dtype="float32",
                shape=values.shape[1:],
                nan=int(np.isnan(values).sum()),
                inf=int(np.isinf(values).sum()),
            )
            for name, values in outputs_of(measured).items()
        )
        report = msgspec.structs.replace(measured.report, machine=machine, outputs=summaries)
        if told.phone.simulator:
            report = RunnerReport(
                artifact=report.artifact, error=report.error, samples=report.samples, machine=machine, outputs=summaries
            )
        reports[measured.candidate] = report
    return reports
