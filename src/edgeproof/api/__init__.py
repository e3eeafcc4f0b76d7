"""What the command line does, as typed functions. The command line is a client of these.

A model may be a reference (``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``model.pt``), a
``torch.nn.Module`` or an ``edgeproof.Model``. Errors are those of ``edgeproof.errors``; nothing here prints or exits.
"""

from __future__ import annotations

from edgeproof.api.models import compare, convert, load, open
from edgeproof.api.runs import compare_runs, gate, new_run_folder, report, resume, run, runbook
from edgeproof.api.tools import activity, bench, devices, environment, nir, samples, serve, soak

__all__ = [
    "activity",
    "bench",
    "compare",
    "compare_runs",
    "convert",
    "devices",
    "environment",
    "gate",
    "load",
    "new_run_folder",
    "nir",
    "open",
    "report",
    "resume",
    "run",
    "runbook",
    "samples",
    "serve",
    "soak",
]
