"""Frames whose shape or transparency is not that of a plain file."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reskin.video.reader import VideoReader


@pytest.mark.parametrize(
    ("codec", "form", "suffix"),
    [("qtrle", "argb", ".mov"), ("prores_ks", "yuva444p10le", ".mov"), ("ffv1", "bgra", ".mkv")],
)
def test_what_is_transparent_lies_on_white_and_a_note_says_so(
    codec: str, form: str, suffix: str, tmp_path: Path
) -> None:
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[..., 0] = 200  # red is hidden where the picture is transparent
    picture[16:48, 16:64] = (0, 0, 255, 255)
    path = tmp_path / f"clear{suffix}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, width=96, height=64)
        stream.pix_fmt = form
        frame = av.VideoFrame.from_ndarray(picture, "rgba").reformat(format=form)
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    reader = VideoReader(path)
    image = next(iter(reader)).image.astype(int)
    assert np.abs(image[2, 2] - 255).max() <= 2
    assert np.abs(image[32, 40] - (0, 0, 255)).max() <= 3
    (note,) = [note for note in reader.notes if "are brought to 8" not in note]  # of ProRes, which has 12
    assert "laid on white" in note


def test_pixels_whose_shape_changes_on_the_way_are_said(tmp_path: Path) -> None:
    def part(shape: Fraction, began: int) -> bytes:
        piece = io.BytesIO()
        with av.open(piece, "w", format="mpegts") as output:
            stream = output.add_stream("libx264", rate=25, width=96, height=64)
            stream.pix_fmt, stream.codec_context.sample_aspect_ratio = "yuv420p", shape
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(disc(96, 64), "rgb24")
                frame.pts, frame.time_base = number + began, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return piece.getvalue()

    path, wide, square = tmp_path / "change.ts", Fraction(4, 3), Fraction(1)
    for second, count in ((square, 1), (wide, 0)):
        path.write_bytes(part(wide, 0) + part(second, 10))
        reader = VideoReader(path)
        assert len(list(reader)) == 20 and reader.info.width == 128
        assert len(reader.notes) == count and all("shape of the pixels" in note for note in reader.notes)
        by_number = VideoReader(path)
        assert len(list(by_number.frames_at([2, 18]))) == 2 and by_number.notes == reader.notes


def disc(width: int, height: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    inside = (columns - width / 2) ** 2 + (rows - height / 2) ** 2 < 20**2
    return np.where(inside[..., None], 255, 40).repeat(3, 2).astype(np.uint8)


def test_a_size_that_changes_on_the_way_keeps_its_shape(tmp_path: Path) -> None:
    data = b""
    for place, (width, height) in enumerate([(96, 64), (64, 96)]):
        piece = io.BytesIO()
        with av.open(piece, "w", format="mpegts") as output:
            stream = output.add_stream("libx264", rate=25, width=width, height=height, options={"bf": "0"})
            stream.pix_fmt = "yuv420p"
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(disc(width, height), "rgb24")
                frame.pts, frame.time_base = number + 10 * place, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        data += piece.getvalue()
    path = tmp_path / "change.ts"
    path.write_bytes(data)
    reader = VideoReader(path)
    frames = list(reader)
    assert len(frames) == 20 and {frame.image.shape for frame in frames} == {(64, 96, 3)}
    for frame in (frames[0], frames[15]):
        bright = frame.image.mean(2) > 150
        assert abs(int(bright.any(0).sum()) - int(bright.any(1).sum())) <= 2
    assert frames[15].image[:, :20].max() < 30  # black beside the fitted picture
    assert len(reader.notes) == 1 and "size of the pictures changes" in reader.notes[0]


def test_wide_pixels_give_even_edges(tmp_path: Path) -> None:
    path = tmp_path / "wide.mpg"
    with av.open(str(path), "w", format="mpeg") as output:
        stream = output.add_stream("mpeg2video", rate=25, width=720, height=480)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(32, 27)
        frame = av.VideoFrame.from_ndarray(np.full((480, 720, 3), 90, np.uint8), "rgb24")
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    info = VideoReader(path).info
    assert (info.width, info.height) == (854, 480)
