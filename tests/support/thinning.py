"""Which tests are fast ones: of a test with many cases a few that meet every value of every parameter.

`@pytest.mark.thinned(4)` keeps every fourth case of a test in `make test`; the others are marked `sweep`, and
`make sweep` runs them, as `.ci/run` does. `first` says which is the first that is kept, so that tests of the
same cases keep different ones. A case that is typed by its name is always run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pytest


def is_kept(numbers: Sequence[int], every: int, first: int = 0) -> bool:
    """Whether a case is a fast test.

    Args:
        numbers: where its value stands among those of each parameter, from 0.
        every: one case in so many is kept. With several parameters each value of each is met, unless one of
            them has fewer values than this.
        first: of the cases in order, the first that is kept.
    """
    return (sum(numbers) - first) % every == 0


def numbered(cases: Iterable[Sequence[str]]) -> list[list[int]]:
    """Where the values of each case stand among those of their parameters, in the order they come in."""
    known: defaultdict[int, dict[str, int]] = defaultdict(dict)
    return [[known[k].setdefault(value, len(known[k])) for k, value in enumerate(case)] for case in cases]


def thin(items: list[pytest.Item]) -> None:
    """Mark those `sweep` that a `thinned` test does not keep."""
    tests: defaultdict[str, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("thinned"):
            tests[item.nodeid.partition("[")[0]].append(item)
    for cases in (cases for cases in tests.values() if len(cases) > 1):
        mark = cases[0].get_closest_marker("thinned")
        assert mark is not None
        # pytest has no public name for the values of a case, one for each parameter.
        for case, numbers in zip(cases, numbered(case.callspec._idlist for case in cases), strict=True):
            if not is_kept(numbers, *mark.args, **mark.kwargs):
                case.add_marker("sweep")
