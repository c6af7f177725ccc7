"""HDR to an ordinary screen, against values worked by hand from the standards."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from reskin.video.reader import VideoReader
from reskin.video.tone import Curve, hlg_light, pq_code, pq_light, rolled_off, to_standard


@pytest.mark.parametrize(
    ("code", "light"),  # 10-bit codes of ITU-R BT.2408, table 1, and the ends
    [(0.0, 0), (0.508078, 100), (0.580689, 203), (0.751827, 1000), (0.902572, 4000), (1.0, 10_000)],
)
def test_pq(code: float, light: float) -> None:
    assert float(pq_light(np.array(code))) == pytest.approx(light, rel=1e-4, abs=1e-6)
    assert float(pq_code(light)) == pytest.approx(code, abs=1e-5)


def test_hlg_is_square_root_then_logarithm() -> None:
    codes = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    # E = E'^2 / 3 below one half; exp((E' - c) / a) / 12 + b / 12 above it
    assert hlg_light(codes) == pytest.approx([0, 1 / 48, 1 / 12, 0.26496256, 1], abs=1e-6)


def test_the_roll_off_leaves_the_dark_part_and_never_turns_back() -> None:
    light = np.linspace(0.01, 1000, 5000)
    shown = rolled_off(light)
    assert np.allclose(shown[light < 80], light[light < 80], rtol=1e-6)
    assert (np.diff(shown) > 0).all() and shown[-1] == pytest.approx(203, rel=1e-6)


def level(code: float, curve: Curve) -> np.ndarray:
    return to_standard(np.full((1, 1, 3), round(code * 65535), np.uint16), curve)[0, 0].astype(int)


@pytest.mark.parametrize(
    ("code", "curve", "wanted"),
    [
        # 100 cd/m2 is below the knee but for a hair: 255 * (99 / 203) ** (1 / 2.4)
        (0.508078, "PQ", 189),
        # 203 cd/m2: in units of the code of 1000, 0.7724; knee 0.6586; the spline gives 0.7386, 160 cd/m2
        (0.580689, "PQ", 231),
        (0.751827, "PQ", 255),
        (1.0, "PQ", 255),
        (0.0, "PQ", 0),
        # 0.265 of the scene, to the power of 1.2 of 1000 cd/m2: reference white again
        (0.75, "HLG", 231),
        (1.0, "HLG", 255),
        (0.0, "HLG", 0),
    ],
)
def test_greys(code: float, curve: Curve, wanted: int) -> None:
    grey = level(code, curve)
    assert np.ptp(grey) <= 1 and abs(int(grey[0]) - wanted) <= 1


def test_primaries_are_changed_in_linear_light() -> None:
    """The BT.709 primaries expressed in BT.2020 by the published matrix (BT.2087) come out pure."""
    matrix = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    for channel in range(3):
        light = 50.0 * matrix[:, channel]
        codes = np.rint(pq_code(light) * 65535).astype(np.uint16)[None, None]
        shown = to_standard(codes, "PQ")[0, 0].astype(int)
        wanted = [0, 0, 0]
        wanted[channel] = round(255 * (50 / 203) ** (1 / 2.4))
        assert np.abs(shown - wanted).max() <= 8 and abs(shown[channel] - wanted[channel]) <= 1


@pytest.mark.parametrize(("trc", "code", "wanted"), [(16, 0.508078, 189), (18, 0.75, 231)])
def test_a_ten_bit_film(trc: int, code: float, wanted: int, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"  # one frame of x265 in MP4 fails now and then in FFmpeg's own muxer
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx265", rate=25, width=64, height=64)
        stream.pix_fmt = "yuv420p10le"
        stream.options = {"x265-params": "lossless=1:log-level=none"}
        context = stream.codec_context
        context.colorspace = context.color_primaries = 9
        context.color_trc, context.color_range = trc, 1
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, value in zip(frame.planes, (64 + round(876 * code), 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        frame.pts = 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    image = next(iter(VideoReader(path))).image
    assert np.abs(image.astype(int) - wanted).max() <= 1
