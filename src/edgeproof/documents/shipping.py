"""``phase3_shipping.json``: the libraries that an application ships beside an artifact, by format and device class."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value
from edgeproof.documents.device import DeviceClass

__all__ = ["Library", "LibrarySource", "ReducedBuild", "RuntimeSize", "ShippingDocument"]

LibrarySource = Literal["measured here", "measured", "quoted"]
"""``measured here``: the installed file of this run; ``measured``: the file of that version, when the table was made;
``quoted``: somebody else's figure, perhaps of another version."""


class Library(Value, frozen=True, kw_only=True):
    """One library, uncompressed, as it is installed on the device."""

    name: str
    role: Literal["runtime", "delegate"]
    version: str
    bytes: int
    how: LibrarySource
    source: str
    """The file, or where the figure was found."""


class RuntimeSize(Value, frozen=True, kw_only=True):
    """What the artifacts of a format need on a device class. No library is none that ships."""

    format: str
    device_class: DeviceClass
    libraries: tuple[Library, ...] = ()
    note: str | None = None
    """What is counted in or left out, or why no library ships."""
    unknown: str | None = None
    """Why it is not known; None where it is."""

    @property
    def bytes(self) -> int | None:
        """All libraries together; None where they are not known."""
        return None if self.unknown is not None else sum(library.bytes for library in self.libraries)

    @property
    def measured(self) -> bool:
        """Whether every figure is of a file that was looked at."""
        return all(library.how != "quoted" for library in self.libraries)


class ReducedBuild(Value, frozen=True, kw_only=True):
    """How a runtime is built with nothing but the operators of an artifact."""

    title: str
    here: tuple[str, ...] = ()
    """Commands of the installed packages, with ``{artifact}`` for the artifact's path, ``{stem}`` for its
    name and ``{candidate}``."""
    commands: tuple[str, ...]
    """Commands in a checkout of the runtime's source, with the same."""
    note: str
    source: str


class ShippingDocument(Document, frozen=True, kw_only=True):
    """Phase 3: what the runtimes of the run's formats take."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.shipping", 1)
    FILE: ClassVar[str] = "phase3_shipping.json"

    runtimes: tuple[RuntimeSize, ...]

    def of(self, format_name: str, device_class: DeviceClass) -> RuntimeSize | None:
        """What a format needs on a device class; None where no table tells."""
        found = (known for known in self.runtimes if known.format == format_name)
        return next((known for known in found if known.device_class == device_class), None)
