"""Fourier transforms as products with the DFT matrix, and complex values as pairs of real ones.

X_k = Σ_n x_n e^(-2πi nk/N): the matrices of cosines and sines are constants of the graph.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite, Rule
from edgeproof.formats.rewrites.convolution import overlapped

__all__ = ["FOURIER", "UNFOLD"]


@dataclass(frozen=True)
class _Complex:
    """A complex value inside the rewritten graph."""

    real: torch.Tensor
    imag: torch.Tensor

    @property
    def shape(self) -> torch.Size:
        return self.real.shape

    @property
    def ndim(self) -> int:
        return self.real.ndim


@functools.cache
def _matrix(size: int, kept: int, sign: int) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of 2πnk/N as ``[n, k]``, computed in float64."""
    n = torch.arange(size, dtype=torch.float64)[:, None]
    k = torch.arange(kept, dtype=torch.float64)[None]
    angle = sign * 2 * math.pi * torch.remainder(n * k, size) / size
    return torch.cos(angle).float(), torch.sin(angle).float()


def _scale(normalization: int, size: int) -> float:
    """PyTorch's fft_norm_mode: 0 none, 1 by √n, 2 by n."""
    return {0: 1.0, 1: 1.0 / math.sqrt(size), 2: 1.0 / size}[normalization]


def _along(x: torch.Tensor, axis: int, matrix: torch.Tensor) -> torch.Tensor:
    return torch.matmul(x.transpose(axis, -1), matrix).transpose(axis, -1)


def _transform(value: _Complex, axis: int, sign: int) -> _Complex:
    size = value.shape[axis]
    cos, sin = _matrix(size, size, sign)
    return _Complex(
        _along(value.real, axis, cos) - _along(value.imag, axis, sin),
        _along(value.real, axis, sin) + _along(value.imag, axis, cos),
    )


def _fft_r2c(x: torch.Tensor, dim: list[int], normalization: int, onesided: bool) -> _Complex:
    last = dim[-1]
    size = x.shape[last]
    cos, sin = _matrix(size, size // 2 + 1 if onesided else size, -1)
    value = _Complex(_along(x, last, cos), _along(x, last, sin))
    count = size
    for axis in dim[:-1]:
        value, count = _transform(value, axis, -1), count * x.shape[axis]
    return _scaled(value, _scale(normalization, count))


def _fft_c2c(x: Any, dim: list[int], normalization: int, forward: bool) -> _Complex:
    value = x if isinstance(x, _Complex) else _Complex(x, torch.zeros_like(x))
    count = 1
    for axis in dim:
        value, count = _transform(value, axis, -1 if forward else 1), count * value.shape[axis]
    return _scaled(value, _scale(normalization, count))


def _fft_c2r(x: Any, dim: list[int], normalization: int, last_dim_size: int) -> Any:
    if not isinstance(x, _Complex):
        return NotImplemented
    value, count = x, last_dim_size
    for axis in dim[:-1]:
        value, count = _transform(value, axis, 1), count * x.shape[axis]
    last = dim[-1]
    kept = value.shape[last]
    cos, sin = _matrix(kept, last_dim_size, 1)
    n = torch.arange(last_dim_size, dtype=torch.float64)[None]
    k = torch.arange(kept, dtype=torch.float64)[:, None]
    angle = 2 * math.pi * torch.remainder(n * k, last_dim_size) / last_dim_size
    alone = (0, last_dim_size // 2) if last_dim_size % 2 == 0 else (0,)
    weight = torch.tensor([[1.0 if at in alone else 2.0] for at in range(kept)], dtype=torch.float64)
    cos, sin = (torch.cos(angle) * weight).float(), (torch.sin(angle) * weight).float()
    real = _along(value.real, last, cos) - _along(value.imag, last, sin)
    return real * _scale(normalization, count)


_NORMALIZATION = {"backward": (0, 2), "ortho": (1, 1), "forward": (2, 0)}
"""norm → modes of the forward and the inverse transform."""


def _sized(x: Any, size: int | None, axis: int) -> Any:
    """Cut or padded with zeros to ``size`` along an axis."""
    if size is None or size == x.shape[axis]:
        return x
    if isinstance(x, _Complex):
        return _Complex(_sized(x.real, size, axis), _sized(x.imag, size, axis))
    if size < x.shape[axis]:
        return x.narrow(axis, 0, size)
    more = list(x.shape)
    more[axis] = size - x.shape[axis]
    return torch.cat([x, x.new_zeros(more)], axis)


def _rfft(x: torch.Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> _Complex:
    return _fft_r2c(_sized(x, n, dim), [dim], _NORMALIZATION[norm or "backward"][0], onesided=True)


def _fft(x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> _Complex:
    return _fft_c2c(_sized(x, n, dim), [dim], _NORMALIZATION[norm or "backward"][0], forward=True)


def _ifft(x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> _Complex:
    return _fft_c2c(_sized(x, n, dim), [dim], _NORMALIZATION[norm or "backward"][1], forward=False)


def _irfft(x: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    size = n if n is not None else 2 * (x.shape[dim] - 1)
    value = _sized(_pair(x), size // 2 + 1, dim)
    return _fft_c2r(value, [dim], _NORMALIZATION[norm or "backward"][1], size)


def _rfft2(x: torch.Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    if s is not None:
        return NotImplemented
    return _fft_r2c(x, list(dim), _NORMALIZATION[norm or "backward"][0], onesided=True)


def _fft2(x: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    if s is not None:
        return NotImplemented
    return _fft_c2c(x, list(dim), _NORMALIZATION[norm or "backward"][0], forward=True)


def _ifft2(x: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
    if s is not None:
        return NotImplemented
    return _fft_c2c(x, list(dim), _NORMALIZATION[norm or "backward"][1], forward=False)


def _stft(
    x: torch.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """Frames of ``n_fft`` every ``hop_length``, windowed, transformed: ``[..., frequency, frame]`` (torch.stft)."""
    if align_to_window or onesided is False:
        return NotImplemented
    hop = hop_length or n_fft // 4
    length = win_length or n_fft
    if window is None:
        window = torch.ones(length)
    if length < n_fft:
        left = (n_fft - length) // 2
        window = torch.nn.functional.pad(window, [left, n_fft - length - left])
    frames = frames_of(x, -1, n_fft, hop) * window
    value = _fft_r2c(frames, [-1], 1 if normalized else 0, onesided=True)
    value = _Complex(value.real.transpose(-1, -2), value.imag.transpose(-1, -2))
    return value if return_complex else torch.stack([value.real, value.imag], -1)


def _istft(
    x: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """Frames transformed back, windowed, added where they overlap, and divided by the squares of the windows that
    meet there (torch.istft)."""
    if return_complex or onesided is False or not isinstance(x, _Complex):
        return NotImplemented
    hop, wide = hop_length or n_fft // 4, win_length or n_fft
    shape = x.shape
    value = _Complex(*(part.reshape(-1, *shape[-2:]).transpose(-1, -2) for part in (x.real, x.imag)))
    frames = _fft_c2r(value, [-1], 1 if normalized else 2, n_fft)
    window = torch.ones(wide) if window is None else window
    left = (n_fft - wide) // 2
    window = torch.nn.functional.pad(window, [left, n_fft - wide - left]) if wide < n_fft else window
    total, start = n_fft + hop * (shape[-1] - 1), n_fft // 2 if center else 0

    def added(parts: torch.Tensor) -> torch.Tensor:
        lines = parts.transpose(-1, -2)
        return overlapped(lines, [1, total], [1, n_fft], [1, 1], [0, 0], [1, hop]).reshape(-1, total)

    count = total - 2 * start if length is None else min(length, total - start)
    wave = added(frames * window).narrow(1, start, count)
    weight = added((window * window).expand(1, shape[-1], n_fft)).narrow(1, start, count)
    wave = wave / weight
    if length is not None and length > count:
        wave = torch.nn.functional.pad(wave, [0, length - count])
    return wave.reshape(*shape[:-2], wave.shape[-1])


def frames_of(x: torch.Tensor, axis: int, size: int, step: int) -> torch.Tensor:
    """``x.unfold(axis, size, step)`` by picking elements: windows become the last axis."""
    axis %= x.ndim
    count = (x.shape[axis] - size) // step + 1
    index = (torch.arange(count)[:, None] * step + torch.arange(size)[None]).reshape(-1)
    picked = x.index_select(axis, index)
    shape = [*x.shape[:axis], count, size, *x.shape[axis + 1 :]]
    order = [*range(axis + 1), *range(axis + 2, len(shape)), axis + 1]
    framed = picked.reshape(shape)
    return framed if order == list(range(len(shape))) else framed.permute(order)


def _scaled(value: _Complex, factor: float) -> _Complex:
    return value if factor == 1.0 else _Complex(value.real * factor, value.imag * factor)


def _shape_rule(name: str) -> Rule:
    """An operator that only moves elements: once for each part."""

    def rule(x: Any, *args: Any, **kwargs: Any) -> Any:
        operator = getattr(torch.ops.aten, name)
        if isinstance(x, _Complex):
            return _Complex(operator(x.real, *args, **kwargs), operator(x.imag, *args, **kwargs))
        if isinstance(x, (list, tuple)) and any(isinstance(part, _Complex) for part in x):
            return _Complex(
                operator([part.real for part in x], *args, **kwargs),
                operator([part.imag for part in x], *args, **kwargs),
            )
        return NotImplemented

    return rule


def _of_complex(function: Rule) -> Rule:
    """A rule for complex arguments only."""

    def rule(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if any(isinstance(argument, _Complex) for argument in args) else NotImplemented

    return rule


def _magnitude(x: _Complex) -> torch.Tensor:
    return torch.sqrt(x.real * x.real + x.imag * x.imag)


def _view_as_complex(x: torch.Tensor) -> _Complex:
    return _Complex(x[..., 0], x[..., 1])


def _pair(value: Any) -> _Complex:
    if isinstance(value, _Complex):
        return value
    if isinstance(value, torch.Tensor):
        return _Complex(value, torch.zeros_like(value))
    number = complex(value)
    return _Complex(torch.tensor(number.real), torch.tensor(number.imag))


def _add(a: Any, b: Any, *, alpha: float = 1) -> _Complex:
    x, y = _pair(a), _pair(b)
    return _Complex(x.real + alpha * y.real, x.imag + alpha * y.imag)


def _sub(a: Any, b: Any, *, alpha: float = 1) -> _Complex:
    return _add(a, b, alpha=-alpha)


def _mul(a: Any, b: Any) -> _Complex:
    if not isinstance(b, _Complex) and not isinstance(b, complex):
        return _Complex(a.real * b, a.imag * b)
    if not isinstance(a, _Complex) and not isinstance(a, complex):
        return _Complex(a * b.real, a * b.imag)
    x, y = _pair(a), _pair(b)
    return _Complex(x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real)


def _div(a: Any, b: Any) -> Any:
    if isinstance(b, _Complex):
        return NotImplemented
    return _Complex(a.real / b, a.imag / b)


_MOVES = (
    "alias", "cat", "clone", "contiguous", "detach", "expand", "flatten", "flip", "index_select", "narrow", "permute",
    "repeat", "reshape", "roll", "select", "slice", "squeeze", "stack", "t", "transpose", "unsqueeze", "view", "mean",
    "sum", "_unsafe_view", "movedim", "constant_pad_nd", "_to_copy", "neg", "unfold", "as_strided", "lift_fresh_copy",
)  # fmt: skip

_TRANSFORMS: dict[str, Rule] = {
    "aten._fft_r2c": _fft_r2c,
    "aten._fft_c2c": _fft_c2c,
    "aten._fft_c2r": _fft_c2r,
    "aten.fft_rfft": _rfft,
    "aten.fft_fft": _fft,
    "aten.fft_ifft": _ifft,
    "aten.fft_irfft": _irfft,
    "aten.fft_rfft2": _rfft2,
    "aten.fft_fft2": _fft2,
    "aten.fft_ifft2": _ifft2,
    "aten.stft": _stft,
    "aten.istft": _istft,
}


def _complex(real: torch.Tensor, imag: torch.Tensor) -> _Complex:
    return _Complex(real, imag)


FOURIER = OperatorRewrite(
    name="Fourier transform as a product with the DFT matrix, complex values as pairs",
    why="the converter has no Fourier transform and no complex values",
    rules={
        **_TRANSFORMS,
        "aten.view_as_complex": _view_as_complex,
        "aten.complex": _complex,
        "aten.polar": lambda size, angle: _Complex(size * torch.cos(angle), size * torch.sin(angle)),
        "aten.view_as_real": _of_complex(lambda x: torch.stack([x.real, x.imag], -1)),
        "aten.real": _of_complex(lambda x: x.real),
        "aten.imag": _of_complex(lambda x: x.imag),
        "aten.abs": _of_complex(_magnitude),
        "aten.square": _of_complex(lambda x: _mul(x, x)),
        "aten.angle": _of_complex(lambda x: torch.atan2(x.imag, x.real)),
        "aten.conj": _of_complex(lambda x: _Complex(x.real, -x.imag)),
        "aten._conj": _of_complex(lambda x: _Complex(x.real, -x.imag)),
        "aten.resolve_conj": _of_complex(lambda x: x),
        "aten.resolve_neg": _of_complex(lambda x: x),
        "aten.add": _of_complex(_add),
        "aten.sub": _of_complex(_sub),
        "aten.mul": _of_complex(_mul),
        "aten.div": _of_complex(_div),
        **{f"aten.{name}": _shape_rule(name) for name in _MOVES},
    },
    starts=(*_TRANSFORMS, "aten.view_as_complex", "aten.complex", "aten.polar"),
)
UNFOLD = OperatorRewrite(
    name="sliding windows by picking elements",
    why="the converter mistakes the shape of unfold",
    rules={"aten.unfold": frames_of},
)
