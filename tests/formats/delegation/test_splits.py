"""Six networks whose split is known, asked of every runtime: what is inside, what is outside, and in how many parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.formats.delegation.conftest import Asked
from tests.formats.delegation.splits import PLACES

from edgeproof.client.simulator import Drive, drive
from edgeproof.documents.delegation import Delegation
from edgeproof.formats.registry import open_artifact
from edgeproof.formats.session import ArtifactSession
from edgeproof.serve.spawned import SpawnedServer

pytestmark = pytest.mark.slow

Asking = Callable[[str, str], dict[str, Asked]]
CASES = [("litert", "fp32"), ("executorch", "fp32"), ("openvino", "fp32"), ("onnx", "int8"), ("coreml", "fp16")]
PARTITIONS = {"none": 1, "first": 1, "middle": 2, "last": 1, "two": 3, "every": 0}
OUTSIDE = {
    "litert": {"GREATER": 1, "CAST": 1},
    "executorch": {"aten.erf": 1},
    "openvino": {"Sin": 1},
    "onnx": {"Erf": 1},
    "coreml": {"gather": 1},
}
"""What each of the operator's places has outside."""
LAYOUT = ("QuantizeLinear", "DequantizeLinear")
"""What ONNX Runtime's integer kernels have around them besides."""


def grouped(format_name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(f"delegation-{format_name}")


@pytest.mark.parametrize(
    ("format_name", "precision"), [pytest.param(*case, marks=grouped(case[0]), id="-".join(case)) for case in CASES]
)
def test_the_split_is_the_known_one(asked: Asking, format_name: str, precision: str) -> None:
    for name, found in asked(format_name, precision).items():
        assert found.told.reason is None, name
        told = found.told.delegations[0]
        partitions = PARTITIONS[name]
        if format_name == "litert" and name in ("first", "last"):
            partitions += 1  # XNNPACK wants the channels last: the operator stands between that and a convolution
        assert told.partitions == partitions, name
        assert outside_of(told) == {
            op: count * len(PLACES[name]) for op, count in OUTSIDE[format_name].items() if PLACES[name]
        }
        assert told.how == ("predicted" if format_name == "coreml" else "seen")
        assert all(operator.cause for operator in told.operators if not operator.inside)
        assert all(operator.cause is None for operator in told.operators if operator.inside)
        shares(told)


def outside_of(told: Delegation) -> dict[str, int]:
    found: dict[str, int] = {}
    for operator in told.operators:
        if not operator.inside and operator.name not in LAYOUT:
            found[operator.name] = found.get(operator.name, 0) + operator.count
    return found


def shares(told: Delegation) -> None:
    """Shares of the operators outside and the share inside make one."""
    if told.how == "predicted":
        assert (told.time_inside, told.no_time, told.call_us) == (None, None, None)
    elif told.outside and told.inside and told.time_inside is not None:
        outside = sum(operator.time_share or 0.0 for operator in told.operators if not operator.inside)
        assert outside + told.time_inside == pytest.approx(1.0, abs=0.01)
        assert 0 < told.time_inside < 1
        assert told.calls > 0


@grouped("litert")
def test_litert_tells_xnnpacks_reason_and_a_remedy(asked: Asking) -> None:
    told = asked("litert", "fp32")["middle"].told.delegations[0]
    greater = next(operator for operator in told.operators if operator.name == "GREATER")
    assert greater.cause == "XNNPACK has no GREATER"
    assert greater.remedy is not None
    assert "clamp" in greater.remedy


@grouped("executorch")
def test_executorch_tells_its_partitioners_reason(asked: Asking) -> None:
    told = asked("executorch", "fp32")["middle"].told.delegations[0]
    (erf,) = (operator for operator in told.operators if not operator.inside)
    assert (erf.operator, erf.cause) == ("aten.erf", "XNNPACK's partitioner has no rule for erf")


@grouped("onnx")
def test_onnx_tells_the_line_and_predicts_for_phones_apart(asked: Asking) -> None:
    for name, found in asked("onnx", "int8").items():
        seen, *predicted = found.told.delegations
        assert (seen.how, seen.delegate) == ("seen", "ONNX Runtime, integer kernels")
        assert [(told.how, told.delegate) for told in predicted] == [
            ("predicted", "ONNX Runtime, NNAPI"),
            ("predicted", "ONNX Runtime, Core ML"),
        ]
        nnapi = predicted[0]
        assert nnapi.partitions == PARTITIONS[name]
        assert outside_of(nnapi) == ({"Erf": len(PLACES[name])} if PLACES[name] else {})
        for operator in nnapi.operators:
            if operator.name == "Erf":
                assert operator.operator == "aten.erf"
                assert [line.rpartition("/")[2].partition(":")[0] for line in operator.lines] == ["splits.py"] * len(
                    operator.lines
                )
                assert operator.lines


@grouped("executorch")
@pytest.mark.parametrize("format_name", ["executorch", "litert"])
def test_nothing_inside_is_a_runtime_that_has_fallen_back(asked: Asking, format_name: str) -> None:
    found = asked(format_name, "fp32")
    assert [name for name, what in found.items() if what.told.degraded] == ["every"]
    assert "XNNPACK" in str(found["every"].told.degraded)


@grouped("litert")
def test_the_session_the_server_and_its_client_say_that_it_has_fallen_back(asked: Asking) -> None:
    found = asked("litert", "fp32")
    with open_artifact(found["none"].artifact) as session:
        assert isinstance(session, ArtifactSession)
        assert session.degraded is None
    with SpawnedServer(found["every"].artifact) as server:
        report = drive(server.ready.url, Drive(requests=3, warmup=0))
    assert server.ready.degraded == report.degraded == found["every"].told.degraded
