"""What the command line does, as typed functions. The command line is a client of these.

A model may be an address (``file.py:factory``, ``package.module:factory``, ``model.pt2``, ``model.pt``), a
``torch.nn.Module`` or an ``edgeproof.Model`` where it says so, and elsewhere a ``ModelSource``: an address with what
goes with it. Errors are those of ``edgeproof.errors``; nothing here prints or exits. A function's module is imported
when the function is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name is enough for a type checker; typing would be a third of the start
if TYPE_CHECKING:
    from typing import Any

    from edgeproof.api.models import compare, convert, load, open
    from edgeproof.api.power import power_import, power_list, power_record
    from edgeproof.api.runs import (
        compare_runs,
        gate,
        iphone_project,
        measure,
        new_run_folder,
        report,
        resume,
        run,
        runbook,
    )
    from edgeproof.client.drive import Drive
    from edgeproof.client.simulation import Simulation, simulate
    from edgeproof.client.simulator import drive as bench
    from edgeproof.devices.discover import discover as devices
    from edgeproof.devices.emulated.making import emulate
    from edgeproof.documents.source import ModelSource
    from edgeproof.measure.soak import SoakLength
    from edgeproof.model.drawing import Draw
    from edgeproof.phases.activity.alone import activity_alone as activity
    from edgeproof.phases.alone.samples import draw_alone as samples
    from edgeproof.phases.away.bundle import write_bundle
    from edgeproof.phases.away.importing import import_files
    from edgeproof.phases.delegation.alone import delegation_alone as delegation
    from edgeproof.phases.measurement.soaking import resume_soak, soak_candidate, stopped_soak
    from edgeproof.phases.measurement.soaking import soak_alone as soak
    from edgeproof.phases.nir.write import nir_alone as nir
    from edgeproof.phases.preparation.environment import read_environment as environment
    from edgeproof.process import Limits
    from edgeproof.serve.launch import serve

_HOMES = {
    "Draw": "model.drawing:Draw",
    "Drive": "client.drive:Drive",
    "Limits": "process:Limits",
    "ModelSource": "documents.source:ModelSource",
    "Simulation": "client.simulation:Simulation",
    "SoakLength": "measure.soak:SoakLength",
    "activity": "phases.activity.alone:activity_alone",
    "bench": "client.simulator:drive",
    "compare": "api.models:compare",
    "compare_runs": "api.runs:compare_runs",
    "convert": "api.models:convert",
    "delegation": "phases.delegation.alone:delegation_alone",
    "devices": "devices.discover:discover",
    "emulate": "devices.emulated.making:emulate",
    "import_files": "phases.away.importing:import_files",
    "write_bundle": "phases.away.bundle:write_bundle",
    "environment": "phases.preparation.environment:read_environment",
    "gate": "api.runs:gate",
    "iphone_project": "api.runs:iphone_project",
    "load": "api.models:load",
    "measure": "api.runs:measure",
    "new_run_folder": "api.runs:new_run_folder",
    "nir": "phases.nir.write:nir_alone",
    "open": "api.models:open",
    "power_import": "api.power:power_import",
    "power_list": "api.power:power_list",
    "power_record": "api.power:power_record",
    "report": "api.runs:report",
    "resume": "api.runs:resume",
    "resume_soak": "phases.measurement.soaking:resume_soak",
    "run": "api.runs:run",
    "runbook": "api.runs:runbook",
    "samples": "phases.alone.samples:draw_alone",
    "serve": "serve.launch:serve",
    "simulate": "client.simulation:simulate",
    "soak": "phases.measurement.soaking:soak_alone",
    "soak_candidate": "phases.measurement.soaking:soak_candidate",
    "stopped_soak": "phases.measurement.soaking:stopped_soak",
}
"""Where each stands."""

__all__ = [
    "Draw",
    "Drive",
    "Limits",
    "ModelSource",
    "Simulation",
    "SoakLength",
    "activity",
    "bench",
    "compare",
    "compare_runs",
    "convert",
    "delegation",
    "devices",
    "emulate",
    "environment",
    "gate",
    "import_files",
    "iphone_project",
    "load",
    "measure",
    "new_run_folder",
    "nir",
    "open",
    "power_import",
    "power_list",
    "power_record",
    "report",
    "resume",
    "resume_soak",
    "run",
    "runbook",
    "samples",
    "serve",
    "simulate",
    "soak",
    "soak_candidate",
    "stopped_soak",
    "write_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"edgeproof.{module}"), attribute)
