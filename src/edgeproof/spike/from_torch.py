"""A program from an exported step of PyTorch: linear layers, convolutions, pooling, and neurons as their arithmetic.

A neuron needs no name here: whatever its library calls it, what it computes is in the graph.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from edgeproof.errors import UnsupportedError
from edgeproof.spike.program import Array, Convolution, Input, Linear, Node, Output, Pool, Program, Readout, State
from edgeproof.spike.simplify import Argument, constant, elementwise, is_truth, reshape

if TYPE_CHECKING:
    import torch

__all__ = ["program_from_torch"]

IDENTITIES = frozenset(
    f"aten.{name}" for name in ("clone", "detach", "alias", "contiguous", "lift_fresh_copy", "dropout")
)
SHAPES = frozenset(f"aten.{name}" for name in ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze"))
CASTS = frozenset(("aten.to", "aten._to_copy", "prims.convert_element_type"))
BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "maximum": "maximum", "minimum": "minimum",
    "gt": "gt", "ge": "ge", "lt": "lt", "le": "le", "eq": "eq", "ne": "ne",
    "logical_and": "and", "logical_or": "or", "bitwise_and": "and", "bitwise_or": "or",
}  # fmt: skip
UNARY = {
    "neg": "neg", "abs": "abs", "sqrt": "sqrt", "exp": "exp", "log": "log", "tanh": "tanh", "sigmoid": "sigmoid",
    "relu": "relu", "floor": "floor", "sign": "sign", "logical_not": "not", "bitwise_not": "not",
}  # fmt: skip


def program_from_torch(
    exported: torch.export.ExportedProgram,
    *,
    inputs: Sequence[str],
    states: Sequence[tuple[str, Array]],
    outputs: Sequence[tuple[str, Readout]],
    timesteps: int,
    sequence: bool,
) -> Program:
    """Read an exported step ``(inputs…, states…) -> (outputs…, next states…)`` with a batch of one.

    Args:
        exported: static shapes, flat tensors in and out.
        inputs: names, in graph order.
        states: names and initial values, in graph order after the inputs.
        outputs: names and how they are read out over the steps, in graph order.
        timesteps: of one call.
        sequence: whether inputs have a time axis.

    Raises:
        UnsupportedError: an operation that the engine does not know, with its name and the place it comes from.
    """
    module: Any = exported.run_decompositions({}).module(check_guards=False)
    reader = _Reader(module)
    given: list[Node] = []
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    for node, name in zip(placeholders, inputs, strict=False):
        given.append(Input(name, _shape(node)))
    for node, (name, initial) in zip(placeholders[len(inputs) :], states, strict=True):
        given.append(State(name, initial.reshape(_shape(node)).astype(np.float32)))
    results = reader.read(dict(zip(placeholders, given, strict=True)))
    carried = [one for one in given if isinstance(one, State)]
    return Program(
        inputs=tuple(one for one in given if isinstance(one, Input)),
        states=tuple(
            (state, reshape(after, state.shape)) for state, after in zip(carried, results[len(outputs) :], strict=True)
        ),
        outputs=tuple(Output(name, node, how) for (name, how), node in zip(outputs, results, strict=False)),
        timesteps=timesteps,
        sequence=sequence,
    )


def _shape(node: torch.fx.Node) -> tuple[int, ...]:
    return _without_batch(tuple(node.meta["val"].shape))


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if shape and shape[0] == 1 else shape


def _refuse(node: torch.fx.Node, why: str) -> NoReturn:
    raise UnsupportedError(
        f"the engine does not know {why}{_place(node)}",
        hint="it takes linear layers, convolutions, pooling, batch norm and elementwise neurons; ship a conversion",
    )


def _place(node: torch.fx.Node) -> str:
    """The module it stands in, and the last line of code outside of PyTorch that leads there."""
    path, kind = next(reversed((node.meta.get("nn_module_stack") or {"": ("", "")}).values()))
    found = str(kind).rsplit(".", 1)[-1]
    module = f" in {path.removeprefix('module.')} ({found})" if path else ""
    lines = [line.strip() for line in str(node.meta.get("stack_trace") or "").splitlines() if "File" in line]
    own = [line for line in lines if f"{os.sep}torch{os.sep}" not in line] or lines
    return module + (f", at {own[-1]}" if own else "")


class _Reader:
    """Goes through the graph once; values are nodes, numbers, or tensors that depend on weights alone."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._values: dict[Any, Any] = {}

    def read(self, given: dict[torch.fx.Node, Node]) -> list[Node]:
        import torch

        self._values.update(given)
        for node in self._module.graph.nodes:
            if node.op == "get_attr":
                self._values[node] = operator.attrgetter(str(node.target))(self._module).detach()
            elif node.op == "call_function":
                args = [self._value(one) for one in node.args]
                kwargs = {key: self._value(one) for key, one in node.kwargs.items()}
                if _has_node([*args, *kwargs.values()]):
                    self._values[node] = self._call(node, args, kwargs)
                else:
                    with torch.no_grad():
                        self._values[node] = node.target(*args, **kwargs)
            elif node.op == "output":
                return [self._node(self._value(one), node) for one in node.args[0]]
        return []

    def _value(self, one: Any) -> Any:
        if isinstance(one, (list, tuple)):
            return [self._value(part) for part in one]
        return self._values[one] if hasattr(one, "users") else one

    def _node(self, value: Any, at: torch.fx.Node) -> Node:
        if isinstance(value, Node):
            return value
        _refuse(at, "an output that no input changes")

    def _argument(self, value: Any, result: tuple[int, ...]) -> Argument:
        """A value in an elementwise operation whose result has the shape ``result``, batch included."""
        if isinstance(value, Node):
            return value
        if isinstance(value, (bool, int, float)):
            return float(value)
        array = value.detach().numpy()
        if array.size == 1:
            return float(np.float32(array.reshape(())))
        return constant(np.broadcast_to(array, result).reshape(_without_batch(result)))

    def _call(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = _name(node.target)
        if name in IDENTITIES or (name in SHAPES and args[0].shape == _shape(node)):
            return args[0]
        if name in SHAPES:
            return reshape(args[0], _shape(node))
        if name in CASTS:
            return self._cast(node, args[0])
        if name == "aten._assert_tensor_metadata":
            return None
        layer = LAYERS.get(name)
        if layer is not None:
            return layer(self, node, args, kwargs)
        plain = name.removeprefix("aten.").removesuffix("_")
        shape = tuple(node.meta["val"].shape) if hasattr(node.meta.get("val"), "shape") else ()
        found = self._elementwise(plain, node, args, kwargs, shape)
        if isinstance(found, Node) and found.shape != _without_batch(shape):
            _refuse(node, f"{name} with a result of {list(shape)}")
        return found

    def _cast(self, node: torch.fx.Node, x: Node) -> Argument:
        kind = str(node.meta["val"].dtype).removeprefix("torch.")
        if kind == "bool":
            return x if is_truth(x) else elementwise("ne", x, 0.0)
        if kind != "float32":
            _refuse(node, f"values of {kind}")
        return elementwise("cast", x)

    def _elementwise(
        self, plain: str, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any], shape: tuple[int, ...]
    ) -> Argument:
        def take(value: Any) -> Argument:
            return self._argument(value, shape)

        if plain in ("add", "sub", "rsub") and kwargs.get("alpha", 1) != 1:
            args = [args[0], elementwise("mul", take(args[1]), float(kwargs["alpha"]))]
        if plain == "rsub":
            return elementwise("sub", take(args[1]), take(args[0]))
        if plain in BINARY and len(args) == 2 and not kwargs.get("rounding_mode"):
            return elementwise(BINARY[plain], *(_number(take(one)) for one in args))
        if plain in UNARY:
            return elementwise(UNARY[plain], take(args[0]))
        if plain == "where":
            return elementwise("where", take(args[0]), _number(take(args[1])), _number(take(args[2])))
        if plain in ("clamp", "clamp_min", "clamp_max", "hardtanh"):
            low, high = (*args[1:], None, None)[:2] if plain != "clamp_max" else (None, args[1])
            low, high = kwargs.get("min", low), kwargs.get("max", high)
            found = take(args[0])
            found = found if low is None else elementwise("maximum", found, take(low))
            return found if high is None else elementwise("minimum", found, take(high))
        if plain == "heaviside":
            above = elementwise("cast", elementwise("gt", take(args[0]), 0.0))
            at = elementwise("eq", take(args[0]), 0.0)
            return elementwise("where", at, take(args[1]), above)
        if plain in ("zeros_like", "ones_like", "full_like"):
            return {"zeros_like": 0.0, "ones_like": 1.0}.get(plain, float(args[1]) if len(args) > 1 else 0.0)
        if plain == "pow" and args[1] == 2:
            return elementwise("mul", take(args[0]), take(args[0]))
        _refuse(node, f"the operation {_name(node.target) or node.target}")

    # Layers.

    def linear(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        x, weight, bias = args[0], _array(args[1]), args[2] if len(args) > 2 else None
        return self._linear(node, x, weight, bias)

    def addmm(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        return self._linear(node, args[1], _array(args[2]).T, args[0])

    def matmul(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        return self._linear(node, args[0], _array(args[1]).T, None)

    def _linear(self, node: torch.fx.Node, x: Any, weight: Array, bias: Any) -> Node:
        if not isinstance(x, Node) or len(x.shape) != 1:
            _refuse(node, "a linear layer on more than one vector, or with weights that are computed")
        given = np.zeros(len(weight), np.float32) if bias is None else _array(bias)
        return Linear(x, weight, np.broadcast_to(given, (len(weight),)).copy())

    def convolution(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        x, weight, bias, stride, padding, dilation, groups = _convolution_arguments(node, args)
        taps = _array(weight)
        flat = taps.ndim == 3
        if flat:
            taps, x = taps[:, :, None, :], reshape(x, (x.shape[0], 1, *x.shape[1:]))
        first = np.zeros(len(taps), np.float32) if bias is None else _array(bias)
        made = Convolution(
            x,
            taps,
            first,
            stride=_pair(stride, 1, flat),
            padding=_pair(padding, 0, flat),
            dilation=_pair(dilation, 1, flat),
            groups=int(groups),
        )
        return reshape(made, _shape(node))

    def max_pool(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        kernel, stride, padding, dilation, ceil = (*args[1:], *(None,) * 5)[:5]
        if ceil or any(one != 1 for one in _listed(dilation)):
            _refuse(node, "a maximum pooling with dilation or ceil_mode")
        pair = _pair(kernel, 1, False)
        steps = _pair(stride, 1, False) if _listed(stride) else pair
        return Pool(args[0], "max", pair, steps, _pair(padding, 0, False))

    def average_pool(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        kernel, stride, padding, ceil, include, divisor = (*args[1:], *(None,) * 6)[:6]
        pair, pad = _pair(kernel, 1, False), _pair(padding, 0, False)
        if ceil or (include is False and pad != (0, 0)):
            _refuse(node, "an average pooling with ceil_mode or without the padding in its count")
        steps = _pair(stride, 1, False) if _listed(stride) else pair
        return Pool(args[0], "sum", pair, steps, pad, 1.0 / float(divisor or math.prod(pair)))

    def adaptive_pool(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        x, (rows, columns) = args[0], args[1]
        _, height, width = x.shape
        if height % rows or width % columns:
            _refuse(node, f"an adaptive pooling of {height}×{width} to {rows}×{columns}")
        pair = (height // rows, width // columns)
        return Pool(x, "sum", pair, pair, (0, 0), 1.0 / math.prod(pair))

    def mean(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        x, axes = args[0], sorted(int(one) % 4 for one in _listed(args[1]))
        if len(x.shape) != 3 or axes != [2, 3]:
            _refuse(node, "a mean over anything but an image")
        pair = (x.shape[1], x.shape[2])
        return reshape(Pool(x, "sum", pair, pair, (0, 0), 1.0 / math.prod(pair)), _shape(node))

    def batch_norm(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        x = args[0]
        arrays = [one for one in args[1:] if hasattr(one, "numpy")]
        numbers = [one for one in args[1:] if isinstance(one, float)]
        if len(arrays) != 4 or not isinstance(x, Node):
            _refuse(node, "a batch norm without its weights or statistics")
        scale, shift, mean, variance = (_array(one).astype(np.float64) for one in arrays)
        factor = scale / np.sqrt(variance + numbers[-1])
        offset = shift - mean * factor
        return _affine(x, factor.astype(np.float32), offset.astype(np.float32))

    def item(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(args[0], list):
            return args[0][args[1]]
        if args[1] == 0 and isinstance(args[0], Node):
            return args[0]
        _refuse(node, "an operation with several results")

    def select(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        if args[0].size != math.prod(_shape(node)):
            _refuse(node, "a selection of some elements")
        return reshape(args[0], _shape(node))

    def unbind(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> list[Node]:
        parts = node.meta["val"]
        if len(parts) != 1:
            _refuse(node, "a tensor taken apart")
        return [reshape(args[0], _without_batch(tuple(parts[0].shape)))]

    def stack(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Node:
        if len(args[0]) != 1:
            _refuse(node, "tensors put together")
        return reshape(args[0][0], _shape(node))


def _affine(x: Node, factor: Array, offset: Array) -> Argument:
    """``factor · x + offset`` per channel, folded into a layer before it where there is one."""
    if isinstance(x, Linear):
        return Linear(x.x, x.weight * factor[:, None], x.bias * factor + offset)
    if isinstance(x, Convolution):
        return Convolution(
            x.x,
            x.weight * factor[:, None, None, None],
            x.bias * factor + offset,
            stride=x.stride,
            padding=x.padding,
            dilation=x.dilation,
            groups=x.groups,
        )
    wide = (slice(None), *(None,) * (len(x.shape) - 1))
    factors, offsets = (constant(np.broadcast_to(one[wide], x.shape).copy()) for one in (factor, offset))
    return elementwise("add", elementwise("mul", x, factors), offsets)


def _convolution_arguments(node: torch.fx.Node, args: list[Any]) -> tuple[Any, ...]:
    if _name(node.target) == "aten.convolution":
        x, weight, bias, stride, padding, dilation, transposed, _, groups = args
        if transposed:
            _refuse(node, "a transposed convolution")
        return x, weight, bias, stride, padding, dilation, groups
    x, weight, bias, stride, padding, dilation, groups = (*args, *(None,) * 7)[:7]
    if isinstance(padding, str):
        _refuse(node, f"a convolution with padding {padding!r}")
    return x, weight, bias, stride, padding, dilation, groups or 1


def _number(one: Argument) -> Argument:
    """A truth value as 0.0 and 1.0, as PyTorch takes it in arithmetic."""
    return elementwise("cast", one) if isinstance(one, Node) and is_truth(one) else one


def _name(target: Any) -> str:
    import torch

    if isinstance(target, torch._ops.OpOverload):
        return f"{target.namespace}.{target._schema.name.partition('::')[2]}"
    return "getitem" if target is operator.getitem else ""


def _has_node(values: Sequence[Any]) -> bool:
    return any(_has_node(one) if isinstance(one, list) else isinstance(one, Node) for one in values)


def _array(value: Any) -> Array:
    if not hasattr(value, "detach"):
        raise UnsupportedError("the engine does not know layers whose weights are computed from the input")
    found: Array = value.detach().numpy().astype(np.float32)
    return found


def _listed(value: Any) -> list[int]:
    return [] if value is None else [int(one) for one in value] if isinstance(value, (list, tuple)) else [int(value)]


def _pair(value: Any, default: int, flat: bool) -> tuple[int, int]:
    """Rows and columns; in one dimension there is one row."""
    listed = _listed(value) or [default]
    if flat:
        return (default, listed[0])
    return (listed[0], listed[-1])


LAYERS: dict[str, Callable[[_Reader, Any, list[Any], dict[str, Any]], Any]] = {
    "aten.linear": _Reader.linear,
    "aten.addmm": _Reader.addmm,
    "aten.mm": _Reader.matmul,
    "aten.matmul": _Reader.matmul,
    "aten.convolution": _Reader.convolution,
    "aten.conv1d": _Reader.convolution,
    "aten.conv2d": _Reader.convolution,
    "aten.max_pool2d": _Reader.max_pool,
    "aten.max_pool2d_with_indices": _Reader.max_pool,
    "aten.avg_pool2d": _Reader.average_pool,
    "aten.adaptive_avg_pool2d": _Reader.adaptive_pool,
    "aten.mean": _Reader.mean,
    "aten._native_batch_norm_legit_no_training": _Reader.batch_norm,
    "aten.batch_norm": _Reader.batch_norm,
    "getitem": _Reader.item,
    "aten.select": _Reader.select,
    "aten.unbind": _Reader.unbind,
    "aten.stack": _Reader.stack,
    "aten.cat": _Reader.stack,
}
