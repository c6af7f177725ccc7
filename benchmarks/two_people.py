"""CycleGAN beside the methods that learn from clips, at equal CPU time: `make two-people`.

python -m benchmarks.two_people [--seconds 150] [--seeds 1] [A.mkv B.mkv]

Two people in front of a camera, as in the report on Recycle-GAN: A is to look as B. All learn from the first
three quarters and are measured on the last; all have generators of one shape. The videos come from
RESKIN_TEST_DATA, else from shared/data beside the repository; the sheet, the film side by side and the
numbers go to the build folder. Drawn worlds, whose truth is known, are in `make video-table`.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from benchmarks.equal_time import Sampling, Shots, batches, slope, teach
from PIL import Image, ImageDraw
from torch import Tensor

from reskin.images import Picture, to_image, to_tensor, write_image
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.methods.recycle_gan import RecycleGAN
from reskin.metrics.patch_swd import patch_swd
from reskin.metrics.structure import structure
from reskin.metrics.warping_error import visible_pixels, warping_error
from reskin.networks.flow import dis_flow
from reskin.parsing import parse
from reskin.storage import commit
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("RESKIN_TEST_DATA", ROOT.parent / "shared" / "data")) / "video" / "live"
SIZE, CROP = (96, 72), 64
"""Frames are brought to this width and height; crops are squares."""
SHOWN = 2
"""Times that frames are enlarged to be looked at."""
NETWORKS = {"width": 16, "blocks": 4, "disc_layers": 3, "upsample": "nearest"}
"""Transposed convolutions leave a grid after so short a training, which the measures count as detail."""
PREDICTORS = {"predictor": "residual", "predictor_width": 16, "predictor_downsamplings": 5}
VIDEO = {"width": 16, "blocks": 4, "disc_width": 16, "disc_layers": 2, "scales": 1, "frames": 7}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "CycleGAN": ("cyclegan", NETWORKS),
    "Recycle-GAN": ("recycle_gan", NETWORKS | PREDICTORS),
    "Recycle-GAN with cycle": (
        "recycle_gan",
        NETWORKS | PREDICTORS | {"cycle_weight": 10.0, "identity_weight": 5.0},
    ),
    "vid2vid on CycleGAN's pairs": ("vid2vid", VIDEO),
}
"""Row to method and settings; those of recycle_gan have a second row, with half of the prediction."""
EMA, RATE = 0.99, 4e-4


class Footages(NamedTuple):
    """What is learnt from, and what is measured on.

    Attributes:
        a: one shot.
        b: one shot of somebody else.
        test: (S, 3, H, W), the rest of the shot of A.
        flow: (S - 1, 2, H, W), to the next frame.
        visible: (S - 1, H, W), where a pixel is still seen in it.
    """

    a: Shots
    b: Shots
    test: Tensor
    flow: Tensor
    visible: Tensor


def footages(a: Path, b: Path) -> Footages:
    """Two videos of one shot each."""
    frames_a, frames_b = (_read(path) for path in (a, b))
    held_a, held_b = (3 * len(frames) // 4 for frames in (frames_a, frames_b))
    test = frames_a[held_a:]
    forward, backward = dis_flow(test[:-1], test[1:]), dis_flow(test[1:], test[:-1])
    seen = visible_pixels(forward, backward)
    return Footages(Shots(frames_a[:held_a], [0]), Shots(frames_b[:held_b], [0]), test, forward, seen)


def _read(path: Path) -> Tensor:
    with VideoReader(path) as reader:
        pictures = [np.array(Image.fromarray(f.image).resize(SIZE, Image.Resampling.LANCZOS)) for f in reader]
    return torch.cat([to_tensor(picture) for picture in pictures])


def train(name: str, a: Shots, b: Shots, seed: int, seconds: float) -> tuple[Method, int]:
    """A method trained from scratch for `seconds` of CPU time, and its number of steps."""
    method_name, settings = SETTINGS[name]
    kind = find_trained(method_name)
    torch.manual_seed(seed)
    method = kind(parse(kind.Config, settings | {"learning_rate": RATE}))
    length, is_paired = kind.frames_of(method.config), kind.pairing == "paired"
    sampling = Sampling(1, CROP, length, is_paired)
    steps = teach(method, batches(a, b, sampling, seed), seed=seed, seconds=seconds, decay=EMA)
    return method.eval(), steps


@torch.no_grad()
def translated(method: Method, frames: Tensor) -> Tensor:
    """A film of one shot as the method makes it, frame after frame, without a stabiliser."""
    stream = method.stream("a2b")
    return torch.cat([stream.step(frame[None]).float() for frame in frames]).clamp(-1, 1)


def measure(made: Tensor, shown: Footages) -> dict[str, float]:
    """Warping error in levels, structure kept, distance of patches to B, sharpness as a share of B's."""
    error = warping_error(made[:-1], made[1:], flow=shown.flow, visible=shown.visible)
    return {
        "e1": 255 * float(error.mean().sqrt()),
        "structure": float(structure(made, shown.test).mean()),
        "distance": patch_swd(made, shown.b.frames).mean,
        "sharp": slope(made) / slope(shown.b.frames),
    }


def compare(
    shown: Footages, seed: int, seconds: float, say: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Every row's film, and the steps of those that were trained."""
    films, steps = {"input": shown.test}, dict[str, int]()
    for name, (method_name, _) in SETTINGS.items():
        b, share = shown.b, 1.0
        if method_name == "vid2vid":  # half of the time makes the image model, half learns from its pairs
            share = 0.5
            image_model, before = train("CycleGAN", shown.a, shown.b, seed, seconds * share)
            with torch.no_grad():
                b = Shots(torch.cat([image_model.translate(f[None], "a2b") for f in shown.a.frames]), [0])
            say(f"seed {seed}: image model for pairs, {before} steps")
        method, steps[name] = train(name, shown.a, b, seed, seconds * share)
        films[name] = translated(method, shown.test)
        if isinstance(method, RecycleGAN):
            method.use_predictor(0.5)
            films[f"{name}, half predicted"] = translated(method, shown.test)
        say(f"seed {seed}: {name}, {steps[name]} steps: {measure(films[name], shown)}")
    return films, steps


def draw(films: dict[str, Tensor], out: Path) -> None:
    """A film of all rows side by side, and a sheet of six of its moments."""
    pictures = [[to_image(film)[n] for film in films.values()] for n in range(len(films["input"]))]
    panels = [_labelled(row, list(films)) for row in pictures]
    height, width = panels[0].shape[:2]
    with VideoWriter(out / "side_by_side.mp4", size=(width, height), frame_rate=Fraction(25)) as writer:
        for number, panel in enumerate(panels):
            writer.write(panel, time=Fraction(number, 25))
    chosen = [panels[n * (len(panels) - 1) // 5] for n in range(6)]
    write_image(out / "sheet.png", np.concatenate(chosen))


def _labelled(row: list[Picture], names: list[str]) -> Picture:
    """Enlarged frames beside each other, each with its name."""
    shown = []
    for picture, name in zip(row, names, strict=True):
        image = Image.fromarray(picture).resize((SHOWN * SIZE[0], SHOWN * SIZE[1]), Image.Resampling.BICUBIC)
        ImageDraw.Draw(image).text((4, 4), name, fill="white", stroke_width=1, stroke_fill="black")
        shown.append(np.array(image))
    return np.concatenate(shown, axis=1)


def table(rows: dict[str, list[dict[str, float]]], steps: dict[str, list[int]]) -> list[str]:
    """Means over the seeds, with the values of each seed for the warping error."""
    lines = ["| | steps | E1 | of each seed | structure | distance to B | sharpness |", "|---" * 7 + "|"]
    for name, found in rows.items():
        mean = {key: statistics.fmean(row[key] for row in found) for key in found[0]}
        each = " ".join(f"{row['e1']:.2f}" for row in found)
        count = "/".join(map(str, steps.get(name, [])))
        line = f"| {name} | {count} | {mean['e1']:.2f} | {each} | {mean['structure']:.3f} |"
        lines.append(f"{line} {mean['distance']:.1f} | {mean['sharp']:.2f} |")
    return lines


HEAD = """\
E1 is the warping error from each frame to the next along the motion of the input, where a pixel stays
visible, root of the mean square, in levels of 255 (lower is steadier). Structure is the local correlation
with the input (1: every edge is where it was). Distance is the sliced Wasserstein distance of 5 px patches to
B's own frames (lower is nearer to B). Sharpness is the mean difference of neighbouring pixels, as a share of
B's: what is blurred is steady too. "Half predicted": the mean of the generator's frame and of the prediction
from the two translations before. vid2vid had half of the time, after a CycleGAN that had the other half made
its pairs. No stabiliser."""


def write_page(path: Path, title: str, about: list[str], lines: list[str]) -> None:
    """Write a page of one table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([f"# {title}", "", *about, "", HEAD, "", *lines]) + "\n"
    with commit(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main() -> None:
    """Train, measure, draw, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "videos", nargs="*", type=Path, default=[DATA / "signer_man.mkv", DATA / "signer_woman.mkv"]
    )
    parser.add_argument("--seconds", type=float, default=150.0, help="of CPU time for each method and seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "two-people")
    parser.add_argument("--page", type=Path, help="where the numbers go; by default into the build folder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    shown = footages(*given.videos)
    rows: dict[str, list[dict[str, float]]] = {}
    steps: dict[str, list[int]] = {}
    for seed in range(given.seeds):
        films, counts = compare(shown, seed, given.seconds, lambda line: print(line, flush=True))
        for name, film in films.items():
            rows.setdefault(name, []).append(measure(film, shown))
        for name, count in counts.items():
            steps.setdefault(name, []).append(count)
        draw(films, given.build / f"seed{seed}")
    named = " to ".join(path.stem for path in given.videos)
    command = f"python -m benchmarks.two_people --seconds {given.seconds:g} --seeds {given.seeds}"
    about = [
        f"Made by `{command}`: {named}, {SIZE[0]}x{SIZE[1]} px, crops of {CROP} px,",
        f"from scratch, {given.seconds:g} seconds of CPU time for each row that was trained.",
    ]
    lines = table(rows, steps)
    write_page(given.page or given.build / "numbers.md", "CycleGAN beside the methods of clips", about, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
