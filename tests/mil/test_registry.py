"""The operations that are known are those that Apple's converter may write, with the parameters that it may give."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproof.mil.arguments import Kind
from edgeproof.mil.registry import OPSETS, find_op, known_ops

ROOT = Path(__file__).parents[2]
SYSTEMS = ("iOS15", "iOS16", "iOS17", "iOS18")
NOT_OPERATIONS = {"const", "_const_symbolic"}
OURS = {"write_state", "coreml_update_state"}
"""``write_state`` is what the converter's dialect writes into a package, where coremltools itself has no such class."""
OPSET = {system: opset for opset, system in OPSETS.items()}


def apples(system: str) -> dict[str, Any]:
    """coremltools' class of every operation that a program of that system may have."""
    import coremltools as ct
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    found = {}
    for name, versions in SSAOpRegistry.core_ops.items():
        fitting = [version for version in versions if version <= getattr(ct.target, system)]
        if fitting and name not in NOT_OPERATIONS:
            found[name] = versions[max(fitting)]
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_operation_with_every_parameter(system: str) -> None:
    wrong = []
    for name, apple in apples(system).items():
        ours = find_op(name, OPSET[system])
        if ours is None:
            wrong.append(f"{name} is not known")
            continue
        theirs = {parameter for parameter in apple.input_spec.input_types if not parameter.startswith("_")}
        known = {parameter.name for parameter in ours.parameters if parameter.kind not in (Kind.BODY, Kind.BUDGET)}
        wrong += [f"{name} has no {parameter}" for parameter in sorted(theirs - known)]
        wrong += [f"{name} has a strange {parameter}" for parameter in sorted(known - theirs)]
        wrong += [
            f"{name} insists on {parameter.name}"
            for parameter in ours.parameters
            if parameter.name in theirs and parameter.required and apple.input_spec.input_types[parameter.name].optional
        ]
    assert wrong == []


def test_nothing_is_known_that_does_not_exist() -> None:
    assert set(known_ops()) - OURS <= set(apples("iOS18"))


def test_every_operation_says_what_it_computes() -> None:
    for versions in known_ops().values():
        for version in versions:
            assert version.function.__doc__, version.name


def test_the_pages_table_is_the_registrys() -> None:
    spec = importlib.util.spec_from_file_location("coreml_page", ROOT / "scripts" / "coreml_page.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    sys.modules["coreml_page"] = page
    spec.loader.exec_module(page)
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.put(text, "operations", page.coverage()) == text, "run scripts/coreml_page.py"
