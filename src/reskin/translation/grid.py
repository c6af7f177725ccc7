"""A table of pictures: every content in every style, with the contents on the left and the styles on top."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.images import read_image, resize, write_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.methods.translator import Translator
from reskin.progress import Report
from reskin.translation.targets import check_target
from reskin.types import Direction

MOST_PIXELS = 300_000_000
"""A larger table is refused: it takes 3 bytes a pixel in memory and most viewers do not open it."""

_STYLES_AT_ONCE = 8
_GAP_PX = 6
_LINE_PX = 26
_GREY = (110, 110, 110)


def style_grid(  # noqa: PLR0913 - each is a choice of the caller
    model: Translator,
    contents: Sequence[Path],
    examples: Sequence[Path | str],
    styles: Tensor,
    *,
    out: Path,
    direction: Direction = "a2b",
    size: int = 256,
    compute: Compute | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> None:
    """Write the table of `contents` in `styles` as one picture. Each row is made on its own.

    Args:
        model: one that has styles.
        contents: pictures of the domain that the direction starts from, one for each row.
        examples: what stands above each column: the example picture that the style is of, or a few words.
        styles: (K, style_size), one for each of `examples`.
        out: the picture to write.
        direction: one of the model's.
        size: of a cell, px; pictures are scaled to fit into it.
        compute: where and how.
        overwrite: replace `out` if it is there.
        report: called with how many of how many rows are made.

    Raises:
        SettingsError: no contents, not one example for each style, the table would be too large, or `out` is
            there already or one of its pictures.
        ImageError: a picture cannot be read.
    """
    if not contents:
        raise SettingsError("no content pictures are given", "Add --content with one or more.")
    if len(examples) != len(styles):
        raise SettingsError(f"{len(examples)} headings for {len(styles)} styles", "Give one for each style.")
    for source in [*contents, *(example for example in examples if not isinstance(example, str))]:
        check_target(source, out, overwrite=overwrite)
    columns, rows = len(styles) + 1, len(contents) + 1
    cell = size + _GAP_PX
    width, height = columns * cell + _GAP_PX, rows * cell + _GAP_PX + _LINE_PX
    if width * height > MOST_PIXELS:
        raise SettingsError(
            f"the table would be {width}x{height} px ({3 * width * height / 1e9:.1f} GB in memory)",
            "Use a smaller --size, or make several tables of fewer pictures.",
        )
    sheet = Image.new("RGB", (width, height), "white")
    for column, example in enumerate(examples, 1):
        corner = (_GAP_PX + column * cell, _LINE_PX + _GAP_PX)
        _put(sheet, example if isinstance(example, str) else read_image(example), corner, size)
    _write_headings(sheet, cell)
    engines = [
        Engine(model, direction, compute, Rendering(part)) for part in torch.split(styles, _STYLES_AT_ONCE)
    ]
    for row, path in enumerate(contents, 1):
        content = fitted(read_image(path), size)
        looks = [look for engine in engines for look in engine.translate_parts(content[None])[:, 0]]
        for column, image in enumerate([content, *looks]):
            _put(sheet, image, (_GAP_PX + column * cell, _LINE_PX + _GAP_PX + row * cell), size)
        if report is not None:
            report(row, len(contents))
    write_image(out, np.asarray(sheet))


def fitted(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The picture scaled so that its longer edge is `size` px.

    >>> fitted(np.zeros((50, 100, 3), np.uint8), 40).shape
    (20, 40, 3)
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    return resize(image, max(1, round(height * scale)), max(1, round(width * scale)))


def _put(sheet: Image.Image, content: NDArray[np.uint8] | str, corner: tuple[int, int], size: int) -> None:
    """A picture, or a few words, in the middle of a cell."""
    left, top = corner
    if isinstance(content, str):
        font = ImageFont.load_default(size=max(10, size // 12))
        middle = (left + size // 2, top + size // 2)
        ImageDraw.Draw(sheet).text(middle, content, fill=_GREY, anchor="mm", font=font)
        return
    image = Image.fromarray(fitted(content, size))
    sheet.paste(image, (left + (size - image.width) // 2, top + (size - image.height) // 2))


def _write_headings(sheet: Image.Image, cell: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=16)
    draw.text((_GAP_PX, _GAP_PX), "content", fill=_GREY, font=font)
    draw.text((_GAP_PX + cell, _GAP_PX), "style", fill=_GREY, font=font)
