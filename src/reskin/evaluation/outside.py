"""Generalisation: images of neither domain, translated, measured against both, and shown.

The test of the Game of Thrones report, which translated libraries and a campus: a model that only learnt its
two domains by heart does something else with a third. How far the images are from both domains is the sliced
Wasserstein distance of small patches, beside the distance of the two domains from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reskin.data.folders import list_images
from reskin.errors import DataError, ImageError
from reskin.evaluation.pictures import find_held_out, resized, square
from reskin.evaluation.request import Request
from reskin.evaluation.scores import Score
from reskin.evaluation.styles import in_one_style
from reskin.images import Picture, read_image, to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.metrics.cycle import round_to_8_bits
from reskin.metrics.patch_swd import patch_distance, patches_of
from reskin.pages.outside import GridRows, outside_page
from reskin.pages.shell import write_page
from reskin.spread import spread_ends

EDGE_PX = 144
"""Shorter edge at which images are compared: what people see of a look, and no single pixels."""

SHOWN_PX, MOST_SHOWN, MOST_IMAGES = 256, 16, 100


@dataclass(frozen=True)
class Outside:
    """What became of images from outside.

    Attributes:
        folder: that they lie in.
        scores: name to score: how far inputs and outputs are from both domains.
        rows: what the page shows: titles to images of one size, (N, 3, H, W) in [-1, 1].
        left_out: files that could not be read.
    """

    folder: Path
    scores: dict[str, Score]
    rows: GridRows
    left_out: tuple[str, ...]


def evaluate_outside(model: Translator, folder: Path, request: Request) -> Outside:
    """Translate images of neither domain in every direction of a model, and measure them.

    Args:
        model: what translates.
        folder: of the images; at most `MOST_IMAGES` are taken, evenly spread.
        request: the domains to compare with, and the size that images are brought to.

    Raises:
        DataError: no readable image.
    """
    images, left_out = _read(folder, request.size)
    domains = {
        "a": find_held_out(request.a, "a", size=request.size, limit=request.max_images),
        "b": find_held_out(request.b, "b", size=request.size, limit=request.max_images),
    }
    real = {domain: patches_of([_small(image) for image in found]) for domain, found in domains.items()}
    apart = patch_distance(real["a"], real["b"]).mean
    inputs = patches_of([_small(image) for image in images])
    scores = {
        f"outside_input_to_{domain}": _score(patch_distance(inputs, patches).mean, len(images), apart)
        for domain, patches in real.items()
    }
    shown = [images[index] for index in spread_ends(len(images), min(MOST_SHOWN, len(images)))]
    edge = min(SHOWN_PX, *(min(image.shape[:2]) for image in shown))
    rows = {"outside": torch.cat([square(to_tensor(image), edge) for image in shown])}
    for direction in model.directions:
        target = direction[-1]
        one = in_one_style(model, direction, domains[target], from_examples=request.style == "examples")
        engine = Engine(one, direction)
        made = [_translated(engine, image) for image in images]
        found = patches_of([_small(image) for image in made])
        for domain, patches in real.items():
            distance = patch_distance(found, patches).mean
            scores[f"outside_{direction}_to_{domain}"] = _score(distance, len(made), apart)
        chosen = [made[index] for index in spread_ends(len(made), len(shown))]
        rows[f"outside → {target.upper()}"] = torch.cat([square(to_tensor(each), edge) for each in chosen])
    return Outside(folder, scores, rows, tuple(left_out))


def write_outside(out: Path, found: Outside) -> Path:
    """Write the page of `evaluate_outside`.

    Raises:
        StorageError: the disk refuses the write.
    """
    rows = [
        (name.replace("_", " "), f"{score.value:.2f}", str(score.count), score.note)
        for name, score in found.scores.items()
    ]
    page = outside_page(found.folder.name, found.rows, rows, found.left_out)
    return write_page(out, page)


def _read(folder: Path, size: int | None) -> tuple[list[Picture], list[str]]:
    paths, images, left_out = list_images(folder), [], []
    for index in spread_ends(len(paths), min(MOST_IMAGES, len(paths))) if paths else ():
        try:
            images.append(resized(read_image(paths[index]), size))
        except ImageError as error:
            left_out.append(str(error))
    if not images:
        raise DataError(f"no readable image in {folder}", "Give --outside a folder of images.")
    return images, left_out


def _translated(engine: Engine, image: Picture) -> Picture:
    made = engine.run(to_tensor(image).to(engine.compute.device)).clamp(-1, 1)
    return to_image(round_to_8_bits(made).cpu())[0]


def _small(image: Picture) -> Tensor:
    return to_tensor(resized(image, min(EDGE_PX, *image.shape[:2])))


def _score(value: float, count: int, apart: float) -> Score:
    note = f"levels of 255, patches of 5 px at {EDGE_PX} px; the two domains are {apart:.2f} apart"
    return Score(value, "lower", count, note, metric="patch_swd")
