"""What the runner is told, as words of its command line, and what it tells: one JSON document, refused when it is
anything else."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value
from edgeproof.documents.conditions import Conditions
from edgeproof.documents.delegation import Delegation
from edgeproof.documents.environment import Machine
from edgeproof.documents.heat import Heat
from edgeproof.documents.held import Held

__all__ = ["RUNNER", "OutputSummary", "RunnerJob", "RunnerReport"]

RUNNER = "edgeproof.devices.runner"
"""The module that runs jobs: ``python -m edgeproof.devices.runner WORDS``."""


class RunnerJob(Value, frozen=True, kw_only=True):
    """One artifact in one fresh process. Paths are those of the machine that runs it."""

    artifact: str
    """The artifact's file or folder."""
    inputs: str
    """npz of samples: a key an input, sample axis first."""
    outputs: str | None = None
    """Where every sample's outputs go, as npz; None runs the first sample only."""
    limit: int | None = None
    """At most so many samples."""
    measure: int = 0
    """Timed calls after the warm-up."""
    warmup: int = 10
    """Calls before the timed ones; 30 or more go on until they are stable."""
    below: float | None = None
    """Degrees Celsius: wait until the device is as cool before anything is loaded, for ``wait`` seconds at most."""
    wait: float = 300.0
    """Seconds."""
    seconds: float | None = None
    """Cap on the timed stretch, and on running samples for their outputs."""
    pace: float | None = None
    """Seconds between the beginnings of timed calls; None: back to back."""
    hold: float | None = None
    """Seconds of back-to-back load after the timed calls, for a meter to see."""
    window: float | None = None
    """Seconds of one window of what is held; None: a twentieth of it, a minute at most."""
    threads: int = 1
    """Of the runtime."""
    memory_limit: int | None = None
    """Bytes of private memory, past which it fails."""
    variant: str | None = None
    """Another way to compute the same, as its format names it."""
    served: bool = False
    """Open it as a server does, with this processor's fast kernels, though its outputs are kept."""
    base: str | None = None
    """The same format's artifact that its weights are held against."""
    trust: bool = False
    """Whether an artifact of unknown origin may run code."""
    delegation: bool = False
    """Tell where its operators run, instead of running and timing it."""
    untimed: bool = False
    """Tell it without a profile."""
    json: str | None = None
    """Where the report goes; None: to stdout."""

    def words(self) -> list[str]:
        """The words of its command line: what differs from the default."""
        words = [self.artifact]
        for field in self.__struct_fields__[1:]:
            value = getattr(self, field)
            if value is not None and (field == "inputs" or value != getattr(_PLAIN, field)):
                words.append(f"--{field.replace('_', '-')}")
                if value is not True:
                    words.append(f"{value:g}" if isinstance(value, float) else str(value))
        return words


_PLAIN = RunnerJob(artifact="", inputs="")


class OutputSummary(Value, frozen=True):
    """One output over the samples that were run: a NaN or Inf is counted, never averaged away."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """Of one sample."""
    nan: int
    inf: int


class RunnerReport(Document, frozen=True, kw_only=True):
    """One artifact in one fresh process. ``error`` is set when it failed; the figures before the failure stay None.

    Times ending in ``_monotonic_ns`` are of the system's monotonic clock, which parent and child share on one machine.
    """

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.runner", 1)

    artifact: str
    error: str | None = None
    missing: bool = False
    """Whether it failed for want of a package, and the error says nothing of the artifact."""
    samples: int = 0
    """That were run; those that were read where no outputs were asked for."""
    threads: int | None = None
    cpus: tuple[int, ...] = ()
    """Cores that the process may run on."""
    ran_on: tuple[int, ...] = ()
    """Cores it was seen on when the timed calls began and ended, where it tells."""
    instructions: tuple[str, ...] = ()
    """Extensions of the processor that numpy found, by its names."""
    started_monotonic_ns: int | None = None
    started_unix_ns: int | None = None
    first_result_monotonic_ns: int | None = None
    first_result_unix_ns: int | None = None
    finished_unix_ns: int | None = None
    exec_to_first_ms: float | None = None
    """Process exec to first result; None when nobody recorded the exec."""
    load_ms: float | None = None
    """Opening the artifact, the runtime's import included."""
    first_inference_us: float | None = None
    waited_s: float = 0.0
    """For the device to cool down."""
    warmup: int = 0
    stable: bool | None = None
    """Whether the warm-up ended in medians that agree; None where it was a count of calls."""
    steady_us: tuple[float, ...] = ()
    steady_begin_unix_ns: int | None = None
    """Of the timed stretch, on the clock of the device."""
    steady_end_unix_ns: int | None = None
    held: Held | None = None
    """The load that was held; None where none was asked for."""
    heat: Heat | None = None
    """Seen beside the timed stretch and the held load."""
    cpu_percent: float | None = None
    baseline_memory_bytes: int | None = None
    """Resident before the artifact and its runtime were loaded; numpy is in it."""
    peak_memory_bytes: int | None = None
    temperature_before_c: float | None = None
    temperature_after_c: float | None = None
    throttled: bool | None = None
    conditions: tuple[Conditions, ...] = ()
    """Before and after it, where somebody looked from outside."""
    outputs: tuple[OutputSummary, ...] = ()
    storage_faults: tuple[str, ...] = ()
    """What is wrong with its weights, beside those it was told to hold them against."""
    cautions: tuple[str, ...] = ()
    """What keeps the answers of what stands in for a runtime from being its own."""
    degraded: str | None = None
    """Why its runtime has fallen back to slow kernels here; None where it has not."""
    delegations: tuple[Delegation, ...] = ()
    """Where its operators run, if that was asked."""
    machine: Machine | None = None
    """Where it ran; read after everything else."""
