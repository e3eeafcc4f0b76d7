"""Which formats there are, and how artifacts are opened. They are entry points: a new one is one file and one line."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_marked
from edgeproof.errors import ArtifactError, MissingDependency, UsageError
from edgeproof.formats.base import COMPARED, VARIANT, Format, Session, opening
from edgeproof.trust import ask_for_trust, contained, hold

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = [
    "REINSTALL",
    "artifact_document",
    "broken_formats",
    "candidate_names",
    "find_candidate",
    "forget_formats",
    "formats",
    "install_command",
    "made_here",
    "missing_requirements",
    "open_artifact",
]

GROUP = "edgeproof.formats"
REINSTALL = "reinstall the package that registers it"
NO_BUILD = " (no converter for this system)"


def formats() -> Mapping[str, Format]:
    """Every registered format by name, in the order that their packages give them."""
    return _registered()[0]


def broken_formats() -> Mapping[str, str]:
    """Why a registered format cannot be loaded, by name. It costs its own candidates only."""
    return _registered()[1]


@functools.cache
def _registered() -> tuple[Mapping[str, Format], Mapping[str, str]]:
    found: dict[str, Format] = {}
    broken: dict[str, str] = {}
    for entry in metadata.entry_points(group=GROUP):
        try:
            found[entry.name] = entry.load()
        except Exception as error:
            broken[entry.name] = f"it cannot be loaded from {entry.value}: {type(error).__name__}: {error}"
    return found, broken


def forget_formats() -> None:
    """Look at the entry points anew at the next question: a package was installed while this process ran."""
    _registered.cache_clear()


def candidate_names() -> dict[str, tuple[str, str]]:
    """Candidate → (format, precision), all of them."""
    every = (
        (name, known, precision)
        for name, known in formats().items()
        for precision in (*known.precisions, *known.on_request)
    )
    return {known.candidate(precision): (name, precision) for name, known, precision in every}


def find_candidate(name: str) -> tuple[Format, str]:
    """The format and precision of a candidate.

    Raises:
        UsageError: unknown.
    """
    import difflib

    known = candidate_names()
    for broken, reason in broken_formats().items():
        if name.startswith(broken):
            raise UsageError(f"there is no candidate {name}: {reason}", hint=REINSTALL)
    if name not in known:
        near = difflib.get_close_matches(name, [*known, *formats()], n=1)
        raise UsageError(
            f"there is no candidate {name}", hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        )
    format_name, precision = known[name]
    return formats()[format_name], precision


def missing_requirements(requirements: tuple[str, ...]) -> tuple[str, ...]:
    """The requirements that this environment does not meet, each with what is there instead."""
    from packaging.requirements import Requirement

    return tuple(text for text in (_unmet(Requirement(requirement)) for requirement in requirements) if text)


def install_command(lacking: Format, missing: tuple[str, ...]) -> str:
    """What installs the ``missing`` requirements of a format, ready to be pasted; what to do where nothing does."""
    if any(text.endswith(NO_BUILD) for text in missing):
        return "convert on a system that has the converter, such as Linux on x86-64, and copy the artifact here"
    if lacking.extra:
        return f"pip install 'edgeproof[{lacking.extra}]'"
    return "pip install " + " ".join(f"'{text.partition(' (found')[0]}'" for text in missing)


def _unmet(requirement: Requirement) -> str | None:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        here = requirement.marker is None or requirement.marker.evaluate()
        return f"{requirement.name}{requirement.specifier}" + ("" if here else NO_BUILD)
    if requirement.specifier.contains(version.partition("+")[0], prereleases=True):
        return None
    return f"{requirement.name}{requirement.specifier} (found {version})"


def artifact_document(path: Path, *, trust: bool = False) -> tuple[ArtifactDocument, Path, Format]:
    """What the artifact at ``path`` is, its folder, and its format. Nothing of it has run by then.

    ``path`` is the artifact's file or folder, or a folder with an ``artifact.json``. A file that comes without one is
    recognised by its suffix and describes itself.

    Args:
        trust: whether a file of unknown origin may run code.

    Raises:
        ArtifactError: not there, damaged, or of no known format; its file lies outside its folder.
        TrustError: it would run code, this user did not make it, and it is not trusted.
    """
    if not path.exists():
        raise ArtifactError(f"there is no artifact {path}")
    described = _described(path)
    if described is not None:
        document, folder, ours = described
        found = _format_named(document.format)
        contained(folder, document.file)
        if found.runs_code is not None and not (ours or trust):
            raise ask_for_trust(str(path), runs=found.runs_code)
        return document, folder, found
    for known in formats().values():
        if path.suffix == known.suffix:
            if known.runs_code is not None and not trust:
                raise ask_for_trust(str(path), runs=known.runs_code)
            return known.describe(path), path.parent, known
    suffixes = ", ".join(sorted({known.suffix for known in formats().values()}))
    raise ArtifactError(f"{path} is no artifact of a known format", hint=f"known suffixes: {suffixes}")


def made_here(path: Path) -> bool:
    """Whether this user made the artifact at ``path``, by the mark of its document.

    Raises:
        DocumentError: the document is damaged.
    """
    described = _described(path)
    return described is not None and described[2]


def _described(path: Path) -> tuple[ArtifactDocument, Path, bool] | None:
    """The document that speaks for ``path``, its folder, and whether this user made it; None without one."""
    for folder in (path, path.parent):
        document_path = folder / ArtifactDocument.FILE
        if folder.is_dir() and document_path.is_file():
            document, ours = read_marked(document_path, ArtifactDocument)
            if folder == path or document.file == path.name:
                return document, folder, ours
    return None


def _format_named(name: str) -> Format:
    found = formats().get(name)
    if found is None:
        raise ArtifactError(f"the artifact is of the format {name}, which is not registered here")
    return found


def open_artifact(
    path: Path,
    *,
    threads: int = 1,
    timed: bool = False,
    compared: bool = False,
    variant: str | None = None,
    trust: bool = False,
) -> Session:
    """Open an artifact in its runtime, once its files are held against its document.

    Args:
        threads: of the runtime.
        timed: the caller wants its times, which a stand-in for the runtime cannot give.
        compared: the caller holds its outputs against the model's, and does not time it.
        variant: one of the format's variants for its precision; None for the usual way.
        trust: whether a file of unknown origin may run code.

    Raises:
        TrustError: it would run code, this user did not make it, and it is not trusted.
        ArtifactError: not there, damaged, or it cannot run, or not be timed, on this machine.
        MissingDependency: its runtime is not installed.
    """
    from edgeproof.formats.session import ArtifactSession

    document, folder, found = artifact_document(path, trust=trust)
    if timed and found.stands_in is not None:
        raise ArtifactError(
            f"{document.candidate} can be run here by {found.stands_in} only, whose times say nothing of {found.title}",
            hint="measure it on the device; `edgeproof runbook RUN` has the commands",
        )
    if compared and variant is None:
        document = msgspec.structs.replace(document, options={**document.options, COMPARED: "outputs"})
    if variant is not None:
        document = msgspec.structs.replace(document, options={**document.options, VARIANT: variant})
    missing = missing_requirements(found.runtime_requires)
    if missing:
        raise MissingDependency(
            f"{document.candidate} needs {', '.join(missing)}", hint=install_command(found, missing)
        )
    hold(folder, document.file, document.sha256, document.beside)
    with opening(found.title, folder / document.file):
        own = found.session(document, folder, threads=threads)
        if own is not None:
            return own
        runner = found.open(document, folder, threads=threads)
        return ArtifactSession(document, folder, runner, degraded=found.degraded(runner))
