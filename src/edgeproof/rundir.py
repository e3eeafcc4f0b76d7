"""The run folder: where a run's documents and files live, and what the run was asked to do.

It knows the folder and the documents that own their names, not what the phases do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from edgeproof.documents.base import Document, read_document, read_marked, write_document
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.manifest import Manifest, RunOptions
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import HELD_OUT_FILE, REPRESENTATIVE_FOLDER, SamplesDocument
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import DocumentError, RunFolderError
from edgeproof.trust import ask_for_trust, lies_in
from edgeproof.verdict.policy import load_policy

__all__ = ["REPORT_HTML", "REPORT_MD", "RUNBOOK", "RUNS", "TIMELINE", "RunDir"]

D = TypeVar("D", bound=Document)

DEFAULT_ROOT = Path("bench_output/edge_phase_runs")
REPORT_MD = "edge_phase1_5_report.md"
REPORT_HTML = "edge_phase1_5_report.html"
RUNBOOK = "phase4_device_runbook.md"
RUNS = "work/runs"
"""What artifacts gave whose times nobody took: outputs and reports, by what they depend on."""
TIMELINE = "work/timeline.jsonl"
"""What ran when (``timeline``)."""
UNFINISHED_FILE = re.compile(r"\.(?:[^.]+|.+(\.[^.]+))\.[a-z0-9_]{8}(?(1)\1)")
"""As ``atomic_path`` names a file before it is whole: the name, eight letters, and the suffix again."""
UNFINISHED_FOLDER = re.compile(r"\..+\.building")
FIRST = {
    Manifest.FILE,
    EnvironmentDocument.FILE,
    SamplesDocument.FILE,
    REPRESENTATIVE_FOLDER,
    HELD_OUT_FILE,
    "work",
}
"""What stands in a run's folder before its first phase is done."""
DEFAULT_POLICY = "the default policy"


class RunDir:
    """One run's folder. Paths inside documents are relative to ``root``.

    Attributes:
        root: the folder.
        trust: whether code in it may run whoever made it: this process made the folder, or the user said so. What does
            not need that word has the user's mark.
    """

    def __init__(self, root: Path, *, trust: bool = False) -> None:
        self.root = root
        self.trust = trust

    @classmethod
    def create(cls, manifest: Manifest, out: Path | None = None) -> RunDir:
        """A new folder: ``out``, or ``bench_output/edge_phase_runs/<YYYYmmdd-HHMMSS>``.

        In ``out`` a run may stand that came to an end before its first phase did, as one that was asked for wrongly.

        Raises:
            RunFolderError: ``out`` holds other files, or another process is at work in it.
        """
        if out is None:
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
            out, count = DEFAULT_ROOT / stamp, 1
            while out.exists():
                count += 1
                out = DEFAULT_ROOT / f"{stamp}-{count}"
        elif out.exists() and not (out.is_dir() and cls(out)._emptied()):
            raise RunFolderError(
                f"{out} exists and is not an empty folder",
                hint=f"choose another --out, or continue it with: edgeproof run --resume {out}",
            )
        out.mkdir(parents=True, exist_ok=True)
        run = cls(out, trust=True)
        run.write(manifest.marked())
        return run

    def _emptied(self) -> bool:
        """Whether the folder is empty, once what a run has left that finished nothing is removed."""
        names = {path.name for path in self.root.iterdir()}
        if not names:
            return True
        if Manifest.FILE not in names or not names <= FIRST:
            return False
        try:
            finished = any(phase.status == "done" for phase in self.manifest().phases)
        except RunFolderError:
            return False
        if finished:
            return False
        with self.held():
            for name in names - {Manifest.FILE}:
                path = self.path(name)
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            self.path(Manifest.FILE).unlink()
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from working in it while the block runs.

        Raises:
            RunFolderError: another one does.
        """
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise RunFolderError(
                f"another process is at work in {self.root}",
                hint="wait for its end, or end it; or choose another --out",
            ) from None
        except OSError:  # a file system without locks
            pass
        try:
            yield
        finally:
            os.close(folder)

    def remove_unfinished(self) -> None:
        """What a process that was killed had begun to write: files beside their places, artifacts being made."""
        for path in list(self.root.rglob(".*")):
            if UNFINISHED_FOLDER.fullmatch(path.name) and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif UNFINISHED_FILE.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)

    @classmethod
    def open(cls, root: Path, *, trust: bool = False) -> RunDir:
        """An existing run.

        Args:
            root: its folder.
            trust: whether code in it may run whoever made it.

        Raises:
            RunFolderError: there is no readable manifest.
        """
        run = cls(root, trust=trust)
        if not (root / Manifest.FILE).is_file():
            raise RunFolderError(
                f"{root} is not a run folder: it has no {Manifest.FILE}",
                hint="give a folder that `edgeproof run` made",
            )
        run.manifest()
        return run

    def ask_for_trust(self) -> None:
        """Before the run goes on: its manifest names a model, whose code would run.

        Raises:
            TrustError: this user did not start the run, and it is not trusted.
            RunFolderError: the manifest is damaged.
        """
        try:
            manifest, ours = read_marked(self.path(Manifest.FILE), Manifest)
        except DocumentError as error:
            raise RunFolderError(f"{self.root}: {error.message}", hint=error.hint) from error
        if not (ours or self.trust):
            raise ask_for_trust(
                str(self.root), runs=f"going on with it runs what its manifest names, {manifest.options.model}"
            )

    def manifest(self) -> Manifest:
        """The run's manifest.

        Raises:
            RunFolderError: it is damaged.
        """
        try:
            return self.read(Manifest)
        except DocumentError as error:
            raise RunFolderError(f"{self.root}: {error.message}", hint=error.hint) from error

    def options(self) -> RunOptions:
        """What the run was asked to do, with files and folders as absolute paths, wherever it is resumed from."""
        manifest = self.manifest()
        return manifest.options.absolute(Path(manifest.working_directory))

    def policy(self, file: Path | None = None) -> tuple[PolicyValue, str]:
        """The policy that the run is held against, and where it comes from.

        Args:
            file: a policy to use in place of the run's own.

        Raises:
            PolicyError: it cannot be used.
        """
        if file is not None:
            return load_policy(file), str(file)
        options = self.options()
        policy, source = PolicyValue(), DEFAULT_POLICY
        if options.policy is not None:
            policy, source = load_policy(Path(options.policy)), str(self.manifest().options.policy)
        if options.latency_ms is not None:
            policy = msgspec.structs.replace(policy, latency_ms=options.latency_ms)
            source = f"{source}, latency_ms = {options.latency_ms:g}"
        return policy, source

    def path(self, relative: str) -> Path:
        """``relative`` inside this folder.

        Raises:
            RunFolderError: it leads out of the folder; nothing is read, written or removed elsewhere.
        """
        if relative and not lies_in(self.root, relative):
            raise RunFolderError(
                f"{self.root / relative} leads out of the run folder", hint="put the folder itself in place of the link"
            )
        return self.root / relative

    def relative(self, path: Path) -> str:
        """``path`` as the documents write it."""
        return path.resolve().relative_to(self.root.resolve()).as_posix()

    def written(self, path: str | None) -> str | None:
        """A path in this folder as the documents write it, where there is one."""
        return None if path is None else self.relative(Path(path))

    def has(self, kind: type[Document]) -> bool:
        """Whether the document is there."""
        return self.path(kind.FILE).is_file()

    def read(self, kind: type[D]) -> D:
        """Read a document.

        Raises:
            DocumentError: it is missing or not valid.
        """
        return read_document(self.path(kind.FILE), kind)

    def read_if_there(self, kind: type[D]) -> D | None:
        """Read a document, or None when its phase has not written it.

        Raises:
            DocumentError: it is not valid.
        """
        return self.read(kind) if self.has(kind) else None

    def write(self, document: Document) -> Path:
        """Write a document atomically and give its path."""
        path = self.path(document.path_in_run())
        write_document(path, document)
        return path

    def devices(self) -> tuple[DeviceDocument, ...]:
        """What every device measured, in the order of their files' names.

        Raises:
            DocumentError: a document is not valid.
        """
        files = sorted(self.path(DeviceDocument.FILE).glob("*.json"))
        return tuple(read_document(file, DeviceDocument) for file in files)

    def soaks(self) -> tuple[SoakReport, ...]:
        """The soaks of the run's candidates, in the order of their files' names; of one that is not over what was seen
        so far, where none of that artifact is over.

        Raises:
            DocumentError: a document is not valid.
        """
        over, partial = (
            {file.name: read_document(file, SoakReport) for file in sorted(self.path(folder).glob("*.json"))}
            for folder in (SoakReport.FILE, SoakReport.PARTIAL)
        )
        still = [seen for name, seen in partial.items() if name not in over or over[name].sha256 != seen.sha256]
        return (*over.values(), *still)

    def device(self, name: str) -> DeviceDocument | None:
        """What the device of that address measured; None when it has not.

        Raises:
            DocumentError: the document is not valid.
        """
        path = self.path(DeviceDocument.path_of(name))
        return read_document(path, DeviceDocument) if path.is_file() else None
