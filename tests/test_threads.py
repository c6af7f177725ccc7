"""The ordered map over threads, the shared budget, and even spreading."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from reskin.spread import spread, spread_ends
from reskin.threads import Budget, map_ahead


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order(workers: int) -> None:
    gate = threading.Event()

    def work(number: int) -> int:
        if number == 0 and workers > 1:
            gate.wait(10)  # the first is done last
        if number == 1:
            gate.set()
        return number**2

    assert list(map_ahead(work, range(20), workers)) == [n**2 for n in range(20)]
    assert list(map_ahead(work, [], workers)) == []


def test_no_more_items_are_taken_than_may_be_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    for done, _ in enumerate(map_ahead(abs, items(), 2, ahead=3)):
        assert len(taken) <= done + 1 + 3


def test_an_error_comes_in_its_turn_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    results = map_ahead(work, range(1000), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) <= 3 + 1 + 2 * 2 + 1


def test_a_caller_that_stops_ends_the_threads() -> None:
    begun: list[int] = []
    before = set(threading.enumerate())
    results = map_ahead(begun.append, range(1000), 3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before and len(begun) <= 1 + 2 * 3


def test_a_budget_is_never_exceeded_and_the_large_are_not_passed_over() -> None:
    budget, most, lock = Budget(10), [0], threading.Lock()

    def work(amount: int) -> int:
        with budget.take(amount):
            with lock:
                most[0] = max(most[0], budget.used)
            return amount

    amounts = [int(n) for n in np.random.default_rng(0).integers(0, 11, 200)]
    assert list(map_ahead(work, amounts, 8)) == amounts
    assert 0 < most[0] <= 10 and budget.used == 0


def test_more_than_a_budget_is_given_alone_and_who_holds_some_need_not_wait() -> None:
    budget = Budget(10)
    with budget.take(25):
        assert budget.used == 25
    with budget.take(8), budget.take(8):  # two threads that wait for each other's rest would wait for ever
        assert budget.used == 16
    assert budget.used == 0


def test_a_budget_is_given_back_after_an_error() -> None:
    budget = Budget(5)
    with pytest.raises(ZeroDivisionError), budget.take(5):
        raise ZeroDivisionError
    assert budget.used == 0


@pytest.mark.parametrize(("count", "most"), [(0, 3), (1, 1), (5, 5), (7, 3), (100, 16), (5, 0), (3, 9)])
def test_indices_are_spread_evenly(count: int, most: int) -> None:
    for found in (spread(count, most), spread_ends(count, most)):
        assert len(found) == min(count, most) and found == sorted(set(found))
        assert all(0 <= index < count for index in found)
        if len(found) > 2:
            steps = np.diff(found)
            assert steps.max() - steps.min() <= 1
    if min(count, most) > 1:
        ends = spread_ends(count, most)
        assert (ends[0], ends[-1]) == (0, count - 1)
