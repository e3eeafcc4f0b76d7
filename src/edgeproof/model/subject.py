"""The model under test with everything about its call known: signature, hidden state, forms. Made from a ``Model``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeproof.documents.signature import Form, Loop, Readout, Signature, StateSpec, TensorSpec
from edgeproof.errors import EdgeProofError, SignatureError
from edgeproof.model.first_state import find_first_state
from edgeproof.model.forms import ExplicitState, OneOfMany, StepCall, UnrolledCall, WholeCall, caller
from edgeproof.model.model import Model
from edgeproof.model.outputs import flatten_output
from edgeproof.model.state import HiddenState, StateTensor, find_hidden_state, frozen

__all__ = ["Subject", "make_subject"]

SPIKING_PACKAGES = frozenset({"snntorch", "spikingjelly", "norse", "sinabs", "rockpool", "spyx"})
NAMING = "the outputs of a tuple are named with output_names=[…] in edgeproof.Model; those of a dict have their keys"


@dataclass(frozen=True)
class Subject:
    """A model whose call is settled.

    Attributes:
        model: as the user gave it.
        signature: its inputs and outputs, batch axis included.
        call: one call on flat tensors, state reset around it: the eager reference.
        state: hidden state of the module.
        one_step: the subject of one time step, where the module takes a whole sequence and does the same step by step.
    """

    model: Model
    signature: Signature
    call: torch.nn.Module
    state: HiddenState
    one_step: Subject | None = None

    @property
    def name(self) -> str:
        """Stem for file names."""
        return self.model.name or "model"

    @property
    def forms(self) -> tuple[Form, ...]:
        """Forms this model has at all."""
        return ("whole",) if self.signature.timesteps is None else ("unrolled", "step")

    def example(self) -> tuple[torch.Tensor, ...]:
        """Inputs of the signature's shapes, for tracing only; small whole numbers so that tokens stay in range."""
        return tuple(_example(spec) for spec in self.signature.inputs)

    def step(self) -> tuple[StepCall, Loop, tuple[StateTensor, ...]]:
        """The one-step form.

        Raises:
            SignatureError: the model has no time steps, or state that cannot be put in the open.
        """
        if self.one_step is not None:
            return self.one_step.step()
        model = self.model
        if model.timesteps is None:
            raise SignatureError("the model has no time steps of EdgeProof's: it has no one-step form")
        names = [spec.name for spec in self.signature.inputs]
        inputs = self.example()
        now = tuple(sequence[0] for sequence in inputs) if model.encoding == "sequence" else inputs
        structure: ExplicitState | None = None
        with torch.no_grad():
            if model.explicit_state:
                states, structure = _explicit_states(model, now)
            else:
                call = caller(model.module, names)
                try:
                    states = self.state.tensors(lambda: [tensor for _, tensor in flatten_output(call(frozen(now)))])
                except ValueError as error:
                    raise SignatureError(
                        f"the state cannot be made explicit: {error}",
                        hint="keep what changes from step to step in tensors: a number in a buffer of one element",
                    ) from error
        within = "module." if isinstance(model.module, OneOfMany) else ""
        module = StepCall(model.module, names, self.state, states, structure=structure)
        loop = Loop(
            timesteps=model.timesteps,
            encoding=model.encoding,
            states=tuple(
                StateSpec(
                    name=f"state_{state.name.removeprefix(within).replace('.', '_')}",
                    dtype=str(state.initial.dtype).removeprefix("torch."),
                    shape=tuple(state.initial.shape),
                    initial=None if not bool(state.initial.any()) else f"state_{number}",
                )
                for number, state in enumerate(states)
            ),
            readouts=_readouts(model, len(self.signature.outputs)),
        )
        return module, loop, states


def _explicit_states(model: Model, now: tuple[torch.Tensor, ...]) -> tuple[tuple[StateTensor, ...], ExplicitState]:
    """The tensors of the state that the caller carries, with the values of the first one.

    Raises:
        SignatureError: ``initial_state`` has other values than the module returns, or the first state, which the module
            makes itself, is not found.
    """
    _, after = model.module(*frozen(now), frozen(model.initial_state))
    leaves, spec = pytree.tree_flatten(after)
    rest = tuple(None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
    positions = tuple(index for index, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor))
    structure = ExplicitState(spec, rest, positions)
    tensors = [leaves[index] for index in positions]
    if model.initial_state is None:
        own = [*model.module.parameters(), *model.module.buffers()]
        first = find_first_state(model.module, now, tensors, structure.filled, own)
        if first is None:
            raise SignatureError(
                "the module's own first state, which it makes where it is given None, is not found: "
                f"from zeros of its {len(tensors)} tensors, and from what it makes, it goes on differently",
                hint="give it to edgeproof.Model as initial_state",
            )
    else:
        given = pytree.tree_leaves(model.initial_state)
        if len(given) != len(leaves):
            raise SignatureError(f"the module returns a state of {len(leaves)} values; initial_state has {len(given)}")
        first = [given[index] for index in positions]
    states = tuple(
        StateTensor(str(index), None, index, tensor.clone()) for index, tensor in zip(positions, first, strict=True)
    )
    return states, structure


def _example(spec: TensorSpec) -> torch.Tensor:
    values = np.arange(int(np.prod(spec.shape, dtype=np.int64)), dtype=np.int64) % 2
    return torch.from_numpy(values.reshape(spec.shape).astype(spec.dtype))


def _readouts(model: Model, count: int) -> tuple[Readout, ...]:
    if isinstance(model.readout, str):
        return (model.readout,) * count
    if len(model.readout) != count:
        raise SignatureError(f"the model has {count} outputs and {len(model.readout)} readouts; expected one for each")
    return tuple(model.readout)


def make_subject(model: Model, inputs: Sequence[TensorSpec]) -> Subject:
    """Settle the call: find hidden state, run once, read the outputs.

    Args:
        model: as loaded.
        inputs: specs with batch axis.

    Raises:
        SignatureError: the module does not run on such inputs, or gives no tensor.
    """
    if model.timesteps is not None and model.encoding == "sequence":
        for spec in inputs:
            if spec.shape[:1] != (model.timesteps,):
                rest = list(spec.shape)
                if model.timesteps in rest:
                    rest.remove(model.timesteps)  # it has them, in another place
                wanted = ",".join(map(str, (model.timesteps, *rest)))
                raise SignatureError(
                    f"{spec.name} is {list(spec.shape)}; a sequence of {model.timesteps} time steps has them first, "
                    "before the batch axis",
                    hint=f"say {spec.name}:{spec.dtype}[{wanted}]",
                )
    model.module.eval()
    names = [spec.name for spec in inputs]
    example = tuple(_example(spec) for spec in inputs)
    now = tuple(sequence[0] for sequence in example) if model.encoding == "sequence" and model.timesteps else example
    shapes = ", ".join(f"{spec.name}:{spec.dtype}{list(spec.shape)}" for spec in inputs)

    def once() -> Any:
        given = frozen(now)  # a module may write into what it is given
        if model.explicit_state:
            return model.module(*given, frozen(model.initial_state))
        return caller(model.module, names)(given)

    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            state = find_hidden_state(model.module, once)
            with state.fresh():
                raw = once()
    except EdgeProofError:
        raise
    except Exception as error:
        raise SignatureError(
            f"the model does not run on {shapes}: {type(error).__name__}: {_first_line(error)}",
            hint="say the inputs with --input NAME:dtype[shape], batch axis included",
        ) from error
    found = flatten_output(raw[0] if model.explicit_state else raw)
    if not found:
        raise SignatureError(f"the model gives no tensor on {shapes}, but {type(raw).__name__}")
    call: torch.nn.Module
    if model.timesteps is None:
        call = WholeCall(model.module, names, state, explicit=model.explicit_state, initial=model.initial_state)
    else:
        call = UnrolledCall(
            model.module,
            names,
            state,
            timesteps=model.timesteps,
            encoding=model.encoding,
            readouts=_readouts(model, len(found)),
            explicit=model.explicit_state,
            initial=model.initial_state,
        )
    call.eval()
    with torch.no_grad():
        results = call(*frozen(example))
    outputs = _output_specs(model, [name for name, _ in found], results)
    signature = Signature(
        inputs=tuple(inputs),
        outputs=outputs,
        timesteps=model.timesteps,
        spiking=_is_spiking(model),
        stateful=bool(state) or model.explicit_state,
        score_output=_score_output(model, outputs),
        notes=tuple(model.notes),
    )
    return Subject(model, signature, call, state)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]


def _is_spiking(model: Model) -> bool:
    return bool(model.spike_outputs) or any(
        type(part).__module__.partition(".")[0] in SPIKING_PACKAGES for part in model.module.modules()
    )


def _output_specs(model: Model, names: Sequence[str], results: Sequence[torch.Tensor]) -> tuple[TensorSpec, ...]:
    if model.output_names:
        if len(model.output_names) != len(names):
            raise SignatureError(
                f"the model has {len(names)} outputs ({', '.join(names)}); output_names gives {len(model.output_names)}"
            )
        names = list(model.output_names)
    unknown = set(model.spike_outputs) - set(names)
    if unknown:
        raise SignatureError(
            f"spike_outputs names {', '.join(sorted(unknown))}; the outputs are {', '.join(names)}", hint=NAMING
        )
    return tuple(
        TensorSpec(
            name=name,
            dtype=str(tensor.dtype).removeprefix("torch."),
            shape=tuple(tensor.shape),
            kind="spikes" if name in model.spike_outputs else "real",
        )
        for name, tensor in zip(names, results, strict=True)
    )


def _score_output(model: Model, outputs: Sequence[TensorSpec]) -> str | None:
    if model.score_output is not None:
        if model.score_output not in {spec.name for spec in outputs}:
            raise SignatureError(
                f"score_output is {model.score_output}; the outputs are {', '.join(spec.name for spec in outputs)}",
                hint=NAMING,
            )
        return model.score_output
    if model.metric is not None:  # it takes the only output, whatever its shape, or all of them
        return outputs[0].name if len(outputs) == 1 else None
    for spec in outputs:
        classes = len(spec.shape) == 2 or (len(spec.shape) == 3 and spec.shape[1] == 1)
        if classes and spec.shape[-1] > 1 and spec.dtype.startswith(("float", "int")):
            return spec.name
    return None
