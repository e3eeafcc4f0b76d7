"""Programs of the engine compiled in numbers: quickly as libraries, or under sanitizers as executables."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import pytest

from edgeproof.spike.engine.emit import Source
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Array, Program
from edgeproof.spike.toolchain.build import FLAGS

SANITIZED = ("-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HEADERS = "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
WIDEST = (16, 8, 4)

MAIN = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
{includes}

/* Memory that ends where the numbers end, so that one more is noticed. */
static float *numbers(size_t count, FILE *from) {{
  float *found = malloc(count * sizeof(float));
  if (from && fread(found, sizeof(float), count, from) != count) exit(3);
  return found;
}}

int main(int argc, char **argv) {{
  FILE *given = fopen(argv[1], "rb"), *results = fopen(argv[2], "wb");
  if (argc != 3 || !given || !results) return 2;
{calls}
  return fclose(given) || fclose(results);
}}
"""

CALL = """  {{
    const float *in[{inputs}] = {{{read}}};
    float *out[{outputs}] = {{{made}}};
    const size_t sizes[{outputs}] = {{{sizes}}};
    struct {name} *m = aligned_alloc(64, {name}_size());
    for (int widest = 16; widest; widest = widest == 4 ? 1 : widest == 1 ? 0 : widest / 2) {{
      {name}_init(m, widest);
      for (int i = 0; i < {outputs}; i++) memset(out[i], 0xff, sizes[i] * sizeof(float));
      {name}_call(m, in, out);
      for (int i = 0; i < {outputs}; i++) fwrite(out[i], sizeof(float), sizes[i], results);
    }}
    for (int i = 0; i < {inputs}; i++) free((void *)in[i]);
    for (int i = 0; i < {outputs}; i++) free(out[i]);
    free(m);
  }}"""


def outputs_of(program: Program) -> list[tuple[int, ...]]:
    """Shapes of what a call gives."""
    return [
        (program.timesteps, *output.node.shape) if output.readout == "stack" else output.node.shape
        for output in program.outputs
    ]


class Compiler:
    """gcc with the headers of all programs read in advance."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: dict[tuple[str, ...], Path] = {}
        self._lock = Lock()

    def _headers(self, flags: tuple[str, ...]) -> Path:
        with self._lock:
            if flags not in self._ready:
                header = self._folder / f"headers{len(self._ready)}.h"
                narrow = any(flag in flags for flag in ("-DEDGEPROOF_WIDEST=1", "-DEDGEPROOF_WIDEST=4"))
                header.write_text(HEADERS + ("" if narrow else "#include <immintrin.h>\n"))
                self.run([*flags, "-x", "c-header", str(header), "-o", f"{header}.gch"])
                self._ready[flags] = header
            return self._ready[flags]

    def run(self, arguments: Sequence[str]) -> None:
        done = subprocess.run(["gcc", *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr

    def compile(self, source: Source, folder: Path, flags: Sequence[str]) -> Path:
        """An object file; warnings are errors."""
        every = (
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            *(flag for flag in FLAGS if flag != "-O3"),
            "-fPIC",
            *flags,
        )
        c, built = folder / f"{source.name}.c", folder / f"{source.name}.o"
        c.write_text(source.c)
        (folder / f"{source.name}.h").write_text(source.h)
        self.run([*every, "-include", str(self._headers(every)), "-c", str(c), "-o", str(built)])
        return built

    def library(self, source: Source, folder: Path, flags: Sequence[str] = ("-O1",)) -> Path:
        """A library of one program."""
        library = folder / f"{source.name}.so"
        self.run(["-shared", str(self.compile(source, folder, flags)), "-lm", "-o", str(library)])
        return library

    def results(
        self,
        programs: Sequence[tuple[Source, Program, dict[str, Array]]],
        folder: Path,
        flags: Sequence[str] = SANITIZED,
    ) -> list[list[list[Array]]]:
        """Compile programs into one executable and run it.

        Returns:
            for each program, for each width of vectors (16, 8, 4, 1) the outputs in order.
        """
        calls, includes, objects = [], [], []
        for source, program, _ in programs:
            sizes = [int(np.prod(shape)) for shape in outputs_of(program)]
            steps = program.timesteps if program.sequence else 1
            calls.append(
                CALL.format(
                    name=source.name,
                    inputs=len(program.inputs),
                    outputs=len(sizes),
                    read=", ".join(f"numbers({node.size * steps}, given)" for node in program.inputs),
                    made=", ".join(f"numbers({size}, NULL)" for size in sizes),
                    sizes=", ".join(map(str, sizes)),
                )
            )
            includes.append(f'#include "{source.name}.h"')
            objects.append(str(self.compile(source, folder, flags)))
        main, program_file, given, taken = (folder / name for name in ("main.c", "main", "inputs", "outputs"))
        main.write_text(MAIN.format(includes="\n".join(includes), calls="\n".join(calls)))
        self.run(["-std=c11", *flags, str(main), *objects, "-lm", "-o", str(program_file)])
        given.write_bytes(b"".join(inputs[node.name].tobytes() for _, made, inputs in programs for node in made.inputs))
        done = subprocess.run([program_file, given, taken], capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr[:3000]
        numbers, at = np.fromfile(taken, np.float32), 0
        found: list[list[list[Array]]] = []
        for _, program, _ in programs:
            found.append([])
            for _ in range(4):
                found[-1].append([])
                for shape in outputs_of(program):
                    size = int(np.prod(shape))
                    found[-1][-1].append(numbers[at : at + size].reshape(shape))
                    at += size
        assert at == len(numbers)
        return found


@pytest.fixture(scope="session")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    return Compiler(tmp_path_factory.mktemp("headers"))


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Check one program's outputs; what is expected is kept for the next check of the same program."""
    known: dict[Program, dict[str, Array]] = {}

    def check(
        program: Program, inputs: dict[str, Array], results: Sequence[Array], what: str, *, smooth: bool = False
    ) -> None:
        if program not in known:
            known.clear()
            known[program] = interpret(program, inputs)
        expected = known[program]
        for output, found in zip(program.outputs, results, strict=True):
            wanted = expected[output.name]
            if smooth:
                scale = float(np.abs(wanted).max())
                np.testing.assert_allclose(
                    found, wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=f"{what}, {output.name}"
                )
            else:
                np.testing.assert_array_equal(found, wanted, err_msg=f"{what}, output {output.name}")
                numbers = ~np.isnan(wanted)
                np.testing.assert_array_equal(
                    np.signbit(found[numbers]), np.signbit(wanted[numbers]), err_msg=f"{what}, output {output.name}"
                )

    return check
