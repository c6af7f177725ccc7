"""A film beside its translations: where each one is, when the line stands where, sound and time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.support.reports import Reports

from reskin.errors import SettingsError, VideoError
from reskin.translation.comparison import Layout, Result, Sheet, compare_films, write_part
from reskin.translation.film import FilmOptions
from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(25, 2)


def draw(path: Path, level: int, frames: int = 20, size: tuple[int, int] = (64, 48)) -> Path:
    """A film of one grey that grows by a level in each frame, with sound."""
    tone = 0.3 * np.sin(np.arange(int(8000 * frames / RATE)) / 20).astype(np.float32)[:, None]
    with VideoWriter(path, size=size, frame_rate=RATE, sound=Sound(tone, 8000)) as writer:
        for number in range(frames):
            writer.write(np.full((size[1], size[0], 3), level + number, np.uint8), number / RATE)
    return path


def plain(level: int) -> np.ndarray:
    return np.full((120, 160, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("layout", "count", "size", "centres"),
    [
        ("side", 2, (320, 120), [(60, 80), (60, 240)]),
        ("side", 3, (480, 120), [(60, 80), (60, 240), (60, 400)]),
        ("grid", 2, (320, 120), [(60, 80), (60, 240)]),
        ("grid", 3, (320, 240), [(60, 80), (60, 240), (180, 80)]),
        ("grid", 5, (480, 240), [(60, 80), (60, 240), (60, 400), (180, 80), (180, 240)]),
    ],
)
def test_each_film_has_its_cell(
    layout: Layout, count: int, size: tuple[int, int], centres: list[tuple[int, int]]
) -> None:
    sheet = Sheet(layout, [f"film {number}" for number in range(count)], (160, 120))
    made = sheet.draw([plain(40 * number + 20) for number in range(count)], 0.0)
    assert sheet.size == size and made.shape == (size[1], size[0], 3)
    assert [int(made[row, column, 0]) for row, column in centres] == [40 * n + 20 for n in range(count)]
    assert (made[:30, :60] > 200).any(), "the first film has its name on it"


def test_a_large_film_is_made_smaller_and_every_size_is_even() -> None:
    assert Sheet("side", ["a", "b"], (3840, 2160)).size == (3840, 1080)
    assert Sheet("side", ["a", "b"], (41, 31)).size == (82, 32)
    assert Sheet("wipe", ["a", "b"], (41, 31)).size == (42, 32)
    tiny = Sheet("side", ["original", "a very long name of a run"], (8, 6))
    assert tiny.draw([np.zeros((6, 8, 3), np.uint8)] * 2, 0.0).shape == (6, 16, 3)


def test_the_line_of_a_wipe_goes_to_the_right_and_back() -> None:
    sheet = Sheet("wipe", ["original", "run"], (160, 120))
    shares = [
        float((sheet.draw([plain(0), plain(90)], second)[100, :, 0] < 90).mean()) for second in range(0, 9, 2)
    ]
    assert shares == pytest.approx([0.05, 0.5, 0.95, 0.5, 0.05], abs=0.02)


def test_in_a_short_film_the_line_goes_all_the_way_too(tmp_path: Path) -> None:
    source, made = (
        draw(tmp_path / "in.mp4", 0, size=(160, 120)),
        draw(tmp_path / "made.mp4", 120, size=(160, 120)),
    )
    compare_films(source, [Result("run", made)], tmp_path / "out.mp4", "wipe")
    with VideoReader(tmp_path / "out.mp4") as reader:
        shares = [float((frame.image[100, :, 0] < 80).mean()) for frame in reader]
    assert shares[0] == pytest.approx(0.05, abs=0.02) and max(shares) == pytest.approx(0.95, abs=0.02)
    assert shares[10] == max(shares) and shares[-1] < 0.1


def test_all_names_stand_on_one_line() -> None:
    sheet = Sheet("side", ["original", "run", "Ärgy"], (160, 120))
    made = sheet.draw([plain(200)] * 3, 0.0)
    darkened = [(made[:, 160 * n : 160 * (n + 1), 0] < 190).any(axis=1) for n in range(3)]
    assert darkened[0].tolist() == darkened[1].tolist() == darkened[2].tolist()


def test_a_comparison_has_the_frames_times_and_sound_of_the_source(tmp_path: Path) -> None:
    source, made = draw(tmp_path / "in.mp4", 20), draw(tmp_path / "made.mp4", 120)
    seen = Reports()
    out = tmp_path / "out.mp4"
    compare_films(source, [Result("run", made)], out, "side", report=seen)
    with VideoReader(out) as reader, VideoReader(source) as original:
        frames = list(reader)
        assert [frame.time for frame in frames] == original.times()
    for number, frame in enumerate(frames):
        assert frame.image.shape == (48, 128, 3)
        assert frame.image[40, 32].mean() == pytest.approx(20 + number, abs=3)
        assert frame.image[40, 96].mean() == pytest.approx(120 + number, abs=3)
    assert probe(out).has_sound and seen[-1] == (20, 20, "frames compared")


def test_a_part_is_compared_with_its_translation(tmp_path: Path) -> None:
    source = draw(tmp_path / "in.mp4", 20)
    film = FilmOptions(start=0.4, seconds=0.8)
    write_part(source, tmp_path / "part.mp4", film)
    compare_films(source, [Result("run", tmp_path / "part.mp4")], tmp_path / "out.mp4", "side", film=film)
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = list(reader)
    assert [frame.time for frame in frames] == [number / RATE for number in range(10)]
    for number, frame in enumerate(frames):
        assert frame.image[40, 32].mean() == pytest.approx(25 + number, abs=3)
        assert frame.image[40, 96].mean() == pytest.approx(25 + number, abs=3)


def test_what_cannot_be_compared_is_one_line(tmp_path: Path) -> None:
    source, short = draw(tmp_path / "in.mp4", 20), draw(tmp_path / "short.mp4", 120, frames=7)
    with pytest.raises(VideoError, match=r"short\.mp4 ends before the other films.*Translate the film again"):
        compare_films(source, [Result("run", short)], tmp_path / "out.mp4", "side")
    two = [Result("one", source), Result("two", source)]
    with pytest.raises(SettingsError, match="a wipe shows the original and one run"):
        compare_films(source, two, tmp_path / "out.mp4", "wipe")
    assert not (tmp_path / "out.mp4").exists()
