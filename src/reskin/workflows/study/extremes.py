"""The worst and the best images of a cell by each measure, with translations and, where known, the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reskin.data.folders import list_images
from reskin.errors import DataError, ReskinError
from reskin.evaluation.pictures import HeldOut, find_held_out, resized, square
from reskin.evaluation.request import Request
from reskin.evaluation.styles import in_one_style
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.pages.scores import digits, images_of
from reskin.pages.study import ExtremeRow, Tile
from reskin.storage import read_json, write_json
from reskin.types import Direction, Domain
from reskin.workflows.study.table import scores_of

COUNT, EDGE_PX = 3, 128
"""Worst and best images of each measure, and the edge at which they are shown."""

FILE = "extremes.json"


@dataclass(frozen=True)
class _Shown:
    """An image beside its translation and, where known, the truth, as one picture."""

    panels: tuple[str, ...]
    picture: Tensor


def write_extremes(
    folder: Path, model: Translator, request: Request, scores: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write extremes.json and a strip of pictures for each score that has values of single images.

    Args:
        folder: of the cell.
        model: that was measured.
        request: as it was measured.
        scores: of its last checkpoint, name to its fields.

    Raises:
        DataError: an image that was measured is there no more.
        StorageError: the disk refuses the write.
    """
    found: dict[str, Any] = {}
    shown: dict[tuple[str, str], _Shown] = {}
    readers = {direction: _Reader(model, direction, request) for direction in model.directions}
    for name, score in scores.items():
        chosen = extremes_of(score)
        direction = score.get("direction")
        if chosen is None or direction not in readers:
            continue
        images = [image for image, _ in (*chosen[0], *chosen[1])]
        for image in images:
            if (direction, image) not in shown:
                shown[direction, image] = readers[direction].show(image)
        pictures = [shown[direction, image] for image in images]
        if len({picture.panels for picture in pictures}) > 1:  # of some images the truth is not known
            pictures = [_Shown(each.panels[:2], each.picture[..., : 2 * EDGE_PX]) for each in pictures]
        write_image(folder / f"extremes-{name}.png", to_image(torch.cat([p.picture for p in pictures], 3))[0])
        found[name] = {"panels": pictures[0].panels, "worst": chosen[0], "best": chosen[1]}
    write_json(folder / FILE, found)


Values = list[tuple[str, float]]


def extremes_of(score: Mapping[str, Any]) -> tuple[Values, Values] | None:
    """The worst and best images of a score with their values, the extreme one first; None where single images
    have no values, or too few have."""
    values = sorted(images_of(score).items(), key=lambda pair: pair[1])
    if score.get("subject", "output") != "output" or len(values) < 2 * COUNT:
        return None
    low, high = values[:COUNT], values[: -COUNT - 1 : -1]
    return (high, low) if score.get("better") == "lower" else (low, high)


def extreme_rows(cells: Sequence[tuple[str, Path]]) -> list[ExtremeRow]:
    """What the page shows: of each row's cell the worst and best images by each measure.

    Where the pictures were never written, or are damaged, names and values stand alone.
    """
    rows = []
    for label, folder in cells:
        try:
            last = scores_of(read_json(folder / "cell.json"), "last")
        except ReskinError:
            continue
        for name, score in last.items():
            chosen = extremes_of(score)
            if chosen is None:
                continue
            panels, pictures = _pictures(folder, name, chosen)
            tiles = [
                Tile(image, digits(value), picture)
                for (image, value), picture in zip((*chosen[0], *chosen[1]), pictures, strict=True)
            ]
            rows.append(ExtremeRow(label, name, panels, tiles[:COUNT], tiles[COUNT:]))
    return rows


def _pictures(
    folder: Path, name: str, chosen: tuple[Values, Values]
) -> tuple[tuple[str, ...], list[Tensor | None]]:
    """Panels and pictures of the strip that belongs to these images; none where there is no such strip."""
    none: tuple[tuple[str, ...], list[Tensor | None]] = ((), [None] * (2 * COUNT))
    try:
        known = read_json(folder / FILE).get(name, {})
        images = [pair[0] for pair in (*known["worst"], *known["best"])]
        panels = tuple(str(panel) for panel in known["panels"])
        strip = to_tensor(read_image(folder / f"extremes-{name}.png"))
    except (ReskinError, KeyError, TypeError, IndexError, AttributeError):
        return none
    wanted = [image for image, _ in (*chosen[0], *chosen[1])]
    if images != wanted or strip.shape[3] != len(wanted) * len(panels) * strip.shape[2]:
        return none
    return panels, list(strip.split(len(panels) * strip.shape[2], dim=3))


class _Reader:
    """Shows images of one direction.

    Args:
        model: what translates.
        direction: of the translation.
        request: as it was measured.
    """

    def __init__(self, model: Translator, direction: Direction, request: Request) -> None:
        self.request = request
        self.folder = request.a if direction == "a2b" else request.b
        self.truth = request.truth_a2b if direction == "a2b" else request.truth_b2a
        domain: Domain = "b" if direction == "a2b" else "a"
        target = find_held_out(
            request.b if direction == "a2b" else request.a, domain, size=request.size, limit=1
        )
        one = in_one_style(model, direction, target, from_examples=request.style == "examples")
        self.engine = Engine(one, direction)

    def show(self, name: str) -> _Shown:
        """The image of this name, its translation, and the truth where it is known.

        Raises:
            DataError: it cannot be read any more.
        """
        path = self.folder / name
        try:
            image = to_tensor(resized(read_image(path), self.request.size))
            held_out = HeldOut([path], self.request.size, self._truths(path), self.folder)
            truth = held_out.read_truth(path)
        except ReskinError as error:
            raise DataError(f"a measured image cannot be shown: {error.what}", error.fix) from None
        made = self.engine.run(image.to(self.engine.compute.device)).float().clamp(-1, 1).cpu()
        parts = {"input": image, "output": made}
        if truth is not None:
            parts["truth"] = to_tensor(truth)
        squares = [square(each, EDGE_PX) for each in parts.values()]
        return _Shown(tuple(parts), torch.cat(squares, dim=3))

    def _truths(self, path: Path) -> dict[Path, Path]:
        if self.truth is None:
            return {}
        found = next((each for each in list_images(self.truth) if each.stem == path.stem), None)
        return {} if found is None else {path: found}
