"""``torch.export``, once per form: the graph every format starts from. Control flow that depends on data is refused."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from edgeproof.errors import ConversionError, DataDependentError
from edgeproof.model.functional import functional
from edgeproof.model.lines import deciding_line
from edgeproof.model.programs import ScriptedModule
from edgeproof.model.randomness import refuse_if_random, refuse_program_if_random

__all__ = ["export_program"]


def export_program(call: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    """Export a call on flat tensors, static shapes, under ``no_grad`` and with the fused attention path off. Whatever
    the model does, the program writes nothing in place.

    Where the only values that Python branches on are the module's own one-element buffers (constants once it is
    trained), they are read as numbers and the export is tried again; the result is the same graph.

    Args:
        call: one of the forms; in evaluation mode.
        inputs: example inputs of the shapes to export.

    Raises:
        DataDependentError: Python control flow depends on the inputs' values.
        ConversionError: the model draws random numbers, or cannot be exported for another reason.
    """
    torch.backends.mha.set_fastpath_enabled(False)
    _unscript(call, inputs)
    failure: Exception | None = None
    for as_numbers in (
        (),
        (torch.bool, torch.int64, torch.int32),
        (torch.bool, torch.int64, torch.int32, torch.float32),
    ):
        try:
            with _buffers_as_numbers(call, as_numbers), torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what tracing says of the model's own library
                program = torch.export.export(call, inputs)
                refuse_program_if_random(program)
                return functional(_without_custom_operators(program))
        except ConversionError:
            raise
        except Exception as error:
            if failure is None:
                failure = error
            if not _is_data_dependent(error):
                break
    assert failure is not None
    if _is_data_dependent(failure):
        refuse_if_random(call, inputs)
        location, source = deciding_line(failure)
        raise DataDependentError(location, source) from failure
    line = next((text for text in str(failure).splitlines() if text.strip()), type(failure).__name__)
    location, source = deciding_line(failure)
    raise ConversionError(
        f"torch.export cannot take the model: {type(failure).__name__}: {line.strip()[:400]} "
        f"(at {location}: `{source}`)",
        hint="rewrite that line with tensor operations of fixed shape",
    ) from failure


def _without_custom_operators(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Operators that a Python library registered are replaced by what they compute: no converter knows them.

    Raises:
        ConversionError: an operator whose definition cannot be seen.
    """
    from torch._library.custom_ops import OPDEFS

    table = {}
    for node in program.graph.nodes:
        if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace in ("aten", "prim", "prims"):
            continue
        name = node.target._schema.name
        definition: Any = OPDEFS.get(name)
        if definition is None:
            raise ConversionError(
                f"the model calls the operator {name}, which only its own library can run",
                hint="use the library's plain PyTorch implementation of that layer",
            )
        table[node.target] = definition._init_fn
    return program.run_decompositions(table) if table else program


def _unscript(call: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    for parent in list(call.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ScriptedModule):
                try:
                    setattr(parent, name, child.to_export(inputs))
                except Exception as error:
                    raise ConversionError(
                        f"the TorchScript graph cannot be exported: {error}",
                        hint="give the Python module it was made from",
                    ) from error


@contextlib.contextmanager
def _buffers_as_numbers(module: torch.nn.Module, dtypes: Sequence[torch.dtype]) -> Iterator[None]:
    taken: list[tuple[torch.nn.Module, dict[str, torch.Tensor | None], str, torch.Tensor]] = []
    for part in module.modules():
        parts: dict[str, dict[str, torch.Tensor | None]] = vars(part)
        for store in (parts["_buffers"], parts["_parameters"]):
            for name, value in list(store.items()):
                if value is not None and value.numel() == 1 and value.ndim == 0 and value.dtype in dtypes:
                    taken.append((part, store, name, value))
                    del store[name]
                    object.__setattr__(part, name, value.item())
    try:
        yield
    finally:
        for part, store, name, value in taken:
            part.__dict__.pop(name, None)
            store[name] = value


def _is_data_dependent(error: BaseException) -> bool:
    from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

    seen: BaseException | None = error
    while seen is not None:
        text = str(seen).lower()
        if isinstance(seen, GuardOnDataDependentSymNode) or "data-dependent" in text or "dynamic control flow" in text:
            return True
        if "datadependentoutputexception" in type(seen).__name__.lower():
            return True
        seen = seen.__cause__ or seen.__context__
    return False
