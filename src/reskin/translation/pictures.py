"""One picture through a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.device import Compute
from reskin.errors import ShapeError
from reskin.images import read_image_alpha, write_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering, check_mask, mask_path, read_mask
from reskin.methods.translator import Translator
from reskin.translation.targets import check_target, part_of
from reskin.types import Direction


def translate_array(
    model: Translator, image: NDArray[np.uint8], direction: Direction, compute: Compute | None = None
) -> NDArray[np.uint8]:
    """A picture in memory in the look of the other domain, at its own size.

    Args:
        model: any translator.
        image: RGB, uint8, (H, W, 3), any H and W from 1.
        direction: one of the model's.
        compute: where and how; by default the model's own device in the precision that is fast there.

    Returns:
        RGB, uint8, (H, W, 3).

    Raises:
        SettingsError: the model does not translate this way.
        ImageError: the picture does not fit the device's memory.
        ShapeError: `image` has another shape or type.
        NotFiniteError: the model gave NaN or infinite values.

    >>> class Negative(Translator):
    ...     def translate(self, images, direction):
    ...         return -images
    >>> translate_array(Negative(), np.zeros((1, 1, 3), np.uint8), "a2b").tolist()
    [[[255, 255, 255]]]
    """
    if image.ndim != 3:
        raise ShapeError(f"a picture must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    return Engine(model, direction, compute).translate(image[None])[0]


def translate_image(
    model: Translator,
    path: Path | str,
    direction: Direction,
    *,
    out: Path | str | None = None,
    compute: Compute | None = None,
    rendering: Rendering | None = None,
    overwrite: bool = False,
) -> Image.Image:
    """A picture file in the look of the other domain: upright, at its own size, its transparency kept.

    Args:
        model: any translator.
        path: the picture.
        direction: one of the model's.
        out: also write it there, in the format of the name's ending; no metadata is carried over.
        compute: where and how; by default the model's own device in the precision that is fast there.
        rendering: styles and masks. Of several pictures the first is returned and each is written, as
            out-style1.png, out-style2.png and so on, a mask as out-masks.png.
        overwrite: replace `out` if it is there.

    Returns:
        The picture before `out` is compressed, RGB, or RGBA where the source has transparency.

    Raises:
        ImageError: the source cannot be read or does not fit the memory, or `out` cannot hold it (a .jpg no
            transparency).
        SettingsError: `out` is the source, or is there already; or the model does not translate this way.
        StorageError: the disk refuses the write.
    """
    engine = Engine(model, direction, compute, rendering)
    targets = [part_of(Path(out), part) for part in engine.rendering.parts] if out is not None else []
    for target in targets:
        check_target(Path(path), target, overwrite=overwrite)
    image, alpha = read_image_alpha(path)
    mask = mask_for(engine.rendering, Path(path), image)
    made = engine.translate_parts(image[None], mask)[:, 0]
    for target, part in zip(targets, made, strict=bool(targets)):
        write_image(target, part, alpha=alpha)
    translated = made[0]
    return Image.fromarray(translated if alpha is None else np.dstack([translated, alpha]))


def mask_for(rendering: Rendering, path: Path, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """How much of a picture changes, (H, W), 0 to 1; None where the rendering has no mask.

    Args:
        rendering: may have a mask.
        path: the picture's file.
        image: (H, W, 3).

    Raises:
        SettingsError: the mask is not of the picture's size.
        DataError: the folder of masks has none for this picture.
        ImageError: the mask cannot be read.
    """
    if rendering.mask is None:
        return None
    name = Path(path.name)
    height, width = image.shape[:2]
    check_mask(mask_path(rendering, name), (width, height), path)
    return read_mask(rendering, name)
