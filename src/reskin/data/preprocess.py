"""What is done to a picture before training sees it, without anything random: fitting to size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from reskin.config import BASIC, Settings
from reskin.images import Picture, resize

Preprocess = Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]

MULTIPLE = 4
"""Pictures that are not cropped to a set size are rounded down to a multiple of this, in px."""


class DataConfig(Settings):
    """Which pictures to train on and what is done to them; the defaults are CycleGAN's."""

    renamed = {"augment_chances": "augment_probabilities"}

    a: Path
    """Folder of domain A: pictures, or train/val/test, or trainA/trainB and so on; or one picture."""
    b: Path
    """Folder of domain B, or one picture; in paired data it may be the same folder of A|B pictures."""
    mask_a: Path | None = None
    """Folder of masks for training, one of the same name for each picture of domain A, white where the look
    is to change, such as a pass of a renderer; only for methods with a mask_weight, which must be above 0."""
    mask_b: Path | None = None
    """The same for domain B; either may be left out."""
    preprocess: Preprocess = "resize_and_crop"
    """How pictures reach their size. resize_and_crop: to load_size x load_size, then a random crop; crop: a
    random crop only; scale_width: to a width of load_size; scale_width_and_crop: both; none: as they are."""
    load_size: int = Field(default=286, ge=8, le=16384)
    """Width (and height, for resize_and_crop) that pictures are resized to, in px; bicubic."""
    crop_size: Annotated[int, BASIC] = Field(default=256, ge=8, le=16384, validate_default=True)
    """Width and height of the square that is cut out, in px."""
    flip: bool = True
    """Mirror half of the pictures."""
    brightness: float = Field(default=0.0, ge=0.0, le=1.0)
    """Largest random change of brightness, as a share; 0 for none."""
    contrast: float = Field(default=0.0, ge=0.0, le=1.0)
    """Largest random change of contrast, as a share; 0 for none."""
    saturation: float = Field(default=0.0, ge=0.0, le=1.0)
    """Largest random change of saturation, as a share; 0 for none."""
    hue: float = Field(default=0.0, ge=0.0, le=0.5)
    """Largest random shift of the hues, as a share of the colour circle; 0 for none."""
    rotate: float = Field(default=0.0, ge=0.0, le=180.0)
    """Largest random rotation before the crop, in degrees either way; edges are replicated. 0 for none."""
    rescale: float = Field(default=0.0, ge=0.0, le=0.5)
    """Largest random change of size before the crop, as a share; 0 for none."""
    augment: Literal["each", "one_of_five"] = "each"
    """What is changed at random. each: a flip and all changes of colour; one_of_five: exactly one
    of nothing, a flip, an upside-down flip, a 3 px blur and the changes of colour (wants --no-flip)."""
    augment_probabilities: tuple[float, float, float, float, float] = (0.2, 0.2, 0.2, 0.2, 0.2)
    """Probabilities of the five in this order, for one_of_five; they add up to 1."""
    frame_step: int = Field(default=1, ge=1, le=100)
    """For methods that learn from clips: frames from one of a clip to the next; 2 takes every second one."""
    max_images: int | None = Field(default=None, ge=1)
    """Use at most this many pictures of a domain, spread evenly over it; by default all."""

    @field_validator("crop_size")
    @classmethod
    def _crop_fits(cls, crop_size: int, info: ValidationInfo) -> int:
        load_size = info.data.get("load_size", crop_size)
        resizes = info.data.get("preprocess") in ("resize_and_crop", "scale_width_and_crop")
        if resizes and crop_size > load_size:
            raise ValueError(f"crop_size {crop_size} is larger than load_size {load_size}")
        return crop_size

    @model_validator(mode="after")
    def _one_of_five_fits(self) -> Self:
        if min(self.augment_probabilities) < 0:
            raise ValueError(
                f"augment_probabilities holds {min(self.augment_probabilities):g}, which is below 0"
            )
        if abs(sum(self.augment_probabilities) - 1) > 1e-6:
            raise ValueError(
                f"augment_probabilities must add up to 1, not {sum(self.augment_probabilities):g}"
            )
        if self.augment == "one_of_five" and self.flip:
            raise ValueError("augment one_of_five flips by itself: add --no-flip (flip = false)")
        return self

    @property
    def crops(self) -> bool:
        """Whether a square of crop_size is cut out."""
        return self.preprocess in ("resize_and_crop", "crop", "scale_width_and_crop")

    def fit_settings(self) -> dict[str, Any]:
        """The settings that `fit` and `fit_pair` depend on, JSON-ready."""
        return {"preprocess": self.preprocess, "load_size": self.load_size, "crop_size": self.crop_size}


def fitted_size(height: int, width: int, config: DataConfig) -> tuple[int, int]:
    """The height and width, in px, that a picture is resized to before any crop.

    The shape is kept except by resize_and_crop. What is too small for the crop is enlarged until it fits.

    >>> fitted_size(480, 640, DataConfig(a=Path("a"), b=Path("b"), preprocess="scale_width"))
    (212, 284)
    """
    if config.preprocess == "resize_and_crop":
        return config.load_size, config.load_size
    scale = config.load_size / width if config.preprocess.startswith("scale_width") else 1.0
    if config.crops:
        scale = max(scale, config.crop_size / height, config.crop_size / width)
        # max: a product such as 7 * (256 / 7) may fall a hair short of the crop.
        return max(config.crop_size, round(height * scale)), max(config.crop_size, round(width * scale))
    return _rounded_down(height * scale), _rounded_down(width * scale)


def _rounded_down(length: float) -> int:
    return max(MULTIPLE, int(length + 1e-6) // MULTIPLE * MULTIPLE)


def fit(picture: Picture, config: DataConfig) -> Picture:
    """The picture at its `fitted_size`; `none` cuts the few px off around it, everything else resizes."""
    height, width = fitted_size(picture.shape[0], picture.shape[1], config)
    is_large_enough = picture.shape[0] >= height and picture.shape[1] >= width
    if config.preprocess == "none" and is_large_enough:
        return centre_crop(picture, height, width)
    return resize(picture, height, width)


def fit_pair(pictures: list[Picture], config: DataConfig) -> Picture:
    """A pair as one picture, A above B, both at A's fitted size.

    Args:
        pictures: A and B, or one picture with A in its left and B in its right half.
    """
    if len(pictures) == 1:
        half = pictures[0].shape[1] // 2
        pictures = [pictures[0][:, :half], pictures[0][:, -half:]] if half else [pictures[0]] * 2
    a = fit(pictures[0], config)
    b = pictures[1]
    if b.shape == pictures[0].shape:
        return np.concatenate([a, fit(b, config)])
    return np.concatenate([a, resize(b, a.shape[0], a.shape[1])])


def centre_crop(picture: Picture, height: int, width: int) -> Picture:
    """The middle of a picture, (height, width, 3); the picture must be at least that large."""
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def unenlarged(picture: Picture, config: DataConfig) -> Picture:
    """A fitted picture as it would be with a load_size of crop_size, whose crop holds most of it."""
    if config.preprocess not in ("resize_and_crop", "scale_width_and_crop"):
        return picture
    scale = config.crop_size / config.load_size
    height, width = (max(config.crop_size, round(length * scale)) for length in picture.shape[:2])
    return resize(picture, height, width)
