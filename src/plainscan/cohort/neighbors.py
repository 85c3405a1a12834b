"""Near vectors among many, without comparing all with all.

Locality-sensitive hashing by signs of random projections (Charikar, STOC 2002): vectors that share the signs of one
band are compared, each with at most ``CROWD`` others. So memory grows with the vectors, and so does time once the
buckets are full. A slice may be missed; that all slices of a copy are is unlikely. Only studies that share such a slice
are then held against each other slice by slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from plainscan.cohort.fingerprint import Floats

BANDS: Final = 12
BITS: Final = 16  # of a band
CROWD: Final = 64  # vectors of a bucket: beyond it, each is held against so many after it
CHUNK: Final = 200_000  # pairs compared at a time
SEED: Final = 2020

Ints = NDArray[np.int64]


def near_pairs(queries: Floats, known: Floats, owner: NDArray[np.intp], least: float) -> set[tuple[int, int]]:
    """Pairs of owners, the smaller number first, that have at least one pair of near vectors.

    Args:
        queries: (n, parts), length 1.
        known: (n, parts), length 1; row i belongs to the same slice as row i of ``queries``.
        owner: (n,), such as the number of the study.
        least: Cosine from which on two are near.
    """
    found: set[tuple[int, int]] = set()
    for here, there in _candidates(_codes(queries), _codes(known)):
        apart = np.flatnonzero(owner[here] != owner[there])
        for start in range(0, len(apart), CHUNK):
            some = apart[start : start + CHUNK]
            a, b = here[some], there[some]
            near = np.einsum("ij,ij->i", queries[a], known[b]) >= least
            pairs = np.sort(np.stack([owner[a[near]], owner[b[near]]], axis=1), axis=1)
            found.update(map(tuple, np.unique(pairs, axis=0).tolist()))
    return found


def _codes(vectors: Floats) -> Ints:
    """One number a band, (bands, n): the signs of its projections."""
    rng = np.random.default_rng(SEED)
    planes = rng.standard_normal((BANDS, vectors.shape[1], BITS)).astype(np.float32)
    powers = 1 << np.arange(BITS, dtype=np.int64)
    return np.stack([(vectors @ band > 0) @ powers for band in planes])


def _candidates(queries: Ints, known: Ints) -> Iterator[tuple[Ints, Ints]]:
    """For each band, rows of queries and rows of known that share its code."""
    for asked, there in zip(queries, known, strict=True):
        order = np.argsort(there, kind="stable")
        first = np.searchsorted(there[order], asked, side="left")
        last = np.searchsorted(there[order], asked, side="right")
        # A crowd shows slices that look alike; each is held against the members after its own place.
        crowded = last - first > CROWD
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        first = np.where(crowded, np.clip(place, first, np.maximum(first, last - CROWD)), first)
        count = np.minimum(last - first, CROWD)
        here = np.repeat(np.arange(len(asked)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        yield here, order[np.repeat(first, count) + within]


def matched(queries: Floats, known: Floats, least: float) -> tuple[int, float]:
    """How many slices of two studies are each other's nearest and near, and their mean cosine.

    Args:
        queries: (n, parts), length 1: one study's.
        known: (m, parts): the other's.
        least: Cosine from which on two are near.
    """
    cosine = queries @ known.T
    nearest, back = cosine.argmax(axis=1), cosine.argmax(axis=0)
    rows = np.arange(len(queries))
    best = cosine[rows, nearest]
    taken = (best >= least) & (back[nearest] == rows)
    return int(taken.sum()), float(best[taken].mean()) if taken.any() else 0.0
