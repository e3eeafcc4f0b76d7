"""TorchScript: the exported program traced and frozen, for PyTorch's C++ and mobile runtimes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.formats.base import Array, Conversion, Format, GraphRunner, Produced, converting, opening
from edgeproof.formats.bindings import plain_bindings

__all__ = ["FORMAT"]


class TorchScript(Format):
    """Tracing the exported program instead of the module: nothing of Python is left in it that a trace could freeze."""

    name = "torchscript"
    title = "TorchScript"
    precisions = ("fp32",)
    requires = ("torch==2.13.0",)
    runtime_requires = ("torch==2.13.0",)
    opens_with = ("torch",)
    suffix = ".pt"
    preload = ("torch",)
    runs_code = "it is TorchScript, and opening it runs the code inside"
    undivided = "PyTorch runs every operator on its own kernels"
    platforms = ("host", "raspberry-pi", "android", "iphone")
    shipping = "torchscript.toml"

    blames = (r"have an op for (?P<operator>aten::\w+)", r"for HigherOrderOperator (?P<operator>\w+)")

    def convert(self, conversion: Conversion) -> Produced:
        import torch

        file = f"{conversion.name}.pt"
        module = conversion.spine.program.module()
        with converting("torch.jit"), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, conversion.spine.example(), check_trace=False, strict=False)  # type: ignore[no-untyped-call]
            torch.jit.save(torch.jit.freeze(traced.eval()), conversion.folder / file)
        return Produced(file, *plain_bindings(conversion.spine))

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        import torch

        torch.set_num_threads(threads)
        path = folder / artifact.file
        with opening("TorchScript", path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _Runner(torch.jit.load(path, map_location="cpu"))  # type: ignore[no-untyped-call]


class _Runner:
    def __init__(self, module: Any) -> None:
        import torch

        self._torch = torch
        self._module = module

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        torch = self._torch
        with torch.inference_mode():
            results = self._module(*[torch.from_numpy(array) for array in arrays])
        if isinstance(results, torch.Tensor):
            results = (results,)
        return [result.numpy() for result in results]

    def close(self) -> None:
        self._module = None


FORMAT = TorchScript()
