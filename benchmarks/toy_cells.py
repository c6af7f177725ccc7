"""What `make toy-table` trains: drawn worlds, the settings of each method, and one cell of the table.

A cell is a method with one seed and one budget (steps, or seconds of CPU time). What is measured of it is
kept in build/toy under a digest of its settings and of the code that its method imports, so that a table that
was stopped goes on, and a changed method is trained again.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from benchmarks.reach import PACKAGE, reach
from safetensors.torch import load_file
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from reskin.device import choose_compute
from reskin.images import Picture, to_image, write_image
from reskin.inference.engine import Engine
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics.psnr import psnr
from reskin.metrics.ssim import ssim
from reskin.parsing import parse
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.storage import commit, file_digest, read_json, write_json
from reskin.training.loop import PlainStep, seed_step
from reskin.training.pretrained import load_features
from reskin.types import Batch, Step
from reskin.worlds.footage import Footage

FOLDER = Path("build/toy")
EDGE, TRAINING_FRAMES, VALIDATION_FRAMES, TEST_FRAMES, BATCH = 64, 480, 24, 40, 4
EMA_DECAY, EXAMPLES = 0.99, 16
SHOWN = (0, 7, 14, 21, 28, 35)
SEARCH_SEED = 100
"""Of the trials by which settings are chosen; no cell of the table has it."""

SMALL = {
    "width": 16,
    "disc_width": 16,
    "style_width": 16,
    "mlp_width": 64,
    "blocks": 3,
    "downsamplings": 6,
    "scales": 2,
    "picture_size": EDGE,
    "ssim_scales": 3,
    "feature_size": EDGE,
}
"""Small values for settings of these names, whichever method has them."""
OWN: dict[str, dict[str, Any]] = {
    "cogan": {"inversion_steps": 60, "restarts": 2},
    "fast_style": {
        "feature_convention": "normalised",
        "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
        "content_layer": "relu3_1",
        "content_weight": 1.0,
        "style_weight": 3e3,
    },
    "feature_gan": {"feature_layer": "relu3_1"},
}
"""Settings of one method only: what its weights or its search allow here."""

RATES = (2e-4, 5e-4)
MORE_RATES = (2e-4, 5e-4, 1e-3, 5e-3)
"""For a method whose discriminator has no field to choose, so that each method has four trials."""
FIELDS: dict[str, dict[int, str]] = {
    "munit": {3: "22 and 44", 4: "46 and 92"},
    "unit": {4: "31", 5: "63"},
    "grade": {2: "34", 3: "70"},
}
"""Layers of a discriminator to the receptive field of a logit, px; 2 and 3 of a patch discriminator are 34
and 70 px."""
PATCH_FIELDS = {2: "34", 3: "70"}

Kind = Literal["steps", "seconds"]


@dataclass(frozen=True)
class Budget:
    """How long a cell learns.

    Attributes:
        kind: what is counted: steps, or seconds of CPU time of one thread.
        amount: of them.
    """

    kind: Kind
    amount: float

    def share(self, step: int, began: float) -> float:
        """How much of it is over before the step after `step`; `began` as `time.process_time` gave it."""
        spent = step if self.kind == "steps" else time.process_time() - began
        return spent / self.amount


@functools.cache
def world(split: str) -> dict[str, Tensor]:
    """Drawn frames in [-1, 1], each of another scene, and none of these in two splits.

    Args:
        split: "train", "val" or "test".

    Returns:
        "a", "b": frames of the film and of the game, (N, 3, H, W); "truth": the film's frames as game.
    """
    path = FOLDER / f"world-{split}.safetensors"
    if not path.is_file():
        with commit(path) as temporary:
            temporary.write_bytes(tensor_bytes(draw(split)))
    return {name: frames.float() / 127.5 - 1 for name, frames in load_file(path).items()}


def draw(split: str) -> dict[str, Tensor]:
    """The frames of a split as `world` has them, in levels of 255."""
    number, count = {
        "train": (11, TRAINING_FRAMES),
        "val": (31, VALIDATION_FRAMES),
        "test": (21, TEST_FRAMES),
    }[split]
    found: dict[str, list[Picture]] = {"a": [], "b": [], "truth": []}
    film = Footage("film", seed=number, frames=count, size=(EDGE, EDGE), scene_frames=1)
    game = Footage("game", seed=number + 1, frames=count, size=(EDGE, EDGE), scene_frames=1)
    for index in range(count):
        frame = film.frame(index)
        found["a"].append(frame.image)
        found["truth"].append(frame.other)
        found["b"].append(game.frame(index).image)
    return {
        name: torch.from_numpy(np.stack(frames).transpose(0, 3, 1, 2).copy())
        for name, frames in found.items()
    }


def find_weights() -> Path | None:
    """The small VGG file of the test data, None where it is not."""
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    path = (shared / "weights" / "vgg19_normalised_relu3_1.pth").absolute()
    return path if path.is_file() else None


def needs_weights(name: str) -> bool:
    """Whether a method cannot learn without VGG weights (for MUNIT and UNIT they are a choice)."""
    fields = find_trained(name.partition(":")[0]).Config.model_fields
    return "feature_weights" in fields and name not in ("munit", "unit")


def fields_of(name: str) -> dict[int, str]:
    """Layers of its discriminator that a row may choose, to their receptive field; empty for no choice."""
    method = name.partition(":")[0]
    if "disc_layers" not in find_trained(method).Config.model_fields:
        return {}
    return FIELDS.get(method, PATCH_FIELDS)


def trials_of(name: str) -> list[dict[str, Any]]:
    """The four settings that a row is tried with on the validation world."""
    fields = fields_of(name)
    if not fields:
        return [{"learning_rate": rate} for rate in MORE_RATES]
    return [
        {"learning_rate": rate, "disc_layers": layers} for rate, layers in itertools.product(RATES, fields)
    ]


def settings_of(name: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a row is trained with: its method's own defaults, made small, and what was chosen."""
    method, _, preset = name.partition(":")
    kind = find_trained(method)
    fields = kind.Config.model_fields
    settings: dict[str, Any] = {}
    if preset:
        settings = {key: value for key, value in kind.presets[preset].settings.items() if key in fields}
    settings |= {key: value for key, value in SMALL.items() if key in fields}
    if needs_weights(name):
        settings["feature_weights"] = find_weights()
    return settings | OWN.get(method, {}) | dict(chosen)


def learn(name: str, settings: Mapping[str, Any], budget: Budget, seed: int) -> tuple[Method, int, float]:
    """A method trained from scratch: itself, its steps, and the seconds of CPU time they took.

    Every row has the same schedule: the rate is constant in the first half and falls to 0 in the second. The
    running mean of the weights is what is measured.
    """
    kind = find_trained(name.partition(":")[0])
    torch.manual_seed(seed)
    method = kind(parse(kind.Config, dict(settings)))
    method.prepare_training(load_features)
    method.train()
    ema, step_of = Ema(method, EMA_DECAY), PlainStep(method, choose_compute("cpu"))
    drawn = batches(seed, is_paired=kind.pairing == "paired")
    next(drawn)  # what is drawn or read for the first time is no training
    step, began = 0, time.process_time()
    while (share := budget.share(step, began)) < 1:
        step += 1
        seed_step(seed, step, 0)
        set_learning_rate(method, min(1.0, 2 * (1 - share)))
        total = round(step / share) if share else step
        step_of(next(drawn), Step(step, round(budget.amount) if budget.kind == "steps" else max(step, total)))
        ema.update(step)
    spent = time.process_time() - began
    ema.swap()
    return method.eval(), step, spent


def batches(seed: int, *, is_paired: bool) -> Iterator[Batch]:
    """Training frames at random: of both domains, or with their truth for a method that learns from pairs."""
    frames, source = world("train"), torch.Generator().manual_seed(seed)
    while True:
        one, other = torch.randint(0, TRAINING_FRAMES, (2, BATCH), generator=source)
        yield Batch(frames["a"][one], frames["truth"][one] if is_paired else frames["b"][other])


@torch.no_grad()
def _in_one_style(method: Method) -> Translator:
    """A model with styles in the mean style of training frames of the game; others as they are."""
    if not isinstance(method, Styled):
        return method
    examples = world("train")["b"][:: TRAINING_FRAMES // EXAMPLES][:EXAMPLES]
    return method.with_style(method.encode_style(examples, "a2b").mean(dim=0))


def translate(method: Method, images: Tensor) -> Tensor:
    """Frames of the film as game, in [-1, 1]."""
    engine = Engine(_in_one_style(method), "a2b", choose_compute("cpu", "fp32"))
    return torch.cat([engine.run(image[None]).float().cpu().clamp(-1, 1) for image in images])


def scores_of(images: Tensor, split: str) -> dict[str, float]:
    """How near images are to the truth of a world."""
    frames = world(split)
    return {
        "psnr": psnr(images, frames["truth"]).mean().item(),
        "ssim": ssim(images, frames["truth"]).mean().item(),
        "colour": colour(images, frames["truth"]),
        "edges": changed_edges(images, frames["a"], frames["truth"]),
    }


def colour(images: Tensor, truth: Tensor) -> float:
    """How far the palettes are apart, in levels of 255, wherever the colours are; lower is closer.

    The mean over red, green and blue of the distance between the sorted values of all pictures.
    """
    one, two = (every.transpose(0, 1).flatten(1).sort(dim=1).values for every in (images, truth))
    return (one - two).abs().mean().item() * 127.5


def changed_edges(images: Tensor, inputs: Tensor, truth: Tensor) -> float:
    """How well the change of edges is that of the truth; 1 is perfect, 0 is the untouched input's.

    The mean over pictures of the cosine between what a picture and what the truth add to the input's edges.
    """
    made, wanted = (edges(each) - edges(inputs) for each in (images, truth))
    return statistics.fmean(torch.cosine_similarity(made.flatten(1), wanted.flatten(1)).tolist())


def edges(images: Tensor) -> Tensor:
    """Size of the brightness step at each pixel, (N, H - 1, W - 1)."""
    grey = images.mean(dim=1)
    down, right = grey[:, 1:, :-1] - grey[:, :-1, :-1], grey[:, :-1, 1:] - grey[:, :-1, :-1]
    return (down.square() + right.square()).sqrt()


def cell(
    name: str, chosen: Mapping[str, Any], budget: Budget, seed: int, *, split: str = "test"
) -> dict[str, Any]:
    """What is measured of a row with a seed and a budget; trained where it is not known yet."""
    path = cell_file(name, chosen, budget, seed, split=split)
    if path.exists():
        return read_json(path)
    method, steps, spent = learn(name, settings_of(name, chosen), budget, seed)
    made = translate(method, world(split)["a"])
    if seed == 0 and split == "test" and budget.kind == "steps":
        strip = torch.cat(list(made[list(SHOWN)]), dim=2)
        write_image(path.with_suffix(".png"), to_image(strip[None])[0])
    weights = sum(parameter.numel() for parameter in method.parameters())
    write_json(
        path, scores_of(made, split) | {"steps": steps, "cpu_seconds": round(spent, 2), "weights": weights}
    )
    print(f"{path.stem}: {read_json(path)}", flush=True)
    return read_json(path)


def cell_file(
    name: str, chosen: Mapping[str, Any], budget: Budget, seed: int, *, split: str = "test"
) -> Path:
    """Where a cell is kept: its name and a digest of all that it depends on."""
    settings = {key: str(value) for key, value in sorted(settings_of(name, chosen).items())}
    settings.pop("feature_weights", None)
    known = [settings, budget.kind, budget.amount, seed, split, EMA_DECAY, BATCH, TRAINING_FRAMES, EDGE]
    known += [choose_compute("cpu").precision]
    text = json.dumps([known, code_digest(name.partition(":")[0])], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    title = f"{name.replace(':', '-')}-{budget.kind}{budget.amount:g}-{seed}-{split}-{digest}"
    return FOLDER / "cells" / f"{title}.json"


LEARNT = ("methods", "losses", "networks", "worlds")
"""Folders whose code decides what is learnt here."""


@functools.cache
def code_digest(method: str) -> str:
    """Digest of the code in `LEARNT` that a method's file imports, and of the drawn worlds."""
    files = reach(PACKAGE / "methods" / f"{method}.py") | set((PACKAGE / "worlds").glob("*.py"))
    known = sorted(f"{path.name} {file_digest(path)}" for path in files if path.parent.name in LEARNT)
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]
