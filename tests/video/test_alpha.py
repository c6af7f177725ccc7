"""Transparency of a film: kept by a translation where the file can hold it, else laid on white and said."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from torch import Tensor

from reskin.methods.translator import Translator
from reskin.translation.clips import translate_video
from reskin.translation.film import AS_IT_IS
from reskin.types import Direction
from reskin.video.reader import VideoReader
from reskin.video.writer import check_can_write

SOURCES = [
    ("libvpx-vp9", "yuva420p", ".webm"),
    ("prores_ks", "yuva444p10le", ".mov"),
    ("ffv1", "bgra", ".mkv"),
    ("qtrle", "argb", ".mov"),
    ("png", "rgba", ".mov"),
]


def other_notes(notes: list[str]) -> list[str]:
    """What is said besides that the 12 bits of ProRes become 8."""
    return [note for note in notes if "are brought to 8" not in note]


class Identity(Translator):
    directions = ("a2b",)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return images


def drawn(number: int, *, opaque: bool = False) -> np.ndarray:
    """Blue, half of it seen through, in the middle of nothing; it moves."""
    picture = np.full((64, 96, 4), (200, 40, 40, 255 if opaque else 0), np.uint8)
    picture[16:48, 16 + 4 * number : 64 + 4 * number] = (40, 60, 220, 255)
    picture[32:48, 16 + 4 * number : 64 + 4 * number, 3] = 255 if opaque else 128
    return picture


def film(path: Path, codec: str, form: str, *, opaque: bool = False) -> Path:
    with av.open(str(path), "w") as output:
        options = {"auto-alt-ref": "0", "lossless": "1"} if codec == "libvpx-vp9" else {}
        stream = output.add_stream(codec, rate=25, width=96, height=64, options=options)
        stream.pix_fmt = form
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(drawn(number, opaque=opaque), "rgba").reformat(format=form)
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("codec", "form", "suffix"), SOURCES)
@pytest.mark.parametrize("target", [".webm", ".mov", ".mkv"])
@pytest.mark.thinned(2)
def test_it_is_kept(codec: str, form: str, suffix: str, target: str, tmp_path: Path) -> None:
    source, out = film(tmp_path / f"in{suffix}", codec, form), tmp_path / f"out{target}"
    result = translate_video(Identity(), source, out, "a2b", film=AS_IT_IS)
    assert other_notes(result.notes) == result.damaged == []
    assert other_notes(check_can_write(source, out)) == []
    reader = VideoReader(out)
    assert reader.is_transparent()
    reader.keeps_alpha = True
    frames = list(reader)
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        wanted = drawn(number)
        assert frame.alpha is not None
        assert np.abs(frame.alpha.astype(float) - wanted[..., 3]).mean() < 1.5
        seen = wanted[..., 3] == 255
        assert np.abs(frame.image.astype(float) - wanted[..., :3])[seen].mean() < 8
        assert (frame.image[frame.alpha == 0] == 255).all()


@pytest.mark.parametrize(("codec", "form", "suffix"), SOURCES)
@pytest.mark.thinned(6)
def test_where_the_file_cannot_it_lies_on_white(codec: str, form: str, suffix: str, tmp_path: Path) -> None:
    source, out = film(tmp_path / f"in{suffix}", codec, form), tmp_path / "out.mp4"
    result = translate_video(Identity(), source, out, "a2b", film=AS_IT_IS)
    (note,) = other_notes(result.notes)
    assert "laid on white" in note
    image = next(iter(VideoReader(out))).image.astype(int)
    assert image[:10, :10].min() > 245
    mixed = np.array([147, 157, 237])  # blue at 128 of 255 on white
    assert np.abs(image[38:44, 24:56].mean((0, 1)) - mixed).max() < 6


@pytest.mark.parametrize(("codec", "form", "suffix"), SOURCES)
@pytest.mark.thinned(3, first=1)
def test_an_opaque_film_is_an_ordinary_one(codec: str, form: str, suffix: str, tmp_path: Path) -> None:
    source, out = film(tmp_path / f"in{suffix}", codec, form, opaque=True), tmp_path / "out.mkv"
    result = translate_video(Identity(), source, out, "a2b", film=AS_IT_IS)
    assert other_notes(result.notes) == [] and VideoReader(out).info.codec == "h264"
