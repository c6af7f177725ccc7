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
from reskin.images import Picture, picture_size, read_image, resize, to_tensor
from reskin.methods.masked import Masked
from reskin.methods.styled import Styled, styled
from reskin.methods.translator import Translator
from reskin.networks.padding import pad_to_multiple
from reskin.types import Direction

MASKS = "masks"
"""Folder, or ending of a file's name, of masks that were saved."""

FEATHER_SHARE, MOST_FEATHER_PX = 0.01, 1000
"""Usual width of the soft edge of a mask, as a share of the shorter edge of the picture; and the largest,
px."""

SMALLEST_EXAMPLE_PX = 32
"""A style is not read from a picture with a shorter edge than this."""


@dataclass(frozen=True)
class Rendering:
    """What is made of each picture.

    Attributes:
        styles: (K, style_size), for a model with styles: each picture is made in each of them.
        saves_masks: also save where the look changes, for a model that has such masks.
        mask: a picture, or a folder with a picture of the same name for each source; for a film also a video
            or a folder with a picture for each frame. The look changes where it is white, the source stays
            where it is black.
        feather: width in px over which the change sets in from the edge of the white inwards; None for 1 %
            of the shorter edge, 0 for none.
    """

    styles: Tensor | None = None
    saves_masks: bool = False
    mask: Path | None = None
    feather: float | None = None

    def __post_init__(self) -> None:
        if self.feather is not None and self.mask is None:
            raise SettingsError("--feather without --mask", "Add --mask, or leave it out.")
        if self.feather is not None and not 0 <= self.feather <= MOST_FEATHER_PX:
            raise SettingsError(f"--feather {self.feather:g}", f"Give 0 to {MOST_FEATHER_PX} px.")
        if self.mask is not None and not self.mask.exists():
            raise SettingsError(f"no mask {self.mask}", "Give a picture, a folder of pictures or a video.")

    @property
    def parts(self) -> tuple[str, ...]:
        """Where results of one picture go, in their order: "" is the position that was asked for."""
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


def check_single_look(rendering: Rendering) -> None:
    """Refuse what would make several videos of one (SettingsError)."""
    if rendering.parts != ("",):
        raise SettingsError(
            "a video is made in one style, without masks",
            "Give --styles 1 or one --style and no --save-masks, or translate its frames as pictures.",
        )


def read_mask(rendering: Rendering, relative: Path) -> NDArray[np.float32]:
    """How much of the new look each pixel of a picture takes, (H, W), 0 to 1.

    Args:
        rendering: has a mask.
        relative: the source's name within its folder; the mask's ending may be another.

    Raises:
        DataError: the folder has no mask for this source.
        ImageError: the mask cannot be read.
    """
    mask = grey_mask(read_image(mask_path(rendering, relative)))
    return feathered(mask, rendering.feather).astype(np.float32) / np.float32(255)


def mask_path(rendering: Rendering, relative: Path) -> Path:
    """The file of the mask of a picture; see `read_mask`.

    Raises:
        DataError: the folder has no mask for this source.
    """
    mask = rendering.mask
    assert mask is not None, "asked for where a mask is given"
    return _mask_of(mask, relative) if mask.is_dir() else mask


def check_mask(path: Path, size: tuple[int, int], source: Path) -> None:
    """Refuse a mask that is not of the size of its source, (width, height).

    Raises:
        SettingsError: it is not.
        ImageError: it cannot be read.
    """
    found = picture_size(path)
    if found != size:
        raise SettingsError(
            f"the mask {path} has {found[0]}x{found[1]} px, {source} has {size[0]}x{size[1]}",
            "Make the mask in the size of what it belongs to.",
        )


def grey_mask(picture: Picture) -> NDArray[np.uint8]:
    """The light of a picture as a mask, (H, W), 0 to 255."""
    return np.asarray(Image.fromarray(picture).convert("L"), np.uint8)


def feathered(mask: NDArray[np.uint8], feather: float | None) -> NDArray[np.uint8]:
    """A mask whose white sets in softly; what is black stays black.

    Args:
        mask: (H, W), uint8.
        feather: see `Rendering`.

    >>> feathered(np.array([[0, 255, 255, 255]], np.uint8), 2)[0].tolist()
    [0, 85, 170, 255]
    """
    import cv2

    width = max(1.0, FEATHER_SHARE * min(mask.shape)) if feather is None else feather
    inside = (mask > 0).astype(np.uint8)
    if width == 0 or inside.all() or not inside.any():
        return mask
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.rint(mask * np.minimum(depth / (width + 1), 1)).astype(np.uint8)


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


def towards(source: NDArray[np.uint8], made: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    """The picture that lies `strength` of the way from one to the other; `made` itself for 1.

    >>> towards(np.full((1, 1, 3), 100, np.uint8), np.full((1, 1, 3), 200, np.uint8), 0.25)[0, 0].tolist()
    [125, 125, 125]
    """
    import cv2

    if strength == 1:
        return made
    return np.asarray(cv2.addWeighted(made, strength, source, 1 - strength, 0), np.uint8)


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
