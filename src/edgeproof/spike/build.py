"""Generated C made into a shared library, a static program or an object, for this machine or another."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from edgeproof.errors import ConversionError
from edgeproof.spike.emit import Source
from edgeproof.spike.targets import Target, compiler_for

__all__ = ["FLAGS", "Kind", "build", "build_library", "main_program"]

FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math")
"""No multiply-add in one rounding: every processor gives the same bits."""
LONGEST_SECONDS = 600.0

Kind = Literal["library", "program", "object"]
LINKING: dict[Kind, tuple[str, ...]] = {
    "library": ("-fPIC", "-shared", "-fvisibility=hidden"),
    "program": ("-static",),
    "object": ("-fPIC", "-c"),
}
SUFFIXES: dict[Kind, str] = {"library": ".so", "program": "", "object": ".o"}


def build_library(source: Source, folder: Path) -> Path:
    """Write the source into ``folder`` and compile it for this machine.

    Returns:
        the shared library, beside its source.

    Raises:
        ConversionError: no compiler, or it failed.
    """
    (folder / f"{source.name}.h").write_text(source.h)
    c = folder / f"{source.name}.c"
    c.write_text(source.c)
    return build(c, folder, "library")


def build(c: Path, out: Path, kind: Kind, target: Target | None = None, *, main: str | None = None) -> Path:
    """Compile a generated ``.c``, whose ``.h`` stands beside it.

    Args:
        c: the source.
        out: folder for the result; made if need be.
        kind: what to make.
        target: for which machine; None: this one.
        main: for a program, the C of its ``main``, such as that of ``main_program``.

    Returns:
        the file that was made.

    Raises:
        ConversionError: no compiler, it failed, or the target only takes objects.
    """
    if target is not None and not target.links and kind != "object":
        raise ConversionError(f"for {target.name} only objects are made: link them with {target.title.split(' ')[-1]}")
    name = c.stem
    out.mkdir(parents=True, exist_ok=True)
    made = out / f"{name}{SUFFIXES[kind]}"
    sources = [str(c)]
    if kind == "program":
        (out / f"{name}_main.c").write_text(main or "")
        sources.append(str(out / f"{name}_main.c"))
    libraries = () if kind == "object" else ("-lm",)
    command = [*compiler_for(target), *FLAGS, *LINKING[kind], f"-I{c.parent}", *sources, *libraries, "-o", str(made)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"the compiler was stopped after {LONGEST_SECONDS:.0f} s") from error
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:300])
        raise ConversionError(f"{command[0]} could not compile the engine: {said}")
    return made


def main_program(name: str, inputs: Sequence[int], outputs: Sequence[int]) -> str:
    """C of a program around the network ``name``: samples from stdin, outputs to stdout, both raw float32.

    Each sample is its inputs one after another; so are the outputs. With ``--time N`` it runs the first sample N times
    and prints the microseconds of each call instead.

    Args:
        name: of the network.
        inputs: numbers in each input of a call.
        outputs: numbers in each output.
    """
    sizes = [", ".join(map(str, one)) for one in (inputs, outputs)]
    return MAIN.replace("IN_SIZES", sizes[0]).replace("OUT_SIZES", sizes[1]).replace("NAME", name)


MAIN = """/* Samples from stdin, outputs to stdout, raw float32.
 * With --time N the microseconds of N calls on the first sample. */
#define _POSIX_C_SOURCE 199309L
#include "NAME.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const size_t in_sizes[] = {IN_SIZES};
static const size_t out_sizes[] = {OUT_SIZES};
enum { INPUTS = sizeof in_sizes / sizeof *in_sizes, OUTPUTS = sizeof out_sizes / sizeof *out_sizes };

static struct NAME instance;

int main(int count, char **words) {
  float *in[INPUTS], *out[OUTPUTS];
  for (int i = 0; i < INPUTS; i++) in[i] = calloc(in_sizes[i], sizeof(float));
  for (int i = 0; i < OUTPUTS; i++) out[i] = calloc(out_sizes[i], sizeof(float));
  const long repeats = count == 3 && !strcmp(words[1], "--time") ? atol(words[2]) : 0;
  NAME_init(&instance, 16);
  for (;;) {
    for (int i = 0; i < INPUTS; i++)
      if (fread(in[i], sizeof(float), in_sizes[i], stdin) != in_sizes[i]) return 0;
    NAME_call(&instance, (const float *const *)in, out);
    if (repeats > 0) break;
    for (int i = 0; i < OUTPUTS; i++) fwrite(out[i], sizeof(float), out_sizes[i], stdout);
  }
  for (long k = 0; k < repeats; k++) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    NAME_call(&instance, (const float *const *)in, out);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("%.3f\\n", (after.tv_sec - before.tv_sec) * 1e6 + (after.tv_nsec - before.tv_nsec) * 1e-3);
  }
  return 0;
}
"""
