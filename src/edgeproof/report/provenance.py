"""Where the figures come from: the model and samples in brief, the command, machine, seeds and versions."""

from __future__ import annotations

from collections.abc import Mapping

from edgeproof.documents.environment import Machine
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import TensorSpec
from edgeproof.report.content import Fact
from edgeproof.report.quantities import byte_size, significant

__all__ = ["brief", "machine_facts", "reproduce", "summary", "tensor_text", "told_once", "versions"]

SOURCES = {
    "model": "given by the model",
    "user": "given by the user",
    "representative": "the representative samples again, no held-out split was given",
    "synthetic": "synthetic",
}


def brief(evidence: Evidence) -> str:
    """What was run, on what, where and when, in one line."""
    parts = []
    if (samples := evidence.samples) is not None:
        signature = samples.signature
        steps = f", {signature.timesteps} time steps" if signature.timesteps else ""
        parts.append(f"{'spiking' if signature.spiking else 'dense'}{steps}")
        kind = "synthetic" if samples.synthetic else "labelled" if samples.held_out.labelled else "unlabelled"
        parts.append(f"{samples.held_out.count:,} {kind} samples")
    if (environment := evidence.environment) is not None:
        parts.append(environment.machine.cpu_model or f"{environment.machine.architecture} host")
    if evidence.manifest is not None:
        parts.append(evidence.manifest.created[:10])
        parts += ["a quick look"] if evidence.manifest.options.quick else []
    return " · ".join(parts) or "nothing was written yet"


def summary(evidence: Evidence) -> tuple[Fact, ...]:
    """Model, samples and machine in a few lines, for the head of the report."""
    lines = []
    if evidence.manifest is not None:
        lines.append(Fact("Run", f"{evidence.folder}, {evidence.manifest.created}"))
    if evidence.samples is not None:
        signature = evidence.samples.signature
        kind = "spiking" if signature.spiking else "dense"
        steps = f", {signature.timesteps} time steps" if signature.timesteps else ""
        ins = ", ".join(tensor_text(tensor) for tensor in signature.inputs)
        outs = ", ".join(tensor_text(tensor) for tensor in signature.outputs)
        lines.append(Fact("Model", f"{kind}{steps}: {ins} → {outs}"))
        lines += [Fact("Note", note) for note in signature.notes]
        lines.append(Fact("Samples", samples_text(evidence.samples)))
    if evidence.environment is not None:
        machine = evidence.environment.machine
        cpu = machine.cpu_model or f"unnamed {machine.architecture} processor"
        lines.append(Fact("Host", f"{cpu}, {machine.usable_cores} of {machine.logical_cores} cores"))
    return tuple(lines)


def tensor_text(tensor: TensorSpec) -> str:
    """``x float32[1, 64]``."""
    shape = ", ".join(str(size) for size in tensor.shape)
    return f"{tensor.name} {tensor.dtype}[{shape}]{' spikes' if tensor.kind == 'spikes' else ''}"


def samples_text(samples: SamplesDocument) -> str:
    kind = "synthetic" if samples.synthetic else "real"
    held_out = samples.held_out
    labels = "labelled" if held_out.labelled else "without labels"
    under = "; under-sampled, so int8 cannot pass" if samples.under_sampled else ""
    return (
        f"{samples.count:,} {kind} representative ({SOURCES[samples.source]}); "
        f"{held_out.count:,} {labels} for validation ({SOURCES[held_out.source]}){under}"
    )


def reproduce(evidence: Evidence) -> tuple[Fact, ...]:
    """The command, seeds and machine that give this run again."""
    lines = []
    manifest = evidence.manifest
    if manifest is not None:
        options = manifest.options
        lines += [
            Fact("Command", manifest.command, code=True),
            Fact("Working directory", manifest.working_directory, code=True),
            Fact("Started", manifest.created),
            Fact("Seed", str(options.seed)),
            Fact("Requests, cold starts", f"{options.requests} requests, {options.cold_starts} cold starts"),
        ]
    if evidence.samples is not None:
        lines.append(Fact("Samples from", evidence.samples.origin))
    if evidence.environment is not None:
        lines += machine_facts(evidence.environment.machine)
    return tuple(lines)


def machine_facts(machine: Machine) -> list[Fact]:
    """The machine; what the system does not tell is said so."""

    def told(value: object, unit: str = "") -> str:
        return f"{value}{unit}" if value is not None else "not told by the system"

    clock = significant(machine.max_mhz, 4) if machine.max_mhz is not None else None
    virtual = {True: "virtual", False: "physical", None: "not told by the system"}[machine.virtual]
    return [
        Fact("System", f"{machine.system} {machine.release}, {machine.architecture}, Python {machine.python}"),
        Fact("Processor", told(machine.cpu_model)),
        Fact("Cores", f"{machine.usable_cores} usable of {machine.logical_cores}"),
        Fact("Memory", byte_size(machine.memory_bytes)),
        Fact("Governor, clock", f"{told(machine.governor)}, {told(clock, ' MHz')}"),
        Fact("Machine", virtual),
        Fact("Temperature", told(machine.temperature_c, " °C")),
    ]


def versions(evidence: Evidence) -> tuple[Fact, ...]:
    """Installed packages and tools with their versions."""
    environment = evidence.environment
    if environment is None:
        return ()
    found = [Fact("edgeproof", environment.edgeproof, code=True)]
    found += [Fact(name, version, code=True) for name, version in sorted(environment.packages.items())]
    found += [
        Fact(tool.name, tool.version or "version not told", code=True)
        for tool in environment.tools
        if tool.path is not None
    ]
    return tuple(found)


def told_once(reasons: Mapping[str, str]) -> tuple[Fact, ...]:
    """What there is not, with the reason; what lacks for the same reason on one line."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in reasons.items():
        by_reason.setdefault(reason, []).append(label)
    return tuple(Fact("; ".join(labels), reason) for reason, labels in by_reason.items())
