"""Many looks from one picture: MUNIT, UNIT, CycleGAN and Gatys side by side: `make style-table`.

python -m benchmarks.looks [SET] [--steps 1200] [--out docs/results/styles.md]

Without SET, a game is given the look of a film shot in four seasons; both are drawn, so the truth of
every test frame in all four is known, and the season of an output is that of the nearest truth, if it
is near. With SET, a folder such as summer2winter_yosemite of RESKIN_TEST_DATA/unpaired, the same table
is made of its pictures, with no truth, into build/looks/SET (most such pictures may not be published).
Diversity is the LPIPS protocol of MUNIT with SqueezeNet: pairs of outputs of one input. Trainings are
kept in build/looks, so the command can be stopped and typed again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reskin.data.folders import held_out_images
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.inference.rendering import example_style
from reskin.methods.base import Method
from reskin.methods.gatys import Gatys, GatysConfig, read_features
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics.lpips import lpips, read_weights
from reskin.networks.squeezenet import SqueezeNet, read_squeezenet
from reskin.runs.load import load
from reskin.storage import commit
from reskin.training.start import train_run
from reskin.translation.grid import style_grid
from reskin.worlds.footage import SEASONS, Footage, Season
from reskin.worlds.seasons import season_distances

SIDE, FRAMES, TESTS = 64, 800, 24
PAIRS, STYLES = 19, 8
SHOWN = 4
NEAR = 52.0
"""An output farther than this from all truths (root of the mean squared difference, in levels of 255) is in
no season; the untouched game is 56 from its nearest."""
FOLDER = Path("build/looks")
SHALLOW = ("relu1_1", "relu2_1", "relu3_1")
SMALL: dict[str, dict[str, Any]] = {
    "munit": {
        **{"width": 16, "blocks": 2, "mlp_width": 64, "disc_width": 32, "disc_layers": 3, "scales": 2},
        **{"cycle_weight": 10.0, "adversarial_weight": 4.0, "style_weight": 4.0, "style_size": 3},
    },
    "unit": {
        **{"width": 24, "blocks": 3, "disc_width": 32, "disc_layers": 3},
        **{"adversarial": "lsgan", "adversarial_weight": 60.0},
    },
    "cyclegan": {"width": 16, "blocks": 4, "disc_layers": 2},
}
"""What makes each method small and quick enough for a CPU; the rest is its paper's."""


def main() -> None:
    """Draw or find the pictures, train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "set", nargs="?", help="a folder of RESKIN_TEST_DATA/unpaired, instead of drawn worlds"
    )
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--full", action="store_true", help="the papers' networks at 256 px: for a GPU")
    parser.add_argument("--gatys-steps", type=int, default=200)
    parser.add_argument("--out", type=Path, help="the page; its pictures go beside it")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data"))
    weights = shared / "weights"
    if not (weights / "squeezenet1_1_caffe_fp16.pth").is_file():
        sys.exit(f"no weights in {weights}: set RESKIN_TEST_DATA to the folder of test data")
    folder = FOLDER / (arguments.set or "drawn")
    data = shared / "unpaired" / arguments.set if arguments.set else draw(folder / "data")
    out = arguments.out or (folder / "styles.md" if arguments.set else Path("docs/results/styles.md"))
    models = {name: trained(name, data, folder, arguments) for name in SMALL}
    contents, examples = tests(data, arguments.set is None)
    table = Table(models, contents, examples, weights, arguments)
    page = table.page()
    out.parent.mkdir(parents=True, exist_ok=True)
    table.draw_side_by_side(out.with_suffix(".jpg"))
    style_grid(
        models["munit"],
        contents[:SHOWN],
        list(examples.values()),
        table.encoded,
        out=out.with_name(f"{out.stem}-grid.jpg"),
        size=2 * SIDE if not arguments.full else 256,
        overwrite=True,
    )
    with commit(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    print(page)


def draw(folder: Path) -> Path:
    """Game frames as A, film frames of all seasons as B, no scene in both; test frames with their truths."""
    if (folder / "done").exists():
        return folder
    sides = {"A": Footage("game", seed=21, frames=FRAMES, size=(SIDE, SIDE), scene_frames=1)}
    sides["B"] = Footage("film", seed=22, frames=FRAMES, size=(SIDE, SIDE), scene_frames=1, seasons=SEASONS)
    for side, footage in sides.items():
        for index, frame in enumerate(footage):
            write_image(made(folder / f"train{side}") / f"{index:04d}.png", frame.image)
    test = Footage("game", seed=23, frames=TESTS, size=(SIDE, SIDE), scene_frames=1)
    for index, frame in enumerate(test):
        write_image(made(folder / "testA") / f"{index:04d}.png", frame.image)
        for season, truth in test.in_seasons(index).items():
            write_image(made(folder / f"truth-{season}") / f"{index:04d}.png", truth)
    other = Footage("film", seed=24, frames=len(SEASONS), size=(SIDE, SIDE), scene_frames=1, seasons=SEASONS)
    for frame in other:
        write_image(made(folder / "testB") / f"{frame.season}.png", frame.image)
    (folder / "done").touch()
    return folder


def made(folder: Path) -> Path:
    """The folder, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def tests(data: Path, is_drawn: bool) -> tuple[list[Path], dict[str, Path]]:
    """Pictures to translate, and examples of looks by name."""
    contents, others = (held_out_images(data, side)[:TESTS] for side in ("a", "b"))
    if is_drawn:
        return contents, {season: data / "testB" / f"{season}.png" for season in SEASONS}
    return contents, {f"example {number}": path for number, path in enumerate(others[:4], 1)}


def trained(name: str, data: Path, folder: Path, arguments: argparse.Namespace) -> Method:
    """The method, trained into `folder` unless it is there already."""
    run = folder / "runs" / name
    settings: dict[str, Any] = {"steps": arguments.steps, "batch": arguments.batch, "ema": 0.995}
    settings |= {"sample_every": max(1, arguments.steps // 5), "log_every": 50}
    if arguments.full:
        settings |= {"load_size": 286, "crop_size": 256} if name == "cyclegan" else {}
        settings |= {"cycle_weight": 10.0} if name == "munit" else {}
    else:
        settings |= SMALL[name] | {
            "load_size": SIDE,
            "crop_size": SIDE,
            "learning_rate": 1e-3,
            "schedule": "linear",
        }
    train_run(name, out=run, a=data, b=data, **settings)
    return load(run)


class Table:
    """What is measured of the three trained models and of Gatys."""

    def __init__(
        self,
        models: dict[str, Method],
        contents: list[Path],
        examples: dict[str, Path],
        weights: Path,
        arguments: argparse.Namespace,
    ) -> None:
        self.models, self.paths, self.examples = models, contents, examples
        self.arguments, self.weights = arguments, weights
        self.is_drawn = arguments.set is None
        self.device = next(models["munit"].parameters()).device
        self.contents = torch.cat([to_tensor(read_image(path)) for path in contents]).to(self.device)
        self.network: SqueezeNet = read_squeezenet(weights / "squeezenet1_1_caffe_fp16.pth").to(self.device)
        self.linear = read_weights(weights / "lpips_lin_squeeze.pth")
        munit = models["munit"]
        self.styles = munit.sample_styles(STYLES, seed=1)
        self.encoded = torch.stack([example_style(munit, path, "a2b") for path in examples.values()])
        with torch.no_grad():
            self.one = {name: self.single(name) for name in ("unit", "cyclegan")}
            self.many = munit.translate_styles(self.contents, "a2b", self.styles).float()
            self.led = munit.translate_styles(self.contents, "a2b", self.encoded).float()

    def single(self, name: str) -> Tensor:
        """The one translation of each content, (N, 3, H, W)."""
        return self.models[name].translate(self.contents, "a2b").float()

    @torch.no_grad()
    def diversity(self, name: str) -> float:
        """Mean LPIPS between outputs of one input, over 19 pairs of each: pairs of drawn styles for MUNIT."""
        model: Translator = self.models[name]
        source = torch.Generator().manual_seed(0)
        values = []
        for content in self.contents:
            if isinstance(model, Styled):
                styles = torch.randn(2 * PAIRS, model.style_size, generator=source).to(self.device)
                outputs = model.translate_styles(content[None], "a2b", styles)[:, 0].float()
            else:
                outputs = model.translate(content[None], "a2b").float().expand(2 * PAIRS, -1, -1, -1)
            one, two = outputs.chunk(2)
            values.append(lpips(one, two, taps=self.network.taps, weights=self.linear).mean())
        return torch.stack(values).mean().item()

    @torch.no_grad()
    def real_diversity(self) -> float:
        """The same between real pictures of domain B: what the most varied outputs could have."""
        folder = self.paths[0].parents[1]
        paths = sorted((folder / "trainB").iterdir())[: 2 * PAIRS]
        images = torch.cat([to_tensor(read_image(path)) for path in paths]).to(self.device)
        one, two = images.chunk(2)
        return lpips(one, two, taps=self.network.taps, weights=self.linear).mean().item()

    def seasons(self, outputs: Tensor) -> list[Season | None]:
        """The season of each output of the contents, in order; None for one that is near none."""
        folder = self.paths[0].parents[1]
        found: list[Season | None] = []
        for path, image in zip(self.paths, to_image(outputs.cpu()), strict=True):
            truths = {season: read_image(folder / f"truth-{season}" / path.name) for season in SEASONS}
            distances = season_distances(image, truths)
            nearest = min(distances, key=distances.__getitem__)
            found.append(nearest if distances[nearest] < NEAR else None)
        return found

    def gatys(self, count: int) -> Tensor:
        """The first contents in the style of the last example, each optimised for itself."""
        config = GatysConfig(
            content_layers=("relu3_1",), style_layers=SHALLOW, steps=self.arguments.gatys_steps
        )
        features = read_features(self.weights / "vgg19_normalised_relu3_1.pth", config)
        style = to_tensor(read_image(list(self.examples.values())[-1]))
        model = Gatys(config, features, [style]).to(self.device)
        return model.translate(self.contents[:count], "a2b")

    def farthest_apart(self) -> tuple[Tensor, Tensor]:
        """The outputs of MUNIT in those two of its random styles that differ most."""
        means = self.many.mean(dim=(1, 3, 4))
        one, two = divmod(int(torch.cdist(means, means).argmax()), len(means))
        return self.many[one], self.many[two]

    def draw_side_by_side(self, out: Path) -> None:
        """Content, two styles of MUNIT, UNIT, CycleGAN, Gatys (and the truth in winter) for some contents."""
        columns = [self.contents, *self.farthest_apart(), self.one["unit"], self.one["cyclegan"]]
        columns = [column[:SHOWN].cpu() for column in columns] + [self.gatys(SHOWN).cpu()]
        if self.is_drawn:
            folder = self.paths[0].parents[1] / f"truth-{SEASONS[-1]}"
            columns.append(torch.cat([to_tensor(read_image(folder / p.name)) for p in self.paths[:SHOWN]]))
        rows = [np.concatenate(list(row), axis=1) for row in zip(*map(to_image, columns), strict=True)]
        sheet = np.concatenate(rows)
        scale = 2 if self.is_drawn else 1
        write_image(out, sheet.repeat(scale, 0).repeat(scale, 1))

    def page(self) -> str:
        """The whole page as Markdown."""
        began = time.perf_counter()
        a = self.arguments
        what = "a game is given the look of a film shot in four seasons" if self.is_drawn else a.set
        sizes = "papers' networks at 256 px" if a.full else f"small networks at {SIDE} px"
        lines = [
            "<!-- Made by `make style-table`; change benchmarks/looks.py. -->",
            "# Many looks from one picture",
            "",
            f"Here {what}; {a.steps} steps of {a.batch}, {sizes}; {len(self.paths)} test pictures.",
            "",
            "![content, MUNIT in two styles, UNIT, CycleGAN, Gatys](styles.jpg)",
            "",
            f"From the left: content, MUNIT in those two of {STYLES} random styles that differ most, UNIT,"
            " CycleGAN, Gatys with one example" + (", and the truth in winter." if self.is_drawn else "."),
            "",
            "![every content in the style of every example](styles-grid.jpg)",
            "",
            "MUNIT led by examples: contents on the left, examples on top.",
            "",
            f"| method | diversity (LPIPS) ↑ |{' looks reached |' if self.is_drawn else ''}",
            "|---|---|" + ("---|" if self.is_drawn else ""),
        ]
        for name in ("munit", "unit", "cyclegan"):
            cells = [f"[{name}](../methods/{name}.md)", f"{self.diversity(name):.3f}"]
            lines.append("| " + " | ".join(cells + self.reached(name)) + " |")
        lines.append(
            f"| *real pictures of domain B* | {self.real_diversity():.3f} |{' |' if self.is_drawn else ''}"
        )
        lines += [
            "",
            f"Diversity: mean distance of {PAIRS} pairs of outputs for each of {len(self.paths)} inputs;"
            " LPIPS 0.1 weights on SqueezeNet 1.1 (the original Caffe weights, so not the published LPIPS).",
        ]
        if self.is_drawn:
            lines += ["", *self.led_by_examples()]
        print(f"measured in {time.perf_counter() - began:.0f} s")
        return "\n".join(lines) + "\n"

    def reached(self, name: str) -> list[str]:
        """How often the outputs are in each season."""
        if not self.is_drawn:
            return []
        outputs = list(self.many) if name == "munit" else [self.one[name]]
        counts = Counter(season for images in outputs for season in self.seasons(images))
        total = sum(counts.values())
        shares = [f"{season} {counts[season] / total:.0%}" for season in SEASONS if counts[season]]
        return [", ".join(shares + ([f"none {counts[None] / total:.0%}"] if counts[None] else []))]

    def led_by_examples(self) -> list[str]:
        """How often an output is in the season of its example."""
        rows = []
        for (season, _), outputs in zip(self.examples.items(), self.led, strict=True):
            found = Counter(self.seasons(outputs))
            rows.append(f"| {season} | {found[season] / len(self.paths):.0%} |")  # type: ignore[index]
        return ["| example of | outputs of MUNIT in that season |", "|---|---|", *rows]


if __name__ == "__main__":
    main()
