"""Stimuli of a study: all encoded alike and of one size in bytes, so that nothing but the picture differs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from reskin.images import Picture
from reskin.storage import commit

LONGEST_EDGE = 720
SQUARE = 512
QUALITY = 92
_BLOCKS = 4
_BOX_BYTES = 8


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """The middle of a picture in the shape of `size`, (width, height) px, resized to it.

    Args:
        picture: RGB, uint8, (H, W, 3).
        size: of the result.
    """
    height, width = picture.shape[:2]
    scale = min(width / size[0], height / size[1])
    inner = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    cut = np.ascontiguousarray(picture[top : top + inner[1], left : left + inner[0]])
    how = cv2.INTER_AREA if scale >= 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, size, interpolation=how), dtype=np.uint8)


def common_size(shapes: Sequence[tuple[int, int]], *, is_square: bool) -> tuple[int, int]:
    """(width, height) px of all stimuli: square, or as the first, with even edges and at most 720 px long.

    Args:
        shapes: (height, width) of every picture.
        is_square: for pictures from several sources, whose shapes would tell them apart.
    """
    if is_square:
        side = min(SQUARE, *(min(shape) for shape in shapes))
        return side, side
    height, width = shapes[0]
    scale = min(1.0, LONGEST_EDGE / max(height, width))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def broken(picture: Picture, seed: int) -> Picture:
    """An obvious fake: blocks of the picture in another order, with colours inverted in half of them."""
    made = picture.copy()
    height, width = (edge // _BLOCKS for edge in picture.shape[:2])
    order = np.random.default_rng(seed).permutation(_BLOCKS * _BLOCKS)
    for target, source in enumerate(order):
        row, column = divmod(target, _BLOCKS)
        from_row, from_column = divmod(int(source), _BLOCKS)
        block = picture[
            from_row * height : (from_row + 1) * height, from_column * width : (from_column + 1) * width
        ]
        made[row * height : (row + 1) * height, column * width : (column + 1) * width] = (
            255 - block if target % 2 else block
        )
    return made


def write_picture(path: Path, picture: Picture) -> None:
    """Write a JPEG of quality 92 without subsampling of colours and without metadata.

    Raises:
        StorageError: the disk refuses the write.
    """
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=QUALITY, subsampling=0)
    with commit(path) as temporary:
        temporary.write_bytes(content.getvalue())


def common_bytes(paths: Sequence[Path]) -> int:
    """The size to bring all of these files to: where they differ, a box more than the largest."""
    sizes = {path.stat().st_size for path in paths}
    return max(sizes) + (_BOX_BYTES if len(sizes) > 1 else 0)


def can_pad(paths: Sequence[Path], size: int) -> bool:
    """Whether `size` bytes is what these files, some of them padded already, are to be brought to."""
    rests = [size - path.stat().st_size for path in paths]
    return min(rests) in (0, _BOX_BYTES) and all(rest == 0 or rest >= _BOX_BYTES for rest in rests)


def pad_alike(paths: Sequence[Path], size: int) -> None:
    """Bring all files to `size` bytes, see `common_bytes`, with what decoders pass over.

    JPEG: zeros after the end of the picture. MP4: a `free` box (ISO/IEC 14496-12, 8.1.2) at the end, of at
    least its own 8 bytes.

    Raises:
        StorageError: the disk refuses a write.
    """
    for path in paths:
        rest = size - path.stat().st_size
        if not rest:
            continue
        filling = bytes(rest)
        if path.suffix == ".mp4":
            filling = rest.to_bytes(4, "big") + b"free" + bytes(rest - _BOX_BYTES)
        with commit(path) as temporary:
            temporary.write_bytes(path.read_bytes() + filling)
