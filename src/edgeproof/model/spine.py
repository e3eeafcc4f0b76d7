"""The spine: a form's exported program on disk, with its signature and the samples that calibrate it."""

from __future__ import annotations

import functools
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgeproof.documents.base import read_marked, write_document
from edgeproof.documents.signature import Form, Loop, Signature, TensorSpec
from edgeproof.documents.spine import SpineDocument
from edgeproof.errors import ConversionError
from edgeproof.model.agreement import gap
from edgeproof.model.archive import load_program
from edgeproof.model.arrays import read_npz
from edgeproof.model.export import export_program
from edgeproof.model.forms import read_out
from edgeproof.model.samples import load_samples
from edgeproof.model.subject import Subject
from edgeproof.trust import fingerprint, hold

__all__ = ["Spine", "export_spine", "load_spine"]

Array = npt.NDArray[Any]
Call = Callable[..., Sequence[torch.Tensor]]
PROGRAM = "program.pt2"
EXPORT_TOLERANCE = 1e-4
TRIALS = 4
STEP_CALIBRATION_CALLS = 1024
STEP_SEED = 0


@dataclass(frozen=True)
class Spine:
    """What a format converts.

    Attributes:
        folder: where it stands.
        document: what the program's tensors mean.
        samples: representative samples, one array per model input, sample axis first.
        initial: first values of the states that do not start as zeros, by the loop's keys.
        ours: whether this user made it; a program that somebody else made is loaded where it is data alone.
    """

    folder: Path
    document: SpineDocument
    samples: Mapping[str, Array]
    initial: Mapping[str, Array]
    ours: bool = False

    @functools.cached_property
    def program(self) -> torch.export.ExportedProgram:
        """Flat tensors in, flat tensors out, static shapes; loaded when it is first asked for.

        Raises:
            ArtifactError: it is not the program that the document describes.
            TrustError: somebody else made it, and it is more than data.
        """
        sha256 = self.document.program_sha256
        return load_program(hold(self.folder, PROGRAM, sha256, {}), trust=self.ours and bool(sha256))

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Graph inputs in order."""
        return self.document.graph_inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Graph outputs in order."""
        return self.document.graph_outputs

    @property
    def form(self) -> Form:
        """The form of the program."""
        return self.document.form

    def example(self) -> tuple[torch.Tensor, ...]:
        """Graph inputs of the first real sample."""
        return tuple(torch.from_numpy(array.copy()) for array in next(self.calls(1)))

    def calls(self, limit: int | None = None) -> Iterator[tuple[Array, ...]]:
        """Real graph inputs in graph order: the samples, or in the step form steps of their time courses.

        Args:
            limit: at most so many; default all samples, or 1,024 drawn steps.
        """
        names = [spec.name for spec in self.document.signature.inputs]
        count = len(self.samples[names[0]])
        if self.document.loop is None:
            for index in range(min(count, limit or count)):
                yield tuple(np.ascontiguousarray(self.samples[name][index]) for name in names)
            return
        yield from self._steps(self.document.loop, names, count, limit or STEP_CALIBRATION_CALLS)

    def _steps(self, loop: Loop, names: list[str], count: int, limit: int) -> Iterator[tuple[Array, ...]]:
        module = self.program.module(check_guards=False)
        count = min(count, limit)
        total = count * loop.timesteps
        drawn = np.random.default_rng(STEP_SEED).choice(total, min(limit, total), replace=False)
        wanted = set(drawn.tolist())
        for index in range(count):
            last = max((call for call in wanted if call // loop.timesteps == index), default=-1)
            states = [
                torch.zeros(state.shape, dtype=getattr(torch, state.dtype))
                if state.initial is None
                else torch.from_numpy(self.initial[state.initial].copy())
                for state in loop.states
            ]
            sample = [torch.from_numpy(np.ascontiguousarray(self.samples[name][index])) for name in names]
            for step in range(last + 1 - index * loop.timesteps):
                now = [sequence[step].contiguous() for sequence in sample] if loop.encoding == "sequence" else sample
                call = index * loop.timesteps + step
                if call in wanted:
                    yield tuple(tensor.numpy().copy() for tensor in (*now, *states))
                if call == last:
                    break  # what comes after is asked for by nobody
                with torch.inference_mode():
                    results = module(*now, *states)
                states = list(results[len(loop.readouts) :])


def export_spine(
    subject: Subject, form: Form, samples: Mapping[str, Array], folder: Path, *, address: str
) -> SpineDocument:
    """Export one form of a subject into ``folder``: ``program.pt2``, ``spine.json``, ``initial_state.npz``.

    The program is run on real samples beside the module, and refused when they differ.

    Raises:
        DataDependentError, ConversionError: see ``export_program``.
        SignatureError: the model has no such form.
    """
    began = time.monotonic()
    signature = subject.signature
    names = [spec.name for spec in signature.inputs]
    first = [torch.from_numpy(np.array(samples[name][0])) for name in names]
    loop: Loop | None = None
    initial: dict[str, Array] = {}
    if form == "step":
        module, loop, states = subject.step()
        now = [sequence[0].contiguous() for sequence in first] if loop.encoding == "sequence" else first
        inputs = (*now, *(state.initial for state in states))
        initial = {
            spec.initial: state.initial.numpy() for spec, state in zip(loop.states, states, strict=True) if spec.initial
        }
        graph_inputs = (
            *(
                TensorSpec(name=spec.name, dtype=spec.dtype, shape=tuple(tensor.shape))
                for spec, tensor in zip(signature.inputs, now, strict=True)
            ),
            *(TensorSpec(name=state.name, dtype=state.dtype, shape=state.shape) for state in loop.states),
        )
        call: torch.nn.Module = module.eval()
    else:
        call, inputs, graph_inputs = subject.call, tuple(first), signature.inputs
    program = export_program(call, tuple(tensor.clone() for tensor in inputs))
    with torch.no_grad():
        results = call(*[tensor.clone() for tensor in inputs])
    mine = program.module()
    if loop is None:
        worst = _compare(mine, call, _given(signature, samples))
    else:
        worst = _compare(mine, call, [inputs])
        looped = functools.partial(_looped, mine, loop, [state.initial for state in states])
        worst = max(worst, _compare(looped, subject.call, _given(signature, samples)))
    output_names = [spec.name for spec in signature.outputs]
    if loop is not None:
        output_names += [f"next_{state.name}" for state in loop.states]
    graph_outputs = tuple(
        TensorSpec(name=name, dtype=str(tensor.dtype).removeprefix("torch."), shape=tuple(tensor.shape))
        for name, tensor in zip(output_names, results, strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
        torch.export.save(program, folder / PROGRAM)
    document = SpineDocument(
        model=address,
        name=subject.name,
        form=form,
        signature=signature,
        loop=loop,
        graph_inputs=graph_inputs,
        graph_outputs=graph_outputs,
        export_max_abs=worst,
        seconds=time.monotonic() - began,
        program_sha256=fingerprint(folder / PROGRAM)[0],
    ).marked()
    np.savez(folder / "initial_state.npz", allow_pickle=False, **initial)
    write_document(folder / SpineDocument.FILE, document)
    return document


def _given(signature: Signature, samples: Mapping[str, Array]) -> list[tuple[torch.Tensor, ...]]:
    """The inputs of some whole calls."""
    names = [spec.name for spec in signature.inputs]
    count = min(TRIALS, len(samples[names[0]]))
    return [tuple(torch.from_numpy(np.array(samples[name][index])) for name in names) for index in range(count)]


def _looped(
    program: Call, loop: Loop, states: Sequence[torch.Tensor], *inputs: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """A whole call by the one-step program."""
    count = len(loop.readouts)
    steps: list[Sequence[torch.Tensor]] = []
    for step in range(loop.timesteps):
        now = [sequence[step].contiguous() for sequence in inputs] if loop.encoding == "sequence" else inputs
        results = program(*[tensor.clone() for tensor in (*now, *states)])
        steps.append(results[:count])
        states = results[count:]
    return tuple(read_out([outputs[i] for outputs in steps], how) for i, how in enumerate(loop.readouts))


def _compare(program: Call, call: Call, trials: Sequence[tuple[torch.Tensor, ...]]) -> float:
    """Largest difference between program and module on these inputs.

    Raises:
        ConversionError: the program computes something else.
    """
    worst = 0.0
    with torch.no_grad():
        for trial in trials:
            results = program(*[tensor.clone() for tensor in trial])
            for mine, theirs in zip(results, call(*[tensor.clone() for tensor in trial]), strict=True):
                if mine.shape != theirs.shape:
                    raise ConversionError(
                        f"the exported program gives {list(mine.shape)}, the model {list(theirs.shape)}"
                    )
                found = gap(mine, theirs)
                if math.isnan(found.max_abs) and bool(theirs.isnan().any()):
                    raise ConversionError("the model gives NaN on real samples: no program can be held against that")
                if not found.within(EXPORT_TOLERANCE):
                    raise ConversionError(
                        f"the exported program differs from the model by {found.max_abs:.3g} on real samples: "
                        "the model computes something that a graph does not hold, such as random numbers",
                        hint="make the model deterministic in evaluation mode",
                    )
                worst = max(worst, found.max_abs)
    return worst


def load_spine(folder: Path, samples: Mapping[str, Array] | Path) -> Spine:
    """Load what ``export_spine`` wrote.

    Args:
        folder: where it did.
        samples: representative ones, or the folder or npz that holds them.

    Raises:
        DocumentError: there is none. SamplesError: the samples cannot be read.
    """
    document, ours = read_marked(folder / SpineDocument.FILE, SpineDocument)
    if isinstance(samples, Path):
        given: Mapping[str, Array] = load_samples(samples, document.signature.inputs).inputs
    else:
        given = samples
    initial = read_npz(folder / "initial_state.npz")
    return Spine(folder, document, given, initial, ours)
