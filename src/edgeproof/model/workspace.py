"""What conversions and comparisons start from: a folder with samples, the eager reference and the exported programs.

``preparing`` has it filled, ``work`` fills it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.documents.base import read_document
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.documents.samples import REPRESENTATIVE_FOLDER, SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.documents.source import ModelSource
from edgeproof.files import write_bytes
from edgeproof.model.drawing import Draw
from edgeproof.model.model import Samples
from edgeproof.model.samples import load_samples
from edgeproof.scratch import scratch_folder

__all__ = ["FormResult", "ModelJob", "Prepared", "Workspace"]


class FormResult(msgspec.Struct, frozen=True, kw_only=True):
    """One form: exported, or why not."""

    form: Form
    reason: str | None = None
    remedy: str | None = None
    seconds: float = 0.0
    max_abs: float | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with the model so far."""

    name: str = "model"
    """Stem for file names, as the model has it."""
    held_out_origin: str = ""
    """Where the held-out samples come from, in words."""
    forms: tuple[FormResult, ...] = ()
    """Every form that was tried."""
    broken: str | None = None
    """Why the model itself does not run on its samples, where it does not: then nothing can be made of it."""

    def failure(self, form: Form) -> FormResult | None:
        """The result of a form that cannot be converted, or None."""
        return next((result for result in self.forms if result.form == form and result.reason), None)

    def with_form(self, result: FormResult) -> Prepared:
        """With one more form, or that form tried again."""
        others = tuple(other for other in self.forms if other.form != result.form)
        return msgspec.structs.replace(self, forms=(*others, result))


class ModelJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with a model. What is there already is not done again."""

    root: str
    """The workspace."""
    source: ModelSource
    draw: Draw
    reference: bool
    """Whether the model is run eagerly on the held-out samples."""
    forms: tuple[Form, ...]
    """To be exported; those that the model does not have are left out."""


@dataclass(frozen=True)
class Workspace:
    """The folder. A run's folder is one.

    Attributes:
        root: where it is.
    """

    root: Path

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator[Workspace]:
        """A workspace for one command; it goes with the block."""
        with scratch_folder("workspace") as folder:
            yield cls(folder)

    @property
    def samples(self) -> SamplesDocument:
        """Which samples it has, and the model's signature.

        Raises:
            DocumentError: they are not drawn yet.
        """
        return read_document(self.root / SamplesDocument.FILE, SamplesDocument)

    @property
    def has_samples(self) -> bool:
        """Whether samples are drawn."""
        return (self.root / SamplesDocument.FILE).is_file() and self.sample_folder.is_dir()

    @property
    def sample_folder(self) -> Path:
        """The representative samples, one file a sample."""
        return self.root / REPRESENTATIVE_FOLDER

    @property
    def held_out(self) -> Path:
        """The held-out samples: an npz with ``labels`` where there are any, or the folder of the representative ones
        where these serve for both.

        Raises:
            DocumentError: they are not drawn yet.
        """
        return self.root / self.samples.held_out.file

    def read(self, path: Path) -> Samples:
        """Samples of this workspace, by the names of the model's inputs.

        Raises:
            SamplesError: they cannot be read. DocumentError: they are not drawn yet.
        """
        return load_samples(path, self.samples.signature.inputs)

    @property
    def reference(self) -> Path:
        """npz of the eager model's outputs on the held-out samples."""
        return self.root / "work" / "reference.npz"

    @property
    def spines(self) -> Path:
        """The exported programs, a folder a form."""
        return self.root / "work" / "spine"

    @property
    def logs(self) -> Path:
        """What processes said."""
        return self.root / "work" / "logs"

    def spine(self, form: Form) -> Path:
        """The exported program of a form."""
        return self.spines / form

    @property
    def prepared(self) -> Prepared:
        """What was done with the model so far."""
        try:
            return parse_json(file_bytes(self.spines / "result.json"), Prepared)
        except (OSError, msgspec.MsgspecError):
            return Prepared()

    def lacks_reference(self, job: ModelJob) -> bool:
        """Whether the model is still to be run."""
        return job.reference and not self.reference.is_file() and self.prepared.broken is None

    def lacking_forms(self, job: ModelJob) -> list[Form]:
        """Forms of the model that the job asks for and that were not tried yet. Samples are drawn."""
        known: tuple[Form, ...] = ("whole",) if self.samples.signature.timesteps is None else ("unrolled", "step")
        tried = {result.form for result in self.prepared.forms}
        return [form for form in job.forms if form in known and form not in tried]

    def lacks(self, job: ModelJob) -> bool:
        """Whether something of the job is not done."""
        return not self.has_samples or self.lacks_reference(job) or bool(self.lacking_forms(job))

    def give_up(self, job: ModelJob, reason: str, remedy: str | None) -> Prepared:
        """The model does not run on its samples, so no form of it can be made."""
        failed = [FormResult(form=form, reason=reason, remedy=remedy) for form in self.lacking_forms(job)]
        return self.note(*failed, broken=reason)

    def note(self, *results: FormResult, **changes: str) -> Prepared:
        """Add forms that were tried, and whatever else is known now, to what was done.

        Args:
            results: a form that was tried before is replaced.
            changes: fields of ``Prepared``.
        """
        prepared = msgspec.structs.replace(self.prepared, **changes)
        for result in results:
            prepared = prepared.with_form(result)
        write_bytes(self.spines / "result.json", msgspec.json.encode(prepared))
        return prepared
