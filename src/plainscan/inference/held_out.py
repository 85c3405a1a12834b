"""Prepared slices of a run folder, scored in one pass that keeps memory flat.

Maps are reduced to a few numbers as they come; the few that are shown as pictures are made again.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from plainscan import tables
from plainscan.bundle import Card
from plainscan.ct.prepare import Box, resample
from plainscan.errors import BundleError, TableError
from plainscan.evaluation.localization import Drawn, Localization, localize
from plainscan.findings import FINDING_KEYS
from plainscan.inference.ahead import ahead
from plainscan.inference.context import Place, place_of, with_neighbors
from plainscan.inference.engine import Model
from plainscan.inference.heatmap import energy, extent, heat, on_slice, pooled
from plainscan.inference.overlay import blend, striped
from plainscan.inference.predict import Scores, calibrated, score
from plainscan.inference.reliability import HEAD_HU, head_cells, not_reliable, outside_share

BRAIN_HU: Final = (15, 60)  # grey and white matter with room for noise; not fluid, fat, bone or air
COVERED: Final = 0.25  # a pixel of the network's grid belongs to the mask when this share of it does
OUTLINE: Final = (0, 220, 255)

Row = dict[str, Any]
Read = tuple[NDArray[np.int16], NDArray[np.uint16] | None, Row]  # HU, masks and row of a slice


class RunSlices:
    """Pixels and masks of a run folder, by rows of its prepared table.

    Args:
        folder: The run folder; masks are found through its `truth.parquet`, if it has one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, NDArray[np.int16]] = {}
        self._masks: tuple[str, NDArray[np.uint16]] | None = None  # of one study at a time
        self._where: dict[tuple[str, ...], tuple[str, int]] = {}
        if tables.TRUTH.path(folder).is_file():
            truth = tables.read(folder, tables.TRUTH).filter(pl.col("mask").is_not_null())
            self._where = {_key(row): (row["mask"], row["mask_index"]) for row in truth.iter_rows(named=True)}

    def check(self, rows: pl.DataFrame, card: Card) -> None:
        """Make sure that pixels of rows of the prepared table, and masks of tune and test, are there and fit a bundle.

        Raises:
            TableError: A shard or a mask file is missing or is not what the table says.
            BundleError: The slices are not of the bundle's size or number of planes.
        """
        expected = (2 * card.neighbors + 1, card.input_size, card.input_size)
        for name, last in rows.group_by("shard", maintain_order=True).agg(pl.col("row").max()).iter_rows():
            shape = self._shard(name).shape
            if len(shape) != 4 or shape[0] <= last:
                raise _no_shard(name, f"shape {shape}, too short for row {last}")
            if shape[1:] != expected:
                raise BundleError(
                    f"prepared slices of shape {shape[1:]}",
                    where=card.name,
                    expected=f"(planes, size, size) = {expected}, as its card says",
                    remedy=f"Run `plainscan prepare` with --size {card.input_size} --neighbors {card.neighbors}, or "
                    "`plainscan train` again.",
                )
        judged = rows.filter(pl.col("split") != "train").select(tables.SLICE_KEY)  # on tune thresholds are chosen
        masks = {where[0] for row in judged.iter_rows(named=True) if (where := self._where.get(_key(row)))}
        for name in sorted(masks):
            if not self._mask_file(name).is_file():
                raise _no_mask(self._mask_file(name), "no such file")

    def _mask_file(self, name: str) -> Path:
        return self._folder / "truth" / Path(name).name

    def _shard(self, name: str) -> NDArray[np.int16]:
        if name not in self._shards:
            try:
                self._shards[name] = np.load(
                    self._folder / tables.SHARD_FOLDER / name, mmap_mode="r", allow_pickle=False
                )
            except (OSError, ValueError) as error:
                raise _no_shard(name, "not a readable shard") from error
        return self._shards[name]

    def hu(self, row: Row) -> NDArray[np.int16]:
        """A prepared slice, (planes, size, size), HU."""
        return np.asarray(self._shard(row["shard"])[row["row"]])

    def bits(self, row: Row) -> NDArray[np.uint16] | None:
        """The slice's masks on its own grid, (rows, columns), bit i is finding i; None where there are none."""
        where = self._where.get(_key(row))
        if where is None:
            return None
        name, index = where
        if self._masks is None or self._masks[0] != name:
            try:
                with np.load(self._mask_file(name), allow_pickle=False) as archive:
                    self._masks = name, archive["masks"]
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise _no_mask(self._mask_file(name), "not a readable mask file") from error
        found: NDArray[np.uint16] = self._masks[1][index]
        return found


def _no_shard(name: str, found: str) -> TableError:
    return TableError(
        found,
        where=f"prepared/{name}",
        expected="the pixels that prepared.parquet names",
        remedy="Run `plainscan prepare` again, then the stages after it.",
    )


def _no_mask(path: Path, found: str) -> TableError:
    return TableError(
        found,
        where=f"truth/{path.name}",
        expected="the masks that truth.parquet names",
        remedy="Put the phantom's folder truth/ back; without truth.parquet, heat maps are not held against masks.",
    )


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in tables.SLICE_KEY)


def mask_of(bits: NDArray[np.uint16], finding: int, row: Row, size: int) -> NDArray[np.bool_]:
    """One finding's mask on the network's grid, (size, size); finding 0 is the union of all."""
    chosen = bits != 0 if finding == 0 else (bits >> finding) & 1
    box = Box(row["box_top_px"], row["box_left_px"], row["box_side_px"])
    return resample(chosen.astype(np.float32), box, size, 0.0) >= COVERED


def brain_share(hu: NDArray[np.int16], row: Row) -> float:
    """Share of the whole picture's pixels that look like brain, from the prepared square (size, size)."""
    low, high = BRAIN_HU
    area = row["box_side_px"] ** 2 / (row["rows"] * row["columns"])
    return float(np.mean((hu >= low) & (hu <= high)) * area)


def enlarge(grid: NDArray[np.floating], size: int) -> NDArray[np.float32]:
    """A map (grid, grid) on the network's grid (size, size), by linear interpolation."""
    return on_slice(grid, whole(size), (size, size), size)


def whole(size: int) -> Box:
    """The square that is all of a prepared slice."""
    return Box(0.0, 0.0, float(size))


@dataclass(frozen=True)
class ScoredSlice:
    """One slice's numbers.

    Args:
        logits: (findings,), among its neighbors.
        probability: (findings,), calibrated.
        brain_share: [0, 1].
        localized: Finding index -> how its heat map lies on its mask; present findings with a mask only.
        not_reliable: Codes of ``reliability.WORDS``.
        outside: Share of the energy of any finding's map outside the head, [0, 1].
        beside: What the logit of any finding has beside the pool of its map: the head's bias, the same everywhere.
    """

    logits: NDArray[np.float32]
    probability: NDArray[np.float64]
    brain_share: float
    localized: dict[int, Localization]
    not_reliable: tuple[str, ...]
    outside: float
    beside: float


def score_slices(model: Model, slices: RunSlices, rows: pl.DataFrame, threshold: float) -> Iterator[ScoredSlice]:
    """Score rows of the prepared table, in their order.

    Args:
        model: A loaded bundle.
        slices: Where the pixels and masks are.
        rows: Of the prepared table; a series' slices one after the other, lowest first.
        threshold: The slice operating point of any finding.
    """

    def alone(item: Read) -> tuple[Read, Scores]:
        return item, score(model, item[0][None])

    def judged(found: tuple[tuple[Read, Scores], NDArray[np.float32] | None]) -> ScoredSlice:
        (item, scores), logits = found
        return _scored(model, item, scores, scores.logits[0] if logits is None else logits, threshold)

    scored = ahead(alone, _read(slices, rows), model.threads)
    reach_mm = model.card.context_mm
    among = with_neighbors(scored, lambda pair: row_place(pair[0][2]), lambda pair: pair[1].logits[0], reach_mm)
    return ahead(judged, among, model.threads)


def row_place(row: Row) -> Place:
    """Where a row of the prepared table lies."""
    return place_of(row["series_uid"], row["slice_position_mm"], row["slice_index"])


def _read(slices: RunSlices, rows: pl.DataFrame) -> Iterator[Read]:
    for row in rows.iter_rows(named=True):
        yield slices.hu(row), slices.bits(row), row


def _scored(model: Model, item: Read, scores: Scores, logits: NDArray[np.float32], threshold: float) -> ScoredSlice:
    planes, bits, row = item
    maps, card, hu = scores.maps[0], model.card, planes[planes.shape[0] // 2]
    box = whole(hu.shape[0])
    return ScoredSlice(
        logits,
        calibrated(logits[None], card.calibration)[0],
        brain_share(hu, row),
        _localize(maps, hu, bits, row, card),
        not_reliable(maps, logits, hu, box, card, threshold),
        outside_share(energy(maps[0], card.pooling), head_cells(hu, box, maps.shape[-1])),
        float(scores.logits[0, 0] - pooled(maps[0], card.pooling)),
    )


def localized(model: Model, slices: RunSlices, rows: pl.DataFrame) -> Iterator[dict[int, Localization]]:
    """How the maps of rows of the prepared table lie on their masks, finding index by finding index."""

    def localized_one(item: Read) -> dict[int, Localization]:
        hu, bits, row = item
        return _localize(score(model, hu[None]).maps[0], hu[hu.shape[0] // 2], bits, row, model.card)

    return ahead(localized_one, _read(slices, rows), model.threads)


def _localize(
    maps: NDArray[np.float32], hu: NDArray[np.int16], bits: NDArray[np.uint16] | None, row: Row, card: Card
) -> dict[int, Localization]:
    if bits is None or not bits.any():
        return {}
    size, found = hu.shape[0], {}
    for index, key in enumerate(FINDING_KEYS):
        if row[key] == 1:
            mask = mask_of(bits, index, row, size)
            judged = localize(drawn(maps[index], size, card), mask, hu > HEAD_HU, area_mm2(bits, index, row))
            if judged is not None:
                found[index] = judged
    return found


def drawn(grid: NDArray[np.float32], size: int, card: Card) -> Drawn:
    """A map (grid, grid) on the network's grid, in its three readings."""
    values = enlarge(grid, size)
    return Drawn(values, energy(values, card.pooling), extent(values, card.pooling))


def area_mm2(bits: NDArray[np.uint16], finding: int, row: Row) -> float | None:
    """Area of a finding on its slice; of all of them for finding 0. None where the size of a pixel is not known."""
    if row["pixel_spacing_row_mm"] is None or row["pixel_spacing_column_mm"] is None:
        return None
    pixels = np.count_nonzero(bits if finding == 0 else (bits >> finding) & 1)
    return float(pixels * row["pixel_spacing_row_mm"] * row["pixel_spacing_column_mm"])


def picture(model: Model, slices: RunSlices, row: Row, logits: NDArray[np.float32], threshold: float) -> bytes:
    """PNG of a slice in the brain window, masks outlined, beside the same slice under its heat map.

    A map that is marked "not reliable" is striped. Made on the network's grid; carries no metadata.

    Args:
        model: A loaded bundle.
        slices: Where the pixels and masks are.
        row: Of the prepared table.
        logits: (findings,) of the slice among its neighbors.
        threshold: The slice operating point of any finding.
    """
    hu = slices.hu(row)
    size, middle = hu.shape[-1], hu[hu.shape[0] // 2]
    maps, card = score(model, hu[None]).maps, model.card
    warm = heat(maps[:, 0], logits[None, 0], card.calibration[0], threshold, card.pooling)[0]
    marked = not_reliable(maps[0], logits, middle, whole(size), card, threshold)
    shown = striped(enlarge(warm, size)) if marked else enlarge(warm, size)
    plain = blend(middle, np.zeros((size, size)))
    bits = slices.bits(row)
    if bits is not None:
        mask = mask_of(bits, 0, row, size)
        plain[_edge(mask)] = OUTLINE
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([plain, blend(middle, shown)], axis=1)).save(stream, "PNG")
    return stream.getvalue()


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The ring of pixels just outside a mask."""
    padded = np.pad(mask, 1)
    around = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return around & ~mask
