"""Texture on a graded film: drawn small, added at full size."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.support.small import tiny

from reskin.errors import SettingsError
from reskin.images import to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.grade import GradeMethod
from reskin.methods.grade_texture import GradeTexture
from reskin.networks.texture import with_texture
from reskin.translation import clips
from reskin.translation.clips import translate_video
from reskin.translation.film import Film, FilmOptions, Frames
from reskin.translation.texture import textured
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.survey import Shot
from reskin.video.writer import VideoWriter


def soft(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft patches of colour with fine noise."""
    random = np.random.default_rng(seed)
    small = random.integers(30, 220, (5, 8, 3), dtype=np.uint8)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(large + random.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def drawing() -> GradeTexture:
    """A model that darkens and draws."""
    model = tiny(GradeTexture, most=0.4, grade_width=4)
    with torch.no_grad():
        model.gen_a2b.head.bias[8] = -1.0  # the white end of red
        model.refiner.head.weight.normal_(0, 2)
        model.refiner.head.bias.uniform_(-0.5, 0.5)
    model.trained_edge = 32
    return model.eval()


def test_texture_is_added_as_the_network_learnt_it() -> None:
    picture, texture = soft(40, 56), soft(40, 56, seed=1)
    made = textured(picture, texture, 0.4)
    wanted = to_image(with_texture(to_tensor(picture), to_tensor(texture), 0.4))[0]
    assert np.abs(made.astype(int) - wanted).max() <= 1
    assert np.array_equal(textured(picture, np.full((9, 9, 3), 127, np.uint8), 0.0), picture)


def test_small_texture_is_enlarged() -> None:
    grey, texture = np.full((64, 80, 3), 128, np.uint8), np.full((16, 20, 3), 127, np.uint8)
    texture[6:10, 8:12] = 255
    made = textured(grey, texture, 0.4).astype(int)
    assert abs(made[32, 40, 0] - (128 + 0.4 * 127.5)) <= 2 and abs(made[4, 4, 0] - 128) <= 1


def test_a_frame_at_the_scale_of_training_is_translated_as_the_model_does(drawing: GradeTexture) -> None:
    picture = soft(32, 48)
    made = Film(Engine(drawing, "a2b"), FilmOptions(steady=0.0), []).single(picture)
    with torch.no_grad():
        wanted = to_image(drawing.translate(to_tensor(picture), "a2b"))[0]
    assert np.abs(made.astype(int) - wanted).max() <= 3
    assert np.abs(made.astype(int) - picture).mean() > 3


def test_a_large_frame_is_graded_at_full_size_and_keeps_its_borders(drawing: GradeTexture) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[12:108] = soft(96, 160)
    shots = [Shot(0, (0, 12, 0, 12))]
    films = [
        Film(Engine(drawing, "a2b"), FilmOptions(steady=0.0, detail=detail), shots)
        for detail in (None, 1.0, 0.0)
    ]
    whole, same, without = (film.single(picture) for film in films)
    assert np.array_equal(whole, same) and not np.array_equal(whole, without)
    assert not whole[:12].any() and not whole[108:].any()
    alone = tiny(GradeMethod)
    alone.gen_a2b.load_state_dict(drawing.gen_a2b.state_dict())
    graded = Film(Engine(alone, "a2b"), FilmOptions(steady=0.0), shots).single(picture)
    assert np.abs(graded.astype(int) - without).max() <= 2
    # What texture adds is of the work size: nothing finer than its pixels.
    added = (whole.astype(float) - without)[16:104].mean(axis=2)
    assert np.abs(np.diff(added, axis=1)).mean() < 0.5 * np.abs(added - added.mean()).mean()


@pytest.mark.sweep
def test_texture_is_held_still_and_goes_on_behind_a_stop(drawing: GradeTexture) -> None:
    still = soft(64, 96)
    noisy = [
        np.clip(still + np.random.default_rng(n).integers(-6, 7, still.shape), 0, 255).astype(np.uint8)
        for n in range(6)
    ]

    def film(steady: float, detail: float = 1.0) -> Film:
        return Film(Engine(drawing, "a2b"), FilmOptions(steady=steady, detail=detail), [Shot(0)])

    def made(film: Film, first: int, last: int) -> Frames:
        numbers = list(range(first, last))
        frames = Frames(noisy[first:last], [Fraction(n, 25) for n in numbers], numbers)
        frames = film.finish(film.translate(film.shrink(frames)))
        film.keep_model(frames)
        film.keep_finish(frames)
        return frames

    def change(steady: float) -> float:
        """Mean change of the texture alone from frame to frame."""
        graded = made(film(steady, detail=0.0), 0, 6).result
        drawn = [a.astype(int) - b for a, b in zip(made(film(steady), 0, 6).result, graded, strict=True)]
        return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(drawn)]))

    whole = made(film(0.8), 0, 6).result
    assert change(0.8) < 0.75 * change(0.0)
    first = made(film(0.8), 0, 3)
    rest = film(0.8)
    rest.restore(first.state, 2)
    for one, two in zip(first.result + made(rest, 3, 6).result, whole, strict=True):
        assert np.array_equal(one, two)


def test_texture_is_averaged_with_the_frames_to_come_and_goes_on_behind_a_stop(
    tmp_path: Path, drawing: GradeTexture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--steady best` was taken for a model with texture and changed nothing of it."""
    source, still, exact = tmp_path / "in.mkv", soft(64, 96), Encoding(codec="ffv1")
    with VideoWriter(source, size=(96, 64), frame_rate=Fraction(2), encoding=exact) as writer:
        for number in range(24):
            noise = np.random.default_rng(number).integers(-6, 7, still.shape)
            writer.write(np.clip(still + noise, 0, 255).astype(np.uint8), Fraction(number, 2))

    def made(name: str, **options: Any) -> np.ndarray:
        film = FilmOptions(has_bars=False, encoding=exact, **options)
        translate_video(drawing, source, tmp_path / name, "a2b", film=film)
        with VideoReader(tmp_path / name) as reader:
            return np.stack([frame.image for frame in reader]).astype(int)

    grade = made("grade.mkv", steady=0.0, detail=0.0)
    alone, averaged = (
        np.abs(np.diff(made(f"{kept}.mkv", steady=0.0, looks_ahead=kept) - grade, axis=0)).mean()
        for kept in (False, True)
    )
    assert averaged < 0.75 * alone
    monkeypatch.setattr(clips, "give_back_memory", Stop())
    with pytest.raises(KeyboardInterrupt):
        made("stopped.mkv", steady=0.7, looks_ahead=True)
    monkeypatch.undo()
    assert np.array_equal(
        made("stopped.mkv", steady=0.7, looks_ahead=True), made("whole.mkv", steady=0.7, looks_ahead=True)
    )


class Stop:
    """Stops the film behind its first segment."""

    def __call__(self) -> None:
        raise KeyboardInterrupt


def test_a_work_size_above_the_frame_is_refused(drawing: GradeTexture) -> None:
    film = Film(Engine(drawing, "a2b"), FilmOptions(work_size=200), [])
    with pytest.raises(
        SettingsError, match=r"--work-size 200 is more than the shorter edge of a\.mp4, 64 px"
    ):
        film.check_options(96, 64, "a.mp4")
