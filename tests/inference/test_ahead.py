from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from plainscan.inference.ahead import WAITING, ahead


def test_results_come_in_the_order_of_the_items_although_the_first_takes_longest() -> None:
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_done.wait(10)
        if item == 1:
            second_done.set()
        return 10 * item

    assert list(ahead(work, range(6), threads=2)) == [0, 10, 20, 30, 40, 50]


def test_items_are_taken_on_the_caller_s_thread_and_worked_on_elsewhere() -> None:
    here = threading.get_ident()

    def items() -> Iterator[int]:
        for _ in range(4):
            yield threading.get_ident()

    pairs = list(ahead(lambda taken_on: (taken_on, threading.get_ident()), items(), threads=2))
    assert {taken for taken, _ in pairs} == {here}
    assert here not in {worked for _, worked in pairs}


def test_no_more_than_a_few_items_are_held() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = ahead(lambda i: i, items(), threads=3)
    for i in range(20):
        assert next(results) == i
        assert len(taken) <= i + WAITING * 3
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(taken) < 30


def test_an_error_comes_at_its_place() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("the third")
        return item

    results = ahead(work, range(9), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)
