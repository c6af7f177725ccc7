"""Settings for turning videos into pictures."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from reskin.config import Settings
from reskin.data.split import SplitBy, parse_ratio
from reskin.errors import DataError


class FramesConfig(Settings):
    """Which frames to take from videos and what to make of them; choose one of every, count, per_second."""

    every: int | None = Field(default=None, ge=1)
    """Take every Nth frame; where nothing is chosen, N is such that about 1000 frames come out."""
    count: int | None = Field(default=None, ge=1)
    """Take this many frames at random, no frame twice, from the whole of all videos."""
    per_second: float | None = Field(default=None, gt=0.0, le=1000.0, validate_default=True)
    """Take this many frames for each second of film."""
    size: str | None = None
    """Size of the pictures in px: 640x360 for exactly that, 256 for the shorter side; None as filmed."""
    split: SplitBy = "block"
    """Part train, val and test by stretches of time (block), whole videos (source), or not at all (none)."""
    ratio: str = "8:1:1"
    """Shares of train:test or train:val:test."""
    format: Literal["png", "jpg"] = "png"
    """Format of the pictures: png loses nothing, jpg is smaller."""
    seed: int = 0
    """Decides what is left to chance: random frames, and which stretches or videos are held out."""

    @field_validator("per_second")
    @classmethod
    def _one_way_of_choosing(cls, per_second: float | None, info: ValidationInfo) -> float | None:
        chosen = [info.data.get("every"), info.data.get("count"), per_second]
        if sum(way is not None for way in chosen) > 1:
            raise ValueError("choose only one of every, count and per_second")
        return per_second

    @field_validator("size")
    @classmethod
    def _size_is_known(cls, size: str | None) -> str | None:
        if size is not None and (not re.fullmatch(r"[0-9]+(x[0-9]+)?", size) or min(_sides(size)) < 1):
            raise ValueError("a size looks like 640x360 or 256")
        if size is not None and max(_sides(size)) > 16384:
            raise ValueError("a side is at most 16384 px")
        return size

    @field_validator("ratio")
    @classmethod
    def _ratio_is_known(cls, ratio: str) -> str:
        try:
            parse_ratio(ratio)
        except DataError as error:
            raise ValueError(error.what) from None
        return ratio

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in px, of the picture made of a frame of this width and height.

        >>> FramesConfig(size="256").picture_size(1920, 1080), FramesConfig(size="64x48").picture_size(9, 9)
        ((455, 256), (64, 48))
        """
        if self.size is None:
            return width, height
        sides = _sides(self.size)
        if len(sides) == 2:
            return sides[0], sides[1]
        scale = sides[0] / min(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


def _sides(size: str) -> list[int]:
    return [int(side) for side in size.split("x")]
