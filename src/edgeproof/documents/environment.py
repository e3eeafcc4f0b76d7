"""``phase1_environment.json``: the machine, its tools, and what is possible on it."""

from __future__ import annotations

from typing import ClassVar

from edgeproof.documents.base import Document, Value

__all__ = ["EnvironmentDocument", "Feasibility", "Machine", "Tool"]


class Machine(Value, frozen=True, kw_only=True):
    """The machine that measured; None where the system does not tell."""

    system: str
    release: str
    architecture: str
    cpu_model: str | None
    logical_cores: int
    usable_cores: int
    memory_bytes: int
    python: str
    governor: str | None
    max_mhz: float | None
    virtual: bool | None
    temperature_c: float | None


class Tool(Value, frozen=True, kw_only=True):
    """A program looked for on PATH."""

    name: str
    path: str | None
    version: str | None
    purpose: str
    remedy: str


class Feasibility(Value, frozen=True, kw_only=True):
    """Whether a candidate can be made and run here."""

    candidate: str
    format: str
    precision: str
    possible: bool
    missing: tuple[str, ...] = ()
    remedy: str | None = None


class EnvironmentDocument(Document, frozen=True, kw_only=True):
    """Phase 1: what this machine is and has."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.environment", 1)
    FILE: ClassVar[str] = "phase1_environment.json"

    created: str
    """ISO 8601, UTC."""
    edgeproof: str
    machine: Machine
    packages: dict[str, str]
    """Installed versions of the packages the formats and the core use."""
    tools: tuple[Tool, ...]
    candidates: tuple[Feasibility, ...]
