"""Claims: the gatekeeper costs at most 5 % of scoring a slice, refuses every wrong input and at most 1 % of heads.

1. ``inference.gate.judge`` of one slice of 512 x 512 pixels against preparing and scoring it (ResNet-50, 192 px).
2. Wrong inputs of ``phantom.wrong``, each by itself; synthetic studies, each as a series; real heads where
   PLAINSCAN_REAL_DATA names their folder. Shares with their Wilson intervals (95 %).
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from plainscan.ct.prepare import HU, network_input, prepare_slice
from plainscan.ct.window import BRAIN, Window
from plainscan.dicom.read import Reader
from plainscan.inference.gate import NO_LOSS, SeriesGate, judge
from plainscan.inference.source import collect
from plainscan.learning.export import to_onnx
from plainscan.learning.network import build
from plainscan.phantom.study import StudyOptions, make_study
from plainscan.phantom.wrong import wrong_inputs
from plainscan.pictures import list_pictures, read_picture

LIMIT_COST, LIMIT_REFUSED, LEAST_WRONG = 0.05, 0.01, 300
NAME, SIZE, ROUNDS = "resnet50", 192, 20
WINDOWS = (BRAIN, Window(80, 200), Window(600, 2800))
STUDIES, EACH, PICTURES = 8, 12, 7
Codes = list[str | None]


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J Am Stat Assoc 1927;22:209)."""
    z2, share = 1.96**2, count / n
    middle, half = share + z2 / 2 / n, (z2 * (share * (1 - share) / n + z2 / 4 / n**2)) ** 0.5
    return (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)


def study_codes(hu: Iterable[HU]) -> Codes:
    planes = list(hu)
    series = SeriesGate(len(planes), planes.__getitem__)
    return [series.code(i) for i in range(len(planes))]


def synthetic(wide: bool) -> tuple[Codes, NDArray[np.int16]]:
    """Codes of all slices of synthetic studies, and their slices with most brain, to falsify."""
    rng, codes, kept = np.random.default_rng([4, wide]), Codes(), []
    for _ in range(STUDIES):
        hu = make_study(rng, StudyOptions(slices=(12, 16), wide=wide)).hu
        codes += study_codes(hu)
        brain = ((hu > 15) & (hu < 55)).mean(axis=(1, 2))
        kept.append(hu[np.argsort(brain)[-4:]])
    return codes, np.concatenate(kept)


def real(folder: Path) -> dict[str, Codes]:
    window = Window(40, 120)
    found: dict[str, Codes] = {}
    if (folder / "ctich-dev").is_dir():
        paths = list_pictures(folder / "ctich-dev")[:: int(os.environ.get("EVERY", PICTURES))]
        found["CT-ICH pictures, each alone"] = [judge(read_picture(path, window)).code for path in paths]
    if (folder / "dicom" / "ge-head-tilted").is_dir():
        with Reader() as reader:
            for study in collect(folder / "dicom" / "ge-head-tilted").studies:
                found["GE head"] = study_codes(item.read(reader)[0] for item in study.slices)
    return found


def line(name: str, codes: Codes) -> float:
    """Print what became of slices; returns the share that was refused."""
    lost = sum(code is not None and code not in NO_LOSS for code in codes)
    low, high = wilson(lost, len(codes))
    outside = sum(code in NO_LOSS for code in codes)
    counts = ", ".join(f"{count} {code}" for code, count in Counter(filter(None, codes)).most_common())
    print(f"{name}: {len(codes)} slices, {outside} outside the brain, {lost} refused", end=" ")
    print(f"({lost / len(codes):.1%}, {low:.1%}-{high:.1%}) {counts}")
    return lost / len(codes)


def in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median milliseconds of each."""
    times: dict[Callable[[], object], list[float]] = {first: [], second: []}
    for turn in range(ROUNDS + 2):
        for call in (first, second) if turn % 2 else (second, first):
            started = time.perf_counter()
            call()
            times[call].append((time.perf_counter() - started) * 1e3)
    return median(times[first][2:]), median(times[second][2:])


def cost(hu: NDArray[np.int16]) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    state = build(NAME, len(WINDOWS), 15, seed=0).state_dict()
    session = onnxruntime.InferenceSession(to_onnx(NAME, state, SIZE), options)
    large = np.kron(hu, np.ones((2, 2), np.int16))

    def scored() -> object:
        return session.run(None, {"image": network_input(prepare_slice([large], SIZE)[None], WINDOWS)})

    gate, scoring = in_turns(lambda: judge(large), scored)
    print(f"one slice: {gate:.2f} ms to judge, {scoring:.1f} ms to score", end=" ")
    print(f"({NAME}, {SIZE} px, {torch.get_num_threads()} threads): ratio {gate / scoring:.3f} (limit {LIMIT_COST})")
    return gate / scoring


def main() -> int:
    plain, heads = synthetic(wide=False)
    wide, _ = synthetic(wide=True)
    ratio = cost(heads[0])
    wrong = [(item.kind, judge(item.hu).code) for item in wrong_inputs(np.random.default_rng(11), heads, EACH)]
    missed = Counter(kind for kind, code in wrong if code is None)
    low, high = wilson(len(wrong) - missed.total(), len(wrong))
    print(f"wrong inputs: {len(wrong) - missed.total()} of {len(wrong)} refused ({low:.1%}-{high:.1%})", end=" ")
    print(f"kept: {dict(missed) or 'none'}")
    groups = {"synthetic, as a hospital scans": plain, "synthetic, wide": wide}
    groups |= real(Path(os.environ["PLAINSCAN_REAL_DATA"])) if "PLAINSCAN_REAL_DATA" in os.environ else {}
    for name, codes in groups.items():
        line(name, codes)
    pooled = line("all heads", [code for codes in groups.values() for code in codes])
    print(f"limits: none kept of {LEAST_WRONG} wrong inputs, at most {LIMIT_REFUSED:.0%} of all heads refused")
    return int(ratio > LIMIT_COST or bool(missed) or len(wrong) < LEAST_WRONG or pooled > LIMIT_REFUSED)


if __name__ == "__main__":
    sys.exit(main())
