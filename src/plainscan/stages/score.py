"""Stage ``score``: every slice of the cohort by a bundle that has not seen its patient, past the gatekeeper.

These are the out-of-fold scores that `slices` and `disagree` hold reports against. With the bundles of several folds,
`keep` fills in, fold by fold, the patients that the bundles before had seen.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import polars as pl

from plainscan.bundle import Card, located
from plainscan.config import ScoreSettings
from plainscan.counted import counted
from plainscan.dicom.read import Reader
from plainscan.errors import LeakError
from plainscan.findings import FINDING_KEYS
from plainscan.inference.classifier import Classifier, load, without_evidence
from plainscan.inference.source import study_of
from plainscan.stages.chain import check_fresh
from plainscan.stages.lineage import PATIENTS, named, pseudonyms, say_if_unknown
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.tables import COHORT, SCORES, SLICE_KEY, empty, from_rows, read, write

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
    kept = _kept(folder, cohort) if settings.keep else empty(SCORES)
    classifier = load(bundle, settings.threads, settings.engine)
    todo = cohort.join(kept.select("study_uid").unique(), on="study_uid", how="anti", maintain_order="left")
    seen = _seen(classifier.card, todo, bundle)
    rows: list[dict[str, object]] = []
    groups = todo.group_by("study_uid", maintain_order=True)
    with Reader() as reader:
        for _, study in track(groups, "score", total=todo["study_uid"].n_unique()):
            rows += _unscored(study) if study["patient_id"][0] in seen else _scored(classifier, study, reader)
    named = from_rows(rows, SCORES).with_columns(model_sha256=pl.lit(classifier.card.model_sha256))
    scores = cohort.select(SLICE_KEY).join(pl.concat([kept, named]), on=SLICE_KEY, how="left", maintain_order="left")
    write(scores, folder, SCORES)
    codes = Counter(code for code in scores["not_scored"] if code)
    for code, count in codes.most_common():
        say(f"score: {counted(count, 'slices')} not scored: {code}")
    return {
        "slices": scores.height,
        "kept": kept.height,
        "not scored": codes.total(),
        "patients seen by the model": len(seen),
        "engine": classifier.engine,
    }


def _kept(folder: Path, cohort: pl.DataFrame) -> pl.DataFrame:
    """Rows of studies that are still the same, but for those of patients whom the bundle had seen."""
    if not SCORES.path(folder).is_file():
        return empty(SCORES)
    before = read(folder, SCORES).filter(pl.col("not_scored").is_null() | (pl.col("not_scored") != SEEN))
    now, then = (frame.group_by("study_uid").agg(pl.col("instance_uid").sort()) for frame in (cohort, before))
    same = now.join(then, on=["study_uid", "instance_uid"], how="semi")
    return before.join(same.select("study_uid"), on="study_uid", how="semi")


def _seen(card: Card, cohort: pl.DataFrame, bundle: Path) -> set[str]:
    """Patients of the cohort that the bundle was trained on."""
    say_if_unknown(card, "score")
    known = named(card, PATIENTS) or set()
    patients = set(cohort["patient_id"])
    seen = {patient for patient in patients if set(pseudonyms([patient])) & known}
    if seen and seen == patients:
        raise LeakError(
            f"this bundle was trained on all that are to be scored: {counted(len(patients), 'patients')}",
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
