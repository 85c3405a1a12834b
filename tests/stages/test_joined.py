from __future__ import annotations

from pathlib import Path

import pytest

from plainscan.errors import SourceError
from plainscan.stages.joined import read_accepted, read_joins


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_chains_of_joins_end_in_one_patient(tmp_path: Path) -> None:
    path = write(tmp_path / "j.csv", "patient_id,same_as\nC,B\nB,A\nX,Y\n")
    assert read_joins(path) == {"A": "A", "B": "A", "C": "A", "X": "X", "Y": "X"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path, encoding: str) -> None:
    for separator in ",;\t":
        path = tmp_path / "j.csv"
        text = "patient_id ,same_as\r\n未见01 , B\r\n,\r\n\r\nB,未见01\r\n"
        path.write_bytes(text.replace(",", separator).encode(encoding))
        assert read_joins(path) == {"B": "B", "未见01": "B"}


def test_an_identifier_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    assert read_joins(write(tmp_path / "j.csv", "patient_id,same_as\n007,7\n")) == {"007": "007", "7": "007"}


def test_no_identifier_is_in_the_message(tmp_path: Path) -> None:
    for text in ("patient_id,same_as\nWang^Li,\n", "patient_id\nWang^Li\n", 'patient_id,same_as\n"Wang^Li'):
        with pytest.raises(SourceError) as caught:
            read_joins(write(tmp_path / "j.csv", text))
        assert "Wang" not in str(caught.value)


def test_a_pair_that_two_people_sign_is_refused_for_only_one_could_be_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="L1 twice"):
        read_accepted(write(tmp_path / "a.csv", "pair,who,why\nL1,A,x\nL2,A,x\nL1,B,y\n"))
