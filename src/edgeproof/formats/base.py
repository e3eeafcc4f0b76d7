"""What a format is: how it makes an artifact out of an exported program, and opens it again.

Nothing here, and nothing above, knows a format's name: they come from the registry.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from edgeproof.documents.artifact import ArtifactDocument, Binding, Rewrite
from edgeproof.documents.signature import Form, TensorSpec
from edgeproof.errors import ArtifactError

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = [
    "BUILT_FOR",
    "COMPARED",
    "VARIANT",
    "Array",
    "Conversion",
    "Format",
    "GraphRunner",
    "Produced",
    "Session",
    "Variation",
]

Array = npt.NDArray[Any]
VARIANT = "variant"
"""The runtime option that asks for one of a format's variants."""
COMPARED = "compared"
"""The runtime option of a session whose outputs are held against the model's and whose times nobody takes: it computes
what the format's operators say, where this machine's fast kernels do not."""
BUILT_FOR = "sys_platform == 'darwin' or (sys_platform == 'linux' and platform_machine == 'x86_64')"
"""The marker of converters that have no build for other systems, Linux on ARM among them."""


class GraphRunner(Protocol):
    """A graph opened in its runtime: arrays in graph order in, arrays in graph order out."""

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]: ...

    def close(self) -> None: ...


class Session(Protocol):
    """An artifact, or the eager model, opened: named arrays in, named arrays out. Not thread-safe."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call. ``inputs``: one array per input, of the spec's shape and dtype.

        Raises:
            SignatureError: a name, shape or dtype is not the spec's.
            ArtifactError: the runtime failed.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Session: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Variation:
    """Another way to compute an artifact.

    Attributes:
        name: what ``open`` finds in the artifact's options under ``VARIANT``.
        exact: the relative L2 against the eager model that storing weights in this precision explains, where nothing
            else is rounded: what lies further off is a fault of the conversion; None where rounding hides faults.
    """

    name: str
    exact: float | None = None


@dataclass(frozen=True)
class Conversion:
    """What a format is given to convert.

    Attributes:
        spine: the exported program with its signature, and sample inputs in graph order.
        precision: one of the format's.
        folder: empty folder to write the artifact's files to.
        name: stem for file names.
        base: the same format's first-precision artifact of the same form, where it is made already; None if not.
        base_document: that artifact's document.
    """

    spine: Spine
    precision: str
    folder: Path
    name: str
    base: Path | None = None
    base_document: ArtifactDocument | None = None


@dataclass(frozen=True)
class Produced:
    """What a format made: the file to open, and how graph tensors map to the model's."""

    file: str
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    rewrites: tuple[Rewrite, ...] = ()
    notes: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    """Files that stand beside it to build it elsewhere, and do not ship where it does."""
    loops: bool = False
    """Whether a call of it runs all time steps, though it was made of one: the bindings are those of a whole call."""


class Format(ABC):
    """One way to ship a model. One file a format; registered as an entry point ``edgeproof.formats``.

    A format gives what has no default here, ``convert`` and ``open``, and overrides the rest where it differs.
    """

    name: str
    title: str
    """For people: ``ONNX Runtime``."""
    precisions: tuple[str, ...]
    """The first is the base: later ones may start from its artifact."""
    requires: tuple[str, ...]
    """Requirements to convert, as in ``pyproject.toml``. Where the marker of one does not hold, there is no converter
    for this system."""
    runtime_requires: tuple[str, ...]
    """Requirements to open and run."""
    suffix: str
    platforms: tuple[str, ...]
    """Device classes it ships to: ``raspberry-pi``, ``android``, ``iphone``, ``host``."""
    extra: str | None = None
    """The extra of this package that installs them; None when the core has them."""
    preload: tuple[str, ...] = ()
    """Modules the conversion process imports before it forks a child per candidate."""
    runs_here: str | None = None
    """None when sessions run on this machine; else why not."""
    stands_in: str | None = None
    """What runs it on this machine in the place of its own runtime; None when its own does. A stand-in tells what an
    artifact computes; its times, memory and power tell nothing."""
    sdk: bool = False
    """Whether it runs the model with our own engine instead of converting it for another's."""
    streams: bool = False
    """Whether a run makes its one-step form beside the unrolled one: a phone that feeds a live stream needs it."""

    def warm(self) -> None:
        """What every conversion needs alike: done once by the process that then forks a child per candidate.

        It must leave no threads behind: a child has none of them, and would wait for them for ever.
        """
        for name in self.preload:
            importlib.import_module(name)

    def forms(self, precision: str) -> tuple[Form, ...]:
        """Forms it makes of a model with time steps, best first."""
        return ("unrolled", "step")

    def candidate(self, precision: str) -> str:
        """``litert-int8``; ``sdk-eager`` for the engine itself."""
        return f"{self.name}-{precision}"

    def variants(self, precision: str) -> tuple[Variation, ...]:
        """Other ways to compute the same artifact; how far their answers lie apart is told beside its validation."""
        return ()

    @abstractmethod
    def convert(self, conversion: Conversion) -> Produced:
        """Make the artifact.

        Raises:
            ConversionError: with the reason and what a user can do.
        """

    @abstractmethod
    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        """Open it in its runtime.

        Raises:
            ArtifactError: damaged, or refused by the runtime.
        """

    def session(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> Session | None:
        """A session of the format's own, where it has a quicker one than the usual over ``open``.

        Raises:
            ArtifactError: as ``open``.
        """
        return None

    def describe(self, path: Path) -> ArtifactDocument:
        """The call of a file that comes without ``artifact.json``, read from the file itself.

        Raises:
            ArtifactError: not this format's file, or it does not tell.
        """
        raise ArtifactError(
            f"{path} does not tell its inputs and outputs, and comes without artifact.json",
            hint="keep the artifact.json that was made with it",
        )

    def explained(self, precision: str) -> float | None:
        """The relative L2 against the eager model that computing in this precision explains, where sessions compute
        each operation exactly: what lies further off is a fault of the conversion. None where a runtime is free."""
        return None

    def storage_faults(self, artifact: Path, base: Path) -> tuple[str, ...]:
        """What is wrong with an artifact's weights, beside those of the same format's first precision.

        Args:
            artifact: the file or folder that a runtime opens.
            base: the same of the first precision.
        """
        return ()

    def inspect(self, artifact: ArtifactDocument, folder: Path) -> tuple[str, ...]:
        """Structural checks for an artifact that cannot run here; one line per check that held.

        Raises:
            ArtifactError: a check failed.
        """
        return ()
