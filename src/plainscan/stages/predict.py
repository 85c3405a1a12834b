"""predict: scores and heat maps for a source of DICOM files or pictures, without torch.

`predictions.csv` has a row for everything found in the source; a slice without a score says why. A study is
called `no_finding` only when it was seen whole.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, cast

import polars as pl

from plainscan.bundle import located
from plainscan.config import PredictSettings
from plainscan.counted import counted
from plainscan.dicom.read import Reader
from plainscan.errors import SourceError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference import overlay
from plainscan.inference.ahead import ahead
from plainscan.inference.classifier import Classifier, load, without_evidence
from plainscan.inference.reliability import WORDS
from plainscan.inference.result import Origin, SliceResult, StudyResult
from plainscan.inference.source import Row, Source, Study, collect
from plainscan.setting_types import SHIPPED
from plainscan.spreadsheet import csv_text
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.storage import whole_file

PREDICTIONS: Final = "predictions.csv"
STUDIES: Final = "studies.csv"
HEATMAPS: Final = "heatmaps"
COLUMNS: Final[dict[str, type[pl.DataType]]] = {
    **dict.fromkeys(("patient", "study", "series", "instance", "file"), pl.String),
    "slice_index": pl.Int32,
    "slice_position_mm": pl.Float64,
    "probability": pl.Float64,
    **dict.fromkeys(FINDING_KEYS[1:], pl.Float64),
    **dict.fromkeys(("decision", "heatmap", "heatmap_not_reliable", "not_scored"), pl.String),
}
STUDY_COLUMNS: Final[dict[str, type[pl.DataType]]] = {
    "patient": pl.String,
    "study": pl.String,
    "series": pl.String,
    "slices": pl.Int32,
    "slices_scored": pl.Int32,
    "probability": pl.Float64,
    "decision": pl.String,
    "flags": pl.String,
    "study_code": pl.String,
}
COLUMN_OF: Final = {ANY_FINDING: "probability"}
HEATMAP_NAME: Final = re.compile(r"[0-9a-f]{8}_[0-9a-f]{4}_[0-9]{3,}\.png")
DIGITS: Final = 8  # of a probability in a CSV: enough to see on which side of the threshold it lies
SHOWN_STUDIES: Final = 10
RULES: Final = "predict-2"  # change it with any change that moves a decision or a remark


def run(folder: Path, settings: PredictSettings) -> Counts:
    """Score a source.

    Args:
        folder: Where `predictions.csv`, `studies.csv` and `heatmaps/` go.
        settings: Source, bundle, the burnt-in window of pictures.

    Raises:
        SourceError: Nothing to score, or pictures without a window. When no slice could be scored, the tables that
            say why are written first.
        BundleError: The bundle is incomplete, altered or of another version.
        StorageError: The folder cannot be written, or lies inside the source.
    """
    refuse_inside(folder, settings.source)
    bundle = located(settings.model)
    return recorded(
        "predict",
        folder,
        settings,
        lambda: _work(folder, settings, bundle),
        inputs=[settings.source, bundle],
        outputs=[folder / PREDICTIONS, folder / STUDIES, folder / HEATMAPS],
        rules=RULES,
    )


@dataclass
class _Tables:
    """Scores one study after the other and keeps what the tables need."""

    classifier: Classifier
    reader: Reader
    heatmaps: Path | None
    rows: list[Row] = field(default_factory=list)
    studies: list[Row] = field(default_factory=list)
    remedies: dict[str, str] = field(default_factory=dict)

    def study(self, study: Study) -> Iterator[None]:
        """Score a study; yields after each slice."""
        slices: list[SliceResult] = []
        numbered = enumerate(self.classifier.slices(study, self.reader), start=len(self.rows))
        for item, row in ahead(lambda pair: self._row(*pair), numbered, self.classifier.threads):
            if item.not_scored:
                self.remedies[item.not_scored] = item.remedy
            self.rows.append(row)
            slices.append(item)
            yield
        self.studies.append(_summary(self.classifier.result(study, slices)))

    def _row(self, number: int, item: SliceResult) -> tuple[SliceResult, Row]:
        """The result without its pixels, and its row; the picture is drawn and saved here, beside others."""
        row: Row = {**asdict(item.origin), "decision": item.decision, "not_scored": item.not_scored}
        row |= {COLUMN_OF.get(key, key): value for key, value in item.probability.items()}
        if item.evidence:
            row["heatmap_not_reliable"] = "; ".join(item.not_reliable()) or None
        if self.heatmaps and item.evidence:
            name = _heatmap_name(item.origin, number)
            overlay.save(item.overlay(), self.heatmaps / name)
            row["heatmap"] = f"{HEATMAPS}/{name}"
        return without_evidence(item), row


def _summary(result: StudyResult) -> Row:
    origin = result.slices[0].origin
    return {
        "patient": origin.patient,
        "study": origin.study,
        "series": origin.series,
        "slices": len(result.slices),
        "slices_scored": sum(item.not_scored is None for item in result.slices),
        "probability": result.probability,
        "decision": result.decision,
        "flags": "; ".join(result.flags),
        "study_code": _short(origin.study),
    }


def _heatmap_name(origin: Origin, number: int) -> str:
    """From hashed UIDs; a picture has none, so its place in the source and its hashed file name serve."""
    if origin.study is None:
        return overlay.file_name(str(origin.file), "picture", number)
    return overlay.file_name(origin.study, str(origin.series), origin.slice_index or 0)


def _work(folder: Path, settings: PredictSettings, bundle: Path) -> Counts:
    classifier = load(bundle, settings.threads, settings.engine)
    if settings.model == SHIPPED:
        say(
            f"predict: {classifier.card.name}, the weights that come with plainscan, trained on synthetic studies alone"
        )
    source = collect(settings.source, settings.window, lambda scanned: track(scanned, "headers"))
    for name in (PREDICTIONS, STUDIES):  # of an earlier run: one that ends early must not leave them as its own
        (folder / name).unlink(missing_ok=True)
    with Reader() as reader, _new_folder(folder / HEATMAPS, settings.heatmaps) as partial:
        tables = _Tables(classifier, reader, partial)
        steps = (step for study in source.studies for step in tables.study(study))
        for _ in track(steps, "predict", total=sum(len(study.slices) for study in source.studies)):
            pass
        rows = [*tables.rows, *source.left_out]
    _write(folder / STUDIES, _study_rows(tables.studies, source), STUDY_COLUMNS)
    _write(folder / PREDICTIONS, rows, COLUMNS)
    return _report(folder, source, tables, rows)


def _study_rows(scored: list[Row], source: Source) -> list[Row]:
    """Scored studies, then those of which nothing was chosen; pictures have no study."""
    if source.pictures:
        return []
    known = {row["study"] for row in scored}
    others: dict[object, Row] = {}
    for row in source.left_out:
        if row["study"] is not None and row["study"] not in known:
            entry = others.setdefault(
                row["study"], {**row, "series": None, "slices": 0, "slices_scored": 0, "flags": "nothing selected"}
            )
            entry["study_code"] = _short(row["study"])
            entry["slices"] = int(str(entry["slices"])) + 1
    return [*scored, *others.values()]


@contextmanager
def _new_folder(path: Path, wanted: bool) -> Iterator[Path | None]:
    """Old heat maps go, new ones are made aside and put there when all are; other files stay."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    _replace(path, partial)
    try:
        if wanted:
            partial.mkdir(parents=True)
        yield partial if wanted else None
        _replace(path, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(path: Path, partial: Path) -> None:
    old = [file for file in path.iterdir() if HEATMAP_NAME.fullmatch(file.name)] if path.is_dir() else []
    for file in old:
        file.unlink()
    new = sorted(partial.iterdir()) if partial.is_dir() else []
    if new:
        path.mkdir(exist_ok=True)
    for file in new:
        file.replace(path / file.name)
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def _write(path: Path, rows: list[Row], columns: dict[str, type[pl.DataType]]) -> None:
    frame = pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=columns, orient="row")
    with whole_file(path) as partial:
        partial.write_text(csv_text(frame, DIGITS), encoding="utf-8", newline="")


def _report(folder: Path, source: Source, tables: _Tables, rows: list[Row]) -> Counts:
    studies = [] if source.pictures else list(zip(tables.studies, source.studies, strict=True))
    for row, study in studies[:SHOWN_STUDIES]:
        say(f"Study {_short(row['study'])}: {_describe(row, study)}")
    if len(studies) > SHOWN_STUDIES:
        say(f"... and {counted(len(studies) - SHOWN_STUDIES, 'more studies')}: all are in {STUDIES}")
    reasons: dict[str, int] = {}
    for row in rows:
        if row["not_scored"]:
            reasons[str(row["not_scored"])] = reasons.get(str(row["not_scored"]), 0) + 1
    for code, count in sorted(reasons.items(), key=lambda item: -item[1]):
        say(f"Not scored: {count} {code}. {tables.remedies.get(code, '')}".rstrip())
    marked = Counter(str(row["heatmap_not_reliable"]) for row in rows if row.get("heatmap_not_reliable"))
    for codes, count in marked.most_common():
        words = ", ".join(WORDS[code] for code in codes.split("; "))
        say(f"Heat map not reliable: {count} {codes}. {words[:1].upper()}{words[1:]}; its score stands.")
    if source.pictures and tables.classifier.card.neighbors:
        say("This model looks at neighboring slices; pictures have none, so each was repeated in their place.")
    say(f"Results: {folder / PREDICTIONS}")
    say("Research software, not a medical device: for no clinical decision.")
    if not any(row.get("probability") is not None for row in rows):
        raise SourceError(
            f"none of {counted(len(rows), 'files or images')} could be scored",
            where=str(folder / PREDICTIONS),
            expected="at least one slice of a plain axial head CT",
            remedy="Its column not_scored says why.",
            code="nothing_scored",
        )
    return {
        "studies": 0 if source.pictures else len(tables.studies),
        "slices scored": sum(row.get("probability") is not None for row in rows),
        "not scored": sum(reasons.values()),
        "slices called finding": sum(row.get("decision") == "finding" for row in rows),
        "engine": tables.classifier.engine,
    }


def _short(uid: object) -> str:
    return hashlib.sha256(str(uid).encode()).hexdigest()[:8]


def _describe(row: Row, study: Study) -> str:
    parts = [f"{row['slices_scored']} of {counted(cast(int, row['slices']), 'slices')} scored"]
    if study.tilt_deg is not None:
        parts.append(f"tilt {study.tilt_deg:+.1f} deg")
    if study.spacings_mm:
        parts.append(f"spacing {min(study.spacings_mm):.2f}-{max(study.spacings_mm):.2f} mm")
    if row["probability"] is not None:
        said = (
            "incomplete, too little was seen to say no_finding" if row["decision"] == "incomplete" else row["decision"]
        )
        parts.append(f"p(any finding) {row['probability']:.2f}: {said}")
    else:
        parts.append("not analyzed")
    return ", ".join(parts)
