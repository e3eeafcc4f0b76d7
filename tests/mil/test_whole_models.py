"""Whole networks through Apple's converter and back: the interpreter gives what the module gives, at every precision.

The bounds follow from the formats. fp32: 1e-5 of the largest output. fp16: every operation rounds once by at most half
a unit, 2^-11, and errors of n operations add up like a random walk: 2^-11 · sqrt(n), times 2 for what amplifies them.
Compressed weights: each tensor has a relative error e that the format fixes; outputs err by sqrt(sum of e²), times 2.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb
from tests.mil import networks

from edgeproof.mil.compression import compare_weights
from edgeproof.mil.model import Model, open_model
from edgeproof.mil.plan import Precision

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLES = 6
UNIT = 2.0**-11
COMPRESSIONS: dict[str, Any] = {
    "int8 per tensor": lambda: cto.linear_quantize_weights,
    "int8 per channel": lambda: cto.linear_quantize_weights,
    "4-bit palette": lambda: cto.palettize_weights,
    "6-bit palette": lambda: cto.palettize_weights,
    "sparse": lambda: cto.prune_weights,
}
SPIKING = ("spiking", "spiking_step")


pytestmark = pytest.mark.xdist_group("whole-models")


@dataclass(frozen=True)
class Converted:
    """A network, its converted model, samples and what the module gives for them."""

    name: str
    model: Any
    inputs: list[dict[str, Array]]
    expected: list[Array]


@pytest.fixture(scope="module", params=list(networks.CASES))
def network(request: pytest.FixtureRequest) -> Converted:
    case = networks.build(request.param)
    inputs = networks.samples(case, SAMPLES)
    return Converted(request.param, networks.converted(case), inputs, [networks.eager(case, x) for x in inputs])


def opened(model: Any, folder: Path, name: str = "model", precision: Precision = "reference") -> Model:
    return open_model(networks.saved(model, folder, name), precision=precision)


def outputs(model: Model, network: Converted) -> list[Array]:
    return [model.predict(x)["result"] for x in network.inputs]


def operations(model: Model) -> int:
    return sum(operation.kind != "const" for operation in model.program.functions["main"].block.walk())


def test_fp32(network: Converted, tmp_path: Path) -> None:
    given = outputs(opened(network.model, tmp_path), network)
    for expected, result in zip(network.expected, given, strict=True):
        assert result.shape == expected.shape
        assert np.abs(result - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.skipif(sys.platform != "darwin", reason="Core ML predicts on macOS only")
def test_core_ml_itself_gives_the_same(network: Converted, tmp_path: Path) -> None:
    model = ct.models.MLModel(str(networks.saved(network.model, tmp_path)), compute_units=ct.ComputeUnit.CPU_ONLY)
    given = [model.predict(x)["result"] for x in network.inputs]
    assert networks.relative_l2(outputs(opened(network.model, tmp_path, "again"), network), given) <= 1e-4


def test_fp16_every_way(network: Converted, tmp_path: Path) -> None:
    if network.name == "spiking":
        pytest.skip("a membrane next to its threshold flips a spike whatever rounds it")
    half = networks.converted(networks.build(network.name), half=True)
    for precision in ("reference", "strict", "unrounded"):
        model = opened(half, tmp_path, precision, precision)
        distance = networks.relative_l2(network.expected, outputs(model, network))
        bound = 2 * UNIT * math.sqrt(operations(model))
        assert distance <= (4 * bound if precision == "strict" else bound), precision
        if precision == "unrounded":
            assert distance <= 2e-3


def compressed(model: Any, how: str) -> Any:
    kinds: dict[str, Any] = {
        "int8 per tensor": cto.OpLinearQuantizerConfig(granularity="per_tensor", weight_threshold=64),
        "int8 per channel": cto.OpLinearQuantizerConfig(granularity="per_channel", weight_threshold=64),
        "4-bit palette": cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=64),
        "6-bit palette": cto.OpPalettizerConfig(mode="uniform", nbits=6, weight_threshold=64),
        "sparse": cto.OpMagnitudePrunerConfig(target_sparsity=0.4, weight_threshold=64),
    }
    return COMPRESSIONS[how]()(model, cto.OptimizationConfig(global_config=kinds[how]))


@pytest.mark.parametrize("how", list(COMPRESSIONS))
def test_compressed_weights(network: Converted, how: str, tmp_path: Path) -> None:
    small = compressed(network.model, how)
    model = opened(small, tmp_path)
    kinds = {operation.kind for operation in model.program.functions["main"].block.walk()}
    assert any(kind.startswith("constexpr_") for kind in kinds), kinds
    given = outputs(model, network)
    apples = outputs(opened(cto.decompress_weights(small), tmp_path, "decompressed"), network)
    assert networks.relative_l2(apples, given) <= 1e-6, "Apple's own decompression gives other weights"
    differences = compare_weights(opened(network.model, tmp_path, "base"), model).differences
    assert differences
    assert [difference.fault for difference in differences if difference.fault] == []
    if network.name in SPIKING:
        return
    bound = 2 * math.sqrt(sum(difference.relative_l2**2 for difference in differences))
    assert networks.relative_l2(network.expected, given) <= bound


def test_cond_and_while_loop(tmp_path: Path) -> None:
    @mb.program(input_specs=[mb.TensorSpec(shape=(3,))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        def doubled(value: Any, count: Any) -> Any:
            return mb.mul(x=value, y=2.0), mb.add(x=count, y=1.0)

        value, count = mb.while_loop(
            _cond=lambda value, count: mb.less(x=mb.reduce_sum(x=value, keep_dims=False), y=100.0),
            _body=doubled,
            loop_vars=(x, mb.reduce_sum(x=mb.mul(x=x, y=0.0), keep_dims=False)),
        )
        even = mb.equal(x=mb.mod(x=count, y=2.0), y=0.0)
        return mb.cond(
            pred=even,
            _true_fn=lambda: mb.add(x=value, y=count),
            _false_fn=lambda: mb.sub(x=value, y=count),
            name="result",
        )

    model = opened(
        ct.convert(
            program, convert_to="mlprogram", compute_precision=ct.precision.FLOAT32, skip_model_load=True,
            minimum_deployment_target=ct.target.iOS17,
        ),
        tmp_path,
    )  # fmt: skip
    for start in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [90.0, 90.0, 0.0], [0.5, 0.25, 0.25]):
        value, count = np.array(start, np.float32), 0
        while value.sum() < 100:
            value, count = value * 2, count + 1
        expected = value + count if count % 2 == 0 else value - count
        np.testing.assert_allclose(model.predict({"x": np.array(start, np.float32)})["result"], expected, rtol=1e-6)
