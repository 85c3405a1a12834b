from __future__ import annotations

from pathlib import Path

import polars as pl
from tests.dicom.build import ct, save

from plainscan.dicom.scan import gather, scan
from plainscan.dicom.who import Numbers, accession_key, person_key


def test_a_name_counts_however_it_is_written() -> None:
    key = person_key("ZHANG^SAN", "19700101")
    assert key == person_key("ｚｈａｎｇ san", "19700101") == person_key("=San^Zhang", "19700101")
    assert key != person_key("ZHANG^SI", "19700101")
    assert person_key("张三", "19700101") != person_key("张四", "19700101")


def test_no_key_without_name_or_birth_date() -> None:
    for name, birth in (
        (None, "19700101"),
        ("^^", "19700101"),
        ("A", "19700101"),
        ("ZHANG^SAN", None),
        ("ZHANG^SAN", "1970"),
    ):
        assert person_key(name, birth) is None
    assert accession_key(None) is None
    assert accession_key("  ") is None


def test_numbers_come_in_the_order_of_first_sight_and_can_be_handed_out_again() -> None:
    def rows() -> list[dict[str, object]]:
        return [{"person": value, "accession": b"a"} for value in (b"x", b"y", None, b"x")]

    numbers, again, found = Numbers(), Numbers(), rows()
    numbers.replace(found)
    assert found == [{"person": number, "accession": 1} for number in (1, 2, None, 1)]
    again.recall(reversed(news := numbers.news()))  # not the order of first sight, so other numbers
    assert (len(news), numbers.news()) == (3, [])
    again.replace(found := rows())
    assert [row["person"] for row in found] == [2, 1, None, 2]


def test_the_catalogue_says_who_is_one_person_and_holds_no_name(tmp_path: Path) -> None:
    for i, (name, identifier) in enumerate((("LI^NA", "P1"), ("Li Na", "P2"), ("WU^BO", "P3"))):
        ds = ct(
            study=i + 1,
            PatientName=name,
            PatientBirthDate="19610203",
            AccessionNumber=f"ACC{i // 2}",
            PatientID=identifier,
        )
        ds.FrameOfReferenceUID = f"1.2.{i}"
        save(tmp_path, f"{i}.dcm", ds)
    catalogue, _ = gather(scan(tmp_path))
    assert catalogue["person"].to_list() == [1, 1, 2]
    assert catalogue["accession"].to_list() == [1, 1, 2]
    assert catalogue["frame_of_reference_uid"].to_list() == ["1.2.0", "1.2.1", "1.2.2"]
    text = catalogue.select(pl.exclude("patient_id")).write_json()
    for secret in ("LI^NA", "Li Na", "WU", "19610203", "ACC"):
        assert secret not in text
