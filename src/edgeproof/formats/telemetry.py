"""Runtimes and converters that report to their makers, imported so that they do not: nothing leaves the machine.

Each decides once, while it is imported: ONNX Runtime by a variable of the environment, the others of ours by whether
OpenVINO's package for it can be imported. The environment of our own processes says the same (``process.environment``);
this also holds where a user's process opens an artifact.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from edgeproof.process import SILENT

__all__ = ["silent_import"]

REPORTERS = ("openvino_telemetry",)
"""Packages that only report: OpenVINO sends an event when it is imported, NNCF when it quantises, unless they are not
there."""


def silent_import(name: str) -> Any:
    """Import a module whose telemetry, and that of what it imports, is off for the life of the process.

    What was imported before by somebody else stays as it is.

    Raises:
        ImportError: as the import does.
    """
    if name in sys.modules:
        return importlib.import_module(name)
    with _silent():
        return importlib.import_module(name)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    variables = {name: os.environ.get(name) for name in SILENT}
    modules = {name: sys.modules.get(name) for name in REPORTERS}
    os.environ.update(SILENT)
    sys.modules.update(dict.fromkeys(REPORTERS))  # type: ignore[arg-type]  # None: it cannot be imported
    try:
        yield
    finally:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for name, module in modules.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
