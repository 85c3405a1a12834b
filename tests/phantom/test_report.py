from collections import Counter
from typing import get_args

import numpy as np
import pytest

from plainscan.findings import FINDING_KEYS, SPECIFIC_KEYS
from plainscan.phantom.report import WORDS, write_report
from plainscan.phantom.truth import Lesion, StudyTruth, Variant, VariantKind
from plainscan.reports.label import read_report

SITES = {
    "epidural_hemorrhage": ("temporal", "frontal", "posterior_fossa"),
    "subdural_hemorrhage": ("convexity", "falx", "tentorium"),
    "subarachnoid_hemorrhage": ("sylvian_fissure", "basal_cisterns", "sulci", "interhemispheric_fissure"),
    "intraparenchymal_hemorrhage": (
        "basal_ganglia",
        "thalamus",
        "frontal",
        "cerebellum",
        "brainstem",
        "corpus_callosum",
    ),
    "intraventricular_hemorrhage": ("lateral_ventricle", "fourth_ventricle"),
    "early_infarct": ("temporal", "insula", "cerebellum"),
    "late_infarct": ("occipital", "parietal"),
    "mass": ("frontal", "cerebellum"),
    "atrophy": ("brain",),
    "hydrocephalus": ("ventricles",),
    "midline_shift": ("midline",),
    "skull_fracture": ("temporal", "vertex", "skull_base"),
    "scalp_hematoma": ("frontal", "vertex"),
    "lacune": ("basal_ganglia", "corona_radiata", "internal_capsule", "centrum_semiovale"),
}
AGES = {
    "subdural_hemorrhage": ("acute", "subacute", "chronic"),
    "intraparenchymal_hemorrhage": ("acute", "subacute", "chronic"),
    "early_infarct": ("acute", "subacute"),
    "late_infarct": ("chronic",),
}
VARIANTS = get_args(VariantKind)


def lesion(key: str, rng: np.random.Generator) -> Lesion:
    site = str(rng.choice(SITES[key]))
    side = "midline" if site in ("brain", "ventricles", "midline") else str(rng.choice(["left", "right", "bilateral"]))
    first = int(rng.integers(20))
    slices = tuple(range(first, first + int(rng.integers(1, 6))))
    age = str(rng.choice(AGES[key])) if key in AGES else None
    return Lesion(key, side, site, float(rng.uniform(2, 50)), slices, age, 60.0)  # type: ignore[arg-type]


def study(rng: np.random.Generator) -> StudyTruth:
    count = 0 if rng.random() < 0.4 else int(rng.integers(1, 5))
    keys = [SPECIFIC_KEYS[i] for i in sorted(rng.choice(len(SPECIFIC_KEYS), count, replace=False))]
    variants = tuple(Variant(kind, "midline", (3,)) for kind in VARIANTS if rng.random() < 0.4)
    return StudyTruth(0, 0, tuple(lesion(k, rng) for k in keys), variants, 30, 5.0, 60, "M", bool(rng.random() < 0.3))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_reports_are_read_back_as_the_truth(language: str) -> None:
    """A hedged finding reads as uncertain; here present and uncertain both count as said."""
    rng = np.random.default_rng(11)
    hit, miss, extra, hedged = Counter[str](), Counter[str](), Counter[str](), 0
    for _ in range(300):
        truth = study(rng)
        found = read_report(write_report(truth, language, rng))
        there = {one.finding for one in truth.lesions}
        there |= {"any_finding"} if there else set()
        said = {key for key, mention in found.items() if mention.status != "absent"}
        hedged += sum(mention.status == "uncertain" for mention in found.values())
        hit.update(there & said)
        miss.update(there - said)
        extra.update(said - there)
        if not there:
            assert found["any_finding"].status == "absent"
    f1 = {key: 2 * hit[key] / (2 * hit[key] + miss[key] + extra[key]) for key in FINDING_KEYS}
    assert min(f1.values()) >= 0.95, f1
    assert 20 < hedged < 200


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_same_seed_gives_the_same_report(language: str) -> None:
    truth = study(np.random.default_rng(5))
    first, second, other = (write_report(truth, language, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_each_language_has_at_least_three_styles_and_a_sentence_for_everything() -> None:
    for words in WORDS.values():
        assert len(words.styles) >= 3
        assert set(SPECIFIC_KEYS) <= set(words.descriptions)
        assert set(SPECIFIC_KEYS) <= set(words.conclusions)
        assert set(words.variants) == set(VARIANTS)


def test_some_reports_name_slices_counted_from_one() -> None:
    rng = np.random.default_rng(3)
    truth = StudyTruth(
        0, 0, (Lesion("mass", "left", "frontal", 30.0, (14, 15, 16), None, 45.0),), (), 30, 5.0, 60, "F", False
    )
    reports = [write_report(truth, "en", rng) for _ in range(40)]
    assert 0 < sum("(im 15-17)" in report for report in reports) < 40
