from pathlib import Path

import pytest

from plainscan.cli import main
from plainscan.stages import explain


def test_the_command_writes_a_page_of_the_first_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "MOST", 2)
    (tmp_path / "r.csv").write_text("study_uid,report\n1.3,No mass.\n1.1,SAH.\n1.2,Fracture.\n")
    with pytest.raises(SystemExit) as end:
        main(["explain", str(tmp_path / "r.csv"), "--out", str(tmp_path / "page.html")])
    assert end.value.code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 reports; 1 more not shown." in page
    assert page.index("1. 1.1") < page.index("2. 1.2")
    assert "No mass" not in page


def test_a_source_that_cannot_be_read_is_an_error_and_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["explain", str(tmp_path / "gone.csv"), "--out", str(tmp_path / "page.html")])
    assert end.value.code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", ["r.csv", "."])
def test_a_page_never_takes_the_place_of_the_reports_it_is_made_from(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.csv").write_text("study_uid,report\n1.1,SAH.\n")
    with pytest.raises(SystemExit) as end:
        main(["explain", given, "--out", str(tmp_path / "r.csv")])
    assert end.value.code == 2
    assert "the page would replace the reports" in capsys.readouterr().err
    assert Path("r.csv").read_text() == "study_uid,report\n1.1,SAH.\n"


def test_a_page_with_the_name_of_a_folder_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.csv").write_text("study_uid,report\n1.1,SAH.\n")
    (tmp_path / "pages").mkdir()
    with pytest.raises(SystemExit) as end:
        main(["explain", str(tmp_path / "r.csv"), "--out", str(tmp_path / "pages")])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Error: {tmp_path / 'pages'}: ")
    assert "A folder lies where a file should be" in said
