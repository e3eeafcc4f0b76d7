"""Tasks of known or guessed cost on all cores: the longest first, none before what it stands on, no more at a time than
the memory holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edgeproof.process import usable_cpus
from edgeproof.schedule.costs import Cost, Costs
from edgeproof.together import Started, each, started_here

__all__ = ["Finished", "Plan", "Task", "free_memory", "run_tasks", "usual_jobs"]

T = TypeVar("T")
R = TypeVar("R")

LOOK_S = 0.25
"""How often a thread that has nothing to do looks whether all was interrupted."""
FREE_PART = 0.9
"""Of the memory that is free at the beginning."""


@dataclass(frozen=True)
class Task(Generic[T]):
    """One piece of work.

    Attributes:
        name: unique.
        kind: under which its cost is known: the same work in another run.
        work: what the function is called with.
        after: names of tasks that have to be finished before; one that is no task of these is finished.
    """

    name: str
    kind: str
    work: T
    after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finished:
    """How far things are when a task has ended.

    Attributes:
        done: tasks so far.
        all: of them.
        seconds: that this one took.
        left_s: seconds that the rest will take, as far as costs are known; None at the end.
    """

    done: int
    all: int
    seconds: float
    left_s: float | None

    def __str__(self) -> str:
        """``3 of 9, about 40 s left``."""
        return f"{self.done} of {self.all}" + (f", about {self.left_s:.0f} s left" if self.left_s is not None else "")


@dataclass
class Plan(Generic[T]):
    """Tasks, and which of them is next.

    Attributes:
        tasks: all.
        costs: what is known of their kinds.
        jobs: tasks at a time.
        memory_bytes: that those at work may need together; a single one is begun whatever it needs.
    """

    tasks: Sequence[Task[T]]
    costs: Costs
    jobs: int
    memory_bytes: float = float("inf")
    _begun: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _expected_s: float = 0.0
    _took_s: float = 0.0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._names = {task.name for task in self.tasks}
        self._costs = self._known_or_guessed()
        self._ahead = {task.name: self._way(task) for task in self.tasks}

    def cost(self, task: Task[T]) -> Cost:
        """Known, or guessed as what the others cost in the middle; as it was when the plan was made."""
        return self._costs[task.name]

    def take(self, started: Started | None = None) -> Task[T] | None:
        """The next one, once there is one that can begin; None when there will be none.

        Raises:
            Stopped: the work was interrupted.
        """
        with self._changed:
            while True:
                if started is not None:
                    started.check()
                waiting = [task for task in self.tasks if task.name not in self._begun]
                if not waiting:
                    return None
                found = self._next(waiting)
                if found is not None:
                    self._begun[found.name] = time.monotonic()
                    return found
                self._changed.wait(LOOK_S)

    def end(self, task: Task[T]) -> Finished:
        """One has ended; what it has taken says how much slower than usual the rest will be."""
        with self._changed:
            took_s = time.monotonic() - self._begun[task.name]
            self._expected_s += self.cost(task).seconds
            self._took_s += took_s
            self._done.add(task.name)
            self._changed.notify_all()
            left = [other for other in self.tasks if other.name not in self._done]
            return Finished(len(self._done), len(self.tasks), took_s, self._left_s(left) if left else None)

    def _known_or_guessed(self) -> dict[str, Cost]:
        known = {task.name: cost for task in self.tasks if (cost := self.costs.of(task.kind)) is not None}
        seconds = sorted(cost.seconds for cost in known.values())
        guess = Cost(seconds[len(seconds) // 2]) if seconds else Cost()
        return {task.name: known.get(task.name, guess) for task in self.tasks}

    def _way(self, task: Task[T]) -> float:
        """Seconds from its beginning to the end of the longest chain that stands on it."""
        behind = [self._way(other) for other in self.tasks if task.name in other.after]
        return self.cost(task).seconds + max(behind, default=0.0)

    def _next(self, waiting: Sequence[Task[T]]) -> Task[T] | None:
        ready = [task for task in waiting if not (task.after & self._names) - self._done]
        running = [task for task in self.tasks if task.name in self._begun and task.name not in self._done]
        used = sum(self.cost(task).memory_bytes for task in running)
        for task in sorted(ready, key=lambda task: -self._ahead[task.name]):
            if not running or used + self.cost(task).memory_bytes <= self.memory_bytes:
                return task
        return None

    def _left_s(self, left: Sequence[Task[T]]) -> float:
        """The longest first on as many cores, less what those at work have had, stretched as the ended ones were."""
        now, stretch = time.monotonic(), self._took_s / self._expected_s if self._expected_s else 1.0
        cores = [0.0] * self.jobs
        for task in sorted(left, key=lambda task: (task.name not in self._begun, -self.cost(task).seconds)):
            rest = stretch * self.cost(task).seconds
            if task.name in self._begun:
                rest = max(0.0, rest - (now - self._begun[task.name]))
            first = cores.index(min(cores))
            cores[first] += rest
        return max(cores)


def run_tasks(
    plan: Plan[T],
    function: Callable[[Task[T]], R],
    *,
    ended: Callable[[Task[T], R, Finished], None] = lambda _task, _result, _finished: None,
) -> dict[str, R]:
    """Run every task of a plan, in threads that wait for processes; an interruption ends all of them (``together``).

    Args:
        plan: of the tasks.
        function: does one.
        ended: called from those threads as each one has ended, with how far things are.

    Returns:
        name → what it gave, in the plan's order.
    """
    results: dict[str, R] = {}

    def work(_: int) -> None:
        while (task := plan.take(started_here())) is not None:
            results[task.name] = result = function(task)
            ended(task, result, plan.end(task))

    each(work, range(plan.jobs), parallel=plan.jobs)
    return {task.name: results[task.name] for task in plan.tasks}


def usual_jobs() -> int:
    """As many at a time as this process may use cores."""
    return max(1, len(usable_cpus()))


def free_memory() -> float:
    """Bytes that tasks may fill together."""
    import psutil

    return FREE_PART * float(psutil.virtual_memory().available)
