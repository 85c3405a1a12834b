"""One report to one status per finding.

What the conclusion says of a finding outweighs the description. Within a section present outweighs
uncertain, and uncertain absent. A finding that is not mentioned has no entry. Rules: docs/reference/labels.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from plainscan.findings import ANY_FINDING, FINDING_KEYS, HEMORRHAGE_KEYS, SPECIFIC_KEYS
from plainscan.reports.mention import OTHER, Mention, read_mentions
from plainscan.reports.scope import Status

_GROUPS: Final = {
    "hemorrhage": HEMORRHAGE_KEYS,
    "extra_axial": ("epidural_hemorrhage", "subdural_hemorrhage"),
    "infarct": ("early_infarct", "late_infarct"),
    "spaces": ("hydrocephalus", "atrophy"),
}
_GONE: Final = re.compile(r"吸收|消失|清除|\b(?:residual|resolved|resolution|longer|gone)\b")
_ORDER: Final[tuple[Status, ...]] = ("present", "uncertain", "absent")


def read_report(report: str) -> dict[str, Mention]:
    """The findings of a report, each with the mention that decides its status, in the order of the closed list.

    >>> found = read_report("Findings: Right frontal scalp hematoma. No fracture. Impression: Scalp hematoma.")
    >>> {key: mention.status for key, mention in found.items()}
    {'any_finding': 'present', 'skull_fracture': 'absent', 'scalp_hematoma': 'present'}
    """
    if not report.strip():
        return {}
    reading = read_mentions(report)
    named: dict[str, list[Mention]] = {}
    for mention in reading.mentions:
        named.setdefault(mention.finding, []).append(mention)
    specific = {key: _decisive(named[key]) for key in SPECIFIC_KEYS if key in named}
    for group, members in _GROUPS.items():
        denied = _decisive(named[group]) if group in named else None
        if denied and denied.status == "absent":
            specific = dict.fromkeys(members, denied) | specific
    specific[ANY_FINDING] = _any(specific, reading.mentions, reading.unread)
    return {key: specific[key] for key in FINDING_KEYS if key in specific}


def _decisive(mentions: Sequence[Mention]) -> Mention:
    """Of the mentions of one finding that which counts: of the conclusion if there is one, of the strongest status.

    A conclusion that denies an acute one alone does not outweigh a description of one that may be older; one that
    denies what is described as there leaves it uncertain, as it may speak of another place.
    """
    best = min(mentions, key=lambda m: (m.section != "impression" or m.acute, _ORDER.index(m.status)))
    told = next((m for m in mentions if m.status == "present"), None)
    if told is None or best.status != "absent" or _GONE.search(best.sentence.lower()):
        return best
    return replace(told, status="uncertain")


def _any(specific: dict[str, Mention], mentions: tuple[Mention, ...], unread: tuple[Mention, ...]) -> Mention:
    """Whether anything is abnormal: what is specific, then what is said without a name."""
    said = [*specific.values(), *(m for m in mentions if m.finding in (OTHER, ANY_FINDING, *_GROUPS))]
    best = min(said, key=lambda m: (_ORDER.index(m.status), m.finding != ANY_FINDING), default=None)
    if unread and (best is None or best.status == "absent"):
        best = unread[0]
    if best is None:
        return Mention(ANY_FINDING, "uncertain", "findings", "", 0, 0)
    return Mention(ANY_FINDING, best.status, best.section, best.sentence, best.start, best.end)
