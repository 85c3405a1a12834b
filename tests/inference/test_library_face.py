from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.inference.tiny_bundle import grey_head, head_slice, ship_tiny, tiny_bundle
from tests.stages.tiny_study import write_slice

import plainscan
from plainscan.findings import FINDING_KEYS
from plainscan.inference.result import SliceResult, StudyResult
from plainscan.stages.predict import COLUMNS, STUDY_COLUMNS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which everything lies that the page names."""
    ship_tiny(tmp_path / "shipped", monkeypatch)
    tiny_bundle(tmp_path / "runs" / "demo" / "model")
    for i in range(4):
        write_slice(tmp_path / "incoming" / f"{i}.dcm", head_slice() if i else np.full((128, 128), -1000, np.int16), i)
    np.save(tmp_path / "volume.npy", np.stack([head_slice()] * 3))
    Image.fromarray(grey_head()).save(tmp_path / "slice.png")
    shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path / "incoming")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples() -> list[str]:
    page = (DOCS / "how-to" / "predict-from-python.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_the_example_in_the_documents_runs_in_ten_lines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = examples()[0]
    assert len([line for line in code.splitlines() if line]) == 10
    exec(compile(code, "predict-from-python.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"4 slices; study: finding, probability 0\.\d+", said[0])
    assert said[1] == "0 not scored: no_head"
    assert re.fullmatch(r"1 0\.\d+", said[2])
    assert sorted(path.name for path in place.glob("slice_*.png")) == [f"slice_00{i}.png" for i in (1, 2, 3)]


def test_the_example_also_runs_on_a_study_of_which_nothing_is_scored(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(4):
        write_slice(place / "incoming" / f"{i}.dcm", np.full((128, 128), -1000, np.int16), i)
    exec(compile(examples()[0], "predict-from-python.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0].endswith("probability None")


def test_every_other_example_in_the_documents_runs(place: Path) -> None:
    names: dict[str, Any] = {}
    for code in examples()[1:]:
        exec(compile(code, "predict-from-python.md", "exec"), names)
    assert len(names["of_volume"].slices) == 3
    assert names["of_picture"].slices[0].decision == "finding"
    assert len(names["of_study"].slices) == 4


def test_the_page_names_every_field_of_a_result() -> None:
    page = (DOCS / "how-to" / "predict-from-python.md").read_text(encoding="utf-8")
    for field in (*fields(SliceResult), *fields(StudyResult)):
        assert f"`{field.name}`" in page, field.name


def test_importing_plainscan_loads_nothing_heavy() -> None:
    heavy = {"onnxruntime", "numpy", "polars", "pydicom", "PIL", "pydantic", "torch"}
    code = f"import sys, plainscan; print(sorted({heavy!r} & set(sys.modules)), plainscan.load.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] plainscan.inference.classifier\n"


def test_plainscan_has_no_attribute_it_does_not_name() -> None:
    assert "load" in dir(plainscan)
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        plainscan.laod  # noqa: B018


def test_the_reference_names_every_column() -> None:
    page = (DOCS / "reference" / "predictions.md").read_text(encoding="utf-8")
    for name in (*COLUMNS, *STUDY_COLUMNS, *FINDING_KEYS[1:]):
        assert f"`{name}`" in page, name
