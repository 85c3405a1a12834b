"""predict: scores and heat maps for a source of DICOM files or pictures, without torch.

`predictions.csv` has a row for everything found in the source; a slice without a score says why. A study is
called `no_finding` only when it was seen whole.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.bundle import OperatingPoint, located
from plainscan.config import SHIPPED, PredictSettings, SelectSettings
from plainscan.ct.prepare import HU, head_box, prepare_slice
from plainscan.dicom.read import Reader
from plainscan.errors import SourceError
from plainscan.findings import ANY_FINDING, FINDING_KEYS
from plainscan.inference import engine, heatmap, overlay
from plainscan.inference.gate import NO_LOSS
from plainscan.inference.predict import score, study_probability
from plainscan.inference.source import Row, Source, Study, collect, planes
from plainscan.stages.record import Counts, recorded, refuse_inside, say, track
from plainscan.tables import whole_file

PREDICTIONS: Final = "predictions.csv"
STUDIES: Final = "studies.csv"
HEATMAPS: Final = "heatmaps"
COLUMNS: Final[dict[str, type[pl.DataType]]] = {
    **dict.fromkeys(("patient", "study", "series", "instance", "file"), pl.String),
    "slice_index": pl.Int32,
    "slice_position_mm": pl.Float64,
    "probability": pl.Float64,
    **dict.fromkeys(FINDING_KEYS[1:], pl.Float64),
    **dict.fromkeys(("decision", "heatmap", "not_scored"), pl.String),
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
GAPS: Final = ("incomplete", "missing_block")  # remarks of the selection: slices are missing
FEWEST: Final = SelectSettings().minimum_slices  # fewer are a fragment of a head, as in `select`
HEATMAP_NAME: Final = re.compile(r"[0-9a-f]{8}_[0-9a-f]{4}_[0-9]{3,}\.png")
FORMULA: Final = r"^([=+\-@\t\r])"  # a spreadsheet would run a text that starts so
DIGITS: Final = 8  # of a probability in a CSV: enough to see on which side of the threshold it lies
SHOWN_STUDIES: Final = 10


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
    )


@dataclass
class _Scorer:
    """Scores one study after the other and keeps what the tables need."""

    model: engine.Model
    reader: Reader
    heatmaps: Path | None
    slice_point: OperatingPoint
    study_point: OperatingPoint | None  # none when the tuning set held studies of one class only
    rows: list[Row] = field(default_factory=list)
    studies: list[Row] = field(default_factory=list)
    remedies: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> list[str]:
        """Findings that the bundle was calibrated for; of the others it has shown nothing, so none is given."""
        return [item.finding for item in self.model.card.calibration[1:] if item.fitted_on != "none"]

    def study(self, study: Study) -> Iterator[None]:
        """Score a study; yields after each slice."""
        read = planes(study, self.model.card.neighbors, self.reader)
        flags: dict[str, None] = {}
        first = len(self.rows)
        for i, item in enumerate(study.slices):
            found = read(i)
            if found.not_scored:
                more: Row = {"not_scored": found.not_scored}
                self.remedies[found.not_scored] = found.remedy
            else:
                flags.update(dict.fromkeys(found.flags))
                more = self._slice(found.hu, item.row)
            self.rows.append({**item.row, **more})
            yield
        self.studies.append(self._summary(study, self.rows[first:], tuple(flags)))

    def _slice(self, hu: list[HU], row: Row) -> Row:
        middle, card = hu[len(hu) // 2], self.model.card
        box = head_box(middle)
        scores = score(self.model, prepare_slice(hu, card.input_size, box)[None])
        probabilities = scores.probability[0].tolist()
        found: Row = {"probability": probabilities[0]}
        found |= {key: probabilities[FINDING_KEYS.index(key)] for key in self.judged}
        found["decision"] = _decision(probabilities[0], self.slice_point)
        if self.heatmaps:
            threshold = self.slice_point.threshold
            maps, logits = scores.maps[:, 0], scores.logits[:, 0]
            grid = heatmap.heat(maps, logits, card.calibration[0], threshold, card.pooling)[0]
            warm = heatmap.faded(grid, box, middle.shape, card.input_size)
            page = overlay.render(middle, warm, probabilities[0], threshold)
            name = _heatmap_name(row, len(self.rows))
            overlay.save(page, self.heatmaps / name)
            found["heatmap"] = f"{HEATMAPS}/{name}"
        return found

    def _summary(self, study: Study, rows: list[Row], remarks: tuple[str, ...]) -> Row:
        scored = [float(str(row["probability"])) for row in rows if row.get("probability") is not None]
        probability = study_probability(scored, self.model.card.study_rule) if scored else None
        flags = [*geometry_flags(study), *remarks]
        lost = sum(map(bool, _codes_of_head(rows)))
        if lost:
            flags.append(f"incomplete: {lost} not scored")
        decision = None
        if probability is not None:
            decision = _decision(probability, self.study_point) if self.study_point else "no_operating_point"
        if decision == "no_finding" and not seen_whole(rows, (*study.flags, *remarks)):
            decision = "incomplete"
        return {
            **{name: rows[0][name] for name in ("patient", "study", "series")},
            "slices": len(rows),
            "slices_scored": len(scored),
            "probability": probability,
            "decision": decision,
            "flags": "; ".join(flags),
            "study_code": _short(rows[0]["study"]),
        }


def _heatmap_name(row: Row, number: int) -> str:
    """From hashed UIDs; a picture has none, so its place in the source and its hashed file name serve."""
    if row["study"] is None:
        return overlay.file_name(str(row["file"]), "picture", number)
    return overlay.file_name(str(row["study"]), str(row["series"]), int(str(row["slice_index"])))


def _decision(probability: float, point: OperatingPoint) -> str:
    return "finding" if probability >= point.threshold else "no_finding"


def seen_whole(rows: list[Row], flags: tuple[str, ...]) -> bool:
    """Whether enough of a study was scored to call it free of findings.

    Args:
        rows: Its slices, lowest first, with `not_scored` where there is no score. Slices without a head at either
            end, above the vertex or below the chin, are no loss.
        flags: Coded remarks of the selection and of reading.

    >>> head, air = {}, {"not_scored": "no_head"}
    >>> seen_whole([head] * 8 + [air], ()), seen_whole([head] * 4 + [air] + [head] * 4, ()), seen_whole([head], ())
    (True, False, False)
    """
    codes = _codes_of_head(rows)
    return len(codes) >= FEWEST and not any(codes) and not set(GAPS) & set(flags)


def _codes_of_head(rows: list[Row]) -> list[object]:
    """`not_scored` of each slice from the first that shows a head to the last."""
    codes = [row.get("not_scored") for row in rows]
    shown = [i for i, code in enumerate(codes) if code not in NO_LOSS]
    return codes[shown[0] : shown[-1] + 1] if shown else []


def geometry_flags(study: Study) -> list[str]:
    """The selection's remarks, with the figures for tilt and spacing."""
    spacings = study.spacings_mm
    texts = []
    for flag in study.flags:
        if flag == "tilted" and study.tilt_deg is not None:
            texts.append(f"tilted {study.tilt_deg:+.1f} deg")
        elif flag == "uneven_spacing" and spacings:
            texts.append(f"uneven spacing {min(spacings):.2f}-{max(spacings):.2f} mm")
        else:
            texts.append(flag)
    return texts


def _work(folder: Path, settings: PredictSettings, bundle: Path) -> Counts:
    model = engine.load(bundle, settings.threads)
    if settings.model == SHIPPED:
        say(f"predict: {model.card.name}, the weights that come with plainscan, trained on synthetic studies alone")
    slice_point = engine.operating_point(model.card, "slice")
    of_studies = (point for point in model.card.operating_points if point.level == "study")
    study_point = next((point for point in of_studies if point.finding == ANY_FINDING), None)
    source = collect(settings.source, settings.window)
    with Reader() as reader, _new_folder(folder / HEATMAPS, settings.heatmaps) as partial:
        scorer = _Scorer(model, reader, partial, slice_point, study_point)
        steps = (step for study in source.studies for step in scorer.study(study))
        for _ in track(steps, "predict", total=sum(len(study.slices) for study in source.studies)):
            pass
        rows = [*scorer.rows, *source.left_out]
        (folder / PREDICTIONS).unlink(missing_ok=True)
    _write(folder / STUDIES, _study_rows(scorer.studies, source), STUDY_COLUMNS)
    _write(folder / PREDICTIONS, rows, COLUMNS)
    return _report(folder, source, scorer, rows)


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
    """Heat maps are made aside and take the place of the old ones only when they are whole; other files stay."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
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
    safe = pl.col(pl.String).str.replace(FORMULA, "'${1}")
    text = frame.with_columns(pl.col(pl.Float64).round(DIGITS), safe).write_csv()
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _report(folder: Path, source: Source, scorer: _Scorer, rows: list[Row]) -> Counts:
    for row, study in list(zip(scorer.studies, source.studies, strict=True))[: 0 if source.pictures else SHOWN_STUDIES]:
        say(f"Study {_short(row['study'])}: {_describe(row, study)}")
    reasons: dict[str, int] = {}
    for row in rows:
        if row["not_scored"]:
            reasons[str(row["not_scored"])] = reasons.get(str(row["not_scored"]), 0) + 1
    for code, count in sorted(reasons.items(), key=lambda item: -item[1]):
        say(f"Not scored: {count} {code}. {scorer.remedies.get(code, '')}".rstrip())
    if source.pictures and scorer.model.card.neighbors:
        say("This model looks at neighboring slices; pictures have none, so each was repeated in their place.")
    say(f"Results: {folder / PREDICTIONS}")
    say("Research software, not a medical device: for no clinical decision.")
    if not any(row.get("probability") is not None for row in rows):
        raise SourceError(
            f"none of {len(rows)} files or images could be scored",
            where=str(folder / PREDICTIONS),
            expected="at least one slice of a plain axial head CT",
            remedy="Its column not_scored says why.",
            code="nothing_scored",
        )
    return {
        "studies": 0 if source.pictures else len(scorer.studies),
        "slices scored": sum(row.get("probability") is not None for row in rows),
        "not scored": sum(reasons.values()),
        "slices called finding": sum(row.get("decision") == "finding" for row in rows),
    }


def _short(uid: object) -> str:
    return hashlib.sha256(str(uid).encode()).hexdigest()[:8]


def _describe(row: Row, study: Study) -> str:
    parts = [f"{row['slices_scored']} of {row['slices']} slices scored"]
    if study.tilt_deg is not None:
        parts.append(f"tilt {study.tilt_deg:+.1f} deg")
    if study.spacings_mm:
        parts.append(f"spacing {min(study.spacings_mm):.2f}-{max(study.spacings_mm):.2f} mm")
    if row["probability"] is not None:
        said = (
            "incomplete, too little was seen to say no_finding" if row["decision"] == "incomplete" else row["decision"]
        )
        parts.append(f"p(any finding) {row['probability']:.2f}: {said}")
    return ", ".join(parts)
