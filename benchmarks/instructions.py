"""What a call of the engine costs on microcontrollers: instructions, counted by QEMU, flash and RAM, in fp32 and int8.

The emulator advances its clock by one nanosecond an instruction (``-icount shift=0``), and the program reads the
processor's own timer before and after a call; how much the timer counts is taken from a loop of known length. Counts
are the same every time. They are no time: instructions take one cycle or several, and memory has its own.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from artifacts import BOTH, ROOT, make, tell

from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant
from edgeproof.spike.program import Array
from edgeproof.spike.toolchain.build import FLAGS
from edgeproof.spike.toolchain.compilers import compiler_for
from edgeproof.spike.toolchain.description import read_description
from edgeproof.spike.toolchain.memory import memory_of
from edgeproof.spike.toolchain.targets import TARGETS

__all__ = ["instructions", "section"]

MODELS = ("examples/digits_snn.py", "examples/digits_cnn.py")
SAMPLES = 8
LOOP = 500_000


@dataclass(frozen=True)
class Board:
    """A machine of QEMU's for a target: where its flash and RAM begin, and how much there is."""

    target: str
    machine: str
    code: int
    flash: str
    data: int
    ram: str


BOARDS = (
    Board("cortex-m0plus", "microbit", 0, "256K", 0x20000000, "16K"),
    Board("cortex-m4", "mps2-an386", 0, "4M", 0x20000000, "2M"),
    Board("cortex-m33", "mps2-an505", 0x10000000, "4M", 0x38000000, "2M"),
)
"""QEMU has no M0+; an M0 has its instructions."""


def section() -> str:
    """The part of the page."""
    rows: list[tuple[Cell, ...]] = []
    for model in MODELS:
        made = make(model, to=("sdk-native",), precisions=BOTH)
        inputs = next(iter(np.load(made.inputs).values()))[:SAMPLES]
        sources = {target.candidate: next(target.artifact.glob("*.c")) for target in made.targets}
        for board in BOARDS:
            tell(f"{model}: {board.target}")
            rows += _rows(model, board, sources["sdk-native"], sources["sdk-native-int8"], inputs)
    columns = (
        Column("Model"),
        Column("Target"),
        Column("Candidate"),
        Column("Instructions a call"),
        Column("Ratio", "× fp32"),
        Column("Flash", "bytes"),
        Column("Static RAM", "bytes"),
    )
    shown = table(Table(id="instructions", caption="", columns=columns, rows=tuple(rows), notes=()))
    return f"""\
## On microcontrollers

Instructions of one call, counted by QEMU ({SAMPLES} held-out samples, their median): the count does not wobble, and is
no time. Where an instance does not fit the emulated board there is no count. Flash and RAM are those of
[native.md](native.md#how-memory-is-measured).

{shown}"""


def _rows(model: str, board: Board, fp32: Path, int8: Path, inputs: Array) -> list[tuple[Cell, ...]]:
    counts = [instructions(source, board, inputs) for source in (fp32, int8)]
    found: list[tuple[Cell, ...]] = []
    for candidate, source, count in zip(("sdk-native", "sdk-native-int8"), (fp32, int8), counts, strict=True):
        memory = memory_of(source, TARGETS[board.target])
        ratio = "—" if count is None or counts[0] is None else significant(count / counts[0])
        found.append(
            (
                Cell(model.removeprefix(f"{ROOT}/"), tone="name"),
                Cell(board.target),
                Cell(candidate, tone="name"),
                Cell("does not fit" if count is None else f"{count:,.0f}"),
                Cell(ratio),
                Cell(f"{memory.flash_bytes:,}"),
                Cell(f"{memory.static_ram_bytes:,}"),
            )
        )
    return found


def instructions(source: Path, board: Board, samples: Array) -> float | None:
    """Instructions of a call, the median over samples; None where the board has too little memory.

    Args:
        source: the engine's ``.c``, of one input.
        board: the emulated machine.
        samples: float32, sample axis first.

    Raises:
        CalledProcessError: the emulator failed. ConversionError: there is no compiler.
    """
    told = read_description(source)
    words = [", ".join(f"0x{word:x}" for word in sample.reshape(-1).view("uint32")) for sample in samples]
    text = PROGRAM.replace("NAME", told.name).replace("SAMPLES", ",\n".join(f"{{{row}}}" for row in words))
    text = text.replace("INPUT", str(told.inputs[0].whole)).replace("LOOP", str(LOOP))
    outputs = [plug.whole for plug in told.outputs]
    text = text.replace("BUFFERS", ", ".join(f"out{i}[{size}]" for i, size in enumerate(outputs)))
    text = text.replace("POINTERS", ", ".join(f"out{i}" for i in range(len(outputs))))
    with tempfile.TemporaryDirectory(prefix="edgeproof-board-") as folder:
        main, script, elf = (Path(folder) / name for name in ("main.c", "board.ld", "board.elf"))
        main.write_text(text)
        script.write_text(SCRIPT.format(code=hex(board.code), flash=board.flash, data=hex(board.data), ram=board.ram))
        compiler = compiler_for(TARGETS[board.target], "system")
        flags = [flag for flag in FLAGS if flag not in ("-O3", "-std=c99")]
        built = subprocess.run(
            [*compiler.command, "-std=gnu99", *flags, "-ffunction-sections", "-fdata-sections", f"-I{source.parent}",
             str(main), str(source), "-nostartfiles", "--specs=nano.specs", f"-Wl,-T,{script}", "-Wl,--gc-sections",
             "-lm", "-o", str(elf)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if built.returncode and "will not fit" in built.stderr:
            return None
        built.check_returncode()
        done = subprocess.run(
            ["qemu-system-arm", "-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount",
             "shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", str(elf)],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
    loop, *calls = (int(word, 16) for word in (done.stdout or done.stderr).split())
    return statistics.median(calls) * 3 * LOOP / loop


SCRIPT = """MEMORY {{ code (rx) : ORIGIN = {code}, LENGTH = {flash}
  data (rwx) : ORIGIN = {data}, LENGTH = {ram} }}
ENTRY(start)
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM.ex*) }} > code
  .data : {{ data_begins = .; *(.data*) . = ALIGN(4); data_ends = .; }} > data AT > code
  data_is_kept = LOADADDR(.data);
  .bss : {{ zeros_begin = .; *(.bss*) *(COMMON) . = ALIGN(64); zeros_end = .; }} > data
  highest = ORIGIN(data) + LENGTH(data);
}}
"""

PROGRAM = """
#include "NAME.h"
#include <string.h>

extern uint32_t highest[], data_is_kept[], data_begins[], data_ends[], zeros_begin[], zeros_end[];
static const uint32_t bits[][INPUT] = {SAMPLES};
static struct NAME engine;
static float input[INPUT], BUFFERS;
static const float *const in[] = {input};
static float *const out[] = {POINTERS};

/* Arm's "Semihosting for AArch32 and AArch64", 0x04 and 0x18. */
static void ask(uint32_t what, const void *with) {
  register uint32_t r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = with;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t number) {
  char words[10];
  for (int i = 0; i < 8; i++) words[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
  words[8] = '\\n', words[9] = 0;
  ask(4, words);
}

#define REGISTER(address) (*(volatile uint32_t *)(address))
/* SysTick counts down in 24 bits. */
static uint32_t since(uint32_t then) { return (then - REGISTER(0xe000e018)) & 0xffffff; }

static void start(void) {
  for (uint32_t *to = data_begins, *from = data_is_kept; to < data_ends;) *to++ = *from++;
  memset(zeros_begin, 0, (size_t)((char *)zeros_end - (char *)zeros_begin));
#ifdef __ARM_FP
  REGISTER(0xe000ed88) |= 0xfu << 20;
  __asm__ volatile("dsb\\n isb");
#endif
  REGISTER(0xe000e014) = 0xffffff, REGISTER(0xe000e018) = 0, REGISTER(0xe000e010) = 5;
  uint32_t rounds = LOOP, then = REGISTER(0xe000e018);
  __asm__ volatile("1: sub %0, #1\\n cmp %0, #0\\n bne 1b" : "+r"(rounds) : : "cc");
  print(since(then));
  NAME_init(&engine, 1);
  for (unsigned k = 0; k < sizeof bits / sizeof *bits; k++) {
    memcpy(input, bits[k], sizeof input);
    then = REGISTER(0xe000e018);
    NAME_call(&engine, in, out);
    print(since(then));
  }
  ask(0x18, (void *)0x20026);
  for (;;) {
  }
}

static void fault(void) {
  ask(0x18, (void *)0x20023);
  for (;;) {
  }
}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[] = {
    (handler)highest, start, fault, fault, fault, fault, fault};
"""

if __name__ == "__main__":
    print(section())
