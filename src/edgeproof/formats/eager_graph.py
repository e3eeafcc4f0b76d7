"""An exported program as a list of operator calls and a table of weights in one safetensors file, and its executor.

Nothing is pickled, and loading needs neither ``torch.export`` nor the user's code: the graph is JSON in the metadata.
Only listed operators are written and run (``model/operators``), whoever made the file.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from edgeproof.errors import ArtifactError, ConversionError
from edgeproof.model.operators import UNINITIALISED, is_in_place, is_listed

__all__ = ["EagerGraph", "load_graph", "save_graph"]

METADATA_KEY = "edgeproof.graph/1"
IDENTITIES = frozenset({"aten::detach", "aten::alias", "aten::lift_fresh_copy"})
GETITEM = "getitem"


class _Call(msgspec.Struct, frozen=True, array_like=True):
    """One operator call: ``op`` with encoded arguments, and the values that nobody reads after it."""

    op: str
    args: Any
    kwargs: Any
    result: int
    free: tuple[int, ...]


class _Graph(msgspec.Struct, frozen=True):
    """Values are numbered: inputs first, then weights, then results."""

    inputs: tuple[int, ...]
    weights: dict[str, int]
    calls: tuple[_Call, ...]
    outputs: tuple[int, ...]
    size: int


def save_graph(module: torch.nn.Module, path: Path) -> None:
    """Write a graph of plain operators.

    Raises:
        ConversionError: the graph holds something else, such as a branch with graphs of its own.
    """
    from safetensors.torch import save_file

    if not isinstance(module, torch.fx.GraphModule):
        raise ConversionError(f"expected a graph, found a {type(module).__name__}")
    numbers: dict[torch.fx.Node, int] = {}
    weights: dict[str, int] = {}
    tensors: dict[str, torch.Tensor] = {}
    inputs: list[int] = []
    calls: list[_Call] = []
    outputs: tuple[int, ...] = ()
    last_use = _last_uses(module.graph)
    for node in module.graph.nodes:
        if node.op == "output":
            outputs = tuple(numbers[output] for output in node.args[0])
            continue
        if _is_identity(node):
            numbers[node] = numbers[node.args[0]]
            continue
        numbers[node] = len(set(numbers.values()))
        if node.op == "placeholder":
            inputs.append(numbers[node])
        elif node.op == "get_attr":
            name = str(node.target)
            weights[name] = numbers[node]
            tensors[name] = _attribute(module, name).detach().clone().contiguous()
        elif node.op == "call_function":
            free = tuple(sorted({numbers[value] for value in last_use.get(node, ())}))
            calls.append(
                _Call(
                    _operator_name(node),
                    _encode(node.args, numbers),
                    _encode(node.kwargs, numbers),
                    numbers[node],
                    free,
                )
            )
        elif node.op != "call_module" or node.users:
            raise ConversionError(f"the graph calls {node.target}, which is no plain operator")
    graph = _Graph(tuple(inputs), weights, tuple(calls), outputs, len(set(numbers.values())))
    save_file(tensors, path, metadata={METADATA_KEY: msgspec.json.encode(graph).decode()})


def _last_uses(graph: torch.fx.Graph) -> dict[torch.fx.Node, list[torch.fx.Node]]:
    """Node → values that are dead after it. A value that an identity passes on lives as long as the copy."""
    origin: dict[torch.fx.Node, torch.fx.Node] = {}
    last: dict[torch.fx.Node, torch.fx.Node] = {}
    for node in graph.nodes:
        for value in node.all_input_nodes:
            last[origin.get(value, value)] = node
        if _is_identity(node):
            source = node.args[0]
            origin[node] = origin.get(source, source)
    dead: dict[torch.fx.Node, list[torch.fx.Node]] = {}
    for value, user in last.items():
        if value.op == "call_function" and user.op == "call_function" and not _is_identity(user):
            dead.setdefault(user, []).append(value)
    return dead


def _is_identity(node: torch.fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.name in IDENTITIES


def _operator_name(node: torch.fx.Node) -> str:
    if node.target is operator.getitem:
        return GETITEM
    if not isinstance(node.target, torch._ops.OpOverload):
        raise ConversionError(f"the graph calls {node.target}, which is no plain operator")
    if not is_listed(node.target):
        raise ConversionError(
            f"the graph calls {node.target}, which is not among the operators that sdk-eager runs",
            hint="compute it with other operators of PyTorch, or ship another format",
        )
    return f"{node.target._schema.name}.{node.target._overloadname}"


def _attribute(module: torch.nn.Module, path: str) -> torch.Tensor:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    if not isinstance(value, torch.Tensor):
        raise ConversionError(f"the graph reads {path}, which is no tensor")
    return value


def _encode(value: Any, numbers: dict[torch.fx.Node, int]) -> Any:
    """Nodes, dtypes and the like as small tagged objects; numbers, strings and lists as they are."""
    if isinstance(value, torch.fx.Node):
        return {"v": numbers[value]}
    if isinstance(value, (tuple, list)):
        return [_encode(item, numbers) for item in value]
    if isinstance(value, dict):
        return {"d": {key: _encode(item, numbers) for key, item in value.items()}}
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return {"t": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"c": "cpu"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"f": str(value)}
    if isinstance(value, complex):
        raise ConversionError("the graph holds a complex number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConversionError(f"the graph holds a {type(value).__name__}, which cannot be written")


def _decode(value: Any) -> Any:
    """The inverse, with ``_Value`` where a value goes."""
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        ((tag, held),) = value.items()
        if tag == "v":
            return _Value(held)
        if tag == "d":
            return {key: _decode(item) for key, item in held.items()}
        if tag == "t":
            found = getattr(torch, held, None)
            if not isinstance(found, (torch.dtype, torch.layout, torch.memory_format)):
                raise ArtifactError(f"the graph names {held!r}, which is no dtype, layout or memory format")
            return found
        return float(held) if tag == "f" else torch.device("cpu")
    return value


class _Value:
    """Stands for the value of that number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


Step = tuple[Callable[..., Any], Any, dict[str, Any], tuple[tuple[int, int], ...], bool, int, tuple[int, ...]]


class EagerGraph:
    """A loaded graph; PyTorch runs its operators one by one."""

    def __init__(self, graph: _Graph, tensors: dict[str, torch.Tensor]) -> None:
        self._graph = graph
        numbers = [*graph.inputs, *graph.weights.values(), *(call.result for call in graph.calls)]
        if graph.size != len(set(numbers)) or not all(0 <= number < graph.size for number in numbers):
            raise ArtifactError(f"the graph says that it has {graph.size} values, and numbers {len(set(numbers))}")
        self._values: list[Any] = [None] * graph.size
        for name, number in graph.weights.items():
            self._values[number] = tensors[name]
        self._steps = [self._step(call) for call in graph.calls]
        self._copies = any(isinstance(step[0], torch._ops.OpOverload) and is_in_place(step[0]) for step in self._steps)
        """Whether an operator changes its argument: then a call works on copies of the inputs and weights."""

    def _step(self, call: _Call) -> Step:
        args, kwargs = _decode(call.args), _decode(call.kwargs)
        direct = tuple((i, argument.number) for i, argument in enumerate(args) if isinstance(argument, _Value))
        nested = _holds_values([argument for argument in args if not isinstance(argument, _Value)]) or _holds_values(
            kwargs
        )
        return _resolve(call.op), args, kwargs, direct, nested, call.result, call.free

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """Outputs in graph order.

        Args:
            inputs: in graph order, of the shapes it was exported for.
        """
        values = self._values.copy()
        for number, tensor in zip(self._graph.inputs, inputs, strict=True):
            values[number] = tensor
        if self._copies:
            values = [None if value is None else value.clone() for value in values]
        for function, args, kwargs, direct, nested, result, free in self._steps:
            if nested:
                values[result] = function(*_filled(args, values), **_filled(kwargs, values))
            else:
                given = args.copy()
                for position, number in direct:
                    given[position] = values[number]
                values[result] = function(*given, **kwargs)
            for number in free:
                values[number] = None
        return [values[number] for number in self._graph.outputs]


def _holds_values(value: Any) -> bool:
    if isinstance(value, _Value):
        return True
    if isinstance(value, dict):
        return any(_holds_values(item) for item in value.values())
    return isinstance(value, list) and any(_holds_values(item) for item in value)


def _filled(value: Any, values: Sequence[Any]) -> Any:
    if isinstance(value, _Value):
        return values[value.number]
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    return value


def _resolve(name: str) -> Callable[..., Any]:
    """The operator of that name.

    Raises:
        ArtifactError: there is none, or it is not listed.
    """
    if name == GETITEM:
        return operator.getitem
    qualified, _, overload = name.rpartition(".")
    namespace, _, base = qualified.partition("::")
    packet = getattr(torch.ops.aten, base, None) if namespace == "aten" and base.isidentifier() else None
    overload = overload or "default"
    if not isinstance(packet, torch._ops.OpOverloadPacket) or not hasattr(packet, overload):
        raise ArtifactError(f"the graph calls {name[:100]}, which is no operator of PyTorch's own")
    found: Callable[..., Any] = getattr(packet, overload)
    if not is_listed(found):
        raise ArtifactError(f"the graph calls {name[:100]}, which is not among the operators that are run")
    return _zeroed(found) if base in UNINITIALISED else found


def _zeroed(make: Callable[..., Any]) -> Callable[..., Any]:
    """Zeros instead of memory as it is, which is what somebody else's numbers left."""

    def made(*args: Any, **kwargs: Any) -> Any:
        return make(*args, **kwargs).zero_()

    return made


def load_graph(path: Path) -> EagerGraph:
    """Load what ``save_graph`` wrote.

    Raises:
        ArtifactError: damaged, or not such a file.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if METADATA_KEY not in metadata:
            raise ArtifactError(f"{path} holds weights but no graph of EdgeProof's")
        return EagerGraph(msgspec.json.decode(metadata[METADATA_KEY], type=_Graph), tensors)
    except ArtifactError:
        raise
    except Exception as error:
        raise ArtifactError(f"{path} cannot be loaded: {error}") from error
