"""How a rewrite is applied and proved: a change to the exported graph, its effect measured on real inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from edgeproof.documents.artifact import Rewrite
from edgeproof.errors import ConversionError

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["GraphRewrite", "Prepared", "apply_rewrites"]

TOLERANCE = 1e-4
TRIALS = 4


@dataclass(frozen=True)
class GraphRewrite:
    """One change.

    Attributes:
        name: for the report.
        why: which failure of which converter it works round.
        apply: changes the module's graph in place; gives how many places it changed.
    """

    name: str
    why: str
    apply: Callable[[torch.fx.GraphModule], int]


@dataclass(frozen=True)
class Prepared:
    """A program ready for a converter.

    Attributes:
        module: flat tensors in, flat tensors out.
        program: the same, exported again.
        example: inputs of the dtypes the graph now takes.
        input_dtypes: numpy dtype names of the graph's inputs.
    """

    module: torch.nn.Module
    program: torch.export.ExportedProgram
    example: tuple[torch.Tensor, ...]
    input_dtypes: tuple[str, ...]
    rewrites: tuple[Rewrite, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def apply_rewrites(
    spine: Spine,
    rewrites: Sequence[GraphRewrite],
    *,
    input_dtypes: dict[str, str] | None = None,
    decompositions: dict[Any, Any] | None = None,
    export_again: bool = True,
) -> Prepared:
    """Apply what fits, proving each on real inputs.

    Args:
        input_dtypes: dtype → dtype for graph inputs that the runtime cannot take, such as ``int64`` → ``int32``.
        decompositions: operator decompositions to run first.

    Raises:
        ConversionError: a rewrite changed the results.
    """
    program = spine.program
    calls = [tuple(torch.from_numpy(array.copy()) for array in call) for call in spine.calls(TRIALS)]
    with torch.no_grad():
        reference = [program.module()(*call) for call in calls]
    if decompositions is not None:
        program = program.run_decompositions(decompositions)
    module: torch.nn.Module = program.module()
    assert isinstance(module, torch.fx.GraphModule)
    applied: list[Rewrite] = []
    changed = decompositions is not None
    for rewrite in rewrites:
        places = rewrite.apply(module)
        if not places:
            continue
        changed = True
        module.graph.lint()
        module.recompile()
        worst = _worst(module, calls, reference)
        applied.append(Rewrite(name=f"{rewrite.name} ({places}×)", why=rewrite.why, max_abs=worst))
    dtypes = tuple(spec.dtype for spec in spine.inputs)
    wanted = tuple((input_dtypes or {}).get(dtype, dtype) for dtype in dtypes)
    if wanted != dtypes:
        changed = True
        module = _Cast(module, dtypes)
        for before, after in sorted({(a, b) for a, b in zip(dtypes, wanted, strict=True) if a != b}):
            applied.append(
                Rewrite(name=f"inputs {before} as {after}", why=f"the runtime takes no {before} input", max_abs=None)
            )
    example = tuple(
        tensor.to(getattr(torch, dtype)) for tensor, dtype in zip(spine.example(), wanted, strict=True)
    )
    if changed and export_again:
        with torch.no_grad():
            program = torch.export.export(module, example)
            module = program.module()
    return Prepared(module, program, example, wanted, tuple(applied))


def _worst(
    module: torch.nn.Module, calls: Sequence[tuple[torch.Tensor, ...]], reference: Sequence[Sequence[torch.Tensor]]
) -> float:
    worst = 0.0
    with torch.no_grad():
        for call, expected in zip(calls, reference, strict=True):
            for mine, theirs in zip(module(*call), expected, strict=True):
                difference = float((mine.double() - theirs.double()).abs().max()) if mine.numel() else 0.0
                if not difference <= TOLERANCE * max(1.0, float(theirs.double().abs().max())):
                    raise ConversionError(f"a rewrite for this converter changed the results by {difference:.3g}")
                worst = max(worst, difference)
    return worst


class _Cast(torch.nn.Module):
    """Takes the runtime's dtypes and casts to the model's."""

    def __init__(self, module: torch.nn.Module, dtypes: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self._dtypes = tuple(getattr(torch, dtype) for dtype in dtypes)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.module(*[one.to(dtype) for one, dtype in zip(inputs, self._dtypes, strict=True)])
