"""Seasons change colours and nothing else, are told apart by their truths, and leave the old film alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest

from reskin.errors import SettingsError
from reskin.worlds.footage import CLASSES, SEASONS, Footage
from reskin.worlds.materials import MATERIALS, colour_table
from reskin.worlds.seasons import PALETTES, Season, season_distances, season_of

FILM_THUMBNAIL = [
    [[111, 68, 90], [128, 76, 88], [93, 59, 92], [103, 65, 92]],
    [[95, 70, 79], [138, 81, 72], [98, 88, 90], [147, 74, 44]],
    [[134, 105, 93], [135, 105, 87], [128, 112, 97], [112, 92, 80]],
    [[91, 75, 74], [100, 91, 84], [83, 90, 77], [85, 75, 71]],
]
GAME_THUMBNAIL = [
    [[135, 198, 254], [140, 200, 243], [108, 184, 255], [128, 194, 255]],
    [[155, 138, 170], [119, 168, 169], [187, 125, 127], [88, 167, 106]],
    [[178, 181, 150], [150, 177, 123], [175, 169, 164], [159, 178, 130]],
    [[94, 125, 111], [109, 137, 114], [130, 131, 138], [100, 120, 119]],
]
"""Mean colours of 16 tiles of a frame, drawn before there were seasons."""


@functools.cache  # nobody changes them, and drawing a scene takes time
def truths(seed: int, index: int = 0) -> dict[Season, np.ndarray]:
    return Footage("game", seed=seed, frames=index + 1, size=(64, 64)).in_seasons(index)


def test_the_film_is_what_it_was_before_there_were_seasons() -> None:
    frame = Footage("film", seed=7, frames=40, size=(64, 64)).frame(38)
    assert frame.season == "autumn"
    for picture, known in ((frame.image, FILM_THUMBNAIL), (frame.other, GAME_THUMBNAIL)):
        tiles = picture.astype(float).reshape(4, 16, 4, 16, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(tiles, known, atol=1.0)  # processors may differ in the last bit of a float
    autumn = Footage("film", seed=7, frames=40, size=(64, 64), seasons=["autumn"]).frame(38)
    assert np.array_equal(autumn.image, frame.image)
    assert np.array_equal(colour_table("film"), colour_table("film", "autumn"))


@pytest.mark.sweep
def test_the_game_has_no_seasons() -> None:
    plain = Footage("game", seed=3, frames=1, size=(48, 48)).frame(0)
    for season in SEASONS:
        frame = Footage("game", seed=3, frames=1, size=(48, 48), seasons=(season,)).frame(0)
        assert np.array_equal(frame.image, plain.image)
        assert frame.season == season
        assert np.array_equal(frame.other, truths_of_48(3)[season])


@functools.cache
def truths_of_48(seed: int) -> dict[Season, np.ndarray]:
    return Footage("game", seed=seed, frames=1, size=(48, 48)).in_seasons(0)


@functools.cache
def plain_game() -> Footage:
    return Footage("game", seed=2, frames=40, size=(64, 48))


@functools.cache
def known_in(look: Literal["game", "film"]) -> Mapping[Season, np.ndarray]:
    return Footage(look, seed=2, frames=40, size=(64, 48), seasons=("winter", "spring")).in_seasons(37)


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.thinned(4, first=2)
@pytest.mark.sweep
def test_the_truth_in_a_season_is_what_the_film_of_that_season_shows(season: Season) -> None:
    film = Footage("film", seed=2, frames=40, size=(64, 48), seasons=(season,)).frame(37)
    game = plain_game().frame(37)
    for look in ("game", "film"):
        known = known_in(look)
        assert list(known) == list(SEASONS)
        assert np.array_equal(known[season], film.image)
    assert np.array_equal(film.other, game.image)
    assert np.array_equal(film.labels, game.labels) and np.array_equal(film.flow, game.flow)


@pytest.mark.sweep
def test_seasons_take_turns_scene_by_scene() -> None:
    footage = Footage("film", seed=1, frames=10, size=(32, 32), scene_frames=2, seasons=SEASONS)
    frames = list(footage)
    assert [frame.season for frame in frames[::2]] == [*SEASONS, "spring"]
    assert [frame.season for frame in frames[1::2]] == [frame.season for frame in frames[::2]]
    for index in (9, 0, 5):  # in any order
        assert np.array_equal(footage.frame(index).image, frames[index].image)
        assert np.array_equal(footage.in_seasons(index)[frames[index].season], frames[index].image)


@pytest.mark.sweep
def test_seasons_are_clearly_different_and_change_colours_alone() -> None:
    for seed in range(3):
        known = truths(seed, index=20)
        for season, picture in known.items():
            others = {other: d for other, d in season_distances(picture, known).items() if other != season}
            assert min(others.values()) > 35, (seed, season)
        # The strongest edges of one season are edges of all: what is where does not change.
        labels = Footage("game", seed=seed, frames=21, size=(64, 64)).frame(20).labels
        border = labels[:, 1:] != labels[:, :-1]
        for picture in known.values():
            step = np.abs(np.diff(picture.astype(int), axis=1)).sum(axis=2)
            assert step[border].mean() > 2.5 * step[~border].mean()


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.thinned(4, first=1)
@pytest.mark.sweep
def test_each_class_has_its_own_colour_in_each_season(season: Season) -> None:
    shown = [Footage("game", seed=seed, frames=1, size=(96, 96), seasons=(season,)) for seed in range(4)]
    views = [footage.frame(0) for footage in shown]
    labels, pixels = np.stack([v.labels for v in views]), np.stack([v.other for v in views]).astype(float)
    means = np.stack([pixels[labels == number].mean(axis=0) for number in range(len(CLASSES))])
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)[~np.eye(len(CLASSES), dtype=bool)]
    assert apart.min() > 8


@pytest.mark.sweep
def test_what_winter_and_spring_do() -> None:
    """Snow makes ground and roofs bright and colourless; blossoms make trees redder than green."""
    frame = Footage("game", seed=4, frames=1, size=(96, 96)).frame(0)
    known = Footage("game", seed=4, frames=1, size=(96, 96)).in_seasons(0)

    def colour(season: Season, name: str) -> np.ndarray:
        return known[season][frame.labels == CLASSES.index(name)].mean(axis=0)

    for name in ("grass", "roof"):
        assert colour("winter", name).min() > 150
        assert np.ptp(colour("winter", name)) < 35
    red, green, _ = colour("spring", "tree")
    assert red > green + 40
    red, green, _ = colour("summer", "tree")
    assert green > red + 15


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.thinned(4)
@pytest.mark.sweep
def test_imperfect_translations_are_told_by_their_truths(season: Season) -> None:
    source = np.random.default_rng(0)
    for seed in range(3):
        known = truths(seed, index=20)
        truth = known[season].astype(float)
        noisy = truth + source.normal(0, 25, truth.shape)
        faded = 0.75 * truth + 0.25 * truth.mean(axis=(0, 1))
        shifted = np.roll(truth, 2, axis=1)
        coarse = truth.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
        for picture in (noisy, faded, shifted, coarse):
            assert season_of(picture.clip(0, 255).astype(np.uint8), known) == season


def test_distances_by_hand() -> None:
    known: dict[Season, np.ndarray] = {
        "summer": np.full((2, 2, 3), 10, np.uint8),
        "winter": np.full((2, 2, 3), 250, np.uint8),
    }
    picture = np.full((2, 2, 3), 13, np.uint8)
    assert season_distances(picture, known) == {"summer": 3.0, "winter": 237.0}
    assert season_of(picture, known) == "summer"


def test_palettes_name_materials_that_exist() -> None:
    assert list(PALETTES) == list(SEASONS)
    for palette in PALETTES.values():
        assert set(palette.colours) <= set(MATERIALS)


@pytest.mark.parametrize(
    ("seasons", "word"), [((), r"\(\)"), (("monsoon",), "monsoon"), ("winter", "'winter'")]
)
def test_seasons_that_there_are_not_are_refused(seasons: object, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        Footage("film", seed=1, frames=1, seasons=seasons)  # type: ignore[arg-type]


def test_no_such_frame() -> None:
    with pytest.raises(IndexError):
        Footage("film", seed=1, frames=2, size=(32, 32)).in_seasons(2)
