"""Which converted artifact the local proof serves."""

from __future__ import annotations

from edgeproof.verdict.best import best_converted


def test_it_is_the_fastest_here_of_those_that_passed(build):
    host = build.device(
        (
            build.measurement("sdk-eager", 5.0),
            build.measurement("litert-int8", 10.0),
            build.measurement("litert-fp32", 30.0),
            build.measurement("onnx-fp32", 40.0),
            build.measurement("torchscript-fp32", status="skipped", steady=None),
        )
    )
    assert build.validation().results[7].status == "failed"
    assert best_converted(build.conversion(), build.validation(), host) == ("litert-fp32", "artifacts/litert-fp32")


def test_without_a_measurement_there_is_none(build):
    assert best_converted(build.conversion(), build.validation(), None) is None
    only_sdk = build.device((build.measurement("sdk-eager"),))
    assert best_converted(build.conversion(), build.validation(), only_sdk) is None
