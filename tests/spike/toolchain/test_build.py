"""The engine of a small network for other processors: the same bits everywhere, and clear words where it cannot."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.spike.digits import INPUTS, NAME, OUTPUTS, expected, program, samples, write_source
from tests.spike.installed import need
from tests.spike.toolchain.mach_o import read as read_mach_o

from edgeproof.errors import ConversionError, UsageError
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Input, Linear, Output, Program, State
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.simplify import elementwise
from edgeproof.spike.toolchain.build import build
from edgeproof.spike.toolchain.build_record import write_build_record
from edgeproof.spike.toolchain.compilers import compiler_for
from edgeproof.spike.toolchain.description import read_description
from edgeproof.spike.toolchain.elf import read_sections
from edgeproof.spike.toolchain.main_program import main_program
from edgeproof.spike.toolchain.targets import TARGETS, Target, target_named

EMULATED = [target for target in TARGETS.values() if target.emulator is not None]
MAIN = main_program(NAME, INPUTS, OUTPUTS)
EXPORTS = {f"{NAME}_{function}" for function in ("size", "init", "reset", "call", "bound", "run", "step", "describe")}
EXPORTS |= {"edgeproof_describe"}
LIBRARY = {"memcpy", "memset", "memmove"}

needs_zig = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated C."""
    return write_source(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def wanted() -> bytes:
    return expected()


def name_of(target: Target | None) -> str:
    return target.name if target else "host"


def link(built: Path, target: Target, main: str, headers: Path, folder: Path) -> Path:
    """An object and a ``main`` made into a program by the target's GCC."""
    assert target.gcc
    (folder / "main.c").write_text(main)
    words = [f"-I{headers}", "main.c", str(built), "-static", "-lm", "-o", "program"]
    subprocess.run([target.gcc, *target.flags, *words], check=True, cwd=folder)
    return folder / "program"


def outputs_of(program: Path, target: Target | None, given: bytes | None = None) -> bytes:
    """What a built program gives for the samples, under emulation where it is for another processor."""
    command = [str(program)] if target is None or not target.emulator else [target.emulator, str(program)]
    environment = {**os.environ, "QEMU_CPU": target.cpu} if target is not None and target.cpu else None
    done = subprocess.run(
        command, input=given or samples().tobytes(), capture_output=True, env=environment, check=True, timeout=120
    )
    return done.stdout


@pytest.mark.parametrize("target", [None, *EMULATED], ids=name_of)
def test_every_processor_gives_the_interpreter_s_bits(target, source: Path, wanted: bytes, tmp_path: Path) -> None:
    if target is not None:
        need(target.gcc, target.emulator)
    made = build(source, tmp_path, "program", target, compiler="system")
    assert outputs_of(made.file, target) == wanted


@needs_zig
@pytest.mark.parametrize("target", [TARGETS["x86_64-linux"], *EMULATED], ids=name_of)
def test_code_of_zig_s_gives_the_same_bits(target, source: Path, wanted: bytes, tmp_path: Path) -> None:
    """Zig's object, linked by GCC: a C library of Zig's own takes it most of a minute to make."""
    need(target.gcc, target.emulator)
    made = build(source, tmp_path, "object", target, compiler="zig")
    assert outputs_of(link(made.file, target, MAIN, source.parent, tmp_path), target) == wanted


@pytest.mark.parametrize("compiler", ["system", pytest.param("zig", marks=needs_zig)])
@pytest.mark.parametrize("target", [TARGETS["x86_64-linux"], *EMULATED], ids=name_of)
def test_subnormal_numbers_are_no_zeros(target, compiler, tmp_path: Path) -> None:
    """The vectors of 32-bit ARM would take them for such."""
    need(target.gcc, target.emulator)
    generator = np.random.default_rng(0)
    x, state = Input("x", (64,)), State("s", np.zeros(64, np.float32))
    current = Linear(x, (generator.normal(size=(64, 64)) * 3e-40).astype(np.float32), np.zeros(64, np.float32))
    after = elementwise("add", elementwise("mul", state, 0.9), current)
    tiny = Program((x,), ((state, after),), (Output("a", after, "last"),), 5, False)
    made = emit(tiny, "tiny")
    (tmp_path / "tiny.c").write_text(made.c)
    (tmp_path / "tiny.h").write_text(made.h)
    given = samples(3)
    wanted = np.concatenate([interpret(tiny, {"x": x})["a"] for x in given])
    assert ((wanted != 0) & (abs(wanted) < np.finfo(np.float32).tiny)).sum() > 100
    built = build(tmp_path / "tiny.c", tmp_path, "object", target, compiler=compiler)
    program_file = link(built.file, target, main_program("tiny", [64], [64]), tmp_path, tmp_path)
    assert outputs_of(program_file, target, given.tobytes()) == wanted.tobytes()


@needs_zig
@pytest.mark.long
def test_a_static_program_of_zig_s(source: Path, wanted: bytes, tmp_path: Path) -> None:
    target = TARGETS["aarch64-linux"]
    need(target.emulator)
    made = build(source, tmp_path, "program", target, compiler="zig")
    assert outputs_of(made.file, target) == wanted
    assert ".interp" not in [section.name for section in read_sections(made.file.read_bytes())]
    assert made.file.stat().st_size < 400_000


@needs_zig
def test_a_library_of_zig_s_is_loaded_by_an_old_glibc_s_names(source: Path, wanted: bytes, tmp_path: Path) -> None:
    made = build(source, tmp_path, "library", compiler="zig")
    assert not any(word in made.compiler.command for word in ("native", "-mcpu=native"))
    engine = Engine(made.file)
    given, spikes, membrane = samples(), bytearray(40), bytearray(40)
    run = engine.bind([row := bytearray(256)], [spikes, membrane])
    found = b""
    for x in given:
        row[:] = x.tobytes()
        run()
        found += bytes(spikes) + bytes(membrane)
    assert found == wanted


@needs_zig
@pytest.mark.parametrize("name", ["aarch64-macos", "x86_64-macos"])
def test_libraries_for_macos(name: str, source: Path, tmp_path: Path) -> None:
    found = read_mach_o(build(source, tmp_path, "library", TARGETS[name]).file.read_bytes())
    assert (found.cpu, found.kind, found.platform) == (
        {"aarch64": "arm64", "x86_64": "x86_64"}[name.split("-")[0]], "library", "macos",
    )  # fmt: skip
    assert found.identifier == f"@rpath/{NAME}.dylib"
    assert {f"_{symbol}" for symbol in EXPORTS} <= found.exported
    program = read_mach_o(build(source, tmp_path, "program", TARGETS[name]).file.read_bytes())
    assert (program.kind, program.platform) == ("program", "macos")


@needs_zig
@pytest.mark.parametrize(("name", "platform"), [("aarch64-ios", "ios"), ("aarch64-ios-simulator", "ios-simulator")])
def test_objects_for_ios(name: str, platform: str, source: Path, tmp_path: Path) -> None:
    found = read_mach_o(build(source, tmp_path, "object", TARGETS[name]).file.read_bytes())
    assert (found.cpu, found.kind, found.platform) == ("arm64", "object", platform)
    assert {f"_{symbol}" for symbol in EXPORTS} == found.exported
    assert found.undefined <= {f"_{function}" for function in LIBRARY} | {"_bzero", "___bzero"}


@needs_zig
@pytest.mark.parametrize(
    ("name", "machine"), [("aarch64-android", 183), ("armv7-android", 40), ("x86_64-android", 62), ("cortex-m4", 40)]
)
def test_objects_for_android_and_bare_metal(name: str, machine: int, source: Path, tmp_path: Path) -> None:
    need("nm")
    file = build(source, tmp_path, "object", TARGETS[name], compiler="zig").file
    data = file.read_bytes()
    assert (data[:4], int.from_bytes(data[16:18], "little")) == (b"\x7fELF", 1)
    assert int.from_bytes(data[18:20], "little") == machine
    listed = subprocess.run(["nm", "-g", str(file)], capture_output=True, text=True, check=True).stdout.splitlines()
    kinds = {line.split()[-1]: line.split()[-2] for line in listed}
    assert {symbol for symbol, kind in kinds.items() if kind in "TW"} == EXPORTS
    linked = {symbol for symbol, kind in kinds.items() if kind == "U"}
    assert {symbol for symbol in linked if not symbol.startswith(("__aeabi_", "__cpu_"))} <= LIBRARY


@needs_zig
@pytest.mark.parametrize("name", ["aarch64-android", "aarch64-ios", "cortex-m4"])
def test_objects_of_an_engine_in_whole_numbers(name: str, tmp_path: Path) -> None:
    made = emit_fixed(quantise(program(), [{"pixels": sample} for sample in samples(4)]), "whole")
    (tmp_path / "whole.c").write_text(made.c)
    (tmp_path / "whole.h").write_text(made.h)
    file = build(tmp_path / "whole.c", tmp_path, "object", TARGETS[name], compiler="zig").file
    assert file.read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")


def same_again(source: Path, tmp_path: Path, kind: str, **words) -> tuple[bytes, str]:
    """Build in two places from two places; the file and the document, which must be the same."""
    made = []
    for place in ("here", "elsewhere/deeper"):
        folder = tmp_path / place
        (folder / "src").mkdir(parents=True)
        for file in (source, source.with_suffix(".h")):
            shutil.copy(file, folder / "src")
        result = build(folder / "src" / source.name, folder / "out", kind, **words)  # type: ignore[arg-type]
        made.append((result.file.read_bytes(), write_build_record(result).read_text()))
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0][0]
    assert str(tmp_path) not in made[0][1]
    return made[0]


@pytest.mark.parametrize("kind", ["library", "program", "object"])
def test_the_same_build_makes_the_same_file(kind: str, source: Path, tmp_path: Path) -> None:
    data, document = same_again(source, tmp_path, kind)
    told = json.loads(document)
    assert (told["schema"], told["name"], told["target"], told["kind"]) == ("edgeproof.build/1", NAME, "host", kind)
    assert told["reproducible"] is True
    assert "-ffp-contract=off" in told["compiler"]["flags"]
    assert any(letter.isdigit() for letter in told["compiler"]["version"])
    assert told["files"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert [file["path"] for file in told["sources"]][0::1][0] == f"{NAME}.c"
    assert told["sources"][0]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


@needs_zig
@pytest.mark.parametrize(
    ("name", "kind"), [("aarch64-macos", "library"), ("aarch64-ios", "object"), ("host", "library")]
)
def test_the_same_build_by_zig_makes_the_same_file(name: str, kind: str, source: Path, tmp_path: Path) -> None:
    _, document = same_again(source, tmp_path, kind, target=target_named(name), compiler="zig")
    told = json.loads(document)["compiler"]
    assert told["version"].startswith("zig 0.")
    assert told["command"].startswith("zig cc -target ")


def test_a_fast_build_may_round_once(source: Path, tmp_path: Path) -> None:
    target = TARGETS["aarch64-linux"]
    need(target.gcc, "aarch64-linux-gnu-objdump")
    fused = {}
    for reproducible in (True, False):
        made = build(source, tmp_path, "object", target, reproducible=reproducible, compiler="system")
        code = subprocess.run(["aarch64-linux-gnu-objdump", "-d", str(made.file)], capture_output=True, text=True)
        fused[reproducible] = "fmadd" in code.stdout or "fmla" in code.stdout
        assert json.loads(write_build_record(made).read_text())["reproducible"] is reproducible
    assert fused == {True: False, False: True}
    host = build(source, tmp_path, "library", reproducible=False, compiler="system")
    assert "-march=native" in host.compiler.command
    assert Engine(host.file).name == NAME


def test_a_program_tells_the_time_of_each_call(source: Path, tmp_path: Path) -> None:
    made = build(source, tmp_path, "program").file
    done = subprocess.run([str(made), "--time", "25"], input=samples().tobytes(), capture_output=True, check=True)
    times = [float(line) for line in done.stdout.split()]
    assert len(times) == 25
    assert all(0 <= time < 1e6 for time in times)


@pytest.mark.parametrize(
    ("words", "kept", "code", "said"),
    [
        ([], -7, 1, r"sample \d+ on stdin has \d+ bytes; expected \d+"),
        ([], 3, 1, r"sample 0 on stdin has 3 bytes"),
        ([], 0, 1, "sample 0 on stdin has 0 bytes"),
        (["--time", "5"], 0, 1, "sample 0 on stdin has 0 bytes"),
        (["--time", "x"], None, 2, r"usage: .* \[--time N\]"),
        (["--twice"], None, 2, "usage: "),
    ],
)
def test_a_program_says_what_is_wrong_with_its_input(
    words: list[str], kept: int | None, code: int, said: str, source: Path, tmp_path: Path
) -> None:
    given = samples().tobytes()[:kept]
    made = build(source, tmp_path, "program").file
    done = subprocess.run([str(made), *words], input=given, capture_output=True)
    assert done.returncode == code
    assert re.search(said, done.stderr.decode())
    whole = len(given) // (4 * sum(INPUTS)) if not words else 0
    assert len(done.stdout) == whole * 4 * sum(OUTPUTS), "what came whole is answered"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is a device on Linux only")
def test_a_program_says_that_its_outputs_are_lost(source: Path, tmp_path: Path) -> None:
    made = build(source, tmp_path, "program").file
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([str(made)], input=samples().tobytes(), stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, b"cannot be written" in done.stderr) == (1, True)


def test_the_generated_c_is_clean_c99(source: Path, tmp_path: Path) -> None:
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-c"]
    subprocess.run(["cc", *strict, str(source), "-o", str(tmp_path / "small.o")], check=True)


def test_the_source_describes_itself(source: Path) -> None:
    told = read_description(source)
    assert (told.name, told.timesteps) == (NAME, 12)
    assert [(plug.name, plug.shape, plug.step, plug.whole, plug.whole_shape) for plug in told.inputs] == [
        ("pixels", (64,), 64, 64, (64,))
    ]
    assert [(plug.name, plug.whole) for plug in told.outputs] == [("spikes", 10), ("membrane", 10)]


def test_where_it_cannot_be_built(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no target z80") as caught:
        target_named("z80")
    assert "aarch64-linux" in (caught.value.hint or "")
    with pytest.raises(ConversionError, match="only objects are made"):
        build(source, tmp_path, "program", TARGETS["aarch64-ios"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in (("host", "gcc"), ("aarch64-linux", "gcc-aarch64-linux-gnu"), ("cortex-m4", "gcc-arm-none")):
        with pytest.raises(ConversionError, match=r"no .*compiler") as lost:
            compiler_for(target_named(name))
        assert f"apt-get install {package}" in (lost.value.hint or "")
        assert "edgeproof[native]" in (lost.value.hint or "")
    with pytest.raises(ConversionError, match="no Zig compiler"):
        compiler_for(None, "zig")
    with pytest.raises(ConversionError) as lost:
        compiler_for(TARGETS["armv7-linux"], "system")
    assert lost.value.hint == "apt-get install gcc-arm-linux-gnueabihf"


def test_what_the_compiler_says_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text('#include "nowhere.h"\n')
    with pytest.raises(ConversionError, match=r"could not compile the engine: .*nowhere\.h"):
        build(tmp_path / "bad.c", tmp_path, "library")


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from edgeproof.cli import main; main()", "build", *words],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command(source: Path, tmp_path: Path) -> None:
    done = run_command(str(source), "--target", "host,aarch64-ios", "--out", str(tmp_path / "out"), "--json", "--fast")
    assert done.returncode == 1, done.stderr
    host, ios = json.loads(done.stdout)["builds"]
    assert (host["status"], ios["status"]) == ("ok", "failed")
    assert Path(host["file"]).stat().st_size == host["bytes"]
    assert json.loads((tmp_path / "out" / "host" / "build.json").read_text())["reproducible"] is False
    assert "only objects" in ios["reason"]
    done = run_command(str(source), "--kind", "program", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert outputs_of(tmp_path / "out" / "host" / NAME, None) == expected()
