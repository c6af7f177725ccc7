"""What is made of each picture besides its plain translation: several styles, masks saved, a mask obeyed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from reskin.errors import DataError, ImageError, SettingsError
from reskin.image_formats import IMAGE_SUFFIXES
from reskin.images import read_image, resize, to_tensor
from reskin.methods.masked import Masked
from reskin.methods.styled import Styled, styled
from reskin.methods.translator import Translator
from reskin.networks.padding import pad_to_multiple
from reskin.types import Direction

MASKS = "masks"
"""Folder, or ending of a file's name, of masks that were saved."""

SMALLEST_EXAMPLE_PX = 32
"""A style is not read from a picture with a shorter edge than this."""


@dataclass(frozen=True)
class Rendering:
    """What is made of each picture.

    Attributes:
        styles: (K, style_size), for a model with styles: each picture is made in each of them.
        saves_masks: also save where the look changes, for a model that has such masks.
        mask: a picture, or a folder with a picture of the same name for each source: the look changes where
            it is white, the source stays where it is black.
    """

    styles: Tensor | None = None
    saves_masks: bool = False
    mask: Path | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and not self.mask.exists():
            raise SettingsError(f"no mask {self.mask}", "Give a picture, or a folder of pictures.")

    @property
    def parts(self) -> tuple[str, ...]:
        """Where results of one picture go, in their order: "" is the place that was asked for."""
        count = 1 if self.styles is None else len(self.styles)
        looks = ("",) if count == 1 else tuple(f"style{number}" for number in range(1, count + 1))
        return (*looks, MASKS) if self.saves_masks else looks


def check_rendering(model: Translator, rendering: Rendering) -> None:
    """Refuse what the model cannot make.

    Raises:
        SettingsError: it has styles and none is given, or the reverse; or it has no masks.
    """
    if isinstance(model, Styled) and rendering.styles is None:
        raise SettingsError(
            "this model has many looks and none was chosen", "Add --styles COUNT or --style PICTURE."
        )
    if rendering.styles is not None and not isinstance(model, Styled):
        raise SettingsError(
            "this model has no styles: each picture has one translation",
            "Leave --styles and --style out, or train a method with styles such as munit.",
        )
    if rendering.saves_masks and not isinstance(model, Masked):
        raise SettingsError(
            "this model makes no masks", "Leave --save-masks out, or train a method with masks: attentiongan."
        )


def read_mask(mask: Path, relative: Path, height: int, width: int) -> NDArray[np.float32]:
    """How much of the new look each pixel takes, (H, W), 0 to 1.

    Args:
        mask: a picture for all sources, or a folder with one for each.
        relative: the source's name within its folder; the mask's ending may be another.
        height: of the source, px; a mask of another size is resized.
        width: of the source, px.

    Raises:
        DataError: the folder has no mask for this source.
        ImageError: the mask cannot be read.
    """
    path = mask if mask.is_file() else _mask_of(mask, relative)
    grey = Image.fromarray(read_image(path)).convert("L")
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey, np.float32) / np.float32(255)


def _mask_of(folder: Path, relative: Path) -> Path:
    near = folder / relative
    for path in (near, *(near.with_suffix(suffix) for suffix in sorted(IMAGE_SUFFIXES))):
        if path.is_file():
            return path
    raise DataError(
        f"{folder} has no mask for {relative}", f"Put a picture {near.with_suffix('.png')} there."
    )


def blend(
    source: NDArray[np.uint8], translated: NDArray[np.uint8], mask: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The new look where the mask is 1, the source itself where it is 0.

    Args:
        source: uint8, (..., H, W, 3).
        translated: the same shape and type.
        mask: (H, W), 0 to 1.

    >>> one, two = np.zeros((1, 2, 3), np.uint8), np.full((1, 2, 3), 200, np.uint8)
    >>> blend(one, two, np.array([[0.0, 0.5]], np.float32))[0, :, 0].tolist()
    [0, 100]
    """
    share = mask[..., None]
    return np.rint(share * translated + (1 - share) * source).astype(np.uint8)


def example_style(model: Translator, path: Path, direction: Direction, *, size: int | None = None) -> Tensor:
    """The style of one example picture, (style_size,).

    Args:
        model: one that has styles.
        path: a picture of the domain that `direction` leads to.
        direction: of the translation.
        size: bring the picture's shorter edge to this first, in px: a style is read best at the size that the
            model learnt at.

    Raises:
        SettingsError: the model has no styles.
        ImageError: the picture cannot be read or is smaller than 32 px.
    """
    chosen = styled(model)
    image = read_image(path)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_EXAMPLE_PX:
        raise ImageError(
            f"{path} is only {width}x{height} px",
            f"Give a larger example: {SMALLEST_EXAMPLE_PX} px or more in height and width.",
        )
    if size is not None:
        scale = size / min(height, width)
        image = resize(image, max(size, round(height * scale)), max(size, round(width * scale)))
    device = next(model.parameters()).device
    pictures = pad_to_multiple(to_tensor(image).to(device), model.size_multiple)
    with torch.inference_mode():
        return chosen.encode_style(pictures, direction)[0]
