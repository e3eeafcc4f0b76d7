"""``sdk-eager``: the SDK's own engine, PyTorch's operators run one by one over the exported program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.signature import Form
from edgeproof.errors import ArtifactError
from edgeproof.formats.base import Array, Conversion, GraphRunner, Produced
from edgeproof.formats.bindings import plain_bindings

__all__ = ["FORMAT"]


class SdkEager:
    """The exported program itself is the artifact: it needs PyTorch and no code of the user's."""

    name = "sdk-eager"
    title = "EdgeProof SDK, eager"
    precisions = ("fp32",)
    requires = ("torch==2.13.0",)
    runtime_requires = ("torch==2.13.0",)
    extra = None
    suffix = ".pt2"
    preload = ("torch",)
    runs_here = None
    platforms = ("host", "raspberry-pi")

    def forms(self, precision: str) -> tuple[Form, ...]:
        return ("unrolled", "step")

    def candidate(self, precision: str) -> str:
        return "sdk-eager"

    def convert(self, conversion: Conversion) -> Produced:
        import torch

        file = f"{conversion.name}.pt2"
        torch.export.save(conversion.spine.program, conversion.folder / file)
        inputs, outputs = plain_bindings(conversion.spine)
        return Produced(file, inputs, outputs)

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        import torch

        torch.set_num_threads(threads)
        try:
            return _Runner(torch.export.load(folder / artifact.file).module())
        except Exception as error:
            raise ArtifactError(f"{folder / artifact.file} cannot be loaded: {error}") from error

    def describe(self, path: Path) -> ArtifactDocument:
        raise ArtifactError(
            f"{path} is an exported program without artifact.json", hint=f"give it as MODEL: edgeproof … {path}"
        )

    def inspect(self, artifact: ArtifactDocument, folder: Path) -> tuple[str, ...]:
        return ()


class _Runner:
    def __init__(self, module: object) -> None:
        import torch

        self._torch = torch
        self._module = module

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        torch = self._torch
        with torch.inference_mode():
            results = self._module(*[torch.from_numpy(array) for array in arrays])  # type: ignore[operator]
        return [result.numpy() for result in results]

    def close(self) -> None:
        self._module = None


FORMAT = SdkEager()
