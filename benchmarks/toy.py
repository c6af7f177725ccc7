"""Every method on the same drawn worlds, with the same budget and three seeds: `make toy-table`.

python -m benchmarks.toy [METHOD ...] [--steps 400] [--seeds 3] [--processes 2] [--out docs/results/toy.md]

A is a film, B a game, both drawn; no scene is in both. The truth of every test frame is known, so outputs are
compared with it. A method and seed that was measured before with the same settings is not measured again: the
rows are kept in build/toy. Methods that need VGG weights take those of RESKIN_TEST_DATA (or shared/data)
and are named as left out where there are none.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import multiprocessing
import os
import shutil
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from reskin.device import choose_compute
from reskin.evaluation.evaluate import evaluate
from reskin.evaluation.scores import Score
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.inference.engine import Engine
from reskin.methods import find_trained, trained_names
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.parsing import parse
from reskin.runs.load import load
from reskin.storage import commit, read_json, write_json
from reskin.training.pretrained import load_features
from reskin.training.start import train_run
from reskin.types import Batch, Step
from reskin.worlds.footage import Footage

SIDE, TRAINING_FRAMES, TEST_FRAMES, BATCH = 64, 480, 40, 4
FOLDER = Path("build/toy")
SMALL = {
    "width": 16,
    "disc_width": 16,
    "style_width": 16,
    "mlp_width": 64,
    "blocks": 3,
    "downsamplings": 6,
    "disc_layers": 2,
    "scales": 2,
    "picture_size": SIDE,
    "ssim_scales": 3,
    "feature_size": SIDE,
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
        "learning_rate": 5e-3,
    },
    "feature_gan": {"feature_layer": "relu3_1"},
}
"""Settings of one method only: what its weights or its search allow here."""
ABLATIONS = ("cyclegan:cycle_alone", "cyclegan:gan_alone")
"""Presets that take something out of a method, to show what it was there for."""
PAIRED_NOTE = "learns from pairs"
TIMED_STEPS = 8
SHOWN, LABEL_PX = (0, 7, 14, 21, 28, 35), 130


def main() -> None:
    """Draw, train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", help="some methods only; the table then has these rows")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    parser.add_argument("--out", type=Path, default=Path("docs/results/toy.md"))
    arguments = parser.parse_args()
    draw(FOLDER / "data")
    names = arguments.methods or [*trained_names(), *ABLATIONS]
    weights = find_weights()
    left_out = [name for name in names if needs_weights(name) and weights is None]
    jobs = [
        (name, seed, arguments.steps, weights)
        for name in names
        if name not in left_out
        for seed in range(arguments.seeds)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=context) as pool:
        rows = list(pool.map(measured, *zip(*jobs, strict=True)))
    by_method: dict[str, list[dict[str, Any]]] = {}
    for (name, *_), row in zip(jobs, rows, strict=True):
        by_method.setdefault(name, []).append(row)
    seconds = {name: seconds_a_step(name, weights) for name in by_method}
    text = page(by_method, seconds, left_out, arguments.steps)
    draw_outputs(by_method, arguments.out.with_suffix(".jpg"))
    with commit(arguments.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)


def draw(folder: Path) -> None:
    """Training and test frames of both worlds, pairs for those that need them, and the truth."""
    if (folder / "done").exists():
        return
    for look, seed, side in (("film", 11, "A"), ("game", 12, "B")):
        write_frames(look, seed, TRAINING_FRAMES, {"image": folder / "unpaired" / f"train{side}"})
        test = {"image": folder / "unpaired" / f"test{side}", "other": folder / f"truth{side}"}
        write_frames(look, seed + 10, TEST_FRAMES, test)
    pairs = {"image": folder / "paired" / "trainA", "other": folder / "paired" / "trainB"}
    write_frames("film", 11, TRAINING_FRAMES, pairs)
    (folder / "done").touch()


def write_frames(look: Any, seed: int, count: int, folders: dict[str, Path]) -> None:
    """`count` frames, each of another scene, as PNG files."""
    footage = Footage(look, seed=seed, frames=count, size=(SIDE, SIDE), scene_frames=1)
    for index in range(count):
        frame = footage.frame(index)
        for which, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_image(folder / f"{index:04d}.png", getattr(frame, which))


def find_weights() -> Path | None:
    """The small VGG file of the test data, None where it is not."""
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    path = (shared / "weights" / "vgg19_normalised_relu3_1.pth").absolute()
    return path if path.is_file() else None


def needs_weights(name: str) -> bool:
    """Whether a method cannot learn without VGG weights (for MUNIT and UNIT they are a choice)."""
    fields = find_trained(name.partition(":")[0]).Config.model_fields
    return "feature_weights" in fields and name not in ("munit", "unit")


def settings_of(name: str, weights: Path | None) -> dict[str, Any]:
    """What a method is trained with here: its own defaults, made small."""
    name, _, preset = name.partition(":")
    method = find_trained(name)
    fields = method.Config.model_fields
    settings: dict[str, Any] = {key: value for key, value in SMALL.items() if key in fields}
    if preset:
        chosen = method.presets[preset].settings
        settings = {key: value for key, value in chosen.items() if key in fields} | settings
    if fields["learning_rate"].default < 5e-4:
        settings["learning_rate"] = 5e-4
    if needs_weights(name):
        settings["feature_weights"] = weights
    return settings | OWN.get(name, {})


def measured(name: str, seed: int, steps: int, weights: Path | None) -> dict[str, Any]:
    """One training and its scores, from build/toy where they are known."""
    torch.set_num_threads(1)
    settings = settings_of(name, weights)
    common = {"steps": steps, "seed": seed, "batch": BATCH, "preprocess": "none", "device": "cpu"}
    common |= {"precision": "fp32", "sample_every": steps, "ema": 0.99, "log_every": 50}
    known = json.dumps([name, common, {k: str(v) for k, v in settings.items()}], sort_keys=True)
    digest = hashlib.sha256(known.encode()).hexdigest()[:12]
    kept = FOLDER / "rows" / f"{name.replace(':', '-')}-{seed}-{digest}.json"
    if kept.exists():
        return read_json(kept)
    method = name.partition(":")[0]
    data = FOLDER / "data" / ("paired" if find_trained(method).pairing == "paired" else "unpaired")
    run = FOLDER / "runs" / f"{name.replace(':', '-')}-{seed}"
    shutil.rmtree(run, ignore_errors=True)
    train_run(method, out=run, a=data, b=data, **common, **settings)
    row = scores_of(load(run, device="cpu"))
    model = load(run, device="cpu")
    row["weights"] = sum(parameter.numel() for parameter in model.parameters())
    write_json(kept, row)
    return row


def seconds_a_step(name: str, weights: Path | None) -> float:
    """Median of a few steps on one thread, one method after the other, when no training runs."""
    torch.set_num_threads(1)
    kind = find_trained(name.partition(":")[0])
    method = kind(parse(kind.Config, settings_of(name, weights)))
    method.prepare_training(load_features)
    a, b = torch.rand((2, BATCH, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)) * 2 - 1
    times = []
    for step in range(1, TIMED_STEPS + 3):
        began = time.perf_counter()
        method.training_step(Batch(a, b), Step(step, TIMED_STEPS))
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def scores_of(model: Translator) -> dict[str, Any]:
    """Every score of a model from A to B, and of the references."""
    data = FOLDER / "data"
    model.directions = ("a2b",)
    scores: dict[str, Score] = evaluate(
        model, a=data / "unpaired", b=data / "unpaired", truth_a2b=data / "truthA", metrics=["psnr", "ssim"]
    )
    chosen = model.with_style(model.sample_styles(1, seed=0)[0]) if isinstance(model, Styled) else model
    names = sorted(path.name for path in (data / "truthA").iterdir())
    inputs = torch.cat([to_tensor(read_image(data / "unpaired" / "testA" / name)) for name in names])
    truth = torch.cat([to_tensor(read_image(data / "truthA" / name)) for name in names])
    engine = Engine(chosen, "a2b", choose_compute(str(next(model.parameters()).device), "fp32"))
    translated = torch.cat([engine.run(image[None]).cpu() for image in inputs])
    row: dict[str, Any] = {}
    for rival, images in (("", translated), ("_input", inputs)):
        row |= {f"{key}{rival}": scores[f"{key}{rival}_a2b"].value for key in ("psnr", "ssim")}
        row |= {f"colour{rival}": colour(images, truth), f"place{rival}": place(images, truth)}
    row |= {f"{key}_reinhard": scores[f"{key}_reinhard_a2b"].value for key in ("psnr", "ssim")}
    row["place_shuffled"] = place(truth.roll(1, 0), truth)
    return row


@torch.no_grad()
def draw_outputs(rows: dict[str, list[dict[str, Any]]], out: Path) -> None:
    """A strip of test frames for each method (its first seed), best PSNR first, between input and truth."""
    data, names = FOLDER / "data", [f"{index:04d}.png" for index in SHOWN]
    inputs = torch.cat([to_tensor(read_image(data / "unpaired" / "testA" / name)) for name in names])
    strips = {"input": inputs}
    for name in ordered(rows):
        run = FOLDER / "runs" / f"{name.replace(':', '-')}-0"
        if run.is_dir():
            model = load(run, device="cpu")
            style = model.sample_styles(1, seed=0)[0] if isinstance(model, Styled) else None
            strips[name] = torch.cat([model.translate(image[None], "a2b", style) for image in inputs])
    strips["truth"] = torch.cat([to_tensor(read_image(data / "truthA" / name)) for name in names])
    sheet = Image.new("RGB", (LABEL_PX + len(names) * (SIDE + 2), len(strips) * (SIDE + 2)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for row, (name, images) in enumerate(strips.items()):
        top = row * (SIDE + 2)
        pen.text(
            (6, top + SIDE // 2), name.replace("cyclegan:", ""), fill=(70, 70, 70), anchor="lm", font=font
        )
        for column, image in enumerate(to_image(images)):
            sheet.paste(Image.fromarray(image), (LABEL_PX + column * (SIDE + 2), top))
    write_image(out, np.asarray(sheet))


def ordered(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The methods, best mean PSNR first."""
    return sorted(rows, key=lambda name: -statistics.mean(row["psnr"] for row in rows[name]))


def colour(images: Tensor, truth: Tensor) -> float:
    """How far the palettes are apart, in levels of 255, wherever the colours are; lower is closer.

    The mean over red, green and blue of the distance between the sorted values of all pictures.
    """
    one, two = (every.transpose(0, 1).flatten(1).sort(dim=1).values for every in (images, truth))
    return (one - two).abs().mean().item() * 127.5


def place(images: Tensor, truth: Tensor) -> float:
    """How well edges lie where they should, whatever the colours; 1 is perfect, 0 is chance.

    The mean over pictures of the correlation of the sizes of brightness steps.
    """
    values = []
    for one, two in zip(edges(images), edges(truth), strict=True):
        both = torch.stack([one.flatten(), two.flatten()])
        found = torch.corrcoef(both)[0, 1].item()
        values.append(0.0 if math.isnan(found) else found)  # an even picture has no edges at all
    return statistics.mean(values)


def edges(images: Tensor) -> Tensor:
    """Size of the brightness step at each pixel, (N, H - 1, W - 1)."""
    grey = images.mean(dim=1)
    down, right = grey[:, 1:, :-1] - grey[:, :-1, :-1], grey[:, :-1, 1:] - grey[:, :-1, :-1]
    return (down.square() + right.square()).sqrt()


COLUMNS = {
    "psnr": ("PSNR, dB ↑", 2),
    "ssim": ("SSIM ↑", 3),
    "colour": ("colour ↓", 1),
    "place": ("place ↑", 3),
}


def page(
    rows: dict[str, list[dict[str, Any]]], seconds: dict[str, float], left_out: list[str], steps: int
) -> str:
    """The whole page."""
    seeds = len(next(iter(rows.values())))
    lines = [
        "<!-- Made by `make toy-table`; change benchmarks/toy.py. -->",
        "# Every method on the same drawn worlds",
        "",
        f"A film is given the look of a game: {SIDE}x{SIDE} px, {TRAINING_FRAMES} training frames of each, no"
        f" scene in both, and {TEST_FRAMES} test frames whose truth is known. Each method learns {steps}"
        f" steps of {BATCH} pictures with its paper's losses and small networks (width {SMALL['width']}),"
        f" on a CPU, with {seeds} seeds: the mean, ± the largest distance of a seed from it.",
        "",
        "- **colour**: how far the palettes are apart, in levels of 255, wherever the colours are.",
        "- **place**: correlation of the edges with the truth's, whatever the colours: 1 is perfect.",
        "",
        "![six test frames in each method's translation](toy.jpg)",
        "",
        "| method | " + " | ".join(title for title, _ in COLUMNS.values()) + " | s a step | weights |",
        "|---|" + "---|" * (len(COLUMNS) + 2),
    ]
    for name in ordered(rows):
        found = rows[name]
        method, _, preset = name.partition(":")
        note = f" ({PAIRED_NOTE})" if find_trained(method).pairing == "paired" else ""
        note = f" `--preset {preset}`" if preset else note
        cells = [spread([row[key] for row in found], digits) for key, (_, digits) in COLUMNS.items()]
        cells += [f"{seconds[name]:.3f}", f"{found[0]['weights']:,}"]
        lines.append(f"| [{method}](../methods/{method}.md){note} | " + " | ".join(cells) + " |")
    first = next(iter(rows.values()))[0]
    cells = [f"{first[f'{key}_input']:.{digits}f}" for key, (_, digits) in COLUMNS.items()]
    lines.append("| *untouched input* | " + " | ".join(cells) + " | | |")
    cells = [f"{first[f'{key}_reinhard']:.{COLUMNS[key][1]}f}" for key in ("psnr", "ssim")]
    lines.append("| *colour transfer (Reinhard)* | " + " | ".join(cells) + " | | | | |")
    lines.append(f"| *another frame's truth* | | | | {first['place_shuffled']:.3f} | | |")
    if left_out:
        lines += ["", f"Left out, for want of VGG weights: {', '.join(left_out)}."]
    lines += [
        "",
        "Seconds are of one thread, each method by itself. A method whose paper takes a million"
        " steps is not at its best after so few: this compares first steps, it does not rank papers.",
    ]
    return "\n".join(lines) + "\n"


def spread(values: list[float], digits: int) -> str:
    """The mean and the largest distance from it."""
    mean = statistics.mean(values)
    return f"{mean:.{digits}f} ± {max(abs(value - mean) for value in values):.{digits}f}"


if __name__ == "__main__":
    main()
