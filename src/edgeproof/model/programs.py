"""Models that come as files: exported programs and TorchScript, made callable like any module."""

from __future__ import annotations

from typing import Any, Self

import torch

from edgeproof.documents.signature import TensorSpec

__all__ = ["ExportedModule", "ScriptedModule", "exported_specs"]


def exported_specs(program: torch.export.ExportedProgram) -> tuple[TensorSpec, ...]:
    """The user inputs of an exported program, dynamic axes as 1."""
    names = program.graph_signature.user_inputs
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    specs = []
    for name in names:
        value = by_name[str(name)].meta["val"]
        shape = tuple(int(size) if isinstance(size, int) else 1 for size in value.shape)
        specs.append(TensorSpec(name=str(name), dtype=str(value.dtype).removeprefix("torch."), shape=shape))
    return tuple(specs)


class ExportedModule(torch.nn.Module):
    """An exported program as a module. Whether it trains or evaluates was settled when it was exported."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.graph = program.module(check_guards=False)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Run the program."""
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> Self:
        """Nothing changes; the program itself would raise."""
        return self


class ScriptedModule(torch.nn.Module):
    """A TorchScript module; ``to_export`` turns its graph into an exported program."""

    def __init__(self, scripted: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.scripted = scripted

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Call the scripted module."""
        return self.scripted(*inputs)

    def to_export(self, inputs: tuple[torch.Tensor, ...]) -> torch.nn.Module:
        """The same graph as a module that ``torch.export`` can take.

        Args:
            inputs: example inputs of the shapes to export.
        """
        from torch._export.converter import TS2EPConverter

        return TS2EPConverter(self.scripted.eval(), inputs).convert().module()
