"""`reskin demo`: the main job on footage that the package draws itself, with the truth to compare."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reskin.cli import make
from reskin.cli.arguments import parse
from reskin.config import read_json, write_json

if TYPE_CHECKING:
    from reskin.worlds.footage import Footage

SIZE = (160, 96)
TRAINING_FRAMES = 1440
CLIP_FRAMES = 144
SCENE_FRAMES = 36


@dataclass(frozen=True)
class Arguments:
    """Draw a film, a game and an unseen clip of the film; then make the clip look like the game.

    Offline and without a GPU. The film and the game show different scenes, so nothing is paired. Since the clip is drawn, its
    true look in the game is known, and the result is compared with it, beside the untouched clip and Reinhard's
    colour transfer.

    Examples:
      reskin demo
      reskin demo --out demo --minutes 10
    """

    out: Path = Path("demo")
    """Folder for everything that is made."""
    minutes: float = 3.8
    """Training time."""
    steps: int | None = None
    """Training steps, instead of minutes."""
    seed: int = 0
    """Everything random follows from it."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin demo")
    began = time.monotonic()
    out, seed = arguments.out, arguments.seed
    clip = draw_clips(out, seed)
    made = make.Arguments(
        source=(out / "film.mp4",),
        like=(out / "game.mp4",),
        out=out,
        clip=out / "clip.mp4",
        minutes=None if arguments.steps else arguments.minutes,
        steps=arguments.steps,
        seed=seed,
    )
    make.make(made)
    scores = compare(out, clip)
    before = read_json(out / "scores.json")["seconds"] if (out / "scores.json").exists() else 0
    seconds = max(time.monotonic() - began, before)
    write_json(out / "scores.json", {**scores, "seconds": round(seconds, 1)})
    _say(scores, out, seconds)
    return 0


def draw_clips(out: Path, seed: int) -> Footage:
    """Draw film.mp4, game.mp4 and clip.mp4 (unless they are there) of three different sets of scenes."""
    from reskin.worlds.film import write_footage
    from reskin.worlds.footage import Footage

    make.say(f"0/5 drawing a film, a game and a clip → {out}")
    drawn = {
        "film": Footage(
            "film", seed=3 * seed + 1, frames=TRAINING_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES
        ),
        "game": Footage(
            "game", seed=3 * seed + 2, frames=TRAINING_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES
        ),
        "clip": Footage("film", seed=3 * seed + 3, frames=CLIP_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES),
    }
    for name, footage in drawn.items():
        if not (out / f"{name}.mp4").exists():
            write_footage(out / f"{name}.mp4", footage)
    return drawn["clip"]


def compare(out: Path, clip: Footage) -> dict[str, dict[str, float]]:
    """Mean PSNR (dB) and SSIM to the true look, of the input, of Reinhard's transfer and of the output."""
    from reskin.evaluation.reinhard import Reinhard
    from reskin.images import to_tensor
    from reskin.metrics.psnr import psnr
    from reskin.metrics.ssim import ssim

    given = list(_frames(out / "clip.mp4"))
    made = list(_frames(out / "translated.mp4"))
    truth = [frame.other for frame in clip]
    reinhard = Reinhard().fit(_every(_frames(out / "game.mp4"), 8), source=given)
    shown = {"input": given, "reinhard": [reinhard.transfer(image) for image in given], "output": made}
    scores: dict[str, dict[str, float]] = {"psnr": {}, "ssim": {}}
    for name, images in shown.items():
        pairs = [(to_tensor(image), to_tensor(true)) for image, true in zip(images, truth, strict=True)]
        scores["psnr"][name] = round(float(np.mean([psnr(*pair).item() for pair in pairs])), 3)
        scores["ssim"][name] = round(float(np.mean([ssim(*pair).item() for pair in pairs])), 4)
    return scores


def _frames(path: Path) -> Iterator[np.ndarray]:
    from reskin.video.reader import VideoReader

    with VideoReader(path) as reader:
        for frame in reader:
            yield frame.image


def _every(images: Iterable[np.ndarray], step: int) -> list[np.ndarray]:
    return [image for index, image in enumerate(images) if index % step == 0]


def _say(scores: dict[str, dict[str, float]], out: Path, seconds: float) -> None:
    psnr, ssim = scores["psnr"], scores["ssim"]
    print(f"\nOn the unseen clip, compared with its true look ({seconds / 60:.1f} minutes in all):\n")
    print(f"  {'':<28}{'PSNR':>9}{'SSIM':>9}")
    for name, title in (
        ("input", "input as it is"),
        ("reinhard", "Reinhard colour transfer"),
        ("output", "reskin"),
    ):
        print(f"  {title:<28}{psnr[name]:>6.2f} dB{ssim[name]:>9.3f}")
    print(f"\nLook at {out / 'report.html'} and {out / 'translated.mp4'}.")
    sys.stdout.flush()
