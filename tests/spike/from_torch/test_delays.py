"""Delays as they are written in PyTorch, buffers that are shifted and rings with a position: a chain of states each.

Program, C and whole numbers are held against the module over more steps than the buffer is long.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.spike.calling import call
from torch import nn

from edgeproof.errors import SignatureError, UnsupportedError
from edgeproof.model.model import Model, Samples
from edgeproof.model.resolve import resolve_model
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.step_program import program_of
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.interpreter import interpret_fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.graph.network import chain
from edgeproof.spike.graph.primitives import Delay, Input, Output
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower
from edgeproof.spike.program import MAX_HELD, Program, State
from edgeproof.spike.runtime.native import Engine

D, N, STEPS = 5, 12, 17
X = 2 * np.random.default_rng(0).standard_normal((8, STEPS, 1, N)).astype(np.float32)
OWN = torch.tensor([0, 4, 2, 1, 3, 0, 0, 2, 4, 1, 1, 3])


class Delayed(nn.Module):
    """A layer of spiking neurons, a delay of its spikes, and a layer that reads it."""

    shape: tuple[int, ...] = (D, 1, N)
    first = 0

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(N, N), nn.Linear(N, 4)
        held = torch.arange(float(np.prod(self.shape))).reshape(self.shape) % 3
        self.register_buffer("held", held)
        self.register_buffer("v", torch.zeros(1, N))
        self.register_buffer("at", torch.full((1,), self.first))

    def spikes(self, x: torch.Tensor) -> torch.Tensor:
        v = 0.75 * self.v + self.fc(x)
        z = (v > 0.5).float()
        self.v = v * (1 - z)
        return z

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.delayed(self.spikes(x)))  # type: ignore[no-any-return]

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class Rolled(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.roll(self.held, 1, 0)
        self.held[0] = z
        return self.held[-1]


class PutInFront(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        old = self.held[-1]
        self.held = torch.cat([z[None], self.held[:-1]])
        return old


class Flipped(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.cat([self.held[1:], z[None]])
        return self.held.flip(0)[2] + 0.5 * torch.unbind(self.held)[0]


class Copied(Delayed):
    """As it is written in place."""

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held[1:] = self.held[:-1].clone()
        self.held[0] = z
        return self.held[3]


class OwnDelays(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.cat([z[None], self.held[:-1]])
        return self.held.gather(0, OWN[None, None])[0]


class OwnDelaysIndexed(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.cat([z[None], self.held[:-1]])
        return self.held[OWN, 0, torch.arange(N)][None]


class Synapses(Delayed):
    """Every synapse has a weight at every delay."""

    shape = (1, N, D)

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(N * D, 4)

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.cat([self.held[:, :, 1:], z[:, :, None]], 2)
        return self.held.flatten(1)


class Decayed(Delayed):
    shape = (1, N, D)

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held = torch.roll(self.held, 1, -1)
        self.held[..., 0] = z
        return (self.held * torch.linspace(1, 0.2, D)).sum(-1) - (self.held > z[..., None]).float().mean(-1)


class Ring(Delayed):
    """The position goes on without end."""

    first = 3

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        now = self.at % D
        old = self.held.index_select(0, now)[0]
        self.held.index_copy_(0, now, z[None])
        self.at.add_(1)
        return old


class RingAround(Delayed):
    """The position stays in the buffer, and two places are read."""

    first = 4

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held.index_copy_(0, self.at, z[None])
        read = self.held[(self.at + 1) % D][0] - 0.5 * self.held.index_select(0, (self.at + 3) % D)[0]
        self.at.copy_((self.at + 1) % D)
        return read


class RingBackwards(Delayed):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held.index_copy_(0, self.at, z[None])
        read = self.held.index_select(0, (self.at + 2) % D)[0] + self.held.sum(0)
        self.at.copy_((self.at + D - 1) % D)
        return read


class Fed(Delayed):
    """The delayed spikes come back to the neurons that made them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.spikes(x + self.held[-1])
        self.held = torch.cat([z[None], self.held[:-1]])
        return self.out(z)  # type: ignore[no-any-return]


class Straight(Delayed):
    """What is read of the ring meets values that are no layer's."""

    shape = (1, D, N)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        late = self.held.index_select(1, self.at)
        self.held = self.held.index_copy(1, self.at, self.spikes(x).unsqueeze(1))
        self.at = (self.at + 1) % D
        return self.given(late)

    def given(self, late: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.v + late.squeeze(1)


class Kept(Straight):
    """And is the output, with its axis of one place."""

    def given(self, late: torch.Tensor) -> torch.Tensor:
        return late * 2


def model_of(kind: type[Delayed]) -> Model:
    torch.manual_seed(1)
    return Model(
        kind(),
        inputs=[f"x:float32[{STEPS},1,{N}]"],
        timesteps=STEPS,
        encoding="sequence",
        readout="stack",
        samples=Samples({"x": X}),
    )


def read(kind: type[Delayed], folder: Path) -> tuple[Program, list[np.ndarray]]:
    """The program, and what the module gives on some samples."""
    subject = resolve_model(model_of(kind)).subject
    export_spine(subject, "step", {"x": X}, folder / "spine", address="delays")
    with torch.no_grad():
        expected = [subject.call(torch.from_numpy(x))[0].numpy() for x in X]
    return program_of(load_spine(folder / "spine", {"x": X})), expected


KINDS = [
    Rolled, PutInFront, Flipped, Copied, OwnDelays, OwnDelaysIndexed, Synapses, Decayed, Ring, RingAround,
    RingBackwards, Fed, Straight, Kept,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_it_computes_what_the_module_computes(kind: type[Delayed], compiler, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    program, expected = read(kind, tmp_path)
    assert len(program.states) == D + 1
    library = compiler.library(emit(program, "delays"), tmp_path)
    fixed = quantise(program, [{"x": x} for x in X])
    whole = compiler.library(emit_fixed(fixed, "whole"), tmp_path)
    for x, wanted in zip(X, expected, strict=True):
        (found,) = interpret(program, {"x": x}).values()
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=2e-6)
        np.testing.assert_array_equal(call(Engine(library), {"x": x})[0].reshape(found.shape), found)
        (rounded,) = interpret_fixed(fixed, {"x": x}).values()
        np.testing.assert_array_equal(call(Engine(whole), {"x": x})[0].reshape(rounded.shape), rounded)
        assert np.linalg.norm(rounded - found) < 0.3 * np.linalg.norm(found)


def test_it_is_the_chain_that_a_delay_of_nir_is(tmp_path: Path) -> None:
    class Line(Delayed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.delayed(x)

        def delayed(self, z: torch.Tensor) -> torch.Tensor:
            self.held = torch.cat([z[None], self.held[:-1]])
            return self.held.gather(0, OWN[None, None])[0]

    program, expected = read(Line, tmp_path)
    network = chain(Input((N,)), Delay(OWN.numpy() * 1e-4), Output((N,)))
    theirs = lower(network, STEPS)
    for each in (program, theirs):
        passed_on = [after for _, after in each.states if isinstance(after, State)]
        assert len(passed_on) == len(each.states) - 1
    (mine,) = interpret(program, {"x": X[0]}).values()
    (other,) = interpret(theirs, {"input": X[0]}).values()
    np.testing.assert_array_equal(mine[D:], other[D:])
    np.testing.assert_array_equal(mine.reshape(expected[0].shape), expected[0])


class WholeRing(Ring):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        super().delayed(z)
        return (self.held * torch.arange(float(D))[:, None, None]).sum(0)


class Outside(Ring):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        self.held.index_copy_(0, self.at % D, z[None])
        self.at.copy_((self.at % D + 1) % 7)
        return self.held[0]


class AsNumber(Ring):
    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        return z * super().delayed(z) * self.at.float()


class Long(PutInFront):
    shape = (MAX_HELD // N + 1, 1, N)


class TwoAxes(Delayed):
    shape = (D, 2, N)

    def delayed(self, z: torch.Tensor) -> torch.Tensor:
        now = torch.cat([z, z * 2])
        self.held = torch.cat([now[None], self.held[:-1]])
        return self.held[-1, 1:]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (WholeRing, "arithmetic with a ring buffer, whose order changes from step to step"),
        (Outside, "a position that goes round in buffers of different lengths"),
        (AsNumber, "a whole number carried from step to step that is no position in a ring buffer"),
        (Long, f"hold {(MAX_HELD // N + 1) * N} values together; the engine moves up to {MAX_HELD}"),
        (TwoAxes, "the engine does not know"),
    ],
    ids=["whole ring", "outside", "as a number", "long", "two axes"],
)
def test_what_is_no_delay_is_refused_by_its_name(kind: type[Delayed], said: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read(kind, tmp_path)
    assert said in caught.value.message


def test_a_position_that_is_a_number_of_python_is_refused_with_what_to_do() -> None:
    class Counted(Delayed):
        def __init__(self) -> None:
            super().__init__()
            self.turn = 0

        def delayed(self, z: torch.Tensor) -> torch.Tensor:
            old = self.held[self.turn % D].clone()
            self.held[self.turn % D] = z
            self.turn += 1
            return old

    with pytest.raises(SignatureError) as caught:
        resolve_model(model_of(Counted)).subject.step()
    assert "turn is a int, not a tensor" in caught.value.message
    assert "in a buffer of one element" in (caught.value.hint or "")
