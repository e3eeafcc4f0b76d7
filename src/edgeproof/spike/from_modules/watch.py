"""How a module is wired: one time step is run and watched, which tensor goes from which layer into which.

Layers and neurons are watched from outside; between them only what moves, joins or adds values is understood. Two steps
are run, and the second is read: what it takes from the first has come a step late.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils import _pytree as pytree

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import Shape

__all__ = ["Foreign", "Part", "Use", "Value", "Watching", "Wiring", "leaves", "tensors", "watch"]

PASSING = frozenset(("alias", "clone", "contiguous", "detach", "float", "requires_grad_", "to"))
RESHAPING = frozenset(("flatten", "reshape", "squeeze", "unsqueeze", "view"))
ADDING = frozenset(("__add__", "__iadd__", "__radd__", "add", "add_"))
LIBRARY_BASES = frozenset(("MemoryModule", "SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell", "SpikingNeuron"))


@dataclass(frozen=True)
class Part:
    """What a use or an input of the model gave.

    Attributes:
        source: the name of the use or input.
        step: in which of the two steps.
    """

    source: str
    step: int


@dataclass(frozen=True)
class Foreign:
    """A value that no layer gave.

    Attributes:
        what: for a message.
        owner: the use whose state it is.
    """

    what: str
    owner: str | None = None


Value: TypeAlias = "tuple[Part, ...] | Foreign"
"""The sum of what was given, in that order; or something else."""


@dataclass(frozen=True)
class Use:
    """One call of a layer or neuron; or of a change of shape, which has no module.

    Attributes:
        name: of the module in the model, made unique.
        module: itself, or None.
        value: what it was given.
        given: the shape of that, without the batch axis.
        made: the shape of what it gave.
    """

    name: str
    module: Any
    value: Value
    given: Shape
    made: Shape


@dataclass(frozen=True)
class Wiring:
    """What the second step showed.

    Attributes:
        uses: by name, in the order of the calls.
        inputs: shape of each input of the model.
        outputs: by the model's names.
    """

    uses: Mapping[str, Use]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Value]


def watch(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    run: Callable[[], Mapping[str, torch.Tensor]],
    known: Callable[[torch.nn.Module], bool],
) -> Wiring:
    """Run two time steps and see how values go.

    Args:
        module: what is watched, in its state before the first step.
        inputs: of one step, with a batch axis of 1; ``run`` must hand on these very tensors.
        run: computes the next step and gives its outputs by name.
        known: whether a module is a layer or neuron that is looked at from outside.

    Raises:
        SpikeGraphError: a neuron is called twice in a step, or is given another's state.
    """
    watching = Watching(inputs)
    handles = []
    for name, part in leaves(module, "", known):
        handles.append(part.register_forward_pre_hook(watching.enter))
        handles.append(part.register_forward_hook(watching.leaving(name or "module"), with_kwargs=True))
    try:
        with torch.no_grad(), watching:
            for _ in range(2):
                watching.begin()
                outputs = run()
    finally:
        for handle in handles:
            handle.remove()
    found = {name: watching.value(tensor) for name, tensor in outputs.items()}
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in inputs.items()}
    return Wiring(watching.uses, shapes, found)


def leaves(
    module: torch.nn.Module, name: str, known: Callable[[torch.nn.Module], bool]
) -> Iterator[tuple[str, torch.nn.Module]]:
    """Layers and neurons, each once, and whatever has no parts of its own."""
    seen: set[int] = set()
    stack = [(name, module)]
    while stack:
        name, inner = stack.pop()
        children = list(inner.named_children())
        neuron = any(base.__name__ in LIBRARY_BASES for base in type(inner).__mro__)
        if known(inner) or neuron or not children:
            if id(inner) not in seen:
                seen.add(id(inner))
                yield name, inner
            continue
        stack.extend((f"{name}.{child}" if name else child, part) for child, part in reversed(children))


@dataclass
class Watching(TorchFunctionMode):
    """Notes which tensor came from where, in modules (by hooks) and between them."""

    inputs: Mapping[str, torch.Tensor]
    uses: dict[str, Use] = field(default_factory=dict)
    values: dict[int, Value] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    inside: int = 0
    step: int = -1

    def __post_init__(self) -> None:
        super().__init__()

    def begin(self) -> None:
        self.step += 1
        self.uses.clear()
        for name, tensor in self.inputs.items():
            self.note(tensor, (Part(name, self.step),))

    def note(self, tensor: torch.Tensor, value: Value) -> None:
        self.kept.append(tensor)
        self.values[id(tensor)] = value

    def value(self, tensor: torch.Tensor) -> Value:
        return self.values.get(id(tensor), Foreign("a tensor that no layer gave"))

    # Modules.

    def enter(self, _module: Any, _args: Any) -> None:
        self.inside += 1

    def leaving(self, name: str) -> Callable[..., None]:
        def leave(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            self.inside -= 1
            if not self.inside:
                self.called(name, module, tensors((args, kwargs)), tensors(output))

        return leave

    def called(self, name: str, module: Any, given: list[torch.Tensor], made: list[torch.Tensor]) -> None:
        """Note a module's call: what it took and what it made, sample axis first.

        Raises:
            SpikeGraphError: it takes or gives no tensor, or a state that is not its own of the step before.
        """
        if not given or not made:
            raise SpikeGraphError(f"the module {name!r}, a {type(module).__name__}, takes or gives no tensor")
        x, *states = given
        for state in states if self.step else ():
            value = self.value(state)
            own = value.owner == name if isinstance(value, Foreign) else value == (Part(name, self.step - 1),)
            if not own:
                said = value.what if isinstance(value, Foreign) else f"what {value[0].source!r} gives"
                raise SpikeGraphError(
                    f"the module {name!r}, a {type(module).__name__}, is given {said} as its state; "
                    "expected the state that it gave a step before"
                )
        free, number = name, 1
        while free in self.uses:
            number += 1
            free = f"{name}_{number}"
        self.uses[free] = Use(free, module, self.value(x), tuple(x.shape[1:]), tuple(made[0].shape[1:]))
        for state in made[1:]:
            self.note(state, Foreign(f"a state of {name!r}", name))
        self.note(made[0], (Part(free, self.step),))

    # What stands between modules.

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.inside and isinstance(result, torch.Tensor):
            given = tensors((args, kwargs))
            if any(id(tensor) in self.values for tensor in given):
                self.between(func, given, result)
        return result

    def between(self, func: Any, given: list[torch.Tensor], result: torch.Tensor) -> None:
        name = (resolve_name(func) or getattr(func, "__name__", "an operation")).rpartition(".")[2]
        values = [self.value(tensor) for tensor in given]
        known = [value for value in values if not isinstance(value, Foreign)]
        first = values[0]
        if isinstance(first, Foreign) and first.owner and name in PASSING:
            self.note(result, first)
        elif foreign := next((value for value in values if isinstance(value, Foreign)), None):
            self.note(result, Foreign(f"{foreign.what}, changed by {name}{_where()}"))
        elif name in PASSING and result.dtype == given[0].dtype:
            self.note(result, first)
        elif name in ADDING and len(known) == 2 and given[0].shape == given[1].shape == result.shape:
            self.note(result, (*known[0], *known[1]))
        elif name in RESHAPING and result.shape[:1] == given[0].shape[:1] == (1,):
            self.reshaped(first, given[0], result)
        else:
            self.note(result, Foreign(f"the result of {name}{_where()}"))

    def reshaped(self, value: Value, before: torch.Tensor, after: torch.Tensor) -> None:
        if before.shape == after.shape:
            self.note(after, value)
            return
        name = f"reshape_{1 + sum(use.module is None for use in self.uses.values())}"
        self.uses[name] = Use(name, None, value, tuple(before.shape[1:]), tuple(after.shape[1:]))
        self.note(after, (Part(name, self.step),))


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in arguments or in an output, in order."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _where() -> str:
    """The line of the model's own code that is being run."""
    ours, theirs = str(Path(__file__).parents[2]), str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith((ours, theirs)):
            return f" at {Path(frame.filename).name}:{frame.lineno}"
    return ""
