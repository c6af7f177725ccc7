"""Grids of images for a page: rows of the same images, any row compared with its original."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor, cat

from reskin.images import to_image
from reskin.pages.media import EmbeddedGrid, data_url
from reskin.runs.record import SampleGrid

GridRows = Mapping[str, Tensor]
"""Title to images (N, 3, H, W) in [-1, 1], all of one size. "X → name" is compared with the row "X"."""


def embed_rows(rows: GridRows) -> EmbeddedGrid:
    """A grid of rows as a page's template `samples.html` shows it."""
    strips = [cat(list(images), dim=2)[None] for images in rows.values()]
    picture = to_image(cat(strips, dim=2))[0]
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "WEBP", quality=90, method=2)
    columns = len(next(iter(rows.values())))
    grid = SampleGrid(0, Path(), list(rows), columns)
    return EmbeddedGrid(grid, data_url("image/webp", data.getvalue()), (picture.shape[1], picture.shape[0]))


TextRows = Sequence[Sequence[str]]
"""Cells of a table, row by row."""
