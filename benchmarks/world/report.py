"""The tables; what a measure is, stands in ``plainscan.evaluation.appearance``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np
from benchmarks.world.sources import Views, above_base, by_patient
from numpy.typing import NDArray

from plainscan.evaluation import appearance, domain
from plainscan.findings import HEMORRHAGE_KEYS

SYNTHETIC = "synthetic"
MARKS = ("<!-- world: begin -->", "<!-- world: end -->")
SKULL_ROWS = (
    "share 99 to 100 HU",
    "skull thickness px",
    "scalp of head",
    "edge at inner table",
    "rim 0-2 px HU",
    *(f"depth {low}-{high} px HU" for low, high in appearance.DEPTHS),
    *(f"scalp {near}-{far} px tissue" for near, far in appearance.OUTWARD),
    "brain coarse texture HU",
    "head width over height",
)


def spread(values: Iterable[float], digits: int = 1) -> str:
    """Median and, of several values, 10 % to 90 %."""
    known = np.array([v for v in values if np.isfinite(v)])
    if not known.size:
        return "-"
    low, middle, high = np.percentile(known, [10, 50, 90])
    several = f" ({low:.{digits}f} to {high:.{digits}f})" if known.size > 1 else ""
    return f"{middle:.{digits}f}{several}"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]) + "\n"


def tissue_table(sources: dict[str, Views]) -> str:
    """Per patient, on slices above the base without marked blood."""
    columns = [tissue_cells(views) for views in sources.values()]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return table(["per patient: median (10 to 90 %)", *sources], rows)


def tissue_cells(views: Views) -> dict[str, str]:
    pairs = {
        patient: [
            (hu, appearance.regions(hu).brain)
            for hu in (appearance.clipped(v.hu) for v in own if not v.findings & {*HEMORRHAGE_KEYS})
        ]
        for patient, own in by_patient(above_base(views)).items()
    }
    found = [appearance.tissues(own) for own in pairs.values()]
    quiet = [
        appearance.noise(np.concatenate([appearance.patches(hu, brain) for hu, brain in own]))
        for own in pairs.values()
        if own
    ]
    means = [
        {key: float(np.nanmean([v.measures.get(key, np.nan) for v in own])) for key in own[0].measures}
        for own in by_patient(above_base(views)).values()
    ]
    per_patient = {key: spread((m.get(key, np.nan) for m in means), row_digits(key)) for key in SKULL_ROWS}
    return {
        "patients": str(len(pairs)),
        "CSF, HU": spread(t.csf for t in found),
        "white matter, HU": spread(t.white for t in found),
        "gray matter, HU": spread(t.gray for t in found),
        "gray less white, HU": spread(t.gray - t.white for t in found),
        "white matter width, HU": spread(t.white_width for t in found),
        "gray matter width, HU": spread(t.gray_width for t in found),
        "noise deviation, HU": spread(n.deviation_hu for n in quiet),
        "noise centroid, cycles/px": spread((n.centroid for n in quiet), 3),
        **per_patient,
    }


def row_digits(name: str) -> int:
    """HU and pixels need one digit, shares and ratios three."""
    return 1 if name.endswith(("HU", "px", "table")) and not name.startswith("share") else 3


def noise_table(sources: dict[str, Views]) -> str:
    """Share of the noise power per ring, in percent."""
    rows = []
    for name, views in sources.items():
        flat = [
            appearance.patches(hu, appearance.regions(hu).brain)
            for hu in (appearance.clipped(v.hu) for v in above_base(views))
        ]
        power = appearance.noise(np.concatenate([np.empty((0, appearance.PATCH, appearance.PATCH)), *flat])).power
        weighted = power * (np.arange(appearance.RINGS) + 1)  # a ring's area grows with its radius
        rows.append([name, *(f"{100 * p:.0f}" for p in np.nan_to_num(weighted) / max(np.nansum(weighted), 1e-9))])
    rings = [f"{(i + 1) / appearance.PATCH:.2f}" for i in range(appearance.RINGS)]
    return table(["% of noise power at cycles/px", *rings], rows)


def blood_table(sources: dict[str, Views]) -> str:
    """Bright places in the brain on slices that show blood; the same rule for all."""
    rows = []
    for key in HEMORRHAGE_KEYS:
        for name, views in sources.items():
            own = [v for v in views if key in v.findings]
            values = [
                appearance.blood(hu, appearance.regions(hu).inner) for hu in (appearance.clipped(v.hu) for v in own)
            ]
            seen = [v for v in values if v.size >= 10]
            rows.append(
                [
                    key,
                    name,
                    str(len(own)),
                    f"{100 * len(seen) / max(len(own), 1):.0f} %",
                    spread(float(np.median(v)) for v in seen),
                    spread(float(np.percentile(v, 90)) for v in seen),
                    spread((v.size for v in seen), 0),
                ]
            )
    return table(["finding", "source", "slices", "with bright pixels", "median HU", "90 % HU", "bright px"], rows)


def bone_table(sources: dict[str, Views]) -> str:
    """Skull and air where true HU are known."""
    rows = []
    for name, views in sources.items():
        above = above_base(views)
        bone = [v.hu[appearance.regions(appearance.clipped(v.hu)).bone] for v in above]
        air = [v.hu[v.hu < -300] for v in views]
        rows.append(
            [
                name,
                spread((float(np.percentile(b, 25)) for b in bone), 0),
                spread((float(np.median(b)) for b in bone), 0),
                spread((float(np.percentile(b, 90)) for b in bone), 0),
                spread((float(np.median(a)) for a in air if a.size), 0),
                spread((float(a[a < -900].std()) for a in air if (a < -900).any()), 1),
            ]
        )
    return table(["true HU per slice", "skull 25 %", "skull median", "skull 90 %", "air", "air deviation"], rows)


def matrix(views: Views, names: list[str]) -> NDArray[np.float64]:
    return np.array([[v.measures.get(name, np.nan) for name in names] for v in views])


def compared(real: Views, synthetic: Views) -> tuple[domain.Separation | None, list[domain.Difference]]:
    """How far apart; without a classifier where there are too few patients for its folds."""
    names = sorted({key for v in (*real, *synthetic) for key in v.measures})
    a, b = matrix(real, names), matrix(synthetic, names)
    groups = [v.patient for v in real], [v.patient for v in synthetic]
    few = min(len(set(names_of)) for names_of in groups) < 2 or len({*groups[0], *groups[1]}) < domain.FOLDS
    told = None if few else domain.separation(a, groups[0], b, groups[1])
    return told, domain.differences(names, a, b)


class Pair(NamedTuple):
    """Two worlds compared."""

    real: str
    synthetic: str
    where: str
    told: domain.Separation | None
    found: list[domain.Difference]


DOMAIN_HEAD = ["real", "synthetic", "slices", "AUC per slice", "AUC per patient", "real outside", "most telling"]


def pairs(real: dict[str, Views], synthetic: dict[str, Views]) -> list[Pair]:
    return [
        Pair(name, kind, where, *compared(chosen(views), chosen(others)))
        for (name, views), (kind, others) in product(real.items(), synthetic.items())
        for where, chosen in (("all", list), ("above the base", above_base))
    ]


def domain_line(pair: Pair) -> list[str]:
    aucs = [f"{pair.told.slice_auc:.3f}", f"{pair.told.patient_auc:.3f}"] if pair.told else ["-", "-"]
    outside = f"{np.mean([d.uncovered for d in pair.found]):.2f}" if pair.found else "-"
    return [pair.real, pair.synthetic, pair.where, *aucs, outside, ", ".join(d.name for d in pair.found[:3])]


def difference_table(found: list[domain.Difference]) -> str:
    rows = [
        [
            d.name,
            f"{d.auc:.2f}",
            f"{d.uncovered:.2f}",
            number(d.real, d.real_range),
            number(d.synthetic, d.synthetic_range),
        ]
        for d in found
    ]
    return table(["measure", "AUC", "real outside", "real", "synthetic"], rows)


def number(middle: float, ends: tuple[float, float]) -> str:
    return f"{middle:.3g} ({ends[0]:.3g} to {ends[1]:.3g})"


SUMMARY_ROWS = (
    "patients",
    "CSF, HU",
    "white matter, HU",
    "gray matter, HU",
    "gray less white, HU",
    "depth 4-7 px HU",
    "depth 24-36 px HU",
    "noise deviation, HU",
    "noise centroid, cycles/px",
    "share 99 to 100 HU",
    "skull thickness px",
    "scalp of head",
    "head width over height",
)


def usable(side: dict[str, Views]) -> dict[str, Views]:
    """Sources that hold heads."""
    return {name: views for name, views in side.items() if above_base(views)}


def split(side: dict[str, Views]) -> tuple[dict[str, Views], dict[str, Views]]:
    """Real and synthetic sources."""
    found = usable(side)
    return (
        {name: views for name, views in found.items() if not name.startswith(SYNTHETIC)},
        {name: views for name, views in found.items() if name.startswith(SYNTHETIC)},
    )


def sources_shown(plain: dict[str, Views], pictures: dict[str, Views]) -> dict[str, Views]:
    """All sources side by side, each synthetic one next to the real ones that it compares with."""
    drawn = {f"{k}, pictures" if k.startswith(SYNTHETIC) else k: v for k, v in usable(pictures).items()}
    return {**drawn, **usable(plain)}


def summary(plain: dict[str, Views], pictures: dict[str, Views]) -> str:
    """The tables that stand in the documentation."""
    columns = {name: tissue_cells(views) for name, views in sources_shown(plain, pictures).items()}
    rows = [[row, *(cells[row] for cells in columns.values())] for row in SUMMARY_ROWS]
    told = [domain_line(pair) for side in (pictures, plain) for pair in pairs(*split(side))]
    return table(["per patient: median (10 to 90 %)", *columns], rows) + (
        "\n" + table(DOMAIN_HEAD, told) if told else ""
    )


def judge(plain: dict[str, Views], pictures: dict[str, Views], rows: int) -> str:
    """The whole report in Markdown.

    Args:
        plain: Slices in full HU; the names of synthetic sources begin with "synthetic", all others are real.
        pictures: Slices that went through a burnt-in window, named alike.
        rows: Of each table of differences.
    """
    shown = sources_shown(plain, pictures)
    parts = ["## Tissues, noise, skull\n", tissue_table(shown), "## Noise power\n", noise_table(shown)]
    parts += ["## Skull and air\n", bone_table(usable(plain)), "## Blood\n", blood_table(pictures)]
    found = [pair for side in (pictures, plain) for pair in pairs(*split(side))]
    if found:
        parts += ["## Telling them apart\n", table(DOMAIN_HEAD, [domain_line(pair) for pair in found])]
    for pair in found:
        parts += [
            f"### {pair.real} against {pair.synthetic}, slices: {pair.where}\n",
            difference_table(pair.found[:rows]),
        ]
    return "\n".join(parts)


def into_page(page: str, text: str) -> str:
    """Put text between the page's marks."""
    before, rest = page.split(MARKS[0])
    return f"{before}{MARKS[0]}\n\n{text.strip()}\n\n{MARKS[1]}{rest.split(MARKS[1])[1]}"
