"""One time step of a network as a graph of array operations with explicit state: what the engine compiles.

Shapes have no batch axis. A program says what is computed, in which order sums are taken (``interpreter``), and nothing
of how: layout, sparsity and loops belong to ``schedule`` and ``emit``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgeproof.errors import ConversionError

__all__ = [
    "MAX_HELD",
    "Constant",
    "Convolution",
    "Elementwise",
    "Input",
    "Linear",
    "Node",
    "Output",
    "Pool",
    "Program",
    "Readout",
    "Reshape",
    "State",
    "broadcast_shape",
    "storage",
    "walk",
]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Readout = Literal["sum", "mean", "last", "stack"]

ARITHMETIC = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
LOGIC = ("and", "or", "not")
FUNCTIONS = ("neg", "abs", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "floor", "sign", "cast")
"""``cast`` makes 0.0 and 1.0 of a truth value."""
MAX_HELD = 4096
"""Values that all delays together hold back: each is moved at every step."""
TRUTHS = frozenset((*COMPARISONS, *LOGIC))
ARITY = (
    dict.fromkeys((*ARITHMETIC, *COMPARISONS, "and", "or"), 2) | dict.fromkeys((*FUNCTIONS, "not"), 1) | {"where": 3}
)


@dataclass(frozen=True, eq=False)
class Node:
    """A value of one time step, float32 or a truth value, of a static shape.

    A truth value counts as 0.0 or 1.0 wherever a number is wanted, and a number as true where it is not zero.
    """

    shape: Shape = field(init=False)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def sources(self) -> tuple[Node, ...]:
        """The values it is computed from, within the time step."""
        return ()


@dataclass(frozen=True, eq=False)
class Input(Node):
    """What the caller gives at each time step, or once for all of them."""

    name: str
    given: Shape

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.given)


@dataclass(frozen=True, eq=False)
class State(Node):
    """What the time step before left; ``initial`` before the first one."""

    name: str
    initial: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.initial.shape)


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A parameter of neurons, one number each."""

    value: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.value.shape)


@dataclass(frozen=True, eq=False)
class Linear(Node):
    """``y[o] = bias[o] + Σ_i weight[o, i] · x[i]``, i ascending in the order of x's shape.

    Raises:
        ConversionError: the input, the weights and the bias do not fit.
    """

    x: Node
    weight: Array
    bias: Array

    def __post_init__(self) -> None:
        outputs, inputs = self.weight.shape
        if self.x.shape != (inputs,) or self.bias.shape != (outputs,):
            raise ConversionError(
                f"a linear layer of {inputs} inputs and {outputs} outputs is given {list(self.x.shape)} "
                f"and a bias of {list(self.bias.shape)}"
            )
        object.__setattr__(self, "shape", (outputs,))

    @property
    def sources(self) -> tuple[Node, ...]:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Convolution(Node):
    """``[C, H, W] → [O, H', W']``; sums run over kernel row, kernel column and input channel, ascending.

    ``weight`` is ``[O, C / groups, kernel row, kernel column]``. A convolution in one dimension has a height of 1.

    Raises:
        ConversionError: the input, the weights and the bias do not fit, or the window fits nowhere.
    """

    x: Node
    weight: Array
    bias: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        if len(self.x.shape) != 3:
            raise ConversionError(f"a convolution is given {list(self.x.shape)}; expected channels, height, width")
        channels, *image = self.x.shape
        outputs, within, *kernel = self.weight.shape
        if within * self.groups != channels or outputs % self.groups or self.bias.shape != (outputs,):
            raise ConversionError(
                f"a convolution with weights of {list(self.weight.shape)} in {self.groups} groups is given "
                f"{list(self.x.shape)}"
            )
        spans = [spread * (taps - 1) + 1 for spread, taps in zip(self.dilation, kernel, strict=True)]
        rows, columns = _places(image, spans, self.stride, self.padding)
        object.__setattr__(self, "shape", (outputs, rows, columns))

    @property
    def sources(self) -> tuple[Node, ...]:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Pool(Node):
    """``[C, H, W] → [C, H', W']``: the maximum, or the sum times ``scale``, over a window, rows first.

    Places outside the image count as nothing: they are never the maximum, and add nothing to a sum. NaN is the
    maximum of whatever it is among, as in PyTorch.

    Raises:
        ConversionError: the input is no image, or the window fits nowhere.
    """

    x: Node
    kind: Literal["max", "sum"]
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if len(self.x.shape) != 3:
            raise ConversionError(f"a pooling is given {list(self.x.shape)}; expected channels, height, width")
        channels, *image = self.x.shape
        rows, columns = _places(image, self.kernel, self.stride, self.padding)
        object.__setattr__(self, "shape", (channels, rows, columns))

    @property
    def sources(self) -> tuple[Node, ...]:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Reshape(Node):
    """The same numbers in the same order, in another shape.

    Raises:
        ConversionError: another shape holds another count of numbers.
    """

    x: Node
    to: Shape

    def __post_init__(self) -> None:
        if math.prod(self.to) != self.x.size:
            raise ConversionError(f"{list(self.x.shape)} cannot be read as {list(self.to)}")
        object.__setattr__(self, "shape", self.to)

    @property
    def sources(self) -> tuple[Node, ...]:
        return (self.x,)


@dataclass(frozen=True, eq=False)
class Elementwise(Node):
    """One operation on every element; numbers stand for themselves, shapes are broadcast as numpy does.

    Raises:
        ConversionError: an operation that is not known, or shapes that cannot be broadcast.
    """

    op: str
    args: tuple[Node | float, ...]

    def __post_init__(self) -> None:
        if ARITY.get(self.op) != len(self.args):
            raise ConversionError(f"the operation {self.op} of {len(self.args)} arguments is not known")
        object.__setattr__(self, "shape", broadcast_shape([source.shape for source in self.sources]))

    @property
    def sources(self) -> tuple[Node, ...]:
        return tuple(argument for argument in self.args if isinstance(argument, Node))

    @property
    def is_truth(self) -> bool:
        """Whether it is true or false instead of a number."""
        return self.op in TRUTHS


@dataclass(frozen=True, eq=False)
class Output:
    """A value the caller gets, read out over the time steps."""

    name: str
    node: Node
    readout: Readout


@dataclass(frozen=True, eq=False)
class Program:
    """A time step: inputs and states in, outputs and next states out; run ``timesteps`` times in one call.

    Attributes:
        inputs: in the caller's order.
        states: each with the value it has after the step.
        outputs: in the caller's order.
        timesteps: of one call.
        sequence: whether inputs have a value per time step, time axis first, instead of one for all.

    Raises:
        ConversionError: states that change their shape, nodes from elsewhere, values without elements, names that occur
            twice, or less than one time step.
    """

    inputs: tuple[Input, ...]
    states: tuple[tuple[State, Node], ...]
    outputs: tuple[Output, ...]
    timesteps: int
    sequence: bool

    def __post_init__(self) -> None:
        for state, after in self.states:
            if state.shape != after.shape:
                raise ConversionError(
                    f"the state {state.name} is {list(state.shape)} before a step and {list(after.shape)} after it"
                )
        given = {*self.inputs, *(state for state, _ in self.states)}
        for node in walk(self.roots()):
            if isinstance(node, (Input, State)) and node not in given:
                raise ConversionError(f"{node.name} is used in the time step, and not among its inputs and states")
        for node in (*given, *walk(self.roots())):
            if node.size == 0:
                raise ConversionError(f"a value of the shape {list(node.shape)} has no elements")
        for kind, names in (
            ("inputs", [node.name for node in self.inputs]),
            ("states", [state.name for state, _ in self.states]),
            ("outputs", [output.name for output in self.outputs]),
        ):
            if len(set(names)) < len(names):
                raise ConversionError(f"two {kind} have one name, among {', '.join(names)}")
        if self.timesteps < 1:
            raise ConversionError(f"a call of {self.timesteps} time steps; expected 1 or more")

    def roots(self) -> tuple[Node, ...]:
        """What a step must compute."""
        return (*(output.node for output in self.outputs), *(after for _, after in self.states))


def broadcast_shape(shapes: list[Shape]) -> Shape:
    """The shape that all of them are broadcast to.

    Raises:
        ConversionError: they do not fit.
    """
    try:
        return tuple(int(size) for size in np.broadcast_shapes(*shapes))
    except ValueError as error:
        listed = " and ".join(str(list(shape)) for shape in shapes)
        raise ConversionError(f"shapes {listed} do not fit together") from error


def _places(image: Sequence[int], spans: Sequence[int], stride: Pair, padding: Pair) -> Pair:
    """Rows and columns of what a window sees that moves over an image."""
    if min(*stride, *spans) < 1 or min(padding) < 0:
        raise ConversionError(f"a window of {list(spans)} with stride {list(stride)} and padding {list(padding)}")
    rows, columns = (
        (size + 2 * pad - span) // step + 1 for size, span, step, pad in zip(image, spans, stride, padding, strict=True)
    )
    if rows < 1 or columns < 1:
        raise ConversionError(f"a window of {list(spans)} does not fit in {list(image)} with padding {list(padding)}")
    return rows, columns


def storage(node: Node) -> Node:
    """The node whose numbers these are: reshaping moves nothing."""
    while isinstance(node, Reshape):
        node = node.x
    return node


def walk(roots: tuple[Node, ...]) -> Iterator[Node]:
    """Every node that the roots need, each once, sources first."""
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if node in seen:
            continue
        if ready:
            seen.add(node)
            yield node
            continue
        stack.append((node, True))
        stack.extend((source, False) for source in reversed(node.sources) if source not in seen)
