"""Whether a slice can be a plain head CT: a few measures of its HU, and how far each is from what heads show.

A head CT shows one round object in air; under its skin runs a ring of bone; within the ring lies brain. Each is
measured on a grid of about 96 x 96 points and along rays from the middle of the head, in about a millisecond.

No measure decides by the extreme of the heads seen so far. Each has a value that heads keep to (``usual``) and one
that heads hardly reach (``alien``); its *strain* grows from 0 at the first to 1 at the second. A slice is refused when
its strains add up to 1: one measure all wrong, or several half wrong. ``benchmarks/gate.py`` prints what is refused
and how near heads come to it.

A picture's window cuts off air and bone: its lowest value stands for air, its highest for bone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.prepare import HU, Box, head_box

NOT_FRAMED, NOT_ONE_HEAD, NOT_HEAD_SIZE = "not_framed", "not_one_head", "not_head_size"
NO_SKULL, NO_BRAIN = "no_skull", "no_brain"
WRONG_VALUES, SHARP, CONTRAST = "wrong_values", "sharp_kernel", "contrast_seen"
REFUSALS: Final = {
    WRONG_VALUES: "values that cannot be HU: bone but no air at -1000 HU, as in MR or with a wrong intercept",
    SHARP: "noise of a bone or lung kernel in soft tissue",
    CONTRAST: "contrast medium: many values of filled vessels, 130 to 500 HU, amid brain",
    NOT_FRAMED: "no air around it: a photo, a text page, a picture that was inverted",
    NOT_ONE_HEAD: "several objects, a speckled outline or one wider than a head: tiled slices, ultrasound, a trunk",
    NOT_HEAD_SIZE: "by its pixel spacing larger or smaller than a head",
    NO_SKULL: "no smooth ring of bone near the skin: another body part, MR, PET, X-ray, a wrong window",
    NO_BRAIN: "what the bone encloses has not the HU of brain, or there is next to nothing enclosed",
}
GRID: Final = 96  # points a side, at least
RAYS, STEPS = 96, 96
REACH: Final = 0.62  # of the square's side: how far a ray goes
_ANGLES: Final = np.arange(RAYS, dtype=np.float32)[:, None] * np.float32(2 * np.pi / RAYS)
_SIN, _COS = np.sin(_ANGLES), np.cos(_ANGLES)
_AT: Final = np.arange(STEPS, dtype=np.int16)[None]
_RADIUS: Final = (np.arange(STEPS, dtype=np.float32)[None] + 0.5) / STEPS

AIR_HU, FAT_HU, BONE_HU = -300.0, -5.0, 150.0
BRAIN_HU: Final = (5.0, 65.0)
VESSEL_HU: Final = (130.0, 500.0)
COMPACT_HU: Final = 600.0
REACHED: Final = (1, 2)  # so many steps and rays in turn, three in all: so near to compact bone or air lies spongy bone
BLACK, WHITE = 0.02, 0.93  # of a picture's range: air or beyond the window, bone or beyond it
DARK: Final = 0.06  # of a picture's range: bone without signal, as MR has it
LAYER: Final = 6  # steps inside the bone in which MR shows such a dark layer
CORE: Final = 0.75  # of the way from the middle to the bone
FINE: Final = 220  # the head's square holds so many steps of about a millimeter, in which noise is measured
THIN: Final = 0.1  # of the fullest row's tissue
FAR: Final = 3  # such steps, over which the noise of a soft kernel differs more than over one


class Measures(NamedTuple):
    """What is measured of one slice; shares are 0 to 1, ``nan`` where there is nothing to measure.

    Args:
        low_hu: Least value on the grid.
        high_hu: Highest.
        edge_air: Share of the picture's outermost points that are air.
        tissue: Share of the picture that is not air.
        beside: Tissue outside the head's square, as a share of all tissue.
        long_mm: The longer of the outline's breadth and height.
        wide: Its breadth over its height.
        skin_rough: Median step of the outline from ray to ray, in steps of ``STEPS``.
        closed: Share of rays that meet bone.
        rough: Mean step of the bone's outline from ray to ray, as a share of its radius.
        near: Share of the rays that meet bone within a quarter of the radius below the skin.
        dark: Share of rays with a black layer just inside the bright ring.
        inside: What the bone encloses, as a share of the disc that the rays reach.
        brain: Share of what is enclosed at ``BRAIN_HU``.
        hollow: Share of it that is fat, air or, in a picture, black.
        core_hu: Median of the enclosed middle.
        spread_hu: From the tenth part to the nine tenths of the enclosed middle of a picture: a bone window flattens
            brain; ``nan`` of HU.
        core_brain: Share of the enclosed middle at ``BRAIN_HU``.
        core_other: Share of the enclosed middle that is compact bone or air.
        vessels: Share of the enclosed middle at ``VESSEL_HU``, away from compact bone and air; 0 in a picture, whose
            window cannot tell a vessel from bone or from a hemorrhage.
        noise_hu: Median difference of brain-like pixels a millimeter apart.
        fine_noise: The same as a share of the difference three millimeters apart.
    """

    low_hu: float
    high_hu: float
    edge_air: float
    tissue: float
    beside: float
    long_mm: float
    wide: float
    skin_rough: float
    closed: float
    rough: float
    near: float
    dark: float
    inside: float
    brain: float
    hollow: float
    core_hu: float
    spread_hu: float
    core_brain: float
    core_other: float
    vessels: float
    noise_hu: float
    fine_noise: float


class _Levels(NamedTuple):
    air_hu: float
    bone_hu: float
    dark_hu: float


def measure(hu: HU, pixel_mm: float | None = None) -> Measures:
    """Measure one slice.

    Args:
        hu: (rows, columns), HU; of a picture what its window left.
        pixel_mm: Side of a pixel; None when unknown, as of a picture.
    """
    step = max(1, min(hu.shape) // GRID)
    grid = _coarse(hu, step)
    low, high = float(grid.min()), float(grid.max())
    span = max(high - low, 1.0)
    windowed = high < 2 * BONE_HU and low > AIR_HU
    levels = _Levels(
        max(AIR_HU, low + BLACK * span) if windowed else AIR_HU,
        min(BONE_HU, low + WHITE * span) if windowed else BONE_HU,
        low + DARK * span if windowed else AIR_HU,
    )
    tissue = grid > levels.air_hu
    edge = np.concatenate([tissue[0], tissue[-1], tissue[:, 0], tissue[:, -1]])
    box = head_box(grid)
    own = (low, high, 1 - float(edge.mean()), float(tissue.mean()), _beside(tissue, box))
    down, across = (_extent(tissue.sum(axis=axis)) for axis in (1, 0))
    size = (max(down, across) * step * pixel_mm if pixel_mm else float("nan"), across / max(1, down))
    fine = max(1, round(box.side_px * step / FINE))
    return Measures._make((*own, *size, *_along_rays(grid, box, levels, low), *_noise(hu, fine)))


def _extent(profile: NDArray[np.integer]) -> int:
    """Rows or columns that hold a fair share of the fullest one's tissue: a headrest is too thin for that."""
    return int(np.count_nonzero(profile > THIN * profile.max()))


def _coarse(hu: HU, step: int) -> NDArray[np.float32]:
    """Means of four spread pixels a cell: (rows // step, columns // step), float32, HU."""
    rows, columns = hu.shape[0] // step, hu.shape[1] // step
    half = step // 2
    corners = [hu[i::step, j::step][:rows, :columns] for i in (0, half) for j in (0, half)]
    result: NDArray[np.float32] = np.add(corners[0], corners[1], dtype=np.float32)
    for corner in corners[2:]:
        result += corner
    result *= np.float32(0.25)
    return result


def _beside(tissue: NDArray[np.bool_], box: Box) -> float:
    top, left = max(0, round(box.top_px)), max(0, round(box.left_px))
    within = tissue[top : max(0, round(box.top_px + box.side_px)), left : max(0, round(box.left_px + box.side_px))]
    return 1 - int(np.count_nonzero(within)) / max(1, int(np.count_nonzero(tissue)))


def _along_rays(grid: NDArray[np.float32], box: Box, levels: _Levels, fill: float) -> tuple[float, ...]:
    """From ``skin_rough`` to ``vessels`` in the order of ``Measures``."""
    rays = _sampled(grid, box, fill)
    bone = rays >= levels.bone_hu
    has: NDArray[np.bool_] = np.asarray(bone.any(axis=1))
    last = _last(bone)
    skin = _last(rays > levels.air_hu)
    inner = np.where(bone | (last[:, None] < _AT), -1, _AT).max(axis=1)
    held = (inner[:, None] >= _AT) & has[:, None]
    layer = np.asarray(((rays <= levels.dark_hu) & held & (inner[:, None] - LAYER < _AT)).any(axis=1))
    shape = (
        float(np.median(np.abs(skin - np.roll(skin, 1)))),
        float(has.mean()),
        float(np.minimum(np.abs(last - np.roll(last, 1)), 10).mean()) / max(1.0, float(np.median(last))),
        float((has & (skin - last <= 0.25 * skin)).mean()),
        float(layer[has].mean()) if has.any() else float("nan"),
    )
    return (*shape, *_enclosed(rays, np.where(held, _RADIUS, 0), held & ((CORE * inner)[:, None] >= _AT), levels))


def _enclosed(
    rays: NDArray[np.float32], area: NDArray[np.float32], middle: NDArray[np.bool_], levels: _Levels
) -> tuple[float, ...]:
    """From ``inside`` to ``vessels`` in the order of ``Measures``."""
    total = float(area.sum())
    inside = total / (RAYS * STEPS / 2)
    core = rays[middle]
    if not core.size:
        return (inside, *[float("nan")] * 7)
    contents = (_within(rays, *BRAIN_HU), np.asarray(rays <= max(FAT_HU, levels.air_hu)))
    windowed = levels.air_hu > AIR_HU
    return (
        inside,
        *(float(area[mask].sum()) / total for mask in contents),
        float(np.median(core)),
        float(np.subtract(*np.quantile(core, (0.9, 0.1)))) if windowed else float("nan"),
        float(_within(core, *BRAIN_HU).mean()),
        1 - float(_within(core, -100.0, VESSEL_HU[1]).mean()),
        0.0 if windowed else _vessels(rays, middle),
    )


def _vessels(rays: NDArray[np.float32], middle: NDArray[np.bool_]) -> float:
    dense = _within(rays, *VESSEL_HU) & middle
    if not dense.any():
        return 0.0
    return int(np.count_nonzero(dense & ~_near_bone(rays))) / int(np.count_nonzero(middle))


def _near_bone(rays: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where compact bone or air lies within three steps and rays."""
    found = np.asarray((rays > COMPACT_HU) | (rays < AIR_HU))
    for axis in (0, 1):
        for shift in REACHED:
            found = found | np.roll(found, shift, axis) | np.roll(found, -shift, axis)
    return found


def _sampled(grid: NDArray[np.float32], box: Box, fill: float) -> NDArray[np.float32]:
    """Values along rays from the middle of the square outwards: (RAYS, STEPS), HU."""
    reach = np.float32(REACH * box.side_px)
    y = np.rint(box.top_px + box.side_px / 2 + _SIN * _RADIUS * reach).astype(np.int32)
    x = np.rint(box.left_px + box.side_px / 2 + _COS * _RADIUS * reach).astype(np.int32)
    rows, columns = grid.shape
    beyond = (y < 0) | (y >= rows) | (x < 0) | (x >= columns)
    rays: NDArray[np.float32] = grid.ravel()[np.clip(y, 0, rows - 1) * columns + np.clip(x, 0, columns - 1)]
    rays[beyond] = fill
    return rays


def _last(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the last true of each row, 0 where there is none."""
    return np.where(mask.any(axis=1), STEPS - 1 - mask[:, ::-1].argmax(axis=1), 0)


def _within(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.bool_]:
    return np.logical_and(values > low, values < high)


def _noise(hu: HU, fine: int) -> tuple[float, float]:
    """``noise_hu`` and ``fine_noise``, from neighbors in a row where the first is as dense as brain; 0 without any."""
    far = FAR * fine
    step = max(2, min(hu.shape) // GRID)
    first = hu[::step, :-far:step]
    brain = (first > BRAIN_HU[0]) & (first < BRAIN_HU[1])
    if np.count_nonzero(brain) < 100:
        return 0.0, 0.0
    start = first[brain].astype(np.float32)
    near, wider = (
        float(np.median(np.abs(hu[::step, lag : hu.shape[1] - far + lag : step][brain] - start))) for lag in (fine, far)
    )
    return near, near / max(1.0, wider)


class Rule(NamedTuple):
    """One measure, the value that heads keep to, the value that heads hardly reach, and the code it speaks for."""

    measure: str
    usual: float
    alien: float
    code: str


RULES: Final = (
    Rule("edge_air", 0.80, 0.50, NOT_FRAMED),
    Rule("beside", 0.20, 0.60, NOT_ONE_HEAD),
    Rule("skin_rough", 2.0, 5.0, NOT_ONE_HEAD),
    Rule("wide", 1.10, 1.50, NOT_ONE_HEAD),
    Rule("long_mm", 250.0, 320.0, NOT_HEAD_SIZE),
    Rule("long_mm", 80.0, 40.0, NOT_HEAD_SIZE),
    Rule("closed", 0.80, 0.50, NO_SKULL),
    Rule("rough", 0.10, 0.20, NO_SKULL),
    Rule("near", 0.15, -0.05, NO_SKULL),
    Rule("dark", 0.50, 0.90, NO_SKULL),
    Rule("inside", 0.08, 0.035, NO_BRAIN),
    Rule("core_brain", 0.25, 0.09, NO_BRAIN),
    Rule("brain", 0.35, 0.10, NO_BRAIN),
    Rule("hollow", 0.45, 0.70, NO_BRAIN),
    Rule("core_hu", 100.0, 400.0, NO_BRAIN),
    Rule("core_hu", -20.0, -100.0, NO_BRAIN),
    Rule("spread_hu", 6.0, 3.0, NO_BRAIN),
)
MOST_STRAIN: Final = 1.5  # of one measure
ENOUGH: Final = 1.0  # strain of a slice that is refused
NOISY: Final = (12.0, 0.7)  # ``noise_hu`` and ``fine_noise`` of a sharp kernel; of a soft one the noise is coarse
VESSELS: Final = 0.08  # of a slice alone; skull base has as much in one slice in a hundred


def strains(m: Measures) -> dict[str, float]:
    """How far a slice is from what heads show, by code; what cannot be measured does not count, save an empty ring."""
    found: dict[str, float] = {}
    for rule in RULES:
        value = getattr(m, rule.measure)
        strain = (value - rule.usual) / (rule.alien - rule.usual)
        if strain > 0:  # False for nan
            found[rule.code] = found.get(rule.code, 0.0) + min(strain, MOST_STRAIN)
    if np.isnan(m.core_hu):
        found[NO_BRAIN] = found.get(NO_BRAIN, 0.0) + ENOUGH
    return found


def refusal(m: Measures) -> str | None:
    """The code of ``REFUSALS`` for a measured slice; None when it can be a plain head CT.

    Slices of the neck or the topmost of the skull are refused as well: ``inference.gate`` tells them by their series.
    """
    if m.high_hu > 2 * BONE_HU and m.low_hu > AIR_HU + 100:
        return WRONG_VALUES
    found = strains(m)
    if sum(found.values()) >= ENOUGH:
        return max(found, key=found.__getitem__)
    if m.noise_hu > NOISY[0] and m.fine_noise > NOISY[1]:
        return SHARP
    return CONTRAST if m.vessels > VESSELS and amid_brain(m, 0.02) else None


def amid_brain(m: Measures, bone: float = 0.05) -> bool:
    """Whether the ring holds brain and at most a share of compact bone or air, so that vessels would show."""
    return m.core_brain > 0.6 and m.core_other < bone
