import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from plainscan.findings import ANY_FINDING
from plainscan.reports.label import read_report
from plainscan.reports.mention import read_marks
from plainscan.reports.page import explain

REPORT = "病史：头痛 <b>。\n所见：左侧怪变，未见骨折；右额部头皮血肿？\nImpression: SAH & old lacune, s/p resection."


class Reader(HTMLParser):
    """Collects the text within `pre`, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += [tag] if tag != "meta" else []
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self.open and "sup" not in self.open:
            self.text += data


def test_the_page_shows_the_report_unchanged_and_loads_nothing() -> None:
    reader = Reader()
    page = explain({"1.2.3": REPORT})
    reader.feed(page)
    assert reader.text == REPORT
    assert not reader.open
    assert "<script" not in page


@pytest.mark.parametrize(
    ("words", "style", "phrase"),
    [
        ("骨折", "absent", "finding.skull_fracture: 骨折[线]"),
        ("头皮血肿", "uncertain", "finding.scalp_hematoma"),
        ("SAH", "present", "finding.subarachnoid_hemorrhage: SAH"),
        ("怪变", "unknown", "unknown"),
        ("未见", "cue", "negation.before: 未见[明显|明确|确切|显著]"),
    ],
)
def test_each_span_is_colored_by_status_and_names_its_phrase(words: str, style: str, phrase: str) -> None:
    pattern = f'<mark class="{style}" title="{re.escape(phrase)}[^"]*">[^<]*{words}<sup>'
    assert re.search(pattern, explain({"t": REPORT}))


def test_marks_never_overlap_and_stay_in_order() -> None:
    marks = read_marks(REPORT)
    assert all(a.end <= b.start for a, b in pairwise(marks))
    assert marks[0].kind == "skip"


def test_an_empty_report_is_said_to_say_nothing() -> None:
    assert "not said" in explain({"t": ""})


def test_marks_stand_side_by_side_where_findings_are_told_under_a_heading_that_is_not_read() -> None:
    report = "Findings: No fracture. Recommendation: MRI of the left subdural and the old left infarct."
    marks = read_marks(report)
    assert [report[m.start : m.end] for m in marks if m.kind == "unknown"] == ["subdural", "old left infarct"]
    assert all(a.end <= b.start for a, b in pairwise(marks))
    assert read_report(report)[ANY_FINDING].status == "uncertain"
