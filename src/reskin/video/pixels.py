"""From FFmpeg's frames to upright RGB bytes and back, with the right matrix and range.

Untagged pictures are read as broadcasters do: BT.709 from 720 stored lines on, BT.601 below; limited range
unless the pixel format says full. BT.2020 uses its own matrix; what is coded in an HDR curve (PQ, HLG) is
tone mapped (`reskin.video.tone`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from av import VideoFrame
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from reskin.video.tone import CURVES, to_standard

# Values of AVColorSpace (ITU-T H.273, MatrixCoefficients) to the matrices that swscale knows.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}

# Without these two flags swscale's fast paths are off by up to two levels.
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT

_WIDEST_ASPECT = 8


@dataclass(frozen=True)
class Placement:
    """How a stored frame becomes an upright one with square pixels.

    Attributes:
        stored_width: pixels to scale the stored frame to before it is turned.
        stored_height: see `stored_width`.
        turns: quarter turns counterclockwise, 0 to 3.
        mirrored: whether the turned picture is then flipped left to right.
        coded: (width, height) of the stored frame, px; a frame of another size is fitted inside.
    """

    stored_width: int
    stored_height: int
    turns: int
    mirrored: bool
    coded: tuple[int, int]

    @property
    def width(self) -> int:
        """Pixels of the upright frame."""
        return self.stored_height if self.turns % 2 else self.stored_width

    @property
    def height(self) -> int:
        """Pixels of the upright frame."""
        return self.stored_width if self.turns % 2 else self.stored_height

    @property
    def rotation(self) -> int:
        """Degrees counterclockwise."""
        return 90 * self.turns

    def within(self, longest_px: int) -> Placement:
        """The same with the longer edge scaled down to at most `longest_px`; never scaled up."""
        longest = max(self.stored_width, self.stored_height)
        if longest <= longest_px:
            return self
        width, height = (
            max(1, round(side * longest_px / longest)) for side in (self.stored_width, self.stored_height)
        )
        return replace(self, stored_width=width, stored_height=height)


def placement(frame: Any, aspect: Fraction | None) -> Placement:
    """How to set `frame` upright: from its display matrix and its sample aspect ratio.

    Args:
        frame: a decoded PyAV frame.
        aspect: width of a stored pixel over its height; None, 0 and absurd values count as 1.
    """
    width, height = frame.width, frame.height
    if aspect and Fraction(1, _WIDEST_ASPECT) <= aspect <= _WIDEST_ASPECT:
        # An even edge stays even: 4:2:0, which everything plays, has no odd ones.
        width = _scaled(width, aspect) if aspect > 1 else width
        height = _scaled(height, 1 / aspect) if aspect < 1 else height
    turns, mirrored = _orientation(frame)
    return Placement(width, height, turns, mirrored, (frame.width, frame.height))


def _scaled(edge: int, factor: Fraction) -> int:
    """`edge` times `factor`, to the nearest whole number, or even number where `edge` is even.

    >>> _scaled(720, Fraction(32, 27)), _scaled(97, Fraction(4, 3))
    (854, 129)
    """
    return 2 * round(edge * factor / 2) if edge % 2 == 0 else round(edge * factor)


def _orientation(frame: Any) -> tuple[int, bool]:
    """Quarter turns counterclockwise and whether to mirror afterwards, from the display matrix.

    The matrix takes stored (x, y), y downwards, to shown (x', y'): x' = ax + cy, y' = bx + dy.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None or len(bytes(matrix)) < 36:
        return 0, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), "<i4")[:5])
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c  # Undo the flip that comes after the turn.
    if abs(a) >= abs(b):
        return (0 if a >= 0 else 2), mirrored
    return (3 if b > 0 else 1), mirrored


class Converter:
    """Turns decoded frames into upright RGB arrays; keeps swscale's tables between frames."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self.has_refitted = False
        """Whether a frame of another size than the first one was met."""

    def picture(self, frame: Any, placement: Placement) -> tuple[np.ndarray, np.ndarray | None]:
        """The picture of `frame` as (H, W, 3) uint8, upright, and its alpha, (H, W), 255 for opaque.

        The alpha is None where the pixel format has none or all of it is opaque.

        Raises:
            ValueError: the colour matrix is one that cannot be converted.
        """
        width, height = placement.stored_width, placement.stored_height
        if (frame.width, frame.height) == placement.coded:
            stored = self._scaled(frame, width, height)
        else:
            self.has_refitted = True
            # Pixels have the shape that they had in the first frame.
            across, down = (
                width / placement.coded[0] * frame.width,
                height / placement.coded[1] * frame.height,
            )
            scale = min(width / across, height / down)
            inner = (max(1, round(across * scale)), max(1, round(down * scale)))
            left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
            part = self._scaled(frame, *inner)
            stored = np.zeros((height, width, part.shape[2]), np.uint8)
            stored[..., 3:] = 255
            stored[top : top + inner[1], left : left + inner[0]] = part
        image = np.rot90(stored, placement.turns)
        image = np.ascontiguousarray(image[:, ::-1] if placement.mirrored else image)
        if image.shape[2] == 3:
            return image, None
        alpha = np.ascontiguousarray(image[..., 3])
        return np.ascontiguousarray(image[..., :3]), None if alpha.min() == 255 else alpha

    def _scaled(self, frame: Any, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8, or 4 with transparency."""
        with_alpha, curve = has_alpha(frame), CURVES.get(int(frame.color_trc))
        forms = ("rgb48le", "rgba64le") if curve else ("gbrp", "rgba")
        converted = self._scaler.reformat(
            frame,
            width=width,
            height=height,
            format=forms[with_alpha],
            src_colorspace=_matrix(frame),
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=_EXACT,
        )
        if converted.format.name == "gbrp":
            return _interleaved(converted)
        pixels: Any = converted.to_ndarray()
        if curve is None:
            return pixels
        shown = to_standard(pixels[..., :3], curve, int(frame.color_primaries))
        return np.dstack([shown, (pixels[..., 3] >> 8).astype(np.uint8)]) if with_alpha else shown


def _interleaved(frame: Any) -> np.ndarray:
    """(H, W, 3) uint8 of a frame in planes: swscale makes those faster than it makes pixels, with the same
    values."""
    import cv2

    green, blue, red = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : frame.width]
        for plane in frame.planes
    )
    return np.asarray(cv2.merge([red, green, blue]), np.uint8)


def on_white(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture, (H, W, 3) uint8, laid on white by its alpha, (H, W) uint8."""
    share = alpha[..., None].astype(np.uint16)
    return ((image * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def has_alpha(frame: Any) -> bool:
    """Whether the pixel format of a frame has transparency.

    >>> has_alpha(VideoFrame(16, 16, "yuva420p")), has_alpha(VideoFrame(16, 16, "yuv420p"))
    (True, False)
    """
    return any(part.is_alpha for part in frame.format.components)


class FrameMaker:
    """Turns RGB arrays into frames for an encoder: BT.709, limited range, or RGB as it is.

    Chroma is sited on the left column, as players take it where nothing is said; swscale alone would put it
    half a pixel to the right, which tints every gradient.

    Args:
        width: pixels.
        height: pixels.
        pixel_format: FFmpeg's name, such as "yuv420p", "yuva444p10le" or "bgr0".
        has_alpha: whether the arrays come with transparency.
    """

    def __init__(self, width: int, height: int, pixel_format: str, *, has_alpha: bool = False) -> None:
        self._graph, self._has_alpha = Graph(), has_alpha
        stored = "rgba" if has_alpha else "rgb24"
        flags = "bicubic+accurate_rnd+full_chroma_inp"
        scale = f"in_range=full:out_range=limited:out_color_matrix=bt709:out_chroma_loc=left:flags={flags}"
        if pixel_format.startswith("bgr"):
            scale = f"flags={flags}"
        nodes = [
            self._graph.add(
                "buffer", f"video_size={width}x{height}:pix_fmt={stored}:time_base=1/1:pixel_aspect=1/1"
            ),
            self._graph.add("scale", scale),
            self._graph.add("format", f"pix_fmts={pixel_format}"),
            self._graph.add("buffersink"),
        ]
        for first, second in pairwise(nodes):
            first.link_to(second)
        self._graph.configure()

    def frame(self, image: np.ndarray, alpha: np.ndarray | None = None) -> Any:
        """A PyAV frame; its time stamp is still to be set.

        Args:
            image: (H, W, 3), uint8, RGB.
            alpha: (H, W), uint8, 255 for opaque; opaque where it is None.
        """
        if self._has_alpha:
            opaque = np.full(image.shape[:2], 255, np.uint8) if alpha is None else alpha
            frame = VideoFrame.from_ndarray(np.dstack([image, opaque]), "rgba")
        else:
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        frame.pts, frame.time_base = 0, Fraction(1)
        self._graph.push(frame)
        return self._graph.pull()


def _matrix(frame: Any) -> Colorspace | None:
    if frame.format.is_rgb:
        return None
    if int(frame.colorspace) in (0, 2, 3):  # 0 is RGB: a wrong tag on YUV pictures; 2 and 3 say nothing.
        if int(frame.color_trc) in CURVES:
            return Colorspace.BT2020
        return Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    try:
        return _MATRICES[int(frame.colorspace)]
    except KeyError:
        raise ValueError(f"colour matrix {int(frame.colorspace)} is not supported") from None


def _range(frame: Any) -> ColorRange:
    full = frame.format.is_rgb or frame.format.name.startswith("yuvj")
    full = full or (int(frame.color_range) == ColorRange.JPEG)
    return ColorRange.JPEG if full else ColorRange.MPEG


def colour_note(frame: Any, stream: Any) -> str | None:
    """What a user should know about the colours of `frame`, or None."""
    if says_alpha(stream) and not has_alpha(frame):
        return "the transparency of the pictures is left aside: they are read as if opaque"
    curve = CURVES.get(int(frame.color_trc))
    if curve is not None:
        return f"{curve} (HDR) pictures: tone mapped to BT.709"
    bits = max(component.bits for component in frame.format.components)
    return f"colours of {bits} bits are brought to 8" if bits > 8 else None


def says_alpha(stream: Any) -> bool:
    """Whether a Matroska or WebM stream says that its packets hold transparency beside the pictures."""
    return any(name.lower() == "alpha_mode" and value == "1" for name, value in stream.metadata.items())
