"""The leak meter of stage leak: the sample from a run's tables, its figures and its picture."""

from __future__ import annotations

import importlib.util
import json
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plainscan.cohort.fingerprint import Floats
from plainscan.config import LeakSettings
from plainscan.counted import counted
from plainscan.evaluation.bootstrap import Figure, draw
from plainscan.evaluation.leak_meter import COINS, FEWEST, SPLITS, Sample, measure
from plainscan.findings import ANY_FINDING
from plainscan.stages.record import Counts, say
from plainscan.storage import file_hash, whole_file
from plainscan.tables import PREPARED

METER_FILE: Final = "leak_meter.json"
METER_PICTURE: Final = "leak_meter.svg"
MOST_SLICES: Final = 20_000
TITLE: Final = "How much of an AUC is memory"


def meter(
    folder: Path,
    prepared: pl.DataFrame,
    studies: pl.DataFrame,
    features: tuple[NDArray[np.intp], Floats] | None,
    settings: LeakSettings,
) -> Counts:
    """Measure and write `leak_meter.json` and `leak_meter.svg`; where that cannot be, say why and leave none.

    Args:
        folder: The run folder.
        prepared: Its prepared table, in shard order.
        studies: From ``leak_look.study_table``.
        features: Rows of ``prepared`` and their features.
        settings: The section ``leak``.
    """
    for name in (METER_FILE, METER_PICTURE):
        (folder / name).unlink(missing_ok=True)
    if features is None:
        return {}
    sample = _sample(prepared[features[0].tolist()], features[1], studies)
    patients = np.unique(sample.patient).size
    if patients < FEWEST or np.unique(sample.labels).size < 2:
        known, positive = counted(patients, "patients"), int(sample.labels.sum())
        said_of = f"{known} with known labels, {positive} of {counted(sample.labels.size, 'slices')} with a finding"
        say(f"leak: no leak meter: {said_of}; expected {FEWEST} patients or more, and slices with and without")
        return {}
    rng = np.random.default_rng([settings.seed, *b"leak meter"])
    figures = measure(sample, draw(patients, settings.resamples, rng), settings.level, rng)
    _write(folder, figures, settings)
    said = {figure.figure: figure for figure in figures}
    for split in SPLITS:
        true, coin = said[f"auc_{split}"], said[f"coin_auc_{split}"]
        made = f"{_words(true)}; one coin per patient {_words(coin)}"
        say(f"leak: {split:<8} {true.note if true.value is None else made}")
    memory = said["auc_image_above_patient"]
    say(f"leak: {memory_words(memory)}")
    return {"image AUC above patient AUC": _words(memory)}


def memory_words(figure: Figure) -> str:
    """In words, by how much the AUC by image lies above that by patient; where it does not, nothing is memory."""
    if figure.value is None:
        return "how much of the AUC by image is not there by patient: not estimable"
    if figure.value <= 0:
        return f"the probe does no better by image than by patient: {_words(figure)}"
    return f"of the AUC by image {_words(figure)} is not there by patient"


def _sample(rows: pl.DataFrame, features: Floats, studies: pl.DataFrame) -> Sample:
    """Slices with a known label; patients as the prepared table has them, joined where they were joined."""
    about = studies.select("study_uid", "study_date", scanner=pl.concat_str("manufacturer", "manufacturer_model"))
    about = about.with_columns(pl.coalesce("scanner", studies["manufacturer"]).alias("scanner"))
    rows = rows.with_row_index("at").join(about, on="study_uid", how="left", maintain_order="left")
    rows = rows.filter(pl.col(ANY_FINDING).is_not_null())
    patients = sorted(rows["patient_id"].unique())
    step = max(1, -(-rows.height // MOST_SLICES))  # whole patients, evenly
    rows = rows.filter(pl.col("patient_id").is_in(patients[::step]))
    return Sample(
        features[rows["at"].to_numpy()],
        rows[ANY_FINDING].to_numpy().astype(np.int8),
        _codes(rows["patient_id"]),
        _codes(rows["study_uid"]),
        _codes(rows["scanner"]),
        np.array([_day(value) for value in rows["study_date"]], np.intp),
    )


def _codes(values: pl.Series) -> NDArray[np.intp]:
    """Numbers in the order of the sorted values; -1 for null."""
    number = {value: i for i, value in enumerate(sorted(values.drop_nulls().unique()))}
    return np.array([number.get(value, -1) for value in values], np.intp)


def _day(value: str | None) -> int:
    """Days since year 1 of a date as DICOM writes it (PS3.5 6.2, DA); -1 where it is none."""
    try:
        return date.fromisoformat(value or "").toordinal()
    except ValueError:
        return -1


def _words(figure: Figure) -> str:
    if figure.value is None:
        return "not estimable"
    interval = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{interval}"


def _write(folder: Path, figures: list[Figure], settings: LeakSettings) -> None:
    entries = [figure.entry() for figure in figures]
    said: dict[str, Any] = {
        "prepared_sha256": file_hash(PREPARED.path(folder)),
        "model": str(settings.model),
        "confidence": settings.level,
        "resamples": settings.resamples,
        "coins": COINS,
        "splits": SPLITS,
        "figures": entries,
    }
    with whole_file(folder / METER_FILE) as partial:
        partial.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if importlib.util.find_spec("matplotlib") is None:
        say('leak: no picture of the leak meter: pip install "plainscan[study]"')
        return
    from plainscan.evaluation.plots import leak_meter

    with whole_file(folder / METER_PICTURE) as partial:
        partial.write_text(leak_meter(entries, SPLITS), encoding="utf-8")


def meter_plot(folder: Path) -> tuple[str, str, str] | None:
    """(title, caption, SVG) for a report; None where there is none for the prepared table that lies there now."""
    if not (folder / METER_FILE).is_file():
        return None
    from plainscan.evaluation.plots import leak_meter

    said = json.loads((folder / METER_FILE).read_text(encoding="utf-8"))
    if said["prepared_sha256"] != file_hash(PREPARED.path(folder)):
        return None
    caption = (
        "A quick probe on a frozen network's features. Above 0.5 with one coin for all slices of a patient: memory. "
        f"Lines: {100 * said['confidence']:g} % interval, patients resampled."
    )
    return TITLE, caption, leak_meter(said["figures"], said["splits"])
