"""Every code that a table may hold is explained in one closed list, and every list is in the documents."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import plainscan
from plainscan.cohort.select import FLAGS
from plainscan.cohort.series import CODES
from plainscan.ct import geometry, hounsfield
from plainscan.dicom.deidentify_file import LEFT_OUT
from plainscan.dicom.pacs import TRANSFER_CODES
from plainscan.dicom.read import REFUSALS
from plainscan.dicom.scan import REJECT_CODES

SOURCE = Path(plainscan.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "reference" / "exclusions.md"
MEANINGS = {**CODES, **REJECT_CODES, **REFUSALS, **TRANSFER_CODES, **LEFT_OUT}
REMARKS = {**FLAGS, **geometry.FLAGS, **hounsfield.REMARKS}
NOT_IN_TABLES = {
    "no_source",
    "source_gone",
    "no_key",
    "bad_key",
    "open_key",
    "no_report_text",
    "no_study_uid",
    "encapsulated",
    "no_report_object",
}  # each stops the run


def nodes(*modules: str) -> Iterator[ast.AST]:
    for module in modules:
        for path in sorted(SOURCE.glob(module)):
            yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def texts(node: ast.AST | None) -> set[str]:
    return (
        {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)} if node else set()
    )


def raised() -> set[str]:
    """Codes given to errors, to ``Refused`` and to ``Reason``, as they stand in the code."""
    found: set[str] = set()
    for node in nodes("dicom/*.py", "ct/hounsfield.py", "cohort/series.py", "cohort/select.py"):
        if not isinstance(node, ast.Call):
            continue
        found |= {text for word in node.keywords if word.arg == "code" for text in texts(word.value)}
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        place = {"Refused": 2, "Reason": 0}.get(name)
        if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
            found |= texts(node.args[place])
    return found


def test_every_code_that_is_raised_has_a_meaning() -> None:
    found = raised()
    assert {"undecodable", "nested_zip", "several_patients", "bad_rescale"} <= found
    assert found - set(MEANINGS) == NOT_IN_TABLES


def test_every_code_of_a_transfer_that_is_raised_has_a_meaning() -> None:
    found = set()
    for node in nodes("dicom/pacs*.py", "stages/fetch.py"):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in ("failure", "Outcome"):
            found |= {code for argument in node.args for code in texts(argument)}
    assert {"tls", "not_found", "no_series"} <= found & set(TRANSFER_CODES)
    words = {code for code in found if code.replace("_", "").isalpha() and code.islower()}
    assert words - set(TRANSFER_CODES) == {"complete", "failed", "partial"} & words


def test_every_rule_of_the_header_has_a_meaning() -> None:
    from plainscan.dicom.read import _RULES

    assert {code for _, code, _, _ in _RULES.values()} <= set(REFUSALS)


def test_every_remark_that_is_made_has_a_meaning() -> None:
    made = set()
    for node in nodes("ct/hounsfield.py"):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "flags.append":
            made |= texts(node)
    assert made | {"lossy"} <= set(hounsfield.REMARKS)


@pytest.mark.parametrize(
    "codes",
    [CODES, REJECT_CODES, REFUSALS, TRANSFER_CODES, LEFT_OUT, FLAGS, geometry.FLAGS, hounsfield.REMARKS],
    ids=lambda _: "",
)
def test_every_code_is_on_the_page(codes: Mapping[str, str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not [code for code, meaning in codes.items() if f"| `{code}` | {meaning} |" not in page]


def test_no_code_means_two_things() -> None:
    assert not set(MEANINGS) & set(REMARKS) - {"duplicate_position"}
