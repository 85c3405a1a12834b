"""Claim: of the series of a study, plain soft-tissue axial head series are chosen, and nothing else.

The labeled set (``tests/cohort/data/series.csv``) holds names and headers as vendors and hospitals write them, in
Chinese, English and some other languages; half of it, by hash, is for developing the rules. Each series is judged as
the only one of its study, a thin one beside its thick twin. Peer: a search for the words head and brain (头 颅 脑).

Run: ``python benchmarks/selection.py [--half develop|judge] [--errors]``. Each run on ``judge`` is written down in
docs/experiments.md.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import polars as pl

from plainscan.cohort.select import select
from plainscan.config import SelectSettings
from plainscan.tables import CATALOGUE, from_rows

SET: Final = Path(__file__).parents[1] / "tests" / "cohort" / "data" / "series.csv"
LIMITS: Final = {"precision": 0.90, "recall": 0.90}
PLANES: Final = {
    "": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "cor": [1.0, 0.0, 0.0, 0.0, 0.0, -1.0],
    "sag": [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
}
CLASSES: Final = {"": "1.2.840.10008.5.1.4.1.1.2", "sc": "1.2.840.10008.5.1.4.1.1.7"}
PIXEL_MM: Final = {"CHEST": 0.75, "ABDOMEN": 0.75, "SPINE": 0.35, "CSPINE": 0.35}
# Codes that name the cause; a series that is left out for another reason is left out all the same.
CAUSES: Final = {
    "localizer": {"localizer"},
    "dose_sheet": {"dose_sheet", "secondary_capture"},
    "bone": {"bone_kernel"},
    "thin": {"thin_twin"},
    "reformat": {"reformat", "secondary_capture"},
    "cta": {"contrast"},
    "ctp": {"perfusion"},
    "contrast": {"contrast"},
    "neck": {"not_head"},
    "spine": {"not_head"},
    "other": {"not_head"},
}
Half: TypeAlias = Literal["develop", "judge"]
Line: TypeAlias = dict[str, str]


class Answer(NamedTuple):
    """What ``select`` made of a series: chosen, or the code it was left out with."""

    chosen: bool
    code: str


def half_of(line: Line) -> Half:
    """Which half a series belongs to: by the last hexadecimal digit of its hash, so that nobody chooses."""
    text = ";".join(line.values())
    return "judge" if int(hashlib.sha256(text.encode()).hexdigest()[-1], 16) % 2 else "develop"


def lines(half: Half) -> list[Line]:
    """The labeled series of one half."""
    with SET.open(encoding="utf-8", newline="") as file:
        return [line for line in csv.DictReader(file, delimiter=";") if half_of(line) == half]


def answer(line: Line) -> Answer:
    """What ``select`` makes of a series."""
    rows = _rows(line, 1)
    if line["label"] == "thin":
        thick = {**line, "description": "Head 5.0", "mm": "5", "slices": "30"}
        rows += _rows(thick, 2)
    cohort, exclusions = select(from_rows(rows, CATALOGUE), SelectSettings())
    if (cohort["series_uid"] == "1.1.1").any():
        return Answer(chosen=True, code="")
    own = exclusions.filter(pl.col("series_uid") == "1.1.1", pl.col("level") != "study")
    return Answer(chosen=False, code=own["code"].mode().sort().item(0))


def _rows(line: Line, number: int) -> list[dict[str, Any]]:
    """Catalogue rows of a series."""
    more = dict(part.split("=", 1) for part in line["more"].split(",") if part)
    thickness = float(line["mm"] or 0) or None
    pixel = PIXEL_MM.get(line["body_part"], 0.45)
    row = {
        "patient_id": "P1",
        "study_uid": "1.1",
        "series_uid": f"1.1.{number}",
        "series_number": number,
        "frame": 0,
        "source": "/archive",
        "kind": "dicom",
        "file_bytes": 600_000,
        "number_of_frames": 1,
        "rows": 512,
        "columns": 512,
        "pixel_spacing_row_mm": pixel,
        "pixel_spacing_column_mm": pixel,
        "slice_thickness_mm": thickness,
        "sop_class_uid": CLASSES[more.get("class", "")],
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "CT",
        "image_type": more.get("type", "ORIGINAL\\PRIMARY\\AXIAL"),
        "study_description": more.get("study"),
        "series_description": line["description"] or None,
        "protocol_name": line["protocol"] or None,
        "body_part": line["body_part"] or None,
        "convolution_kernel": line["kernel"] or None,
        "contrast_agent": more.get("agent"),
        "bits_allocated": 16,
        "samples_per_pixel": 1,
        "photometric": more.get("photometric", "MONOCHROME2"),
        "rescale_slope": 1.0,
        "rescale_intercept": -1024.0,
        "position_x_mm": -115.0,
        "orientation": PLANES[more.get("plane", "")],
        "patient_position": "HFS",
    }
    return [
        {
            **row,
            "position_y_mm": -115.0,
            "position_z_mm": (thickness or 1.0) * i,
            "instance_number": i + 1,
            "instance_uid": f"1.1.{number}.{i}",
            "path": f"{number}/{i:04d}",
        }
        for i in range(int(line["slices"]))
    ]


def peer(line: Line) -> bool:
    """Whether a plain search would take it: something says head or brain."""
    words = " ".join((line["description"], line["protocol"], line["body_part"])).lower()
    return bool(re.search(r"head|brain|头|颅|脑", words))


def share(hits: int, n: int) -> str:
    """A share with its Wilson interval.

    >>> share(9, 10)
    '0.900 (0.596-0.982)'
    """
    if not n:
        return "none"
    z, p = 1.96, hits / n
    middle, width = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    low, high = ((middle + sign * width) / (1 + z * z / n) for sign in (-1, 1))
    return f"{p:.3f} ({low:.3f}-{high:.3f})"


def judge(half: Half, show: bool) -> dict[str, float]:
    """Print the tables; returns precision and recall."""
    judged = lines(half)
    answers = [answer(line) for line in judged]
    plain = [line["label"] == "plain" for line in judged]
    found: dict[str, float] = {}
    for name, said in (("select", [one.chosen for one in answers]), ("plain search", [peer(line) for line in judged])):
        hits = sum(a and b for a, b in zip(said, plain, strict=True))
        print(f"{name:<13} precision {share(hits, sum(said))}, recall {share(hits, sum(plain))}")
        found = found or {"precision": hits / max(1, sum(said)), "recall": hits / max(1, sum(plain))}
    print(f"\n{half + ' half':<13}{'n':>4}{'left out':>10}{'for its cause':>15}")
    for label in ("plain", *CAUSES):
        own = [one for one, line in zip(answers, judged, strict=True) if line["label"] == label]
        out = sum(not one.chosen for one in own)
        named = sum(one.code in CAUSES.get(label, ()) for one in own)
        print(f"{label:<13}{len(own):>4}{out:>10}{named if label in CAUSES else '':>15}")
    if show and half == "develop":
        for line, one in zip(judged, answers, strict=True):
            if one.chosen != (line["label"] == "plain") or (not one.chosen and one.code not in CAUSES[line["label"]]):
                print(f"{line['label']:<11}{one.code or 'chosen':<20}{';'.join(list(line.values())[1:])}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print precision and recall; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=("develop", "judge"), default="develop")
    parser.add_argument("--errors", action="store_true", help="list what is misjudged; of the develop half only")
    given = parser.parse_args(arguments)
    found = judge(given.half, given.errors)
    print("limits: " + ", ".join(f"{name} {limit}" for name, limit in LIMITS.items()))
    return int(any(found[name] < limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
