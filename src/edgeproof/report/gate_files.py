"""What a gate found, for the pages of a build server: JUnit XML for its list of tests, Markdown for its summary.

Renders text; decides nothing.
"""

from __future__ import annotations

from xml.etree import ElementTree

from edgeproof.documents.evaluation import Standing, Verdict
from edgeproof.report.content import DEVICE_TITLES
from edgeproof.report.markdown import code, plain
from edgeproof.verdict.gate import Held, Unmet, nearest

__all__ = ["gate_junit", "gate_markdown"]

UNPRINTABLE = {number: "\N{REPLACEMENT CHARACTER}" for number in range(32) if number not in (9, 10, 13)}
"""Control characters, which XML 1.0 cannot hold."""


def gate_junit(held: Held, run: str) -> str:
    """JUnit XML: a suite a device class, a test a point of the policy, held against the candidate that came nearest.

    A point that is not met is a failure, and so is one that was not measured: a gate does not open on what nobody
    looked at.

    Args:
        held: the policy held against the run.
        run: what the run is called.
    """
    root = ElementTree.Element("testsuites", name=printable(f"edgeproof gate {run}"))
    for verdict in verdicts_of(held):
        standing = nearest(verdict)
        suite = ElementTree.SubElement(root, "testsuite", name=f"edgeproof.{verdict.device_class}")
        for name, text, state in points_of(standing, verdict, held):
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=printable(f"edgeproof.{verdict.device_class}.{standing.candidate if standing else 'none'}"),
                name=name,
                time="0",
            )
            if state == "met":
                ElementTree.SubElement(case, "system-out").text = printable(text)
            else:
                ElementTree.SubElement(case, "failure", type=state, message=printable(text)).text = printable(text)
        counted(suite)
    if not len(root):
        suite = ElementTree.SubElement(root, "testsuite", name="edgeproof")
        for point in held.unmet:
            case = ElementTree.SubElement(suite, "testcase", classname="edgeproof", name=point.point, time="0")
            ElementTree.SubElement(case, "failure", type=point.state, message=printable(point.text))
        counted(suite)
    counted(root)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def counted(element: ElementTree.Element) -> None:
    element.set("tests", str(len(element.findall(".//testcase"))))
    element.set("failures", str(len(element.findall(".//failure"))))
    element.set("errors", "0")
    element.set("time", "0")


def points_of(standing: Standing | None, verdict: Verdict, held: Held) -> list[tuple[str, str, str]]:
    """Name, text and state of each point; without a standing, those that the gate itself names."""
    if standing is not None:
        return [(point.name, point.text, point.state) for point in standing.points]
    return [(found.point, found.text, found.state) for found in unmet_of(held, verdict)]


def verdicts_of(held: Held) -> list[Verdict]:
    return [verdict for verdict in held.evaluation.verdicts if verdict.device_class in held.device_classes]


def unmet_of(held: Held, verdict: Verdict) -> list[Unmet]:
    return [point for point in held.unmet if point.device_class == verdict.device_class]


def printable(text: str) -> str:
    return text.translate(UNPRINTABLE)


def gate_markdown(held: Held, run: str) -> str:
    """A summary in GitHub-flavoured Markdown: whether the gate opens, what is unmet, and every verdict that was held.

    Args:
        held: the policy held against the run.
        run: what the run is called.
    """
    evaluation = held.evaluation
    opens = "meets" if not held.unmet else "does not meet"
    lines = [f"## {plain(evaluation.model)} {opens} {plain(evaluation.policy_source)}", ""]
    if held.unmet:
        lines += ["| Device | Candidate | Point | State | What was seen |", "|---|---|---|---|---|"]
        lines += [
            f"| {DEVICE_TITLES[point.device_class] if point.device_class else 'any'} "
            f"| {code(point.candidate) if point.candidate else 'none'} | {point.point} | {point.state} "
            f"| {plain(point.text)} |"
            for point in held.unmet
        ]
        lines.append("")
    lines += [
        f"- **{DEVICE_TITLES[verdict.device_class]}**: {plain(verdict.sentence)}" for verdict in verdicts_of(held)
    ]
    lines += ["", f"Run {code(run)}. The whole report: {code(f'edgeproof report {run}')}"]
    return "\n".join(lines) + "\n"
