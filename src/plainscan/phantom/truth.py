"""What is true of a synthetic study: its lesions, its normal variants, its patient.

Written by the generator, read by reports.

Slices are counted from 0 at the lowest (nearest the feet). Sides are the patient's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["left", "right", "midline", "bilateral"]
Age: TypeAlias = Literal["acute", "subacute", "chronic"]
Site: TypeAlias = Literal[
    "frontal",
    "parietal",
    "temporal",
    "occipital",
    "insula",
    "basal_ganglia",
    "thalamus",
    "internal_capsule",
    "corona_radiata",
    "centrum_semiovale",
    "cerebellum",
    "brainstem",
    "lateral_ventricle",
    "third_ventricle",
    "fourth_ventricle",
    "ventricles",
    "convexity",
    "falx",
    "tentorium",
    "sylvian_fissure",
    "basal_cisterns",
    "sulci",
    "brain",
    "midline",
    "vertex",
    "skull_base",
    "posterior_fossa",
    "corpus_callosum",
    "interhemispheric_fissure",
]
"""Where a lesion lies. A skull fracture and a scalp hematoma name the lobe they lie over; `brain` is all of it
(atrophy), `ventricles` all ventricles (hydrocephalus), `midline` the displaced midline (midline shift)."""
VariantKind: TypeAlias = Literal[
    "pineal_calcification",
    "choroid_plexus_calcification",
    "falx_calcification",
    "asymmetric_sinus",
    "basal_ganglia_calcification",
    "dural_calcification",
    "vascular_calcification",
    "dense_vessel",
    "arachnoid_granulation",
    "prominent_csf_space",
]


@dataclass(frozen=True, slots=True)
class Lesion:
    """One finding as it was put into the head.

    Args:
        finding: A key of ``plainscan.findings.SPECIFIC_KEYS``.
        side: The patient's side.
        site: Where it lies.
        size_mm: Largest in-plane extent; thickness for an epidural or subdural hemorrhage, displacement of the
            midline for a midline shift, step for a depressed fracture (0 when not depressed), width of the third
            ventricle for hydrocephalus.
        slices: Slices whose mask is positive, ascending, 0 the lowest; never empty.
        age: Of a hemorrhage or an infarct; None where age has no meaning.
        mean_hu: Typical (median) noise-free HU under the mask.
    """

    finding: str
    side: Side
    site: Site
    size_mm: float
    slices: tuple[int, ...]
    age: Age | None
    mean_hu: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A normal variant: worth a word in a report, never a finding.

    Args:
        kind: Which.
        side: Where; for ``asymmetric_sinus`` the larger side.
        slices: Slices that show it, ascending, 0 the lowest; may be empty.
    """

    kind: VariantKind
    side: Side
    slices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """One study.

    Args:
        patient: 0-based number of the patient in the cohort.
        study: 0-based number of the study among the patient's.
        lesions: All findings, in the order of ``findings.FINDINGS``; empty when there is none.
        variants: Normal variants.
        slice_count: Slices of the axial soft-tissue series.
        thickness_mm: Nominal slice thickness (of the upper part where it changes).
        age_years: The patient's age.
        sex: As in the DICOM tag.
        comparison: Whether an earlier study of the patient exists.
    """

    patient: int
    study: int
    lesions: tuple[Lesion, ...]
    variants: tuple[Variant, ...]
    slice_count: int
    thickness_mm: float
    age_years: int
    sex: Literal["F", "M"]
    comparison: bool
