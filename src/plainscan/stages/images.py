"""images: PNG or JPEG slices with a table of labels into the tables that `scan`, `select` and `label` write.

The table (CSV or .xlsx) has one row per picture: `file`, `patient`, optionally `study` and `slice`, and finding columns
by their key or an alias (see ``findings``) with 1, 0 or nothing. Missing is missing, never 0.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plainscan import tables
from plainscan.cohort.slice_labels import shown
from plainscan.config import ImagesSettings
from plainscan.counted import counted
from plainscan.dicom.files import unlisted
from plainscan.dicom.names import text_of
from plainscan.errors import LabelError, PictureError, SourceError, printable
from plainscan.findings import ANY_FINDING, SPECIFIC_KEYS, find
from plainscan.pictures import list_pictures, natural_key, read_grey
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.stages.report_files import file_rows

VALUES: Final = {"1": 1, "1.0": 1, "0": 0, "0.0": 0, "": None}
SHOWN: Final = 5  # examples named in a message
TABLES: Final = (tables.CATALOGUE, tables.REJECTS, tables.COHORT, tables.EXCLUSIONS, tables.LABELS)


@dataclass(frozen=True)
class Row:
    """One line of the labels CSV; `number` counts from 2, as a spreadsheet shows it."""

    number: int
    file: str
    patient: str
    study: str
    place: float | None
    labels: dict[str, int | None]

    @property
    def study_uid(self) -> str:
        """Made up, stable, and without the patient's name in it."""
        return _uid("study", self.patient, self.study)


@dataclass(frozen=True)
class Picture:
    """A readable picture with its row."""

    row: Row
    path: Path
    rows: int
    columns: int


def run(folder: Path, settings: ImagesSettings) -> Counts:
    """Read pictures and their labels.

    Args:
        folder: The run folder.
        settings: Pictures, labels, the burnt-in window.

    Raises:
        SourceError: No folder of pictures.
        LabelError: A column is missing, a value is not 1, 0 or empty, or rows contradict each other.
        StorageError: The run folder lies inside the folder of pictures, or cannot be written.
    """
    refuse_inside(folder, settings.source)
    return recorded(
        "images",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[settings.source, settings.labels],
        outputs=[table.path(folder) for table in TABLES],
    )


def _work(folder: Path, settings: ImagesSettings) -> Counts:
    if not settings.source.is_dir():
        raise SourceError("no such folder", where=str(settings.source), expected="a folder of PNG or JPEG slices")
    if printable(str(settings.source.absolute())) != str(settings.source.absolute()):
        raise SourceError("a name that is not UTF-8", where=str(settings.source), remedy="Rename the folder.")
    files = list_pictures(settings.source)
    if not files:
        raise SourceError("no PNG or JPEG in it", where=str(settings.source), expected="a folder of slices")
    rows = read_labels(settings.labels)
    matched, rejects = _match(rows, files, settings.source)
    pictures = []
    for row, path in track(matched, "images"):
        try:
            shape = read_grey(path).shape
            pictures.append(Picture(row, path, *shape))
        except PictureError as error:
            rejects.append(_reject(_relative(path, settings.source), error.code, error.found, path))
    if not pictures:
        raise LabelError("no row names a readable picture", where=str(settings.labels), expected="column file")
    _write(folder, pictures, rejects, settings)
    return {
        "pictures": len(pictures),
        "patients": len({p.row.patient for p in pictures}),
        "studies": len({p.row.study_uid for p in pictures}),
        "any finding": sum(p.row.labels.get(ANY_FINDING) == 1 for p in pictures),
        "no finding": sum(p.row.labels.get(ANY_FINDING) == 0 for p in pictures),
        "rejected": len(rejects),
    }


def read_labels(path: Path) -> list[Row]:
    """Rows of a table of labels, CSV or .xlsx, each checked; the same row twice counts once.

    Raises:
        LabelError: See ``run``.
    """
    lines = file_rows(path, str(path), LabelError)
    if not lines:
        raise LabelError("no row below the header", where=str(path), expected="one row per picture")
    columns = _columns(list(lines[0]), path)
    filled = ((number, list(line.values())) for number, line in enumerate(lines, start=2))
    rows = [_row(number, cells, columns, path) for number, cells in filled if any(map(str.strip, cells))]
    by_file: dict[str, Row] = {}
    repeated = 0
    for row in rows:
        known = by_file.setdefault(row.file, row)
        if known is not row:
            repeated += 1
            _check_same(known, row, path)
    if repeated:
        say(f"images: {counted(repeated, 'rows')} of a file that another row names too; counted once")
    unique = list(by_file.values())
    _check_places(unique, path)
    return unique


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Column numbers by our name: file, patient, study, slice and finding keys; the others are named once."""
    columns: dict[str, int] = {}
    unknown = []
    for i, title in enumerate(header):
        finding = find(title)
        name = finding.key if finding else title
        if finding is None and name not in ("file", "patient", "study", "slice"):
            unknown.append(title)
        elif name in columns:
            raise LabelError(f"two columns for {name}", where=f"{path}: row 1", remedy="Keep one of them.")
        else:
            columns[name] = i
    for name in ("file", "patient"):
        if name not in columns:
            raise LabelError(f"no column {name}", where=f"{path}: row 1", expected="columns file, patient and findings")
    if not any(find(name) for name in columns):
        raise LabelError("no finding column", where=f"{path}: row 1", expected="any_finding or another finding's key")
    if unknown:
        say(f"images: columns not used: {', '.join(unknown)}")
    return columns


def _row(number: int, line: list[str], columns: dict[str, int], path: Path) -> Row:
    where = f"{path}: row {number}"
    cells = {name: line[i].strip() if i < len(line) else "" for name, i in columns.items()}
    for name in ("file", "patient"):
        if not cells[name]:
            raise LabelError(f"no {name}", where=where, expected=f"a {name} in every row")
    labels = {name: _value(cell, f"{where}, column {name}") for name, cell in cells.items() if find(name)}
    present = [key for key in SPECIFIC_KEYS if labels.get(key) == 1]
    if present and labels.get(ANY_FINDING) == 0:
        raise LabelError(f"{ANY_FINDING} 0 and {present[0]} 1", where=where, remedy="Correct one of them.")
    if present:
        labels[ANY_FINDING] = 1
    place = _place(cells["slice"], where) if "slice" in cells else None
    file = Path(cells["file"].replace("\\", "/")).as_posix()
    return Row(number, file, cells["patient"], cells.get("study", ""), place, labels)


def _value(cell: str, where: str) -> int | None:
    if cell not in VALUES:
        raise LabelError(f"value {shown(cell)}", where=where, expected="1 (present), 0 (absent) or empty (not known)")
    return VALUES[cell]


def _place(cell: str, where: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise LabelError(f"slice number {shown(cell)}", where=where, expected="a number in every row") from error


def _check_same(first: Row, second: Row, path: Path) -> None:
    same = (first.patient, first.study, first.place, first.labels) == (
        second.patient,
        second.study,
        second.place,
        second.labels,
    )
    if not same:
        raise LabelError(
            f"rows {first.number} and {second.number} name one file and differ",
            where=str(path),
            expected="one row per picture",
            remedy="Correct or delete one of them.",
        )


def _check_places(rows: Sequence[Row], path: Path) -> None:
    taken: dict[tuple[str, float], Row] = {}
    for row in rows:
        if row.place is None:
            continue
        other = taken.setdefault((row.study_uid, row.place), row)
        if other is not row:
            raise LabelError(
                f"rows {other.number} and {row.number} have one slice number in one study",
                where=str(path),
                expected="slice numbers that order a study",
                remedy="Add a column study, or correct the numbers.",
            )


def _match(
    rows: Sequence[Row], files: Sequence[Path], source: Path
) -> tuple[list[tuple[Row, Path]], list[dict[str, object]]]:
    """Pictures of rows: by path relative to the folder, else by a file name that is unique in it."""
    by_path = {_relative(path, source): path for path in files}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_name[file.name].append(file)
    matched, rejects = [], []
    for row in rows:
        named = by_name.get(row.file, [])
        path = by_path.get(row.file) or (named[0] if len(named) == 1 else None)
        if path:
            matched.append((row, path))
        else:
            code, detail = (
                ("ambiguous_file", f"{len(named)} pictures") if named else ("missing_file", "no such picture")
            )
            rejects.append(_reject(row.file, code, f"row {row.number}: {detail}"))
    _check_one_row_each(matched)
    used = {path for _, path in matched}
    unlabeled = [path for path in files if path not in used]
    rejects += [_reject(_relative(p, source), "no_label_row", "no row in the labels CSV", p) for p in unlabeled]
    for path, why in unlisted(source):
        name = text_of(_relative(path, source))
        rejects.append({"path": name, "code": why, "detail": "no picture in it was looked at"})
    _say_rejects(rejects)
    return matched, rejects


def _say_rejects(rejects: Sequence[dict[str, object]]) -> None:
    """Counts, and rows of the labels CSV; file names may hold a patient's and stay in the table."""
    for code, count in Counter(str(reject["code"]) for reject in rejects).items():
        rows = [str(reject["detail"]).partition(":")[0] for reject in rejects if reject["code"] == code]
        shown = [row for row in rows if row.startswith("row ")][:SHOWN]
        more = f": {', '.join(shown)}{' …' if count > SHOWN else ''}" if shown else ""
        say(f"images: {count} {code}{more}; named in {tables.REJECTS.name}.parquet")


def _check_one_row_each(matched: Iterable[tuple[Row, Path]]) -> None:
    taken: dict[Path, Row] = {}
    for row, path in matched:
        other = taken.setdefault(path, row)
        if other is not row:
            raise LabelError(
                f"rows {other.number} and {row.number} name one picture by two spellings",
                where="labels",
                expected="one row per picture",
            )


def _write(
    folder: Path, pictures: Sequence[Picture], rejects: list[dict[str, object]], settings: ImagesSettings
) -> None:
    catalogue, cohort, labels = [], [], []
    for picture, place in _in_order(pictures, settings.first_slice):
        base = _pixels(picture, settings)
        catalogue.append({**base, "file_bytes": picture.path.stat().st_size, "number_of_frames": 1})
        cohort.append({**base, **place})
        key = {name: base[name] for name in tables.SLICE_KEY}
        labels.append({**key, **picture.row.labels, "label_source": "csv"})
    tables.write(tables.from_rows(catalogue, tables.CATALOGUE), folder, tables.CATALOGUE)
    tables.write(tables.from_rows(rejects, tables.REJECTS), folder, tables.REJECTS)
    tables.write(tables.from_rows(cohort, tables.COHORT), folder, tables.COHORT)
    tables.write(tables.empty(tables.EXCLUSIONS), folder, tables.EXCLUSIONS)
    tables.write(tables.from_rows(labels, tables.LABELS), folder, tables.LABELS)


def _in_order(pictures: Sequence[Picture], first_slice: str) -> list[tuple[Picture, dict[str, object]]]:
    """Each picture with its place in its study, lowest first."""
    studies: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        studies[picture.row.study_uid].append(picture)
    placed: list[tuple[Picture, dict[str, object]]] = []
    for group in studies.values():
        group.sort(key=lambda p: (p.row.place or 0.0, natural_key(p.row.file)), reverse=first_slice == "highest")
        for i, picture in enumerate(group):
            height = i / (len(group) - 1) if len(group) > 1 else 0.5
            flags = [] if picture.row.place is not None else ["order_by_name"]
            place = {"slice_index": i, "slice_count": len(group), "slice_height": height, "flags": flags}
            placed.append((picture, place))
    return placed


def _pixels(picture: Picture, settings: ImagesSettings) -> dict[str, object]:
    row, (center, width) = picture.row, settings.window
    return {
        "patient_id": row.patient,
        "study_uid": row.study_uid,
        "series_uid": _uid("series", row.patient, row.study),
        "instance_uid": _uid("instance", row.file),
        "frame": 0,
        "source": str(settings.source.absolute()),
        "path": _relative(picture.path, settings.source),
        "kind": "picture",
        "rows": picture.rows,
        "columns": picture.columns,
        "window_center_hu": center,
        "window_width_hu": width,
    }


def _uid(*parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"picture:{digest[:16]}"


def _relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def _reject(name: str, code: str, detail: str, path: Path | None = None) -> dict[str, object]:
    size = path.stat().st_size if path else None
    return {"path": text_of(name), "code": code, "detail": detail, "file_bytes": size}
