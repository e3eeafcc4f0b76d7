"""A MODEL's activity without a run: exported and counted in processes of their own, on its samples or given ones."""

from __future__ import annotations

from collections.abc import Callable

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ConversionError
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.activity.counting import CountJob, count_apart
from edgeproof.phases.alone.conversion import checked_title
from edgeproof.process import Limits

__all__ = ["activity_alone"]


def activity_alone(
    source: ModelSource,
    *,
    count: int = 32,
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> ActivityDocument:
    """Count MODEL's operations. A model without time steps counts as one step.

    Args:
        source: MODEL. Where there are no samples random input serves, and the document says so.
        count: samples, at most.
        limits: of a process.
        report: told what is being done.

    Raises:
        UsageError: MODEL, its signature or samples.
        ConversionError: it cannot be exported, or the engine does not take it: there is nothing to count on.
    """
    report(f"loading and exporting {checked_title(source)}")
    bounds = limits or Limits()
    with Workspace.temporary() as workspace:
        samples = prepare_workspace(
            workspace, source, draw=Draw(), forms=("whole", "step"), reference=False, limits=bounds
        )
        prepared = workspace.prepared
        refused = next((result for result in prepared.forms if result.reason), None)
        if refused is not None:
            raise ConversionError(refused.reason or "it cannot be exported", hint=refused.remedy)
        report("counting")
        job = CountJob(
            root=str(workspace.root),
            model=prepared.name,
            form="whole" if samples.signature.timesteps is None else "step",
            samples=count,
            source="random input: there are no samples" if samples.synthetic else prepared.held_out_origin,
        )
        return count_apart(job, bounds)
