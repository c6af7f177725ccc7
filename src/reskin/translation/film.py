"""What happens to a frame of a film between reading and writing.

Borders are cut, the frame is brought to the scale that the model learnt at, translated, brought into
agreement with
the frame before, enlarged along the edges of the frame itself, and the borders are put back untouched. A
model
that grades (`reskin.methods.grade`) needs none of that: its coefficients are smoothed over time instead. One
that draws texture on a grade does both: it grades at full size and draws at the scale that it learnt at.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reskin.errors import SettingsError
from reskin.framing import Framing
from reskin.images import Picture, to_tensor
from reskin.inference.engine import Engine
from reskin.inference.guided import guided_upsample
from reskin.inference.rendering import blend, towards
from reskin.networks.bilateral_grid import LOOK_PX, Grade
from reskin.networks.grid_slicing import grade_picture
from reskin.translation.face_film import CutFace, FaceSetting, FaceWork
from reskin.translation.face_plan import DEFAULT_CROP_PX, FaceOptions, PlacedFace
from reskin.translation.stabilise import STRENGTH, Stabiliser
from reskin.translation.texture import Textured, texture_engine, textured
from reskin.types import Bars, Direction, Domain
from reskin.video.deinterlace import Deinterlace
from reskin.video.encoding import Encoding
from reskin.video.survey import Shot

RIM_PX = 2
"""Rows and columns of the picture next to a border that are blurred into it: not translated, but extended
into."""

GRADE_SHARE = 0.12
"""Share of a new frame's coefficients in the running mean of a grade."""

_BLACK_LEVELS, _SEEN_LEVELS = 5.0, 20.0
"""A frame is black, and stays so, where all but an eighth of it is up to so many levels; it shows something
from so many on. The same counts for white."""

_MODEL, _STABILISER, _GRADE = "model.", "stabiliser.", "grade."

_LEAST_WORK_PX, _MOST_WORK_PX = 32, 8192


@dataclass(frozen=True)
class FilmOptions:
    """How the frames of a film are treated.

    Attributes:
        work_size: shorter edge at which the model sees a frame, px; "full" for the frame's own; None for that
            of its training, and full where that is not known.
        detail: share of what the model draws anew (texture, shapes) that is kept when its translation is
            enlarged; None for 0, and for 1 where faces are translated or texture is drawn on a grade.
        steady: strength of the stabiliser, 0 (off) to 1.
        strength: share of the change that is kept, 0 (the input) to 1: every pixel of the output lies so far
            on the way from that of the input to the translated one.
        has_bars: whether the borders of a film are found and left as they are; else they are translated too.
        encoding: codec and quality of the pictures; by default those of the container.
        deinterlace: whether interlaced frames are filled; see `reskin.video.reader.VideoReader`.
        start: seconds from the beginning of the film at which to begin.
        seconds: how much of the film to translate, in seconds; None for all that follows `start`.
        faces: which faces to translate instead of whole frames; None for whole frames.
        looks_ahead: whether a translation is averaged with those of the frames before and to come as well;
            for whole frames of files. A grade's coefficients are smoothed over time, and only a texture on
            it is averaged.

    Raises:
        SettingsError: a value is out of range.
    """

    work_size: int | Literal["full"] | None = None
    detail: float | None = None
    steady: float = STRENGTH
    has_bars: bool = True
    encoding: Encoding = field(default_factory=Encoding)
    deinterlace: Deinterlace = "auto"
    start: float = 0.0
    seconds: float | None = None
    faces: FaceOptions | None = None
    looks_ahead: bool = False
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < math.inf:
            raise SettingsError(f"--start {self.start:g}", "Give seconds from the beginning, 0 or more.")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise SettingsError(f"--seconds {self.seconds:g}", "Give more than 0, such as 3.")
        if isinstance(self.work_size, int) and not _LEAST_WORK_PX <= self.work_size <= _MOST_WORK_PX:
            raise SettingsError(
                f"a work size of {self.work_size} px", f"Give {_LEAST_WORK_PX} to {_MOST_WORK_PX}, or full."
            )
        for name in ("detail", "steady", "strength"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SettingsError(f"--{name} {value:g}", "Give 0 to 1.")
        if self.faces is not None and self.work_size == "full":
            raise SettingsError("--work-size full for faces", "Give px, such as 128, or leave it out.")
        if self.faces is not None and self.looks_ahead:
            raise SettingsError("--steady best for faces", "Give 0 to 1: they follow the frames before.")

    @property
    def is_part(self) -> bool:
        """Whether only a part of the film is translated."""
        return self.start > 0 or self.seconds is not None

    @property
    def kept_detail(self) -> float:
        """`detail`, or what stands for it."""
        return float(self.faces is not None) if self.detail is None else self.detail


AS_IT_IS = FilmOptions(work_size="full", steady=0.0, has_bars=False)
"""Every frame at its own size and by itself, borders translated like all else."""


@runtime_checkable
class Grader(Protocol):
    """A model that can say what it would do to the colours of a picture."""

    def grade(self, images: Tensor, direction: Direction) -> Grade:
        """See `reskin.methods.grade.GradeMethod.grade`."""


@dataclass
class Frames:
    """Neighbouring frames on their way through a film.

    Attributes:
        source: as read, uint8, each (H, W, 3).
        alpha: of each, (H, W), uint8, where it is kept and something is transparent.
        times: of each.
        numbers: of each, in the film.
        small: what the model is shown: the picture inside of the borders, at work size.
        made: what it made of that.
        grades: of each frame, instead of `made`, for a model that grades.
        faces: of each frame, instead of `small` and `made`, where only faces are translated.
        masks: of each frame, (H, W), uint8, where there are any.
        result: as written, each of the size of its source.
        is_last: whether they are the last ones of a segment of the film.
        state: what the stages remember behind these frames, where `is_last`.
    """

    source: list[Picture]
    times: list[Fraction]
    numbers: list[int]
    alpha: list[NDArray[np.uint8] | None] = field(default_factory=list)
    small: list[Picture] = field(default_factory=list)
    made: list[Picture] = field(default_factory=list)
    grades: list[Grade] = field(default_factory=list)
    faces: list[list[CutFace]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    result: list[Picture] = field(default_factory=list)
    is_last: bool = False
    state: dict[str, Tensor] = field(default_factory=dict)


class Film:
    """The three stages of a film; each takes and returns `Frames`, and each may run in a thread of its own.

    Args:
        engine: the model, the way it is to translate, and on what.
        options: see `FilmOptions`.
        shots: from `reskin.video.survey`.

    Attributes:
        mask_at: the mask of a frame by its number, (H, W), uint8: the change stays where it is white. None
            for none; asked for in rising order.
    """

    def __init__(self, engine: Engine, options: FilmOptions, shots: Sequence[Shot]) -> None:
        self.engine, self.options = engine, options
        self.cut_at(shots)
        self.work_size = engine.model.trained_edge if options.work_size is None else options.work_size
        self._stabiliser = Stabiliser(options.steady)
        self._smoothed: Grade | None = None
        self._faces: FaceWork | None = None
        self._texturer = texture_engine(engine) if isinstance(engine.model, Textured) else None
        self.mask_at: Callable[[int], NDArray[np.uint8]] | None = None
        self._translated_shot = self._finished_shot = -1

    def sample(self, picture: Picture) -> Picture:
        """What the model is shown of a frame without borders; of faces, one in the middle."""
        import cv2

        if self.options.faces is None:
            return self._seen_by_the_model(picture)
        edge = min(picture.shape[:2])
        top, left = (picture.shape[0] - edge) // 2, (picture.shape[1] - edge) // 2
        square = picture[top : top + edge, left : left + edge]
        size = (self.face_size, self.face_size)
        return np.asarray(cv2.resize(square, size, interpolation=cv2.INTER_AREA), np.uint8)

    def single(self, picture: Picture) -> Picture:
        """One frame by itself, (H, W, 3) uint8, through all three stages."""
        frames = Frames([picture], [Fraction(0)], [0])
        return self.finish(self.translate(self.shrink(frames))).result[0]

    def cut_at(self, shots: Sequence[Shot]) -> None:
        """Take these shots for those of the film."""
        self.shots, self._starts = list(shots), [shot.first for shot in shots]

    def take_faces(self, faces_at: Callable[[int, Picture], Sequence[PlacedFace]]) -> None:
        """Translate faces instead of whole frames, those that `faces_at` finds in a frame of a number."""
        options = self.options
        assert options.faces is not None, "the options say whether faces are translated"
        setting = FaceSetting(self.face_size, self.framing.margin, options.steady, options.kept_detail)
        self._faces = FaceWork(self.engine, setting, faces_at)

    @property
    def face_size(self) -> int:
        """Edge of the square pictures of faces that the model sees, in px."""
        return self.work_size if isinstance(self.work_size, int) else DEFAULT_CROP_PX

    @property
    def framing(self) -> Framing:
        """How faces are cut out: as the options say, else as the model learnt them."""
        asked = self.options.faces.framing if self.options.faces is not None else None
        domain: Domain = "a" if self.engine.direction == "a2b" else "b"
        return asked or self.engine.model.framings.get(domain) or Framing()

    def begin_shot(self, first: int) -> None:
        """Begin a new shot, without borders, with frame number `first`, which no stage has seen yet."""
        self.shots.append(Shot(first))
        self._starts.append(first)

    def shot_of(self, number: int) -> int:
        """The number of the shot that a frame belongs to, from 0."""
        return max(0, bisect_right(self._starts, number) - 1)

    def check_options(self, width: int, height: int, name: str) -> None:
        """Refuse frames that are smaller than what the model is to see, and options that this model would not
        use (SettingsError).

        Args:
            width: of a frame, px.
            height: of a frame, px.
            name: of the film, for the error.
        """
        options, edge = self.options, min(width, height)
        is_grading_alone = self.is_grading and not self._texturer
        if is_grading_alone and options.faces is None:
            for flag, value in (("--work-size", options.work_size), ("--detail", options.detail)):
                if value not in (None, "full"):
                    what = f"{flag} {value} for a model that grades frames at their own size"
                    raise SettingsError(what, "Leave it out.")
        if options.work_size == "full" and options.detail is not None and not self._texturer:
            what = f"--detail {options.detail:g} with --work-size full, where nothing is enlarged"
            raise SettingsError(what, "Leave one of them out.")
        is_whole = is_grading_alone or self.options.faces is not None
        if is_whole or not isinstance(self.work_size, int) or self.work_size <= edge:
            return
        fix = f"Give --work-size full, or {edge} or less."
        if self.options.work_size is None:
            what = f"the model learnt at {self.work_size} px, and the shorter edge of {name} is {edge} px"
        else:
            what = f"--work-size {self.work_size} is more than the shorter edge of {name}, {edge} px"
        raise SettingsError(what, fix)

    @property
    def is_grading(self) -> bool:
        """Whether the model grades, so that every frame is treated at its own size."""
        return isinstance(self.engine.model, Grader)

    @property
    def is_averaging(self) -> bool:
        """Whether what is drawn is averaged with the frames around it; a grade alone draws nothing."""
        is_drawing = not self.is_grading or self._texturer is not None
        return self.options.looks_ahead and self.options.faces is None and is_drawing

    def shrink(self, frames: Frames) -> Frames:
        """First stage: what the model is shown."""
        if self.mask_at is not None:
            frames.masks = [self.mask_at(number) for number in frames.numbers]
        for number, picture in zip(frames.numbers, frames.source, strict=True):
            if self._faces is not None:
                frames.faces.append(self._faces.cut(number, picture, self._bars(self.shot_of(number))))
                continue
            inside = self._inside(picture, self.shot_of(number))
            frames.small.append(self._seen_by_the_model(picture[inside]))
        return frames

    def translate(self, frames: Frames) -> Frames:
        """Second stage: the model."""
        model = self.engine.model
        if self._faces is not None:
            self._faces.translate(frames.faces)
            return frames
        if isinstance(model, Grader):
            frames.grades = [self._grade(model, picture) for picture in frames.small]
            if self._texturer is not None:
                graded = [grade_picture(*pair) for pair in zip(frames.small, frames.grades, strict=True)]
                frames.made = [self._texturer.translate(picture[None])[0] for picture in graded]
            return frames
        for _, run in groupby(zip(frames.numbers, frames.small, strict=True), key=self._alike):
            numbers, pictures = zip(*run, strict=True)
            shot = self.shot_of(numbers[0])
            if shot != self._translated_shot:
                self.engine.reset()
                self._translated_shot = shot
            frames.made += list(self.engine.translate_parts(np.stack(pictures), is_video=True)[0])
        return frames

    def finish(self, frames: Frames) -> Frames:
        """Third stage: frames as they are written."""
        for offset, (number, picture) in enumerate(zip(frames.numbers, frames.source, strict=True)):
            shot = self.shot_of(number)
            if shot != self._finished_shot:
                self._stabiliser.reset()
                self._smoothed, self._finished_shot = None, shot
            result = self._finished(frames, offset, shot)
            if frames.masks:
                share = frames.masks[offset].astype(np.float32) / np.float32(255)
                result = blend(picture, result, share)
            strength = self.options.strength
            if frames.grades:
                strength *= seen_share(frames.small[offset])
            frames.result.append(towards(picture, result, strength))
        return frames

    def _finished(self, frames: Frames, offset: int, shot: int) -> Picture:
        """One of the frames, (H, W, 3) uint8."""
        picture, bars = frames.source[offset], self._bars(shot)
        if self._faces is not None:
            return self._faces.put_back(picture, frames.faces[offset], bars)
        inside = self._inside(picture, shot)
        if frames.grades:
            made = grade_picture(picture[inside], self._smooth(frames.grades[offset]))
            if frames.made:
                made = self._textured(made, frames.small[offset], frames.made[offset])
        else:
            made = self._enlarged(picture[inside], frames.small[offset], frames.made[offset])
        return put_inside(picture, made, inside, bars)

    def keep_model(self, frames: Frames) -> None:
        """Put what the model remembers into `frames`; to be called behind `translate`, in its thread."""
        if self._faces is not None:
            frames.state |= self._faces.model_state()
            return
        frames.state |= {f"{_MODEL}{name}": value for name, value in self.engine.state().items()}

    def keep_finish(self, frames: Frames) -> None:
        """Put what the third stage remembers into `frames`; to be called behind `finish`, in its thread."""
        if self._faces is not None:
            frames.state |= self._faces.finish_state()
            return
        for name, picture in self._stabiliser.state().items():
            frames.state[f"{_STABILISER}{name}"] = torch.from_numpy(np.ascontiguousarray(picture)).clone()
        if self._smoothed is not None:
            grade = self._smoothed
            for name, value in grade._asdict().items():
                frames.state[f"{_GRADE}{name}"] = value.detach().clone().contiguous()

    def restore(self, state: dict[str, Tensor], last: int) -> None:
        """Go on behind frame number `last`, with what the stages remembered there."""
        self._translated_shot = self._finished_shot = self.shot_of(last)
        if self._faces is not None:
            self._faces.restore(state)
            return
        self.engine.restore(_part_of(state, _MODEL))
        pictures = _part_of(state, _STABILISER)
        self._stabiliser.restore({name: np.asarray(value.numpy()) for name, value in pictures.items()})
        grade = _part_of(state, _GRADE)
        self._smoothed = Grade(**grade) if grade else None

    def _alike(self, numbered: tuple[int, Picture]) -> tuple[int, tuple[int, ...]]:
        """Frames of one shot and size may share a call of the model."""
        return self.shot_of(numbered[0]), numbered[1].shape

    def _bars(self, shot: int) -> Bars:
        return self.shots[shot].bars if self.options.has_bars and self.shots else (0, 0, 0, 0)

    def _inside(self, picture: Picture, shot: int) -> tuple[slice, slice]:
        """Rows and columns of the picture without its borders and their blurred rim."""
        left, top, right, bottom = (bar + RIM_PX if bar else 0 for bar in self._bars(shot))
        return slice(top, picture.shape[0] - bottom), slice(left, picture.shape[1] - right)

    def _seen_by_the_model(self, picture: Picture) -> Picture:
        import cv2

        if self.is_grading and self._texturer is None:
            size = (LOOK_PX, LOOK_PX)
        else:
            edge = min(picture.shape[:2])
            if not isinstance(self.work_size, int) or self.work_size >= edge:
                return picture
            scale = self.work_size / edge
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _grade(self, model: Grader, picture: Picture) -> Grade:
        with torch.inference_mode():
            images = to_tensor(picture).to(self.engine.compute.device)
            curves, matrix, weights = model.grade(images, self.engine.direction)
            return Grade(curves.cpu(), matrix.cpu(), weights.cpu())

    def _smooth(self, grade: Grade) -> Grade:
        """The running mean of the coefficients over the shot, which can neither flicker nor ghost."""
        if self.options.steady == 0:
            return grade
        if self._smoothed is not None:
            old, share = self._smoothed, GRADE_SHARE
            curves = old.curves.lerp(grade.curves, share)
            grade = Grade(curves, old.matrix.lerp(grade.matrix, share), grade.weights)
        self._smoothed = grade
        return grade

    def _textured(self, graded: Picture, small: Picture, texture: Picture) -> Picture:
        model, share = self.engine.model, 1.0 if self.options.detail is None else self.options.detail
        assert isinstance(model, Textured), "only that has a texture"
        return textured(graded, self._stabiliser.step(small, texture), share * model.most)

    def _enlarged(self, picture: Picture, small: Picture, made: Picture) -> Picture:
        made = self._stabiliser.step(small, made)
        if small.shape == picture.shape:
            return made
        return guided_upsample(picture, small, made, detail=self.options.kept_detail)


def _part_of(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def seen_share(picture: Picture) -> float:
    """How far a frame shows anything, from 0 for black, white and titles on them to 1.

    A grade has not learnt from such frames and would lift their black; in between lie a few levels of a fade.

    Args:
        picture: (H, W, 3) uint8, without borders; small will do.
    """
    brightness = picture.mean(axis=2)
    high, low = (float(np.percentile(brightness, share)) for share in (87.5, 12.5))
    return float(np.clip((min(high, 255 - low) - _BLACK_LEVELS) / (_SEEN_LEVELS - _BLACK_LEVELS), 0, 1))


def put_inside(picture: Picture, made: Picture, inside: tuple[slice, slice], bars: Bars) -> Picture:
    """The frame with its translated inside; borders are the source's own pixels.

    Between the two lies the rim, blurred in the source: there the translation is continued outwards and
    weighted by how much of the picture a pixel of the rim still shows.

    Args:
        picture: (H, W, 3) uint8, the source.
        made: the translation of `picture[inside]`.
        inside: rows and columns.
        bars: of the frame; `inside` lies `RIM_PX` within them.

    Returns:
        (H, W, 3) uint8; `made` itself where the frame has no borders.
    """
    import cv2

    if not any(bars):
        return made
    result = picture.copy()
    rows, columns = inside
    left, top, right, bottom = (RIM_PX if bar else 0 for bar in bars)
    wide = cv2.copyMakeBorder(made, top, bottom, left, right, cv2.BORDER_REPLICATE)
    outer = (slice(rows.start - top, rows.stop + bottom), slice(columns.start - left, columns.stop + right))
    height, width = wide.shape[:2]
    down, across = _rim_share(height, top, bottom), _rim_share(width, left, right)
    around, everything = result[outer], slice(None)
    rims = ((slice(0, top), slice(height - bottom, height)), (slice(0, left), slice(width - right, width)))
    strips = [(rim, everything) for rim in rims[0]] + [(everything, rim) for rim in rims[1]]
    around[:] = wide
    for strip in strips:
        share = down[strip[0], None, None] * across[None, strip[1], None]
        mixed = share * wide[strip] + (1 - share) * picture[outer][strip]
        around[strip] = np.rint(mixed).astype(np.uint8)
    return result


def _rim_share(length: int, before: int, after: int) -> NDArray[np.float32]:
    """(length,): 1 inside, falling to 1/3 at the outermost pixel of a rim at either end."""
    line = np.ones(length, np.float32)
    ramp = np.linspace(1 / 3, 1, RIM_PX, endpoint=False, dtype=np.float32)
    if before:
        line[:before] = ramp
    if after:
        line[-after:] = ramp[::-1]
    return line
