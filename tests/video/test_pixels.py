"""Frames of FFmpeg as pixels: the way that is quick gives what the plain one does."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from reskin.video.pixels import _EXACT, Converter, Placement

FORMS = ("yuv420p", "yuv422p", "yuv444p", "nv12", "yuvj420p", "yuv420p10le", "yuv422p10le", "gray", "rgb24")


def drawn(form: str, size: tuple[int, int]) -> Any:
    """A frame with random values in all its planes; of 10 bits, the lower ones."""
    frame, draw = av.VideoFrame(*size, form), np.random.default_rng(0)
    for plane in frame.planes:
        values = draw.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        if form.endswith("10le"):
            values[1::2] &= 3
        plane.update(values.tobytes())
    return frame


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("size", "shown"),
    [((64, 48), (64, 48)), ((65, 49), (65, 49)), ((64, 48), (86, 48)), ((96, 64), (50, 32))],
)
def test_planes_that_are_interleaved_are_the_pixels_of_swscale(
    form: str, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    frame = drawn(form, size)
    is_full = form in ("rgb24", "yuvj420p")
    wanted = (
        VideoReformatter()
        .reformat(
            frame,
            width=shown[0],
            height=shown[1],
            format="rgb24",
            src_colorspace=None if form == "rgb24" else Colorspace.ITU601,
            src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_EXACT,
        )
        .to_ndarray()
    )
    image, alpha = Converter().picture(frame, Placement(*shown, turns=0, mirrored=False, coded=size))
    assert alpha is None and np.array_equal(image, wanted)
