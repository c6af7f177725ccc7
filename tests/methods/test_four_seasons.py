"""MUNIT and UNIT on drawn streets: A is a game, B a film shot in four seasons, whose truth is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from reskin.images import to_image, to_tensor
from reskin.methods.base import Method
from reskin.methods.munit import MUNIT, MUNITConfig
from reskin.methods.unit import UNIT, UNITConfig
from reskin.parsing import parse
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.training.loop import seed_step
from reskin.types import Batch, Step
from reskin.worlds.footage import SEASONS, Footage, Season
from reskin.worlds.seasons import season_distances

SIDE, FRAMES, TESTS = 48, 240, 12
NEAR = 52.0
"""An output farther from every truth, in levels of 255, is in no season; the untouched game is 56 from its
nearest, and two seasons are 40 to 90 apart."""

Truths = list[Mapping[Season, np.ndarray]]


@pytest.fixture(scope="module")
def sides() -> tuple[Tensor, Tensor]:
    """Game frames and film frames in all seasons, (240, 3, 48, 48) each; no scene is in both."""
    size = (SIDE, SIDE)
    game = Footage("game", seed=31, frames=FRAMES, size=size, scene_frames=1)
    film = Footage("film", seed=32, frames=FRAMES, size=size, scene_frames=1, seasons=SEASONS)
    a, b = (torch.cat([to_tensor(frame.image) for frame in footage]) for footage in (game, film))
    return a, b


@pytest.fixture(scope="module")
def contents() -> tuple[Tensor, Truths]:
    """Game frames that were not learnt from, and their truth in every season."""
    test = Footage("game", seed=33, frames=TESTS, size=(SIDE, SIDE), scene_frames=1)
    images = torch.cat([to_tensor(frame.image) for frame in test])
    return images, [test.in_seasons(index) for index in range(TESTS)]


def learn(method: Method, sides: tuple[Tensor, Tensor], steps: int) -> None:
    """Teach with batches of four, the rate falling over the second half; end in the mean of the weights."""
    ema, source = Ema(method, 0.99), torch.Generator().manual_seed(0)
    for step in range(1, steps + 1):
        a, b = (side[torch.randint(FRAMES, (4,), generator=source)] for side in sides)
        if step % 2:
            a, b = a.flip(3), b.flip(3)
        seed_step(0, step, 0)
        set_learning_rate(method, min(1.0, 2 * (1 - step / (steps + 1))))
        method.training_step(Batch(a, b), Step(step, steps))
        ema.update(step)
    ema.swap()
    method.eval()


def seasons(outputs: Tensor, truths: Truths, *, near: float = NEAR) -> list[Season | None]:
    """The season of the truth that each output is nearest to; None where it is near none."""
    found: list[Season | None] = []
    for image, truth in zip(to_image(outputs), truths, strict=True):
        distances = season_distances(image, truth)
        nearest = min(distances, key=distances.__getitem__)
        found.append(nearest if distances[nearest] < near else None)
    return found


def distance(outputs: Tensor, truths: Truths) -> float:
    """Mean distance of the outputs to the truth each is nearest to, in levels of 255."""
    pairs = zip(to_image(outputs), truths, strict=True)
    return float(np.mean([min(season_distances(image, truth).values()) for image, truth in pairs]))


@pytest.mark.slow
@torch.no_grad()
def test_munit_reaches_several_seasons_and_that_of_an_example(
    sides: tuple[Tensor, Tensor], contents: tuple[Tensor, Truths]
) -> None:
    seed_step(0, 0, 0)
    small = {"width": 16, "blocks": 2, "mlp_width": 64, "disc_width": 32, "disc_layers": 3, "scales": 2}
    weights = {"cycle_weight": 10.0, "adversarial_weight": 4.0, "style_weight": 4.0, "style_size": 3}
    method = MUNIT(parse(MUNITConfig, small | weights | {"learning_rate": 1e-3}))
    with torch.enable_grad():
        learn(method, sides, 540)
    images, truths = contents

    styles = method.sample_styles(8, seed=1)
    outputs = method.translate_styles(images, "a2b", styles)
    counts = Counter(season for of_style in outputs for season in seasons(of_style, truths))
    shares = {season: counts[season] / (len(styles) * TESTS) for season in SEASONS}
    assert sum(share > 0.05 for share in shares.values()) >= 3, shares
    assert sum(shares.values()) > 0.4, shares
    assert (outputs - outputs.mean(dim=0)).abs().mean() > 0.1, "styles differ"

    film = Footage("film", seed=34, frames=8, size=(SIDE, SIDE), scene_frames=1, seasons=SEASONS)
    hits = 0
    for frame in film:
        (style,) = method.encode_style(to_tensor(frame.image), "a2b")
        found = seasons(method.translate(images, "a2b", style), truths)
        hits += sum(season == frame.season for season in found)
    assert hits > 0.9 * TESTS * len(film)


@pytest.mark.slow
@torch.no_grad()
def test_unit_has_one_look(sides: tuple[Tensor, Tensor], contents: tuple[Tensor, Truths]) -> None:
    seed_step(0, 0, 0)
    small = {"width": 24, "blocks": 3, "disc_width": 32, "disc_layers": 3}
    weights = {"adversarial": "lsgan", "adversarial_weight": 60.0, "learning_rate": 2e-3}
    method = UNIT(parse(UNITConfig, small | weights))
    with torch.enable_grad():
        learn(method, sides, 240)
    images, truths = contents
    outputs = method.translate(images, "a2b")
    assert outputs.equal(method.translate(images, "a2b")), "the same again and again"
    ((_, count),) = Counter(seasons(outputs, truths, near=math.inf)).most_common(1)
    assert count > 0.8 * TESTS, "each is nearest to the same season"
    assert distance(outputs, truths) < 0.95 * distance(images, truths), "and nearer to it than the input"
