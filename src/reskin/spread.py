"""Some of many, evenly spread."""

from __future__ import annotations


def spread(count: int, most: int) -> list[int]:
    """At most `most` indices of `count` items, evenly spread, rising: the middles of as many equal parts.

    Args:
        count: number of items, at least 0.
        most: at least 0.

    >>> spread(8, 3), spread(2, 3), spread(10, 1)
    ([1, 4, 6], [0, 1], [5])
    """
    number = min(count, max(0, most))
    return [(2 * i + 1) * count // (2 * number) for i in range(number)]


def spread_ends(count: int, most: int) -> list[int]:
    """The same with the first and the last item among them, for what is shown over time.

    >>> spread_ends(8, 3), spread_ends(2, 3), spread_ends(5, 1)
    ([0, 4, 7], [0, 1], [0])
    """
    number = min(count, max(0, most))
    if number < 2:
        return list(range(number))
    return [round(i * (count - 1) / (number - 1)) for i in range(number)]
