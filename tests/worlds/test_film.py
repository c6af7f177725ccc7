"""Footage as a file: real frames, real times, real sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reskin.worlds.film import SAMPLE_RATE, street_sound, write_footage
from reskin.worlds.footage import Footage


@pytest.mark.sweep
def test_a_written_film_holds_its_frames_and_its_sound(tmp_path: Path) -> None:
    footage = Footage("film", seed=3, frames=10, size=(64, 48), frame_rate=Fraction(24))
    write_footage(tmp_path / "film.mp4", footage)
    with av.open(str(tmp_path / "film.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.audio[0].codec_context.name == "aac"
        assert file.streams.audio[0].codec_context.sample_rate == SAMPLE_RATE
        frames = list(file.decode(video=0))
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(index, 24) for index in range(10)]
    for index in (0, 9):
        error = frames[index].to_ndarray(format="rgb24").astype(float) - footage.frame(index).image
        assert np.abs(error).mean() < 12
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_the_other_look_without_sound(tmp_path: Path) -> None:
    footage = Footage("film", seed=3, frames=2, size=(64, 48))
    write_footage(tmp_path / "game.mp4", footage, other_look=True, has_sound=False)
    with av.open(str(tmp_path / "game.mp4")) as file:
        assert not file.streams.audio
        first = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(float)
    assert np.abs(first - footage.frame(0).other).mean() < 12
    assert np.abs(first - footage.frame(0).image).mean() > 40


def test_sound_is_that_of_its_seed_and_not_silent() -> None:
    one, two, other = street_sound(1, 2.0), street_sound(1, 2.0), street_sound(2, 2.0)
    assert one.shape == (2 * SAMPLE_RATE, 2)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert 0.01 < np.sqrt(np.mean(one**2)) < 0.3
    assert np.abs(one).max() <= 1
