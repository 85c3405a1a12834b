"""What the gatekeeper measures of a slice, from its HU alone.

A head CT shows one round object in air; under its skin runs a ring of bone; within the ring lies brain. Each is
measured on a grid of about 96 x 96 points and along rays from the middle of the head, in about a millisecond. A
picture wider than heads are usually scanned is cut first, and a head that is still small in it is looked at on a finer
grid. ``ct.gate`` says what the measures mean.

A picture's window cuts off air and bone: its lowest value stands for air, its highest for bone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainscan.ct.prepare import HU, Box, head_box, per_row

FIELD_MM: Final = 250.0  # of view, as a head is usually scanned; a wider picture is cut to it around the head
GRID: Final = 96  # points a side, at least
FEWEST: Final = 72  # of them across the head's square; with fewer, a thin skull is lost among them
RAYS, STEPS = 96, 96
REACH: Final = 0.62  # of the square's side: how far a ray goes
_RADIUS: Final = (np.arange(STEPS, 0, -1, dtype=np.float32) - np.float32(0.5)) / STEPS  # from outside to the middle
_ANGLES: Final = np.arange(RAYS, dtype=np.float32)[:, None] * np.float32(2 * np.pi / RAYS)
_UNIT: Final = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)]) * _RADIUS * np.float32(REACH)  # down and across
_AT: Final = np.arange(STEPS, dtype=np.int16)
_RAY: Final = np.arange(RAYS)
_NEXT: Final = np.roll(_RAY, 1)
_AREA: Final = np.append(np.cumsum(_RADIUS[::-1])[::-1], 0).astype(np.float32)  # from a step to the middle

AIR_HU, BONE_HU = -300.0, 150.0
BRAIN_HU: Final = (5.0, 65.0)
TISSUE_HU: Final = (5.0, 100.0)  # above air, fat and water, below bone: brain, muscle, blood
VESSEL_HU: Final = (130.0, 500.0)
FEW: Final = 0.01  # of the enclosed middle: so little is no contrast medium, wherever it lies
COMPACT_HU: Final = 600.0
AMID_BRAIN: Final = (0.6, 0.05)  # ``core_brain`` and ``core_other`` where vessels would show
REACHED: Final = 3  # steps and rays: so near to compact bone or air lies spongy bone
BLACK, WHITE = 0.02, 0.93  # of a picture's range: air or beyond the window, bone or beyond it
DARK: Final = 0.06  # of a picture's range: bone without signal, as MR has it
LAYER: Final = 6  # steps inside the bone in which MR shows such a dark layer, and a head brain
LINING_HU: Final = (-10.0, 90.0)  # what lies there in a head: brain, blood, cerebrospinal fluid
LINING: Final = (0.1, 0.8)  # of a picture's range: the same
CORE: Final = 0.75  # of the way from the middle to the bone
FINE: Final = 220  # the head's square holds so many steps of about a millimeter, in which noise is measured
CORNER: Final = 0.12  # of the shorter side of what holds tissue
THIN: Final = 0.1  # of the fullest row's tissue
FAR: Final = 3  # such steps, over which the noise of a soft kernel differs more than over one
NOISY: Final = (12.0, 0.7)  # ``noise_hu`` and ``fine_noise`` of a sharp kernel; of a soft one the noise is coarse


class Measures(NamedTuple):
    """What is measured of one slice; shares are 0 to 1, ``nan`` where there is nothing to measure.

    The outline is the whole picture's, from ``edge_air`` to ``wide``; the rest is that of a usual field around the head
    where the pixel spacing tells that the picture is wider.

    Args:
        low_hu: Least value on the grid.
        high_hu: Highest.
        shown: Share of the pixels at ``TISSUE_HU``. Pixels at the slice's own lowest and highest value are not counted:
            in a picture these are the black and the white that stand for "this or beyond", whatever its window.
        tissue: Share of the picture that is not air.
        edge_air: Share of the picture's outermost points that are air.
        corner_air: Share of the four corners around all tissue that is air: a head is round, a page or a photo is not,
            also where it has a black border.
        beside: Tissue outside the head's square, as a share of all tissue.
        long_mm: The longer of the outline's breadth and height.
        wide: Its breadth over its height.
        skin_rough: Median step of the outline from ray to ray, in steps of ``STEPS``.
        closed: Share of rays that meet bone with anything else within it; a heart or a vertebra is white to its middle.
        rough: Mean step of the bone's outline from ray to ray, as a share of its radius.
        dark: Share of the rays that meet bone with a black layer just inside it.
        lined: Share of rays with what lines a skull just inside the ring: neither air nor nearly as bright as bone.
        inside: What the bone encloses, as a share of the disc that the rays reach.
        brain: Share of what is enclosed at ``BRAIN_HU``.
        spread_hu: From the tenth part to the nine tenths of the enclosed middle of a picture: a bone window flattens
            brain; ``nan`` of HU.
        core_brain: Share of the enclosed middle at ``BRAIN_HU``.
        core_other: Share of the enclosed middle that is compact bone or air; 0 in a picture.
        vessels: Share of the enclosed middle at ``VESSEL_HU``, away from compact bone and air; 0 where there is next to
            nothing so dense or the middle is not ``amid_brain``, and in a picture, whose window cannot tell a vessel
            from bone or from a hemorrhage.
        noise_hu: Median difference of brain-like pixels a millimeter apart.
        fine_noise: The same as a share of the difference three millimeters apart; 0 where ``noise_hu`` is small.
    """

    low_hu: float
    high_hu: float
    shown: float
    tissue: float
    edge_air: float
    corner_air: float
    beside: float
    long_mm: float
    wide: float
    skin_rough: float
    closed: float
    rough: float
    dark: float
    lined: float
    inside: float
    brain: float
    spread_hu: float
    core_brain: float
    core_other: float
    vessels: float
    noise_hu: float
    fine_noise: float


class _Looked(NamedTuple):
    """A picture, every ``step``-th pixel of it, means over the cells between them, and the head's square in cells."""

    hu: HU
    step: int
    sparse: HU
    grid: NDArray[np.float32]
    box: Box

    @property
    def middle(self) -> tuple[float, float]:
        """Of the head's square, in pixels: down and across."""
        half = self.box.side_px / 2
        return (self.box.top_px + half) * self.step, (self.box.left_px + half) * self.step


class _Levels(NamedTuple):
    air_hu: float
    bone_hu: float
    dark_hu: float
    lining_hu: tuple[float, float]
    windowed: bool


def _levels(low: float, high: float) -> _Levels:
    """Where air ends and bone begins, on a slice with such a range; a picture's is the range of its window."""
    if high >= 2 * BONE_HU or low <= AIR_HU:
        return _Levels(AIR_HU, BONE_HU, AIR_HU, LINING_HU, windowed=False)
    span = max(high - low, 1.0)
    return _Levels(
        max(AIR_HU, low + BLACK * span),
        min(BONE_HU, low + WHITE * span),
        low + DARK * span,
        (low + LINING[0] * span, low + LINING[1] * span),
        windowed=True,
    )


def measure(hu: HU, pixel_mm: float | None = None) -> Measures:
    """Measure one slice.

    Args:
        hu: (rows, columns), HU; of a picture what its window left.
        pixel_mm: Side of a pixel; None when unknown, as of a picture.
    """
    whole = _look(hu)
    low, high = float(whole.grid.min()), float(whole.grid.max())
    levels = _levels(low, high)
    outline = _outline(whole, whole.grid > levels.air_hu, pixel_mm)
    usual = _look(field) if (field := _usual_field(whole, pixel_mm)) is not None else whole
    tissue = usual.grid > levels.air_hu
    own = (_shown(usual.sparse), int(np.count_nonzero(tissue)) / tissue.size)
    near = _nearer(usual) if usual.box.side_px < FEWEST and usual.step > 1 else usual
    noise = _noise(near.hu, near.sparse, near.step, max(1, round(near.box.side_px * near.step / FINE)))
    along = _along_rays(_sampled(near.grid, near.box, low), levels)
    return Measures._make((low, high, *own, *outline, *along, *noise))


def _look(hu: HU, step: int | None = None, box: Box | None = None) -> _Looked:
    """A picture on a grid, as wide as ``GRID`` asks or with a step and the head's square on it."""
    step = step or max(1, min(hu.shape) // GRID)
    sparse = hu[::step, ::step].copy()
    grid = _coarse(hu, sparse, step)
    return _Looked(hu, step, sparse, grid, box or head_box(grid))


def _outline(whole: _Looked, tissue: NDArray[np.bool_], pixel_mm: float | None) -> tuple[float, ...]:
    """From ``edge_air`` to ``wide`` in the order of ``Measures``."""
    edge = np.concatenate([tissue[0], tissue[-1], tissue[:, 0], tissue[:, -1]])
    solid = tissue.astype(np.float32)
    down, across = _held(per_row(solid)), _held(per_row(solid.T))
    return (
        1 - int(np.count_nonzero(edge)) / edge.size,
        _corner_air(tissue, down, across),
        _beside(tissue, whole.box),
        max(len(down), len(across)) * whole.step * pixel_mm if pixel_mm else float("nan"),
        len(across) / max(1, len(down)),
    )


def _usual_field(whole: _Looked, pixel_mm: float | None) -> HU | None:
    """The pixels of a usual field of view around the head; None where the picture is no wider, or nobody knows."""
    if pixel_mm is None or min(whole.hu.shape) * pixel_mm <= FIELD_MM:
        return None
    side = round(max(FIELD_MM / pixel_mm, whole.box.side_px * whole.step))
    top, left = (round(at - side / 2) for at in whole.middle)
    return whole.hu[max(0, top) : top + side, max(0, left) : left + side]


def _nearer(usual: _Looked) -> _Looked:
    """The pixels that the rays reach, on a finer grid."""
    middle, side = np.array(usual.middle), usual.box.side_px * usual.step
    top, left = np.maximum(0, np.floor(middle - REACH * side)).astype(int).tolist()
    bottom, right = np.ceil(middle + REACH * side).astype(int).tolist()
    fine = max(1, int(side) // GRID)
    down, across = (middle - (top, left) - side / 2) / fine
    return _look(usual.hu[top:bottom, left:right], fine, Box(float(down), float(across), side / fine))


def _held(profile: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows or columns that hold a fair share of the fullest one's tissue: a headrest is too thin for that."""
    return np.flatnonzero(profile > THIN * profile.max())


def _corner_air(tissue: NDArray[np.bool_], down: NDArray[np.intp], across: NDArray[np.intp]) -> float:
    if not len(down) or not len(across):
        return float("nan")
    held = tissue[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    side = max(1, round(CORNER * min(held.shape)))
    corners = np.stack([held[:side, :side], held[:side, -side:], held[-side:, :side], held[-side:, -side:]])
    return 1 - int(np.count_nonzero(corners)) / corners.size


def _coarse(hu: HU, sparse: HU, step: int) -> NDArray[np.float32]:
    """Means of four spread pixels a cell, the first of them in ``sparse``: (rows // step, columns // step), HU."""
    rows, columns = hu.shape[0] // step, hu.shape[1] // step
    half = step // 2
    result: NDArray[np.float32] = sparse[:rows, :columns].astype(np.float32)
    for i, j in ((0, half), (half, 0), (half, half)):
        result += hu[i::step, j::step][:rows, :columns]
    result *= np.float32(0.25)
    return result


def _shown(sparse: HU) -> float:
    low, high = max(TISSUE_HU[0], float(sparse.min())), min(TISSUE_HU[1], float(sparse.max()))
    return int(np.count_nonzero(_within(sparse, low, high))) / sparse.size


def _beside(tissue: NDArray[np.bool_], box: Box) -> float:
    top, left = max(0, round(box.top_px)), max(0, round(box.left_px))
    within = tissue[top : max(0, round(box.top_px + box.side_px)), left : max(0, round(box.left_px + box.side_px))]
    return 1 - int(np.count_nonzero(within)) / max(1, int(np.count_nonzero(tissue)))


def _sampled(grid: NDArray[np.float32], box: Box, fill: float) -> NDArray[np.float32]:
    """Values along rays from outside to the middle of the square: (RAYS, STEPS), HU."""
    rows, columns = grid.shape
    framed = np.full((rows + 2, columns + 2), np.float32(fill))  # what lies beyond the grid is as its frame
    framed[1:-1, 1:-1] = grid
    center = (box.top_px + box.side_px / 2, box.left_px + box.side_px / 2)
    at = _UNIT * np.float32(box.side_px)
    at += np.array(center, np.float32)[:, None, None]
    np.rint(at, out=at)
    at += np.float32(1)
    np.maximum(at, np.float32(0), out=at)
    np.minimum(at, np.array((rows + 1, columns + 1), np.float32)[:, None, None], out=at)
    at[0] *= np.float32(columns + 2)
    at[0] += at[1]  # whole numbers, exact below 2**24
    rays: NDArray[np.float32] = framed.ravel()[at[0].astype(np.intp)]
    return rays


def _along_rays(rays: NDArray[np.float32], levels: _Levels) -> tuple[float, ...]:
    """From ``skin_rough`` to ``vessels`` in the order of ``Measures``."""
    bone = rays >= levels.bone_hu
    outer = bone.argmax(axis=1)
    has = bone[_RAY, outer]
    skin = _first(rays > levels.air_hu)
    np.logical_or(bone, outer[:, None] > _AT, out=bone)  # from here on: bone, or outside of it
    inner = bone.argmin(axis=1)
    has_inside = has & ~bone[_RAY, inner]
    last = np.where(has, STEPS - 1 - outer, 0)
    shape = (
        _middle(np.abs(skin - skin[_NEXT])),
        int(np.count_nonzero(has_inside)) / RAYS,
        float(np.minimum(np.abs(last - last[_NEXT]), 10).sum()) / RAYS / max(1.0, _middle(last)),
        *_lining(rays, inner, has_inside, max(1, int(np.count_nonzero(has))), levels),
    )
    inner = np.where(has_inside, inner, STEPS)
    return (*shape, *_enclosed(rays, inner, levels))


def _first(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Step of the first true of each ray, the middle where there is none."""
    at = mask.argmax(axis=1)
    return np.where(mask[_RAY, at], at, STEPS - 1)


def _middle(values: NDArray[np.integer]) -> float:
    """Median of an even count."""
    ordered = np.sort(values)
    half = len(values) // 2
    return (int(ordered[half - 1]) + int(ordered[half])) / 2


def _lining(
    rays: NDArray[np.float32], inner: NDArray[np.intp], inside: NDArray[np.bool_], count: int, levels: _Levels
) -> tuple[float, float]:
    """``dark`` and ``lined``, from the steps that follow on the ring inwards."""
    layer = rays[_RAY[:, None], np.minimum(inner[:, None] + _AT[:LAYER], STEPS - 1)]
    dark = (layer <= levels.dark_hu).any(axis=1) & inside
    mean = layer[:, 1:].sum(axis=1) / np.float32(LAYER - 1)  # the first step is still half bone
    lined = _within(mean, *levels.lining_hu) & inside & (inner < STEPS - LAYER)
    return int(np.count_nonzero(dark)) / count, int(np.count_nonzero(lined)) / RAYS


def _enclosed(rays: NDArray[np.float32], inner: NDArray[np.intp], levels: _Levels) -> tuple[float, ...]:
    """From ``inside`` to ``vessels`` in the order of ``Measures``."""
    total = float(_AREA[inner].sum())
    if not total:
        return (0.0, *[float("nan")] * 3, 0.0, 0.0)
    start = np.ceil(STEPS - 1 - CORE * (STEPS - 1 - inner)).astype(np.int16)
    start[inner == STEPS] = STEPS
    middle = start[:, None] <= _AT
    count = int((STEPS - start).sum())
    brain = _within(rays, *BRAIN_HU)
    core_brain = int(np.count_nonzero(brain & middle)) / count
    brain &= inner.astype(np.int16)[:, None] <= _AT
    own = (total / (RAYS * STEPS / 2), float((brain.astype(np.float32) @ _RADIUS).sum()) / total)
    if levels.windowed:
        core = np.sort(rays[middle])
        return (*own, float(core[int(0.9 * len(core))] - core[int(0.1 * len(core))]), core_brain, 0.0, 0.0)
    other = 1 - int(np.count_nonzero(_within(rays, -100.0, VESSEL_HU[1]) & middle)) / count
    dense = _within(rays, *VESSEL_HU) & middle
    look = core_brain > AMID_BRAIN[0] and other < AMID_BRAIN[1] and np.count_nonzero(dense) > FEW * count
    return (*own, float("nan"), core_brain, other, _away_from_bone(rays, dense) / count if look else 0.0)


def _away_from_bone(rays: NDArray[np.float32], dense: NDArray[np.bool_]) -> int:
    """How many points of a mask lie farther than ``REACHED`` from compact bone and air."""
    ray, step = np.divmod(np.flatnonzero(dense), STEPS)
    around = np.arange(-REACHED, REACHED + 1)
    rows, columns = (ray[:, None] + around) % RAYS, np.clip(step[:, None] + around, 0, STEPS - 1)
    near = rays[rows[:, :, None], columns[:, None, :]]
    return len(ray) - int(np.count_nonzero(((near > COMPACT_HU) | (near < AIR_HU)).any(axis=(1, 2))))


def _within(values: HU, low: float, high: float) -> NDArray[np.bool_]:
    return np.logical_and(values > low, values < high)


def _noise(hu: HU, sparse: HU, step: int, fine: int) -> tuple[float, float]:
    """``noise_hu`` and ``fine_noise``, from neighbors in a row where the first is as dense as brain; 0 without any."""
    rows, far = 2 * step, FAR * fine
    first = sparse[::2, : len(range(0, hu.shape[1] - far, step))]
    brain = _within(first, *BRAIN_HU)
    if np.count_nonzero(brain) < 100:
        return 0.0, 0.0
    start = first[brain].astype(np.float32)

    def apart(lag: int) -> float:
        away = np.abs(hu[::rows, lag : hu.shape[1] - far + lag : step][brain] - start)
        return float(np.partition(away, len(away) // 2)[len(away) // 2])

    near = apart(fine)
    return near, near / max(1.0, apart(far)) if near > NOISY[0] else 0.0
