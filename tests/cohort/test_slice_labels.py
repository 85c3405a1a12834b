import polars as pl
import pytest

from plainscan.cohort.slice_labels import read_slice_labels
from plainscan.errors import LabelError

COHORT = pl.DataFrame(
    {
        "study_uid": "st",
        "series_uid": "se",
        "instance_uid": ["1.1", "1.2", "1.3", "1.3"],
        "frame": [0, 0, 0, 1],
        "path": ["a/x.dcm", "b/y.dcm", "z.zip::b/m.dcm", "z.zip::b/m.dcm"],
    }
)


def read(*rows: dict[str, str]) -> dict[tuple[str, int], dict[str, int | None]]:
    labels = read_slice_labels(rows, COHORT, "l.csv", {"9.9", "gone/old.dcm"}).labels
    return {(key[2], key[3]): values for key, values in labels.items()}


def test_slices_are_found_by_instance_path_or_file_name() -> None:
    assert read({"instance_uid": "1.1", "any_finding": "1"}) == {("1.1", 0): {"any_finding": 1}}
    assert list(read({"file": "b/y.dcm", "any": "0"}, {"file": "x.dcm", "any": "0"})) == [("1.2", 0), ("1.1", 0)]
    assert list(read({"file": "b\\y.dcm", "any": "0"})) == [("1.2", 0)]
    assert list(read({"instance_uid": "1.3", "frame": "1", "any": "0"})) == [("1.3", 1)]


def test_columns_go_by_key_or_alias_and_the_rest_is_listed() -> None:
    found = read_slice_labels([{"file": "x.dcm", "SDH": "1", "reader": "A"}], COHORT, "l.csv")
    assert list(found.labels.values()) == [{"subdural_hemorrhage": 1, "any_finding": 1}]
    assert found.unused_columns == ("reader",)


def test_empty_stays_unknown_and_a_specific_finding_makes_any() -> None:
    assert read({"file": "x.dcm", "any": "", "mass": ""}) == {("1.1", 0): {"any_finding": None, "mass": None}}
    assert read({"file": "x.dcm", "any": "", "mass": "1"})["1.1", 0]["any_finding"] == 1
    assert read({"file": "x.dcm", "any": "", "mass": "0"})["1.1", 0]["any_finding"] is None


def test_empty_rows_are_passed_over_and_the_others_keep_their_numbers() -> None:
    assert list(read({"file": " ", "any": ""}, {"file": "x.dcm", "any": "1"})) == [("1.1", 0)]
    with pytest.raises(LabelError, match="row 3"):
        read({"file": "", "any": ""}, {"file": "unknown.dcm", "any": "1"})


@pytest.mark.parametrize("cell", ["Jane Doe", "张三"])
def test_a_wrong_value_that_may_be_a_name_is_not_quoted(cell: str) -> None:
    with pytest.raises(LabelError, match=f"value of {len(cell)} characters in column any") as caught:
        read({"file": "x.dcm", "any": cell})
    assert cell not in str(caught.value)


def test_slices_that_were_left_out_are_counted() -> None:
    rows = [{"file": "old.dcm", "any": "0"}, {"file": "x.dcm", "any": "1"}]
    assert read_slice_labels(rows, COHORT, "l.csv", {"gone/old.dcm"}).outside == 1


@pytest.mark.parametrize("other", ["gone/x.dcm", "z.zip::x.dcm", "x.dcm"])
def test_a_bare_file_name_that_a_file_outside_the_cohort_shares_is_refused(other: str) -> None:
    known = {*COHORT["instance_uid"], *COHORT["path"], other}
    for name in ("x.dcm", other, "a/x.dcm"):
        rows = [{"file": "b/y.dcm", "any": "1"}, {"file": name, "any": "1"}]
        if name == "x.dcm":
            with pytest.raises(LabelError, match=r"l\.csv: row 3: 2 files of that name.*path") as caught:
                read_slice_labels(rows, COHORT, "l.csv", known)
            assert caught.value.code == "ambiguous_file"
        else:
            found = read_slice_labels(rows, COHORT, "l.csv", known)
            assert (len(found.labels), found.outside) == ((2, 0) if name == "a/x.dcm" else (1, 1))


def test_an_instance_whose_file_is_named_by_its_uid_is_found() -> None:
    cohort = COHORT.with_columns(path="a/" + pl.col("instance_uid"))
    known = {*cohort["instance_uid"], *cohort["path"], "gone/1.1"}
    for row in ({"instance_uid": "1.1", "any": "1"}, {"file": "1.2", "any": "1"}):
        assert len(read_slice_labels([row], cohort, "l.csv", known).labels) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"file": "x.dcm", "any": "2"}], r"l\.csv: row 2: value '2' in column any"),
        ([{"file": "x.dcm", "any": "yes"}], "expected 1 .present., 0 .absent. or empty"),
        ([{"file": "x.dcm", "any": "1"}, {"file": "a/x.dcm", "any": "1"}], r"row 3: the slice of row 2 again"),
        ([{"file": "unknown.dcm", "any": "1"}], r"row 2: an empty or unknown slice name"),
        ([{"file": "", "any": "1"}], r"row 2: an empty or unknown slice name"),
        ([{"instance_uid": "1.3", "any": "1"}], r"row 2: 2 slices of that name.*frame"),
        ([{"file": "x.dcm", "any": "0", "mass": "1"}], r"row 2: any_finding 0 beside mass 1"),
        ([{"file": "x.dcm", "sdh": "0", "subdural": "1"}], r"row 1: two columns for subdural_hemorrhage"),
        ([{"file": "x.dcm", "note": ""}], r"row 1: no column of a finding; expected instance_uid or file"),
        ([{"mass": "1"}], r"row 1: no column instance_uid or file"),
        ([{"1.1": "1.2", "Doe": "Roe"}], r"row 1: no column instance_uid or file; expected"),
        ([], r"l\.csv: no row below the header"),
    ],
)
def test_what_is_wrong_names_the_row(rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        read(*rows)
