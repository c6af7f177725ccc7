"""A film in which only faces are translated: cut out, translated, made to agree over time, and put back.

A face is put back as maps of colour that are applied to the frame's own pixels (see
`reskin.inference.guided`), plus what the model drew that no such map explains, so that nothing of the frame
is resampled and its grain stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reskin.faces.alignment import Matrix, cut_out
from reskin.faces.blend import (
    FaceAreas,
    border_correction,
    corrected,
    face_areas,
    face_mask,
    region_of,
    seen_in,
    skin_share,
)
from reskin.images import Picture
from reskin.inference.engine import Engine
from reskin.inference.guided import apply_maps, fit_change, guided_filter
from reskin.translation.face_plan import PlacedFace
from reskin.translation.stabilise import Stabiliser
from reskin.types import Bars

BORDER_SHARE = 0.3
"""Share of a new frame in the running means of the border's correction and of the mask."""

MASK_RADIUS, MASK_EPSILON = 0.12, 1e-3
"""Window, as a share of the edge, and regularisation with which a mask follows the edges of a face."""

_MODEL, _FACE = "face-model.", "face."

Plane = NDArray[np.float32]


@dataclass
class CutFace:
    """A face on its way.

    Attributes:
        placed: where it lies in its frame.
        source: what was cut out, (S, S, 3) uint8.
        made: its translation.
    """

    placed: PlacedFace
    source: Picture
    made: Picture | None = None


@dataclass
class _Memory:
    """What is remembered of a face's frames before: the stabiliser's, its mask, and the correction at its
    border."""

    stabiliser: Stabiliser
    border: Plane | None = None
    mask: Plane | None = None


@dataclass(frozen=True)
class FaceSetting:
    """How faces are cut out and put back.

    Attributes:
        size: edge of the square pictures that the model sees, in px.
        margin: room around the face in them, in heights of the face.
        steady: strength of the stabiliser, 0 to 1; it works on the faces as they were cut out, so that it
            need not follow the head.
        detail: share of what the model draws itself (texture, shapes) that is kept, 0 to 1.
    """

    size: int
    margin: float
    steady: float
    detail: float


class FaceWork:
    """The three stages of a frame for its faces; see `reskin.translation.film.Film`, which holds one.

    Args:
        engine: the model, the way it is to translate, and on what.
        setting: how faces are cut out and put back.
        faces_at: the faces of a frame, by its number and picture.
    """

    def __init__(
        self,
        engine: Engine,
        setting: FaceSetting,
        faces_at: Callable[[int, Picture], Sequence[PlacedFace]],
    ) -> None:
        self.engine, self.setting, self.faces_at = engine, setting, faces_at
        self.mask = face_mask(setting.size, setting.margin)
        self.areas = face_areas(setting.size, setting.margin)
        self._memories: dict[int, _Memory] = {}
        self._streams: dict[int, dict[str, Tensor]] = {}
        self._streaming: int | None = None

    def cut(self, number: int, picture: Picture, bars: Bars) -> list[CutFace]:
        """First stage: the faces of a frame."""
        faces, size = self.faces_at(number, picture), self.setting.size
        return [CutFace(face, cut_out(picture, face.matrix, size=size, bars=bars)) for face in faces]

    def translate(self, frames: Sequence[Sequence[CutFace]]) -> None:
        """Second stage: the translations of the faces of neighbouring frames."""
        faces = [face for of_frame in frames for face in of_frame]
        if not faces:
            return
        if not self.engine.remembers:
            made = self.engine.translate_parts(np.stack([face.source for face in faces]))[0]
            for face, picture in zip(faces, made, strict=True):
                face.made = picture
            return
        for of_frame in frames:
            for face in of_frame:
                self._turn_to(face.placed.track)
                face.made = self.engine.translate_parts(face.source[None], is_video=True)[0, 0]
            present = {face.placed.track for face in of_frame}
            self._streams = {track: kept for track, kept in self._streams.items() if track in present}

    def _turn_to(self, track: int) -> None:
        """Have a model that remembers frames go on with those of this face."""
        if track == self._streaming:
            return
        if self._streaming is not None and self.engine.can_resume:
            self._streams[self._streaming] = self.engine.state()
        kept = self._streams.pop(track, None)
        self.engine.reset()
        if kept is not None:
            self.engine.restore(kept)
        self._streaming = track

    def put_back(self, picture: Picture, faces: Sequence[CutFace], bars: Bars) -> Picture:
        """Third stage: the frame with its faces translated; itself where there are none."""
        present = {face.placed.track for face in faces}
        self._memories = {track: kept for track, kept in self._memories.items() if track in present}
        result = picture
        # The largest, which is the nearest, comes last: it stands before the others.
        for face in sorted(faces, key=lambda face: -_scale(face.placed.matrix)):
            assert face.made is not None, "faces are translated before they are put back"
            wanted, mask = self._settled(face.placed.track, face.source, face.made)
            result = put_face(result, face, wanted, mask=mask, detail=self.setting.detail, bars=bars)
        return result

    def _settled(self, track: int, source: Picture, made: Picture) -> tuple[Picture, Plane]:
        """The translation in agreement with the frames before and its border with the frame, and its mask."""
        memory = self._memories.setdefault(track, _Memory(Stabiliser(self.setting.steady)))
        made = memory.stabiliser.step(source, made)
        shown = face_share(self.areas, source)
        border = border_correction(source, made, self.mask, shown)
        mask = follow_face(self.areas, source, shown)
        if memory.border is not None and memory.mask is not None and self.setting.steady > 0:
            border = memory.border + np.float32(BORDER_SHARE) * (border - memory.border)
            mask = memory.mask + np.float32(BORDER_SHARE) * (mask - memory.mask)
        memory.border, memory.mask = border, mask
        return corrected(made, border), mask

    def model_state(self) -> dict[str, Tensor]:
        """What a model that remembers has seen of each face, to be called behind `translate`."""
        if not self.engine.remembers or self._streaming is None:
            return {}
        streams = self._streams | {self._streaming: self.engine.state()}
        state = {f"{_MODEL}now": torch.tensor(self._streaming)}
        for track, kept in streams.items():
            state |= {f"{_MODEL}{track}.{name}": value for name, value in kept.items()}
        return state

    def finish_state(self) -> dict[str, Tensor]:
        """What the third stage remembers, to be called behind `put_back`."""
        state: dict[str, Tensor] = {}
        for track, memory in self._memories.items():
            kept: dict[str, NDArray[np.generic]] = dict(memory.stabiliser.state())
            if memory.border is not None:
                kept["border"] = memory.border
            if memory.mask is not None:
                kept["mask"] = memory.mask
            for name, value in kept.items():
                state[f"{_FACE}{track}.{name}"] = torch.from_numpy(np.ascontiguousarray(value)).clone()
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on behind the frames after which both states were given."""
        for track, kept in _by_track(state, _FACE).items():
            memory = self._memories[track] = _Memory(Stabiliser(self.setting.steady))
            arrays = {name: value.numpy() for name, value in kept.items()}
            memory.border, memory.mask = arrays.pop("border", None), arrays.pop("mask", None)
            memory.stabiliser.restore(arrays)
        if f"{_MODEL}now" not in state:
            return
        self._streaming = int(state[f"{_MODEL}now"])
        self._streams = _by_track(state, _MODEL)
        self.engine.restore(self._streams.pop(self._streaming, {}))


def _by_track(state: dict[str, Tensor], prefix: str) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        track, dot, name = key.removeprefix(prefix).partition(".")
        if key.startswith(prefix) and dot:
            found.setdefault(int(track), {})[name] = value
    return found


def face_share(areas: FaceAreas, source: Picture) -> Plane:
    """How much each pixel belongs to a face and its neck, (S, S) float32, 0 to 1: its middle, and around it
    what has the colour of its skin.

    Args:
        areas: of pictures of this size.
        source: (S, S, 3) uint8, what was cut out.
    """
    return np.maximum(areas.core, areas.reach * skin_share(source, areas.skin))


def follow_face(areas: FaceAreas, source: Picture, shown: Plane) -> Plane:
    """A mask of a face and its neck: the middle of the face, and around it what has the colour of its skin.

    So hair and ground beside a face stay as they are, and the look ends with the light of the neck and not at
    the chin.

    Args:
        areas: of pictures of this size.
        source: (S, S, 3) uint8, what was cut out.
        shown: (S, S), see `face_share`.

    Returns:
        (S, S) float32, 0 to 1; 0 at the picture's edge.
    """
    size = source.shape[0]
    radius = max(2, round(MASK_RADIUS * size))
    followed = guided_filter(source, shown, radius=radius, epsilon=MASK_EPSILON)
    # What is left of the old border far from any edge is the shallow end of a slope: it is made steeper.
    return np.clip((followed - 0.1) / 0.8, 0, 1) * areas.fades


def _scale(matrix: Matrix) -> float:
    """Picture px for each px of the frame: the smaller, the larger the face."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def put_face(
    picture: Picture, face: CutFace, wanted: Picture, *, mask: Plane, detail: float, bars: Bars
) -> Picture:
    """A copy of the frame in which a face looks as wanted; the frame itself where it lies outside.

    Args:
        picture: (H, W, 3) uint8, the frame.
        face: where it lies, and what was cut out there.
        wanted: (S, S, 3) uint8, what is to be seen instead.
        mask: (S, S), how much of it is shown.
        detail: see `FaceSetting`.
        bars: px of border at the left, top, right and bottom of the frame, which stay as they are.

    Returns:
        (H, W, 3) uint8; where the mask is 0 the pixels of the frame.
    """
    matrix, size = face.placed.matrix, face.source.shape[0]
    height, width = picture.shape[:2]
    region = region_of(matrix, size, width, height, bars=bars)
    if region[0].start >= region[0].stop or region[1].start >= region[1].stop:
        return picture
    part = picture[region]
    fit = fit_change(face.source, wanted)
    seen = [seen_in(np.dstack(fit.maps[at : at + 4]), matrix, region, repeats=True) for at in range(0, 12, 4)]
    maps = [np.ascontiguousarray(group[..., channel]) for group in seen for channel in range(4)]
    made = apply_maps(part, maps)
    if detail > 0:
        drawn = _softened(fit.residual(), _scale(matrix)) * np.float32(255 * detail)
        made += seen_in(drawn, matrix, region, repeats=True)
    share = seen_in(mask, matrix, region, repeats=False)[..., None]
    share = share * np.float32(face.placed.strength)
    result = picture.copy()
    mixed = part + share * (np.clip(made, 0, 255) - part)
    result[region] = np.rint(mixed).astype(np.uint8)
    return result


def _softened(drawn: Plane, scale: float) -> Plane:
    """What was drawn at picture size, without what a smaller face in the frame cannot show."""
    import cv2

    if scale <= 1:
        return drawn
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.5 * math.sqrt(scale * scale - 1) + 1e-3), np.float32)
