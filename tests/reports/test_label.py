import pytest

from plainscan.reports.label import read_report


def statuses(report: str) -> dict[str, str]:
    return {key: mention.status for key, mention in read_report(report).items()}


def test_the_conclusion_outweighs_the_description() -> None:
    report = "Findings: Acute left MCA infarct. Impression: Possible acute left MCA infarct."
    assert statuses(report) == {"any_finding": "uncertain", "early_infarct": "uncertain"}


def test_within_a_section_present_outweighs_uncertain_and_absent() -> None:
    assert statuses("No fracture of the left side. Right temporal fracture.")["skull_fracture"] == "present"


def test_no_hemorrhage_denies_each_kind_but_the_one_that_is_named() -> None:
    found = statuses("Chronic left subdural hematoma. No acute hemorrhage.")
    assert found["subdural_hemorrhage"] == "present"
    assert found["epidural_hemorrhage"] == "absent"


def test_what_is_not_mentioned_has_no_entry() -> None:
    assert statuses("左额部头皮血肿。") == {"any_finding": "present", "scalp_hematoma": "present"}


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ("颅脑CT平扫未见异常。", "absent"),
        ("No hemorrhage. No fracture.", "absent"),
        ("Pineal calcification. Otherwise normal head CT.", "absent"),
        ("影像所见：上颌窦黏膜增厚。诊断：颅脑未见异常。", "present"),
        ("Impression: No hemorrhage. Qwerty of the asdf.", "uncertain"),
        ("Qwerty.", "uncertain"),
        ("可疑骨折。", "uncertain"),
    ],
)
def test_any_finding_follows_from_what_is_said(report: str, status: str) -> None:
    assert statuses(report)["any_finding"] == status


@pytest.mark.parametrize("denial", ["No fracture.", "No hemorrhage, mass or midline shift.", "Brain is unremarkable."])
@pytest.mark.parametrize(
    "report", ["Qwerty. {}", "{} Qwerty.", "Qwerty and {}", "Qwerty, {}", "Qwerty with {}", "Left frontal qwerty; {}"]
)
def test_an_unknown_word_beside_a_denial_is_never_no_finding(report: str, denial: str) -> None:
    found = read_report(report.format(denial))["any_finding"]
    assert found.status == "uncertain"
    assert report.format(denial)[found.start : found.end].lower() == "qwerty"


@pytest.mark.parametrize("denial", ["未见骨折。", "颅内未见出血及占位。", "中线结构居中。", "脑实质未见异常密度。"])
@pytest.mark.parametrize("report", ["怪变，{}", "怪变；{}", "左额怪变伴{}", "{}怪变。", "{}左侧怪奇形成。"])
def test_unknown_characters_beside_a_denial_are_never_no_finding(report: str, denial: str) -> None:
    assert read_report(report.format(denial))["any_finding"].status == "uncertain"


@pytest.mark.parametrize("report", ["", " \n"])
def test_an_empty_report_says_nothing(report: str) -> None:
    assert statuses(report) == {}
