"""pytest plugin: coremltools' own tests, with the MIL reference check in the place of Apple's runtime.

On Linux those tests convert and compare nothing, because prediction needs macOS. Here they believe to be on one:
``MLModel.predict`` and ``make_state`` run the interpreter on the very message and weights that a Mac would load, and
the suite compares by its own rules. Loaded with ``-p tests.conformance.plugin`` by ``tests.conformance.suite``, which
says in the environment where a JSON line per case goes, and whether a sample of the cases is enough.
"""

from __future__ import annotations

import gc
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeproof.errors import ArtifactError

RECORD = "EDGEPROOF_CONFORMANCE"
"""Names the file that gets a line per case: its name, outcome, calls that were predicted, reason."""
SAMPLE = "EDGEPROOF_CONFORMANCE_SAMPLE"
"""About so many cases, spread evenly over all files."""
FEWEST = 12
"""Cases of a file that a sample has at least, where it has as many."""
DEAR = ("TestBisectModel::test_compressed_model",)
"""Cases that a sample leaves out: half a minute of clustering, of which nothing is predicted."""

predicted = 0
finished = 0


class StandInState:
    """What ``MLModel.make_state`` gives: the states of the interpreter, by the names a caller uses."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def read_state(self, name: str) -> Any:
        return self.state.read(name)

    def write_state(self, name: str, value: Any) -> None:
        self.state.write(name, np.asarray(value))


def opened(model: Any) -> Any:
    """The interpreter's model over a converted one; made once for each."""
    from edgeproof.mil.model import read_model

    held = model.__dict__.get("_edgeproof")
    if held is None:
        weights = model.weights_dir
        held = read_model(model.get_spec().SerializeToString(), Path(weights) if weights else None)
        model.__dict__["_edgeproof"] = held
    return held


def as_declared(feature: Any, value: Any) -> Any:
    """What Core ML does with a caller's array before the program sees it: made the declared dtype."""
    if feature.image is not None or not feature.dtype:
        return value
    array = np.asarray(value)
    return array.astype(feature.dtype).reshape(feature.shape if array.size == 1 and not array.shape else array.shape)


def predict(model: Any, data: Any, state: StandInState | None = None) -> Any:
    global predicted
    predicted += 1
    if isinstance(data, list):
        return [predict(model, item, state) for item in data]
    function = getattr(model, "function_name", None)
    interpreter = opened(model)
    features = {feature.name: feature for feature in interpreter.signature(function).inputs}
    given = {name: as_declared(features[name], value) if name in features else value for name, value in data.items()}
    try:
        return interpreter.predict(given, state.state if state else None, function=function)
    except ArtifactError as error:
        raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error


def make_state(model: Any) -> StandInState:
    return StandInState(opened(model).make_state(getattr(model, "function_name", None)))


def pytest_configure(config: pytest.Config) -> None:
    import coremltools

    coremltools._deps._IS_MACOS = True
    coremltools.models.utils._macos_version = lambda: (26, 0)
    coremltools.models.MLModel.predict = predict
    coremltools.models.MLModel.make_state = make_state


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = os.environ.get(SAMPLE)
    if not wanted:
        return
    files: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not item.nodeid.endswith(DEAR):
            files[item.path].append(item)
    share = int(wanted) / len(items)
    chosen = []
    for cases in files.values():
        number = min(len(cases), max(FEWEST, round(share * len(cases))))
        chosen += [cases[at * len(cases) // number] for at in range(number)]
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Each conversion collects garbage; what stands now, all cases among it, need not be looked through every time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Nor need what coremltools keeps of earlier cases."""
    global finished
    finished += 1
    if finished % 50 == 0:
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    global predicted
    report = yield
    if call.when == "setup":
        predicted = 0
    file = os.environ.get(RECORD)
    if file and (call.when == "call" or report.outcome != "passed"):
        line = {
            "case": case_name(item),
            "outcome": report.outcome,
            "predicted": predicted,
            "reason": _reason(call),
        }
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    return report


def case_name(item: pytest.Item) -> str:
    """``iOS17/test_conv.py::TestConv::test_one[…]``."""
    return f"{item.path.parent.name}/{item.path.name}::{item.nodeid.partition('::')[2].removeprefix('::')}"


def _reason(call: pytest.CallInfo[None]) -> str | None:
    if call.excinfo is None:
        return None
    return f"{call.excinfo.typename}: {' '.join(str(call.excinfo.value).split())[:600]}"
