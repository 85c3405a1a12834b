"""Whether a slice can be a plain head CT: measures of its HU, and the limits that real heads set.

A head CT shows one round object in air; under its skin runs a ring of bone; within the ring lies brain. Each is
measured on a grid of about 96 x 96 points and along rays from the middle of the head, in about a millisecond. The
limits lie just beyond what real and synthetic heads reach; `benchmarks/gate.py` prints what is refused and kept.

A picture's window cuts off air and bone: its lowest value stands for air, its highest for bone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.prepare import HU, Box, head_box

NOT_FRAMED, NOT_ONE_HEAD, WRONG_VALUES = "not_framed", "not_one_head", "wrong_values"
NO_SKULL, NO_BRAIN, SHARP, CONTRAST = "no_skull", "no_brain", "sharp_kernel", "contrast_seen"
REFUSALS: Final = {
    NOT_FRAMED: "no air around it: a photo, a text page, a picture that was inverted",
    WRONG_VALUES: "values that cannot be HU: bone but no air at -1000 HU, as in MR or with a wrong intercept",
    NOT_ONE_HEAD: "several objects, or an outline of speckles: tiled slices, ultrasound, MR with its noise",
    NO_SKULL: "no smooth ring of bone near the skin: another body part, MR, PET, X-ray, a wrong window",
    NO_BRAIN: "what the bone encloses has not the HU of brain, or there is next to nothing enclosed",
    SHARP: "noise of a bone or lung kernel in soft tissue",
    CONTRAST: "contrast medium: many values of filled vessels, 130 to 500 HU, amid brain",
}
GRID: Final = 96  # points a side, at least
RAYS, STEPS = 96, 96
REACH: Final = 0.62  # of the square's side: how far a ray goes
_ANGLES: Final = np.arange(RAYS, dtype=np.float32)[:, None] * np.float32(2 * np.pi / RAYS)
_SIN, _COS = np.sin(_ANGLES), np.cos(_ANGLES)
_AT: Final = np.arange(STEPS, dtype=np.int16)[None]
_RADIUS: Final = (np.arange(STEPS, dtype=np.float32)[None] + 0.5) / STEPS

AIR_HU, BONE_HU = -300.0, 150.0
BRAIN_HU: Final = (5.0, 65.0)
VESSEL_HU: Final = (130.0, 500.0)
BLACK, WHITE = 0.02, 0.93  # of a picture's range: air or beyond the window, bone or beyond it
DARK: Final = 0.06  # of a picture's range: bone without signal, as MR has it
LAYER: Final = 6  # steps inside the bone in which MR shows such a dark layer
CORE: Final = 0.75  # of the way from the middle to the bone


class Measures(NamedTuple):
    """What is measured of one slice; shares are 0 to 1, ``nan`` where there is nothing to measure.

    Args:
        low_hu: Least value on the grid.
        high_hu: Highest.
        edge_air: Share of the picture's outermost points that are air.
        tissue: Share of the picture that is not air.
        beside: Tissue outside the head's square, as a share of all tissue.
        skin_rough: Median step of the outline from ray to ray, in steps of ``STEPS``.
        closed: Share of rays that meet bone.
        rough: Mean step of the bone's outline from ray to ray, as a share of its radius.
        near: Share of the rays that meet bone within a quarter of the radius below the skin.
        inside: What the bone encloses, as a share of the disc that the rays reach.
        brain, fat, air: Shares of what is enclosed.
        core_hu: Median of the enclosed middle.
        vessels: Share of the enclosed middle at ``VESSEL_HU``.
        core_brain: Share of the enclosed middle at ``BRAIN_HU``.
        core_other: Share of the enclosed middle that is compact bone or air.
        dark: Share of rays with a black layer just inside the bright ring.
        noise_hu: Median difference of neighboring pixels of brain-like tissue.
    """

    low_hu: float
    high_hu: float
    edge_air: float
    tissue: float
    beside: float
    skin_rough: float
    closed: float
    rough: float
    near: float
    inside: float
    brain: float
    fat: float
    air: float
    core_hu: float
    vessels: float
    core_brain: float
    core_other: float
    dark: float
    noise_hu: float


class _Levels(NamedTuple):
    air_hu: float
    bone_hu: float
    dark_hu: float


def measure(hu: HU) -> Measures:
    """Measure one slice.

    Args:
        hu: (rows, columns), HU; of a picture what its window left.
    """
    grid = _coarse(hu)
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
    return Measures._make((*own, *_along_rays(grid, box, levels, low), _noise(hu)))


def _coarse(hu: HU) -> NDArray[np.float32]:
    """Means of four spread pixels a cell: (rows // step, columns // step), float32, HU."""
    step = max(1, min(hu.shape) // GRID)
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
    """From ``skin_rough`` to ``dark`` in the order of ``Measures``."""
    rays = _sampled(grid, box, fill)
    bone = rays >= levels.bone_hu
    has: NDArray[np.bool_] = np.asarray(bone.any(axis=1))
    last = np.where(has, STEPS - 1 - bone[:, ::-1].argmax(axis=1), 0)
    skin = _last(rays > levels.air_hu)
    skin_rough = float(np.median(np.abs(skin - np.roll(skin, 1))))
    rough = float(np.minimum(np.abs(last - np.roll(last, 1)), 10).mean() / max(1.0, float(np.median(last))))
    near = float((has & (skin - last <= 0.25 * skin)).mean())
    inner = np.where(bone | (last[:, None] < _AT), -1, _AT).max(axis=1)
    held = (inner[:, None] >= _AT) & has[:, None]
    area = np.where(held, _RADIUS, 0)
    total = float(area.sum())
    shape = (skin_rough, float(has.mean()), rough, near, total / (RAYS * STEPS / 2))
    if not total:
        return (*shape, *[float("nan")] * 8)
    core = rays[((CORE * inner)[:, None] >= _AT) & has[:, None]]
    dark = np.asarray(((rays <= levels.dark_hu) & held & (inner[:, None] - LAYER < _AT)).any(axis=1))
    contents = (
        _within(rays, *BRAIN_HU),
        np.asarray(rays <= -5.0) if levels.air_hu > AIR_HU else _within(rays, -200.0, -5.0),
        np.asarray(rays <= levels.air_hu),
    )
    return (
        *shape,
        *(float(area[mask].sum()) / total for mask in contents),
        float(np.median(core)),
        float(_within(core, *VESSEL_HU).mean()),
        float(_within(core, *BRAIN_HU).mean()),
        1 - float(_within(core, -100.0, VESSEL_HU[1]).mean()),
        float(dark[has].mean()),
    )


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


def _noise(hu: HU) -> float:
    """Median difference between neighbors in a row where the first is as dense as brain, HU; 0 without any."""
    step = max(2, min(hu.shape) // GRID)
    first, second = hu[::step, :-1:step], hu[::step, 1::step]
    brain = (first > BRAIN_HU[0]) & (first < BRAIN_HU[1])
    if np.count_nonzero(brain) < 100:
        return 0.0
    return float(np.median(np.abs(second[brain].astype(np.float32) - first[brain])))


def refusal(m: Measures) -> str | None:
    """The first code of ``REFUSALS`` that holds for a measured slice; None when it can be a plain head CT.

    The comments give the extreme of real heads: 1,219 pictures of 40 patients (CT-ICH) and a GE study of 28 slices.
    Slices of the neck or the topmost of the skull are refused as well: ``inference.gate`` tells them by their series.
    """
    rules = (
        (WRONG_VALUES, m.high_hu > 2 * BONE_HU and m.low_hu > -200),  # -1014
        (NOT_FRAMED, m.edge_air < 0.6),  # 0.89
        (SHARP, m.noise_hu > 32),  # 6; of synthetic heads 31
        (NOT_ONE_HEAD, m.skin_rough > 3 or m.beside > 0.5),  # 3; 0.49
        (NO_SKULL, _no_skull(m)),
        (NO_BRAIN, _no_brain(m)),
        (CONTRAST, m.vessels > 0.08 and m.core_brain > 0.6 and m.core_other < 0.02),
    )
    return next((code for code, holds in rules if holds), None)


def _no_skull(m: Measures) -> bool:
    open_ring = m.closed < 0.57 or m.rough > 0.13 or m.dark > 0.8  # 0.58; 0.12; 0.64
    far_bones = m.closed < 0.7 and m.inside < 0.08  # none has both: hips
    pieces = m.closed < 0.63 and m.core_brain > 0.9  # none has both: above the base the ring is closed
    even = m.closed < 0.8 and m.brain > 0.99  # none has both: a bone window flattens the brain and opens the ring
    kernel = m.near < 0.15 and m.inside < 0.05  # none has both: a dense spot in something large
    bright_middle = m.near < 0.3 and m.core_hu > BRAIN_HU[1] and m.core_brain < 0.2  # one: the topmost of the GE study
    return open_ring or far_bones or pieces or even or kernel or bright_middle


def _no_brain(m: Measures) -> bool:
    if not m.inside > 0.02:  # 0.06 in all but 8 of 1,000
        return True
    washed = m.core_hu > 80 and m.high_hu < 2 * BONE_HU and m.core_brain < 0.35 and m.dark > 0.4  # a lung window
    lungs = m.air > 0.3 and (m.core_brain < 0.15 or m.beside > 0.25)  # none has both
    contents = m.brain < 0.1 or m.fat > 0.66 or m.air > 0.62  # 0.26; 0.49; 0.41
    return washed or lungs or contents or m.core_brain < 0.06 or not -50 < m.core_hu < 450  # 0.13; -20 to 256
