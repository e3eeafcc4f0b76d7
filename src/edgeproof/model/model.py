"""``edgeproof.Model``: a module with its signature, state and samples, as a user's factory gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import Encoding, Readout, TensorSpec
from edgeproof.errors import SamplesError, SignatureError
from edgeproof.metrics.base import Metric
from edgeproof.metrics.labels import Labels, labels_of

if TYPE_CHECKING:
    import torch

    from edgeproof.spike.graph.semantics import CodingKind, InputCoding

__all__ = ["DTYPES", "Model", "Samples", "parse_spec"]

DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")

_SPEC = re.compile(r"^(?P<name>[A-Za-z_][\w.]*):(?P<dtype>\w+)\[\s*(?P<shape>(\d+\s*(,\s*\d+\s*)*)?)\]$", re.ASCII)


def parse_spec(text: str) -> TensorSpec:
    """Parse ``NAME:dtype[shape]``, such as ``x:float32[1,64]`` (batch axis included).

    Raises:
        SignatureError: not of that form.
    """
    match = _SPEC.match(text.strip())
    if match is None or match["dtype"] not in DTYPES:
        raise SignatureError(
            f"cannot read the input `{text}`; expected NAME:dtype[shape]",
            hint=f"for example x:float32[1,64]; dtypes: {', '.join(DTYPES)}",
        )
    shape = tuple(int(part) for part in match["shape"].split(",") if part)
    if 0 in shape:
        raise SignatureError(f"the input `{text}` has an axis of length 0")
    return TensorSpec(name=match["name"], dtype=match["dtype"], shape=shape)


def _array(value: Any) -> Any:
    """A tensor as an array, bfloat16 as float32, which holds all of it; anything else as it is. Imports no torch."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


@dataclass(frozen=True)
class Samples:
    """Inputs with the sample axis first, and labels where there are any.

    A torch tensor serves as an array, from whatever device.

    Attributes:
        inputs: one array per input, ``[count, *shape]``, with or without the model's batch axis.
        labels: what the metric takes, one entry a sample: ``int[count]`` classes, numbers or texts of any shape
            ``[count, …]``, or a list of arrays where samples have different numbers of rows, such as boxes; or None.
        slices: which part of the data each sample belongs to, ``[count]`` names or numbers; or None.
        origin: where they come from, in words.

    Raises:
        SamplesError: the labels are neither, or not as many as the samples.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    labels: Labels | None = None
    origin: str = "given by the model"
    slices: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", {name: _array(value) for name, value in self.inputs.items()})
        given: Any = self.labels
        try:
            labels = labels_of([_array(row) for row in given] if isinstance(given, list | tuple) else _array(given))
        except ValueError as error:
            raise SamplesError(f"{self.origin}: {error}") from error
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "slices", None if self.slices is None else np.asarray(_array(self.slices)))
        for name, found in (("labels", self.labels), ("slices", self.slices)):
            if found is not None and self.inputs and len(found) != self.count:
                raise SamplesError(
                    f"{self.origin}: sample counts differ: {len(found)} {name} for {self.count} samples",
                    hint="give one entry a sample",
                )

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))

    def take(self, index: npt.NDArray[np.intp]) -> Samples:
        """The samples at ``index``, in that order."""
        return Samples(
            {name: array[index] for name, array in self.inputs.items()},
            None if self.labels is None else self.labels[index],
            self.origin,
            None if self.slices is None else self.slices[index],
        )


@dataclass(frozen=True)
class Model:
    """What is to be shipped: the module, how it is called, and real samples of its input.

    A module with hidden state (snnTorch ``init_hidden``, SpikingJelly nodes, attributes that change) starts every call
    from the state it has when the factory returns.

    Attributes:
        module: the network. It is put into evaluation mode.
        inputs: specs as ``"x:float32[1,64]"`` or ``TensorSpec``; empty: taken from the samples.
        timesteps: if set, ``module`` computes *one* time step and a call runs this many.
        encoding: ``repeat`` feeds the same input at every step; ``sequence`` feeds ``input[t]``, time axis first.
        coding: how a sample becomes a value per time step, as ``"rate"``, ``"latency"``, ``"delta"`` or an
            ``edgeproof.spike.graph.semantics.InputCoding`` with its seed and threshold; samples are given before it,
            and ``encoding`` is ``sequence``. None: a sample is the input itself.
        readout: how the steps' outputs become the call's: ``sum``, ``mean``, ``last``, ``stack`` (time axis first);
            one for all, or one per output.
        explicit_state: ``module(x, state) -> (output, state)``; ``initial_state`` is the first ``state``, None if the
            module makes its own from None.
        output_names: names in output order, instead of the ones found in the module's output.
        spike_outputs: outputs that are spikes or spike counts.
        metric: what the task is scored by: a name, ``edgeproof.metric(name, …)``, ``edgeproof.Metric(…)``, or a
            function ``(outputs, labels) -> float`` that is better where it is higher. Default: accuracy, where the
            labels are classes.
        score_output: the output that the metric takes; default: the only one, or the first of shape
            ``[batch, classes]``. Where there is none, the metric takes all of them by name.
        samples: pool that representative samples are drawn from, or a function that gives it; never the held-out split.
        held_out: samples with labels for validation and the task score, or a function that gives them.
        name: stem for file names; default: the factory's file name.
        notes: what a reader of the results has to know of the model.
    """

    module: torch.nn.Module
    inputs: Sequence[str | TensorSpec] = ()
    timesteps: int | None = None
    encoding: Encoding = "repeat"
    coding: InputCoding | CodingKind | None = None
    readout: Readout | Sequence[Readout] = "sum"
    explicit_state: bool = False
    initial_state: Any = None
    output_names: Sequence[str] = ()
    spike_outputs: Sequence[str] = ()
    metric: str | Metric | Callable[[Any, Any], float] | None = None
    score_output: str | None = None
    samples: Samples | Callable[[], Samples] | None = None
    held_out: Samples | Callable[[], Samples] | None = None
    name: str | None = None
    notes: Sequence[str] = ()

    def specs(self) -> tuple[TensorSpec, ...]:
        """The declared inputs, parsed."""
        return tuple(parse_spec(spec) if isinstance(spec, str) else spec for spec in self.inputs)
