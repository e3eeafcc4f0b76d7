"""Flash, static RAM and stack of an engine: the sums are the linker's, and no painted stack is touched deeper."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.spike.digits import NAME, expected, program, samples, write_source
from tests.spike.installed import need
from tests.spike.toolchain.board import BOARDS, EMULATOR, run_on_board

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.interpreter import interpret_fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.program import Input, Linear, Output, Program, State
from edgeproof.spike.simplify import elementwise
from edgeproof.spike.toolchain.build import build
from edgeproof.spike.toolchain.callgraph import Frames, deepest, read_callgraph, read_thumb
from edgeproof.spike.toolchain.elf import read_sections, read_symbols
from edgeproof.spike.toolchain.linkmap import Piece, read_map
from edgeproof.spike.toolchain.memory import Memory, memory_of
from edgeproof.spike.toolchain.targets import TARGETS, target_named

MEASURED = ["host", "aarch64-linux", "armv7-linux", "riscv64-linux", "cortex-m4", "cortex-m7", "cortex-m33"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("engine"))


def smooth_program() -> Program:
    """64-10 units that call the C library's ``tanhf`` and ``expf`` at each of 4 steps."""
    x, state = Input("pixels", (64,)), State("s", np.zeros(10, np.float32))
    weight = np.random.default_rng(2).normal(size=(10, 64)).astype(np.float32)
    moved = elementwise("add", Linear(x, weight, np.zeros(10, np.float32)), state)
    after = elementwise("tanh", elementwise("exp", elementwise("mul", moved, -0.1)))
    return Program((x,), ((state, after),), (Output("a", after, "sum"), Output("b", after, "last")), 4, False)


@pytest.mark.parametrize("name", MEASURED)
def test_the_sections_are_those_that_size_tells(name: str, source: Path, tmp_path: Path) -> None:
    target = target_named(name)
    gcc = target.gcc if target else "gcc"
    assert gcc
    size = gcc.removesuffix("gcc") + "size"
    need(gcc, size)
    memory = memory_of(source, target, keep=tmp_path)
    linked = tmp_path / f"{NAME}_memory.elf"
    told = subprocess.run([size, "-A", "-d", linked], capture_output=True, text=True, check=True).stdout
    sizes = {
        words[0]: int(words[1]) for line in told.splitlines() if len(words := line.split()) == 3 and words[1].isdigit()
    }
    assert {section.name: section.total for section in memory.sections} == {
        section.name: sizes[section.name]
        for section in read_sections(linked.read_bytes())
        if section.is_loaded and section.size
    }
    # Berkeley's sums: text and data are stored, data and bss stand in RAM.
    berkeley = subprocess.run([size, linked], capture_output=True, text=True, check=True).stdout.splitlines()[1].split()
    text, data, bss = map(int, berkeley[:3])
    assert sum(section.total for section in memory.sections if section.in_flash) == text + data
    assert sum(section.total for section in memory.sections if section.in_ram) == data + bss
    check_roles(memory, source)


def check_roles(memory: Memory, source: Path) -> None:
    weights = 4 * (64 * 70 + 70 * 10)
    frame = sum(section.frame for section in memory.sections if section.in_flash)
    assert weights < memory.flash_bytes < 12 * weights
    assert memory.flash_bytes + frame == sum(section.total for section in memory.sections if section.in_flash)
    assert all(
        min(section.engine, section.instance, section.libraries, section.padding, section.frame) >= 0
        for section in memory.sections
    )
    assert frame < 1500
    assert memory.static_ram_bytes >= memory.instance_bytes > 4 * (70 + 10)
    assert memory.symbols[0].size >= 4 * 64 * 64
    frames = sum(size for _, size in memory.stack.chain)
    assert 0 < frames == memory.stack.bytes == memory.stack_bytes - memory.red_zone_bytes
    assert memory.stack.chain[0][0].startswith(f"{source.stem}_")


def test_an_instance_is_as_large_as_its_struct(source: Path, tmp_path: Path) -> None:
    (tmp_path / "size.c").write_text(
        f'#include "{NAME}.h"\n#include <stdio.h>\nint main(void) {{ printf("%zu", sizeof(struct {NAME})); return 0; }}'
    )
    subprocess.run(["gcc", f"-I{source.parent}", "size.c", "-o", "size"], cwd=tmp_path, check=True)
    size = int(subprocess.run([tmp_path / "size"], capture_output=True, check=True).stdout)
    assert memory_of(source).instance_bytes == size


@pytest.mark.parametrize("name", BOARDS)
def test_a_microcontroller_gives_the_same_bits_on_no_more_stack(name: str, source: Path, tmp_path: Path) -> None:
    """On an emulated board: outputs of real samples, and the stack that was painted before."""
    need(TARGETS[name].gcc, EMULATOR)
    touched, outputs = run_on_board(source, name, samples(8), tmp_path)
    assert outputs == expected(8)
    memory = memory_of(source, TARGETS[name])
    assert max(touched.values()) <= memory.stack_bytes <= 2 * max(touched.values())
    assert not memory.stack.unknown


def test_int8_takes_a_quarter_of_the_flash(source: Path, tmp_path: Path) -> None:
    """The engine in whole numbers, on the board: the bits of its own interpreter."""
    need(TARGETS["cortex-m4"].gcc, EMULATOR)
    rows = [{"pixels": sample} for sample in samples(8)]
    fixed = quantise(program(), rows)
    made = emit_fixed(fixed, "whole")
    (tmp_path / "whole.c").write_text(made.c)
    (tmp_path / "whole.h").write_text(made.h)
    touched, outputs = run_on_board(tmp_path / "whole.c", "cortex-m4", samples(8), tmp_path)
    results = [interpret_fixed(fixed, row) for row in rows]
    assert outputs == b"".join(result["spikes"].tobytes() + result["membrane"].tobytes() for result in results)
    memory = memory_of(tmp_path / "whole.c", TARGETS["cortex-m4"])
    assert max(touched.values()) <= memory.stack_bytes
    full = memory_of(source, TARGETS["cortex-m4"])
    assert memory.flash_bytes < 0.5 * full.flash_bytes
    assert memory.static_ram_bytes < full.static_ram_bytes


def test_the_c_library_s_frames_are_counted(tmp_path: Path) -> None:
    need(TARGETS["cortex-m4"].gcc, EMULATOR)
    made = emit(smooth_program(), "smooth")
    (tmp_path / "smooth.c").write_text(made.c)
    (tmp_path / "smooth.h").write_text(made.h)
    memory = memory_of(tmp_path / "smooth.c", TARGETS["cortex-m4"])
    assert sum(section.libraries for section in memory.sections if section.name == ".text") > 1000
    assert "tanhf" in {symbol.name for symbol in memory.symbols}
    touched, _ = run_on_board(tmp_path / "smooth.c", "cortex-m4", samples(2), tmp_path)
    assert max(touched.values()) <= memory.stack_bytes <= 2 * max(touched.values())


PAINTED = """#define _GNU_SOURCE
#include "NAME.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { PAINTED = 64 * 1024 };
static struct NAME engine;
static float input[64], first[10], second[10];

static __attribute__((noinline)) size_t touched(int widest) {
  const float *in[] = {input};
  float *out[] = {first, second};
  NAME_init(&engine, widest);
  char *here = __builtin_frame_address(0);
  __asm__ volatile("mov %%rsp, %0" : "=r"(here));
  volatile unsigned char *low = (unsigned char *)here - PAINTED, *p;
  for (p = low; p < (unsigned char *)here; p++) *p = 0xa5;
  NAME_call(&engine, in, out);
  for (p = low; p < (unsigned char *)here && *p == 0xa5; p++) {
  }
  return (size_t)((unsigned char *)here - p);
}

static void *measure(void *unused) {
  (void)unused;
  for (int i = 0; i < 64; i++) input[i] = (float)(i % 5) / 4;
  for (int widest = 16; widest; widest /= 2) printf("%zu ", touched(widest));
  return NULL;
}

int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, measure, NULL);
  return pthread_join(thread, NULL);
}
"""


def test_a_thread_of_this_machine_touches_no_more_stack(source: Path, tmp_path: Path) -> None:
    made = build(source, tmp_path, "object", compiler="system")
    if made.file.read_bytes()[18] != 62:
        pytest.skip("the stack is read by an instruction of x86-64")
    (tmp_path / "painted.c").write_text(PAINTED.replace("NAME", NAME))
    words = ["gcc", "-O1", "-static", f"-I{source.parent}", "painted.c", made.file.name, "-lm", "-lpthread"]
    subprocess.run([*words, "-o", "painted"], cwd=tmp_path, check=True)
    told = subprocess.run([tmp_path / "painted"], capture_output=True, check=True, text=True).stdout
    memory = memory_of(source)
    assert memory.red_zone_bytes == 128
    assert 0 < max(map(int, told.split())) <= memory.stack_bytes


def test_the_command_writes_it_down(source: Path, tmp_path: Path) -> None:
    need(TARGETS["cortex-m4"].gcc)
    words = ["build", str(source), "--target", "cortex-m4", "--kind", "object", "--memory", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", "from edgeproof.cli import main; main()", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "cortex-m4" / "build.json").read_text())["memory"]
    memory = memory_of(source, TARGETS["cortex-m4"])
    assert told == json.loads(json.dumps(memory.document()))
    assert (
        f"flash {memory.flash_bytes:,}, static RAM {memory.static_ram_bytes:,}, stack {memory.stack_bytes:,}"
        in done.stdout
    )
    assert "arm-none-eabi-gcc" in told["how"]
    assert "-mcpu=cortex-m4" in " ".join(
        json.loads((tmp_path / "cortex-m4" / "build.json").read_text())["compiler"]["command"].split()
    )
    assert (tmp_path / "cortex-m4" / f"{NAME}_memory.map").is_file()


def test_who_is_missing_is_said(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConversionError, match="there is no GCC for it"):
        memory_of(source, TARGETS["aarch64-ios"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConversionError) as caught:
        memory_of(source, TARGETS["cortex-m7"])
    assert caught.value.hint == "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"
    other = tmp_path / "cc"
    other.write_text("#!/bin/sh\necho clang version 99\n")
    other.chmod(0o755)
    with pytest.raises(ConversionError, match="another compiler"):
        memory_of(source)


def test_a_map_is_read() -> None:
    text = """Archive member included
.discarded      0x0000      0x10 no.o

Linker script and memory map

.text           0x00008000      0x748
 *(.text)
 .text.a_function_with_a_long_name
                0x00008000       0x2c /tmp/probe.o
                0x00008000                a_function_with_a_long_name
 *fill*         0x0000802c        0x4 @
 .text          0x00008030      0x134 /lib/libc.a(memcpy.o)
 .text.none     0x00008164        0x0 /tmp/probe.o

.note.gnu.build-id
                0x00009000       0x24
 .note.gnu.build-id
                0x00009000       0x24 /tmp/probe.o
"""
    assert list(read_map(text.replace(" @", " "))) == [
        Piece(".text", ".text.a_function_with_a_long_name", "/tmp/probe.o", 0x2C),
        Piece(".text", "*fill*", "", 4),
        Piece(".text", ".text", "/lib/libc.a(memcpy.o)", 0x134),
        Piece(".note.gnu.build-id", ".note.gnu.build-id", "/tmp/probe.o", 0x24),
    ]


def test_frames_of_thumb_code_are_read() -> None:
    frames = read_thumb("""
00008000 <a>:
    8000:\tpush\t{r4, r5, r6, lr}
    8002:\tvpush\t{d8-d10}
    8006:\tsub\tsp, #24
    8008:\tbl\t8100 <b>
    800c:\tbne.n\t8004 <a+0x4>
    800e:\tldmia.w\tsp!, {r4, pc}

00008100 <b>:
    8100:\tstmdb\tsp!, {r4, r5, r6, r7, r8, r9, sl, fp, lr}
    8104:\tsub.w\tsp, sp, #1024\t@ 0x400
    8108:\tvpush\t{s16-s19}
    810c:\tstr.w\tlr, [sp, #-8]!
    8110:\tb.w\t8200 <c>
    8114:\tblx\tr3
    8116:\tbx\tlr
""")
    assert frames.bytes == {"a": 16 + 24 + 24, "b": 36 + 1024 + 16 + 8}
    assert frames.calls == {"a": {"b"}, "b": {"c", "__indirect_call"}}
    with pytest.raises(ConversionError, match="no bound"):
        read_thumb("00008000 <a>:\n    8000:\tsub\tsp, sp, r3\n")


def test_the_deepest_chain_goes_through_pointers() -> None:
    frames = read_callgraph("""graph: { title: "x.c"
node: { title: "x.c:run_plain" label: "run_plain\\nx.c:1:2\\n128 bytes (static)" }
node: { title: "x.c:run_wide" label: "run_wide\\nx.c:1:2\\n96 bytes (dynamic,bounded)" }
node: { title: "x.c:inner" label: "inner\\nx.c:1:2\\n64 bytes (static)" }
edge: { sourcename: "x.c:run_wide" targetname: "x.c:inner" label: "x.c:3:4" }
node: { title: "memset" label: "__builtin_memset\\n<built-in>" shape : ellipse }
node: { title: "x_call" label: "x_call\\nx.c:1:2\\n16 bytes (static)" }
node: { title: "__indirect_call" label: "Indirect Call Placeholder" shape : ellipse }
edge: { sourcename: "x_call" targetname: "__indirect_call" label: "x.c:5:6" }
edge: { sourcename: "x_call" targetname: "memset" }
}""")
    found = deepest(frames, ["x_call"])
    assert (found.bytes, [name for name, _ in found.chain]) == (176, ["x_call", "run_wide", "inner"])
    assert found.unknown == ("memset",)
    frames.calls["inner"].add("x_call")
    with pytest.raises(ConversionError, match="calls itself"):
        deepest(frames, ["x_call"])
    with pytest.raises(ConversionError, match="no bound"):
        read_callgraph('node: { title: "f" label: "f\\nx.c:1:2\\n16 bytes (dynamic)" }')
    assert deepest(Frames(), []).bytes == 0


def test_what_is_no_elf_is_refused() -> None:
    with pytest.raises(ConversionError, match="something else"):
        read_symbols(b"\xcf\xfa\xed\xfe" + bytes(60))


def test_symbols_of_both_widths(source: Path, tmp_path: Path) -> None:
    assert program().timesteps == 12
    for name in ("host", "armv7-linux"):
        target = target_named(name)
        need(target.gcc if target else "gcc")
        data = build(source, tmp_path / name, "object", target, compiler="system").file.read_bytes()
        symbols = {symbol.name: symbol for symbol in read_symbols(data)}
        assert symbols[f"{NAME}_call"].section.startswith(".text")
        assert symbols["description"].size > 50
