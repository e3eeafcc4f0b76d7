"""``sdk-eager``: PyTorch as the model runs today: the exported program's operators, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.formats.base import Array, Conversion, Format, GraphRunner, Produced
from edgeproof.formats.bindings import plain_bindings

if TYPE_CHECKING:
    from edgeproof.formats.eager_graph import EagerGraph

__all__ = ["FORMAT"]


class SdkEager(Format):
    """One safetensors file with weights and graph: it needs PyTorch, no pickle and no code of the user's."""

    name = "sdk-eager"
    title = "PyTorch, eager"
    precisions = ("fp32",)
    requires = ("torch==2.13.0",)
    runtime_requires = ("torch==2.13.0",)
    opens_with = ("torch",)
    suffix = ".safetensors"
    eager = True
    kept = False
    undivided = "PyTorch runs every operator on its own kernels"
    preload = ("torch",)
    platforms = ("host", "raspberry-pi")
    shipping = "sdk-eager.toml"
    fold = "so that no call computes them again"

    blames = (r"the graph calls (?P<operator>aten\.[\w.]+)", r"target=torch\.ops\.(?P<operator>[\w.]+)\]")

    def candidate(self, precision: str) -> str:
        return "sdk-eager"

    def convert(self, conversion: Conversion) -> Produced:
        from edgeproof.formats.eager_graph import save_graph

        file = f"{conversion.name}.safetensors"
        save_graph(conversion.prepare().module, conversion.folder / file)
        return Produced(file, *plain_bindings(conversion.spine))

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        import torch

        from edgeproof.formats.eager_graph import load_graph

        torch.set_num_threads(threads)
        return _Runner(load_graph(folder / artifact.file))


class _Runner:
    def __init__(self, graph: EagerGraph) -> None:
        import torch

        self._torch = torch
        self._graph: EagerGraph | None = graph

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        torch, graph = self._torch, self._graph
        assert graph is not None
        with torch.inference_mode():
            results = graph(*[torch.from_numpy(array) for array in arrays])
        return [result.numpy() for result in results]

    def close(self) -> None:
        self._graph = None


FORMAT = SdkEager()
