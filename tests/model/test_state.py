"""Hidden state: found by watching, put back after every call, and told from scratch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from tests.zoo.models import FACTORIES
from torch import nn

from edgeproof.errors import SignatureError
from edgeproof.model.model import Model
from edgeproof.model.state import find_hidden_state
from edgeproof.model.subject import Subject, make_subject

X = torch.linspace(-1, 1, 8).reshape(1, 8)


def subject_of(model: Model) -> Subject:
    return make_subject(model, model.specs())


class Running(nn.Module):
    """A sum over calls; None before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.total: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        now = self.linear(x)
        self.total = now if self.total is None else 0.5 * self.total + now
        return self.total


class RunningBuffer(nn.Module):
    """The same, in place in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.full((1, 8), 0.25))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total.mul_(0.5).add_(x)
        return self.total + 0


class Cell(nn.Module):
    """An LSTM cell that keeps its own (h, c)."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(8, 4)
        self.hidden: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.hidden = self.cell(x, self.hidden)
        return self.hidden[0]


class Memory(NamedTuple):
    fast: torch.Tensor
    slow: torch.Tensor


class Named(nn.Module):
    """State in a NamedTuple."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(torch.zeros(1, 8), torch.ones(1, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fast, slow = self.memory
        self.memory = Memory(0.3 * fast + x, 0.9 * slow + fast)
        return self.memory.fast - self.memory.slow


class Kept(nn.Module):
    """State in a dict and in a list that are changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.store = {"v": torch.zeros(1, 8)}
        self.history = [torch.zeros(1, 8)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.store["v"] = 0.5 * self.store["v"] + x
        self.history[0] = self.history[0] + self.store["v"]
        return self.history[0]


class Counter(nn.Module):
    """A Python number that the output depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.calls


class Scratch(nn.Module):
    """Writes attributes and buffers that it never reads; and one true state between them."""

    def __init__(self) -> None:
        super().__init__()
        self.last: torch.Tensor | None = None
        self.pair = (torch.zeros(1), torch.zeros(1))
        self.register_buffer("seen", torch.zeros(1, 8))
        self.level = torch.zeros(1, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = x * 2
        self.pair = (x.mean(), x.std())
        self.seen.copy_(x)
        self.level = 0.5 * self.level + x
        return self.level * 1.5


class Plain(nn.Module):
    """No state."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 3)
        self.scale = torch.ones(1)
        self.options = {"a": 1}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.scale


STATES: list[tuple[type[nn.Module], set[str]]] = [
    (Running, {"total"}),
    (RunningBuffer, {"total"}),
    (Cell, {"hidden.0", "hidden.1"}),
    (Named, {"memory.0", "memory.1"}),
    (Kept, {"store", "history"}),
    (Scratch, {"level"}),
    (Plain, set()),
]


def a_model(kind: Callable[[], nn.Module], **options: Any) -> Model:
    torch.manual_seed(0)
    return Model(kind().eval(), inputs=["x:float32[1,8]"], **options)


@pytest.mark.parametrize(("kind", "names"), STATES, ids=lambda value: getattr(value, "__name__", ""))
def test_state_is_found_and_scratch_is_not(kind: type[nn.Module], names: set[str]) -> None:
    subject = subject_of(a_model(kind, timesteps=3))
    _, plan, states = subject.step()
    assert {state.name for state in states} == names
    assert len(plan.states) == len(names)


@pytest.mark.parametrize("kind", [*[kind for kind, _ in STATES], Counter], ids=lambda kind: kind.__name__)
def test_every_call_starts_anew_and_leaves_the_module_as_it_was(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    fresh = kind().eval()
    expected = fresh(X).detach().clone()
    model = a_model(kind)
    before = {name: repr(value) for name, value in vars(model.module).items() if not name.startswith("_")}
    buffers = {name: value.clone() for name, value in model.module.named_buffers()}
    subject = subject_of(model)
    with torch.no_grad():
        for _ in range(3):
            assert torch.equal(subject.call(X)[0], expected)
    assert {name: repr(value) for name, value in vars(model.module).items() if not name.startswith("_")} == before
    assert all(torch.equal(value, buffers[name]) for name, value in model.module.named_buffers())
    assert subject.signature.stateful == (kind is not Plain)


def test_a_call_starts_from_what_the_factory_left() -> None:
    torch.manual_seed(0)
    module = Running().eval()
    with torch.no_grad():
        module(X)
        module(X)
        kept = module.total.clone()
        subject = subject_of(Model(module, inputs=["x:float32[1,8]"]))
        first = subject.call(X)[0]
        assert torch.equal(module.total, kept)
        assert torch.equal(first, 0.5 * kept + module.linear(X))


def test_a_counter_has_no_one_step_form_and_says_which() -> None:
    subject = subject_of(a_model(Counter, timesteps=2))
    with pytest.raises(SignatureError, match="hidden state calls is a int, not a tensor"):
        subject.step()


def test_the_start_of_a_buffer_is_its_value() -> None:
    _, plan, (state,) = subject_of(a_model(RunningBuffer, timesteps=2)).step()
    assert state.initial.tolist() == [[0.25] * 8]
    assert plan.states[0].initial is not None


class FirstIsSpecial(nn.Module):
    """The first call is no call on zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.level: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.level = x * 7 + 1 if self.level is None else self.level + x
        return self.level


def test_a_start_that_no_tensor_can_stand_for_is_refused() -> None:
    with pytest.raises(SignatureError, match="first call differs from a call on a state of zeros"):
        subject_of(a_model(FirstIsSpecial, timesteps=2)).step()


class LateThreshold(nn.Module):
    """The threshold that the first call makes matters from the second one on."""

    def __init__(self) -> None:
        super().__init__()
        self.level: torch.Tensor | None = None
        self.threshold: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.level is None or self.threshold is None:
            self.level, self.threshold = torch.zeros_like(x), torch.ones_like(x)
        fired = (self.level > self.threshold).to(x.dtype)
        self.level, self.threshold = self.level + x * (1 - fired), 0.8 * self.threshold + 0.3
        return fired


def test_a_start_that_shows_in_what_the_first_call_leaves_is_refused() -> None:
    with pytest.raises(SignatureError, match="the first call differs from a call on a state of zeros"):
        subject_of(a_model(LateThreshold, timesteps=2)).step()


def test_a_call_that_fails_leaves_the_module_as_it_was() -> None:
    class Failing(Running):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result = super().forward(x)
            if self.total.sum() > 1e6:
                raise RuntimeError("too much")
            return result

    subject = subject_of(a_model(Failing))
    kept = subject.model.module.total
    with pytest.raises(RuntimeError, match="too much"):
        subject.call(X * 1e9)
    assert subject.model.module.total is kept


@pytest.mark.parametrize(
    ("name", "states"),
    [("snn_hidden", 2), ("snn_synaptic", 5), ("snn_recurrent", 5), ("spikingjelly_nodes", 3)],
)
def test_neurons_of_the_libraries(name: str, states: int) -> None:
    pytest.importorskip("spikingjelly" if name.startswith("spikingjelly") else "snntorch")
    subject = subject_of(FACTORIES[name]())
    assert subject.signature.spiking
    assert subject.signature.stateful
    _, plan, found = subject.step()
    assert len(found) == len(plan.states) == states
    with torch.no_grad():
        x = torch.rand(subject.signature.inputs[0].shape)
        first, again = subject.call(x), subject.call(x)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_neurons_that_ran_before_are_reset_first() -> None:
    pytest.importorskip("snntorch")
    used, unused = FACTORIES["snn_hidden"](), FACTORIES["snn_hidden"]()
    x = torch.rand(1, 12)
    with torch.no_grad():
        for _ in range(5):
            used.module(torch.rand(1, 12) * 3)
        assert torch.equal(subject_of(used).call(x)[0], subject_of(unused).call(x)[0])


def test_nothing_is_found_where_nothing_changes() -> None:
    module = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)).eval()
    state = find_hidden_state(module, lambda: module(X))
    assert not state
    assert state.tensors(lambda: [module(X)]) == ()
