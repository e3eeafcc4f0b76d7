"""Arithmetic element by element, of which neurons are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.spike.from_torch.graph import name_of, unknown, without_batch
from edgeproof.spike.program import Node
from edgeproof.spike.simplify import Argument, constant, elementwise, is_truth

if TYPE_CHECKING:
    import torch

__all__ = ["arithmetic", "arithmetic_of", "cast"]

BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "maximum": "maximum", "minimum": "minimum",
    "gt": "gt", "ge": "ge", "lt": "lt", "le": "le", "eq": "eq", "ne": "ne",
    "logical_and": "and", "logical_or": "or", "bitwise_and": "and", "bitwise_or": "or",
    "__and__": "and", "__or__": "or", "__xor__": "ne", "bitwise_xor": "ne",
}  # fmt: skip
UNARY = {
    "neg": "neg", "abs": "abs", "sqrt": "sqrt", "exp": "exp", "log": "log", "tanh": "tanh", "sigmoid": "sigmoid",
    "relu": "relu", "floor": "floor", "sign": "sign", "logical_not": "not", "bitwise_not": "not",
}  # fmt: skip


def arithmetic(node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Argument:
    """The value of an elementwise operation.

    Raises:
        UnsupportedError: the engine has no such operation.
    """
    shape = tuple(node.meta["val"].shape) if hasattr(node.meta.get("val"), "shape") else ()
    return arithmetic_of(node, args, kwargs, shape)


def arithmetic_of(node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any], shape: tuple[int, ...]) -> Argument:
    """The same of a part of its value, which has the shape ``shape``, batch included."""
    name = name_of(node.target)
    plain = name.removeprefix("aten.")
    plain = plain if plain.endswith("__") else plain.removesuffix("_")
    found = _arithmetic(plain, node, args, kwargs, shape)
    if isinstance(found, Node) and found.shape != without_batch(shape):
        raise unknown(node, f"{name} with a result of {list(shape)}")
    return found


def _arithmetic(
    plain: str, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any], shape: tuple[int, ...]
) -> Argument:
    def take(value: Any) -> Argument:
        return _argument(value, shape)

    if plain == "rsub":
        plain, args = "sub", [args[1], args[0]]
    if plain in ("add", "sub") and kwargs.get("alpha", 1) != 1:
        args = [args[0], elementwise("mul", take(args[1]), float(kwargs["alpha"]))]
    if plain in BINARY and len(args) == 2 and not kwargs.get("rounding_mode"):
        return elementwise(BINARY[plain], *(_number(take(argument)) for argument in args))
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
    raise unknown(node, f"the operation {name_of(node.target) or node.target}")


def _argument(value: Any, result: tuple[int, ...]) -> Argument:
    """A value in an elementwise operation whose result has the shape ``result``, batch included."""
    if isinstance(value, Node):
        return value
    if isinstance(value, (bool, int, float)):
        return float(value)
    array = value.detach().numpy()
    if array.size == 1:
        return float(np.float32(array.reshape(())))
    return constant(np.broadcast_to(array, result).reshape(without_batch(result)))


def _number(value: Argument) -> Argument:
    """A truth value as 0.0 and 1.0, as PyTorch takes it in arithmetic."""
    return elementwise("cast", value) if isinstance(value, Node) and is_truth(value) else value


def cast(node: torch.fx.Node, x: Node) -> Argument:
    """A value in another dtype: fp32 and truth values are known.

    Raises:
        UnsupportedError: another one.
    """
    kind = str(node.meta["val"].dtype).removeprefix("torch.")
    if kind == "bool":
        return x if is_truth(x) else elementwise("ne", x, 0.0)
    if kind != "float32":
        raise unknown(node, f"values of {kind}")
    return elementwise("cast", x)
