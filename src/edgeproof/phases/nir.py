"""A MODEL as a NIR graph in a file, and the proof that the file computes what the model does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.evaluation import DifferenceLimits
from edgeproof.documents.nir import NirCheck, NirDocument, NirNode, NirOutput
from edgeproof.documents.signature import Readout, Signature
from edgeproof.errors import ConversionError, SignatureError, UsageError
from edgeproof.model.coding import coding_of, ready
from edgeproof.model.model import Samples
from edgeproof.model.resolve import Resolved, resolve
from edgeproof.model.samples import resolve_pool, synthetic_samples
from edgeproof.model.subject import Subject, make_subject
from edgeproof.rundir import atomic_path
from edgeproof.spike.as_nir import NirVersion, as_nir
from edgeproof.spike.discretise import is_stateful
from edgeproof.spike.divergence import explain_divergence
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower
from edgeproof.spike.network import Network
from edgeproof.spike.nir_file import read, write
from edgeproof.spike.plan import Plan, plan_of
from edgeproof.spike.primitives import Input, Primitive
from edgeproof.spike.reference import run
from edgeproof.spike.semantics import Semantics

if TYPE_CHECKING:
    import torch

    from edgeproof.spike.from_modules.loop import Loop
    from edgeproof.spike.from_modules.read import Imported

__all__ = ["write_nir"]

Array = npt.NDArray[Any]
DT_S = 1e-4
SEED = 0
LOOP_SAMPLES = 8
READOUTS: Mapping[Readout, str] = {
    "stack": "its values of all time steps",
    "sum": "the sum over the time steps",
    "mean": "the mean over the time steps",
    "last": "its value of the last time step",
}


@dataclass(frozen=True)
class _Graph:
    """A network beside the model: which node is which input and output of it, in the model's words."""

    exact: Network | None
    version: NirVersion
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    left_out: Mapping[str, str]
    readouts: Mapping[str, Readout]
    """How the model gives an output: every step's, or what it makes of them."""
    batch_axes: Mapping[str, int]
    """Of each input of the model, without the sample axis."""

    @property
    def timesteps(self) -> int:
        """Of a call."""
        return self.version.network.semantics.timesteps or 1


def write_nir(
    model: str,
    out: Path,
    *,
    inputs: tuple[str, ...] = (),
    samples: str | None = None,
    trust: bool = False,
    dt_s: float | None = None,
    check: int = 64,
    report: Callable[[str], None] = lambda _: None,
) -> NirDocument:
    """Write MODEL's graph to ``out``, read it back, and run it beside the model.

    Args:
        model: MODEL; its module computes one time step, or loops over them by itself.
        out: the file; it must not be there.
        inputs, samples, trust: as everywhere.
        dt_s: seconds in a time step; None: Norse's own, else 1e-4.
        check: on how many samples the file is held against the model.
        report: told what is being done.

    Raises:
        UsageError: MODEL, its signature or samples; ``out`` exists.
        SpikeGraphError: a layer or neuron that has no counterpart in NIR, with its name.
        ConversionError: the file computes something else than the model; it is not kept.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it first")
    report(f"loading {model}")
    resolved = resolve(model, inputs=inputs, samples=samples, trust=trust)
    subject = _stacked(resolved.subject)
    chosen = _samples(resolved, check)
    graph = _graph(subject, chosen, dt_s)
    with atomic_path(out) as path:
        write(path, graph.version.network)
        network = read(path)
        report(f"running the file and the model on {chosen.count} samples")
        checked = _checked(subject, graph, network, chosen)
        size = path.stat().st_size
        if not all(one.passed for one in checked.outputs):
            raise ConversionError(
                f"the graph does not compute what the model does: {_shares(checked)}; {checked.difference}",
                hint="ship the model in another format, and say which layer of it is computed otherwise",
            )
    plan = plan_of(network)
    semantics = network.semantics
    return NirDocument(
        model=model,
        graph=str(out),
        bytes=size,
        nodes=tuple(
            NirNode(name=name, kind=type(node).__name__, shape=plan.structure.shapes[name])
            for name, node in plan.structure.nodes.items()
        ),
        semantics=_answers(semantics),
        statement=semantics.statement(),
        choices=graph.version.choices,
        left_out=dict(graph.left_out),
        check=checked,
    )


def _stacked(subject: Subject) -> Subject:
    """The subject with every step's outputs instead of their sum; one that loops by itself as it is."""
    model = subject.model
    if model.timesteps is None:
        return subject
    return make_subject(replace(model, readout="stack", score_output=None), subject.signature.inputs)


def _samples(resolved: Resolved, count: int) -> Samples:
    """Of the user's, the held-out or the representative ones, evenly chosen; failing all, random input."""
    model, specs = resolved.subject.model, resolved.subject.signature.inputs
    source = resolved.user_samples or resolve_pool(model.held_out) or resolve_pool(model.samples)
    if source is None:
        return synthetic_samples(specs, count, SEED)
    chosen, _ = ready(model, source.take(np.unique(np.linspace(0, source.count - 1, count).astype(int))), specs)
    return chosen


def _graph(subject: Subject, samples: Samples, dt_s: float | None) -> _Graph:
    from edgeproof.model.nir_module import NetworkModule

    module, signature = subject.model.module, subject.signature
    names_in, names_out = ([one.name for one in specs] for specs in (signature.inputs, signature.outputs))
    if isinstance(module, NetworkModule):
        network = module.network if dt_s is None else _with(module.network, dt_s=dt_s)
        pairs = dict(zip(names_in, module.inputs, strict=True)), dict(zip(names_out, module.outputs, strict=True))
        return _Graph(None, NirVersion(network, ()), *pairs, {}, *_steps_of_ours(subject))
    _check_real(signature)
    seconds = dt_s or _norse_dt(module) or DT_S
    if subject.model.timesteps is None:
        found, loop = _read_loop(subject, samples, Semantics(dt_s=seconds))
        axes = {name: 0 if axis is None else 1 - axis for name, axis in loop.time_axes.items()}
        called: tuple[Mapping[str, Readout], Mapping[str, int]] = loop.readouts, axes
        seen = [f"the module loops by itself: its layers are called in turns, {loop.timesteps} times"]
        seen += [f"{name}: {READOUTS[how]}" for name, how in loop.readouts.items()]
    else:
        semantics = Semantics(dt_s=seconds, input_coding=coding_of(subject.model), timesteps=subject.model.timesteps)
        found, called, seen = _read(subject, samples, semantics), _steps_of_ours(subject), []
    structure = plan_of(found.network).structure
    pairs = dict(zip(names_in, structure.named(Input), strict=True)), dict(found.outputs)
    version = as_nir(found.network)
    version = replace(version, choices=(*seen, *version.choices))
    return _Graph(found.network, version, *pairs, found.left_out, *called)


def _steps_of_ours(subject: Subject) -> tuple[Mapping[str, Readout], Mapping[str, int]]:
    """How a module of one time step gives its outputs and takes its inputs."""
    axis = 1 if subject.model.encoding == "sequence" else 0
    every: Readout = "stack"
    return (
        dict.fromkeys((one.name for one in subject.signature.outputs), every),
        dict.fromkeys((one.name for one in subject.signature.inputs), axis),
    )


def _check_real(signature: Signature) -> None:
    odd = [spec.name for spec in (*signature.inputs, *signature.outputs) if spec.dtype != "float32"]
    if odd:
        raise SignatureError(f"{', '.join(odd)} is not float32, and a graph of NIR computes with real numbers")


def _read(subject: Subject, samples: Samples, semantics: Semantics) -> Imported:
    import torch

    from edgeproof.model.forms import caller
    from edgeproof.model.outputs import flatten_output
    from edgeproof.spike.from_modules.read import network_of

    model, signature = subject.model, subject.signature
    names = [spec.name for spec in signature.inputs]
    steps = model.encoding == "sequence"
    now = [
        torch.from_numpy(np.array(samples.inputs[name][0][0] if steps else samples.inputs[name][0])) for name in names
    ]
    carried: Any = model.initial_state

    def step() -> dict[str, torch.Tensor]:
        nonlocal carried
        if model.explicit_state:
            output, carried = model.module(*now, carried)
        else:
            output = caller(model.module, names)(now)
        tensors = [tensor for _, tensor in flatten_output(output)]
        return dict(zip([spec.name for spec in signature.outputs], tensors, strict=True))

    with subject.state.fresh():
        return network_of(model.module, dict(zip(names, now, strict=True)), step, semantics)


def _read_loop(subject: Subject, samples: Samples, semantics: Semantics) -> tuple[Imported, Loop]:
    """The time step of a module that loops by itself; some samples tell its outputs apart."""
    import torch

    from edgeproof.model.forms import caller
    from edgeproof.model.outputs import flatten_output
    from edgeproof.spike.from_modules.read import network_of_loop

    names = [spec.name for spec in subject.signature.inputs]
    outputs = [spec.name for spec in subject.signature.outputs]

    def call(inputs: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        with subject.state.fresh():
            output = caller(subject.model.module, names)([inputs[name] for name in names])
        return dict(zip(outputs, [tensor for _, tensor in flatten_output(output)], strict=True))

    few = [
        {name: torch.from_numpy(np.array(samples.inputs[name][index])) for name in names}
        for index in range(min(samples.count, LOOP_SAMPLES))
    ]
    return network_of_loop(subject.model.module, few, call, semantics)


def _with(network: Network, **changes: Any) -> Network:
    return Network(network.nodes, network.edges, replace(network.semantics, **changes))


def _norse_dt(module: torch.nn.Module) -> float | None:
    """The time step of Norse's cells: its time constants are in seconds, those of the other libraries in steps."""
    for part in module.modules():
        if type(part).__module__.partition(".")[0] == "norse" and "dt" in vars(part):
            return float(vars(part)["dt"])
    return None


def _checked(subject: Subject, graph: _Graph, network: Network, samples: Samples) -> NirCheck:
    """Every output of the file against the model's, on every sample."""
    from edgeproof.model.eager import EagerSession, run_all

    eager = run_all(EagerSession(subject), samples.inputs)
    plan = plan_of(network)
    timesteps = graph.timesteps
    readouts = {node: graph.readouts[name] for name, node in graph.outputs.items()}
    program = lower(network, timesteps, readouts)
    found: dict[str, list[Array]] = {name: [] for name in graph.outputs}
    for index in range(samples.count):
        results = interpret(program, _given(graph, samples, index, repeated=None))
        for name, node in graph.outputs.items():
            made = results[node]
            found[name].append(made if graph.readouts[name] == "stack" else made[None])
    outputs, difference = [], None
    for name, node in graph.outputs.items():
        theirs = eager[name].reshape(np.shape(found[name]))
        ours = np.stack(found[name])
        outputs.append(_compared(name, theirs, ours, spikes=_spiking(plan, node) and graph.readouts[name] != "mean"))
        if difference is None and outputs[-1].equal < outputs[-1].values:
            difference = _explained(graph, samples, name, theirs, ours, timesteps)
    return NirCheck(
        samples=samples.count, origin=samples.origin, timesteps=timesteps, outputs=tuple(outputs), difference=difference
    )


def _given(graph: _Graph, samples: Samples, index: int, *, repeated: int | None) -> dict[str, Array]:
    """A sample for the graph, by its nodes' names and without the batch axis; repeated so many times where told."""
    sequence = graph.version.network.semantics.input_coding.kind != "constant"
    given = {}
    for name, node in graph.inputs.items():
        one = np.take(samples.inputs[name][index], 0, axis=graph.batch_axes[name])
        given[node] = np.repeat(one[None], repeated, axis=0) if repeated and not sequence else one
    return given


def _compared(name: str, theirs: Array, ours: Array, *, spikes: bool) -> NirOutput:
    """Spikes by their counts over the steps, other outputs by all values. Arrays are [samples, steps or 1, ...]."""
    limits = DifferenceLimits()
    if spikes:
        equal = theirs.sum(axis=1) == ours.sum(axis=1)
        share = float(equal.mean())
        passed = share >= limits.spike_agreement_fp32
        return NirOutput(
            name=name, spikes=True, values=equal.size, equal=int(equal.sum()), agreement=share, passed=passed
        )
    same = theirs == ours
    size = float(np.linalg.norm(theirs.astype(np.float64)))
    apart = float(np.linalg.norm(theirs.astype(np.float64) - ours))
    relative = apart / size if size else (0.0 if apart == 0 else float("inf"))
    return NirOutput(
        name=name,
        spikes=False,
        values=same.size,
        equal=int(same.sum()),
        agreement=float(same.mean()),
        relative_l2=relative,
        passed=relative <= limits.fp32,
    )


def _spiking(plan: Plan, output: str) -> bool:
    from edgeproof.model.nir_model import brings_spikes

    return brings_spikes(plan, output)


def _explained(graph: _Graph, samples: Samples, name: str, theirs: Array, ours: Array, timesteps: int) -> str:
    """Where the first sample that differs parts: in the neurons' form, or in PyTorch's order of sums."""
    index = int(np.flatnonzero([not np.array_equal(a, b) for a, b in zip(theirs, ours, strict=True)])[0])
    where = f"sample {index}, output {name}"
    if graph.exact is not None:
        given = _given(graph, samples, index, repeated=timesteps)
        neurons = [node for node, one in graph.exact.nodes.items() if isinstance(one, Primitive) and is_stateful(one)]
        as_it_is = run(graph.exact, given, trace=neurons).traces
        as_nir_has_it = run(graph.version.network, given, trace=neurons).traces
        parted = [
            (found.step, order, node, found.text)
            for order, node in enumerate(neurons)
            if (found := explain_divergence(as_it_is[node], as_nir_has_it[node])) is not None
        ]
        if parted:
            _, _, node, text = min(parted)
            return f"{where}: NIR's form of {node} rounds otherwise than the library's: {text}"
    found = explain_divergence(theirs[index], ours[index])
    return f"{where}: PyTorch adds in another order: {found.text if found else 'no value differs'}"


def _shares(check: NirCheck) -> str:
    return ", ".join(
        f"{one.name} has {one.agreement:.2%} equal {'spike counts' if one.spikes else 'values'}"
        for one in check.outputs
    )


def _answers(semantics: Semantics) -> dict[str, str]:
    return {
        "reset": semantics.reset,
        "when": "one step later" if semantics.reset_delay else "in the step that fires",
        "fires": f"v {semantics.threshold_operator} threshold",
        "time step": f"{semantics.dt_s:g} s",
        "integration": semantics.integration,
        "input": f"{semantics.input_coding}, time axis {semantics.time_axis}",
        "time steps of a call": "not said" if semantics.timesteps is None else str(semantics.timesteps),
    }
