"""Which task comes next, what it waits for, and how long the rest takes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edgeproof.schedule.costs import Cost, Costs
from edgeproof.schedule.tasks import Finished, Plan, Task, run_tasks


def costs_of(path: Path, **seconds: float) -> Costs:
    costs = Costs(path / "costs.json")
    for kind, value in seconds.items():
        costs.learn(kind, Cost(value, 100))
    return costs


def tasks_of(**after: tuple[str, ...]) -> list[Task[str]]:
    return [Task(name, name, name, frozenset(names)) for name, names in after.items()]


def test_the_longest_comes_first_and_what_is_not_known_is_guessed_in_the_middle(tmp_path: Path) -> None:
    plan = Plan(tasks_of(short=(), unknown=(), long=(), middle=()), costs_of(tmp_path, short=1, middle=3, long=9), 1)
    assert plan.cost(plan.tasks[1]).seconds == 3
    begun = []
    while (task := plan.take()) is not None:
        begun.append(task.name)
        plan.end(task)
    assert begun[0] == "long"
    assert begun[-1] == "short"


def test_what_much_stands_on_comes_before_what_is_longer_itself(tmp_path: Path) -> None:
    plan = Plan(tasks_of(alone=(), base=(), behind=("base",)), costs_of(tmp_path, alone=5, base=2, behind=4), 1)
    assert [task.name for task in (plan.take(), plan.take()) if task] == ["base", "alone"]


def test_a_task_waits_for_what_it_stands_on_and_for_nothing_that_is_no_task(tmp_path: Path) -> None:
    events: list[str] = []

    def work(task: Task[str]) -> str:
        events.append(f"begin {task.name}")
        time.sleep(0.05)
        events.append(f"end {task.name}")
        return task.work

    plan = Plan(tasks_of(behind=("base", "elsewhere"), base=()), costs_of(tmp_path, behind=9, base=1), 2)
    assert run_tasks(plan, work) == {"base": "base", "behind": "behind"}
    assert events == ["begin base", "end base", "begin behind", "end behind"]


def test_as_many_at_a_time_as_jobs_and_memory_allow(tmp_path: Path) -> None:
    lock, running, most = threading.Lock(), set[str](), dict[str, int]()

    def work(task: Task[str]) -> None:
        with lock:
            running.add(task.name)
            most["count"] = max(most.get("count", 0), len(running))
        time.sleep(0.03)
        with lock:
            running.discard(task.name)

    tasks = tasks_of(**{f"t{number}": () for number in range(8)})
    costs = costs_of(tmp_path, **{task.kind: 1.0 for task in tasks})
    for memory_bytes, expected in ((float("inf"), 4), (250.0, 2), (10.0, 1)):
        most.clear()
        run_tasks(Plan(tasks, costs, 4, memory_bytes), work)
        assert most["count"] == expected, f"with {memory_bytes} bytes, of which each takes 100"


def test_the_rest_is_estimated_from_costs_and_from_how_slow_this_time_is(tmp_path: Path) -> None:
    told: list[Finished] = []
    plan = Plan(tasks_of(first=(), second=(), third=()), costs_of(tmp_path, first=0.1, second=0.1, third=0.1), 1)

    def work(_task: Task[str]) -> None:
        time.sleep(0.2)

    run_tasks(plan, work, ended=lambda _task, _result, finished: told.append(finished))
    assert [(one.done, one.all) for one in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[0].left_s == pytest.approx(0.4, rel=0.5), "twice as slow as they were"
    assert told[-1].left_s is None
    assert str(Finished(3, 9, 1.0, 40.2)) == "3 of 9, about 40 s left"


def test_an_error_ends_all_of_it(tmp_path: Path) -> None:
    begun: list[str] = []

    def work(task: Task[str]) -> None:
        begun.append(task.name)
        if task.name == "bad":
            raise ValueError("no")
        time.sleep(0.05)

    plan = Plan(tasks_of(bad=(), **{f"t{number}": () for number in range(50)}), costs_of(tmp_path, bad=99), 2)
    with pytest.raises(ValueError, match="no"):
        run_tasks(plan, work)
    assert len(begun) < 10


def test_what_costs_are_learned_stays_and_what_was_seen_last_weighs_most(tmp_path: Path) -> None:
    costs = costs_of(tmp_path, convert=10.0)
    costs.learn("convert", Cost(20.0, 50))
    costs.keep()
    others = costs_of(tmp_path, other=1.0)
    others.keep()
    known = Costs(tmp_path / "costs.json")
    assert known.of("convert") == Cost(15.0, 50), "100 bytes long ago, 50 now"
    assert known.of("other") == Cost(1.0, 100)
    assert known.of("never") is None
    (tmp_path / "costs.json").write_text("{")
    assert Costs(tmp_path / "costs.json").of("convert") is None
