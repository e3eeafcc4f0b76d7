"""How the exported program is rewritten for a converter, and how each rewrite is proved.

A rewrite is a set of operators with a function that computes the same from others. The program is run through an
interpreter that calls these functions in the operators' place, and exported again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from edgeproof.documents.artifact import Rewrite
from edgeproof.errors import ConversionError
from edgeproof.formats.narrowing import sample_as
from edgeproof.formats.rewrites.complex_constants import with_pairs
from edgeproof.formats.rewrites.decomposition import Known, decomposed
from edgeproof.formats.rewrites.folding import fold_constants
from edgeproof.model.agreement import gap
from edgeproof.model.functional import functional

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["OperatorRewrite", "Prepared", "Rule", "apply_rewrites", "rewrite_named"]

TOLERANCE = 1e-4
TRIALS = 4

Rule = Callable[..., Any]
"""Takes the operator's arguments; gives its result, or NotImplemented where the operator can stay as it is."""


@dataclass(frozen=True)
class OperatorRewrite:
    """Operators replaced by others that compute the same.

    Attributes:
        name: for the report.
        why: which failure of the converter it works round.
        rules: operator name without overload, such as ``aten.conv_transpose2d`` → what to call instead.
        starts: operators that must be in the graph for the rewrite to be needed; default: those of ``rules``.
        needed: tells from the graph whether the rewrite is needed, instead of ``starts``.
    """

    name: str
    why: str
    rules: Mapping[str, Rule]
    starts: tuple[str, ...] = ()
    needed: Callable[[torch.fx.Graph], bool] | None = None

    def concerns(self, graph: torch.fx.Graph) -> bool:
        """Whether the graph has an operator this is for."""
        if self.needed is not None:
            return self.needed(graph)
        wanted = self.starts or tuple(self.rules)
        return any(operator_name(node.target) in wanted for node in graph.nodes if node.op == "call_function")


@dataclass(frozen=True)
class Prepared:
    """A program ready for a converter.

    Attributes:
        module: flat tensors in, flat tensors out.
        program: the same, exported.
        example: inputs of the dtypes the graph now takes.
        input_dtypes: numpy dtype names of the graph's inputs.
        rewrites: what was changed, with its measured effect.
    """

    module: torch.nn.Module
    program: torch.export.ExportedProgram
    example: tuple[torch.Tensor, ...]
    input_dtypes: tuple[str, ...]
    rewrites: tuple[Rewrite, ...] = ()


def operator_name(target: Any) -> str:
    """``aten.relu`` for ``torch.ops.aten.relu.default``; an empty string for anything else."""
    if isinstance(target, torch._ops.OpOverload):
        return f"{target.namespace}.{target._schema.name.partition('::')[2]}"
    return ""


class _Rewriter(torch.fx.Interpreter):
    """Runs a graph with some operators computed by rules."""

    def __init__(self, module: torch.fx.GraphModule, rules: Mapping[str, Rule]) -> None:
        super().__init__(module, garbage_collect_values=False)
        self._rules = rules
        self.places = 0

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        rule = self._rules.get(operator_name(target))
        if rule is not None:
            result = rule(*args, **kwargs)
            if result is not NotImplemented:
                self.places += 1
                return result
        return super().call_function(target, args, kwargs)


class _Rewritten(torch.nn.Module):
    """A graph module with rules in force, its inputs cast from the runtime's dtypes to the model's."""

    def __init__(self, module: torch.fx.GraphModule, rules: Mapping[str, Rule], dtypes: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self._rules = rules
        self._dtypes = tuple(getattr(torch, dtype) for dtype in dtypes)

    def forward(self, *inputs: torch.Tensor) -> Any:
        given = zip(inputs, self._dtypes, strict=True)
        cast = [tensor if tensor.dtype == dtype else tensor.to(dtype) for tensor, dtype in given]
        return tuple(_Rewriter(self.module, self._rules).run(*cast))


def rewrite_named(name: str) -> OperatorRewrite:
    """The rewrite that ``file:NAME`` names in this folder."""
    module, _, constant = name.partition(":")
    found: OperatorRewrite = getattr(importlib.import_module(f"edgeproof.formats.rewrites.{module}"), constant)
    return found


def apply_rewrites(
    spine: Spine,
    rewrites: Sequence[OperatorRewrite],
    *,
    input_dtypes: Mapping[str, str] | None = None,
    fold: str | None = None,
    known: Known | None = None,
) -> Prepared:
    """Apply the rewrites that the program needs, each proved alone on real inputs.

    Args:
        input_dtypes: dtype → dtype for graph inputs that the runtime cannot take, such as ``int64`` → ``int32``.
        fold: why what depends on weights alone is computed in advance; None: it is not. It changes the module only,
            not the program.
        known: which operators the converter has; PyTorch's own parts of the others are put in their place. None: it
            takes operators apart itself.

    Raises:
        ConversionError: a rewrite changed the results.
    """
    dtypes = tuple(spec.dtype for spec in spine.inputs)
    wanted = tuple((input_dtypes or {}).get(dtype, dtype) for dtype in dtypes)
    needed = [rewrite for rewrite in rewrites if rewrite.concerns(spine.program.graph)]
    example = tuple(tensor.to(getattr(torch, dtype)) for tensor, dtype in zip(spine.example(), wanted, strict=True))
    program, applied = spine.program, []
    if needed or wanted != dtypes:
        graph_module = _unguarded(spine.program)
        with_pairs(graph_module)
        applied = [told for rewrite in needed if (told := _proved(spine, graph_module, rewrite)) is not None]
        applied += [
            Rewrite(name=f"inputs {before} as {after}", why=f"the runtime takes no {before} input", max_abs=None)
            for before, after in sorted({pair for pair in zip(dtypes, wanted, strict=True) if pair[0] != pair[1]})
        ]
        rules = {name: rule for rewrite in needed for name, rule in rewrite.rules.items()}
        with torch.no_grad():
            program = functional(torch.export.export(_Rewritten(graph_module, rules, dtypes), example))
    if known is not None:
        program, told_parts = _in_parts(program, spine, wanted, known)
        applied += told_parts
    module = _unguarded(program)
    if fold:
        applied += _folded(module, spine, wanted, fold)
    return Prepared(module, program, example, wanted, tuple(applied))


def _in_parts(
    program: torch.export.ExportedProgram, spine: Spine, dtypes: Sequence[str], known: Known
) -> tuple[torch.export.ExportedProgram, list[Rewrite]]:
    """With PyTorch's own parts in the place of operators that the converter does not have, and what that changed."""
    before = _unguarded(program)
    program, names = decomposed(program, known)
    if not names:
        return program, []
    after = _unguarded(program)
    calls = _cast_calls(spine, dtypes)
    name = f"{', '.join(names)} in PyTorch's own parts"
    with torch.no_grad():
        worst = _held([before(*call) for call in calls], [after(*call) for call in calls], f"the rewrite `{name}`")
    return program, [Rewrite(name=name, why="the converter has no such operator", max_abs=worst)]


def _cast_calls(spine: Spine, dtypes: Sequence[str]) -> list[list[torch.Tensor]]:
    """Some real calls, of the dtypes that the runtime takes.

    Raises:
        ConversionError: one of them cannot hold a sample.
    """
    return [
        [
            torch.from_numpy(sample_as(array, dtype, spec.name).copy())
            for array, dtype, spec in zip(call, dtypes, spine.inputs, strict=True)
        ]
        for call in spine.calls(TRIALS)
    ]


def _held(before: Sequence[Sequence[torch.Tensor]], after: Sequence[Sequence[torch.Tensor]], what: str) -> float:
    """The largest difference of any output in any call.

    Raises:
        ConversionError: one is more than rounding.
    """
    worst = 0.0
    for expected_row, row in zip(before, after, strict=True):
        for expected, mine in zip(expected_row, row, strict=True):
            found = gap(mine, expected)
            if not found.within(TOLERANCE):
                raise ConversionError(f"{what} changed the results by {found.max_abs:.3g}")
            worst = max(worst, found.max_abs)
    return worst


def _folded(module: torch.fx.GraphModule, spine: Spine, dtypes: Sequence[str], why: str) -> list[Rewrite]:
    calls = _cast_calls(spine, dtypes)
    with torch.no_grad():
        before = [module(*call) for call in calls]
        count = fold_constants(module)
        worst = _held(before, [module(*call) for call in calls], "computing constants in advance")
    return [Rewrite(name=f"constants computed in advance ({count}×)", why=why, max_abs=worst)] if count else []


def _unguarded(program: torch.export.ExportedProgram) -> torch.fx.GraphModule:
    """The program as a module, without checks of its inputs' shapes at every call."""
    module = program.module(check_guards=False)
    assert isinstance(module, torch.fx.GraphModule)
    return module


def _proved(spine: Spine, module: torch.fx.GraphModule, rewrite: OperatorRewrite) -> Rewrite | None:
    """The rewrite's effect on real inputs; None when it changed no place.

    Raises:
        ConversionError: it is not what the operators compute.
    """
    expected, given, places = [], [], 0
    with torch.no_grad():
        for call in spine.calls(TRIALS):
            inputs = [torch.from_numpy(array.copy()) for array in call]
            expected.append(module(*inputs))
            rewriter = _Rewriter(module, rewrite.rules)
            given.append(rewriter.run(*inputs))
            places = rewriter.places
    worst = _held(expected, given, f"the rewrite `{rewrite.name}`")
    return Rewrite(name=f"{rewrite.name} ({places}×)", why=rewrite.why, max_abs=worst) if places else None
