"""What a source holds: studies to score, slice by slice, and everything else with the reason why not.

A DICOM source is scanned and selected exactly as the stages `scan` and `select` do it, but with no lower
limit on the number of slices: a single file is scored too. A picture stands alone, since neither its study
nor its neighbors are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from plainscan import tables
from plainscan.cohort.select import select
from plainscan.config import SelectSettings
from plainscan.ct.prepare import HU, planes_around
from plainscan.ct.window import Window
from plainscan.dicom.files import is_empty, unlisted
from plainscan.dicom.names import text_of
from plainscan.dicom.read import Place, Reader
from plainscan.dicom.scan import Scanned, gather, scan
from plainscan.errors import DicomError, SourceError, UserError
from plainscan.inference.gate import NO_LOSS, REMEDY, SAMPLES, SeriesGate, Verdict, judge
from plainscan.pictures import is_picture, list_files, list_pictures, read_picture
from plainscan.setting_types import WindowPair

Row = dict[str, object]
Copies = dict[tuple[object, ...], list[Place]]
CONFLICT: Final = "conflicting_copies"  # two files claim to be one slice and differ
Watch = Callable[[Iterable[Scanned]], Iterable[Scanned]]
LEAST_KEPT: Final = 4 * SAMPLES  # slices of a series: those that the gatekeeper looks at first are then read once
WINDOW_REMEDY: Final = (
    "State the window that was burnt in, such as --window 40 80 (in Python window=(40, 80)), and run again."
)


@dataclass(frozen=True)
class Slice:
    """One slice to score.

    Args:
        row: Its columns of the predictions: patient, study, series, instance, file, index, position.
        read: Reads its pixels: (rows, columns), HU, and coded remarks; raises a ``UserError`` with a code.
        pixel_mm: Side of a pixel; None when unknown.
    """

    row: Row
    read: Callable[[Reader], tuple[HU, tuple[str, ...]]]
    pixel_mm: float | None = None


@dataclass(frozen=True)
class Study:
    """One study's chosen series, lowest slice first.

    Args:
        slices: At least one.
        tilt_deg: Computed from the orientation; None when unknown.
        flags: Coded remarks of the selection.
        picture: A picture, which stands alone: nothing is said of its study.
    """

    slices: list[Slice]
    tilt_deg: float | None = None
    flags: tuple[str, ...] = ()
    picture: bool = False

    @property
    def spacings_mm(self) -> list[float]:
        """Between neighbours, in order; empty when positions are unknown."""
        positions = [s.row["slice_position_mm"] for s in self.slices]
        known = [float(p) for p in positions if isinstance(p, float)]
        return np.diff(known).tolist() if len(known) == len(positions) else []


@dataclass(frozen=True)
class Source:
    """A source's studies and the rows of everything in it that is not scored."""

    studies: list[Study]
    left_out: list[Row] = field(default_factory=list)
    pictures: bool = False


def collect(source: Path, window: WindowPair | None = None, watch: Watch = iter) -> Source:
    """Find out what is in a source.

    Args:
        source: DICOM folder, ZIP or file; with ``window``, a folder of pictures or one picture.
        window: Centre and width burnt into the pictures, HU. Given, pictures are scored; not given, DICOM.
        watch: Passes the DICOM files through as they are looked at, to show how far it is.

    Raises:
        SourceError: There is no such source, it is empty, or it holds pictures and no window is given.
    """
    if not source.exists():
        raise _nothing("no such file or folder", source)
    if source.is_dir() and is_empty(source):
        raise _nothing("an empty folder", source)
    return _pictures(source, Window(*window)) if window else _dicom(source, watch)


def _nothing(found: str, source: Path) -> SourceError:
    return SourceError(found, where=str(source), expected="DICOM files or pictures", remedy="Check the path.")


def _pictures(source: Path, window: Window) -> Source:
    paths = list_pictures(source)
    passed_over = unlisted(source) if source.is_dir() else []
    if not paths and not passed_over:
        raise SourceError(
            "no PNG or JPEG in it",
            where=str(source),
            expected="pictures, because --window is given",
            remedy="Leave --window out to score DICOM; unpack a ZIP of pictures first.",
        )
    folder = source if source.is_dir() else source.parent
    studies = [Study([_picture(path, folder, window)], picture=True) for path in paths]
    others = [path for path in list_files(folder) if not is_picture(path)] if source.is_dir() else []
    left_out = [row_of(file=_relative(path, folder), not_scored="not_a_picture") for path in others]
    left_out += [row_of(file=_relative(path, folder), not_scored=why) for path, why in passed_over]
    return Source(studies, left_out, pictures=True)


def _picture(path: Path, folder: Path, window: Window) -> Slice:
    return Slice(row_of(file=_relative(path, folder)), lambda _: (read_picture(path, window), ()))


def _dicom(source: Path, watch: Watch) -> Source:
    catalogue, rejects = gather(watch(scan(source)))
    if catalogue.is_empty() and list_pictures(source):
        raise SourceError(
            "pictures, whose Hounsfield units are unknown without their window",
            where=str(source),
            expected="DICOM, or pictures with --window CENTER WIDTH",
            remedy=WINDOW_REMEDY,
        )
    cohort, exclusions = select(catalogue, SelectSettings(minimum_slices=1), rejects)
    left = catalogue.join(cohort, on=list(tables.CATALOGUE.key), how="anti")  # a file may be there twice
    copies = _copies(left, cohort)
    studies = [study_of(group, copies) for _, group in cohort.group_by("study_uid", maintain_order=True)]
    return Source(studies, [*_excluded(left, exclusions), *map(_rejected, rejects.iter_rows(named=True))])


def _copies(left: pl.DataFrame, cohort: pl.DataFrame) -> Copies:
    """Files that were not chosen and have the instance of a chosen slice, by its key."""
    key = list(tables.SLICE_KEY)
    found: Copies = {}
    for row in left.join(cohort, on=key, how="semi").iter_rows(named=True):
        place = Place(row["source"], row["path"], row["frame"], row["instance_uid"])
        found.setdefault(tuple(row[name] for name in key), []).append(place)
    return found


def study_of(group: pl.DataFrame, copies: Copies | None = None) -> Study:
    """One study's rows of the cohort, DICOM or pictures, ready to be scored; see ``_copies``."""
    rows = group.sort("slice_index").to_dicts()
    flags = dict.fromkeys(flag for row in rows for flag in row["flags"] or ())
    others = [(copies or {}).get(tuple(row[name] for name in tables.SLICE_KEY), []) for row in rows]
    slices = [_cohort_slice(row, more) for row, more in zip(rows, others, strict=True)]
    return Study(slices, rows[0]["tilt_deg"], tuple(flags))


def _cohort_slice(row: Row, copies: Sequence[Place] = ()) -> Slice:
    def read(reader: Reader) -> tuple[HU, tuple[str, ...]]:
        if row["kind"] == "picture":
            window = Window(float(str(row["window_center_hu"])), float(str(row["window_width_hu"])))
            return read_picture(Path(str(row["source"])) / str(row["path"]), window), ()
        source, path, instance = (str(row[name]) for name in ("source", "path", "instance_uid"))
        pixels = reader.read(Place(source, path, int(str(row["frame"])), instance))
        unlike = any(_differs(reader, copy, pixels.hu) for copy in copies)
        return pixels.hu, (*pixels.flags, *([CONFLICT] if unlike else ()))

    named = _named(row, slice_index=row["slice_index"], slice_position_mm=row["slice_position_mm"])
    spacing = row["pixel_spacing_column_mm"]
    return Slice(named, read, float(spacing) if isinstance(spacing, float) else None)


def _differs(reader: Reader, copy: Place, hu: HU) -> bool:
    """Whether a file with the same instance shows something else; one that cannot be read shows nothing."""
    try:
        return not np.array_equal(reader.read(copy).hu, hu)
    except DicomError:
        return False


def _excluded(left: pl.DataFrame, exclusions: pl.DataFrame) -> list[Row]:
    """The rows of the catalogue that were not chosen, with the code of the narrowest exclusion that names them."""
    reasons: dict[tuple[object, ...], str] = {}
    for row in exclusions.iter_rows(named=True):
        keys = {"study": 1, "series": 2, "instance": 4}
        key = tuple(row[name] for name in tables.SLICE_KEY[: keys[row["level"]]])
        reasons.setdefault(key, row["code"])
    result = []
    for row in left.sort("path", "frame").iter_rows(named=True):
        key = tuple(row[name] for name in tables.SLICE_KEY)
        codes = (reasons.get(key[:length]) for length in (4, 2, 1))
        result.append(_named(row, not_scored=next((code for code in codes if code), "not_selected")))
    return result


def _rejected(row: Row) -> Row:
    return row_of(file=row["path"], not_scored=row["code"])


def _named(row: Row, **more: object) -> Row:
    return row_of(
        patient=row["patient_id"],
        study=row["study_uid"],
        series=row["series_uid"],
        instance=row["instance_uid"],
        file=row["path"],
        **more,
    )


def row_of(**values: object) -> Row:
    """The columns of ``predictions.csv`` that say where something comes from; None where not given."""
    names = ("patient", "study", "series", "instance", "file", "slice_index", "slice_position_mm", "not_scored")
    return {name: values.get(name) for name in names}


def _relative(path: Path, folder: Path) -> str:
    return text_of(path.relative_to(folder).as_posix())


class Planes(NamedTuple):
    """A slice between its neighbors, lowest first; no planes when it cannot be read or is refused, and why."""

    hu: list[HU]
    flags: tuple[str, ...] = ()
    not_scored: str | None = None
    remedy: str = ""


def planes(study: Study, neighbors: int, reader: Reader) -> Callable[[int], Planes]:
    """Reader of a study's slice i with its neighbors (see ``ct.prepare.planes_around``), past the gatekeeper."""

    @lru_cache(maxsize=max(2 * neighbors + 1, LEAST_KEPT))
    def read(i: int) -> Planes:
        try:
            hu, flags = study.slices[i].read(reader)
        except UserError as error:
            return Planes([], (), error.code, error.remedy)
        return Planes([hu], flags)

    def verdict(i: int) -> Verdict | None:
        found = read(i)
        return judge(found.hu[0], study.slices[i].pixel_mm) if found.hu else None

    gate = SeriesGate(len(study.slices), verdict)

    def around(i: int) -> Planes:
        middle = read(i)
        if middle.not_scored:
            return middle
        if refused := gate.code(i):
            return Planes([], middle.flags, refused, "" if refused in NO_LOSS else REMEDY)
        low, high = max(0, i - neighbors), min(len(study.slices), i + neighbors + 1)
        series = [plane.hu[0] if plane.hu else None for plane in map(read, range(low, high))]
        cut = gate.cut(i)
        flags = middle.flags if cut is None else (*middle.flags, cut)
        return middle._replace(hu=planes_around(series, i - low, neighbors), flags=flags)

    return around
