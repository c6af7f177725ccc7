"""Previews: which frames, whose sound, and what is refused in one line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reskin.errors import NoFramesError, ReskinError, SettingsError
from reskin.methods.translator import Translator
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.video.reader import VideoReader
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(25)


def picture(number: int) -> np.ndarray:
    """A bright bar that moves over a slope: number n has it at column 2 n."""
    image = np.tile(np.linspace(60, 160, 64, dtype=np.uint8)[None, :, None], (48, 1, 3))
    image[:, 2 * (number % 30) : 2 * (number % 30) + 4] = 240
    return image


def draw(path: Path, frames: int, *, level: int | None = None, size: tuple[int, int] = (64, 48)) -> Path:
    """A film of that many frames with a rising tone; all of one level where that is given."""
    steps = np.arange(16000 * frames // 25) / 16000
    tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * steps) * steps).astype(np.float32)[:, None]
    with VideoWriter(path, size=size, frame_rate=RATE, sound=Sound(tone, 16000)) as writer:
        for number in range(frames):
            image = picture(number) if level is None else np.full((size[1], size[0], 3), level, np.uint8)
            writer.write(image, number / RATE)
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("part") / "clip.mp4", 100)


def bar_at(image: np.ndarray) -> int:
    return int(image[24, :, 1].astype(int).argmin()) // 2  # the model makes the bright bar dark


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.thinned(2)
def test_a_preview_holds_its_frames_and_its_sound(
    tmp_path: Path, drawn: Path, negative: Translator, suffix: str
) -> None:
    out = tmp_path / f"preview{suffix}"
    result = translate_video(negative, drawn, out, "a2b", film=FilmOptions(start=1.2, seconds=0.4, steady=0))
    with VideoReader(out) as reader:
        frames = list(reader)
    assert result.frames == len(frames) == 10
    assert [frame.time for frame in frames] == [number / RATE for number in range(10)]
    assert all(abs(bar_at(frame.image) - number % 30) <= 1 for number, frame in enumerate(frames, 30))
    with av.open(str(out)) as made, av.open(str(drawn)) as source:
        kept = [packet for packet in made.demux(audio=0) if packet.size]
        packets = [packet for packet in source.demux(audio=0) if packet.size]
        inside = [
            bytes(packet)
            for packet in packets
            if Fraction(6, 5) <= packet.pts * packet.time_base < Fraction(8, 5)
        ]
        assert [bytes(packet) for packet in kept][-len(inside) :] == inside
        assert len(kept) <= len(inside) + 1  # one that began before and sounds into the part
        first = next(packet for packet in kept if bytes(packet) == inside[0])
        old = next(packet for packet in packets if bytes(packet) == inside[0])
        shift = old.pts * old.time_base - first.pts * first.time_base
        assert shift == pytest.approx(1.2, abs=0.002)


def test_only_the_part_is_decoded(
    tmp_path: Path, drawn: Path, negative: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(VideoReader, "__iter__")
    film = FilmOptions(start=3.5, seconds=0.2)
    assert translate_video(negative, drawn, tmp_path / "out.mp4", "a2b", film=film).frames == 5


def test_a_preview_at_the_end_holds_what_is_left(tmp_path: Path, drawn: Path, negative: Translator) -> None:
    film = FilmOptions(start=3.8, seconds=60)
    assert translate_video(negative, drawn, tmp_path / "out.mp4", "a2b", film=film).frames == 5


@pytest.mark.sweep
def test_a_preview_from_the_start_equals_the_start_of_the_film(
    tmp_path: Path, drawn: Path, negative: Translator
) -> None:
    translate_video(negative, drawn, tmp_path / "all.mkv", "a2b")
    translate_video(negative, drawn, tmp_path / "some.mkv", "a2b", film=FilmOptions(seconds=1))
    with VideoReader(tmp_path / "all.mkv") as whole, VideoReader(tmp_path / "some.mkv") as part:
        pairs = list(zip(part, whole, strict=False))
    assert len(pairs) == 25
    assert all(np.abs(a.image.astype(int) - b.image).mean() < 2 for a, b in pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 9.0}, r"ends after 4 s, before --start 9\. Give a --start below 4"),
        ({"start": 1.0, "seconds": 0.01}, r"single frame\. Give more --seconds"),
        ({"start": 3.95, "seconds": 3.0}, r"single frame\. Give an earlier --start"),
        ({"start": 3.95}, r"single frame\. Give an earlier --start"),
        ({"start": 4.0, "seconds": 3.0}, r"ends after 4 s, before --start 4\. Give a --start below 4"),
        ({"work_size": 49}, r"--work-size 49 is more than .* 48 px\. Give --work-size full, or 48 or less"),
    ],
)
def test_what_the_film_does_not_hold_is_refused(
    tmp_path: Path, drawn: Path, negative: Translator, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ReskinError, match=message) as raised:
        translate_video(negative, drawn, tmp_path / "out.mp4", "a2b", film=FilmOptions(**options))  # type: ignore[arg-type]
    assert raised.value.exit_code == 2 and not any(tmp_path.iterdir())


@pytest.mark.sweep
def test_a_model_of_a_larger_scale_is_refused(tmp_path: Path, drawn: Path, negative: Translator) -> None:
    negative.trained_edge = 256
    with pytest.raises(SettingsError, match=r"learnt at 256 px.*is 48 px\. Give --work-size full"):
        translate_video(negative, drawn, tmp_path / "out.mp4", "a2b")
    made = translate_video(negative, drawn, tmp_path / "o.mp4", "a2b", film=FilmOptions(work_size="full"))
    assert made.frames == 100


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_no_seconds_at_all_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="--seconds"):
        FilmOptions(seconds=value)


def test_a_single_frame_and_a_black_film_are_refused(tmp_path: Path, negative: Translator) -> None:
    one, black = draw(tmp_path / "one.mp4", 1), draw(tmp_path / "black.mp4", 30, level=4)
    with pytest.raises(NoFramesError, match=r"one\.mp4 holds a single frame\. Save it as a picture"):
        translate_video(negative, one, tmp_path / "out.mp4", "a2b")
    with pytest.raises(NoFramesError, match=r"black\.mp4 is black all over.*--bars translate"):
        translate_video(negative, black, tmp_path / "out.mp4", "a2b")
    film = FilmOptions(has_bars=False)
    assert translate_video(negative, black, tmp_path / "out.mp4", "a2b", film=film).frames == 30
