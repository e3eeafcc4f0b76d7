"""``build.json``: what was built, by which compiler, with which flags. No times and no folders of the machine, so that
the same build writes the same document."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edgeproof.spike.toolchain.build import Build
from edgeproof.spike.toolchain.memory import Memory
from edgeproof.spike.toolchain.targets import HOST

__all__ = ["RECORD", "SCHEMA", "build_record", "write_build_record"]

RECORD = "build.json"
SCHEMA = "edgeproof.build/1"


def build_record(build: Build, memory: Memory | None = None) -> dict[str, Any]:
    """The document of a build, with the memory it takes where that was measured."""
    return {
        "schema": SCHEMA,
        "name": build.sources[0].stem,
        "target": build.target.name if build.target else HOST,
        "kind": build.kind,
        "reproducible": build.reproducible,
        "compiler": {"command": build.compiler.title, "version": build.compiler.version(), "flags": list(build.flags)},
        "files": [_file(build.file)],
        "sources": [_file(path) for path in (*build.sources, build.sources[0].with_suffix(".h"))],
        "memory": memory.document() if memory else None,
    }


def write_build_record(build: Build, memory: Memory | None = None) -> Path:
    """Write ``build.json`` beside the file that was built."""
    path = build.file.with_name(RECORD)
    path.write_text(json.dumps(build_record(build, memory), indent=2) + "\n")
    return path


def _file(path: Path) -> dict[str, str | int]:
    data = path.read_bytes()
    return {"path": path.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
