"""Settings for turning videos and pictures into datasets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from reskin.config import BASIC, Settings
from reskin.curation.prepare.shape import Fit, Shape, lengths_of, shape_of
from reskin.curation.split_rules import Ratio, SplitBy
from reskin.errors import SettingsError
from reskin.types import Bars


class PictureConfig(Settings):
    """What the pictures become."""

    size: Annotated[str | None, BASIC] = None
    """Size in px: 640x360 for width and height, 256 for the shorter edge; by default as they are."""
    fit: Annotated[Fit, BASIC] = "exact"
    """With width and height given: squeeze to exactly that (exact), fill it and crop the middle (cover), or
    scale to lie inside (inside)."""
    format: Literal["png", "jpg", "webp"] = "png"
    """Format of the pictures: png loses nothing, jpg and webp are smaller."""
    ratio: Ratio = "8:1:1"
    """Shares of train:test or train:val:test."""
    seed: int = 0
    """Decides what is left to random choice: what is taken at random, and what is held out."""

    @field_validator("size")
    @classmethod
    def _size_is_known(cls, size: str | None) -> str | None:
        if size is not None:
            lengths_of(size)
        return size

    def shape(self, width: int, height: int, bars: Bars = (0, 0, 0, 0)) -> Shape:
        """What a picture of this width and height, in px, becomes."""
        return shape_of(width, height, size=self.size, fit=self.fit, bars=bars)

    def picture_part(self) -> PictureConfig:
        """What of these settings the making of one picture needs."""
        return PictureConfig(**{name: getattr(self, name) for name in PictureConfig.model_fields})

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in px, of the picture made of a frame of this width and height.

        >>> FramesConfig(size="256").picture_size(1920, 1080), FramesConfig(size="64x48").picture_size(9, 9)
        ((455, 256), (64, 48))
        """
        return self.shape(width, height).size


class ImagesConfig(PictureConfig):
    """What a folder of pictures becomes."""

    split: Literal["random", "none"] = "random"
    """Part train, val and test at random (random) or not at all (none). Equal files stay together."""


class VideoConfig(PictureConfig):
    """What is used of the videos and how it is parted."""

    skip_start: Annotated[str | None, BASIC] = None
    """Leave out the beginning of each video: seconds or mm:ss; one for all, or one for each with commas."""
    skip_end: str | None = None
    """Leave out the end of each video, in the same way."""
    letterbox: Literal["cut", "keep"] = "cut"
    """Black bars that a whole video has: cut them away before resizing, or keep them."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """Fill interlaced frames, one for each: where they are marked and seen to be combed (auto), all of them
    (on), or none (off)."""
    split: Annotated[SplitBy | None, BASIC] = None
    """Part train, val and test by segments of time (block), whole shots (shot), whole videos (source),
    picture by picture (random: neighbours leak into the test) or not at all (none). By default shot where
    shots are looked for, else block."""

    @field_validator("skip_start", "skip_end")
    @classmethod
    def _times_are_known(cls, times: str | None) -> str | None:
        if times is not None:
            [_seconds(part) for part in times.split(",")]
        return times

    def skipped(self, sources: int) -> list[tuple[float, float]]:
        """Seconds to leave out at the start and at the end of each source.

        Raises:
            SettingsError: several times were given, but not one for each source.
        """
        starts, ends = (_for_each(name, getattr(self, name), sources) for name in ("skip_start", "skip_end"))
        return list(zip(starts, ends, strict=True))

    def skipping(self, skips: Sequence[tuple[float, float]]) -> Self:
        """The settings for some of the sources, with what `skipped` said of each of them."""
        starts, ends = (",".join(f"{seconds:.9f}" for seconds in times) for times in zip(*skips, strict=True))
        return self.model_copy(update={"skip_start": starts, "skip_end": ends})

    @property
    def wants_shots(self) -> bool:
        """Whether the shots have to be known."""
        return self.split == "shot"


class FramesConfig(VideoConfig):
    """Which frames to take from videos and what to make of them; choose one of every, count, per_second,
    per_shot."""

    every: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Take every Nth frame; where nothing is chosen, about 1000 frames come out, at most 5 of a second."""
    count: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Take this many frames at random, no frame twice, from the whole of all videos."""
    per_second: Annotated[float | None, BASIC] = Field(default=None, gt=0.0, le=1000.0)
    """Take this many frames for each second of film."""
    per_shot: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Take this many frames from each shot, spread over it."""
    shots: bool = False
    """Look for the shots of each video and write down which a frame is from; every frame is decoded once."""

    @model_validator(mode="after")
    def _one_way_of_choosing(self) -> Self:
        if sum(way is not None for way in (self.every, self.count, self.per_second, self.per_shot)) > 1:
            raise ValueError("choose only one of every, count, per_second and per_shot")
        return self

    @property
    def wants_shots(self) -> bool:
        """Whether the shots have to be known."""
        return self.shots or self.per_shot is not None or self.split == "shot"


class ClipsConfig(VideoConfig):
    """Which runs of consecutive frames to take from videos and what to make of them."""

    length: Annotated[int, BASIC] = Field(default=3, ge=2, le=10_000)
    """Frames of a clip."""
    stride: int | None = Field(default=None, ge=1)
    """Frames from the start of one clip to the start of the next; by default the length, so that no frame is
    in two clips."""
    count: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Take at most this many clips, at random from the whole of all videos."""

    @property
    def wants_shots(self) -> bool:
        """Always: a clip never runs over a cut."""
        return True


def _for_each(name: str, times: str | None, sources: int) -> list[float]:
    seconds = [_seconds(part) for part in times.split(",")] if times else [0.0]
    if len(seconds) not in (1, sources):
        flag = f"--{name.replace('_', '-')}"
        what = f"{flag} has {len(seconds)} times for {sources} video{'s' * (sources != 1)}"
        raise SettingsError(what, "Give one for all, or one for each with commas between.")
    return seconds * sources if len(seconds) == 1 else seconds


def _seconds(text: str) -> float:
    """Seconds in "90", "1:30", "0:01:30" or "1:30.5"."""
    if not re.fullmatch(r"\s*([0-9]{1,6}:){0,2}[0-9]{1,6}(\.[0-9]{1,9})?\s*", text):
        raise ValueError(f"'{text}' is no time; write seconds or mm:ss, such as 90 or 1:30")
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
