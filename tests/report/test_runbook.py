"""The device runbook: commands for this run's files, and for no others."""

from __future__ import annotations

import re
import shlex

import pytest
from markdown_it import MarkdownIt

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.shipping import ReducedBuild
from edgeproof.documents.signature import Loop
from edgeproof.report.runbook import RunbookInput, render_runbook

FILES = {"onnx": "model.onnx", "litert": "model.tflite", "executorch": "model.pte", "coreml": "model.mlpackage"}


def artifact(build, result, file):
    loop = Loop(timesteps=25, encoding="repeat", states=(), readouts=("sum",)) if result.form == "step" else None
    return ArtifactDocument(
        candidate=result.candidate, format=result.format, precision=result.precision, form=result.form, file=file,
        sha256=result.sha256 or "0" * 64, bytes=result.bytes or 1, inputs=(), outputs=(), loop=loop,
    )  # fmt: skip


def given(build, evidence=None, **changes):
    evidence = evidence or build.evidence()
    artifacts = {
        result.candidate: artifact(build, result, FILES.get(result.format, "model.bin"))
        for result in evidence.conversion.candidates
        if result.status == "ok"
    }
    return RunbookInput(
        **{
            "evidence": evidence,
            "artifacts": artifacts,
            "platforms": build.PLATFORMS,
            "policy": PolicyValue(),
            "held_out": "phase3_heldout.npz",
        }
        | changes
    )


@pytest.fixture(scope="module")
def text(build):
    return render_runbook(given(build))


def section(text, title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def commands(text):
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_sections(text):
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Raspberry Pi", "Android", "iPhone"]


def test_every_command_is_shell_that_can_be_read(text):
    assert len(commands(text)) > 30
    for command in commands(text):
        assert shlex.split(command, comments=True)


def test_raspberry_pi_measures_this_runs_artifacts(text, build):
    pi = section(text, "Raspberry Pi")
    folder = build.evidence().folder
    assert f"edgeproof measure {folder} --devices ssh:USER@HOST" in pi
    assert f"edgeproof runbook {folder} --board for-the-pi" in pi
    assert f"edgeproof import {folder} for-the-pi/results/*.json --device raspberry-pi" in pi
    assert "artifacts/onnx-fp32/model.onnx" in pi
    assert "03" * 32 in pi
    assert "vcgencmd get_throttled" in pi
    assert "pmic_read_adc" in pi
    assert "pip install" not in pi, "no step asks an index for what is not on it"
    assert "coreml" not in pi
    assert "openvino" not in pi


def test_android_groups_by_the_file_a_runtime_opens(text):
    android = section(text, "Android")
    assert "benchmark_model --graph=/data/local/tmp/edgeproof/litert-fp16.tflite" in android
    assert "onnxruntime_perf_test -e cpu" in android
    assert "executor_runner --model_path /data/local/tmp/edgeproof/executorch-fp32.pte" in android
    assert "adb tcpip 5555" in android
    assert "dumpsys thermalservice" in android
    assert "There is no stock benchmark program" in android


def test_a_single_time_step_is_never_timed_as_an_inference(text):
    """A stock program would time one step of 25 and call it the latency."""
    android = section(text, "Android")
    assert "litert-int8.tflite" not in android
    steps = android.split("### Artifacts of one time step")[1]
    assert "artifacts/litert-int8 /data/local/tmp" in steps
    assert "an inference is 25 of them" in steps


def test_android_names_no_program_for_files_it_does_not_have(build):
    only = {"onnx-fp32": ("android",)}
    android = section(render_runbook(given(build, platforms=only)), "Android")
    assert "onnxruntime_perf_test" in android
    assert "benchmark_model" not in android
    assert "executor_runner" not in android


def test_iphone_compiles_and_records(text):
    iphone = section(text, "iPhone")
    assert "xcrun coremlcompiler compile" in iphone
    assert "--iphone iphone-app" in iphone
    assert "edgeproof import bench_output/edge_phase_runs/20261120-093000 results/*.json" in iphone
    assert "xcrun xctrace record" in iphone
    assert "edgeproof validate examples/digits_snn.py:model" in iphone
    assert "not known: Core ML runs only on Apple systems" in iphone


def test_each_device_has_a_table_to_fill(text, build):
    for title, device in (("Raspberry Pi", "raspberry-pi"), ("Android", "android"), ("iPhone", "iphone")):
        ships = [
            name for name, devices in build.PLATFORMS.items() if device in devices and name not in ("openvino-fp32",)
        ]
        empty = re.findall(r"^\| `([^`]+)`(?: \|)+ \|$", section(text, title), re.MULTILINE)
        assert sorted(empty) == sorted(ships)


def test_results_come_back_through_the_report(text):
    assert "--measured android:sdk-native=sdk-native.json" in text
    assert "--measured iphone:coreml-fp32=coreml-fp32.json" in text


def test_the_policys_budgets_are_named(build):
    text = render_runbook(given(build, policy=PolicyValue(power_mw=1500.0, memory_mb=64.0, latency_percentile="p99")))
    assert "p99 under 10 ms, mean power of at most 1500 mW, peak memory of at most 64 MB" in text


def test_without_artifact_documents_it_still_stands(build):
    text = render_runbook(given(build, artifacts={}))
    assert "artifacts/onnx-fp32" in text


def test_nothing_ships(build):
    text = render_runbook(given(build, platforms={}))
    assert "No candidate of this run ships to a Raspberry Pi" in text


def test_a_path_with_spaces_and_quotes_is_quoted(build):
    import msgspec

    evidence = msgspec.structs.replace(build.evidence(), folder="runs/it's here; rm -rf $HOME")
    text = render_runbook(given(build, evidence))
    for command in commands(text):
        if "it" in command and "here" in command:
            assert "runs/it's here; rm -rf $HOME" in " ".join(shlex.split(command, comments=True))


def test_it_is_markdown_with_whole_tables(text):
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert sum(token.type == "table_open" for token in tokens) == 6


WAY = ReducedBuild(
    title="A runtime with the operators of this file",
    here=("list {artifact} --out {candidate}",),
    commands=("prepare", "build {candidate} {artifact} {stem}"),
    note="Only these.",
    source="its manual",
)


def test_a_smaller_runtime_is_told_once_for_all_the_artifacts_that_it_is_for(build):
    found = section(
        render_runbook(given(build, reduced={"onnx-fp32": (WAY,), "onnx-int8": (WAY,), "sdk-native": ()})),
        "A smaller runtime",
    )
    folder = build.evidence().folder
    assert found.count("### A runtime with the operators of this file") == 1
    assert "For `onnx-fp32`, `onnx-int8`." in found
    assert [line for line in commands(found) if not line.startswith("#")] == [
        "RUN=$PWD    # the folder in which the paths of this runbook are valid",
        f"list {folder}/artifacts/onnx-fp32/model.onnx --out onnx-fp32",
        f"list {folder}/artifacts/onnx-int8/model.onnx --out onnx-int8",
        "prepare",
        f'build onnx-fp32 "$RUN"/{folder}/artifacts/onnx-fp32/model.onnx model',
        f'build onnx-int8 "$RUN"/{folder}/artifacts/onnx-int8/model.onnx model',
    ]
    assert "Only these. Source: its manual." in found


def test_a_path_with_blanks_is_quoted_in_it(build):
    evidence = build.evidence(folder="/runs/my run")
    text = render_runbook(given(build, evidence, reduced={"onnx-fp32": (WAY,)}))
    (line,) = [line for line in commands(section(text, "A smaller runtime")) if line.startswith("list")]
    assert shlex.split(line)[1] == "/runs/my run/artifacts/onnx-fp32/model.onnx"
