"""Ways to translate a film, on drawn worlds, with the same CPU time: `make video-table`.

python -m benchmarks.video_table [--seeds 3] [--seconds 60] [--only NAME ...] [--out docs/results/video.md]

A is a film, B a game, both drawn; no scene is in both, and the truth of the test clips is known, their motion
too. Each model learns from scratch until this process has computed for as many seconds. What is measured of a
model and a seed is kept in build/video-table, so that a stopped table goes on and a new row costs only
itself: to add one, add it to `MODELS` and `ROWS`. Several processes may share the work with --only.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.drawn_clips import CLIPS, SIZE, Clip, drawn_clip, footage
from benchmarks.equal_time import Sampling, Shots, batches, teach
from torch import Tensor

from reskin.device import choose_compute
from reskin.images import to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.methods.grade import GradeMethod
from reskin.methods.grade_texture import GradeTexture
from reskin.methods.recycle_gan import RecycleGAN
from reskin.parsing import parse
from reskin.storage import commit, read_json, write_json
from reskin.training.pretrained import load_features
from reskin.translation.stabilise import Stabiliser

FOLDER = Path("build/video-table")
CROP, EMA = 64, 0.98

NETWORKS = {"width": 12, "blocks": 3, "disc_layers": 3, "learning_rate": 4e-4}
"""Of the GANs; the rate is that of `make` on a CPU."""
CYCLEGAN = NETWORKS | {"identity_weight": 0.1}
RECYCLE = NETWORKS | {"predictor": "residual", "predictor_width": 12, "predictor_downsamplings": 5}
VID2VID = NETWORKS | {"disc_width": 12, "scales": 1, "frames": 7}
FAST_STYLE = {
    "width": 16,
    "blocks": 3,
    "feature_convention": "normalised",
    "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
    "content_layer": "relu3_1",
    "content_weight": 1.0,
    "style_weight": 3e3,
    "learning_rate": 5e-3,
}

HEAD = """# Ways to translate a film

Made by `python -m benchmarks.video_table --seeds {seeds} --seconds {seconds}` (`make video-table`).
Drawn film to drawn game at {width}x{height}; every model learnt from scratch for {seconds} seconds of CPU
time on one thread. {clips} clips of unseen scenes, translated at their size. Mean of {seeds} seeds, and half
of the difference between the largest and the smallest.

PSNR (dB) and SSIM are to the truth, higher is closer. E1 and E5 are warping errors over 1 and 5 frames along
the true motion where a pixel stays visible, root of the mean square, in levels of 255: lower is steadier,
and below those of the truth it is blur. Sharpness is the mean difference of neighbouring pixels, as a share
of the truth's. The last column is frames a second of one core, at this size.

CycleGAN and Recycle-GAN have generators of one shape (12 channels, 3 residual blocks) and discriminators of
one receptive field (70 px), and see crops of {crop} px: CycleGAN a picture of each domain in a step,
Recycle-GAN a clip of three frames of each, vid2vid (12 channels, 3 blocks) a pair of clips of seven. vid2vid
had half of the time, after a CycleGAN that had the other half made its pairs. The predictors are the residual
ones, which learn sooner. The grade sees whole frames, as `reskin make` has it, four of each domain, and so
does texture, which had half of the time on a grade that had the other half; fast style takes its style from
frames of the game."""
"""Above the table."""

SHORT_SECONDS = 300
"""Under so many seconds of CPU time no GAN is done."""

SHORT = """**{seconds} seconds are a small budget.** No GAN is done after them, and what takes fewer seconds a
step is ahead for that alone: the column of steps says how far each came. The order may change with time."""
"""Stands above the table of a short training."""

_MEASURES = ("steps", "psnr", "ssim", "e1", "e5", "sharp", "per_second")


class Model(NamedTuple):
    """What is trained once for all rows that use it.

    Attributes:
        method: its name.
        settings: those that are not the method's defaults.
        sampling: what a step sees.
        pairs_from: model that makes domain B, in half of the time.
        grade_from: model whose grade is taken over as it is, after half of the time.
    """

    method: str
    settings: dict[str, Any]
    sampling: Sampling
    pairs_from: str | None = None
    grade_from: str | None = None


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        title: of the line.
        model: name in `MODELS`.
        way: "raw" as it translates, "steady" with the stabiliser, "predicted" with half of the prediction.
    """

    title: str
    model: str
    way: str = "raw"


def weights() -> Path | None:
    """The small VGG file of the test data, None where it is not."""
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    path = (shared / "weights" / "vgg19_normalised_relu3_1.pth").absolute()
    return path if path.is_file() else None


MODELS = {
    "cyclegan": Model("cyclegan", CYCLEGAN, Sampling(1, CROP)),
    "equivariance": Model("cyclegan", CYCLEGAN | {"equivariance_weight": 5.0}, Sampling(1, CROP)),
    "recycle_gan": Model("recycle_gan", RECYCLE, Sampling(1, CROP, length=3)),
    "recycle_with_cycle": Model(
        "recycle_gan", RECYCLE | {"cycle_weight": 10.0, "identity_weight": 1.0}, Sampling(1, CROP, length=3)
    ),
    "vid2vid": Model("vid2vid", VID2VID, Sampling(1, CROP, length=7, is_paired=True), pairs_from="cyclegan"),
    "grade": Model("grade", {}, Sampling(4, None)),
    "grade_texture": Model("grade_texture", {}, Sampling(4, None), grade_from="grade"),
    "fast_style": Model("fast_style", FAST_STYLE, Sampling(4, CROP)),
}
"""What can be trained, by name."""

ROWS = (
    Row("CycleGAN", "cyclegan"),
    Row("CycleGAN + stabiliser", "cyclegan", "steady"),
    Row("CycleGAN + equivariance", "equivariance"),
    Row("CycleGAN + equivariance + stabiliser", "equivariance", "steady"),
    Row("Recycle-GAN", "recycle_gan"),
    Row("Recycle-GAN, half predicted", "recycle_gan", "predicted"),
    Row("Recycle-GAN + stabiliser", "recycle_gan", "steady"),
    Row("Recycle-GAN with cycle and identity", "recycle_with_cycle"),
    Row("Recycle-GAN with cycle and identity + stabiliser", "recycle_with_cycle", "steady"),
    Row("vid2vid on CycleGAN's pairs", "vid2vid"),
    Row("vid2vid on CycleGAN's pairs + stabiliser", "vid2vid", "steady"),
    Row("grade", "grade"),
    Row("grade + stabiliser", "grade", "steady"),
    Row("grade + texture", "grade_texture"),
    Row("grade + texture + stabiliser", "grade_texture", "steady"),
    Row("fast style", "fast_style"),
    Row("fast style + stabiliser", "fast_style", "steady"),
)
"""The table, in its order."""


COMPARED = (
    ("CycleGAN + equivariance", "CycleGAN"),
    ("Recycle-GAN", "CycleGAN"),
    ("Recycle-GAN with cycle and identity", "CycleGAN"),
    ("Recycle-GAN, half predicted", "Recycle-GAN"),
    ("vid2vid on CycleGAN's pairs", "CycleGAN"),
    ("grade + texture", "grade"),
    ("CycleGAN + stabiliser", "CycleGAN"),
    ("CycleGAN + equivariance + stabiliser", "CycleGAN + stabiliser"),
)
"""Rows whose differences the page states, seed by seed."""


def train(name: str, seed: int, seconds: float) -> tuple[Method, int]:
    """A model trained from scratch for `seconds` of CPU time, and its number of steps."""
    model = MODELS[name]
    a, b = footage(seed)
    first: Method | None = None
    if before := model.pairs_from or model.grade_from:
        seconds /= 2
        first, _ = train(before, seed, seconds)
    if first is not None and model.pairs_from is not None:
        b = paired_with(a, first)
    kind = find_trained(model.method)
    settings = dict(model.settings)
    if "feature_weights" in kind.Config.model_fields:
        settings["feature_weights"] = weights()
    torch.manual_seed(seed)
    method = kind(parse(kind.Config, settings))
    method.prepare_training(load_features)
    if isinstance(first, GradeMethod) and isinstance(method, GradeTexture):
        method.gen_a2b.load_state_dict(first.gen_a2b.state_dict())
    steps = teach(method, batches(a, b, model.sampling, seed), seed=seed, seconds=seconds, decay=EMA)
    return method.eval(), steps


@torch.no_grad()
def paired_with(a: Shots, image_model: Method) -> Shots:
    """Domain B that an image model makes of A."""
    made = [image_model.translate(frames, "a2b") for frames in a.frames.split(16)]
    return Shots(torch.cat(made).clamp(-1, 1), a.cuts)


@functools.cache
def clips() -> tuple[list[Clip], list[list[np.ndarray]]]:
    """The test clips, and the frames of their films as pictures."""
    made = [drawn_clip(seed) for seed in CLIPS]
    return made, [[to_image(frame[None])[0] for frame in clip.film] for clip in made]


def measure(frames: Sequence[Tensor], seconds: float = 0.0) -> dict[str, float]:
    """Measures of translated clips, each (T, 3, H, W), made in `seconds` of CPU time."""
    films, _ = clips()
    rows = [clip.measure(made) for clip, made in zip(films, frames, strict=True)]
    found = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    return found | {"per_second": sum(map(len, frames)) / seconds if seconds else 0.0}


@torch.no_grad()
def measured(method: Method) -> dict[str, dict[str, float]]:
    """The measures of a model for every way that it can translate; see `Row.way`."""
    _, pictures = clips()
    begun = time.process_time()
    raw = _translated(method)
    between = time.process_time()
    steady = [stabilised(film, made) for film, made in zip(pictures, raw, strict=True)]
    ended = time.process_time()
    found = {"raw": measure(raw, between - begun), "steady": measure(steady, ended - begun)}
    if isinstance(method, RecycleGAN):
        method.use_predictor(0.5)
        begun = time.process_time()
        mixed = _translated(method)
        found["predicted"] = measure(mixed, time.process_time() - begun)
    return found


def _translated(method: Method) -> list[Tensor]:
    engine = Engine(method, "a2b", choose_compute("cpu", "fp32"))
    return [engine.run_clips(clip.film[None])[0].clamp(-1, 1) for clip in clips()[0]]


def stabilised(film: Sequence[np.ndarray], translated: Tensor) -> Tensor:
    """A clip, (T, 3, H, W), after the stabiliser."""
    stabiliser = Stabiliser()
    made = [stabiliser.step(a, to_image(b[None])[0]) for a, b in zip(film, translated, strict=True)]
    return torch.cat([to_tensor(frame) for frame in made])


def cell_file(name: str, seed: int, seconds: float) -> Path:
    """Where the measures of a model and a seed are kept."""
    return FOLDER / f"{name}-{seed}-{seconds:g}.json"


def make_cell(name: str, seed: int, seconds: float) -> None:
    """Train a model and measure it, where that was not done yet."""
    path = cell_file(name, seed, seconds)
    if not path.exists():
        method, steps = train(name, seed, seconds)
        found = {way: {"steps": steps} | values for way, values in measured(method).items()}
        write_json(path, found)
        print(f"{path}: {found}", flush=True)


def lines_of(seeds: int, seconds: float) -> list[tuple[str, list[dict[str, float]]]]:
    """Titles and measures of the table; rows that were not trained are left out, and named."""
    films, _ = clips()
    lines = [
        ("film (input)", [measure([clip.film for clip in films])]),
        ("game (truth)", [measure([clip.truth for clip in films])]),
    ]
    for row in ROWS:
        paths = [cell_file(row.model, seed, seconds) for seed in range(seeds)]
        if all(path.exists() for path in paths):
            lines.append((row.title, [read_json(path)[row.way] for path in paths]))
        else:
            print(f"left out, for it is not trained: {row.title}")
    return lines


def page(lines: list[tuple[str, list[dict[str, float]]]], *, seeds: int, seconds: float) -> str:
    """The table and how it was made."""
    width, height = SIZE
    facts: dict[str, object] = {"seeds": seeds, "seconds": f"{seconds:g}", "clips": len(CLIPS)}
    text = [HEAD.format(width=width, height=height, crop=CROP, **facts), ""]
    if seconds < SHORT_SECONDS:
        text += [SHORT.format(seconds=f"{seconds:g}"), ""]
    text += [
        "| | steps | PSNR | SSIM | E1 | E5 | sharpness | frames/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, rows in lines:
        values = [[row[name] for row in rows if name in row] for name in _MEASURES]
        shown = [_shown(name, found) for name, found in zip(_MEASURES, values, strict=True)]
        text.append(f"| {title} | {' | '.join(shown)} |")
    by_title = dict(lines)
    found = [
        against(title, by_title[title], base, by_title[base])
        for title, base in COMPARED
        if title in by_title and base in by_title
    ]
    if found:
        text += ["", "## What the figures say", "", "Changes at equal time, of each seed:", "", *found]
    return "\n".join(text) + "\n"


def against(
    title: str, rows: Sequence[dict[str, float]], base: str, others: Sequence[dict[str, float]]
) -> str:
    """A line on how one row differs from another, seed by seed, and whether the seeds agree."""
    pairs = list(zip(rows, others, strict=True))
    e1, sharp = ([100 * (one[name] / two[name] - 1) for one, two in pairs] for name in ("e1", "sharp"))
    psnr = [one["psnr"] - two["psnr"] for one, two in pairs]
    said = f"E1 {_each(e1, 0)} %; PSNR {_each(psnr, 1)} dB; sharpness {_each(sharp, 0)} %"
    steadier, nearer = sum(change < 0 for change in e1), sum(change > 0 for change in psnr)
    ending = f"Steadier in {steadier} of {len(pairs)} seeds, nearer to the truth in {nearer}."
    return f"- **{title}** against {base}: {said}. {ending}"


def _each(values: list[float], digits: int) -> str:
    return ", ".join(f"{value:+.{digits}f}" for value in values)


def _shown(name: str, values: list[float]) -> str:
    if not values or not np.isfinite(values).all() or (name == "per_second" and not any(values)):
        return ""
    digits = {"ssim": 3, "per_second": 0, "steps": 0}.get(name, 2)
    text = f"{statistics.fmean(values):.{digits}f}"
    spread = (max(values) - min(values)) / 2
    return text if len(values) == 1 or digits == 0 else f"{text} ± {spread:.{digits}f}"


def main() -> None:
    """Train what is missing, measure, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU time for each model and seed")
    parser.add_argument("--only", nargs="+", choices=list(MODELS), help="train these models alone")
    parser.add_argument("--out", type=Path, default=Path("docs/results/video.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Seed by seed, so that a table that is stopped holds every row.
    for seed in range(arguments.seeds):
        for name in arguments.only or MODELS:
            if name != "fast_style" or weights() is not None:
                make_cell(name, seed, arguments.seconds)
    lines = lines_of(arguments.seeds, arguments.seconds)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with commit(arguments.out) as temporary:
        temporary.write_text(page(lines, seeds=arguments.seeds, seconds=arguments.seconds), encoding="utf-8")
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
