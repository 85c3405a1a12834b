"""Claim: a slice that was exported again is found by its fingerprint, and no two patients are taken for one.

Synthetic patients, one study each; half of them come again under another study and patient, changed on the way as
exports change pictures. Peer: equality to the last bit, which `leak` also looks for. Recall is of studies, and of
single pictures where each picture is a study of its own, as in a set without patients' names.

Run: ``python benchmarks/leaks.py [--patients N]``. What was found is written down in docs/experiments.md.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from plainscan.cohort import fingerprint as fp
from plainscan.cohort.twins import digest, image_pairs
from plainscan.ct.prepare import head_box, prepare_slice
from plainscan.ct.window import Window, from_picture, to_unit
from plainscan.phantom.study import StudyOptions, make_study

HU = NDArray[np.int16] | NDArray[np.float32]
SIZE: Final = 192
SLICES: Final = (10, 12)
SEED: Final = 2026
LEAST: Final = 0.95  # of the studies, under each attack that is promised
BRAIN: Final = Window(40, 80)


class Attack(NamedTuple):
    """What happens to a plane in HU on its way through another file, and whether finding it is promised."""

    change: Callable[[HU], HU]
    promised: bool = True


def exported(window: Window = BRAIN, quality: int | None = None, said: Window | None = None) -> Callable[[HU], HU]:
    """A picture of a window, as JPEG where a quality is given; read back by the window that somebody said it was."""

    def change(hu: HU) -> HU:
        pixels = np.rint(to_unit(hu, window) * 255).astype(np.uint8)
        if quality is not None:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
            pixels = np.asarray(Image.open(stream))
        return from_picture(pixels, said or window)

    return change


def cut(field: float = 0.0, head: float = 0.0) -> Callable[[HU], HU]:
    """A share of the side off each side of the field, or off the front of the head's square."""

    def change(hu: HU) -> HU:
        if head:
            box = head_box(hu)
            return hu[round(box.top_px + head * box.side_px) :]
        off = round(field * hu.shape[0])
        return hu[off : hu.shape[0] - off, off : hu.shape[1] - off]

    return change


def both(*changes: Callable[[HU], HU]) -> Callable[[HU], HU]:
    """One after the other."""

    def change(hu: HU) -> HU:
        for one in changes:
            hu = one(hu)
        return hu

    return change


def turned(degrees: float) -> Callable[[HU], HU]:
    """Turned about the middle of the field."""
    return lambda hu: np.asarray(
        Image.fromarray(hu.astype(np.float32)).rotate(degrees, Image.Resampling.BILINEAR, fillcolor=float(hu.min()))
    )


ATTACKS: Final = {
    "picture, 10 % cut off each side of the field": Attack(both(cut(0.10), exported())),
    "picture, 10 % of the head's square cut off at the front": Attack(both(exported(), cut(head=0.10)), promised=False),
    "left and right changed": Attack(lambda hu: hu[:, ::-1]),
    "top and bottom changed": Attack(lambda hu: hu[::-1]),
    "half a turn": Attack(lambda hu: hu[::-1, ::-1]),
    "a quarter turn": Attack(np.rot90),
    "rows and columns changed": Attack(np.transpose),
    "turned by 5 degrees": Attack(turned(5), promised=False),
    "window 0 to 60": Attack(exported(Window(30, 60))),
    "window 20 to 60": Attack(exported(Window(40, 40)), promised=False),
    "window -20 to 100": Attack(exported(Window(40, 120))),
    "window -20 to 180": Attack(exported(Window(80, 200))),
    "window -800 to 2000": Attack(exported(Window(600, 2800)), promised=False),
    "window -20 to 100, said to be 0 to 80": Attack(exported(Window(40, 120), said=BRAIN), promised=False),
    "window 0 to 60, said to be 0 to 80": Attack(exported(Window(30, 60), said=BRAIN), promised=False),
    "JPEG quality 30": Attack(exported(quality=30)),
    "JPEG quality 10": Attack(exported(quality=10), promised=False),
    "JPEG quality 30, window -20 to 100, 10 % cut off, left and right changed": Attack(
        both(cut(0.10), lambda hu: hu[:, ::-1], exported(Window(40, 120), quality=30))
    ),
}


def heads(patients: int) -> list[NDArray[np.int16]]:
    """Studies of different patients, each (slices, 256, 256), int16, HU."""
    options = StudyOptions(size=256, slices=SLICES)
    return [make_study(np.random.default_rng([SEED, i]), options).hu for i in range(patients)]


class Looked(NamedTuple):
    """One study as `leak` sees it: coarse cells of its informative slices, digests of all."""

    cells: fp.Floats
    digests: frozenset[bytes]


def look(hu: Sequence[HU]) -> Looked:
    """Prepare slices as `prepare` does, each by itself."""
    prepared = np.concatenate([prepare_slice([np.ascontiguousarray(plane)], SIZE) for plane in hu])
    cells = fp.grid(prepared)
    return Looked(cells[fp.informative(cells)], frozenset(map(digest, prepared)))


class Found(NamedTuple):
    """Copies that were found of those that could be, by fingerprint and by equality; pairs of strangers."""

    found: int
    equal: int
    planted: int
    false: int

    def __str__(self) -> str:
        return f"{self.found} of {self.planted} | {self.equal} | {self.false}"


def judge(owners: Sequence[int], studies: Sequence[Looked], copies: Mapping[int, Looked]) -> Found:
    """Look for copies among studies.

    Args:
        owners: Patient of each study.
        studies: The originals.
        copies: Number of the original -> what came of it.
    """
    everything = [*studies, *copies.values()]
    people = [*owners, *(owners[i] for i in copies)]
    whitening = fp.Whitening.fit(np.concatenate([one.cells for one in everything]))
    number = np.repeat(np.arange(len(everything)), [len(one.cells) for one in everything])
    cells = np.concatenate([one.cells for one in everything])
    mirrored = tuple(map(whitening.of, fp.mirrors(cells)))
    unknown = {"slice_thickness_mm": pl.Float64(), "convolution_kernel": pl.String()}
    table = pl.DataFrame({name: [None] * len(people) for name in unknown}, schema=unknown)
    pairs = {(pair.study, pair.other) for pair in image_pairs(fp.Prints(number, whitening.of(cells), mirrored), table)}
    wanted = {(i, len(studies) + at): one for at, (i, one) in enumerate(copies.items())}
    equal = sum(bool(studies[i].digests & one.digests) for (i, _), one in wanted.items())
    false = sum(people[a] != people[b] for a, b in pairs)
    return Found(len(pairs & wanted.keys()), equal, len(wanted), false)


def as_set(originals: Sequence[NDArray[np.int16]], change: Callable[[HU], HU]) -> Found:
    """Each picture a study of its own: recall of slices, in a set of pictures of the brain window."""
    studies, copies, owners = [], {}, []
    for patient, hu in enumerate(originals):
        for plane in hu:
            before = look([exported()(plane)])
            if len(before.cells):
                owners.append(patient)
                studies.append(before)
                after = look([change(plane)]) if patient % 2 == 0 else None
                if after is not None and len(after.cells):
                    copies[len(studies) - 1] = after
    return judge(owners, studies, copies)


def main() -> int:
    """Print one line for each attack; 1 where less is found than promised, or two patients are taken for one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=60)
    return report(heads(parser.parse_args().patients))


def report(originals: Sequence[NDArray[np.int16]]) -> int:
    """Judge every attack on half of some studies."""
    studies, missed = [look([*hu]) for hu in originals], 0
    print("attack | found by fingerprint | equal to the last bit | pairs of strangers", flush=True)
    for name, attack in ATTACKS.items():
        copies = {i: look([attack.change(plane) for plane in originals[i]]) for i in range(0, len(originals), 2)}
        found = judge(range(len(studies)), studies, copies)
        missed += found.false > 0 or (attack.promised and found.found < LEAST * found.planted)
        print(f"{name} | {found}", flush=True)
    for name in ("JPEG quality 30", "picture, 10 % cut off each side of the field", "left and right changed"):
        print(f"each picture a study of its own: {name} | {as_set(originals, ATTACKS[name].change)}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
