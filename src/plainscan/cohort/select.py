"""From the catalogue to the cohort: one axial plain soft-tissue head series a study, each exclusion with its reason.

1. Every image is judged alone (``series.image_reason``).
2. What is left of a series is taken apart into volumes (``volumes``) and each is judged (``series.volume_reason``).
3. Of the volumes left in a study one is chosen (``preference``).

No pixels are opened. Whose images they are is never guessed: a study that names two patients is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import polars as pl

from plainscan.cohort import rules
from plainscan.cohort.series import CODES, SERIES_FLAGS, Reason, Row, image_reason, volume_reason
from plainscan.cohort.volumes import Volume, volumes
from plainscan.config import SelectSettings
from plainscan.counted import counted, tally
from plainscan.ct.geometry import PIXEL_MM, THICKNESS_MM
from plainscan.tables import CATALOGUE, COHORT, EXCLUSIONS, empty

Key = tuple[str, str, str, int]
Reasons = dict[int, Reason]  # by the row's number in the study

# A header's window is never used (it may be missing, multi-valued or of width 0): only a picture has one.
CARRIED: Final = tuple(name for name in COHORT.columns if name in CATALOGUE.columns and not name.startswith("window_"))
USUAL_MM: Final = (3.0, 10.0)
COVERED: Final = 0.7  # of the longest volume in the study
# Reasons for which slices are missing from a series that is kept.
LOSSES: Final = (
    *("missing_rescale", "bad_rescale", "truncated_pixels", "no_geometry", "inconsistent_geometry"),
    "unnamed_patient",
)

# Rejects that may have been slices: what is not DICOM, or no image, was none.
DAMAGED: Final = (
    *("empty_file", "truncated_header", "no_uid", "bad_uid", "too_many_frames", "unreadable"),
    *("bad_zip", "zip_bomb", "zip_encrypted"),
)

FLAGS: Final = {
    **SERIES_FLAGS,
    "incomplete": "slices of this series were left out, or a file beside them could not be read",
    "no_patient_id": "the patient identifier is missing; the study UID stands in",
    "reformatted": "an axial reformat, not the original slices",
    "implausible_spacing": (
        f"pixel spacing not from {PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm, or slice thickness not from "
        f"{THICKNESS_MM[0]:g} to {THICKNESS_MM[1]:g} mm: taken as missing"
    ),
}


class Candidate(NamedTuple):
    """A volume that could be the one."""

    volume: Volume
    flags: tuple[str, ...]


def select(
    catalogue: pl.DataFrame, settings: SelectSettings, rejects: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Choose one series a study.

    Args:
        catalogue: The table ``catalogue``.
        settings: The section ``select``.
        rejects: The table ``rejects``, where it is known.

    Returns:
        Rows for the tables ``cohort`` and ``exclusions``.
    """
    damaged = set() if rejects is None else _beside_damage(catalogue, rejects)
    chosen, excluded = [empty(COHORT)], [empty(EXCLUSIONS)]
    for (uid,), study in (
        without_nonsense(catalogue).sort("study_uid", "path", "frame").group_by("study_uid", maintain_order=True)
    ):
        rows = study.to_dicts()
        slices, reasons = select_study(rows, settings)
        if uid in damaged:
            slices = [{**row, "flags": list(dict.fromkeys((*row["flags"], "incomplete")))} for row in slices]
        chosen.append(pl.DataFrame(slices, schema=COHORT.columns))
        excluded.append(pl.DataFrame(_exclusions(rows, reasons, nothing_left=not slices), schema=EXCLUSIONS.columns))
    return pl.concat(chosen), pl.concat(excluded)


def _beside_damage(catalogue: pl.DataFrame, rejects: pl.DataFrame) -> set[object]:
    """Studies that have a folder to themselves in which a file could not be read: it may have been a slice."""
    folders = {_folder(path) for path in rejects.filter(pl.col("code").is_in(DAMAGED))["path"]}
    owners: dict[str, set[object]] = {}
    for path, study in catalogue.select("path", "study_uid").iter_rows() if folders else ():
        if (folder := _folder(path)) in folders:
            owners.setdefault(folder, set()).add(study)
    return {study for studies in owners.values() if len(studies) == 1 for study in studies}


def _folder(path: str) -> str:
    """Of a file; of a member its ZIP and its folder in there."""
    archive, inside, member = path.partition("::")
    return archive + inside + member.rpartition("/")[0] if inside else path.rpartition("/")[0]


def without_nonsense(catalogue: pl.DataFrame) -> pl.DataFrame:
    """Impossible spacings and thicknesses made null, with a column ``implausible`` that says so."""
    ranges = {
        "pixel_spacing_row_mm": PIXEL_MM,
        "pixel_spacing_column_mm": PIXEL_MM,
        "slice_thickness_mm": THICKNESS_MM,
    }
    holds = {name: pl.col(name).is_between(*between) for name, between in ranges.items()}
    cleaned = (pl.when(held).then(pl.col(name)).alias(name) for name, held in holds.items())
    odd = pl.any_horizontal(~held for held in holds.values()).fill_null(value=False)
    return catalogue.with_columns(*cleaned, odd.alias("implausible"))


def select_study(rows: list[dict[str, Any]], settings: SelectSettings) -> tuple[list[dict[str, Any]], Reasons]:
    """One study: its cohort rows, lowest slice first, and for every other row why it was left out.

    Args:
        rows: Of the catalogue after ``without_nonsense``.
        settings: The section ``select``.
    """
    numbers = {id(row): number for number, row in enumerate(rows)}
    reasons: Reasons = _judge_images(rows)
    left: dict[str, list[Row]] = {}
    for number, row in enumerate(rows):
        if number not in reasons:
            left.setdefault(row["series_uid"], []).append(row)

    def leave_out(some: Iterable[Row], reason: Reason) -> None:
        reasons.update((numbers[id(row)], reason) for row in some)

    candidates: list[Candidate] = []
    for volume in (volume for series in left.values() for volume in volumes(series)):
        leave_out(volume.odd, Reason("inconsistent_geometry", "another matrix or pixel spacing"))
        leave_out(volume.repeated, Reason("duplicate_position", "another slice lies at the same place"))
        reason, flags = volume_reason(volume.rows, volume.stack, settings.minimum_slices)
        if reason:
            leave_out((*volume.rows, *volume.odd, *volume.repeated), reason)
        else:
            candidates.append(Candidate(volume, flags))
    if not candidates:
        return [], reasons
    longest = max(candidate.volume.stack.extent_mm for candidate in candidates)
    best = min(candidates, key=lambda candidate: preference(candidate.volume, longest))
    for candidate in candidates:
        if candidate is not best:
            leave_out(candidate.volume.rows, _second_choice(candidate.volume, best.volume))
    return _cohort_rows(best, rows, reasons), reasons


def _judge_images(rows: list[dict[str, Any]]) -> Reasons:
    reasons: Reasons = {}
    seen: set[Key] = set()
    patients = _patients(rows)
    for number, row in enumerate(rows):
        key = (row["study_uid"], row["series_uid"], row["instance_uid"], row["frame"])
        reason = image_reason(row) or _whose(row, patients)
        if reason is None and key in seen:
            reason = Reason("duplicate_instance", "the same SOP Instance UID again")
        if reason:
            reasons[number] = reason
        else:
            seen.add(key)
    return reasons


def _patients(rows: list[dict[str, Any]]) -> set[str]:
    return {_patient(row) for row in rows} - {""}


def _patient(row: Row) -> str:
    return (row["patient_id"] or "").strip()


def _whose(row: Row, patients: set[str]) -> Reason | None:
    """Why it is not known whose image this is; a study without any identifier is one unnamed patient's."""
    if len(patients) > 1:
        return Reason("several_patients", f"{len(patients)} patient identifiers under one study UID")
    if patients and not _patient(row):
        return Reason("unnamed_patient", "(0010,0020) Patient ID is missing here only")
    return None


def preference(volume: Volume, longest_mm: float) -> tuple[Any, ...]:
    """What is preferred, first things first; the smallest is the best.

    Most of the head covered; original slices; a kernel known to be soft; slices 3 to 10 mm thick; more of the
    head; more slices; the lower series number.
    """
    row = volume.rows[0]
    thickness = row["slice_thickness_mm"] or 0.0
    return (
        volume.stack.extent_mm < COVERED * longest_mm,
        is_reformatted(row),
        rules.kernel_class(row["convolution_kernel"]) != "soft",
        not USUAL_MM[0] <= thickness <= USUAL_MM[1],
        -round(volume.stack.extent_mm / 20),
        -len(volume.rows),
        row["series_number"] or 0,
        row["series_uid"],
        row["acquisition_number"] or 0,
    )


def is_reformatted(row: Row) -> bool:
    """Whether axial slices were computed from others."""
    kind = (row["image_type"] or "").upper()
    words = rules.plain(row["series_description"])
    return any(word in kind for word in ("MPR", "REFORMAT")) or bool(rules.REFORMATTED.found(words))


def _second_choice(volume: Volume, best: Volume) -> Reason:
    row, other = volume.rows[0], best.rows[0]
    if row["series_uid"] == other["series_uid"]:
        return Reason(
            "other_volume", f"{counted(len(volume.rows), 'slices')} of the same series, {len(best.rows)} chosen"
        )
    thin, thick = row["slice_thickness_mm"] or 0.0, other["slice_thickness_mm"] or 0.0
    overlap = min(volume.stack.positions_mm[-1], best.stack.positions_mm[-1]) - max(
        volume.stack.positions_mm[0], best.stack.positions_mm[0]
    )
    if (
        0 < thin < thick
        and overlap > volume.stack.extent_mm / 2
        and abs(volume.stack.tilt_deg - best.stack.tilt_deg) < 1
    ):
        return Reason("thin_twin", f"{thin:g} mm beside {thick:g} mm")
    return Reason("other_series_preferred", f"series {other['series_number']} was chosen")


def _cohort_rows(best: Candidate, rows: list[dict[str, Any]], reasons: Reasons) -> list[dict[str, Any]]:
    volume, place = best.volume, best.volume.stack
    series = volume.rows[0]["series_uid"]
    lost = any(reason.code in LOSSES for number, reason in reasons.items() if rows[number]["series_uid"] == series)
    patients = _patients(rows)
    remarks = {
        "no_patient_id": not patients,
        "duplicate_position": bool(volume.repeated),
        "incomplete": lost,
        "reformatted": is_reformatted(volume.rows[0]),
        "implausible_spacing": any(row["implausible"] for row in volume.rows),
    }
    flags = [*place.flags, *best.flags, *(name for name, holds in remarks.items() if holds)]
    lowest, extent = place.positions_mm[0], place.extent_mm
    return [
        {
            **{name: row[name] for name in CARRIED},
            "patient_id": min(patients, default=str(volume.rows[0]["study_uid"])),
            "slice_index": index,
            "slice_count": len(volume.rows),
            "slice_position_mm": round(position, 3),
            "slice_height": (position - lowest) / extent if extent else 0.5,
            "tilt_deg": round(place.tilt_deg, 2),
            "flags": flags,
        }
        for index, (row, position) in enumerate(zip(volume.rows, place.positions_mm, strict=True))
    ]


def _exclusions(rows: list[dict[str, Any]], reasons: Reasons, *, nothing_left: bool) -> list[dict[str, Any]]:
    """One row for a series that was left out whole for one reason, else one for each image; one for a lost study."""
    found: list[dict[str, Any]] = []
    if nothing_left:
        codes = [reason.code for reason in reasons.values()]
        detail = tally(codes)
        code = "several_patients" if "several_patients" in codes else "no_suitable_series"
        found.append({**_named(rows[0], 1), "level": "study", "code": code, "detail": detail})
        found[-1]["slices"] = len(rows)
    series: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        series.setdefault(row["series_uid"], []).append(number)
    for numbers in series.values():
        why = [reasons.get(number) for number in numbers]
        first = why[0]
        if first is not None and {reason.code if reason else None for reason in why} == {first.code}:
            line = {**_named(rows[numbers[0]], 2), "level": "series", "slices": len(numbers)}
            found.append({**line, "code": first.code, "detail": first.detail})
            continue
        for number, reason in zip(numbers, why, strict=True):
            if reason:
                line = {**_named(rows[number], 4), "level": "instance", "slices": 1}
                found.append({**line, "code": reason.code, "detail": reason.detail or CODES[reason.code]})
    return found


def _named(row: Row, depth: int) -> dict[str, Any]:
    names = ("study_uid", "series_uid", "instance_uid", "frame")
    return {name: row[name] for name in names[:depth]}
