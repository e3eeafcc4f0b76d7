"""pytest plugin: coremltools' own tests, with the MIL reference check in the place of Apple's runtime.

On Linux those tests convert and compare nothing, because prediction needs macOS. Here they believe to be on one:
``MLModel.predict`` and ``make_state`` run the interpreter on the very message and weights that a Mac would load, and
the suite compares by its own rules. Loaded with ``-p tests.conformance.plugin``; EDGEPROOF_CONFORMANCE names a file
that gets a JSON line per case: its id, outcome, whether anything was predicted, and the reason it failed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PREDICTED = 0


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
    global PREDICTED
    PREDICTED += 1
    if isinstance(data, list):
        return [predict(model, one, state) for one in data]
    function = getattr(model, "function_name", None)
    interpreter = opened(model)
    features = {one.name: one for one in interpreter.signature(function).inputs}
    given = {name: as_declared(features[name], value) if name in features else value for name, value in data.items()}
    return interpreter.predict(given, state.state if state else None, function=function)


def make_state(model: Any) -> StandInState:
    return StandInState(opened(model).make_state(getattr(model, "function_name", None)))


def pytest_configure(config: pytest.Config) -> None:
    import coremltools
    from coremltools.converters.mil import testing_utils

    testing_utils._IS_MACOS = True
    coremltools.models.utils._macos_version = lambda: (26, 0)
    coremltools.models.MLModel.predict = predict
    coremltools.models.MLModel.make_state = make_state


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    global PREDICTED
    report = yield
    if call.when == "setup":
        PREDICTED = 0
    file = os.environ.get("EDGEPROOF_CONFORMANCE")
    if file and (call.when == "call" or report.outcome != "passed"):
        line = {
            "case": f"{item.path.parent.name}/{item.path.name}::{item.nodeid.partition('::')[2]}",
            "outcome": report.outcome,
            "predicted": PREDICTED,
            "reason": _reason(call),
        }
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    return report


def _reason(call: pytest.CallInfo[None]) -> str | None:
    if call.excinfo is None:
        return None
    return f"{call.excinfo.typename}: {' '.join(str(call.excinfo.value).split())[:600]}"
