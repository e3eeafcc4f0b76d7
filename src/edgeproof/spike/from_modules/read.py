"""The network of a module: its wiring, with each layer and neuron as nodes.

Neurons keep their library's discrete form, so the network computes what the module does; ``as_nir`` turns them into
NIR's. It is told by trying: hold the network against the module before anything is built on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.from_modules import layers, norse, snntorch, spikingjelly
from edgeproof.spike.from_modules.loop import HINT, Loop, Tensors, watch_loop
from edgeproof.spike.from_modules.piece import Fold, Piece, Place, Reader, refuse
from edgeproof.spike.from_modules.watch import Foreign, Part, Use, Value, Wiring, watch
from edgeproof.spike.graph.network import Edge, Network, Node
from edgeproof.spike.graph.primitives import Affine, Conv1d, Conv2d, Delay, Flatten, Input, Linear, Output, Primitive
from edgeproof.spike.graph.semantics import InputCoding, Semantics

__all__ = ["Imported", "network_of", "network_of_loop"]

F = np.float32
LIBRARIES: Mapping[str, Mapping[str, Reader]] = {
    "torch": layers.READERS,
    "snntorch": snntorch.READERS,
    "spikingjelly": {**layers.READERS, **spikingjelly.READERS},
    "norse": norse.READERS,
}


@dataclass(frozen=True)
class Imported:
    """A network that was read.

    Attributes:
        network: its Inputs have the model's names.
        outputs: the Output of each output of the model that is in it.
        left_out: outputs of the model that are not in it, with the reason.
    """

    network: Network
    outputs: Mapping[str, str]
    left_out: Mapping[str, str]


def network_of(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    run: Callable[[], Mapping[str, torch.Tensor]],
    semantics: Semantics | None = None,
) -> Imported:
    """Read a module of snnTorch, SpikingJelly or Norse that computes one time step.

    Args:
        module: in evaluation mode, in its state before the first step.
        inputs: of one step, with a batch axis of 1; ``run`` must hand on these very tensors.
        run: computes the next step and gives its outputs by name.
        semantics: for the network; its neurons have rules of their own, delays take their time step from it.

    Raises:
        SpikeGraphError: a layer or neuron that has no counterpart, with its name; or values that come from elsewhere.
    """
    return _imported(watch(module, inputs, run, _is_known), semantics or Semantics())


def network_of_loop(
    module: torch.nn.Module, samples: Sequence[Tensors], call: Callable[[Tensors], Tensors], semantics: Semantics
) -> tuple[Imported, Loop]:
    """Read a module that loops over time by itself; ``semantics`` get its time steps and how it takes its input.

    Args:
        module, samples, call: as of ``loop.watch_loop``.
        semantics: its ``dt_s`` counts.

    Raises:
        SpikeGraphError: as ``network_of`` and ``watch_loop``.
    """
    loop = watch_loop(module, samples, call, _is_known)
    codings = {"constant" if axis is None else "events" for axis in loop.time_axes.values()}
    if len(codings) > 1:
        raise SpikeGraphError(
            f"of the inputs {', '.join(loop.time_axes)} some have time steps and some have none", hint=HINT
        )
    coding: Any = codings.pop()
    said = replace(semantics, timesteps=loop.timesteps, input_coding=InputCoding(coding))
    return _imported(loop.wiring, said, HINT), loop


def _is_known(module: torch.nn.Module) -> bool:
    return _reader(module) is not None


def _imported(wiring: Wiring, semantics: Semantics, hint: str | None = None) -> Imported:
    building = _Building(wiring, semantics)
    outputs: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name, value in wiring.outputs.items():
        if isinstance(value, Foreign):
            left_out[name] = f"it is {value.what}, and an output of a graph is what a layer or neuron gives"
        else:
            outputs[name] = building.output(name, value)
    if len(left_out) == len(wiring.outputs):
        raise SpikeGraphError("no output of the model is in the network: " + "; ".join(_listed(left_out)), hint=hint)
    return Imported(building.network(), outputs, left_out)


def _listed(reasons: Mapping[str, str]) -> list[str]:
    return [f"{name}: {reason}" for name, reason in reasons.items()]


def _reader(module: Any) -> Reader | None:
    """By the library that defines the class: a class of the user's own may compute something else."""
    kind = type(module)
    return LIBRARIES.get(kind.__module__.partition(".")[0], {}).get(kind.__name__)


class _Building:
    """Nodes and edges, from the outputs back to the inputs."""

    def __init__(self, wiring: Wiring, semantics: Semantics) -> None:
        self.wiring = wiring
        self.semantics = semantics
        self.nodes: dict[str, Node] = {
            name.replace("/", "_"): Input(shape or (1,)) for name, shape in wiring.inputs.items()
        }
        self.edges: list[Edge] = []
        self.exits: dict[str, str] = {name: name for name in self.nodes}
        self.modules: dict[int, str] = {}
        self.takers = _takers(wiring)

    def output(self, name: str, value: tuple[Part, ...]) -> str:
        free = name if name not in self.nodes else f"{name}_out"
        self.nodes[free] = Output(self._shape(value[0]))
        for source in self._sources(value, free):
            self.edges.append((source, free))
        return free

    def network(self) -> Network:
        """Nodes in the order in which the model calls them."""
        called = {name: number for number, name in enumerate(self.wiring.uses)}
        belongs = {name: called.get(name, called.get(name.rpartition(".")[0], -1)) for name in self.nodes}
        belongs |= {name: len(called) for name, node in self.nodes.items() if isinstance(node, Output)}
        nodes = {name: self.nodes[name] for name in sorted(self.nodes, key=belongs.__getitem__)}
        return Network(nodes, tuple(self.edges), self.semantics)

    def _shape(self, part: Part) -> tuple[int, ...]:
        return (
            self.wiring.uses[part.source].made if part.source in self.wiring.uses else self.wiring.inputs[part.source]
        )

    def _sources(self, value: Value, name: str) -> list[str]:
        """The nodes whose sum the value is; what came a step late comes through a Delay."""
        if isinstance(value, Foreign):
            raise SpikeGraphError(
                f"the layer {name!r} takes {value.what}",
                hint="put what is computed there into a layer that is known, or ship the model in another format",
            )
        if len(set(value)) < len(value):
            raise SpikeGraphError(f"the layer {name!r} takes the same value twice in a sum; NIR has no such edge")
        found = []
        for part in value:
            source = self._node(part.source)
            if part.step == 0:
                late = f"{part.source}_late"
                if late not in self.nodes:
                    self.nodes[late] = Delay(np.full(self._shape(part), self.semantics.dt_s))
                    self.edges.append((source, late))
                source = late
            found.append(source)
        return found

    def _node(self, name: str) -> str:
        """The node that gives what a use gave; made when it is first asked for."""
        if name in self.exits:
            return self.exits[name]
        use = self.wiring.uses[name]
        piece = self._piece(use)
        if isinstance(piece, Fold):
            self.exits[name] = self._folded(use, piece)
            return self.exits[name]
        if piece is None:
            sources = self._sources(use.value, name)
            if len(sources) != 1:
                raise SpikeGraphError(f"the layer {name!r} takes a sum and passes it on; put the sum after it")
            self.exits[name] = sources[0]
            return sources[0]
        names = {suffix: f"{name}.{suffix}" if suffix else name for suffix in piece.nodes}
        self.exits[name] = names[piece.exit]
        for suffix, node in piece.nodes.items():
            self.nodes[names[suffix]] = node
        for source in self._sources(use.value, name):
            self.edges.append((source, names[piece.entry]))
        self.edges += [(names[source], names[target]) for source, target in piece.edges]
        return self.exits[name]

    def _piece(self, use: Use) -> Piece | Fold | None:
        if use.module is None:
            return _flattening(use)
        place = Place(use.name, use.module, use.given, use.made)
        reader = _reader(use.module)
        if reader is None:
            library = type(use.module).__module__.partition(".")[0]
            known = LIBRARIES.get(library)
            refuse(
                place,
                f"has no counterpart in a network (it is defined in {type(use.module).__module__})",
                f"known of {library} are {', '.join(known)}"
                if known
                else f"use layers of PyTorch and neurons of {', '.join(name for name in LIBRARIES if name != 'torch')}",
            )
        piece = reader(place)
        if isinstance(piece, Piece) and piece.nodes.get("") is not None:
            first = self.modules.setdefault(id(use.module), use.name)
            if first != use.name and _remembers(use.module):
                refuse(place, "is called twice in a time step, so both calls would share its state")
        return piece

    def _folded(self, use: Use, fold: Fold) -> str:
        """A batch norm goes into the layer before it, if nothing else takes what that layer gives."""
        sources = self._sources(use.value, use.name)
        before = self.nodes[sources[0]] if len(sources) == 1 else None
        alone = len(sources) == 1 and self.takers.get(sources[0], 0) == 1
        if not (isinstance(before, Linear | Affine | Conv1d | Conv2d) and alone):
            refuse(
                Place(use.name, use.module, use.given, use.made),
                "normalises what comes from no single linear layer or convolution",
                "put it right after the layer whose values it normalises",
            )
        self.nodes[sources[0]] = _scaled(before, fold)
        return sources[0]


def _takers(wiring: Wiring) -> dict[str, int]:
    values = [use.value for use in wiring.uses.values()] + list(wiring.outputs.values())
    found: dict[str, int] = {}
    for value in values:
        for part in () if isinstance(value, Foreign) else value:
            found[part.source] = found.get(part.source, 0) + 1
    return found


def _scaled(node: Linear | Affine | Conv1d | Conv2d, fold: Fold) -> Primitive:
    weight = np.asarray(node.weight, np.float64) * fold.factor.reshape(-1, *(1,) * (node.weight.ndim - 1))
    bias = fold.offset if isinstance(node, Linear) else np.asarray(node.bias, np.float64) * fold.factor + fold.offset
    if isinstance(node, Linear):
        return Affine(weight.astype(F), bias.astype(F))
    return replace(node, weight=weight.astype(F), bias=bias.astype(F))


def _flattening(use: Use) -> Piece:
    """A change of shape that joins neighbouring axes."""
    before, after = use.given, use.made
    gone = len(before) - len(after)
    for first in range(len(after)):
        last = first + gone
        joined = int(np.prod(before[first : last + 1]))
        if gone > 0 and (*before[:first], joined, *before[last + 1 :]) == after:
            return Piece.of(Flatten(first, last, before))
    raise SpikeGraphError(f"values of {before} are reshaped to {after}; NIR can join neighbouring axes only")


def _remembers(module: Any) -> bool:
    return type(module).__name__ not in layers.READERS
