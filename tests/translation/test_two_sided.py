"""The average with the frames around: complete, in order, across no cut, steadier than without it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from tests.translation.test_stabilise import curve, error, flickering, textured

from reskin.translation.film import Frames
from reskin.translation.stabilise import Stabiliser
from reskin.translation.two_sided import REACH, TwoSided


def groups(films: list[np.ndarray], sizes: list[int], mades: list[np.ndarray] | None = None) -> list[Frames]:
    """The frames of a film, with flickering translations, in groups of these sizes."""
    mades = mades or [flickering(film, number) for number, film in enumerate(films)]
    found, at = [], 0
    for size in sizes:
        part = slice(at, at + size)
        numbers = list(range(len(films)))[part]
        times = [Fraction(number) for number in numbers]
        found.append(Frames(films[part], times, numbers, small=films[part], made=mades[part]))
        at += size
    return found


def moving(count: int) -> list[np.ndarray]:
    wide = textured(0, 96, 128 + 2 * count)
    return [np.ascontiguousarray(wide[:, 2 * at : 2 * at + 128]) for at in range(count)]


def through(averaging: TwoSided, given: list[Frames]) -> list[np.ndarray]:
    ready = [frames for group in given for frames in averaging.add(group)] + averaging.end()
    assert [n for frames in ready for n in frames.numbers] == [n for frames in given for n in frames.numbers]
    return [made for frames in ready for made in frames.made]


@pytest.mark.parametrize("sizes", [[1] * 9, [4, 4, 1], [9], [2, 7]])
@pytest.mark.thinned(4)
def test_how_frames_are_grouped_changes_nothing(sizes: list[int]) -> None:
    films = moving(9)
    one = through(TwoSided(lambda number: 0), groups(films, [3, 3, 3]))
    other = through(TwoSided(lambda number: 0), groups(films, sizes))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_films_shorter_than_the_reach_come_back_whole(count: int) -> None:
    assert len(through(TwoSided(lambda number: 0), groups(moving(count), [1] * count))) == count


def test_a_frame_waits_for_no_more_than_it_needs() -> None:
    averaging = TwoSided(lambda number: 0)
    count = REACH + 4
    given = [len(averaging.add(group)) for group in groups(moving(count), [1] * count)]
    assert given == [0] * REACH + [1] * 4 and len(averaging.end()) == REACH


def test_a_still_film_keeps_little_of_the_flickers_power() -> None:
    """The mean of independent draws: of all within reach, in the first frame of those to come."""
    count = 2 * REACH + 1
    films = [textured(0)] * count
    made = through(TwoSided(lambda number: 0), groups(films, [1] * count))
    for at, draws in ((REACH, count), (0, REACH + 1)):
        own = error(flickering(films[at], at), films[at])
        assert error(made[at], films[at]) < 1.3 / draws * own


def test_nothing_crosses_a_cut_and_nothing_joins_what_differs() -> None:
    films = [textured(0)] * 4 + [textured(0)] * 4
    mades = [np.full_like(films[0], 50)] * 4 + [np.full_like(films[0], 200)] * 4
    cut = through(TwoSided(lambda number: number // 4), groups(films, [1] * 8, mades))
    assert [int(made.mean()) for made in cut] == [50] * 4 + [200] * 4
    others = [textured(seed) for seed in range(6)]
    alone = through(TwoSided(lambda number: 0), groups(others, [1] * 6))
    raw = [flickering(film, number) for number, film in enumerate(others)]
    pairs = zip(alone, raw, others, strict=True)
    assert all(error(made, film) < 1.2 * error(drawn, film) for made, drawn, film in pairs)


@pytest.mark.sweep
def test_before_the_recursive_stabiliser_it_is_better_than_that_alone() -> None:
    films = moving(12)
    raw = [flickering(film, number) for number, film in enumerate(films)]
    alone, behind = Stabiliser(), Stabiliser()
    one = [alone.step(film, made) for film, made in zip(films, raw, strict=True)]
    averaged = through(TwoSided(lambda number: 0), groups(films, [1] * 12))
    two = [behind.step(film, made) for film, made in zip(films, averaged, strict=True)]
    errors = [np.mean([error(m, f) for m, f in zip(made, films, strict=True)]) for made in (one, two)]
    assert errors[1] < 0.9 * errors[0]
    assert abs(float(np.mean(two[6] - curve(films[6])))) < 2
