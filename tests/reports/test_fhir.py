import base64
import json
from typing import Any

import pytest

from plainscan.errors import ReportError
from plainscan.reports.fhir import read_diagnostic_reports

UID = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}


def report(**more: Any) -> dict[str, Any]:
    named = {"imagingStudy": [{"identifier": UID}], "conclusion": "No mass."}
    return {"resourceType": "DiagnosticReport", "status": "final", **named, **more}


def read(*resources: dict[str, Any]) -> list[tuple[str, str]]:
    return list(read_diagnostic_reports("\n".join(json.dumps(one) for one in resources), "r.json"))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_an_attached_text_comes_before_the_narrative_and_the_conclusion_follows(encoding: str) -> None:
    data = base64.b64encode("检查所见：脑沟如常。".encode(encoding)).decode()
    form = [{"contentType": "application/pdf", "data": "x"}, {"contentType": "text/plain; charset=x", "data": data}]
    text = {"div": "<div>not this</div>"}
    assert read(report(presentedForm=form, text=text, conclusion="未见异常。")) == [
        ("1.2.3", "检查所见：脑沟如常。\nImpression: 未见异常。")
    ]


def test_a_narrative_is_freed_of_its_tags() -> None:
    text = {"div": '<div xmlns="x"><p>Size &lt; 5 mm</p>No bleed.<br/>No mass.</div>'}
    assert read(report(text=text)) == [("1.2.3", "Size < 5 mm\nNo bleed.\nNo mass.")]


@pytest.mark.parametrize(
    "resources",
    [
        [report(imagingStudy=[{"reference": "#s"}], contained=[{"id": "s", "identifier": [UID]}])],
        [report(imagingStudy=None, study=[{"identifier": UID}])],
        [report(imagingStudy=None, identifier=[{"system": "x", "value": "9"}, UID])],
        [
            {"resourceType": "ImagingStudy", "id": "s", "identifier": [UID]},
            report(imagingStudy=[{"reference": "ImagingStudy/s"}]),
        ],
        [
            {
                "resourceType": "Bundle",
                "entry": [
                    {"resource": report(imagingStudy=[{"reference": "urn:uuid:7"}])},
                    {"fullUrl": "urn:uuid:7", "resource": {"resourceType": "ImagingStudy", "identifier": [UID]}},
                ],
            }
        ],
    ],
)
def test_the_study_is_found_wherever_the_report_names_it(resources: list[dict[str, Any]]) -> None:
    assert read(*resources) == [("1.2.3", "Impression: No mass.")]


def test_a_withdrawn_report_is_left_out() -> None:
    assert len(read(report(), report(status="entered-in-error", imagingStudy=None))) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not_fhir"),
        ("[" * 100_000, "not_fhir"),
        ('{"resourceType": "Patient"}', "not_fhir"),
        (json.dumps(report(imagingStudy=None)), "no_study_uid"),
        (json.dumps(report(conclusion=None)), "no_report_text"),
        (json.dumps(report(presentedForm=[{"contentType": "text/plain", "data": "?"}])), "not_fhir"),
    ],
)
def test_what_is_no_report_of_a_study_is_refused(text: str, code: str) -> None:
    with pytest.raises(ReportError, match=r"r\.json") as caught:
        list(read_diagnostic_reports(text, "r.json"))
    assert caught.value.code == code
