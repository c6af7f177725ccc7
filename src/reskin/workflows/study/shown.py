"""The same held-out images in every row's translation, for the grid of a study's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reskin.errors import ReskinError
from reskin.evaluation.pictures import find_held_out, square
from reskin.evaluation.request import Request
from reskin.evaluation.styles import in_one_style
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.types import Direction

COUNT, EDGE_PX = 6, 192

_DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


def write_shown(folder: Path, model: Translator, request: Request) -> None:
    """Write a strip of translations for each direction of a model: shown-a2b.png, shown-b2a.png.

    Raises:
        DataError: no readable image.
        StorageError: the disk refuses the write.
    """
    for direction in model.directions:
        source = find_held_out(
            request.a if direction == "a2b" else request.b,
            "a" if direction == "a2b" else "b",
            size=request.size,
            limit=COUNT,
        )
        target = find_held_out(
            request.b if direction == "a2b" else request.a,
            "b" if direction == "a2b" else "a",
            size=request.size,
            limit=COUNT,
        )
        one = in_one_style(model, direction, target, from_examples=request.style == "examples")
        engine = Engine(one, direction)
        images = [to_tensor(image) for image in source]
        made = [engine.run(image.to(engine.compute.device)).float().clamp(-1, 1).cpu() for image in images]
        _write_strip(folder / f"shown-{direction}.png", made)
        _write_strip(folder / f"input-{direction}.png", images)


def shown_rows(cells: Sequence[tuple[str, Path]]) -> dict[str, dict[str, Tensor]]:
    """By direction: title to images (N, 3, H, W), the input first, then each row that is there.

    Args:
        cells: label and folder of one cell of each row.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for direction in _DIRECTIONS:
        source = direction[0].upper()
        rows: dict[str, Tensor] = {}
        for label, folder in cells:
            images = _read_strip(folder / f"input-{direction}.png")
            made = _read_strip(folder / f"shown-{direction}.png")
            if images is None or made is None:
                continue
            rows.setdefault(source, images)
            if made.shape == rows[source].shape:
                rows[f"{source} → {label}"] = made
        if rows:
            found[direction] = rows
    return found


def _write_strip(path: Path, images: Sequence[Tensor]) -> None:
    edge = min(EDGE_PX, *(min(image.shape[-2:]) for image in images))
    strip = torch.cat([square(image, edge) for image in images], dim=3)
    write_image(path, to_image(strip)[0])


def _read_strip(path: Path) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        strip = to_tensor(read_image(path))
    except ReskinError:
        return None
    edge = strip.shape[2]
    return torch.cat(list(strip.split(edge, dim=3))) if strip.shape[3] % edge == 0 else None
