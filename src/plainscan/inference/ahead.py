"""Work on several items at a time, results in order, with a bounded number of them under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
WAITING: Final = 2  # items under way for each thread: enough that none waits for the next


def ahead(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """As ``map``, but ``work`` runs on other threads; NumPy, Pillow and ONNX Runtime let go of Python's lock.

    Args:
        work: Called for each item; safe to call from several threads.
        items: Taken one after the other on the caller's thread: a file reader need not be safe.
        threads: At least one.

    Yields:
        The results, in the order of the items. What ``work`` or ``items`` raises comes at its place.
    """
    under_way: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                if len(under_way) >= WAITING * threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
