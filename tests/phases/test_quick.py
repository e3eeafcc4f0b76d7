"""A first look: every format once, fewer counts, and a verdict that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeproof import api
from edgeproof.documents.evaluation import Evidence
from edgeproof.errors import UsageError
from edgeproof.formats.registry import formats
from edgeproof.phases.quick import quick_settings
from edgeproof.pipeline import command_of
from edgeproof.report.provenance import brief
from edgeproof.rundir import RunDir


def test_every_format_once_on_the_host_with_fewer_counts(tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    net.write_text("def make(): ...\n")
    run = RunDir(api.new_run_folder(f"{net}:make", out=tmp_path / "run", quick=True), trust=True)
    options = run.options()
    assert options.quick
    assert (options.requests, options.cold_starts, options.processors) == (20, 1, ("none",))
    assert options.candidates == tuple(known.candidate(known.precisions[0]) for known in formats().values())
    assert "--quick" in command_of(options)
    manifest = run.manifest()
    assert "a quick look" in brief(Evidence(model="net", folder="", manifest=manifest))


def test_what_was_asked_for_by_name_stays() -> None:
    told = quick_settings({"candidates": ("onnx-int8",), "requests": 500, "devices": ("host",), "name": "net"})
    assert (told["candidates"], told["requests"], told["cold_starts"]) == (("onnx-int8",), 500, 1)
    assert told["name"] == "net"


@pytest.mark.parametrize(
    "asked", [{"devices": ("ssh:pi",)}, {"batches": (1, 8)}, {"networks": ("wifi",)}, {"processors": ("cortex-a53",)}]
)
def test_what_is_not_quick_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="leaves out") as error:
        quick_settings(asked)
    assert next(iter(asked)) in error.value.message
