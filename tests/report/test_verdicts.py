"""Verdicts as they are read: what device classes share is said once, and no sentence stands twice in a page."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import msgspec
import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.report.compose import build as compose
from edgeproof.report.content import ReportInput
from edgeproof.report.html import render_html
from edgeproof.report.plots import draw
from edgeproof.report.verdicts import changes, in_common, said
from edgeproof.verdict.decide import decide
from edgeproof.verdict.policy import policy_toml
from edgeproof.verdict.wording import TITLES


@pytest.fixture(scope="module")
def evaluation(build):
    return decide(build.evidence(), PolicyValue(), build.PLATFORMS, policy_source="test")


def page_of(build, evidence, evaluation):
    given = ReportInput(evidence, evaluation, policy_toml(evaluation.policy), build.raw_latencies())
    return render_html(compose(given, draw(given)))


class Sentences(HTMLParser):
    """The texts of a page's blocks, without code, heads and what is read aloud of drawings."""

    BLOCKS = frozenset({"p", "li", "td", "dd", "summary", "figcaption"})
    SILENT = frozenset({"script", "style", "code", "desc", "title", "svg", "th"})

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.silent, self.found = [], 0, []

    def handle_starttag(self, tag, attrs):
        self.silent += tag in self.SILENT
        if tag in self.BLOCKS:
            self.open.append("")

    def handle_endtag(self, tag):
        self.silent -= tag in self.SILENT
        if tag in self.BLOCKS and self.open:
            self.found.append(" ".join(self.open.pop().split()))

    def handle_data(self, data):
        if self.open and not self.silent:
            self.open[-1] += data


def sentences(part):
    parser = Sentences()
    parser.feed(part)
    return Counter(text for text in parser.found if text.count(" ") >= 6)


def twice(page):
    """Sentences that stand twice, or once and in a candidate's own section too; two candidates may share one."""
    before, details, after = re.fullmatch(
        r'(.*)<section id="details"(.*?)(<section id="failures-section".*)', page, re.DOTALL
    ).groups()
    once, own = sentences(before) + sentences(after), sentences(details)
    return {text for text, count in once.items() if count > 1 or text in own}


def test_classes_that_share_a_verdict_share_a_line(evaluation):
    found = said(evaluation.verdicts)
    assert [group.title for group in found] == ["Host", "Raspberry Pi, Android, iPhone"]
    together = found[1]
    assert together.sentence.startswith("On a Raspberry Pi, an Android phone and an iPhone, provisionally run it")
    assert "(confidence" not in together.sentence
    assert together.candidate == "sdk-native"


def test_what_several_verdicts_share_is_said_once_with_whose_it_is(evaluation):
    common = in_common(evaluation.verdicts)
    texts = [fact.value for fact in common]
    assert len(texts) == len(set(texts))
    own = [line for group in said(evaluation.verdicts) for line in (*group.reasons, *group.missing)]
    assert not set(own) & set(texts)

    def template(line):
        for title in TITLES.values():
            line = line.replace(title, "X")
        return line

    shared = Counter(template(line) for line in own)
    assert [line for line, count in shared.items() if count > 1] == []


def test_what_only_some_of_them_have_names_those(evaluation):
    together = said(evaluation.verdicts)[1]
    assert [line for line in together.reasons if line.startswith(("Raspberry Pi", "Android", "iPhone"))]
    assert len(together.reasons) == len(set(together.reasons))


def test_the_points_of_a_candidate_are_left_to_its_own_section(evaluation):
    points = {
        point.text for verdict in evaluation.verdicts for standing in verdict.standings for point in standing.points
    }
    for group in said(evaluation.verdicts):
        assert not points & {*group.reasons, *group.missing}
        assert not [line for line in group.reasons if " is out: " in line]


def test_a_measurement_that_two_classes_lack_is_said_once_with_the_command_that_they_share(evaluation):
    found = [change for change in changes(evaluation.verdicts) if change.measurement.startswith("p90 latency")]
    assert [change.title for change in found] == ["Raspberry Pi, Android", "iPhone"]
    assert found[0].measurement.endswith("on a Raspberry Pi and an Android phone")
    pi, phone = found[0].commands
    assert (pi[0], "--devices ssh:USER@HOST " in pi[1]) == ("Raspberry Pi", True)
    assert (phone[0], "--devices adb: " in phone[1]) == ("Android", True)
    assert [where for where, _ in found[1].commands] == [""]


def test_every_group_of_classes_has_its_most_telling_measurement_on_the_first_screen(build, evaluation):
    given = ReportInput(build.evidence(), evaluation, "", {})
    report = compose(given, ())
    assert [change.title for change in report.first_changes] == list(dict.fromkeys(c.title for c in report.changes))
    for title in {change.title for change in report.changes}:
        first = next(change for change in report.changes if change.title == title)
        assert first in report.first_changes
    assert sorted(map(repr, (*report.first_changes, *report.more_changes))) == sorted(map(repr, report.changes))


def test_verdicts_that_differ_stay_apart(evaluation):
    verdicts = list(evaluation.verdicts)
    verdicts[3] = msgspec.structs.replace(verdicts[3], decision="none", candidate=None, sentence="On an iPhone, no.")
    found = said(verdicts)
    assert [group.title for group in found] == ["Host", "Raspberry Pi, Android", "iPhone"]


def test_no_sentence_stands_twice_in_a_page(build, evaluation):
    assert twice(page_of(build, build.evidence(), evaluation)) == set()
