"""Interlaced sources: found, filled, and left alone where only the mark says so."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from reskin.video.deinterlace import Deinterlace, comb_measures
from reskin.video.reader import VideoReader

COUNT, WIDTH, HEIGHT = 8, 128, 64


def square(moment: int) -> np.ndarray:
    """A bright square that moves 4 px to the right from moment to moment; (H, W) uint8."""
    picture = np.full((HEIGHT, WIDTH), 60, np.uint8)
    picture[16:48, 8 + 4 * moment : 40 + 4 * moment] = 200
    return picture


def woven(number: int) -> np.ndarray:
    """A frame of two moments: the even lines are the earlier one."""
    picture = square(2 * number)
    picture[1::2] = square(2 * number + 1)[1::2]
    return picture


def woven_late(number: int) -> np.ndarray:
    """The same with the odd lines earlier, which is what encoders mark where nothing else is said."""
    picture = square(2 * number + 1)
    picture[1::2] = square(2 * number)[1::2]
    return picture


def stripes(number: int) -> np.ndarray:
    """A progressive picture with lines as fine as those of combing, in which something moves."""
    picture = square(2 * number)
    picture[::2, 96:] = 220
    return picture


def film(path: Path, draw: object, *, marked: bool = True, codec: str = "libx264") -> Path:
    options = {"flags": "+ildct+ilme"} if marked else {}
    if codec == "libx264":
        options |= {"qp": "4", "g": "3", "x264-params": "tff=1" if marked else ""}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT, options=options)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for number in range(COUNT):
            grey = draw(number)  # type: ignore[operator]
            frame = av.VideoFrame.from_ndarray(grey[..., None].repeat(3, 2), "rgb24").reformat(
                format="yuv420p", dst_colorspace=1
            )
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def error(images: list[np.ndarray]) -> float:
    """Mean distance from whole pictures of the earlier moments, the first and last frame aside."""
    pairs = [(image[..., 1].astype(float), square(2 * n)) for n, image in enumerate(images)][1:-1]
    return float(np.mean([np.abs(image - truth).mean() for image, truth in pairs]))


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("mpeg2video", ".ts"), ("mpeg4", ".avi")])
def test_combed_frames_become_whole_ones_at_the_same_times(codec: str, suffix: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"film{suffix}", woven_late, codec=codec)
    modes: tuple[Deinterlace, ...] = ("auto", "off")
    readers = {mode: VideoReader(path, deinterlace=mode) for mode in modes}
    frames = {mode: list(reader) for mode, reader in readers.items()}
    assert [f.time for f in frames["auto"]] == [f.time for f in frames["off"]] == readers["auto"].times()
    assert len(frames["auto"]) == COUNT and readers["auto"].damaged == []
    whole, combed = (error([f.image for f in frames[mode]]) for mode in ("auto", "off"))
    assert whole < 0.5 * combed
    assert any("deinterlaced" in note for note in readers["auto"].notes)
    assert any("edges are combed" in note for note in readers["off"].notes)


@pytest.mark.parametrize("draw", [lambda number: square(2 * number), stripes])
def test_progressive_pictures_that_are_marked_interlaced_stay(draw: object, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", draw)
    auto, off = VideoReader(path), VideoReader(path, deinterlace="off")
    for one, other in zip(auto, off, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    assert auto.notes == []


@pytest.mark.parametrize(("mode", "is_filled"), [("auto", False), ("on", True)])
def test_unmarked_ones_are_filled_when_told(mode: Deinterlace, is_filled: bool, tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", woven, marked=False)
    reader = VideoReader(path, deinterlace=mode)
    plain = error([frame.image for frame in VideoReader(path, deinterlace="off")])
    assert (error([frame.image for frame in reader]) < 0.5 * plain) == is_filled
    assert reader.is_deinterlaced() == is_filled


def test_frames_by_number_are_those_in_order(tmp_path: Path) -> None:
    reader = VideoReader(film(tmp_path / "film.mp4", woven))
    frames = list(reader)
    for wanted in ([0], [COUNT - 1], [4], [1, 2, 6], range(COUNT)):
        for frame in reader.frames_at(list(wanted)):
            assert frame.time == frames[frame.index].time
            np.testing.assert_array_equal(frame.image, frames[frame.index].image)


def test_colours_stay(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mp4", woven)
    modes: tuple[Deinterlace, ...] = ("on", "off")
    still = [next(iter(VideoReader(path, deinterlace=mode))).image[2:8] for mode in modes]
    assert np.abs(still[0].astype(int) - still[1]).max() <= 1


def test_the_share_of_combed_pixels_by_hand() -> None:
    before, now = np.zeros((8, 4), np.uint8), np.zeros((8, 4), np.uint8)
    now[1::2, 0] = 100  # one of four columns moved in the odd lines alone
    share, within = comb_measures(before, now)
    # Of lines 1 to 6 the odd ones stand out and moved: 3 of 6 lines, 1 of 4 columns.
    assert share == pytest.approx(3 / 24) and within == 0
