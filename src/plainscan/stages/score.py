"""Stage ``score``: every slice of the cohort by a bundle that has not seen its patient, past the gatekeeper.

These are the out-of-fold scores that `slices` and `disagree` hold reports against.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.bundle import Card, located
from plainscan.config import ScoreSettings
from plainscan.dicom.read import Reader
from plainscan.errors import LeakError
from plainscan.findings import FINDING_KEYS
from plainscan.inference.classifier import Classifier, load, without_evidence
from plainscan.inference.source import study_of
from plainscan.stages.chain import check_fresh
from plainscan.stages.lineage import PATIENTS, pseudonyms
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.tables import COHORT, SCORES, SLICE_KEY, from_rows, read, write

SEEN: Final = "seen_by_model"


def run(folder: Path, settings: ScoreSettings) -> Counts:
    """Write ``scores.parquet``.

    Raises:
        BundleError: The bundle is incomplete, altered or of another version.
        LeakError: It was trained on every patient of the cohort.
        TableError: There is no cohort, or it is stale.
    """
    check_fresh(folder, "label")
    bundle = located(settings.model)
    return recorded(
        "score",
        folder,
        settings,
        lambda: _work(folder, settings, bundle),
        inputs=[COHORT.path(folder), bundle],
        outputs=[SCORES.path(folder)],
    )


def _work(folder: Path, settings: ScoreSettings, bundle: Path) -> Counts:
    cohort = read(folder, COHORT)
    classifier = load(bundle, settings.threads, settings.engine)
    seen = _seen(classifier.card, cohort, bundle)
    rows: list[dict[str, object]] = []
    groups = cohort.group_by("study_uid", maintain_order=True)
    with Reader() as reader:
        for _, study in track(groups, "score", total=cohort["study_uid"].n_unique()):
            rows += _unscored(study) if study["patient_id"][0] in seen else _scored(classifier, study, reader)
    write(from_rows(rows, SCORES), folder, SCORES)
    codes = Counter(str(row["not_scored"]) for row in rows if row["not_scored"])
    for code, count in codes.most_common():
        say(f"score: {count} slices not scored: {code}")
    return {"slices": len(rows), "not scored": codes.total(), "patients seen by the model": len(seen)}


def _seen(card: Card, cohort: pl.DataFrame, bundle: Path) -> set[str]:
    """Patients of the cohort that the bundle was trained on."""
    known = card.provenance.get(PATIENTS)
    if not isinstance(known, list):
        say(f"score: {card.name} does not say which patients it was trained on; whether some are here is open")
        return set()
    patients = set(cohort["patient_id"])
    seen = {patient for patient in patients if set(pseudonyms([patient])) & set(known)}
    if seen == patients:
        raise LeakError(
            f"all {len(patients)} patients of the cohort were training patients of this bundle",
            where=f"--model {bundle}",
            expected="a bundle that was trained without them",
            remedy="Score by another bundle; of patients that it has seen a model only repeats their labels.",
            code="bundle_saw_cohort",
        )
    return seen


def _unscored(study: pl.DataFrame) -> list[dict[str, object]]:
    keys = study.select("patient_id", *SLICE_KEY).to_dicts()
    return [{**key, "not_scored": SEEN} for key in keys]


def _scored(classifier: Classifier, study: pl.DataFrame, reader: Reader) -> list[dict[str, object]]:
    ordered = study.sort("slice_index").select("patient_id", *SLICE_KEY).to_dicts()
    results = map(without_evidence, classifier.slices(study_of(study), reader))
    return [
        {
            **key,
            **{f"probability_{name}": item.probability.get(name) for name in FINDING_KEYS},
            "not_scored": item.not_scored,
        }
        for key, item in zip(ordered, results, strict=True)
    ]
