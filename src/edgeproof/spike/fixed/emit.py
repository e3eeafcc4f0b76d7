"""The C of a program in whole numbers: the same interface as in float32, one width, small enough for a microcontroller.

Time steps are computed one by one, so that buffers hold a single one.
"""

from __future__ import annotations

from dataclasses import replace
from string import Template

from edgeproof.spike.call import reset
from edgeproof.spike.emit import File, Source, check_name
from edgeproof.spike.fixed.groups import delay, group_loop
from edgeproof.spike.fixed.layers import convolution, linear, pool
from edgeproof.spike.fixed.names import FixedNumbers
from edgeproof.spike.fixed.plan import Fixed
from edgeproof.spike.fixed.words import HELPERS
from edgeproof.spike.layers import Span, each_step
from edgeproof.spike.names import Names
from edgeproof.spike.program import Convolution, Linear
from edgeproof.spike.schedule import Delay, Group, Layer, schedule
from edgeproof.spike.templates import ENTRIES
from edgeproof.spike.writing import quoted

__all__ = ["emit_fixed"]

FRAME = Template("""\
/* Generated: int8 weights, int32 membranes. See $name.h. */
#include "$name.h"

#include <math.h>
#include <string.h>

#define ALIGNED ${NAME}_ALIGNED
#define VARIANT(name) name##_fixed
#define TARGET
static const char description[] = $description;

$tables$helpers$body

void ${name}_reset(struct $name *m) {
$reset
}

void ${name}_init(struct $name *m, int widest) {
  (void)widest;
  memset(m, 0, sizeof *m);
  m->run = run_fixed;
  ${name}_reset(m);
}
$entries""")


def emit_fixed(fixed: Fixed, name: str) -> Source:
    """Write a program in whole numbers down in C.

    Args:
        fixed: what is computed.
        name: C identifier; the files must be called so too.

    Raises:
        ConversionError: operations that whole numbers do not have, or a name that is no identifier.
    """
    check_name(name)
    plan = replace(schedule(fixed.program), chunk=1)
    return _Whole(Names(plan, name, FixedNumbers(fixed)), fixed).source()


class _Whole(File):
    def __init__(self, names: Names, fixed: Fixed) -> None:
        super().__init__(names, {})
        self._fixed = fixed

    def source(self) -> Source:
        names, body = self._names, self._body()
        name, upper = names.name, names.name.upper()
        text = FRAME.substitute(
            name=name,
            NAME=upper,
            description=quoted(self._description()),
            reset=reset(names),
            tables="".join(names.tables),
            helpers=HELPERS,
            body=body,
            entries=ENTRIES.substitute(name=name, NAME=upper),
        )
        return Source(name, text, self._header())

    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        names, fixed = self._names, self._fixed
        if isinstance(kernel, Group):
            return each_step(span, group_loop(names, fixed, kernel))
        node = kernel.node
        if isinstance(node, Linear):
            return each_step(span, linear(names, fixed, node))
        if isinstance(node, Convolution):
            return each_step(span, convolution(names, fixed, node))
        return each_step(span, pool(names, fixed, node))

    def _delay(self, kernel: Delay) -> list[str]:
        return delay(self._names, self._fixed, kernel)
