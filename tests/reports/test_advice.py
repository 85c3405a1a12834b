from __future__ import annotations

import pytest

from plainscan.findings import ANY_FINDING
from plainscan.reports.label import read_report


@pytest.mark.parametrize(
    "text",
    [
        "颅内未见异常,建议结合腰穿结果。",
        "颅内未见异常,如有不适请随时复诊。",
        "Normal CT head. Suggest correlation and MRI if the zigzags go on.",
        "No abnormality to account for the whatever.",
    ],
)
def test_the_words_of_advice_and_purpose_leave_a_clear_report_clear(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status == "absent"


@pytest.mark.parametrize(
    "text",
    [
        "颅内未见出血,建议切除包裹物并复查。",
        "颅内未见出血,若包块增大请复查。",
        "颅内未见出血,建议复查左额叶灶。",
        "颅内未见出血,建议MRI检查,可疑早期改变。",
        "Normal ventricles. Follow up the known bulge with CTA.",
        "No fracture. Please review the schwannomatosis clinically.",
        "No hemorrhage. Discuss with the stroke team regarding coning.",
        "No mass to explain the seizures other than tubers.",
    ],
)
def test_a_thing_a_part_of_the_head_or_a_doubt_in_advice_is_not_overlooked(text: str) -> None:
    assert read_report(text)[ANY_FINDING].status == "uncertain"
