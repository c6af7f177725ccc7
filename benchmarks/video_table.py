"""Ways to translate a film, on drawn worlds, with the same CPU time: `make video-table`.

python -m benchmarks.video_table [--seeds 3] [--seconds 100] [--only NAME ...] [--out docs/results/video.md]

A is a film, B a game, both drawn; no scene is in both, and the truth of the test clips is known, their motion
too. Each model learns from scratch until this process has computed for as many seconds. What is measured of a
model and a seed is kept in build/video-table, so that a stopped table goes on and a new row costs only
itself: to add one, add it to `MODELS` and `ROWS`.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.steady import CLIPS, CROP, Clip, batches, teach
from torch import Tensor

from reskin.device import choose_compute
from reskin.images import to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.metrics.ssim import ssim
from reskin.parsing import parse
from reskin.storage import commit, read_json, write_json
from reskin.translation.stabilise import Stabiliser
from reskin.types import Batch
from reskin.workflows.make_settings import choose_settings

FOLDER = Path("build/video-table")
HEAD = """# Ways to translate a film

Made by `python -m benchmarks.video_table --seeds {seeds} --seconds {seconds}` (`make video-table`).
Drawn film to drawn game at 160x96; every model learnt from scratch for {seconds} seconds of CPU time, with
the settings of `reskin make` on a CPU where that knows the method. {clips} clips of unseen scenes, translated
at their size. Mean of {seeds} seed(s), and half of the difference between the largest and the smallest.

PSNR (dB) and SSIM are to the truth, higher is closer. E1 and E5 are warping errors over 1 and 5 frames along
the true motion where a pixel stays visible, root of the mean square, in levels of 255: lower is steadier,
and below those of the truth it is blur. Sharpness is the mean difference of neighbouring pixels, as a share
of the truth's. The last column is frames a second of one core, at this size."""
"""Above the table."""

_MEASURES = ("psnr", "ssim", "e1", "e5", "sharp", "per_second")


class Model(NamedTuple):
    """What is trained once for all rows that use it.

    Attributes:
        method: its name.
        settings: those of `make` are the beginning, where it knows the method.
        batches: gives the batches of a seed.
    """

    method: str
    settings: dict[str, Any]
    batches: Callable[[int], Iterator[Batch]] = batches


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        title: of the line.
        model: name in `MODELS`.
        is_steady: whether the stabiliser is on.
    """

    title: str
    model: str
    is_steady: bool = False


def weights() -> Path | None:
    """The small VGG file of the test data, None where it is not."""
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    path = (shared / "weights" / "vgg19_normalised_relu3_1.pth").absolute()
    return path if path.is_file() else None


MODELS = {
    "cyclegan": Model("cyclegan", {}),
    "equivariance": Model("cyclegan", {"equivariance_weight": 5.0}),
    "grade": Model("grade", {}),
    "fast_style": Model(
        "fast_style",
        {
            "width": 16,
            "blocks": 3,
            "feature_convention": "normalised",
            "style_layers": ("relu1_1", "relu2_1", "relu3_1"),
            "content_layer": "relu3_1",
            "content_weight": 1.0,
            "style_weight": 3e3,
            "learning_rate": 5e-3,
        },
    ),
}
"""What can be trained, by name."""

ROWS = (
    Row("CycleGAN", "cyclegan"),
    Row("CycleGAN + stabiliser", "cyclegan", is_steady=True),
    Row("CycleGAN + equivariance", "equivariance"),
    Row("CycleGAN + equivariance + stabiliser", "equivariance", is_steady=True),
    Row("grade", "grade"),
    Row("fast style", "fast_style"),
    Row("fast style + stabiliser", "fast_style", is_steady=True),
)
"""The table, in its order."""


def settings_of(model: Model) -> dict[str, Any]:
    """Settings of the method: those of `make` on a CPU where it knows the method."""
    fields = find_trained(model.method).Config.model_fields
    chosen = (
        choose_settings(model.method, CROP, is_gpu=False) if model.method in ("cyclegan", "grade") else {}
    )
    settings = {key: value for key, value in chosen.items() if key in fields}
    if "feature_weights" in fields and "feature_weights" not in model.settings:
        settings["feature_weights"] = weights()
    return settings | model.settings


def train(model: Model, seed: int, seconds: float) -> tuple[Method, int]:
    """A model trained from scratch for `seconds` of CPU time, and its number of steps."""
    torch.manual_seed(seed)
    kind = find_trained(model.method)
    method = kind(parse(kind.Config, settings_of(model)))
    decay = choose_settings("cyclegan", CROP, is_gpu=False)["ema"]
    steps = teach(method, model.batches(seed), seed=seed, seconds=seconds, decay=decay)
    return method.eval(), steps


@functools.cache
def clips() -> tuple[list[Clip], list[list[np.ndarray]]]:
    """The test clips, and the frames of their films as pictures."""
    made = [Clip(seed) for seed in CLIPS]
    return made, [[to_image(frame[None])[0] for frame in clip.film] for clip in made]


def measure(frames: Sequence[Tensor], seconds: float = 0.0) -> dict[str, float]:
    """Measures of translated clips, each (T, 3, H, W), made in `seconds` of CPU time."""
    films, _ = clips()
    rows = [
        clip.measure(made) | {"ssim": float(ssim(made, clip.truth).mean())}
        for clip, made in zip(films, frames, strict=True)
    ]
    found = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    return found | {"per_second": sum(map(len, frames)) / seconds if seconds else 0.0}


@torch.no_grad()
def measured(method: Method) -> dict[str, dict[str, float]]:
    """The measures of a model, as it translates ("raw") and with the stabiliser ("steady")."""
    films, pictures = clips()
    engine = Engine(method, "a2b", choose_compute("cpu", "fp32"))
    begun = time.process_time()
    raw = [engine.run_clips(clip.film[None])[0].clamp(-1, 1) for clip in films]
    between = time.process_time()
    steady = [stabilised(film, made) for film, made in zip(pictures, raw, strict=True)]
    ended = time.process_time()
    return {"raw": measure(raw, between - begun), "steady": measure(steady, ended - begun)}


def stabilised(film: Sequence[np.ndarray], translated: Tensor) -> Tensor:
    """A clip, (T, 3, H, W), after the stabiliser."""
    stabiliser = Stabiliser()
    made = [stabiliser.step(a, to_image(b[None])[0]) for a, b in zip(film, translated, strict=True)]
    return torch.cat([to_tensor(frame) for frame in made])


def cell(name: str, seed: int, seconds: float) -> dict[str, Any]:
    """What is measured of a model and a seed; trained and kept where it is not there yet."""
    path = FOLDER / f"{name}-{seed}-{seconds:g}.json"
    if not path.exists():
        method, steps = train(MODELS[name], seed, seconds)
        write_json(path, {"steps": steps} | measured(method))
        print(f"{path}: {read_json(path)}", flush=True)
    return read_json(path)


def page(lines: list[tuple[str, list[dict[str, float]]]], *, seeds: int, seconds: float) -> str:
    """The table and how it was made."""
    text = [HEAD.format(seeds=seeds, seconds=f"{seconds:g}", clips=len(CLIPS))]
    if seconds < 600:
        text += [
            "",
            f"**{seconds:g} seconds are a small budget:** a CycleGAN is far from done. The order may change.",
        ]
    text += ["", "| | PSNR | SSIM | E1 | E5 | sharpness | frames/s |", "|---|---|---|---|---|---|---|"]
    for title, rows in lines:
        values = [[row[name] for row in rows if name in row] for name in _MEASURES]
        shown = [_shown(name, found) for name, found in zip(_MEASURES, values, strict=True)]
        text.append(f"| {title} | {' | '.join(shown)} |")
    return "\n".join(text) + "\n"


def _shown(name: str, values: list[float]) -> str:
    if not values or not np.isfinite(values).all() or (name == "per_second" and not any(values)):
        return ""
    digits = {"ssim": 3, "per_second": 0}.get(name, 2)
    text = f"{statistics.fmean(values):.{digits}f}"
    spread = (max(values) - min(values)) / 2
    return text if len(values) == 1 or name == "per_second" else f"{text} ± {spread:.{digits}f}"


def main() -> None:
    """Train what is missing, measure, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=100.0, help="of CPU time for each model and seed")
    parser.add_argument("--only", nargs="+", choices=list(MODELS), help="train these models alone")
    parser.add_argument("--out", type=Path, default=Path("docs/results/video.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    films, _ = clips()
    lines = [
        ("film (input)", [measure([clip.film for clip in films])]),
        ("game (truth)", [measure([clip.truth for clip in films])]),
    ]
    # Seed by seed, so that a table that is stopped holds every row.
    for seed in range(arguments.seeds):
        for name in arguments.only or MODELS:
            if name != "fast_style" or weights() is not None:
                cell(name, seed, arguments.seconds)
    for row in ROWS:
        way = "steady" if row.is_steady else "raw"
        paths = [FOLDER / f"{row.model}-{seed}-{arguments.seconds:g}.json" for seed in range(arguments.seeds)]
        if all(path.exists() for path in paths):
            lines.append((row.title, [read_json(path)[way] for path in paths]))
        else:
            print(f"left out, for it is not trained: {row.title}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with commit(arguments.out) as temporary:
        temporary.write_text(page(lines, seeds=arguments.seeds, seconds=arguments.seconds), encoding="utf-8")
    print(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
