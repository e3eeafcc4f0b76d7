"""What a format is: how it makes an artifact out of an exported program, and opens it again.

Nothing here, and nothing above, knows a format's name: they come from the registry.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from edgeproof.documents.artifact import ArtifactDocument, Binding, Rewrite
from edgeproof.documents.delegation import Delegation
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.signature import Form, TensorSpec
from edgeproof.errors import ArtifactError, ConversionError, EdgeProofError, UnsupportedError
from edgeproof.formats.telemetry import silent_import

if TYPE_CHECKING:
    from edgeproof.documents.shipping import ReducedBuild, RuntimeSize
    from edgeproof.formats.rewrites.base import Prepared
    from edgeproof.model.spine import Spine

__all__ = [
    "BUILT_FOR",
    "COMPARED",
    "VARIANT",
    "Array",
    "Calls",
    "Conversion",
    "Format",
    "GraphRunner",
    "Produced",
    "Session",
    "StorageFaults",
    "Variation",
    "converting",
    "opening",
]

LONGEST_CAUSE = 500

Array = npt.NDArray[Any]
Calls = Callable[[], Sequence[Sequence[Array]]]
"""Gives the inputs of some calls of a graph, each in graph order; none where nothing is to be profiled."""
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
    """An artifact, or the eager model, opened: named arrays in, named arrays out. Threads that share one take turns."""

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
class StorageFaults:
    """What holding an artifact's weights against others came to.

    Attributes:
        faults: what is wrong, a sentence each.
        unheld: which weights were held against nothing, in a sentence; None: all were held.
    """

    faults: tuple[str, ...] = ()
    unheld: str | None = None


@dataclass(frozen=True)
class Variation:
    """Another way to compute an artifact.

    Attributes:
        name: what ``open`` finds in the artifact's options under ``VARIANT``.
        exact: the relative L2 against the eager model that storing weights in this precision explains, where nothing
            else is rounded: what lies further off is a fault of the conversion; None where rounding hides faults.
        concerns: classes of devices that may compute this way: where it does not pass, none of them is sure to.
        samples: how many are computed this way; it takes longer than the usual one.
        remedy: what helps where it does not pass; None where nothing is known to.
    """

    name: str
    exact: float | None = None
    concerns: tuple[DeviceClass, ...] = ()
    samples: int = 32
    remedy: str | None = None


@dataclass
class Conversion:
    """What a format is given to convert.

    Attributes:
        format: what converts; its declarations tell how the program is prepared.
        spine: the exported program with its signature, and sample inputs in graph order.
        precision: one of the format's.
        folder: empty folder to write the artifact's files to.
        name: stem for file names.
        base: the same format's first-precision artifact of the same form, where it is made already; None if not.
        base_document: that artifact's document.
        prepared: what ``prepare`` gave last, if it was asked.
    """

    format: Format
    spine: Spine
    precision: str
    folder: Path
    name: str
    base: Path | None = None
    base_document: ArtifactDocument | None = None
    prepared: Prepared | None = None

    def prepare(self, *more: str) -> Prepared:
        """The program as the converter can take it: with the format's rewrites and these, each proved on real inputs.

        Raises:
            ConversionError: a rewrite changed the results.
        """
        from edgeproof.formats.rewrites.base import apply_rewrites, rewrite_named

        rewrites = [rewrite_named(name) for name in (*self.format.rewrites, *more)]
        self.prepared = apply_rewrites(
            self.spine,
            rewrites,
            input_dtypes=self.format.input_dtypes,
            fold=self.format.fold,
            known=self.format.knows,
        )
        return self.prepared

    @property
    def rewrites(self) -> tuple[Rewrite, ...]:
        """What was changed in the program that the artifact is made of."""
        if self.prepared is not None:
            return self.prepared.rewrites
        return self.base_document.rewrites if self.base_document is not None else ()


@dataclass(frozen=True)
class Produced:
    """What a format made: the file to open, and how graph tensors map to the model's."""

    file: str
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    notes: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    """Files that stand beside it to build it elsewhere, and do not ship where it does."""
    undelegated: Mapping[str, str] = field(default_factory=dict)
    """Operators that the format's delegate refused, with its reason."""
    loops: bool = False
    """Whether a call of it runs all time steps, though it was made of one: the bindings are those of a whole call."""


@contextlib.contextmanager
def converting(what: str, *, hint: str | None = None) -> Iterator[None]:
    """A converter's own error becomes a ``ConversionError``: what failed, and what the innermost cause said.

    Raises:
        ConversionError: the block raised.
    """
    try:
        yield
    except EdgeProofError:
        raise
    except Exception as error:
        raise ConversionError(f"{what} failed: {_said(error)}", hint=hint) from error


@contextlib.contextmanager
def opening(runtime: str, path: Path) -> Iterator[None]:
    """A runtime's own error becomes an ``ArtifactError``.

    Raises:
        ArtifactError: the block raised.
    """
    try:
        yield
    except EdgeProofError:
        raise
    except Exception as error:
        raise ArtifactError(f"{runtime} cannot open {path}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_CAUSE]}"


class Format(ABC):
    """One way to ship a model. One file a format; registered as an entry point ``edgeproof.formats``.

    A format gives what has no default here, ``convert`` and ``open``, and overrides the rest where it differs.
    """

    name: str
    title: str
    """For people: ``ONNX Runtime``."""
    precisions: tuple[str, ...]
    """The first is the base: later ones may start from its artifact."""
    on_request: tuple[str, ...] = ()
    """Precisions that are made where they are asked for by name, and not among all."""
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
    opens_with: tuple[str, ...] = ()
    """Modules that opening imports, which runners whose times nobody takes find imported."""
    kept: bool = True
    """Whether a conversion may be taken from the cache of those that were made before."""
    preload: tuple[str, ...] = ()
    """Modules the conversion process imports before it forks a child per candidate."""
    rewrites: tuple[str, ...] = ()
    """What the converter needs changed in the program: ``file:NAME`` of ``formats/rewrites``."""
    input_dtypes: Mapping[str, str] = MappingProxyType({})
    """dtype → dtype for graph inputs that the runtime cannot take, such as ``int64`` → ``int32``."""
    fold: str | None = None
    """Why what depends on weights alone is computed in advance; None: it is not."""
    stands_in: str | None = None
    """What runs it on this machine in the place of its own runtime; None when its own does. A stand-in tells what an
    artifact computes; its times, memory and power tell nothing."""
    sdk: bool = False
    """Whether it runs the model with our own engine instead of converting it for another's."""
    eager: bool = False
    """Whether it is PyTorch itself, as the model runs today: what others are timed beside, and a candidate like any."""
    runs_code: str | None = None
    """Why opening a file of it runs code of whoever made it; None where it is data. Code asks for ``--trust``, unless
    this user made it."""
    shipping: str | None = None
    """Its table in ``formats/shipping``: the libraries that ship beside an artifact; None: no table tells."""
    streams: bool = False
    """Whether a run makes its one-step form beside the unrolled one: a phone that feeds a live stream needs it."""

    undivided: str | None = None
    """What runs all of an artifact alike, so that there is no question which part of it runs where; None where there
    is, and ``delegations`` tells."""

    blames: tuple[str, ...] = ()
    """Patterns of what the converter says when it refuses an operator: a group ``operator``, names as it writes them,
    and where it tells one a group ``location``, ``file:line``."""

    def knows(self, operator: str) -> bool:
        """Whether the converter has an operator of PyTorch, ``aten::lerp``: others are taken apart for it where PyTorch
        knows of what they are made. A converter that does so itself has them all."""
        return True

    def runtime_sizes(self) -> tuple[RuntimeSize, ...]:
        """What ships beside an artifact, on each device class that it ships to; this host's libraries are measured."""
        if self.shipping is None:
            return ()
        from edgeproof.formats.shipping.tables import read_table, runtime_sizes

        return runtime_sizes(self.name, read_table(self.shipping), self.platforms)

    def reduced_builds(self) -> tuple[ReducedBuild, ...]:
        """How the runtime is built with the operators of one artifact alone, where it has a way."""
        if self.shipping is None:
            return ()
        from edgeproof.formats.shipping.tables import read_table

        return read_table(self.shipping).reduced

    def warm(self) -> None:
        """What every conversion needs alike: done once by the process that then forks a child per candidate.

        It must leave no threads behind: a child has none of them, and would wait for them for ever.
        """
        for name in self.preload:
            silent_import(name)

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

    def degraded(self, runner: GraphRunner) -> str | None:
        """Why the runtime runs nothing of an artifact that it has opened on the fast part which was asked for, though
        it said nothing; None where it does, or nobody can know.

        Args:
            runner: as ``open`` gave it.
        """
        return None

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        """Which operators of an artifact the runtime's fast part runs: what it told first, then what is predicted of
        runtimes that are not here. It is asked in a process of its own, and may end it.

        Args:
            calls: inputs to profile with.
            threads: of the runtime.

        Raises:
            ArtifactError: the runtime refused it.
        """
        return ()

    def session(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> Session | None:
        """A session of the format's own, where it has a quicker one than the usual over ``open``.

        Raises:
            ArtifactError: as ``open``.
        """
        return None

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        """Inputs and outputs of a file that comes without ``artifact.json``, read from the file itself.

        Raises:
            ArtifactError: not this format's file, or it does not tell.
        """
        raise ArtifactError(
            f"{path} does not tell its inputs and outputs, and comes without artifact.json",
            hint="keep the artifact.json that was made with it",
        )

    def describe(self, path: Path) -> ArtifactDocument:
        """The document of a file that comes without one.

        Raises:
            ArtifactError: as ``ports``.
        """
        inputs, outputs = self.ports(path)
        parts = [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else self.parts(path)
        return ArtifactDocument(
            candidate=path.stem,
            format=self.name,
            precision=self.precision_of(path),
            form="whole",
            file=path.name,
            sha256="",
            bytes=sum(part.stat().st_size for part in parts),
            inputs=inputs,
            outputs=outputs,
        )

    def parts(self, path: Path) -> tuple[Path, ...]:
        """The files that ship with a file of this format."""
        return (path,)

    def precision_of(self, path: Path) -> str:
        """What the numbers of a file without ``artifact.json`` can be held to."""
        return "unknown"

    def explained(self, precision: str) -> float | None:
        """The relative L2 against the eager model that computing in this precision explains, where sessions compute
        each operation exactly: what lies further off is a fault of the conversion. None where a runtime is free."""
        return None

    def built_for(self, architecture: str, artifact: Path, document: ArtifactDocument, out: Path) -> Path:
        """The artifact as processors of another architecture than this machine's can open it: most are the same.

        Args:
            architecture: as the system names it.
            artifact: the file or folder, as a session is opened with it.
            document: what describes it.
            out: folder for one that has to be built.

        Raises:
            EdgeProofError: it cannot be built.
        """
        return artifact

    def program_for(self, architecture: str, artifact: Path, document: ArtifactDocument, out: Path) -> Path:
        """A program that runs the artifact by itself, for systems without Python: static, it takes and tells what
        ``devices.native_program`` says.

        Args:
            architecture: as the system names it.
            artifact: the file or folder, as a session is opened with it.
            document: what describes it.
            out: folder for it.

        Returns:
            ``out``, with the program and the document of it.

        Raises:
            UnsupportedError: the format has no such program.
            EdgeProofError: it cannot be built.
        """
        raise UnsupportedError(
            f"{self.title} has no program that runs an artifact by itself",
            hint="it runs where Python does, or inside an app",
        )

    def remedy_on(self, architecture: str, precision: str) -> str | None:
        """What helps where an artifact that passes is wrong on another processor; None where nothing is known to.

        Args:
            architecture: of that processor, as the system names it.
        """
        return None

    def cautions(self, artifact: Path) -> tuple[str, ...]:
        """What keeps a stand-in's answers from being the runtime's own, whatever they are.

        Args:
            artifact: the file or folder that a runtime opens.
        """
        return ()

    def storage_faults(self, artifact: Path, base: Path) -> StorageFaults:
        """What is wrong with an artifact's weights, beside those of the same format's first precision.

        Args:
            artifact: the file or folder that a runtime opens.
            base: the same of the first precision.
        """
        return StorageFaults()
