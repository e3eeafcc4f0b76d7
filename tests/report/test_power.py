"""The table of energies and the drawing of a trace."""

from __future__ import annotations

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.power import Energy, IdleWindow
from edgeproof.report.compose import build as compose
from edgeproof.report.content import PowerSeen, ReportInput
from edgeproof.report.html import render_html
from edgeproof.report.markdown import render_markdown
from edgeproof.report.plots import draw
from edgeproof.report.power import table
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.decide import decide

IDLE = IdleWindow(begin_unix_ns=0, end_unix_ns=60 * 10**9, samples=600, mean_mw=1000.0)
FOUND = Energy(
    gross_mj=2.0, low_mj=1.9, high_mj=2.1, net_mj=1.2, idle=IDLE, mean_mw=2500.0, calls=75_000, seconds=60.0,
    samples=600, source="INA226", omits="every rail but its own", interval="95 %",
)  # fmt: skip


def evidence_of(build, **energies: Energy):
    rows = [
        build.measurement(name.replace("_", "-"), energy=energy, energy_mj=energy.gross_mj)
        for name, energy in energies.items()
    ]
    return build.evidence(devices=(build.device(tuple(rows)),))


def test_a_row_for_every_trace_and_the_reason_where_there_is_no_figure(build):
    refused = Energy(reason="the trace has a gap of 3.20 s in the stretch", source="UM25C", estimate=None)
    evidence = evidence_of(build, litert_fp32=FOUND, onnx_fp32=refused)
    found = table(cases_of(evidence).values())
    assert found is not None
    titles = [column.title for column in found.columns]
    rows = {row[0].text: dict(zip(titles, (cell.text for cell in row), strict=True)) for row in found.rows}
    assert rows["litert-fp32"]["Gross"] == "2.00"
    assert (rows["litert-fp32"]["From"], rows["litert-fp32"]["To"]) == ("1.90", "2.10")
    assert (rows["litert-fp32"]["Less idle"], rows["litert-fp32"]["Idle power"]) == ("1.20", "1,000")
    assert rows["litert-fp32"]["Meter"] == "INA226; without every rail but its own"
    assert rows["onnx-fp32"]["Gross"] == "not measured"
    assert found.notes == (refused.reason,)
    assert table(cases_of(build.evidence()).values()) is None


def test_an_estimate_says_that_it_is_one(build):
    estimate = Energy(gross_mj=1.0, mean_mw=5.0, estimate="a sum", source="a chip", no_net="no idle stretch was told")
    found = table(cases_of(evidence_of(build, litert_fp32=estimate)).values())
    assert found is not None
    assert found.rows[0][-1].text == "estimate: a chip"
    assert any("no idle stretch was told" in line for line in found.folded)


def test_the_trace_stands_in_the_report_with_its_stretch(build):
    evidence = evidence_of(build, litert_fp32=FOUND)
    seen = PowerSeen(
        candidate="litert-fp32", device="ssh:pi@board", source="INA226", seconds=(0.0, 1.0, 2.0, 3.0),
        mean_mw=(1000.0, 2500.0, 2500.0, 1000.0), low_mw=(990.0, 2400.0, 2400.0, 990.0),
        high_mw=(1010.0, 2600.0, 2600.0, 1010.0), held=((0.9, 2.1),), idle=(0.0, 0.5),
    )  # fmt: skip
    evaluation = decide(evidence, PolicyValue(), {}, policy_source="default")
    given = ReportInput(evidence=evidence, evaluation=evaluation, policy_toml="", power=(seen,))
    plots = draw(given)
    plot = next(plot for plot in plots if plot.name.startswith("power-"))
    assert plot.name == "power-ssh-pi-board-litert-fp32"
    assert "1.20 s of held load, 2,500 mW in them" in plot.description
    report = compose(given, plots)
    page, text = render_html(report), render_markdown(report)
    assert "Power of litert-fp32 on ssh:pi@board" in page
    assert "### Energy" in text
    assert "| 2.00 | 1.90 | 2.10 | 1.20 |" in text
