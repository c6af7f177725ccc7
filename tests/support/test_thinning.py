"""Of many cases those are kept that meet every value."""

from __future__ import annotations

from itertools import product

import pytest
from tests.support.thinning import is_kept, numbered


@pytest.mark.parametrize(("rows", "columns", "every"), [(3, 3, 3), (2, 5, 2), (7, 4, 4), (6, 6, 2)])
def test_of_two_parameters_every_value_of_each_is_met(rows: int, columns: int, every: int) -> None:
    for first in range(every):
        kept = [each for each in product(range(rows), range(columns)) if is_kept(each, every, first)]
        assert {row for row, _ in kept} == set(range(rows)) and {at for _, at in kept} == set(range(columns))
        assert len(kept) <= -(-rows * columns // every) + 1


def test_tests_that_begin_elsewhere_keep_every_case_between_them() -> None:
    kept = [{number for number in range(11) if is_kept([number], 4, first)} for first in range(4)]
    assert kept[0] == {0, 4, 8} and set.union(*kept) == set(range(11))
    assert sum(map(len, kept)) == 11


def test_values_are_numbered_as_they_come() -> None:
    assert numbered([("x", "0-1"), ("x", "2-3"), ("y", "0-1")]) == [[0, 0], [0, 1], [1, 0]]


@pytest.mark.thinned(2, first=1)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 3), (4, 5)])
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_case_that_is_not_kept_is_marked(
    request: pytest.FixtureRequest, name: str, low: int, high: int
) -> None:
    if sum("test_a_case_that_is_not_kept" in item.nodeid for item in request.session.items) < 3:
        pytest.skip("a case that is typed by its name is always run")
    is_fast = ("xy".index(name) + low // 2) % 2 == 1
    assert is_fast == (request.node.get_closest_marker("sweep") is None) and high == low + 1
