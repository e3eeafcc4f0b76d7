"""The gate's files: JUnit that a build server reads, Markdown that means itself."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest
from markdown_it import MarkdownIt

from edgeproof.documents.policy import PolicyValue
from edgeproof.report.gate_files import gate_junit, gate_markdown
from edgeproof.verdict.decide import decide
from edgeproof.verdict.gate import Held, gate


def held_of(build, classes=("host",), policy=None, **changes):
    evidence = build.evidence(**changes)
    evaluation = decide(evidence, policy or PolicyValue(), build.PLATFORMS, policy_source="ship.toml")
    return Held(evaluation, classes, tuple(gate(evaluation, classes)))


def test_an_open_gate_has_a_test_for_each_point_and_no_failure(build):
    root = ElementTree.fromstring(gate_junit(held_of(build), "run"))
    (suite,) = root.findall("testsuite")
    assert suite.get("name") == "edgeproof.host"
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert {"difference", "task", "latency"} <= set(cases)
    assert cases["latency"].get("classname") == "edgeproof.host.sdk-native"
    assert (root.get("tests"), root.get("failures")) == (str(len(cases)), "0")


def test_what_is_unmet_fails_and_so_does_what_was_not_measured(build):
    held = held_of(build, ("host", "android"), PolicyValue(latency_ms=0.001))
    root = ElementTree.fromstring(gate_junit(held, "run"))
    failures = {
        (suite.get("name"), case.get("name")): case.find("failure").get("type")
        for suite in root
        for case in suite
        if case.find("failure") is not None
    }
    assert failures[("edgeproof.host", "latency")] == "not met"
    assert failures[("edgeproof.android", "latency")] == "not measured"
    assert len(failures) == len(held.unmet) == int(root.get("failures"))


def test_nothing_measured_is_one_failure(build):
    held = held_of(build, (), devices=())
    root = ElementTree.fromstring(gate_junit(held, "run"))
    assert root.find(".//failure").get("message") == "no device was measured"


@pytest.mark.parametrize("text", ['<x> & "q" \'', "a\x00b\x1bc", "| a | `b` **c** <script>"])
def test_hostile_texts_stay_texts(build, text):
    held = held_of(build)
    point = msgspec.structs.replace(held.evaluation.verdicts[0].standings[0].points[0], text=text, state="not met")
    standing = msgspec.structs.replace(held.evaluation.verdicts[0].standings[0], points=(point,), candidate=text)
    verdict = msgspec.structs.replace(held.evaluation.verdicts[0], standings=(standing,), candidate=text)
    evaluation = msgspec.structs.replace(held.evaluation, verdicts=(verdict,), model=text)
    held = Held(evaluation, ("host",), tuple(gate(evaluation, ("host",))))
    assert ElementTree.fromstring(gate_junit(held, text)).find(".//failure") is not None
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(gate_markdown(held, text))
    assert "<script" not in page
    assert page.count("<tr>") == 2


def test_the_summary_says_whether_it_opens(build):
    assert gate_markdown(held_of(build), "run").startswith("## digits\\_snn meets ship.toml\n")
    closed = gate_markdown(held_of(build, policy=PolicyValue(latency_ms=0.001)), "run")
    assert closed.startswith("## digits\\_snn does not meet ship.toml\n")
    assert "| Host | `" in closed
