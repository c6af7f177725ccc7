"""A frame of a film between reading and writing: borders, work size, shots, grading."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.errors import SettingsError
from reskin.inference.engine import Engine
from reskin.methods.translator import Stream, Translator
from reskin.networks.bilateral_grid import GradeGenerator
from reskin.translation.film import AS_IT_IS, RIM_PX, Film, FilmOptions, Frames, put_inside, seen_share
from reskin.types import Direction
from reskin.video.survey import Shot


class Negative(Translator):
    """Turns light into dark, and keeps the sizes that it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, ...]] = []

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.sizes.append(tuple(images.shape[-2:]))
        return -images


class Counting(Negative):
    """Remembers how many frames came since the last cut."""

    def stream(self, direction: Direction) -> Stream:
        return CountingStream(self, direction)


class CountingStream(Stream):
    def __init__(self, model: Translator, direction: Direction) -> None:
        super().__init__(model, direction)
        self.seen = 0

    def step(self, frame: Tensor) -> Tensor:
        self.seen += 1
        return torch.full_like(frame, self.seen / 127.5 - 1)

    def reset(self) -> None:
        self.seen = 0


class Darker(Translator):
    """A grade that is known: the identity, at half of the brightness of the curves."""

    def __init__(self) -> None:
        super().__init__()
        self.network = GradeGenerator(4)

    def grade(self, images: Tensor, direction: Direction):  # type: ignore[no-untyped-def]
        grade = self.network.grade(images)
        curves = grade.curves.clone()
        curves[:, :3] = curves[:, :3] * 0.5 - 0.3
        return grade._replace(curves=curves)


def textured(seed: int = 0, height: int = 72, width: int = 96) -> np.ndarray:
    import cv2

    small = np.random.default_rng(seed).integers(40, 220, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def through(film: Film, *pictures: np.ndarray, first: int = 0) -> list[np.ndarray]:
    """The pictures through the stages, one by one."""
    made = []
    for offset, picture in enumerate(pictures):
        frames = Frames([picture], [Fraction(offset, 25)], [first + offset])
        made += film.finish(film.translate(film.shrink(frames))).result
    return made


def test_as_it_is_every_frame_is_the_models_own() -> None:
    film = Film(Engine(Negative(), "a2b"), AS_IT_IS, [])
    pictures = [textured(seed) for seed in range(3)]
    for picture, made in zip(pictures, through(film, *pictures), strict=True):
        assert np.array_equal(made, 255 - picture)


def test_borders_come_back_untouched_and_the_model_does_not_see_them() -> None:
    model, picture = Negative(), textured()
    picture[:10], picture[-12:] = 3, 5
    film = Film(Engine(model, "a2b"), FilmOptions(work_size="full"), [Shot(0, (0, 10, 0, 12))])
    made = through(film, picture)[0]
    assert model.sizes == [(72 - 22 - 2 * RIM_PX, 96)]
    assert np.array_equal(made[:10], picture[:10]) and np.array_equal(made[-12:], picture[-12:])
    inside = slice(10 + RIM_PX, 72 - 12 - RIM_PX)
    assert np.array_equal(made[inside], 255 - picture[inside])


def test_borders_are_translated_where_that_is_wanted() -> None:
    picture = textured()
    picture[:10] = 0
    options = FilmOptions(work_size="full", has_bars=False)
    made = through(Film(Engine(Negative(), "a2b"), options, [Shot(0, (0, 10, 0, 10))]), picture)[0]
    assert np.array_equal(made, 255 - picture)


@pytest.mark.parametrize(
    ("asked", "trained", "seen"), [(None, 36, 36), (40, 36, 40), ("full", 36, 72), (None, None, 72)]
)
def test_work_size(asked: int | None, trained: int | None, seen: int) -> None:
    model, picture = Negative(), textured()
    model.trained_edge = trained
    made = through(Film(Engine(model, "a2b"), FilmOptions(work_size=asked), [Shot(0)]), picture)[0]
    assert min(model.sizes[0]) == seen and made.shape == picture.shape
    assert np.abs(made.astype(int) - (255 - picture.astype(int))).mean() < 3


def test_a_film_smaller_than_the_work_size_stays_as_it_is() -> None:
    model = Negative()
    through(Film(Engine(model, "a2b"), FilmOptions(work_size=500), [Shot(0)]), textured())
    assert model.sizes == [(72, 96)]


def test_what_remembers_begins_anew_at_a_cut() -> None:
    film = Film(Engine(Counting(), "a2b"), FilmOptions(work_size="full", steady=0), [Shot(0), Shot(3)])
    made = through(film, *[textured(seed) for seed in range(5)])
    assert [int(picture[0, 0, 0]) for picture in made] == [1, 2, 3, 1, 2]


def test_the_stabiliser_begins_anew_at_a_cut() -> None:
    still = textured()
    film = Film(Engine(Counting(), "a2b"), FilmOptions(work_size="full"), [Shot(0), Shot(2)])
    made = [int(picture[40, 40, 0]) for picture in through(film, still, still, still)]
    assert made[0] == 1 and made[2] == 1  # counted anew and not mixed with the frames before


def test_batches_over_a_cut_equal_single_frames() -> None:
    pictures, shots = [textured(seed) for seed in range(4)], [Shot(0), Shot(2, (0, 8, 0, 8))]
    single = through(Film(Engine(Negative(), "a2b"), FilmOptions(work_size=48), shots), *pictures)
    film = Film(Engine(Negative(), "a2b"), FilmOptions(work_size=48), shots)
    frames = Frames(pictures, [Fraction(n) for n in range(4)], list(range(4)))
    together = film.finish(film.translate(film.shrink(frames))).result
    assert all(np.array_equal(one, two) for one, two in zip(single, together, strict=True))


def test_a_grade_is_applied_at_full_size_and_keeps_borders() -> None:
    picture = textured()
    picture[:10], picture[-10:] = 2, 2
    film = Film(Engine(Darker(), "a2b"), FilmOptions(work_size=36), [Shot(0, (0, 10, 0, 10))])
    made = through(film, picture)[0]
    inside = slice(14, 58)
    # A grey pixel of level v goes to 0.5 v + 0.5 * 127.5 - 0.3 * 127.5; colour differences stay.
    luma = np.array([0.299, 0.587, 0.114])
    before, after = picture[inside] @ luma, made[inside] @ luma
    assert np.median(np.abs(after - (0.5 * before + 0.2 * 127.5))) < 1
    assert np.array_equal(made[:10], picture[:10])


def test_nothing_is_put_around_a_frame_without_borders() -> None:
    picture, made = textured(), textured(1)
    assert put_inside(picture, made, (slice(0, 72), slice(0, 96)), (0, 0, 0, 0)) is made


@pytest.mark.parametrize("wrong", [{"work_size": 8}, {"detail": 1.5}, {"steady": -0.1}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        FilmOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("level", "share"), [(0, 0.0), (5, 0.0), (11, 0.4), (20, 1.0), (120, 1.0), (244, 0.4), (255, 0.0)]
)
def test_black_and_white_frames_show_nothing(level: int, share: float) -> None:
    frame = np.full((64, 64, 3), level, np.uint8)
    assert seen_share(frame) == pytest.approx(share)
    frame[28:36, 4:60] = 255 if level < 128 else 0  # titles: 11 % of the frame
    assert seen_share(frame) == pytest.approx(share)


def test_titles_on_black_stay_as_they_are_and_pictures_are_graded() -> None:
    titles, shown = np.zeros((72, 96, 3), np.uint8), textured() // 2 + 20
    titles[30:34, 20:90] = 200
    film = Film(Engine(Darker(), "a2b"), FilmOptions(), [Shot(0), Shot(3)])
    made = through(film, *[titles] * 3, *[shown] * 2)
    assert all(np.array_equal(frame, titles) for frame in made[:3])
    assert all(np.abs(frame.astype(int) - shown).mean() > 5 for frame in made[3:])
