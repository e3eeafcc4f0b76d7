"""Models that write in place: the exported program computes the same and writes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from edgeproof.model.export import export_program
from edgeproof.model.functional import writes
from edgeproof.model.model import Model
from edgeproof.model.placing import AT_MOST
from edgeproof.model.subject import make_subject

Function = Callable[[torch.Tensor], torch.Tensor]


def assigned_slices(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros_like(x)
    y[:, 1:3] = x[:, :2] * 2
    y[..., ::2] += 1
    y[0, 0] = 7
    return y


def assigned_where(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[y < 0] = 0.5
    y.masked_fill_(y > 1, 1.0)
    return y


def assigned_at(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y[:, torch.tensor([0, -1])] = x[:, torch.tensor([1, 2])]
    y[:, :, torch.tensor([3])] = 9.0
    return y


def added_at(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.index_add_(1, torch.tensor([0, 3, 0]), x[:, :3], alpha=2)
    y.index_put_((torch.tensor([0]),), x, accumulate=True)
    return y


def filled_at(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.index_fill_(1, torch.tensor([2]), 0.25)
    y.index_fill_(2, torch.tensor([1, 4]), x[0, 0, 0])
    return y.index_copy_(1, torch.tensor([3, 1]), x[:, :2])


def many_places(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros(AT_MOST + 4, 6).index_copy_(0, torch.arange(AT_MOST + 1), x[0, 0].expand(AT_MOST + 1, 6))


def diagonals(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.diagonal(dim1=1, dim2=2).fill_(3.0)
    y.diagonal(1, 1, 2).mul_(x[:, :, 0])
    y.diagonal(-2, 2, 1).copy_(x[:, 0, :4])
    return y


def constants_written_later(x: torch.Tensor) -> torch.Tensor:
    mask = torch.full((4, 4), -9.0)
    mask.triu_(1)
    gain = torch.ones(4)
    gain[1] = 0.25
    gain.mul_(2)
    return (torch.softmax(x @ x.transpose(1, 2) + mask, -1) @ x) * gain[:, None]


def constant_of_numbers(x: torch.Tensor) -> torch.Tensor:
    return x * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def given_input(x: torch.Tensor) -> torch.Tensor:
    x.mul_(2)
    x[:, 0] = 0
    return x.sum(1)


def other_dtype(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros(1, 4, 6, dtype=torch.int64)
    y[:, 1] = (x[:, 1] * 3).trunc()
    return y.add_(1)


FUNCTIONS = (
    *(assigned_slices, assigned_where, assigned_at, added_at, filled_at, many_places, diagonals),
    *(constants_written_later, constant_of_numbers, given_input, other_dtype),
)


class Calls(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_program_that_writes_is_exported_as_one_that_does_not(function: Function) -> None:
    x = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0))
    program = export_program(Calls(function).eval(), (x.clone(),))
    assert not any(writes(node) for node in program.graph.nodes)
    module = program.module()
    for scale in (1.0, -2.0):
        given = scale * x
        kept = given.clone()
        result = module(given)
        assert torch.equal(given, kept)
        torch.testing.assert_close(result, function(kept), rtol=0, atol=0, equal_nan=True)


def test_a_program_that_writes_nothing_stays_as_it_is() -> None:
    class Plain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(6, 4).index_copy(0, torch.zeros(1, dtype=torch.int64), x.reshape(6, 4)[:1])

    program = export_program(Plain().eval(), (torch.zeros(1, 4, 6),))
    assert "aten.reshape.default" in {str(node.target) for node in program.graph.nodes}


class Ring(nn.Module):
    """A ring buffer whose first values written are those that stand there already."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ring", torch.zeros(1, 4))
        self.register_buffer("at", torch.zeros(1, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.ring.index_copy_(1, self.at, x[:, :1])
        self.at.copy_((self.at + 1) % 4)
        return self.ring * 2 + x


def test_what_a_write_leaves_as_it_was_is_state_all_the_same() -> None:
    model = Model(Ring(), inputs=["x:float32[6,1,4]"], timesteps=6, encoding="sequence", readout="stack")
    subject = make_subject(model, model.specs())
    step, loop, states = subject.step()
    assert [state.name for state in loop.states] == ["state_ring", "state_at"]
    x = torch.randn(6, 1, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = subject.call(x)[0]
    for program, form in (
        (export_program(subject.call, (x.clone(),)), "unrolled"),
        (export_program(step.eval(), (x[0], *[state.initial for state in states])), "step"),
    ):
        assert not any(writes(node) for node in program.graph.nodes)
        module = program.module()
        if form == "unrolled":
            found = module(x)[0]
        else:
            values, outputs = [state.initial for state in states], []
            for now in x:
                output, *values = module(now, *values)
                outputs.append(output)
            found = torch.stack(outputs)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_first_state_that_the_module_writes_into_is_the_same_for_the_next_call() -> None:
    class Writes(nn.Module):
        def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            state.mul_(0.5).add_(x)
            return state.clone(), state

    first = torch.ones(1, 3)
    model = Model(
        Writes(), inputs=["x:float32[1,3]"], timesteps=3, readout="last", explicit_state=True, initial_state=first
    )
    subject = make_subject(model, model.specs())
    subject.step()
    assert torch.equal(first, torch.ones(1, 3))
    results = [subject.call(torch.full((1, 3), 2.0))[0] for _ in range(2)]
    assert torch.equal(results[0], results[1])
    torch.testing.assert_close(results[0], torch.full((1, 3), 0.125 + 3.5))
