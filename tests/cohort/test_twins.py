from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.cohort.heads import study

from plainscan.cohort import fingerprint as fp
from plainscan.cohort import twins

SCHEMA = {
    "study": pl.Int64,
    "patient_id": pl.String,
    "patient_sex": pl.String,
    "person": pl.Int32,
    "accession": pl.Int32,
    "frame_of_reference_uid": pl.String,
}


def headers(*rows: tuple[str, str | None, int | None, int | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame([(i, *row) for i, row in enumerate(rows)], schema=SCHEMA, orient="row")


def test_two_identifiers_of_one_name_and_birth_date_are_a_pair_once() -> None:
    pairs, _ = twins.header_pairs(
        headers(("A", "M", 1, None, None), ("A", "M", 1, None, None), ("B", None, 1, None, None), ("C", "M", 2, 7, "f"))
    )
    assert pairs == [twins.Pair("same_person", 1.0, 0, 0, 2)]


def test_one_patient_is_no_pair_and_other_sex_is_another_person() -> None:
    pairs, _ = twins.header_pairs(headers(("A", "M", 1, 5, "f"), ("A", "M", 1, 5, "f"), ("B", "F", 1, None, None)))
    assert pairs == []


def test_accession_and_frame_of_reference_make_pairs_of_their_own() -> None:
    pairs, _ = twins.header_pairs(headers(("A", "M", None, 5, "f"), ("B", "M", None, 5, "f")))
    assert {pair.kind for pair in pairs} == {"same_accession", "same_frame"}


def test_a_value_that_many_patients_share_stands_for_unknown_and_is_counted() -> None:
    many = headers(*((f"P{i}", None, 1, None, None) for i in range(twins.MOST_PATIENTS + 1)))
    pairs, passed = twins.header_pairs(many)
    assert pairs == []
    assert passed == dict.fromkeys(twins.HEADERS, 0) | {"same_person": 1}


def of_identifiers(*rows: tuple[str, str | None, int | None], drop_zeros: bool = False) -> list[twins.Pair]:
    """Pairs of studies of which only identifier, sex and person are known."""
    return twins.header_pairs(headers(*((*row, None, None) for row in rows)), drop_zeros)[0]


@pytest.mark.parametrize("other", ["mr-12a", " MR-12A ", "MR -12 A", "ＭＲ－１２Ａ", "MR-12A\0", "M\u200bR-12a"])
def test_identifiers_that_differ_in_case_blanks_or_width_are_one_patients(other: str) -> None:
    pairs = of_identifiers(("MR-12A", "M", 1), (other, None, 2), ("MR-12B", "M", 3))
    assert pairs == [twins.Pair("same_identifier", 1.0, 0, 0, 1)]


def test_one_identifier_in_two_ways_is_no_pair_where_the_sexes_differ() -> None:
    assert of_identifiers(("ab1", "M", None), ("AB1", "F", None)) == []


@pytest.mark.parametrize(("one", "other"), [("", " "), ("0", "00"), ("-", " - "), ("a07", "a7"), ("7", "70")])
def test_identifiers_that_say_nothing_or_something_else_are_no_pair(one: str, other: str) -> None:
    assert of_identifiers((one, None, None), (other, None, None)) == []


def test_leading_zeros_alone_are_a_weak_hint_unless_a_person_knows_better() -> None:
    rows = (("0017", "F", None), ("17", "F", 4), (" 017", None, None))
    assert {pair[:2] for pair in of_identifiers(*rows)} == {("same_digits", 0.5)}
    assert len(of_identifiers(*rows)) == 3
    assert {pair[:2] for pair in of_identifiers(*rows, drop_zeros=True)} == {("same_identifier", 1.0)}


def test_a_weak_hint_is_found_among_many_identifiers_that_are_no_digits() -> None:
    others = [(f"P-{number}", "F", None) for number in range(1000)]
    found = of_identifiers(*others, ("770", "F", None), ("0000770", "F", None))
    assert found == [twins.Pair("same_digits", 0.5, 0, 1000, 1001)]


@pytest.mark.parametrize("other", [("17", "M", 4), ("17", "F", 5), ("0017 ", "F", 4)])
def test_a_weak_hint_gives_way_to_another_sex_another_name_and_better_evidence(
    other: tuple[str, str, int],
) -> None:
    found = of_identifiers(("0017", "F", 4), other)
    assert [pair for pair in found if pair.kind == "same_digits"] == []


def test_what_any_study_of_a_patient_says_counts_not_the_first_alone() -> None:
    assert of_identifiers(("ab", None, None), ("ab", "M", None), ("AB", "F", None)) == []


MIRRORS = {
    "left and right": lambda hu: hu[:, :, ::-1],
    "top and bottom": lambda hu: hu[:, ::-1],
    "half a turn": lambda hu: hu[:, ::-1, ::-1],
    "rows and columns": lambda hu: hu.transpose(0, 2, 1),
    "a quarter turn": lambda hu: np.rot90(hu, 1, (1, 2)),
    "a quarter turn back": lambda hu: np.rot90(hu, -1, (1, 2)),
    "rows and columns, upside down": lambda hu: np.rot90(hu, 2, (1, 2)).transpose(0, 2, 1),
}


def planted(change: str, thickness_mm: float = 5.0) -> list[twins.Pair]:
    """Forty people; number 40 is number 3 again, changed."""
    hu = [study(seed) for seed in range(40)]
    again = hu[3]
    if change in MIRRORS:
        again = MIRRORS[change](again)
    elif change == "thick":
        again = ((again[:-1:2].astype(float) + again[1::2]) / 2).astype(np.int16)
    elif change == "window":
        again = np.clip(again, -20, 100) // 2 * 2
    hu.append(np.ascontiguousarray(again))
    cells = [fp.grid(one) for one in hu]
    whitening = fp.Whitening.fit(np.concatenate(cells))
    prints = fp.Prints(
        np.repeat(np.arange(41), [len(one) for one in hu]),
        np.concatenate([whitening.of(one) for one in cells]),
        tuple(map(whitening.of, fp.mirrors(np.concatenate(cells)))),
    )
    studies = pl.DataFrame({"slice_thickness_mm": [5.0] * 40 + [thickness_mm], "convolution_kernel": [None] * 41})
    return twins.image_pairs(prints, studies.cast({"convolution_kernel": pl.String}))


@pytest.mark.parametrize(
    ("change", "thickness_mm", "kind"),
    [
        ("none", 5.0, "same_images"),
        ("window", 5.0, "same_images"),
        ("thick", 10.0, "twin"),
        *((change, 5.0, "mirrored") for change in MIRRORS),
    ],
)
def test_a_study_again_is_found_whatever_was_done_to_it_and_nobody_else(
    change: str, thickness_mm: float, kind: str
) -> None:
    (pair,) = planted(change, thickness_mm)
    assert (pair.kind, pair.study, pair.other) == (kind, 3, 40)
    assert pair.slices >= twins.LEAST_SLICES
    assert pair.strength > twins.NEAR


def test_equal_slices_are_counted_and_a_slice_in_every_study_is_none() -> None:
    same, everywhere = b"a" * 16, b"b" * 16
    digests = [(same, 1), (same, 4), *((everywhere, i) for i in range(9))]
    assert twins.equal_pairs(digests) == [twins.Pair("same_pixels", 1.0, 1, 1, 4)]


def test_two_studies_are_alike_when_each_is_the_others_nearest() -> None:
    features = np.random.default_rng(0).normal(size=(50, 120)).astype(np.float32)
    features[49] = features[7] + 0.1
    (pair,) = twins.alike_pairs(features, np.arange(100, 150), 0.8)
    assert (pair.kind, pair.study, pair.other) == ("alike", 107, 149)
    assert twins.alike_pairs(features[:49], np.arange(49), 0.8) == []
    assert twins.alike_pairs(features[:, : twins.ALIKE_PARTS - 1], np.arange(50), 0.8) == [], "too few parts to tell"


def test_study_features_are_whitened_means() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 10)).astype(np.float32) * np.arange(1, 11, dtype=np.float32)
    numbers, found = twins.study_features(features, np.repeat(np.arange(100) + 5, 4))
    assert numbers.tolist() == list(range(5, 105))
    assert np.allclose(found.T @ found, np.eye(10), atol=1e-4)


def test_the_pixels_give_one_row_and_each_header_its_own() -> None:
    rows = [twins.Pair(kind, 1.0, 1, 0, 1) for kind in ("alike", "same_images", "same_pixels", "same_person")]
    assert [pair.kind for pair in twins.strongest(rows)] == ["same_person", "same_pixels"]
