"""Making neighbouring frames of a translation agree: what has not changed in the film stays as it was.

A model that translates frame by frame draws texture anew in every frame, which flickers. Here the output
before is warped along the optical flow of the *film* and blended in wherever the film itself agrees with its
own warped frame (photometric confidence). The idea of a flow-warped recursive blend is that of Lang et al.,
"Practical Temporal Consistency for Image-Based Graphics Applications", SIGGRAPH 2012; the flow is DIS
(Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), which comes with OpenCV.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reskin.errors import SettingsError, ShapeError
from reskin.images import Picture

STRENGTH = 0.8
"""Share of the warped output before, where the film agrees with itself."""

SMALL_PX = 320
"""Frames up to this shorter edge are compared at their own size; larger ones at a half."""

_NARROWEST, _WIDEST = 10.0, 20.0
"""Bounds of the difference, in levels, at which confidence falls to 1/e."""

_STEEPNESS = 4
"""Power of the difference in the confidence. With 2 it falls slowly, and what was just uncovered
takes over what lay over it."""

_AROUND_PX = 5
"""Edge of the square within which all must agree, and over which the agreement is then smoothed. Without it
what was just uncovered is up to 1 dB worse than the translation itself on drawn films; with it, no worse."""

_NOISE_SHARE, _NOISE_OFFSET = 3.0, 8.0
"""That difference is this many times the film's noise level and this many levels more."""

_LEAST_FLOW_PX = 32
"""Smaller edges are continued to this: below it OpenCV's estimator gives NaN or leaves its memory."""

_NOTHING: Any = None
"""What OpenCV may be given for arrays that are left out, of which its types do not know."""

_OUTSIDE = (255, 0, 255, 0)
"""What comes from outside of the frame before: a colour that nothing agrees with."""

Flow = NDArray[np.float32]
"""(H, W, 2): where each pixel was in the frame before, relative to itself, x before y, px."""


class Stabiliser:
    """Blends each translated frame with the one before; feed it the frames of one shot, in order.

    Args:
        strength: 0 to 1; 0 gives every translation back unchanged.

    Raises:
        SettingsError: the strength is outside 0 to 1.
    """

    def __init__(self, strength: float = STRENGTH) -> None:
        if not 0 <= strength <= 1:
            raise SettingsError(f"a stabiliser of strength {strength:g}", "Give 0 (off) to 1.")
        self.strength = strength
        self.reset()

    def reset(self) -> None:
        """Forget the frames before: a new shot begins."""
        self._film: Picture | None = None
        self._output: Picture | None = None

    def state(self) -> dict[str, Picture]:
        """The frame before, as it is needed for the next one; empty behind a cut."""
        kept = {"film": self._film, "output": self._output}
        return {name: picture for name, picture in kept.items() if picture is not None}

    def restore(self, state: dict[str, Picture]) -> None:
        """Go on as the stabiliser did that gave this state."""
        self._film, self._output = (state.get(name) for name in ("film", "output"))

    def step(self, film: Picture, translation: Picture) -> Picture:
        """The translation of the next frame, in agreement with the one before.

        Args:
            film: (H, W, 3) uint8, the frame of the film at the size of the translation.
            translation: (H, W, 3) uint8.

        Returns:
            (H, W, 3) uint8; the first frame of a shot, and every frame at strength 0, is `translation`
            itself.

        Raises:
            ShapeError: the two differ in size.
        """
        import cv2

        if film.shape != translation.shape:
            raise ShapeError(f"a translation of {translation.shape} for a frame of {film.shape}")
        if self.strength == 0:
            return translation
        seen, output = compared(film), with_alpha(translation)
        if self._output is not None and self._output.shape == output.shape:
            assert self._film is not None
            flow = flow_between(seen, self._film, "medium" if is_small(film) else "fast")
            share = np.float32(self.strength) * agreement(seen, self._film, flow)
            output = _blended(output, self._output, flow, share)
        self._film, self._output = seen, output
        return np.asarray(cv2.cvtColor(output, cv2.COLOR_RGBA2RGB), np.uint8)


def compared(film: Picture) -> Picture:
    """A frame (H, W, 3) as neighbours are compared: RGBA, at half its size where it is large."""
    return with_alpha(film if is_small(film) else _halved(film))


def is_small(film: Picture) -> bool:
    """Whether frames of this size are compared at their own."""
    return min(film.shape[:2]) <= SMALL_PX


FlowPrecision = Literal["fast", "medium", "fine"]
"""OpenCV's ultrafast and medium presets of dense inverse search (Kroeger et al., ECCV 2016), and the medium
one down to single pixels, at twice its time."""


def flow_between(film: Picture, other: Picture, precision: FlowPrecision) -> Flow:
    """Where each pixel of one frame lies in another, of one size, both as `compared` gives them.

    More than "fast" is worth its time on small frames only. A new estimator for each pair of frames, so that
    its buffers carry nothing from one pair to the next.
    """
    import cv2

    height, width = film.shape[:2]
    below, right = max(0, _LEAST_FLOW_PX - height), max(0, _LEAST_FLOW_PX - width)
    grey, there = _grey(film), _grey(other)
    if below or right:
        grey, there = (
            np.asarray(cv2.copyMakeBorder(one, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
            for one in (grey, there)
        )
    is_fast = precision == "fast"
    preset = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST if is_fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    estimator = cv2.DISOpticalFlow.create(preset)
    if precision == "fine":
        estimator.setFinestScale(0)
        estimator.setPatchStride(4)
        estimator.setGradientDescentIterations(12)
        estimator.setVariationalRefinementIterations(2)
    flow = estimator.calc(grey, there, _NOTHING)
    return np.ascontiguousarray(flow[:height, :width], np.float32)


def with_alpha(picture: Picture) -> Picture:
    """(H, W, 4): OpenCV warps and blends four channels twice as fast as three."""
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8)


def _grey(film: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.cvtColor(film, cv2.COLOR_RGBA2GRAY), np.uint8)


def _halved(film: Picture) -> Picture:
    import cv2

    size = (max(1, film.shape[1] // 2), max(1, film.shape[0] // 2))
    return np.asarray(cv2.resize(film, size, interpolation=cv2.INTER_AREA), np.uint8)


def resized_flow(flow: Flow, height: int, width: int) -> Flow:
    """A flow field for the same frames at another size; (height, width, 2)."""
    import cv2

    if flow.shape[:2] == (height, width):
        return flow
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    return np.asarray(cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def at_size(share: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """A map (h, w) brought to (height, width)."""
    import cv2

    if share.shape == (height, width):
        return share
    return np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def warped(picture: Picture, flow: Flow, *, outside: tuple[int, ...] | None = None) -> Picture:
    """A picture moved along a flow by bilinear interpolation: pixel p is taken from p + flow(p).

    Args:
        picture: (H, W, C) uint8.
        flow: (H, W, 2), px.
        outside: colour of what lies outside of the picture; by default the nearest edge is repeated.

    Returns:
        (H, W, C) uint8.
    """
    import cv2

    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    options = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    moved = cv2.remap(picture, flow, _NOTHING, options, borderMode=border, borderValue=outside or 0)
    return np.asarray(moved, np.uint8)


Judged = Literal["pixel", "nearby", "margin"]
"""How the agreement of two frames is judged: each pixel by itself, with its neighbours a little, or so that a
margin is left around what does not agree."""


def agreement(
    film: Picture, before: Picture, flow: Flow, *, judged: Judged = "margin"
) -> NDArray[np.float32]:
    """How far a frame (h, w, 4) agrees with the one before, or another, warped onto it: (h, w) in [0, 1].

    With a margin least next to where it does not: what was just uncovered lies there, and may look like what
    lay over it.

    Args:
        film: the frame.
        before: the other one.
        flow: from the frame to the other.
        judged: see `Judged`.
    """
    import cv2

    red, green, blue, _ = cv2.split(cv2.absdiff(film, warped(before, flow, outside=_OUTSIDE)))
    difference = cv2.max(cv2.max(red, green), blue)
    if judged == "nearby":
        difference = cv2.GaussianBlur(difference, (3, 3), 0)
    elif judged == "margin":
        difference = cv2.blur(difference, (3, 3))
    noise = float(np.median(difference[::4, ::4])) / 0.67
    width = min(_WIDEST, max(_NARROWEST, _NOISE_SHARE * noise + _NOISE_OFFSET))
    table = np.exp(-((np.arange(256, dtype=np.float32) / np.float32(width)) ** _STEEPNESS))
    share: NDArray[np.float32] = np.asarray(cv2.LUT(difference, table), np.float32)
    if judged != "margin":
        return share
    least = cv2.erode(share, np.ones((_AROUND_PX, _AROUND_PX)))
    return np.asarray(cv2.blur(least, (_AROUND_PX, _AROUND_PX)), np.float32)


def _blended(translation: Picture, output: Picture, flow: Flow, share: NDArray[np.float32]) -> Picture:
    """`share` of the output before, warped, and the rest of the translation."""
    import cv2

    height, width = translation.shape[:2]
    there = warped(output, resized_flow(flow, height, width))
    share = at_size(share, height, width)
    return np.asarray(cv2.blendLinear(there, translation, share, 1 - share), np.uint8)
