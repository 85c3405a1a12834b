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
    assert passed == {"same_person": 1, "same_accession": 0, "same_frame": 0}


def planted(change: str, thickness_mm: float = 5.0) -> list[twins.Pair]:
    """Forty people; number 40 is number 3 again, changed."""
    hu = [study(seed) for seed in range(40)]
    again = hu[3]
    if change == "mirrored":
        again = again[:, :, ::-1]
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
        np.concatenate([whitening.of(np.ascontiguousarray(one[:, :, ::-1])) for one in cells]),
    )
    studies = pl.DataFrame({"slice_thickness_mm": [5.0] * 40 + [thickness_mm], "convolution_kernel": [None] * 41})
    return twins.image_pairs(prints, studies.cast({"convolution_kernel": pl.String}))


@pytest.mark.parametrize(
    ("change", "thickness_mm", "kind"),
    [
        ("none", 5.0, "same_images"),
        ("window", 5.0, "same_images"),
        ("thick", 10.0, "twin"),
        ("mirrored", 5.0, "mirrored"),
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
