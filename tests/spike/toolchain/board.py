"""An emulated board with a Cortex-M: runs an engine on samples, and tells how much of a painted stack it touched."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeproof.spike.program import Array
from edgeproof.spike.toolchain.compilers import compiler_for
from edgeproof.spike.toolchain.targets import TARGETS

EMULATOR = "qemu-system-arm"
ENTRIES = ("init", "reset", "call", "run", "step")


@dataclass(frozen=True)
class Board:
    """A machine of QEMU's: Arm's FPGA images for its MPS2 boards, or a BBC micro:bit.

    Attributes:
        machine: what QEMU calls it.
        code: where its programs begin.
        data: where its RAM begins.
        flash: how much it has, as a linker script says it.
        ram: likewise.
    """

    machine: str
    code: int
    data: int
    flash: str = "4M"
    ram: str = "2M"


BOARDS = {
    "cortex-m4": Board("mps2-an386", 0, 0x20000000),
    "cortex-m7": Board("mps2-an500", 0, 0x20000000),
    "cortex-m33": Board("mps2-an505", 0x10000000, 0x38000000),
}
SMALLEST = {"cortex-m0plus": Board("microbit", 0, 0x20000000, "256K", "16K")}
"""A Cortex-M0, whose instructions are those of an M0+."""

SCRIPT = """MEMORY {{ code (rx) : ORIGIN = {code}, LENGTH = {flash}
  data (rwx) : ORIGIN = {data}, LENGTH = {ram} }}
ENTRY(start)
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.ARM.ex*) }} > code
  .data : {{ *(.data*) }} > data
  .bss : {{ *(.bss*) *(COMMON) . = ALIGN(64); }} > data
  lowest = .;
  highest = ORIGIN(data) + LENGTH(data);
}}
"""

START = """
#include "NAME.h"
#include <string.h>

extern uint32_t lowest[], highest[];
static const uint32_t bits[][INPUTS] = {SAMPLES};
static struct NAME engine;
static float input[INPUTS], first[10], second[10];
static const float *const in[] = {input};
static float *const out[] = {first, second};

/* Semihosting: the emulator prints, and ends. Arm's "Semihosting for AArch32 and AArch64", 0x04 and 0x18. */
static void ask(uint32_t what, const void *with) {
  register uint32_t r0 __asm__("r0") = what;
  register const void *r1 __asm__("r1") = with;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t number, char end) {
  char words[10];
  for (int i = 0; i < 8; i++) words[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
  words[8] = end, words[9] = 0;
  ask(4, words);
}

static void print_all(const float *numbers) {
  for (int i = 0; i < 10; i++) {
    uint32_t one;
    memcpy(&one, numbers + i, 4);
    print(one, i == 9 ? '\\n' : ' ');
  }
}

#define PAINT 0xa5c3965au
/* Bytes below this function's own frame that the engine's function touched. */
#define MEASURE(entry, ...)                                                   \\
  __attribute__((noinline)) static uint32_t measure_##entry(void) {           \\
    volatile uint32_t *here;                                                  \\
    __asm__ volatile("mov %0, sp" : "=r"(here));                              \\
    for (volatile uint32_t *p = lowest; p < here; p++) *p = PAINT;            \\
    NAME_##entry(__VA_ARGS__);                                                \\
    volatile uint32_t *p = lowest;                                            \\
    while (p < here && *p == PAINT) p++;                                      \\
    return (uint32_t)((here - p) * 4);                                        \\
  }
MEASURE(init, &engine, 16)
MEASURE(reset, &engine)
MEASURE(call, &engine, in, out)
MEASURE(run, &engine, 3, in, out)
MEASURE(step, &engine, in, out)

static void start(void) {
#ifdef __ARM_FP
  *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: the floating point unit */
  __asm__ volatile("dsb\\n isb");
#endif
  memcpy(input, bits[0], sizeof input);
  print(measure_init(), ' ');
  print(measure_reset(), ' ');
  print(measure_call(), ' ');
  print(measure_run(), ' ');
  print(measure_step(), '\\n');
  for (unsigned k = 0; k < sizeof bits / sizeof *bits; k++) {
    memcpy(input, bits[k], sizeof input);
    NAME_call(&engine, in, out);
    print_all(first);
    print_all(second);
  }
  ask(0x18, (void *)0x20026);
  for (;;) {
  }
}

static void fault(void) {
  ask(4, "fault\\n");
  ask(0x18, (void *)0x20023);
  for (;;) {
  }
}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[] = {
    (handler)highest, start, fault, fault, fault, fault, fault};
"""


def run_on_board(c: Path, target: str, samples: Array, folder: Path) -> tuple[dict[str, int], bytes]:
    """Run an engine with one input and two outputs of ten numbers.

    Returns:
        bytes of stack that each of its functions touched; the outputs of all samples.
    """
    board = (BOARDS | SMALLEST)[target]
    rows = ["{" + ", ".join(f"0x{int(number):x}" for number in row.view("uint32")) + "}" for row in samples]
    text = START.replace("NAME", c.stem).replace("SAMPLES", ",\n".join(rows))
    (folder / "start.c").write_text(text.replace("INPUTS", str(samples.shape[1])))
    (folder / "board.ld").write_text(
        SCRIPT.format(code=hex(board.code), data=hex(board.data), flash=board.flash, ram=board.ram)
    )
    flags = ["-std=gnu99", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-ffunction-sections"]
    compiler_for(TARGETS[target], "system").compile(
        [*flags, "-Wall", "-Werror", f"-I{c.parent}", str(folder / "start.c"), str(c), "-nostartfiles",
         "--specs=nano.specs", f"-Wl,-T,{folder / 'board.ld'}", "-Wl,--gc-sections", "-lm", "-o",
         str(folder / "board.elf")]
    )  # fmt: skip
    words = [EMULATOR, "-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none",
             "-semihosting-config", "enable=on,target=native", "-kernel", str(folder / "board.elf")]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # What semihosting prints comes from the emulator's own error stream in some versions.
    first, *lines = (done.stdout or done.stderr).splitlines()
    touched = dict(zip(ENTRIES, (int(word, 16) for word in first.split()), strict=True))
    return touched, b"".join(int(word, 16).to_bytes(4, "little") for line in lines for word in line.split())
