"""Pairs of studies that may be one person, one acquisition or one picture twice.

Headers, pixels and features each bring their evidence; a pair of studies gets one row per kind of header evidence and
one row for what the pixels say. Thresholds were chosen on planted leaks: docs/experiments.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.cohort.fingerprint import SMALLEST_VARIANCE, Floats, Prints, unit
from plainscan.cohort.identity import plain, without_zeros
from plainscan.cohort.neighbors import matched, near_pairs

KINDS: Final = {
    "same_person": "one name and birth date under two patient identifiers",
    "same_identifier": "one patient identifier, written in two ways",
    "same_accession": "one accession number under two patient identifiers",
    "same_frame": "one frame of reference: two reconstructions of one acquisition",
    "same_pixels": "slices that are equal to the last bit",
    "twin": "the same slices in another thickness or kernel",
    "same_images": "nearly equal slices: a second UID, another window, JPEG, a crop",
    "mirrored": "nearly equal slices, once mirrored or turned by quarters",
    "alike": "heads that look like one person's to the network",
    "same_digits": "patient identifiers that differ in leading zeros alone",
}
HEADERS: Final = {
    "same_person": "person",
    "same_identifier": "identifier",
    "same_accession": "accession",
    "same_frame": "frame_of_reference_uid",
    "same_digits": "digits",
}
WEAK: Final = {"same_digits": 0.5}  # kinds that are a hint and stop nothing, with their strength
SEXES: Final = {"same_person", "same_identifier", "same_digits"}  # kinds that another sex speaks against
MOST_PATIENTS: Final = 4  # that share a value: more, and it stands for "unknown"
NEAR: Final = 0.8  # cosine of two fingerprints
LEAST_SLICES: Final = 3  # near ones, or all where a study has fewer
NEAR_ALONE: Final = 0.95  # cosine where fewer than that are to be had
THICKNESS_MM: Final = 0.5  # a smaller difference is rounding
ALIKE: Final = 0.65  # cosine of two studies' features, whitened to so many parts
ALIKE_PARTS: Final = 100  # with fewer, as of few studies, the nearest is near by chance: none are called alike
STUDIES_PER_PART: Final = 3
BLOCK: Final = 1024  # studies held against all others at a time


class Pair(NamedTuple):
    """Two studies, by their numbers, the smaller first; what links them, how strongly, over how many slices."""

    kind: str
    strength: float
    slices: int
    study: int
    other: int


def header_pairs(studies: pl.DataFrame, drop_zeros: bool = False) -> tuple[list[Pair], dict[str, int]]:
    """What headers say.

    Args:
        studies: One row per study: ``study`` (its number), ``patient_id``, ``patient_sex``, ``person``, ``accession``,
            ``frame_of_reference_uid``.
        drop_zeros: Identifiers of digits that differ in leading zeros alone are one, not a hint.

    Returns:
        Pairs of studies of different patients, one for each two patients and kind; and for each kind how many values
        were passed over because too many patients share them.
    """
    pairs, passed = [], dict.fromkeys(HEADERS, 0)
    ordered = _with_identifiers(studies, drop_zeros).sort("study")
    known = _known_of(ordered)
    for kind, column in HEADERS.items():
        told = ordered.filter(pl.col(column).is_not_null())
        firsts = told.group_by(column, "patient_id", maintain_order=True).agg(pl.col("study").first())
        shared = firsts.group_by(column, maintain_order=True).agg("study", "patient_id")
        passed[kind] = shared.filter(pl.col("study").list.len() > MOST_PATIENTS).height
        few = shared.filter(pl.col("study").list.len().is_between(2, MOST_PATIENTS))
        for _, numbers, patients in few.iter_rows():
            for (a, one), (b, other) in combinations(zip(numbers, patients, strict=True), 2):
                if not _contradicted(kind, known[one], known[other]):
                    pairs.append(Pair(kind, WEAK.get(kind, 1.0), 0, a, b))
    return pairs, passed


def _with_identifiers(studies: pl.DataFrame, drop_zeros: bool) -> pl.DataFrame:
    """With ``identifier``, the plain one, and ``digits``, where leading zeros are a question of their own."""
    patients = [patient for patient in studies["patient_id"].unique() if patient is not None]
    one = {patient: plain(patient) for patient in patients}
    digits = {patient: None if text is None else without_zeros(text) for patient, text in one.items()}
    if drop_zeros:
        one, digits = {patient: digits[patient] or text for patient, text in one.items()}, dict.fromkeys(patients)
    rows = [(patient, one[patient], digits[patient]) for patient in patients]
    names = {"patient_id": pl.String, "identifier": pl.String, "digits": pl.String}  # typed: most have no digits
    return studies.join(pl.DataFrame(rows, names, orient="row"), on="patient_id", how="left")


class _Known(NamedTuple):
    """What all studies of a patient say."""

    identifier: str | None
    sexes: frozenset[str]
    persons: frozenset[int]


def _known_of(studies: pl.DataFrame) -> dict[str, _Known]:
    said = studies.group_by("patient_id").agg(
        pl.col("identifier").first(),
        pl.col("patient_sex").filter(pl.col("patient_sex").is_in(["M", "F"])).unique(),
        pl.col("person").drop_nulls().unique(),
    )
    return {name: _Known(one, frozenset(sexes), frozenset(persons)) for name, one, sexes, persons in said.iter_rows()}


def _contradicted(kind: str, one: _Known, other: _Known) -> bool:
    """Whether headers say that these are two people; a hint gives way to two names as well, or to better evidence."""
    sexes = kind in SEXES and _apart(one.sexes, other.sexes)
    return sexes or (kind in WEAK and (one.identifier == other.identifier or _apart(one.persons, other.persons)))


def _apart(some: frozenset[Any], others: frozenset[Any]) -> bool:
    return bool(some and others and not some & others)


def digest(hu: NDArray[np.int16]) -> bytes:
    """Of one plane's values: equal for slices that are equal to the last bit."""
    return hashlib.blake2b(np.ascontiguousarray(hu, "<i2").tobytes(), digest_size=16).digest()


def equal_pairs(digests: Iterable[tuple[bytes, int]]) -> list[Pair]:
    """Pairs of studies with equal slices.

    Args:
        digests: Of each slice that shows something, with its study's number.
    """
    owners: dict[bytes, set[int]] = {}
    for value, study in digests:
        owners.setdefault(value, set()).add(study)
    counts: dict[tuple[int, int], int] = {}
    for studies in owners.values():
        if 1 < len(studies) <= MOST_PATIENTS:
            for pair in combinations(sorted(studies), 2):
                counts[pair] = counts.get(pair, 0) + 1
    return [Pair("same_pixels", 1.0, count, *pair) for pair, count in counts.items()]


def image_pairs(prints: Prints, studies: pl.DataFrame) -> list[Pair]:
    """Pairs of studies with near-equal slices, however they lie.

    Args:
        prints: Of the informative slices, sorted by study.
        studies: One row per study, by number: ``slice_thickness_mm``, ``convolution_kernel``.
    """
    rows = _rows_of(prints.study)
    rebuilt = studies.select("slice_thickness_mm", "convolution_kernel").rows()
    found: dict[tuple[int, int], Pair] = {}
    for kind, queries in (*(("mirrored", turned) for turned in prints.mirrored), ("same_images", prints.prints)):
        for a, b in near_pairs(queries, prints.prints, prints.study, NEAR):
            one, other = queries[rows[a]], prints.prints[rows[b]]
            wanted = min(LEAST_SLICES, len(one), len(other))
            count, strength = matched(one, other, NEAR if wanted == LEAST_SLICES else NEAR_ALONE)
            if count >= wanted:
                said = "twin" if kind == "same_images" and _is_twin(rebuilt[a], rebuilt[b]) else kind
                found[a, b] = max(
                    found.get((a, b), Pair("", 0.0, 0, a, b)), Pair(said, strength, count, a, b), key=_more
                )
    return list(found.values())


def _more(pair: Pair) -> tuple[int, float]:
    return pair.slices, pair.strength


def _rows_of(study: NDArray[np.intp]) -> dict[int, slice]:
    numbers, first, count = np.unique(study, return_index=True, return_counts=True)
    return {int(n): slice(int(f), int(f + c)) for n, f, c in zip(numbers, first, count, strict=True)}


def _is_twin(one: tuple[float | None, str | None], other: tuple[float | None, str | None]) -> bool:
    """Whether thickness or kernel say that two series were reconstructed differently."""
    thin = one[0] is not None and other[0] is not None and abs(one[0] - other[0]) > THICKNESS_MM
    return thin or (one[1] is not None and other[1] is not None and one[1] != other[1])


def study_features(features: Floats, study: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """Features of slices, (slices, channels), as those of studies: the mean, whitened over the studies.

    Returns:
        Numbers of the studies, (studies,), and (studies, parts), float32.
    """
    numbers, where = np.unique(study, return_inverse=True)
    total = np.zeros((len(numbers), features.shape[1]))
    np.add.at(total, where, features)
    mean = total / np.bincount(where)[:, None]
    spread = mean.std(axis=0)
    mean = (mean - mean.mean(axis=0)) / np.where(spread > 0, spread, 1)
    variance, vectors = np.linalg.eigh(mean.T @ mean)
    most = max(1, min(ALIKE_PARTS, len(numbers) // STUDIES_PER_PART))
    kept = np.argsort(-variance, kind="stable")[:most]
    kept = kept[variance[kept] > SMALLEST_VARIANCE]
    return numbers.astype(np.intp), (mean @ (vectors[:, kept] / np.sqrt(variance[kept]))).astype(np.float32)


def alike_pairs(features: Floats, numbers: NDArray[np.intp], least: float = ALIKE) -> list[Pair]:
    """Pairs of studies that are each other's nearest by their features, and near.

    Compared in blocks, so that memory stays bounded: 10,000 studies are two seconds.

    Args:
        features: (studies, parts), from ``study_features``.
        numbers: (studies,).
        least: Cosine from which on two are alike.
    """
    if features.shape[1] < ALIKE_PARTS:
        return []
    vectors, best, at = unit(features), np.empty(len(features)), np.empty(len(features), np.intp)
    for start in range(0, len(vectors), BLOCK):
        cosine = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(cosine))
        cosine[rows, start + rows] = -1.0
        at[start : start + BLOCK] = cosine.argmax(axis=1)
        best[start : start + BLOCK] = cosine[rows, at[start : start + BLOCK]]
    mutual = (at[at] == np.arange(len(at))) & (best >= least) & (np.arange(len(at)) < at)
    found = np.flatnonzero(mutual)
    ends = (tuple(sorted((int(numbers[i]), int(numbers[at[i]])))) for i in found)
    return [Pair("alike", float(best[i]), 0, a, b) for i, (a, b) in zip(found, ends, strict=True)]


def strongest(pairs: Iterable[Pair]) -> list[Pair]:
    """One row per two studies for what the pixels and features say; all rows of the headers. Sorted."""
    order = list(KINDS)
    kept: dict[tuple[int, int, str], Pair] = {}
    for pair in pairs:
        side = pair.kind if pair.kind in HEADERS else "pixels"
        key = (pair.study, pair.other, side)
        if key not in kept or order.index(pair.kind) < order.index(kept[key].kind):
            kept[key] = pair
    return sorted(kept.values(), key=lambda pair: (order.index(pair.kind), -pair.slices, pair.study, pair.other))


def groups(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Patients joined by pairs: each one to the first, in the order of identifiers, of those it belongs to.

    >>> groups([("b", "c"), ("a", "c"), ("x", "y")])
    {'a': 'a', 'b': 'a', 'c': 'a', 'x': 'x', 'y': 'x'}
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    for pair in pairs:
        first, last = sorted(map(root, pair))
        parent[last] = first
    return {name: root(name) for name in sorted(parent)}
