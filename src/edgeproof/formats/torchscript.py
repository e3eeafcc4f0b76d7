"""TorchScript: the exported program traced and frozen, for PyTorch's C++ and mobile runtimes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.errors import ArtifactError, ConversionError
from edgeproof.formats.base import Array, Conversion, Format, GraphRunner, Produced
from edgeproof.formats.bindings import plain_bindings

__all__ = ["FORMAT"]


class TorchScript(Format):
    """Tracing the exported program instead of the module: nothing of Python is left in it that a trace could freeze."""

    name = "torchscript"
    title = "TorchScript"
    precisions = ("fp32",)
    requires = ("torch==2.13.0",)
    runtime_requires = ("torch==2.13.0",)
    suffix = ".pt"
    preload = ("torch",)
    platforms = ("host", "raspberry-pi", "android", "iphone")

    def convert(self, conversion: Conversion) -> Produced:
        import torch

        file = f"{conversion.name}.pt"
        module = conversion.spine.program.module()
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                traced = torch.jit.trace(module, conversion.spine.example(), check_trace=False, strict=False)  # type: ignore[no-untyped-call]
                frozen = torch.jit.freeze(traced.eval())
                torch.jit.save(frozen, conversion.folder / file)
        except Exception as error:
            raise ConversionError(f"torch.jit could not trace or save the program: {error}") from error
        inputs, outputs = plain_bindings(conversion.spine)
        return Produced(file, inputs, outputs)

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        import torch

        torch.set_num_threads(threads)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _Runner(torch.jit.load(folder / artifact.file, map_location="cpu"))  # type: ignore[no-untyped-call]
        except Exception as error:
            raise ArtifactError(f"{folder / artifact.file} cannot be loaded as TorchScript: {error}") from error


class _Runner:
    def __init__(self, module: object) -> None:
        import torch

        self._torch = torch
        self._module = module

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        torch = self._torch
        with torch.inference_mode():
            results = self._module(*[torch.from_numpy(array) for array in arrays])  # type: ignore[operator]
        if isinstance(results, torch.Tensor):
            results = (results,)
        return [result.numpy() for result in results]

    def close(self) -> None:
        self._module = None


FORMAT = TorchScript()
