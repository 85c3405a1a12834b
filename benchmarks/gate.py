"""Claims: the gatekeeper costs at most 5 % of scoring, refuses every wrong input and at most 1 % of head slices.

1. Judging one slice of 512 x 512 pixels against preparing and scoring it with the bundle that comes with plainscan, by
   fp32 and by int8.
2. Wrong inputs of ``phantom.wrong``, each by itself; contrast and bone-kernel series, each as a series.
3. Synthetic studies as series, in a field of view of 500 mm, and in the brain window as pictures; real heads where
   PLAINSCAN_REAL_DATA names their folder. Shares with their Wilson intervals (95 %), and the strain that heads come to;
   1 is refused. Wrong inputs are judged once more with as much nothing around them.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.prepare import HU, head_box, prepare_slice
from plainscan.ct.window import Window, from_picture, to_unit
from plainscan.dicom.read import Reader
from plainscan.inference import engine
from plainscan.inference.gate import NO_LOSS, SeriesGate, judge
from plainscan.inference.predict import score
from plainscan.inference.source import collect
from plainscan.phantom.extra import bone_series
from plainscan.phantom.study import Study, StudyOptions, make_study
from plainscan.phantom.wrong import angiogram, wrong_inputs
from plainscan.pictures import list_pictures, read_picture
from plainscan.setting_types import SHIPPED, Engine

LIMIT_COST, LIMIT_REFUSED, LEAST_WRONG = 0.05, 0.01, 300
ROUNDS, STUDIES, EACH, FULLEST = 20, 12, 12, 4
STATED = Window(40, 120)
FIELD_MM = 500.0


class Found(NamedTuple):
    """What became of slices: a code each, None where it is scored, and how far each is from a head."""

    codes: list[str | None]
    strains: list[float]


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J Am Stat Assoc 1927;22:209)."""
    z2, share = 1.96**2, count / n
    middle, half = share + z2 / 2 / n, (z2 * (share * (1 - share) / n + z2 / 4 / n**2)) ** 0.5
    return max(0.0, middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def of_series(planes: Iterable[tuple[HU, float | None]]) -> Found:
    verdicts = [judge(hu, pixel_mm) for hu, pixel_mm in planes]
    series = SeriesGate(len(verdicts), verdicts.__getitem__)
    return Found([series.code(i) for i in range(len(verdicts))], [verdict.strain for verdict in verdicts])


def of_pictures(pictures: Iterable[HU]) -> Found:
    verdicts = [judge(hu) for hu in pictures]
    return Found([verdict.code for verdict in verdicts], [verdict.strain for verdict in verdicts])


def together(parts: Iterable[Found]) -> Found:
    listed = list(parts)
    return Found([code for part in listed for code in part.codes], [s for part in listed for s in part.strains])


def studies(wide: bool, slices: tuple[int, int] = (16, 24)) -> list[Study]:
    rng = np.random.default_rng([44, wide])
    return [make_study(rng, StudyOptions(slices=slices, wide=wide)) for _ in range(STUDIES)]


def fullest(study: Study) -> NDArray[np.int16]:
    """The slices with most brain, to be falsified."""
    brain = ((study.hu > 15) & (study.hu < 55)).mean(axis=(1, 2))
    return study.hu[np.sort(np.argsort(brain)[-FULLEST:])]


def as_series(study: Study) -> Found:
    return of_series((hu, study.geometry.pixel_mm) for hu in study.hu)


def in_wide_field(study: Study) -> Found:
    pixel = study.geometry.pixel_mm
    return of_series((framed(hu, FIELD_MM / pixel / len(hu)), pixel) for hu in study.hu)


def framed(hu: HU, times: float) -> HU:
    """A slice amid so much of its own lowest value that the picture is ``times`` as wide."""
    return np.pad(hu, max(0, round(len(hu) * (times - 1) / 2)), constant_values=hu.min())


def as_pictures(study: Study) -> Found:
    """The slices with brain on them (a twentieth of the picture), each alone in the brain window."""
    brain = [hu for hu in study.hu if ((hu > 15) & (hu < 55)).mean() > 0.05]
    return of_pictures(from_picture(np.rint(to_unit(hu, STATED) * 255).astype(np.uint8), STATED) for hu in brain)


def real(folder: Path) -> Iterator[tuple[str, Found]]:
    if (folder / "ctich-dev").is_dir():
        yield (
            "real pictures (CT-ICH), each alone",
            of_pictures(read_picture(path, STATED) for path in list_pictures(folder / "ctich-dev")),
        )
    if (folder / "dicom" / "ge-head-tilted").is_dir():
        with Reader() as reader:
            for study in collect(folder / "dicom" / "ge-head-tilted").studies:
                yield "real study (GE)", of_series((item.read(reader)[0], item.pixel_mm) for item in study.slices)


def line(name: str, found: Found) -> tuple[int, int]:
    """Print what became of head slices; returns how many were refused, and of how many."""
    lost = [code for code in found.codes if code is not None and code not in NO_LOSS]
    outside = sum(code in NO_LOSS for code in found.codes)
    inside = len(found.codes) - outside
    low, high = wilson(len(lost), inside)
    near = np.quantile(found.strains, (0.9, 0.95, 0.99))
    print(f"{name}: {inside} slices, {len(lost)} refused ({len(lost) / inside:.1%}, {low:.1%}-{high:.1%})", end=" ")
    print(f"{dict(Counter(lost))}; {outside} more outside the brain;", end=" ")
    print(f"strain at 90, 95, 99 %: {', '.join(f'{value:.2f}' for value in near)}")
    return len(lost), inside


def wrong(heads: list[NDArray[np.int16]], scanned: list[Study]) -> Iterator[tuple[str, str | None, str | None]]:
    """Kind and code of each wrong input; of single pictures also the code amid as much nothing."""
    rng = np.random.default_rng(12)
    for item in wrong_inputs(rng, np.concatenate(heads), EACH):
        small = framed(item.hu, 2.0)
        yield item.kind, judge(item.hu, item.pixel_mm).code, judge(small, item.pixel_mm).code or "kept"
    made = {"angiogram series": [of_series((hu, 0.9) for hu in angiogram(rng, head)) for head in heads]}
    made["bone-kernel series"] = [of_series((hu, 0.9) for hu in bone_series(rng, study)[0]) for study in scanned]
    for kind, parts in made.items():
        for part in parts:
            yield kind, None if None in part.codes else "refused", None


def line_of_wrong(name: str, kept: Counter[str], count: int) -> None:
    low, high = wilson(count - kept.total(), count)
    print(f"{name}: {count - kept.total()} of {count} refused ({low:.1%}-{high:.1%}); kept: {dict(kept) or 'none'}")


def in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of processor time of each, so that a busy machine does not matter."""
    times: dict[Callable[[], object], list[float]] = {first: [], second: []}
    for turn in range(ROUNDS + 2):
        for call in (first, second) if turn % 2 else (second, first):
            started = time.process_time()
            call()
            times[call].append((time.process_time() - started) * 1e3)
    return median(times[first][2:]), median(times[second][2:])


def cost(hu: NDArray[np.int16], kind: Engine) -> float:
    large = np.kron(hu, np.ones((2, 2), np.int16))
    model = engine.load(SHIPPED, 1, kind)

    def scored() -> object:
        return score(model, prepare_slice([large], model.card.input_size, head_box(large))[None])

    gate, scoring = in_turns(partial(judge, large, 0.45), scored)
    print(
        f"one slice: {gate:.2f} ms to judge, {scoring:.1f} ms to prepare and score by {model.engine} on one thread",
        end=" ",
    )
    print(f"({model.card.name}): ratio {gate / scoring:.3f} (limit {LIMIT_COST})")
    return gate / scoring


def main() -> int:
    plain, wide = studies(wide=False), studies(wide=True)
    heads = [fullest(study) for study in plain]
    kinds: tuple[Engine, ...] = ("fp32", "mixed", "int8")
    ratio = max(cost(heads[0][0], kind) for kind in kinds)
    found = list(wrong(heads, plain))
    count, kept = len(found), Counter(kind for kind, code, _ in found if code is None)
    line_of_wrong("wrong inputs", kept, count)
    small = [(kind, code) for kind, _, code in found if code]
    line_of_wrong("the single ones, half as wide", Counter(kind for kind, code in small if code == "kept"), len(small))
    groups = [
        ("synthetic, as a hospital scans", together(map(as_series, plain))),
        ("synthetic, in a field of view of 500 mm", together(map(in_wide_field, plain))),
        ("synthetic, wide", together(map(as_series, wide))),
        ("synthetic, 8 to 10 thick slices", together(map(as_series, studies(wide=False, slices=(8, 10))))),
        ("synthetic, wide, as pictures", together(map(as_pictures, wide))),
    ]
    groups += real(Path(os.environ["PLAINSCAN_REAL_DATA"])) if "PLAINSCAN_REAL_DATA" in os.environ else []
    sums = np.sum([line(name, found) for name, found in groups], axis=0)
    print(f"all heads: {sums[0]} of {sums[1]} refused ({sums[0] / sums[1]:.2%}; limit {LIMIT_REFUSED:.0%})")
    print(f"limits: every one of at least {LEAST_WRONG} wrong inputs refused")
    return int(ratio > LIMIT_COST or bool(kept) or count < LEAST_WRONG or sums[0] > LIMIT_REFUSED * sums[1])


if __name__ == "__main__":
    sys.exit(main())
