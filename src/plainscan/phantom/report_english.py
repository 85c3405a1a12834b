"""Sentences of English head CT reports."""

from __future__ import annotations

from typing import Final

from plainscan.phantom.report_words import Style, Words

_SIDES: Final = {"left": "left", "right": "right", "bilateral": "bilateral", "midline": "midline"}
_SITES: Final = {
    "frontal": "frontal",
    "parietal": "parietal",
    "temporal": "temporal",
    "occipital": "occipital",
    "insula": "insular",
    "basal_ganglia": "basal ganglia",
    "thalamus": "thalamic",
    "internal_capsule": "internal capsule",
    "corona_radiata": "corona radiata",
    "centrum_semiovale": "centrum semiovale",
    "cerebellum": "cerebellar",
    "brainstem": "brainstem",
    "lateral_ventricle": "lateral ventricular",
    "third_ventricle": "third ventricular",
    "fourth_ventricle": "fourth ventricular",
    "ventricles": "ventricular",
    "convexity": "convexity",
    "falx": "parafalcine",
    "tentorium": "tentorial",
    "sylvian_fissure": "sylvian",
    "basal_cisterns": "basal cisternal",
    "sulci": "sulcal",
    "brain": "cerebral",
    "midline": "midline",
    "vertex": "vertex",
    "skull_base": "skull base",
    "posterior_fossa": "posterior fossa",
    "corpus_callosum": "corpus callosum",
    "interhemispheric_fissure": "interhemispheric",
}


def _place(side: str, site: str) -> str:
    return _SITES[site] if side == "midline" else f"{_SIDES[side]} {_SITES[site]}"


_DESCRIPTIONS: Final = {
    "epidural_hemorrhage": (
        "In the {place} region a lens-shaped dense collection strips the dura, up to {size} thick and about {hu} HU",
        "{place} epidural collection of fresh blood measuring {size} in depth",
    ),
    "subdural_hemorrhage": (
        "Crescent of dense blood along the {place} inner table, {size} in maximal thickness",
        "{place} holohemispheric subdural blood measures up to {size}",
    ),
    "subdural_hemorrhage.subacute": ("Nearly isodense {place} subdural collection displaces the cortex by {size}",),
    "subdural_hemorrhage.chronic": (
        "Low-density {place} subdural collection, {size} thick, attenuation {hu} HU",
        "A {size} hypodense chronic subdural fluid layer overlies the {place} region",
    ),
    "subarachnoid_hemorrhage": (
        "Curvilinear dense material tracks through the {place} subarachnoid spaces",
        "Dense blood outlines the {place} CSF spaces",
    ),
    "intraparenchymal_hemorrhage": (
        "Well-circumscribed {place} parenchymal bleed of {size}, {hu} HU, with thin surrounding edema",
        "A {size} acute {place} hematoma is centered within the brain substance",
    ),
    "intraparenchymal_hemorrhage.subacute": (
        "Evolving {place} parenchymal hematoma, {size}, with ill-defined margins and surrounding edema",
    ),
    "intraparenchymal_hemorrhage.chronic": ("Resorbing {place} parenchymal hematoma now measures {size}",),
    "intraventricular_hemorrhage": (
        "Dependent blood lies in the {place} system",
        "Hyperdense blood fills part of the ventricles",
    ),
    "early_infarct": (
        "Subtle {place} low attenuation over {size} with blurring of the cortical ribbon",
        "Ill-defined {place} hypoattenuation and sulcal effacement spanning {size}",
    ),
    "late_infarct": (
        "CSF-density {place} defect of {size} with ex vacuo change",
        "{place} encephalomalacia spanning {size} in a vascular distribution",
    ),
    "mass": (
        "A {size} rounded {place} mass is surrounded by finger-like vasogenic edema",
        "Heterogeneous {place} lesion of {size} with extensive adjacent edema",
    ),
    "atrophy": (
        "There is global parenchymal volume loss with wide sulci",
        "Cerebral sulci and cisterns are diffusely enlarged beyond that expected for age",
    ),
    "hydrocephalus": (
        "The lateral and third ventricles are ballooned, the third being {size} wide, with periventricular lucency",
        "Dilated supratentorial ventricles out of proportion to the sulci (third ventricle {size})",
    ),
    "midline_shift": (
        "The septum pellucidum lies {size} off the midline",
        "There is {size} of shift of midline structures",
    ),
    "skull_fracture": (
        "On bone windows a lucent line crosses the {place} calvarium",
        "Break in the {place} calvarial cortex",
    ),
    "scalp_hematoma": (
        "{place} extracalvarial soft tissues are thickened to {size}",
        "Focal {place} scalp swelling, {size} deep",
    ),
    "lacune": (
        "Tiny well-defined {place} lucency measuring {size}",
        "Punched-out {size} {place} focus of CSF density",
    ),
}

_CONCLUSIONS: Final = {
    "epidural_hemorrhage": ("{place} acute epidural hematoma", "extradural haematoma, {place}"),
    "subdural_hemorrhage": ("acute {place} subdural hematoma", "{place} SDH, {size}"),
    "subdural_hemorrhage.subacute": ("subacute {place} subdural haematoma",),
    "subdural_hemorrhage.chronic": ("chronic {place} subdural hematoma",),
    "subarachnoid_hemorrhage": ("{place} subarachnoid hemorrhage", "acute SAH ({place})"),
    "intraparenchymal_hemorrhage": ("acute {place} parenchymal hemorrhage", "{place} intracerebral haematoma"),
    "intraparenchymal_hemorrhage.subacute": ("subacute {place} intraparenchymal hematoma",),
    "intraparenchymal_hemorrhage.chronic": ("resorbing {place} intracerebral hematoma",),
    "intraventricular_hemorrhage": ("intraventricular blood", "hemorrhage within the ventricular system"),
    "early_infarct": ("acute {place} ischemic infarct", "recent {place} infarction"),
    "early_infarct.subacute": ("subacute {place} infarct",),
    "late_infarct": ("old {place} infarct", "chronic {place} infarction with encephalomalacia"),
    "mass": ("{place} mass with vasogenic edema", "{place} neoplasm with surrounding oedema"),
    "atrophy": ("cerebral atrophy", "generalised involutional change", "diffuse brain volume loss"),
    "hydrocephalus": ("hydrocephalus", "obstructive hydrocephalus"),
    "midline_shift": ("midline shift of {size}", "{size} shift across the midline"),
    "skull_fracture": ("{place} skull fracture", "fracture of the {place} calvarium"),
    "scalp_hematoma": ("{place} scalp hematoma", "{place} scalp soft tissue swelling"),
    "lacune": ("old {place} lacunar infarct", "chronic {place} lacune"),
}

_NEGATIVES: Final = {
    "epidural_hemorrhage subdural_hemorrhage subarachnoid_hemorrhage intraparenchymal_hemorrhage "
    "intraventricular_hemorrhage": (
        "No acute bleed is identified.",
        "There is no intra- or extra-axial hemorrhage.",
        "No blood products are seen.",
    ),
    "epidural_hemorrhage subdural_hemorrhage": (
        "No extra-axial collection.",
        "Extra-axial spaces are clear, without subdural or epidural hematoma.",
    ),
    "early_infarct late_infarct lacune": (
        "No CT evidence of a territorial infarct.",
        "Gray-white differentiation is preserved.",
    ),
    "mass": ("No intracranial mass.", "No space-occupying lesion."),
    "hydrocephalus atrophy intraventricular_hemorrhage midline_shift": (
        "Ventricles are of normal caliber and configuration.",
        "The ventricular system is not dilated.",
    ),
    "atrophy": ("Sulcal pattern is normal for age.", "No disproportionate volume loss."),
    "midline_shift": ("Midline structures are undisplaced.", "No shift of the midline."),
    "skull_fracture": ("The bony calvarium is intact.", "No calvarial fracture on bone windows.", "No fractures."),
    "scalp_hematoma": ("Scalp soft tissues are unremarkable.", "No scalp swelling."),
}

_VARIANTS: Final = {
    "pineal_calcification": (
        "The pineal gland is calcified, a physiologic finding.",
        "Physiologic pineal calcification.",
    ),
    "choroid_plexus_calcification": (
        "Benign choroid plexus calcifications.",
        "Calcified choroid plexus in both atria.",
    ),
    "falx_calcification": ("Incidental falcine calcification.", "Dural calcification along the falx."),
    "basal_ganglia_calcification": ("Physiologic basal ganglia calcification.",),
    "dural_calcification": ("Incidental dural calcification.",),
    "vascular_calcification": ("Physiologic calcification of the vessel walls.",),
    "dense_vessel": ("The venous sinuses are uniformly dense, a normal variant.",),
    "arachnoid_granulation": ("Arachnoid granulation incidentally noted.",),
    "prominent_csf_space": ("Mega cisterna magna or cavum septi pellucidi, a developmental variant.",),
    "asymmetric_sinus": (
        "Developmental asymmetry of the frontal sinuses.",
        "The transverse sinuses are asymmetric, a normal variant.",
    ),
}

_STYLES: Final = (
    Style(
        "TECHNIQUE: {technique}.\nCOMPARISON: {comparison}\n\nFINDINGS:\n{findings}\n\nIMPRESSION:\n{conclusion}",
        " ",
        numbered=True,
    ),
    Style("CT head. {technique}.\n\nReport:\n{findings}\n\nConclusion: {conclusion}", " ", numbered=False),
    Style("Findings:\n- {findings}\nComparison: {comparison}\nImpression:\n{conclusion}", "\n- ", numbered=True),
    Style("{findings}\n\nOpinion: {conclusion}", " ", numbered=False),
)

WORDS: Final = Words(
    styles=_STYLES,
    technique=(
        "Unenhanced axial CT of the head, {thickness} mm",
        "Plain head CT",
        "Contiguous {thickness} mm axial images were acquired from skull base to vertex",
    ),
    compared=("Prior head CT.", "Earlier CT reviewed."),
    not_compared=("None.", "None available."),
    descriptions=_DESCRIPTIONS,
    conclusions=_CONCLUSIONS,
    hedges=(
        "Possible {}.",
        "Appearances may represent {}.",
        "Cannot exclude {}.",
        "Suspicious for {}.",
        "Probable {}; clinical correlation advised.",
    ),
    normal=(
        "No acute intracranial abnormality.",
        "Normal unenhanced CT of the head.",
        "Unremarkable study.",
        "No significant intracranial abnormality is demonstrated.",
    ),
    no_hemorrhage=("No intracranial hemorrhage.", "No evidence of an acute bleed."),
    advice=(
        "Clinical correlation is advised.",
        "MRI may be considered if symptoms persist.",
        "Follow-up as indicated.",
    ),
    negatives=_NEGATIVES,
    variants=_VARIANTS,
    sides=_SIDES,
    place=_place,
    reference=" (im {})",
    number="{}. {}",
    stop=".",
    join_conclusion=" ",
    tight_units=False,
)
