"""The closed, ordered list of findings: the one place where names, order and codes live.

Index 0 is always ``any_finding``. The order is the order of label columns, network outputs and
prediction columns. A new finding goes to the end (see CONTRIBUTING, "how to add a finding").

Codes are ICD-10 (WHO, 2019): the categories a report or a coding clerk would use. They name the
finding for exchange; they are not a diagnosis.

>>> FINDINGS[0].key, index("subdural_hemorrhage"), find("Subdural").key
('any_finding', 2, 'subdural_hemorrhage')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Args:
        key: Identifier; the column name in every table.
        english: Display name in English.
        chinese: Display name in Chinese.
        icd10: ICD-10 category; empty for ``any_finding``.
        aliases: Other column names accepted in label files, compared without case.
        focal: Whether a mask outlines it. Atrophy, hydrocephalus and midline shift are diffuse: their
            masks mark the widened or displaced spaces.
    """

    key: str
    english: str
    chinese: str
    icd10: str
    aliases: tuple[str, ...] = field(default=())
    focal: bool = True


ANY_FINDING: Final = "any_finding"

FINDINGS: Final[tuple[Finding, ...]] = (
    Finding(ANY_FINDING, "any finding", "任何异常", "", ("any", "abnormal")),
    Finding("epidural_hemorrhage", "epidural hemorrhage", "硬膜外血肿", "S06.4", ("epidural", "edh")),
    Finding("subdural_hemorrhage", "subdural hemorrhage", "硬膜下血肿", "S06.5", ("subdural", "sdh")),
    Finding("subarachnoid_hemorrhage", "subarachnoid hemorrhage", "蛛网膜下腔出血", "I60", ("subarachnoid", "sah")),
    Finding(
        "intraparenchymal_hemorrhage", "intraparenchymal hemorrhage", "脑实质出血", "I61", ("intraparenchymal", "iph")
    ),
    Finding(
        "intraventricular_hemorrhage", "intraventricular hemorrhage", "脑室出血", "I61.5", ("intraventricular", "ivh")
    ),
    Finding("early_infarct", "early infarct", "急性期脑梗死", "I63", ("infarct_early",)),
    Finding("late_infarct", "late infarct", "陈旧性脑梗死", "I69.3", ("infarct_late",)),
    Finding("mass", "mass with edema", "占位伴水肿", "R90.0", ("tumor", "tumour")),
    Finding("atrophy", "atrophy", "脑萎缩", "G31.9", focal=False),
    Finding("hydrocephalus", "hydrocephalus", "脑积水", "G91", focal=False),
    Finding("midline_shift", "midline shift", "中线移位", "G93.5", focal=False),
    Finding("skull_fracture", "skull fracture", "颅骨骨折", "S02", ("fracture",)),
    Finding("scalp_hematoma", "scalp hematoma", "头皮血肿", "S00.0", ("scalp_haematoma",)),
    Finding("lacune", "old lacune", "陈旧性腔隙灶", "I69.3", ("old_lacune",)),
)

FINDING_KEYS: Final[tuple[str, ...]] = tuple(finding.key for finding in FINDINGS)
SPECIFIC_KEYS: Final[tuple[str, ...]] = FINDING_KEYS[1:]
HEMORRHAGE_KEYS: Final[tuple[str, ...]] = FINDING_KEYS[1:6]

_BY_NAME: Final = {name.lower(): f for f in FINDINGS for name in (f.key, *f.aliases)}


def index(key: str) -> int:
    """Position of a finding in the closed list; raises ``KeyError`` for an unknown key."""
    return FINDING_KEYS.index(_BY_NAME[key].key)


def find(name: str) -> Finding | None:
    """The finding that a column name stands for, by key or alias without case; None if it is none."""
    return _BY_NAME.get(name.strip().lower())
