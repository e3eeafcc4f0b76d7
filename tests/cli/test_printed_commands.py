"""Every command that a run's verdicts, report and hints print, run as it is printed, against that run."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.devices.adb.here import phone_at
from tests.devices.loopback import board, missing
from tests.doubles.adb.phone import write_phone
from tests.doubles.meters.serial_meters import Terminal, fnb58_report
from tests.phases.away.app_file import told
from tests.spike.installed import need

from edgeproof.devices.host import run_job
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.samples import SamplesDocument
from edgeproof.phases.evaluate import judge, read_evidence
from edgeproof.rundir import RUNBOOK, RunDir
from edgeproof.verdict.policy import preset_names

MODEL = """
import numpy as np, torch
from torch import nn
import edgeproof

def data(count, seed):
    x = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return edgeproof.Samples({"x": x}, (x[:, 0] + 0.3 * x[:, 1] > 0).astype(int))

def model():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    pool = data(400, 0)
    x, y = torch.tensor(pool.inputs["x"]), torch.tensor(pool.labels)
    steps = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(80):
        steps.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        steps.step()
    return edgeproof.Model(net, inputs=["x:float32[1,8]"], samples=pool, held_out=data(60, 1))
"""
CANDIDATES = "sdk-eager,sdk-native,onnx-fp32,onnx-int8,coreml-fp16"
FILL_IN = re.compile(r"\b(SAMPLES|LABELLED)\.npz\b")
LONG = re.compile(r"--duration \S+")


def run_words(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Printed words with this Python's own programs first on the path, in the folder that the run was started from."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        words, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a run of it, and the files that a reader would fill in."""
    folder = tmp_path_factory.mktemp("printed")
    (folder / "net.py").write_text(MODEL)
    source = np.random.default_rng(3)
    x = source.standard_normal((400, 8)).astype(np.float32)
    for name in ("SAMPLES.npz", "LABELLED.npz"):
        np.savez(folder / name, x=x, labels=(x[:, 0] > 0).astype(int))
    words = ["edgeproof", "run", "net.py:model", "--candidates", CANDIDATES, "--processors", "none", "--out", "run"]
    words += ["--requests", "20", "--cold-starts", "1", "--threads", "1,2", "--latency-ms", "20"]
    ended = run_words(words, folder)
    assert ended.returncode == 0, ended.stderr
    few = run_words(["edgeproof", "measure", "run", "--count", "20"], folder)  # fewer than any percentile asks for
    assert few.returncode == 0, few.stderr
    return folder


def idle(evidence: Evidence) -> Evidence:
    """As measured on a machine with nothing else to do: on a busy one every host's verdict lacks its latency first."""
    devices = tuple(
        replace(
            device,
            measurements=tuple(
                found if found.process is None else replace(found, process=replace(found.process, cpu_percent=100.0))
                for found in device.measurements
            ),
        )
        for device in evidence.devices
    )
    return replace(evidence, devices=devices)


def printed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What would change a verdict, by its command, under every policy that ships, one that nothing meets, and
    some that ask for more."""
    monkeypatch.chdir(folder)
    run = RunDir.open(Path("run"))
    (folder / "strict.toml").write_text("latency_ms = 0.0001\npower_mw = 100.0\nslice_drop = 0.1\nmemory_mb = 1.0\n")
    (folder / "soaked.toml").write_text('latency_percentile = "p50"\nlatency_ms = 1000.0\nsoak_hours = 24.0\n')
    found: dict[str, str] = {}
    (folder / "powered.toml").write_text('latency_percentile = "p50"\nlatency_ms = 1000.0\npower_mw = 100.0\n')
    for policy in (*preset_names(), "strict.toml", "soaked.toml", "powered.toml"):
        for verdict in judge(run, idle(read_evidence(run)), Path(policy)).verdicts:
            for change in verdict.would_change:
                if change.command is not None:
                    found.setdefault(change.command, change.measurement)
    return found


@contextlib.contextmanager
def devices(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What a reader fills in for a device: a board behind a real SSH server, a phone's double behind the real adb."""
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    need("adb", "qemu-aarch64-static", "aarch64-linux-gnu-gcc")
    with (
        board(folder / "board", monkeypatch) as there,
        phone_at(write_phone(folder / "phone"), folder / "home", monkeypatch) as phone,
    ):
        yield {
            "ssh:USER@HOST": f"{there.address}&class=raspberry-pi",
            **dict.fromkeys(("adb:", "adb:PHONE_IP:5555"), f"adb:localhost:{phone.port}"),
        }


@pytest.mark.slow
def test_what_would_change_a_verdict_can_be_done(
    started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = printed(started, monkeypatch)
    on_devices = [command for command in commands if " --devices " in command]
    assert {command.split("--devices ")[1].split()[0] for command in on_devices} == {"ssh:USER@HOST", "adb:"}
    kinds = {" ".join(shlex.split(command)[:2]) for command in commands}
    assert {"edgeproof measure", "edgeproof run", "edgeproof soak", "edgeproof runbook"} <= kinds
    assert any(command.endswith("--hold 60s --meter METER") for command in commands)
    tried: set[str] = set()
    with (
        Terminal(lambda come: (fnb58_report(5.0, 0.2), len(come)), every_s=0.04) as meter,
        devices(tmp_path, monkeypatch) as filled_in,
    ):
        for number, command in enumerate(commands):
            shape = re.sub(r"[\d.]+|--candidates \S+", "", command)
            if shape in tried:  # the same with other candidates or counts
                continue
            tried.add(shape)
            short = LONG.sub("--duration 1s", command)  # nobody waits a day for a test
            words = shlex.split(short.replace("--hold 60s --meter METER", f"--hold 1s --meter fnb58:{meter.path}"))
            words = [filled_in.get(word, word) for word in words]
            if words[:2] == ["edgeproof", "run"] and "--resume" not in words:
                words += ["--out", f"again-{number}"]
            ended = run_words(words, started)
            assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    assert list((started / "run" / "phase4_soak").glob("*.json")), "what a printed soak saw is evidence of its run"
    classes = {device.device_class: device for device in RunDir.open(started / "run").devices()}
    assert classes.keys() >= {"host", "raspberry-pi", "android"}
    for name in ("raspberry-pi", "android"):
        (native,) = (found for found in classes[name].measurements if found.candidate == "sdk-native")
        assert native.outputs is not None
        assert (native.outputs.status, native.outputs.same_bits) == ("passed", True)
        assert native.steady is not None


@pytest.mark.slow
def test_counts_of_threads_are_measured_beside_each_other(started: Path) -> None:
    run = RunDir.open(started / "run")
    (host,) = (device for device in run.devices() if device.device == "host")
    for measured in host.measurements:
        if measured.status == "ok":
            (other,) = measured.other_threads
            assert {measured.threads, other.threads} == {1, 2}
            assert other.steady is not None
            assert measured.steady is not None
            assert measured.steady.median_us <= other.steady.median_us
    (verdict,) = (v for v in judge(run, read_evidence(run)).verdicts if v.device_class == "host")
    assert verdict.candidate is None or re.search(r" on [12] threads?: ", verdict.sentence)


@pytest.mark.slow
def test_one_number_of_the_policy_stands_on_the_command_line(started: Path) -> None:
    run = RunDir.open(started / "run")
    policy, source = run.policy()
    assert (policy.latency_ms, source.endswith("latency_ms = 20")) == (20.0, True)
    words = ["edgeproof", "report", "run", "--policy", "realtime-audio", "--json"]
    told = json.loads(run_words(words, started).stdout)["evaluation"]
    assert (told["policy"]["latency_ms"], told["policy_source"]) == (5.0, "realtime-audio")
    assert run_words(["edgeproof", "report", "run", "--policy", "nobody"], started).returncode == 2


@pytest.mark.slow
def test_an_artifact_from_elsewhere_is_a_candidate_like_ours(started: Path) -> None:
    (file,) = (started / "run" / "artifacts" / "onnx-int8").glob("*.onnx")
    shutil.copy(file, started / "theirs.onnx")
    words = [
        "edgeproof",
        "run",
        "net.py:model",
        "--candidates",
        "sdk-native",
        "--processors",
        "none",
        "--out",
        "theirs",
    ]
    words += ["--requests", "20", "--cold-starts", "1", "--artifact", "vendor-int8=theirs.onnx"]
    ended = run_words(words, started)
    assert ended.returncode == 0, ended.stderr
    evidence = read_evidence(RunDir.open(started / "theirs"))
    assert evidence.shipping is not None
    assert evidence.shipping.of("onnx", "host") is not None, (
        "what ships with it is known, though no other is of its format"
    )
    assert evidence.validation is not None
    results = {result.candidate: result for result in evidence.validation.results}
    assert results["vendor-int8"].precision == "int8"
    assert results["vendor-int8"].task is not None
    assert "vendor-int8" in {found.candidate for found in evidence.devices[0].measurements if found.steady is not None}


@pytest.mark.slow
def test_a_gate_says_where_what_would_change_it_stands(started: Path) -> None:
    (started / "strict.toml").write_text("latency_ms = 0.0001\n")
    ended = run_words(["edgeproof", "gate", "run", "--policy", "strict.toml"], started)
    assert ended.returncode == 3
    hinted = re.search(r"edgeproof report \S+", ended.stderr)
    assert hinted is not None
    assert run_words(shlex.split(hinted.group()), started).returncode == 0


@pytest.mark.slow
def test_the_commands_of_the_runbook_for_a_pi_work(
    started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one command; and by hand, with the folder for the Pi and what it left there brought back."""
    text = (started / "run" / RUNBOOK).read_text()
    section = text.split("## Raspberry Pi")[1].split("## Android")[0]
    printed_here = re.findall(r"^(edgeproof .*)$", section, re.MULTILINE)
    kinds = [" ".join(command.split()[:2]) for command in printed_here]
    assert kinds == ["edgeproof measure", "edgeproof runbook", "edgeproof import"]
    measured, packed, brought = printed_here
    with devices(tmp_path, monkeypatch) as filled_in:
        words = [filled_in.get(word, word) for word in shlex.split(measured)]
        ended = run_words([*words, "--count", "40"], started)
        assert ended.returncode == 0, f"{measured}\n{ended.stdout}\n{ended.stderr}"
    here = platform.machine() == "aarch64"  # the folder holds programs of a Pi's processor
    packing = run_words(shlex.split(packed), started)
    if packing.returncode and "is not to be had" in packing.stderr:
        pytest.skip(f"no wheels for aarch64 can be had from here: {packing.stderr.splitlines()[0]}")
    assert packing.returncode == 0, packing.stderr
    script = (started / "for-the-pi" / "measure.sh").read_text()
    assert "sh for-the-pi/measure.sh" in section
    results = started / "for-the-pi" / "results"
    if here:
        assert run_words(["sh", "for-the-pi/measure.sh"], started).returncode == 0
    else:  # the same jobs, on the artifacts of this machine
        results.mkdir()
        for name in ("onnx-fp32", "sdk-native"):
            assert f"results/{name}.json" in script
            for more in (
                ["--outputs", f"{results}/{name}.npz"],
                ["--measure", "40", "--json", f"{results}/{name}.json"],
            ):
                job = ["python", "-m", "edgeproof.devices.runner", f"run/artifacts/{name}", "--trust", *more]
                ended = run_words([*job, "--inputs", "run/phase3_heldout.npz"], started)
                assert ended.returncode == 0, ended.stderr
    ended = run_words(globbed(shlex.split(brought), started), started)
    assert ended.returncode == 0, f"{brought}\n{ended.stdout}\n{ended.stderr}"


@pytest.mark.slow
def test_the_commands_of_the_runbook_for_phones_that_are_ours_work(
    started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that is brought back from an iPhone is a double's; its outputs are the engine's own."""
    text = (started / "run" / RUNBOOK).read_text().split("## Android")[1]
    commands = re.findall(r"^ *(edgeproof .*)$", text, re.MULTILINE)
    assert {" ".join(command.split()[:2]) for command in commands} == {
        "edgeproof measure",
        "edgeproof runbook",
        "edgeproof report",
        "edgeproof import",
        "edgeproof validate",
    }
    (tmp_path / "latencies.json").write_text(json.dumps([812.0, 805.5, 799.0]))
    app_left(started / "results", RunDir.open(started / "run"))
    with devices(tmp_path, monkeypatch) as filled_in:
        for command in commands:
            for name in re.findall(r"=(\S+\.json)", command):
                shutil.copy(tmp_path / "latencies.json", started / name)
            words = [filled_in.get(word, word) for word in shlex.split(command)]
            words = [*globbed(words, started), *(["--count", "40"] if words[1] == "measure" else [])]
            ended = run_words(words, started)
            assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    assert (started / "iphone-app").is_dir()
    phone = RunDir.open(started / "run").device("iphone:iPhone15,2")
    assert phone is not None
    (native,) = (found for found in phone.measurements if found.candidate == "sdk-native")
    assert native.outputs is not None
    assert (native.outputs.status, native.outputs.same_bits) == ("passed", True)


PROGRAMS = {
    "onnxruntime_perf_test": """[ "$1 $2 $3 $4 $5 $6 $7 $9 ${10}" = "-e cpu -x 1 -m times -r -I -s" ] || exit 8
[ -f "${11}" ] || exit 9
call=0
while [ $call -lt "$8" ]; do echo "tiny,$((call + 1))e-05,41000960,97,$call" >> "${12}"; call=$((call + 1)); done
""",
    "benchmark_model": '[ -f "${1#--graph=}" ] || exit 9; echo "Inference timings in us: Inference (avg): 7"\n',
    "executor_runner": '[ -f "$2" ] || exit 9; echo "Model executed successfully $4 time(s) in 7 ms."\n',
}
"""Doubles of other makers' benchmark programs: they look at their words and at the files named, and run nothing."""


@pytest.mark.slow
def test_what_is_printed_for_programs_of_others_on_a_phone_can_be_pasted(
    started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line through a shell, the real adb before a phone's double; its results are read as the runbook says."""
    need("adb", "qemu-aarch64-static", "awk")
    text = (started / "run" / RUNBOOK).read_text().split("## Android")[1].split("## iPhone")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    others = [line for line in lines if line.startswith(("adb push", "adb shell", "adb pull", "awk"))]
    assert {line.split()[1] for line in others} >= {"push", "shell", "pull", "-F,"}
    for name, body in PROGRAMS.items():
        (started / name).write_text(f"#!/bin/sh\n{body}")
    folder = write_phone(tmp_path / "phone")
    battery = folder / "sys" / "class" / "power_supply" / "battery"
    battery.mkdir(parents=True, exist_ok=True)
    for name, value in (("current_now", "-350000"), ("voltage_now", "3850000")):
        (battery / name).write_text(f"{value}\n")
    with phone_at(folder, tmp_path / "home", monkeypatch) as phone:
        assert run_words(["adb", "connect", f"localhost:{phone.port}"], started).returncode == 0
        for line in others:
            ended = run_words(["sh", "-c", line], started)
            assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}"
    times = json.loads((started / "onnx-fp32.json").read_text())
    assert times[:3] == [10.0, 20.0, 30.0]
    words = ["edgeproof", "report", "run", "--measured", "android:onnx-fp32=onnx-fp32.json"]
    assert run_words(words, started).returncode == 0


def app_left(folder: Path, run: RunDir) -> None:
    """What the app would have left in the folder that its runbook brings it back to."""
    folder.mkdir()
    held_out = run.path(run.read(SamplesDocument).held_out.file)
    outputs = folder.parent / "engine.npz"
    job = RunnerJob(artifact=str(run.path("artifacts/sdk-native")), inputs=str(held_out), outputs=str(outputs))
    assert run_job(job).error is None
    with np.load(outputs) as found:
        told(folder, {name: found[name] for name in found})


def globbed(words: list[str], folder: Path) -> list[str]:
    """The words as a shell gives them: a pattern is the files that it fits."""
    return [
        file
        for word in words
        for file in (sorted(str(path.relative_to(folder)) for path in folder.glob(word)) if "*" in word else [word])
    ]
