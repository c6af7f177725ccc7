"""CycleGAN beside the methods that learn from clips, at equal CPU time: `make two-people`.

python -m benchmarks.two_people [--seconds 150] [--seeds 1] [--drawn] [A.mkv B.mkv]

Two people in front of a camera, as in the report on Recycle-GAN: A is to look as B. Or, with --drawn, a
drawn film that is to look as a drawn game, whose truth and motion are known. All learn from the first three
quarters and are measured on the last; all have generators of one shape. Real footage comes from
RESKIN_TEST_DATA, else from shared/data beside the repository; the sheet and the film side by side go to the
build folder and are not committed.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.steady import teach
from PIL import Image, ImageDraw
from torch import Tensor

from reskin.images import Picture, to_image, to_tensor, write_image
from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.methods.recycle_gan import RecycleGAN
from reskin.metrics.patch_swd import patch_swd
from reskin.metrics.psnr import psnr
from reskin.metrics.structure import structure
from reskin.metrics.warping_error import visible_pixels, warping_error
from reskin.networks.flow import dis_flow
from reskin.parsing import parse
from reskin.storage import commit
from reskin.types import Batch
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.worlds.footage import Footage

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("RESKIN_TEST_DATA", ROOT.parent / "shared" / "data")) / "video" / "live"
SIZE, CROP = (96, 72), 64
"""Frames are brought to this width and height; crops are squares."""
SHOWN = 2
"""Times that frames are enlarged to be looked at."""
DRAWN_FRAMES, DRAWN_SCENES = 480, 36
NETWORKS = {"width": 16, "blocks": 6, "disc_layers": 2}
PREDICTORS = {"predictor": "residual", "predictor_width": 16, "predictor_downsamplings": 5}
VIDEO = {"width": 16, "blocks": 6, "disc_width": 16, "disc_layers": 2, "scales": 1, "frames": 7}
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
SAMPLES = {"cyclegan": 3, "recycle_gan": 1, "vid2vid": 1}
"""Samples in a step: three frames for both methods without pairs."""
EMA, RATE = 0.99, 4e-4


@dataclass
class Footages:
    """What is learnt from, and what is measured on.

    Attributes:
        a: (T, 3, H, W), in [-1, 1]; `cuts_a` are the numbers of first frames.
        b: the same of the other footage.
        test: (S, 3, H, W), one shot.
        flow: (S - 1, 2, H, W), to the next frame, and `visible`, (S - 1, H, W).
        truth: (S, 3, H, W), where it is known.
    """

    a: Tensor
    b: Tensor
    cuts_a: list[int]
    cuts_b: list[int]
    test: Tensor
    flow: Tensor
    visible: Tensor
    truth: Tensor | None = None


def real(a: Path, b: Path) -> Footages:
    """Two real videos of one shot each."""
    frames_a, frames_b = (_read(path) for path in (a, b))
    held_a, held_b = (3 * len(frames) // 4 for frames in (frames_a, frames_b))
    test = frames_a[held_a:]
    forward, backward = dis_flow(test[:-1], test[1:]), dis_flow(test[1:], test[:-1])
    seen = visible_pixels(forward, backward)
    return Footages(frames_a[:held_a], frames_b[:held_b], [0], [0], test, forward, seen)


def _read(path: Path) -> Tensor:
    with VideoReader(path) as reader:
        pictures = [np.array(Image.fromarray(f.image).resize(SIZE, Image.Resampling.LANCZOS)) for f in reader]
    return torch.cat([to_tensor(picture) for picture in pictures])


def drawn(seed: int) -> Footages:
    """A drawn film and a drawn game of other scenes; the test is a scene of neither."""
    of_a, of_b = (
        torch.cat(
            [to_tensor(frame.image) for frame in Footage(look, seed=own, frames=DRAWN_FRAMES, size=SIZE)]
        )
        for look, own in (("film", 2 * seed + 1), ("game", 2 * seed + 2))
    )
    clip = list(Footage("film", seed=401, frames=24, size=SIZE, scene_frames=24))
    test, truth = (
        torch.cat([to_tensor(picture) for picture in pictures])
        for pictures in ([frame.image for frame in clip], [frame.other for frame in clip])
    )
    flow = torch.stack([torch.from_numpy(frame.flow).permute(2, 0, 1) for frame in clip[:-1]])
    backward = dis_flow(truth[1:], truth[:-1])
    cuts = list(range(0, DRAWN_FRAMES, DRAWN_SCENES))
    return Footages(of_a, of_b, cuts, cuts, test, flow, visible_pixels(flow, backward), truth)


def batches(footages: Footages, kind: type[Method], length: int, samples: int, seed: int) -> Iterator[Batch]:
    """Random windows without a cut, cropped and mirrored alike in all their frames."""
    source = torch.Generator().manual_seed(seed)
    starts = [_starts(len(f), cuts, length) for f, cuts in _domains(footages)]
    while True:
        drawn_a = [_sample(footages.a, starts[0], length, source) for _ in range(samples)]
        if kind.pairing == "paired":
            made = [_cut(footages.b, *where, length) for _, where in drawn_a]
        else:
            made = [_sample(footages.b, starts[1], length, source)[0] for _ in range(samples)]
        a, b = torch.stack([clip for clip, _ in drawn_a]), torch.stack(made)
        yield Batch(a, b) if length > 1 else Batch(a[:, 0], b[:, 0])


def _domains(footages: Footages) -> list[tuple[Tensor, list[int]]]:
    return [(footages.a, footages.cuts_a), (footages.b, footages.cuts_b)]


def _starts(count: int, cuts: list[int], length: int) -> list[int]:
    return [n for n in range(count - length + 1) if not any(n < cut < n + length for cut in cuts)]


def _sample(
    frames: Tensor, starts: list[int], length: int, source: torch.Generator
) -> tuple[Tensor, tuple[int, int, bool]]:
    chosen, left, flip = torch.rand(3, generator=source).tolist()
    where = (starts[int(chosen * len(starts))], int(left * (SIZE[0] - CROP + 1)), flip < 0.5)
    return _cut(frames, *where, length), where


def _cut(frames: Tensor, start: int, left: int, is_mirrored: bool, length: int) -> Tensor:
    clip = frames[start : start + length, :, :CROP, left : left + CROP]
    return clip.flip(-1) if is_mirrored else clip


def train(name: str, footages: Footages, seed: int, seconds: float) -> tuple[Method, int]:
    """A method trained from scratch for `seconds` of CPU time, and its number of steps."""
    method_name, settings = SETTINGS[name]
    kind = find_trained(method_name)
    torch.manual_seed(seed)
    method = kind(parse(kind.Config, settings | {"learning_rate": RATE}))
    source = batches(footages, kind, kind.frames_of(method.config), SAMPLES[method_name], seed)
    steps = teach(method, source, seed=seed, seconds=seconds, decay=EMA)
    return method.eval(), steps


@torch.no_grad()
def translated(method: Method, frames: Tensor) -> Tensor:
    """A film of one shot as the method makes it, frame after frame, without a stabiliser."""
    stream = method.stream("a2b")
    return torch.cat([stream.step(frame[None]).float() for frame in frames]).clamp(-1, 1)


def measure(made: Tensor, footages: Footages) -> dict[str, float]:
    """Warping error in levels, structure kept, distance of patches to B, sharpness as a share of B's."""
    error = warping_error(made[:-1], made[1:], flow=footages.flow, visible=footages.visible)
    found = {
        "e1": 255 * float(error.mean().sqrt()),
        "structure": float(structure(made, footages.test).mean()),
        "distance": patch_swd(made, footages.b).mean,
        "sharp": _slope(made) / _slope(footages.b),
    }
    return found if footages.truth is None else found | {"psnr": float(psnr(made, footages.truth).mean())}


def _slope(frames: Tensor) -> float:
    return float(frames.diff(dim=2).abs().mean() + frames.diff(dim=3).abs().mean())


def compare(
    footages: Footages, seed: int, seconds: float, say: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Every row's film, and the steps of those that were trained."""
    films, steps = {"input": footages.test}, dict[str, int]()
    for name, (method_name, _) in SETTINGS.items():
        learnt = footages
        share = 0.5 if method_name == "vid2vid" else 1.0
        if method_name == "vid2vid":  # half of the time makes the image model, half learns from its pairs
            image_model, before = train("CycleGAN", footages, seed, seconds * share)
            made = torch.cat([image_model.translate(one[None], "a2b").detach() for one in footages.a])
            learnt = Footages(**(vars(footages) | {"b": made, "cuts_b": footages.cuts_a}))
            say(f"seed {seed}: image model for pairs, {before} steps")
        method, steps[name] = train(name, learnt, seed, seconds * share)
        films[name] = translated(method, footages.test)
        if isinstance(method, RecycleGAN):
            method.use_predictor(0.5)
            films[f"{name}, half predicted"] = translated(method, footages.test)
        say(f"seed {seed}: {name}, {steps[name]} steps: {measure(films[name], footages)}")
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
    has_truth = "psnr" in rows["input"][0]
    lines = [
        f"| | steps | E1 | of each seed | structure | distance to B | sharpness |{' PSNR |' * has_truth}"
    ]
    lines.append("|---" * (7 + has_truth) + "|")
    for name, found in rows.items():
        mean = {key: statistics.fmean(row[key] for row in found) for key in found[0]}
        each = " ".join(f"{row['e1']:.2f}" for row in found)
        count = "/".join(map(str, steps.get(name, [])))
        line = f"| {name} | {count} | {mean['e1']:.2f} | {each} | {mean['structure']:.3f} |"
        line += f" {mean['distance']:.1f} | {mean['sharp']:.2f} |"
        lines.append(line + (f" {mean['psnr']:.2f} |" if has_truth else ""))
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
    parser.add_argument("--drawn", action="store_true", help="drawn worlds in place of two videos")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "two-people")
    parser.add_argument("--page", type=Path, help="where the numbers go; by default into the build folder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[dict[str, float]]] = {}
    steps: dict[str, list[int]] = {}
    for seed in range(given.seeds):
        footages = drawn(seed) if given.drawn else real(*given.videos)
        films, counts = compare(footages, seed, given.seconds, lambda line: print(line, flush=True))
        for name, film in films.items():
            rows.setdefault(name, []).append(measure(film, footages))
        for name, count in counts.items():
            steps.setdefault(name, []).append(count)
        draw(films, given.build / f"seed{seed}")
    named = "drawn film to drawn game" if given.drawn else " to ".join(path.stem for path in given.videos)
    command = f"python -m benchmarks.two_people{' --drawn' * given.drawn}"
    command += f" --seconds {given.seconds:g} --seeds {given.seeds}"
    about = [
        f"Made by `{command}`: {named}, {SIZE[0]}x{SIZE[1]} px, crops of {CROP} px,",
        f"from scratch, {given.seconds:g} seconds of CPU time for each row that was trained.",
    ]
    lines = table(rows, steps)
    write_page(given.page or given.build / "numbers.md", "CycleGAN beside the methods of clips", about, lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
