from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.inference.tiny_bundle import head_slice, tiny_bundle
from tests.stages.tiny_study import write_slice

from plainscan.findings import FINDING_KEYS
from plainscan.stages.predict import COLUMNS, STUDY_COLUMNS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_example_in_the_documents_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "how-to" / "predict-from-python.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    tiny_bundle(tmp_path / "runs" / "demo" / "model")
    for i in range(4):
        write_slice(tmp_path / "incoming" / f"{i}.dcm", head_slice(), i)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "predict-from-python.md", "exec"), {})
    assert re.fullmatch(r"4 slices; study: 0\.\d+\n", capsys.readouterr().out)


def test_the_reference_names_every_column() -> None:
    page = (DOCS / "reference" / "predictions.md").read_text(encoding="utf-8")
    for name in (*COLUMNS, *STUDY_COLUMNS, *FINDING_KEYS[1:]):
        assert f"`{name}`" in page, name
