"""The C of a program: one ``.c`` and one ``.h``, C99, no allocation, no dependency beyond libm.

The ``.c`` includes itself once per vector width on x86-64 and picks one when it is initialised. All that changes stands
in a struct that the caller owns, so any number of threads can run any number of instances.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.spike.groups import group_loop
from edgeproof.spike.kernels import VARIANTS, blocks_of, kernels
from edgeproof.spike.literals import floats, integers, number
from edgeproof.spike.program import Array, Constant, Convolution, Linear, Node, Output, Pool, Program, State
from edgeproof.spike.schedule import Delay, Group, Kernel, Layer, Schedule, Stage, layout_of, padded, schedule, storage
from edgeproof.spike.simplify import is_binary

__all__ = ["Source", "emit"]


@dataclass(frozen=True)
class Source:
    """Generated code.

    Attributes:
        name: C identifier that every symbol begins with.
        c: text of ``<name>.c``.
        h: text of ``<name>.h``.
    """

    name: str
    c: str
    h: str


def emit(program: Program, name: str) -> Source:
    """Write a program down in C.

    Args:
        program: what is computed.
        name: C identifier; the files must be called so too.

    Raises:
        ConversionError: it cannot be planned.
    """
    return _Emitter(schedule(program), name).source()


class _Emitter:
    def __init__(self, plan: Schedule, name: str) -> None:
        self.plan = plan
        self.program: Program = plan.program
        self.name = name
        self.tables: list[str] = []
        self.members: list[str] = []
        self.numbers: dict[Node, int] = {}
        self.stored = set(plan.stored)
        self.constants: dict[tuple[int, bytes], str] = {}
        self.carried: set[State] = set()
        """States of the stage that is being written, if it runs step by step: read where they stand."""
        self.widths: set[int] = set()
        self.added: set[str] = set()
        """Outputs that are added up in the loop that makes them."""

    # Names.

    def number(self, node: Node) -> int:
        return self.numbers.setdefault(node, len(self.numbers))

    def buffer(self, node: Node) -> str:
        return f"m->b{self.number(storage(node))}"

    def row(self, node: Node, step: str) -> str:
        """The value's numbers at a step of the chunk."""
        node = storage(node)
        if isinstance(node, State) and (node in self.carried or node not in self.stored):
            return self.state(node)
        if node in self.plan.steady:
            return self.buffer(node)
        return f"({self.buffer(node)} + (size_t){step} * {padded(node.size)})"

    def element(self, node: Node) -> str:
        """Element ``i`` at step ``at``, as an array of the struct: so the compiler sees that no two overlap."""
        node = storage(node)
        if isinstance(node, State) and (node in self.carried or node not in self.stored):
            return f"{self.state(node)}[i]"
        if node in self.plan.steady:
            return f"{self.buffer(node)}[i]"
        return f"{self.buffer(node)}[at * {padded(node.size)} + i]"

    def state(self, node: State) -> str:
        return f"m->s{self.number(node)}"

    def constant(self, node: Constant, like: Node) -> str:
        """A table of a constant's numbers in the order in which ``like`` stands."""
        values = np.broadcast_to(node.value.astype(np.float32), like.shape).reshape(-1)
        return self.table("k", _ordered(values, layout_of(like)))

    def table(self, kind: str, values: Array) -> str:
        key = (values.size, values.tobytes())
        if key not in self.constants:
            name = f"{kind}{len(self.constants)}"
            self.constants[key] = name
            body = floats(values) if values.dtype == np.float32 else integers(values)
            of = "float" if values.dtype == np.float32 else "uint32_t"
            self.tables.append(f"static const {of} {name}[{values.size}] ALIGNED = {{\n{body}}};\n")
        return self.constants[key]

    # The file.

    def source(self) -> Source:
        functions: list[str] = []
        steady: list[str] = []
        chunk: list[str] = []
        for at, stage in enumerate(self.plan.stages):
            functions.append(self.stage(f"stage{at}", stage))
            (steady if stage.steady else chunk).append(f"VARIANT(stage{at})(m, {'1' if stage.steady else 'steps'});")
        run = self.run(steady, chunk)
        reset = self.reset()
        self.layout_members()
        head = HEAD.format(name=self.name, NAME=self.name.upper(), description=_quoted(self.description()))
        tail = TAIL.format(name=self.name, NAME=self.name.upper(), reset=reset)
        body = kernels(self.widths) + "\n".join(functions) + run
        c = (
            head
            + "".join(self.tables)
            + f"\n#define {self.name.upper()}_BODY\n"
            + VARIANTS.format(file=f"{self.name}.c")
            + tail
            + "\n#else\n"
            + body
            + "\n#undef VECTOR\n#undef LOAD\n#undef STORE\n#undef SPREAD\n#endif\n"
        )
        return Source(self.name, c, self.header())

    def header(self) -> str:
        program = self.program
        arguments = "\n".join(
            f" *   {kind}[{i}]  {label}: {'×'.join(map(str, shape)) or '1'} float32"
            for kind, rows in (
                ("in", [(one.name, one.shape) for one in program.inputs]),
                ("out", [(one.name, one.node.shape) for one in program.outputs]),
            )
            for i, (label, shape) in enumerate(rows)
        )
        return HEADER.format(
            name=self.name,
            NAME=self.name.upper(),
            timesteps=program.timesteps,
            members="\n".join(self.members),
            arguments=arguments,
            sequence="a row for each time step" if program.sequence else "the same at every time step",
        )

    def description(self) -> str:
        """What a caller must know, as JSON."""
        program = self.program
        return json.dumps(
            {
                "name": self.name,
                "timesteps": program.timesteps,
                "sequence": program.sequence,
                "inputs": [{"name": one.name, "shape": list(one.shape)} for one in program.inputs],
                "outputs": [
                    {"name": one.name, "shape": list(one.node.shape), "readout": one.readout} for one in program.outputs
                ],
            }
        )

    def layout_members(self) -> None:
        rows = {}
        for node in self.plan.stored:
            rows[node] = 1 if node in self.plan.steady else self.plan.chunk
        for node, count in rows.items():
            self.members.append(f"  float b{self.number(node)}[{count} * {padded(node.size)}];")
        for state, _ in self.program.states:
            self.members.append(f"  float s{self.number(state)}[{padded(state.size)}];")
        for i, one in enumerate(self.program.outputs):
            if one.readout != "stack":
                self.members.append(f"  float o{i}[{padded(one.node.size)}];")
        places = max((storage(layer.x).size for layer in self.layers() if not isinstance(layer, Pool)), default=0)
        self.members.append(f"  uint32_t list[{self.plan.chunk} * {padded(places) + 16}];")
        self.members.append(f"  uint32_t count[{self.plan.chunk}];")

    def layers(self) -> Iterator[Linear | Convolution | Pool]:
        for stage in self.plan.stages:
            for kernel in stage.kernels:
                if isinstance(kernel, Layer):
                    yield kernel.node

    # Stages.

    def stage(self, name: str, stage: Stage) -> str:
        if stage.stepwise:
            self.carried = {one.state for one in stage.kernels if isinstance(one, Delay)}
            body = "\n".join(self.kernel(one, "1", "t") for one in stage.kernels)
            inner = f"  for (int t = 0; t < steps; t++) {{\n{body}\n  }}"
            self.carried = set()
        else:
            inner = "\n".join(self.kernel(one, "steps", "0") for one in stage.kernels)
        return f"\nTARGET static void VARIANT({name})(struct {self.name} *m, int steps) {{\n{inner}\n}}\n"

    def kernel(self, kernel: Kernel, steps: str, first: str) -> str:
        """The kernel over ``steps`` steps from ``first`` of the chunk on."""
        if isinstance(kernel, Group):
            return group_loop(self, kernel, steps, first)
        if isinstance(kernel, Delay):
            return self.delay(kernel, steps, first)
        node = kernel.node
        if isinstance(node, Linear):
            return self.linear(node, steps, first)
        return self.convolution(node, steps, first) if isinstance(node, Convolution) else self.pool(node, steps, first)

    def delay(self, kernel: Delay, steps: str, first: str) -> str:
        size = padded(kernel.state.size) * 4
        state, after = self.state(kernel.state), self.row(kernel.after, "at")
        keep = ""
        if kernel.state in self.stored:
            buffer = f"{self.buffer(kernel.state)} + (size_t)at * {padded(kernel.state.size)}"
            keep = f"memcpy({buffer}, {state}, {size});"
        return f"""  for (int at = {first}; at < {first} + {steps}; at++) {{
    {keep}
    memcpy({state}, {after}, {size});
  }}"""

    def linear(self, node: Linear, steps: str, first: str) -> str:
        x = storage(node.x)
        size, width = x.size, padded(len(node.weight))
        weight = np.zeros((width, size), np.float32)
        weight[: len(node.weight)] = node.weight.astype(np.float32)[:, _inverse(layout_of(node.x))]
        bias = np.zeros(width, np.float32)
        bias[: len(node.bias)] = node.bias
        blocks = [(at, wide, weight[at : at + wide].T) for at, wide in blocks_of(width)]
        table = self.table("w", np.concatenate([np.ascontiguousarray(block).reshape(-1) for _, _, block in blocks]))
        offsets = self.table("k", bias)
        values = "NULL" if is_binary(node.x) else self.row(x, "at")
        room = padded(size) + 16
        lines = [
            f"  for (int at = {first}; at < {first} + {steps}; at++)",
            f"    m->count[at] = VARIANT(nonzero)({self.row(x, 'at')}, {size}, m->list + (size_t)at * {room});",
        ]
        done = 0
        for at, wide, _ in blocks:
            self.widths.add(wide)
            lines += [
                f"  for (int at = {first}; at < {first} + {steps}; at++)",
                f"    VARIANT(sum{wide})({self.row(node, 'at')} + {at}, {offsets} + {at}, {table} + {done}, "
                f"m->list + (size_t)at * {room}, m->count[at], {values});",
            ]
            done += size * wide
        return "\n".join(lines)

    def convolution(self, node: Convolution, steps: str, first: str) -> str:
        """Each input that is not zero adds its weights to the outputs that see it; channels are innermost."""
        channels, height, width = node.x.shape
        outputs, rows, columns = node.shape
        within, kernel_rows, kernel_columns = node.weight.shape[1:]
        share = outputs // node.groups
        straight = node.stride[1] == 1 and node.dilation[1] == 1
        weight = node.weight.astype(np.float32).reshape(node.groups, share, within, kernel_rows, kernel_columns)
        taps = weight.transpose(0, 2, 3, 4, 1)
        if straight and node.groups == 1:
            taps = taps[:, :, :, ::-1]
        table = self.table("w", np.ascontiguousarray(taps).reshape(-1))
        bias = self.table("k", node.bias.astype(np.float32))
        room = padded(channels * height * width) + 16
        value = "1.0f" if is_binary(node.x) else "x[list[k]]"
        times = "" if is_binary(node.x) else " * value"
        if straight and node.groups == 1:
            inner = STRAIGHT.format(
                columns=columns, outputs=outputs, taps=kernel_columns, pad=node.padding[1], times=times
            )
        else:
            inner = GENERAL.format(
                columns=columns, share=share, outputs=outputs, taps=kernel_columns, pad=node.padding[1],
                spread=node.dilation[1], stride=node.stride[1], within=within, times=times,
            )  # fmt: skip
        return CONVOLUTION.format(
            first=first, steps=steps, x=self.row(node.x, "at"), y=self.row(node, "at"), room=room,
            size=channels * height * width, places=rows * columns, outputs=outputs, bias=bias, value=value,
            channels=channels, width=width, kernel_rows=kernel_rows, pad=node.padding[0], spread=node.dilation[0],
            stride=node.stride[0], rows=rows, table=table, taps=kernel_columns * share, inner=inner,
            unused="" if times else "(void)value;",
        )  # fmt: skip

    def pool(self, node: Pool, steps: str, first: str) -> str:
        channels, height, width = node.x.shape
        _, rows, columns = node.shape
        flat = layout_of(node.x)
        if not np.array_equal(flat, _channels_innermost(node.x)):
            raise NotImplementedError
        largest = node.kind == "max"
        return POOL.format(
            first=first, steps=steps, x=self.row(node.x, "at"), y=self.row(node, "at"), rows=rows, columns=columns,
            channels=channels, height=height, width=width, kernel_rows=node.kernel[0], kernel_columns=node.kernel[1],
            down=node.stride[0], right=node.stride[1], pad_y=node.padding[0], pad_x=node.padding[1],
            nothing="-INFINITY" if largest else "0.0f",
            take="y[c] = x[c] > y[c] ? x[c] : y[c];" if largest else "y[c] += x[c];",
            finish="" if largest else f"for (int c = 0; c < {channels}; c++) y[c] *= {number(node.scale)};",
        )  # fmt: skip

    # The call.

    def run(self, steady: Sequence[str], chunk: Sequence[str]) -> str:
        program = self.program
        copy_steady = [self.take(i, "in[{i}]", "0") for i in range(len(program.inputs)) if not program.sequence]
        copy_chunk = [
            self.take(i, f"(in[{{i}}] + (size_t)(done + t) * {program.inputs[i].size})", "t")
            for i in range(len(program.inputs))
            if program.sequence
        ]
        clear = [
            f"memset(m->o{i}, 0, sizeof m->o{i});" for i, one in enumerate(program.outputs) if one.readout != "stack"
        ]
        gather = [text for i, one in enumerate(program.outputs) if (text := self.gather(i, one))]
        give = [self.give(i, one) for i, one in enumerate(program.outputs) if one.readout != "stack"]
        return RUN.format(
            name=self.name,
            chunk=self.plan.chunk,
            copy_steady=_lines(copy_steady, 2),
            steady=_lines(steady, 2),
            clear=_lines(clear, 2),
            copy_chunk=_lines([f"for (int t = 0; t < steps; t++) {{ {one} }}" for one in copy_chunk], 4),
            stages=_lines(chunk, 4),
            gather=_lines(gather, 4),
            give=_lines(give, 2),
        )

    def take(self, index: int, source: str, step: str) -> str:
        """Copy an input into its buffer, in its order there."""
        node = self.program.inputs[index]
        order, source = layout_of(node), source.format(i=index)
        to = self.row(node, step)
        if np.array_equal(order, np.arange(node.size)):
            return f"memcpy({to}, {source}, {node.size * 4});"
        table = self.table("p", order.astype(np.uint32))
        return f"for (int i = 0; i < {node.size}; i++) ({to})[{table}[i]] = {source}[i];"

    def summed(self, node: Node) -> list[str]:
        """Where the loop that makes the value adds it up."""
        found = [
            f"m->o{i}[i]"
            for i, one in enumerate(self.program.outputs)
            if one.readout in ("sum", "mean") and storage(one.node) is node and node not in self.plan.steady
        ]
        self.added.update(found)
        return found

    def gather(self, index: int, one: Output) -> str:
        if f"m->o{index}[i]" in self.added:
            return ""
        size, row = one.node.size, self.row(one.node, "t")
        loop = "for (int t = 0; t < steps; t++) "
        if one.readout == "stack":
            order = self.order(one.node)
            return (
                loop
                + f"for (int i = 0; i < {size}; i++) out[{index}][(size_t)(done + t) * {size} + i] = {row}[{order}];"
            )
        if one.readout == "last":
            return f"memcpy(m->o{index}, {self.row(one.node, '(steps - 1)')}, {padded(size) * 4});"
        return loop + f"for (int i = 0; i < {padded(size)}; i++) m->o{index}[i] += {row}[i];"

    def give(self, index: int, one: Output) -> str:
        mean = " / (float)total" if one.readout == "mean" else ""
        order = self.order(one.node)
        return f"for (int i = 0; i < {one.node.size}; i++) out[{index}][i] = m->o{index}[{order}]{mean};"

    def order(self, node: Node) -> str:
        """The place of element ``i``."""
        order = layout_of(node)
        if np.array_equal(order, np.arange(node.size)):
            return "i"
        return f"{self.table('p', order.astype(np.uint32))}[i]"

    def reset(self) -> str:
        lines = []
        for state, _ in self.program.states:
            initial = _ordered(state.initial.astype(np.float32).reshape(-1), layout_of(state))
            if initial.any():
                lines.append(f"memcpy({self.state(state)}, {self.table('k', initial)}, {initial.size * 4});")
            else:
                lines.append(f"memset({self.state(state)}, 0, {initial.size * 4});")
        return _lines(lines, 2)


def _ordered(values: Array, layout: Array) -> Array:
    """Numbers in the order of their buffer, padded with the last one."""
    found = np.full(padded(values.size), values[-1] if values.size else 0, np.float32)
    found[layout] = values
    return found


def _inverse(layout: Array) -> Array:
    found = np.empty_like(layout)
    found[layout] = np.arange(layout.size)
    return found


def _channels_innermost(node: Node) -> Array:
    channels, rows, columns = node.shape
    return np.arange(node.size).reshape(rows, columns, channels).transpose(2, 0, 1).reshape(-1)


def _lines(lines: Sequence[str], indent: int) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


HEADER = """/* {name}: {timesteps} time steps a call. Generated; the weights are in {name}.c.
 *
{arguments}
 *
 * Inputs are {sequence}. Nothing is allocated and nothing is global but constants: any number of threads may each run
 * instances of their own.
 */
#ifndef {NAME}_H
#define {NAME}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#if defined(__GNUC__) || defined(__clang__)
#define {NAME}_ALIGNED __attribute__((aligned(64)))
#define {NAME}_API __attribute__((visibility("default")))
#else
#define {NAME}_ALIGNED
#define {NAME}_API
#endif

#define {NAME}_TIMESTEPS {timesteps}

/* One instance: its states, and room to work in. The caller owns it; the members are no interface. */
struct {NAME}_ALIGNED {name} {{
{members}
  void (*run)(struct {name} *m, int total, const float *const *in, float *const *out);
}};

/* Bytes of an instance, for callers that do not see the struct; align it to 64. */
{NAME}_API size_t {name}_size(void);
/* Before first use: picks the code for this processor and resets. `widest` limits the vectors: 16, 8, 4 or 1 floats. */
{NAME}_API void {name}_init(struct {name} *m, int widest);
/* Back to the initial states. */
{NAME}_API void {name}_reset(struct {name} *m);
/* One whole call: reset, then {timesteps} time steps. */
{NAME}_API void {name}_call(struct {name} *m, const float *const *in, float *const *out);
/* `steps` more time steps from the states as they are; outputs are read out over these steps. */
{NAME}_API void {name}_run(struct {name} *m, int steps, const float *const *in, float *const *out);
/* One time step from the states as they are. */
{NAME}_API void {name}_step(struct {name} *m, const float *const *in, float *const *out);
/* Inputs and outputs as JSON. */
{NAME}_API const char *edgeproof_describe(void);

#ifdef __cplusplus
}}
#endif
#endif
"""

HEAD = """/* Generated. See {name}.h. The file includes itself once for each vector width. */
#ifndef {NAME}_BODY
#include "{name}.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#endif

#define ALIGNED {NAME}_ALIGNED
static const char description[] = {description};

"""

TAIL = """
void {name}_reset(struct {name} *m) {{
{reset}
  (void)m;
}}

void {name}_init(struct {name} *m, int widest) {{
  memset(m, 0, sizeof *m);
  m->run = run_plain;
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  __builtin_cpu_init();
  if (widest >= 8 && __builtin_cpu_supports("avx2")) m->run = run_avx2;
  if (widest >= 16 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    m->run = run_avx512;
#else
  (void)widest;
#endif
  {name}_reset(m);
}}

void {name}_run(struct {name} *m, int steps, const float *const *in, float *const *out) {{ m->run(m, steps, in, out); }}

void {name}_step(struct {name} *m, const float *const *in, float *const *out) {{ m->run(m, 1, in, out); }}

void {name}_call(struct {name} *m, const float *const *in, float *const *out) {{
  {name}_reset(m);
  m->run(m, {NAME}_TIMESTEPS, in, out);
}}

size_t {name}_size(void) {{ return sizeof(struct {name}); }}

const char *edgeproof_describe(void) {{ return description; }}
"""

RUN = """
TARGET static void VARIANT(run)(struct {name} *m, int total, const float *const *in, float *const *out) {{
{copy_steady}
{steady}
{clear}
  for (int done = 0; done < total; done += {chunk}) {{
    const int steps = total - done < {chunk} ? total - done : {chunk};
{copy_chunk}
{stages}
{gather}
  }}
{give}
}}
"""

CONVOLUTION = """  for (int at = {first}; at < {first} + {steps}; at++) {{
    const float *x = {x};
    float *restrict y = {y};
    uint32_t *list = m->list + (size_t)at * {room};
    const uint32_t count = VARIANT(nonzero)(x, {size}, list);
    for (int p = 0; p < {places}; p++)
      for (int o = 0; o < {outputs}; o++) y[p * {outputs} + o] = {bias}[o];
    for (uint32_t k = 0; k < count; k++) {{
      const int channel = (int)(list[k] % {channels}), place = (int)(list[k] / {channels});
      const int row = place / {width}, column = place % {width};
      const float value = {value};
      {unused}
      for (int ky = 0; ky < {kernel_rows}; ky++) {{
        const int above = row + {pad} - ky * {spread};
        if (above < 0 || above % {stride} || above / {stride} >= {rows}) continue;
        const int to = above / {stride};
        const float *w = {table} + ((size_t)channel * {kernel_rows} + ky) * {taps};
{inner}
      }}
    }}
  }}"""

STRAIGHT = """        int left = column + {pad} - {taps} + 1, right = column + {pad};
        const int skip = left < 0 ? -left : 0;
        left += skip;
        if (right >= {columns}) right = {columns} - 1;
        float *restrict z = y + ((size_t)to * {columns} + left) * {outputs};
        w += skip * {outputs};
        const int length = (right - left + 1) * {outputs};
        for (int i = 0; i < length; i++) z[i] += w[i]{times};"""

GENERAL = """        for (int kx = 0; kx < {taps}; kx++) {{
          const int before = column + {pad} - kx * {spread};
          if (before < 0 || before % {stride} || before / {stride} >= {columns}) continue;
          const size_t place = (size_t)to * {columns} + before / {stride};
          float *restrict z = y + place * {outputs} + channel / {within} * {share};
          for (int o = 0; o < {share}; o++) z[o] += w[kx * {share} + o]{times};
        }}"""

POOL = """  for (int at = {first}; at < {first} + {steps}; at++)
    for (int row = 0; row < {rows}; row++)
      for (int column = 0; column < {columns}; column++) {{
        float *restrict y = {y} + (row * {columns} + column) * {channels};
        for (int c = 0; c < {channels}; c++) y[c] = {nothing};
        for (int ky = 0; ky < {kernel_rows}; ky++)
          for (int kx = 0; kx < {kernel_columns}; kx++) {{
            const int above = row * {down} - {pad_y} + ky, before = column * {right} - {pad_x} + kx;
            if (above < 0 || above >= {height} || before < 0 || before >= {width}) continue;
            const float *x = {x} + (above * {width} + before) * {channels};
            for (int c = 0; c < {channels}; c++) {take}
          }}
        {finish}
      }}"""
