"""Random networks of every primitive and every neuron model, with branches, loops and delays; and inputs for them.

Half of the numbers are multiples of 1/8, so that membranes meet thresholds exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.primitives import (
    IF,
    LI,
    LIF,
    NIR_PRIMITIVES,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Input,
    Linear,
    MaxPool2d,
    Neuron,
    Output,
    Primitive,
    Scale,
    SumPool2d,
    Threshold,
)
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.graph.shapes import output_shape
from edgeproof.spike.neurons.adaptive import ALIFParams, LSNNParams
from edgeproof.spike.neurons.discrete import AlphaParams, LeakyParams, SynapticParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.izhikevich import IzhikevichParams
from edgeproof.spike.neurons.models import MODELS
from edgeproof.spike.neurons.norse import NorseLIFBoxParams, NorseLIFParams, NorseLIParams
from edgeproof.spike.neurons.spikingjelly import CubaNodeParams, LIFNodeParams, PLIFNodeParams

DT = 1e-4
KINDS = {*NIR_PRIMITIVES, *MODELS, "MaxPool2d"} - {"Input", "Output"}
STEPS = 24


class Draw:
    """Numbers for nodes."""

    def __init__(self, seed: int, *, nir: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.nir = nir

    def whether(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def one_of(self, *choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def numbers(self, *shape: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
        found = self.random.normal(0, scale, shape)
        return np.round(found * 8) / 8 if self.whether(0.5) else found.astype(np.float32)

    def each(self, shape: tuple[int, ...], low: float, high: float) -> np.ndarray[Any, Any]:
        """One number a neuron, or (in a library's own form) the same for all or for a channel."""
        few: tuple[int, ...] = shape if self.nir else self.one_of((), shape, (shape[0], *(1,) * (len(shape) - 1)))
        found = self.random.uniform(low, high, few)
        return np.asarray(np.round(found * 8) / 8 if self.whether(0.5) else found)

    def firing(self, shape: tuple[int, ...]) -> Firing:
        reset, operator = self.one_of("zero", "subtract", "none"), self.one_of(">", ">=")
        return Firing(self.each(shape, 0.5, 1.5), self.each(shape, -0.5, 0), reset, self.one_of(0, 1), operator)


def _library(draw: Draw, model: str, shape: tuple[int, ...]) -> Any:
    def share() -> Any:
        return draw.each(shape, 0.125, 0.875)

    reset, delay = draw.one_of("zero", "subtract", "none"), draw.one_of(0, 1)
    made: dict[str, Callable[[], Any]] = {
        "snntorch.Leaky": lambda: LeakyParams(share(), share(), reset, delay, share(), draw.whether(0.5)),
        "snntorch.Synaptic": lambda: SynapticParams(share(), share(), share(), reset, delay),
        "snntorch.Alpha": lambda: AlphaParams(0.75, 0.25, share(), share(), reset),
        "spikingjelly.LIFNode": lambda: LIFNodeParams(
            draw.each(shape, 1.25, 4), draw.each(shape, -0.5, 0), draw.whether(0.5), draw.firing(shape)
        ),
        "spikingjelly.ParametricLIFNode": lambda: PLIFNodeParams(
            share(), draw.each(shape, -0.5, 0), draw.whether(0.5), draw.firing(shape)
        ),
        "spikingjelly.CUBALIFNode": lambda: CubaNodeParams(share(), share(), draw.firing(shape)),
        "norse.LI": lambda: NorseLIParams(share(), share(), draw.each(shape, -0.5, 0.5)),
        "norse.LIF": lambda: NorseLIFParams(share(), share(), draw.each(shape, -0.5, 0.5), draw.firing(shape)),
        "norse.LIFBox": lambda: NorseLIFBoxParams(share(), draw.each(shape, -0.5, 0.5), draw.firing(shape)),
        "norse.LSNN": lambda: LSNNParams(
            share(), share(), share(), 0.0, share(), draw.each(shape, -0.5, 0), draw.each(shape, 0, 2)
        ),
        "ALIF": lambda: ALIFParams(share(), share(), share(), draw.firing(shape)),
        "Izhikevich": lambda: IzhikevichParams(0.5, 0.01, 0.2, -65.0, 8.0, -70.0, -14.0),
    }
    return made[model]()


def _nir_neuron(draw: Draw, kind: type[Primitive], shape: tuple[int, ...]) -> Primitive:
    ranges = {
        "tau": (DT, 8 * DT), "tau_syn": (DT, 8 * DT), "tau_mem": (DT, 8 * DT), "r": (0.5, 2.0), "v_leak": (-0.5, 0.5),
        "v_threshold": (0.5, 1.5), "v_reset": (-0.5, 0.25), "w_in": (0.5, 2.0),
    }  # fmt: skip
    values = {name: draw.each(shape, *ranges[name]) for name in kind.__dataclass_fields__ if not name.startswith("tau")}
    values |= {
        name: draw.random.uniform(*ranges[name], shape) for name in kind.__dataclass_fields__ if name.startswith("tau")
    }
    if kind in (I, IF):
        values["r"] = values["r"] / DT
    return kind(**values)


def node_of(draw: Draw, kind: str, shape: tuple[int, ...]) -> Primitive | None:
    """A node of that kind for an input of that shape, or None where there is none."""
    if kind in MODELS and kind not in NIR_PRIMITIVES:
        return Neuron(kind, _library(draw, kind, shape))
    for nir_kind in (I, IF, LI, LIF, CubaLI, CubaLIF):
        if kind == nir_kind.__name__:
            return _nir_neuron(draw, nir_kind, shape)
    if kind in ("Linear", "Affine"):
        outputs = int(draw.random.integers(1, 9))
        weight = draw.numbers(*shape[:-1], outputs, shape[-1], scale=1.0)
        return Linear(weight) if kind == "Linear" else Affine(weight, draw.numbers(*shape[:-1], outputs))
    if kind == "Scale":
        return Scale(draw.numbers(*shape))
    if kind == "Threshold":
        return Threshold(draw.each(shape, -0.5, 1.0))
    if kind == "Delay":
        steps = draw.one_of(np.full(shape, draw.random.integers(0, 4)), draw.random.integers(0, 4, shape))
        return Delay(steps * DT)
    if kind == "Flatten" and len(shape) > 1:
        return Flatten(*draw.one_of((0, -1), (0, 1), (len(shape) - 2, len(shape) - 1)))
    if kind == "Conv1d" and len(shape) == 2:
        groups, taps = draw.one_of(1, shape[0]), int(draw.random.integers(1, min(4, shape[1] + 1)))
        weight = draw.numbers(2 * groups, shape[0] // groups, taps, scale=0.7)
        padding = draw.one_of("same", "valid", 0, 1, 2)
        stride = 1 if padding == "same" else draw.one_of(1, 2)
        return Conv1d(weight, draw.numbers(2 * groups), stride, padding, draw.one_of(1, 1, 2), groups)
    if kind == "Conv2d" and len(shape) == 3:
        groups = draw.one_of(1, shape[0])
        taps = [int(draw.random.integers(1, min(4, size + 1))) for size in shape[1:]]
        weight = draw.numbers(2 * groups, shape[0] // groups, *taps, scale=0.5)
        padding = draw.one_of("same", "valid", (0, 1), (2, 0), (1, 1))
        stride = (1, 1) if padding == "same" else draw.one_of((1, 1), (2, 1), (2, 2))
        dilation = draw.one_of((1, 1), (1, 1), (2, 1), (3, 2))
        return Conv2d(weight, draw.numbers(2 * groups), stride, padding, dilation, groups)
    if kind in ("SumPool2d", "AvgPool2d", "MaxPool2d") and len(shape) == 3:
        pool = {"SumPool2d": SumPool2d, "AvgPool2d": AvgPool2d, "MaxPool2d": MaxPool2d}[kind]
        return pool(
            draw.one_of((2, 2), (3, 2), (1, 2)), draw.one_of((1, 1), (2, 2), (1, 2)), draw.one_of((0, 0), (0, 1))
        )
    return None


def random_network(seed: int, *, nir: bool = False) -> tuple[Network, dict[str, np.ndarray[Any, Any]]]:
    """A network and inputs of ``STEPS`` time steps by name.

    Args:
        seed: each another network; kinds of nodes take turns, so that some dozens of seeds hold all of them.
        nir: only what NIR has.
    """
    draw = Draw(seed, nir=nir)
    semantics = Semantics(
        draw.one_of("zero", "subtract", "none"),
        draw.one_of(0, 1),
        draw.one_of(">", ">="),
        DT,
        draw.one_of("euler", "exponential"),
        input_coding=InputCoding(),
    )
    shape = draw.one_of((7,), (5, 3), (2, 11), (2, 7, 6), (3, 5, 8), (4, 6, 6))
    nodes: dict[str, Primitive] = {"x": Input(shape)}
    edges = [*_chain(draw, nodes, seed)]
    shapes = _shapes(nodes, edges)
    last = list(nodes)[-1]
    _branch(draw, nodes, edges, shapes)
    nodes["y"] = Output(shapes[last])
    edges.append((last, "y"))
    if draw.whether(0.3):
        inside = draw.one_of(*shapes)
        nodes["z"] = Output(shapes[inside])
        edges.append((inside, "z"))
    inputs = {}
    for name, node in nodes.items():
        if isinstance(node, Input):
            spikes = draw.random.random((STEPS, *node.shape)) < draw.one_of(0.05, 0.3, 0.8)
            inputs[name] = spikes.astype(np.float32) if draw.whether(0.5) else draw.numbers(STEPS, *node.shape)
    return Network(nodes, tuple(edges), semantics), inputs


def _chain(draw: Draw, nodes: dict[str, Primitive], seed: int) -> list[tuple[str, str]]:
    kinds = [kind for kind in sorted(KINDS) if not draw.nir or kind in NIR_PRIMITIVES]
    last, shape = next((name, node.shape) for name, node in nodes.items() if isinstance(node, Input))
    edges = []
    for number in range(int(draw.random.integers(2, 8))):
        for attempt in range(40):
            kind = kinds[(seed + number) % len(kinds)] if attempt == 0 else draw.one_of(*kinds)
            node = node_of(draw, kind, shape)
            try:
                after = None if node is None else output_shape(node, shape, kind)
            except ValueError:
                continue
            except Exception as error:
                if type(error).__name__ != "SpikeGraphError":
                    raise
                continue
            if node is not None and after is not None and np.prod(after) <= 600:
                name = f"n{number}_{kind.replace('.', '_').lower()}"
                nodes[name] = node
                edges.append((last, name))
                last, shape = name, after
                break
    return edges


def _shapes(nodes: dict[str, Primitive], edges: list[tuple[str, str]]) -> dict[str, tuple[int, ...]]:
    shapes = {name: node.shape for name, node in nodes.items() if isinstance(node, Input)}
    for source, target in edges:
        shapes[target] = output_shape(nodes[target], shapes[source], target)
    return shapes


def _branch(
    draw: Draw, nodes: dict[str, Primitive], edges: list[tuple[str, str]], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Shortcuts forward, loops over a Linear or over nothing, and a second input."""
    names = list(shapes)
    for source, target in list(edges):
        brought = shapes[source]
        for other in names:
            forward = names.index(other) < names.index(target)
            if other != source and shapes[other] == brought and forward and draw.whether(0.15):
                edges.append((other, target))
        if type(nodes[target]).__name__ in ("IF", "LIF", "CubaLIF", "Neuron", "LI") and draw.whether(0.4):
            count = shapes[target]
            if draw.whether(0.5) and len(count) == 1:
                back = f"{target}_back"
                nodes[back] = Affine(draw.numbers(brought[-1], count[-1], scale=0.4), draw.numbers(brought[-1]))
                shapes[back] = brought
                edges += [(target, back), (back, target)]
            else:
                edges.append((target, target))
    if draw.whether(0.2):
        target = draw.one_of(*(target for _, target in edges))
        nodes["w"] = Input(next(shapes[source] for source, end in edges if end == target))
        edges.append(("w", target))
