"""Seconds of a training step and of an output of every method at its paper's size: `make bench-methods`.

python benchmarks/methods.py [METHOD ...] [--rounds 2] [--device auto] [--out FILE.json]

One picture of each side a step, random pictures, fp32 and bf16 beside the convolution peak of the same
rounds. VGG features are those of a network of the real size with drawn weights, which takes as long as real
weights. A method whose steps differ (GANimorph teaches its discriminator in every other) is timed over two
steps. For a method with styles, eight styles of one picture are timed against eight single translations.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from measure import Cell, convolution_peak, interleave, machine, summary, with_speed
from torch import Tensor

from networks import PRECISIONS, count_flops
from reskin.device import Compute, choose_compute
from reskin.methods import find_trained, trained_names
from reskin.methods.base import Method
from reskin.methods.styled import Styled
from reskin.parsing import parse
from reskin.storage import write_json
from reskin.training.loop import PlainStep
from reskin.training.pretrained import load_features
from reskin.types import Batch, Step

SIDE = 256
"""Where a method's paper does not say otherwise, px."""
STYLES = 8
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Channels of each convolution, 0 for a pooling."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", help="some methods only")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    arguments = parser.parse_args()
    compute = choose_compute(arguments.device)
    rows: dict[str, Any] = {}
    results = {"machine": machine(), "device": compute.describe(), "batch": 1, "methods": rows}
    with tempfile.TemporaryDirectory() as folder:
        weights = drawn_vgg(Path(folder) / "vgg16.pth")
        for name in arguments.methods or trained_names():
            rows[name] = measure_method(name, compute, weights, arguments.rounds)
            say(name, rows[name])
            if arguments.out:
                write_json(arguments.out, results)


def drawn_vgg(path: Path) -> Path:
    """A VGG-16 of full size with drawn weights, under torchvision's names."""
    state, channels, index = {}, 3, 0
    for width in VGG16:
        if width:
            state[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) * (2 / 9 / channels) ** 0.5
            state[f"features.{index}.bias"] = torch.zeros(width)
            channels = width
        index += 2 if width else 1  # a convolution is followed by a ReLU
    torch.save(state, path)
    return path


def measure_method(name: str, compute: Compute, weights: Path, rounds: int) -> dict[str, Any]:
    """Steps and outputs of one method in fp32 and bf16."""
    kind = find_trained(name)
    has_features = "feature_weights" in kind.Config.model_fields
    torch.manual_seed(0)
    method = kind(parse(kind.Config, {"feature_weights": str(weights)} if has_features else {}))
    compute.move(method)
    method.prepare_training(load_features)
    side = int(kind.defaults.get("crop_size", SIDE))
    frames = () if kind.clip_length == 1 else (kind.clip_length,)
    source = torch.Generator().manual_seed(0)
    a, b = (torch.rand((2, 1, *frames, 3, side, side), generator=source) * 2 - 1).to(compute.device)
    steps = 1 if kind.same_every_step else 2
    cells = {}
    for precision in PRECISIONS:
        teach = PlainStep(method, replace(compute, precision=precision))
        work = step_work(method, teach, Batch(a, b), steps)
        flops = count_flops(work)
        cells[f"peak {precision}"] = convolution_peak(compute.device, precision)
        cells[precision] = Cell(work, flops)
    samples = interleave(cells, rounds)
    row: dict[str, Any] = {"side": side, "weights": sum(p.numel() for p in method.parameters())}
    row["gflops_per_step"] = round(cells["fp32"].flops / steps / 1e9, 1)
    for precision in PRECISIONS:
        peak = f"peak {precision}"
        found = with_speed(cells[precision], samples[precision], cells[peak], samples[peak])
        row[precision] = {
            "seconds_a_step": round(found["seconds"] / steps, 4),
            "share_of_peak": found["share_of_peak"],
            "cores_used_by_others": found["cores_used_by_others"],
        }
    pictures = a if not frames else a[:, 0]
    return row | measure_output(method.eval(), pictures, compute, rounds)


def step_work(method: Method, teach: PlainStep, batch: Batch, steps: int) -> Callable[[], None]:
    """What does `steps` training steps; the first call is not part of any sample."""

    def work() -> None:
        for number in range(1, steps + 1):
            teach(batch, Step(number, 100))

    return work


def measure_output(method: Method, images: Tensor, compute: Compute, rounds: int) -> dict[str, Any]:
    """Seconds of one translated picture, and of eight styles at once and one by one."""

    @torch.no_grad()
    def one(styles: Tensor | None) -> None:
        with compute.autocast():
            if styles is None:
                method.translate(images, method.directions[0])
            else:
                assert isinstance(method, Styled)
                method.translate_styles(images, method.directions[0], styles)

    if not isinstance(method, Styled):
        one(None)
        samples = interleave({"one": Cell(lambda: one(None))}, rounds + 1)
        return {"seconds_an_output": summary(samples["one"])["seconds"]}
    styles = method.sample_styles(STYLES, seed=0)
    one(styles)

    def apart() -> None:
        for style in styles:
            one(style[None])

    samples = interleave({"together": Cell(lambda: one(styles)), "apart": Cell(apart)}, rounds + 2)
    together, single = (summary(samples[key])["seconds"] for key in ("together", "apart"))
    return {
        "seconds_an_output": round(single / STYLES, 4),
        "seconds_of_eight_styles": together,
        "eight_styles_as_share_of_eight_singles": round(together / single, 3),
    }


def say(name: str, row: dict[str, Any]) -> None:
    """One line for each method."""
    parts = [f"{precision} {row[precision]['seconds_a_step']:.4g} s a step" for precision in PRECISIONS]
    shares = ", ".join(f"{row[precision]['share_of_peak']:.0%}" for precision in PRECISIONS)
    ratio = row.get("eight_styles_as_share_of_eight_singles")
    styles = f", eight styles cost {ratio} of eight outputs" if ratio else ""
    print(
        f"{name} {row['side']} px, {row['gflops_per_step']} GFLOP: {', '.join(parts)} ({shares} of the peak)"
    )
    print(f"  {row['seconds_an_output']:.4g} s an output{styles}", flush=True)


if __name__ == "__main__":
    main()
