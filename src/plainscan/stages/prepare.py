"""Stage prepare: the manifest's slices as HU on the network's grid, in memory-mapped shards.

Two processes read and resample, series by series; the parent writes. Memory does not grow with the cohort: a
series is cut into pieces and only a few pieces are under way at a time. A slice that cannot be read is left out,
counted and named; so is a series whose pixels show contrast medium though nothing said so (``inference.gate``).
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.lib import format as npy
from numpy.typing import NDArray

from plainscan.config import PrepareSettings
from plainscan.counted import counted
from plainscan.ct.gate import CONTRAST
from plainscan.ct.prepare import PREPARATION, Box, head_box, planes_around, prepare_slice
from plainscan.ct.window import Window
from plainscan.errors import SourceError
from plainscan.inference.gate import holds_contrast, spread, vessels
from plainscan.pictures import read_picture
from plainscan.stages.chain import check_fresh
from plainscan.stages.record import Counts, recorded, say, track
from plainscan.storage import whole_file
from plainscan.tables import COHORT, MANIFEST, PREPARED, SHARD_FOLDER, SLICE_KEY, read, write

SHARD_SLICES: Final = 1024
PIECE_SLICES: Final = 48  # of one series at a time in a worker
PROCESSES: Final = 2
AHEAD: Final = 4  # pieces under way
FEW: Final = 24  # slices: below that, starting processes takes longer than the work
NAMED: Final = 20  # excluded slices named in the run record

Row = dict[str, Any]


class Prepared(NamedTuple):
    """One slice on the network's grid: (planes, size, size), int16, HU; or the code of why there is none.

    ``vessels`` holds its share of ``inference.gate.vessels`` if it was looked at for contrast medium, else nothing.
    """

    hu: NDArray[np.int16] | None
    box: Box | None
    code: str = ""
    vessels: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Consecutive slices of a series with the neighbours they need.

    Args:
        rows: Where the pixels are (columns of the cohort), in anatomical order.
        wanted: Which of them to prepare.
    """

    rows: tuple[Row, ...]
    wanted: tuple[int, ...]

    def wanted_rows(self) -> list[Row]:
        """The rows to prepare."""
        return [self.rows[i] for i in self.wanted]


def run(folder: Path, settings: PrepareSettings) -> Counts:
    """Prepare a run folder's manifest.

    Raises:
        TableError: The manifest is not made from the tables that lie beside it now.
    """
    check_fresh(folder, "prepare")
    return recorded(
        "prepare",
        folder,
        settings,
        lambda: _work(folder, settings),
        inputs=[MANIFEST.path(folder), COHORT.path(folder)],
        outputs=[PREPARED.path(folder), folder / SHARD_FOLDER],
        rules=PREPARATION,
    )


def _work(folder: Path, settings: PrepareSettings) -> Counts:
    manifest = read(folder, MANIFEST)
    series = read(folder, COHORT) if settings.neighbors else manifest
    _remove_leftovers(folder)
    parts, few = pieces(manifest, series, settings.neighbors), manifest.height < FEW
    kept, excluded = [], []
    shares: dict[tuple[Any, ...], list[float | None]] = {}
    with Shards(folder / SHARD_FOLDER) as shards:
        for row, result in track(_prepared(parts, settings, few), "prepare", total=manifest.height):
            key = tuple(row[name] for name in SLICE_KEY)
            if result.hu is None or result.box is None:
                excluded.append((key, result.code))
            else:
                kept.append((*key, *shards.append(result.hu), *result.box))
                shares.setdefault(key[:2], []).extend(result.vessels)
    contrast = {series for series, of_slices in shares.items() if holds_contrast(of_slices)}
    excluded += [(place[: len(SLICE_KEY)], CONTRAST) for place in kept if place[:2] in contrast]
    kept = [place for place in kept if place[:2] not in contrast]
    if not kept:
        raise SourceError(
            "no slice is left",
            where=MANIFEST.name,
            expected="readable slices of plain scans",
            remedy=", ".join(_by_code(excluded)),
        )
    places = pl.DataFrame(kept, schema=_PLACE_SCHEMA, orient="row")
    write(manifest.join(places, on=SLICE_KEY, how="inner", maintain_order="right"), folder, PREPARED)
    return _counts(len(kept), shards.count, excluded)


_PLACE_SCHEMA: Final = {
    name: PREPARED.columns[name] for name in (*SLICE_KEY, "shard", "row", "box_top_px", "box_left_px", "box_side_px")
}


def _remove_leftovers(folder: Path) -> None:
    PREPARED.path(folder).unlink(missing_ok=True)
    if (folder / SHARD_FOLDER).is_dir():
        for file in (folder / SHARD_FOLDER).iterdir():
            file.unlink()


def _counts(kept: int, shards: int, excluded: list[tuple[tuple[Any, ...], str]]) -> Counts:
    counts: Counts = {"slices": kept, "shards": shards, "excluded": len(excluded)}
    if excluded:
        by_code = _by_code(excluded)
        say(f"prepare: {counted(len(excluded), 'slices')} left out: {', '.join(by_code)}")
        names = [f"{key[2]}#{key[3]} {code}" for key, code in excluded[:NAMED]]
        counts["excluded_by_code"] = by_code
        counts["excluded_slices"] = [*names, *(["…"] if len(excluded) > NAMED else [])]
    return counts


def _by_code(excluded: list[tuple[tuple[Any, ...], str]]) -> list[str]:
    return [f"{code} {count}" for code, count in sorted(Counter(code for _, code in excluded).items())]


def pieces(manifest: pl.DataFrame, series: pl.DataFrame, neighbors: int) -> Iterator[Piece]:
    """Cut the manifest's slices into pieces, in its order of series.

    Args:
        manifest: The slices wanted.
        series: All slices of their series: where neighbours are looked for.
        neighbors: On each side.
    """
    order = manifest.select(_SERIES).unique(maintain_order=True).with_row_index("order")
    wanted = manifest.select(*SLICE_KEY, wanted=pl.lit(value=True))
    places = series.join(order, on=_SERIES).join(wanted, on=SLICE_KEY, how="left")
    places = places.sort("order", "slice_index").select(*_COLUMNS, "order", "wanted")
    for _, group in places.group_by("order", maintain_order=True):
        rows = group.to_dicts()
        for start in range(0, len(rows), PIECE_SLICES):
            low, stop = max(0, start - neighbors), min(start + PIECE_SLICES, len(rows))
            chosen = tuple(i - low for i in range(start, stop) if rows[i]["wanted"])
            if chosen:
                yield Piece(tuple(rows[low : stop + neighbors]), chosen)


_SERIES: Final = SLICE_KEY[:2]
_COLUMNS: Final = (*SLICE_KEY, "source", "path", "kind", "window_center_hu", "window_width_hu")


def _prepared(parts: Iterable[Piece], settings: PrepareSettings, few: bool) -> Iterator[tuple[Row, Prepared]]:
    """Each wanted slice with its result, in the order of the pieces."""
    task = partial(prepare_piece, settings=settings)
    if few:
        for part in parts:
            yield from zip(part.wanted_rows(), task(part), strict=True)
        return
    context = multiprocessing.get_context("spawn")  # polars' threads do not survive a fork
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        running: deque[tuple[Piece, Future[list[Prepared]]]] = deque()
        for part in parts:
            running.append((part, pool.submit(task, part)))
            if len(running) >= AHEAD:
                yield from _finished(*running.popleft())
        while running:
            yield from _finished(*running.popleft())


def _finished(part: Piece, future: Future[list[Prepared]]) -> Iterator[tuple[Row, Prepared]]:
    return zip(part.wanted_rows(), future.result(), strict=True)


def prepare_piece(piece: Piece, settings: PrepareSettings) -> list[Prepared]:
    """Read a piece and put its wanted slices on the network's grid."""
    needed = sorted({j for i in piece.wanted for j in range(i - settings.neighbors, i + settings.neighbors + 1)})
    inside = [i for i in needed if 0 <= i < len(piece.rows)]
    found = dict(zip(inside, _read([piece.rows[i] for i in inside]), strict=True))
    planes = [None if isinstance(hu := found.get(i), SourceError) else hu for i in range(len(piece.rows))]
    looked = {piece.wanted[i] for i in spread(len(piece.wanted)) if piece.rows[0]["kind"] == "dicom"}
    results = []
    for index in piece.wanted:
        hu = found[index]
        if isinstance(hu, SourceError):
            results.append(Prepared(None, None, hu.code))
            continue
        box = head_box(hu)
        around = planes_around(planes, index, settings.neighbors)
        filled = (vessels(hu),) if index in looked else ()
        results.append(Prepared(prepare_slice(around, settings.size, box), box, vessels=filled))
    return results


def _read(rows: list[Row]) -> Iterator[NDArray[Any] | SourceError]:
    """Slices of one series in HU, each (rows, columns); or why there is none."""
    if rows and rows[0]["kind"] == "picture":
        yield from map(_picture, rows)
        return
    from plainscan.dicom.read import Place, read_slices  # pictures need no pydicom

    for result in read_slices(Place(row["source"], row["path"], row["frame"], row["instance_uid"]) for row in rows):
        yield result if isinstance(result, SourceError) else result.hu


def _picture(row: Row) -> NDArray[Any] | SourceError:
    try:
        return read_picture(Path(row["source"]) / row["path"], Window(row["window_center_hu"], row["window_width_hu"]))
    except SourceError as error:
        return error


class Shards:
    """Writes shards of ``SHARD_SLICES`` slices, each streamed to disk and put in place whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._row, self._shape = 0, (0, 0, 0)
        self._stream: BinaryIO | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self._finish()
        else:
            self._stack.__exit__(kind, error, tb)

    def append(self, hu: NDArray[np.int16]) -> tuple[str, int]:
        """Write one slice, (planes, size, size), int16, HU; returns its shard's name and its row there."""
        if self._row == SHARD_SLICES:
            self._finish()
        stream = self._stream or self._start((hu.shape[0], hu.shape[1], hu.shape[2]))
        stream.write(np.ascontiguousarray(hu, "<i2").tobytes())
        self._row += 1
        return _shard_name(self.count - 1), self._row - 1

    def _start(self, shape: tuple[int, int, int]) -> BinaryIO:
        partial_file = self._stack.enter_context(whole_file(self.folder / _shard_name(self.count)))
        self._stream = self._stack.enter_context(partial_file.open("wb"))
        self._row, self._shape, self.count = 0, shape, self.count + 1
        _write_header(self._stream, (0, *shape))
        return self._stream

    def _finish(self) -> None:
        if self._stream is not None:
            self._stream.seek(0)
            _write_header(self._stream, (self._row, *self._shape))
            self._stream = None
        self._stack.close()


def _shard_name(number: int) -> str:
    return f"shard-{number:04d}.npy"


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    """NumPy leaves room for the first axis to grow, so that the header can be written again in place."""
    npy.write_array_header_1_0(stream, {"descr": "<i2", "fortran_order": False, "shape": shape})
