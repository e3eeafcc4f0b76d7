"""A program that writes in place, as one that only computes: what follows folds constants, proves rewrites by running
the program again on the same inputs, and takes operators out one by one, all of which assume that nothing is written.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export.graph_signature import ExportGraphSignature, OutputKind

from edgeproof.model.placing import PLACING

__all__ = ["functional", "writes"]


def writes(node: torch.fx.Node) -> bool:
    """Whether the operator writes to one of its arguments."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def functional(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The same outputs by operators that write nothing. A program that writes nothing is given back as it is.

    What it would leave in its inputs and buffers is dropped: state is an output of its own in every form that has one.
    """
    graphs = [part.graph for part in program.graph_module.modules() if isinstance(part, torch.fx.GraphModule)]
    if not any(writes(node) for graph in graphs for node in graph.nodes):
        return program
    return _without_effects(program.run_decompositions(PLACING))


def _without_effects(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    signature = program.graph_signature
    kept = [spec.kind == OutputKind.USER_OUTPUT for spec in signature.output_specs]
    if all(kept):
        return program
    module = program.graph_module
    output = module.graph.output_node()
    given: Any = output.args[0]
    output.args = (tuple(value for value, keep in zip(given, kept, strict=True) if keep),)
    module.graph.eliminate_dead_code()
    module.recompile()
    outputs = [spec for spec, keep in zip(signature.output_specs, kept, strict=True) if keep]
    changed = ExportGraphSignature(signature.input_specs, outputs)
    return program._update(module, changed)
