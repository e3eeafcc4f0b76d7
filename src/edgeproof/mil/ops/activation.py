"""Activations: the output has the input's shape and dtype."""

from __future__ import annotations

import numpy as np
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.half import rounded_once
from edgeproof.mil.kernels.sums import total
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = [
    "clamped_relu",
    "elu",
    "gelu",
    "leaky_relu",
    "linear_activation",
    "prelu",
    "relu",
    "relu6",
    "scaled_tanh",
    "sigmoid",
    "sigmoid_hard",
    "silu",
    "softmax",
    "softplus",
    "softplus_parametric",
    "softsign",
    "thresholded_relu",
]


ONE = np.ones((), np.float32)
FEW = 256
"""Elements below which a call of torch costs more than it saves."""


def _per_channel(values: Array, x: Array, name: str) -> Array:
    """One value a channel, in the dtype and beside the dimensions of ``x``, whose dimension 1 they are."""
    if x.ndim < 2 or values.shape != (x.shape[1],):
        raise ArtifactError(f"{name} has the shape {list(values.shape)}; expected one value a channel of {x.shape}")
    beside: Array = values.reshape(-1, *(1,) * (x.ndim - 2)).astype(x.dtype, copy=False)
    return beside


@op("clamped_relu")
def clamped_relu(x: Array, alpha: float, beta: float) -> Array:
    """``min(beta, x)`` where ``x >= 0``, else ``min(beta, alpha * x)``."""
    return array(functional.leaky_relu(tensor(x), alpha).clamp_(max=beta))


@op("elu")
def elu(x: Array, alpha: float) -> Array:
    """``x`` where it is above 0, else ``alpha * (e^x - 1)``."""
    return array(functional.elu(tensor(x), alpha))


@op("gelu")
def gelu(x: Array, mode: str = "EXACT") -> Array:
    """``x`` times the share of a normal distribution below it, in one of three forms.

    ``EXACT``: ``x/2 * (1 + erf(x / sqrt(2)))``; ``TANH_APPROXIMATION``:
    ``x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))``; ``SIGMOID_APPROXIMATION``: ``x * sigmoid(1.702 * x)``.
    """
    if mode == "EXACT":
        return array(functional.gelu(tensor(x)))
    if mode == "TANH_APPROXIMATION":
        return array(functional.gelu(tensor(x), approximate="tanh"))
    if mode == "SIGMOID_APPROXIMATION":
        held = tensor(x)
        return array(held.mul(1.702).sigmoid_().mul_(held))
    raise ArtifactError(f"the mode {mode!r} is not known; expected EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION")


@op("leaky_relu")
def leaky_relu(x: Array, alpha: float) -> Array:
    """``x`` where it is not below 0, else ``alpha * x``."""
    return array(functional.leaky_relu(tensor(x), alpha))


@op("linear_activation")
def linear_activation(x: Array, alpha: float, beta: float) -> Array:
    """``alpha * x + beta``."""
    return array(tensor(x).mul(alpha).add_(beta))


@op("prelu")
def prelu(x: Array, alpha: Array) -> Array:
    """``x`` where it is above 0, else ``alpha * x``, with one ``alpha`` for each place in dimension 1."""
    return array(functional.prelu(tensor(x), tensor(_per_channel(alpha, x, "alpha").ravel())))


@op("relu")
def relu(x: Array) -> Array:
    """``max(x, 0)``."""
    return array(tensor(x).relu())


@op("relu6")
def relu6(x: Array) -> Array:
    """``min(max(x, 0), 6)``."""
    return array(tensor(x).clamp(0, 6))


@op("scaled_tanh")
def scaled_tanh(x: Array, alpha: float, beta: float) -> Array:
    """``alpha * tanh(beta * x)``."""
    return np.asarray(np.multiply(alpha, rounded_once(np.tanh, np.multiply(x, beta))))


@op("sigmoid")
def sigmoid(x: Array) -> Array:
    """``1 / (1 + e^-x)``."""
    if x.size < FEW and x.dtype == np.float32:
        return np.reciprocal(np.exp(-x) + ONE)
    return array(tensor(x).sigmoid())


@op("sigmoid_hard")
def sigmoid_hard(x: Array, alpha: float, beta: float) -> Array:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return array(tensor(x).mul(alpha).add_(beta).clamp_(0, 1))


@op("silu")
def silu(x: Array) -> Array:
    """``x / (1 + e^-x)``."""
    return array(functional.silu(tensor(x)))


@op("softplus")
def softplus(x: Array) -> Array:
    """``log(1 + e^x)``."""
    return array(functional.softplus(tensor(x)))


@op("softplus_parametric")
def softplus_parametric(x: Array, alpha: Array, beta: Array) -> Array:
    """``alpha * log(1 + e^(beta * x))``, with one ``alpha`` and ``beta`` for each place in dimension 1."""
    return np.multiply(_per_channel(alpha, x, "alpha"), softplus(np.multiply(x, _per_channel(beta, x, "beta"))))


@op("softmax")
def softmax(x: Array, axis: int = -1) -> Array:
    """``e^x`` over the sum of it along ``axis``; computed of ``x`` less its maximum, that nothing overflows."""
    if x.dtype != np.float16:
        return array(functional.softmax(tensor(x), axis))
    powers = rounded_once(np.exp, x - x.max(axis=axis, keepdims=True))
    return np.asarray(np.divide(powers, total(powers, [axis], keepdims=True)))


@op("softsign")
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``."""
    return np.asarray(np.divide(x, 1 + np.abs(x)))


@op("thresholded_relu")
def thresholded_relu(x: Array, alpha: float) -> Array:
    """``x`` where it is not below ``alpha``, else 0."""
    below = np.nextafter(x.dtype.type(alpha), x.dtype.type(-np.inf))
    return array(functional.threshold(tensor(x), float(below), 0.0))
