"""Methods on real pictures, beside what costs nothing: `python -m benchmarks.real horse2zebra cyclegan cut`.

SET is a folder of RESKIN_TEST_DATA/unpaired (by default shared/data/unpaired) in the layout trainA, trainB,
testA, testB. Each method is trained into OUT/SET-METHOD and measured on the test pictures: distance of
patches (SWD), kernel distance of SqueezeNet features (not Inception's: no published KID), for horse2zebra the
share of translated horses that this SqueezeNet calls zebra. OUT/SET.json, .md and .svg hold figures and
curves; the pictures stay in OUT, since most sets may not be published.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.device import choose_compute
from reskin.evaluation.evaluate import evaluate
from reskin.evaluation.pictures import HeldOut, find_held_out
from reskin.images import to_tensor
from reskin.inference.engine import Engine
from reskin.methods import find_trained
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics.kid import kernel_distance
from reskin.networks.squeezenet import SqueezeNet, read_squeezenet
from reskin.pages.charts import prepare
from reskin.runs.load import load
from reskin.runs.record import read_run
from reskin.storage import commit, read_lines, write_json
from reskin.training.start import train_run

ZEBRA = 340
"""Number of the class zebra in ImageNet."""
CLASSIFIED_PX = 227
"""Side of the pictures that SqueezeNet was trained on."""
BATCH = 10


def main() -> None:
    """Train and measure each method, then write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", help="horse2zebra or summer2winter_yosemite")
    parser.add_argument(
        "methods", nargs="+", help="names of methods, each as NAME or NAME:key=value,key=value"
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, help="of the crop, px; by default the method's own")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("build/real"))
    arguments = parser.parse_args()
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    data = shared / "unpaired" / arguments.set
    if not data.is_dir():
        sys.exit(f"no folder {data}: set RESKIN_TEST_DATA to the folder of test data")
    compute = choose_compute(arguments.device)
    network = read_squeezenet(shared / "weights" / "squeezenet1_1_caffe_fp16.pth").to(compute.device)
    figures: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks.real", *sys.argv[1:]]),
        "device": compute.describe(),
        "torch": torch.__version__,
        "features": "SqueezeNet 1.1 (the original Caffe weights), mean of the last layer, pictures at 227 px",
        "methods": {},
    }
    for text in arguments.methods:
        name, _, given = text.partition(":")
        settings = dict(pair.split("=", 1) for pair in given.split(",") if pair)
        run = arguments.out / f"{arguments.set}-{name}"
        row = train_and_measure(name, settings, data, run, arguments, network)
        figures["references"] = row.pop("references")
        figures["methods"][name] = row
        write_json(arguments.out / f"{arguments.set}.json", figures)
    for ending, text in (("md", table(figures)), ("svg", curves(figures))):
        with commit(arguments.out / f"{arguments.set}.{ending}") as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(table(figures))


def train_and_measure(
    name: str,
    settings: dict[str, str],
    data: Path,
    run: Path,
    arguments: argparse.Namespace,
    network: SqueezeNet,
) -> dict[str, Any]:
    """One method from its first step to its scores."""
    method = find_trained(name)
    on_gpu = choose_compute(arguments.device).device.type == "cuda"
    values: dict[str, Any] = {"steps": arguments.steps, "batch": arguments.batch, "device": arguments.device}
    if arguments.size:
        values |= {"crop_size": arguments.size, "load_size": round(arguments.size * 286 / 256)}
    if on_gpu and method.same_every_step:
        values["cuda_graph"] = True
    values |= {"ema": 0.999, "sample_every": max(1, arguments.steps // 5), "log_every": 10} | settings
    began = time.perf_counter()
    train_run(name, out=run, a=data, b=data, **values)
    seconds = time.perf_counter() - began
    model = load(run, device=arguments.device)
    if isinstance(model, Styled):
        chosen: Translator = model.with_style(model.sample_styles(1, seed=0)[0])
    else:
        chosen = model
    size = read_run(run).setting("data", "crop_size")
    scores = evaluate(chosen, a=data, b=data, metrics=["swd"], size=size)
    swd = {key: round(score.value, 1) for key, score in scores.items() if "b2a" not in key}
    a, b = (find_held_out(data, side, size=size) for side in ("a", "b"))
    inputs, real = pictures(a), pictures(b)
    translated = translations(chosen, a)
    is_zebra = "zebra" in data.name
    return {
        "settings": read_run(run).settings,
        "seconds": round(seconds, 1),
        "weights": sum(p.numel() for p in model.parameters()),
        **measure(translated, real, network, is_zebra),
        "swd": swd["swd_a2b"],
        "losses": thinned(run),
        "references": {
            "untouched input": measure(inputs, real, network, is_zebra) | {"swd": swd["swd_input_a2b"]},
            "colour transfer (Reinhard)": {"swd": swd["swd_reinhard_a2b"]},
            "real against real, in halves": measure(real[::2], real[1::2], network, is_zebra)
            | {"swd": swd.get("swd_real_b")},
        },
    }


def pictures(side: HeldOut) -> Tensor:
    """All pictures of a side at the classifier's size, (N, 3, 227, 227)."""
    return torch.cat([at_classified_size(to_tensor(image)) for image in side])


def translations(model: Translator, side: HeldOut) -> Tensor:
    """All translated pictures of a side, in 8 bits, at the classifier's size."""
    engine = Engine(model, "a2b", choose_compute(str(next(model.parameters()).device), "fp32"))
    return torch.cat([at_classified_size(to_tensor(engine.translate(image[None])[0])) for image in side])


def at_classified_size(images: Tensor) -> Tensor:
    """Resized without aliasing."""
    return F.interpolate(images, (CLASSIFIED_PX, CLASSIFIED_PX), mode="bicubic", antialias=True).clamp(-1, 1)


@torch.inference_mode()
def measure(images: Tensor, real: Tensor, network: SqueezeNet, is_zebra: bool) -> dict[str, Any]:
    """Kernel distance to the real pictures, and how many are called zebra."""
    device = next(network.parameters()).device
    both = [torch.cat([network(part.to(device)) for part in every.split(BATCH)]) for every in (images, real)]
    distance = kernel_distance(*both)
    row: dict[str, Any] = {"pictures": len(images), "kid": round(distance.mean, 4)}
    if is_zebra:
        best = torch.cat([network.classify(part.to(device)).topk(5).indices for part in images.split(BATCH)])
        row["zebra_top1"] = round((best[:, 0] == ZEBRA).float().mean().item(), 3)
        row["zebra_top5"] = round((best == ZEBRA).any(dim=1).float().mean().item(), 3)
    return row


def thinned(run: Path) -> dict[str, list[list[float]]]:
    """At most 240 smoothed points of every loss."""
    rows = read_lines(run / "losses.jsonl")
    curves_of = {}
    for name in rows[-1]["losses"]:
        points = [(row["step"], row["losses"][name]) for row in rows if name in row["losses"]]
        curve = prepare([step for step, _ in points], [value for _, value in points])
        curves_of[name] = [
            [step, float(f"{value:.4g}")] for step, value in zip(curve.steps, curve.smooth, strict=True)
        ]
    return curves_of


def table(figures: dict[str, Any]) -> str:
    """The scores as Markdown."""
    keys = [
        key
        for key in ("swd", "kid", "zebra_top1", "zebra_top5")
        if key in figures["methods"][next(iter(figures["methods"]))]
    ]
    titles = {
        "swd": "SWD",
        "kid": "KID (SqueezeNet)",
        "zebra_top1": "zebra, first",
        "zebra_top5": "zebra, of five",
    }
    lines = [
        f"<!-- Made by `{figures['command']}`. -->",
        f"{figures['device']}, torch {figures['torch']}. {figures['features']}.",
        "",
        "| what | steps | batch | px | minutes | weights | " + " | ".join(titles[key] for key in keys) + " |",
        "|---|" + "---|" * (5 + len(keys)),
    ]
    for name, row in figures["methods"].items():
        train, data = row["settings"]["train"], row["settings"]["data"]
        facts = [
            train["steps"],
            train["batch"],
            data["crop_size"],
            f"{row['seconds'] / 60:.1f}",
            f"{row['weights']:,}",
        ]
        lines.append(
            f"| {name} | " + " | ".join(map(str, [*facts, *(row.get(key, "") for key in keys)])) + " |"
        )
    for name, row in figures["references"].items():
        lines.append(f"| *{name}* | | | | | | " + " | ".join(str(row.get(key, "")) for key in keys) + " |")
    return "\n".join(lines) + "\n"


def curves(figures: dict[str, Any]) -> str:
    """Every loss of every method as a small chart, in rows of methods."""
    width, height, gap = 200, 110, 24
    rows = list(figures["methods"].items())
    columns = max(len(row["losses"]) for _, row in rows)
    parts = []
    for number, (name, row) in enumerate(rows):
        for column, (loss, points) in enumerate(row["losses"].items()):
            left, top = gap + column * (width + gap), gap + number * (height + 2 * gap)
            low, high = min(v for _, v in points), max(v for _, v in points)
            last = points[-1][0]
            path = " ".join(
                f"{left + width * step / last:.1f},{top + height * (high - value) / ((high - low) or 1):.1f}"
                for step, value in points
            )
            now, span = f"{points[-1][1]:.3g}", f"{low:.3g} to {high:.3g}, {last} steps"
            right, under = left + width, top + height + 12
            parts.append(f'<text x="{left}" y="{top - 6}">{name}: {loss}</text>')
            parts.append(f'<text x="{right}" y="{top - 6}" text-anchor="end" class="v">{now}</text>')
            parts.append(f'<rect x="{left}" y="{top}" width="{width}" height="{height}"/>')
            parts.append(f'<polyline points="{path}"/><text x="{left}" y="{under}" class="v">{span}</text>')
    size = f'width="{gap + columns * (width + gap)}" height="{gap + len(rows) * (height + 2 * gap)}"'
    style = (
        "<style>text{font:11px sans-serif;fill:#444}.v{fill:#888}rect{fill:#f6f6f6}"
        "polyline{fill:none;stroke:#2a6fb0;stroke-width:1.5}</style>"
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(parts)}</svg>\n'


if __name__ == "__main__":
    main()
