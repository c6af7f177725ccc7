"""The main job on footage that the package draws itself, with the truth to compare."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from reskin import progress
from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.parsing import parse_flat
from reskin.progress import Report
from reskin.storage import read_json, write_json
from reskin.workflows.make import STAGES, MakeConfig, run_make

if TYPE_CHECKING:
    from reskin.images import Picture
    from reskin.worlds.footage import Footage

SIZE = (160, 96)
TRAINING_FRAMES = 1440
CLIP_FRAMES = 144
SCENE_FRAMES = 36
METHOD = "cyclegan"
"""What learns: drawn worlds are simple enough for it to learn textures in minutes."""
TITLES = {
    "input": "film (input)",
    "reinhard": "Reinhard colour transfer",
    "output": "reskin",
    "truth": "game (truth)",
}

_log = logging.getLogger(__name__)


class DemoConfig(Settings):
    """Draw a film, a game and an unseen clip of the film; then make the clip look like the game.

    Offline and without a GPU. The film and the game show different scenes, so nothing is paired. The clip is
    drawn, so its true look in the game is known: the result is compared with it, beside the untouched clip
    and Reinhard's colour transfer.

    Examples:
      reskin demo
      reskin demo --out demo --minutes 10
    """

    out: Path = Path("demo")
    """Folder for everything that is made."""
    minutes: float = Field(default=3.8, gt=0)
    """Training time, in minutes."""
    steps: int | None = Field(default=None, ge=1)
    """Training steps, instead of minutes."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""


@dataclass(frozen=True)
class Shown:
    """What the demo made.

    Attributes:
        scores: "psnr" (dB) and "ssim" to the truth, each of "input", "reinhard" and "output"; higher is
            closer.
        seconds: what everything took.
        translated: the translated clip.
        report: the HTML file about all of it.
    """

    scores: dict[str, dict[str, float]]
    seconds: float
    translated: Path
    report: Path


def demo(out: Path | str = "demo", *, report: Report | None = None, **settings: Any) -> Shown:
    """Draw footage, learn from it, translate an unseen clip, and compare with its true look; resumable.

    Args:
        out: folder for everything that is made.
        report: called with how far each part is.
        settings: the other fields of `DemoConfig`: minutes, steps, seed.

    Raises:
        RunError: `out` was begun with another length, or is in use.
    """
    return run_demo(parse_flat(DemoConfig, {**settings, "out": out}), report)


def run_demo(config: DemoConfig, report: Report | None = None) -> Shown:
    """As `demo`, with settings that are parsed already."""
    began, out = time.monotonic(), config.out
    clip = draw_clips(out, config.seed)
    made = run_make(
        MakeConfig(
            source=(out / "film.mp4",),
            like=(out / "game.mp4",),
            out=out,
            clip=out / "clip.mp4",
            minutes=None if config.steps else config.minutes,
            steps=config.steps,
            seed=config.seed,
            method=METHOD,
        ),
        report,
    )
    shown = looks(out, clip)
    scores = compare(shown)
    draw_picture(out / "picture.png", shown)
    seconds = max(time.monotonic() - began, _seconds_before(out / "scores.json"))
    write_json(out / "scores.json", {**scores, "seconds": round(seconds, 1)})
    write_demo_report(out, made.run, scores)
    return Shown(scores, seconds, made.translated, made.report)


def _seconds_before(path: Path) -> float:
    """What an earlier run of the same demo took; 0 where nothing says so."""
    try:
        before = read_json(path).get("seconds")
    except SettingsError:  # not there, or damaged: it is written anew
        return 0.0
    return float(before) if isinstance(before, int | float) and math.isfinite(before) else 0.0


def draw_clips(out: Path, seed: int) -> Footage:
    """Draw film.mp4, game.mp4 and clip.mp4 of three sets of scenes, and truth.mp4, unless they are there."""
    from reskin.worlds.film import write_footage
    from reskin.worlds.footage import Footage

    progress.stage("drawing", 0, len(STAGES))
    _log.info("%s", f"0/{len(STAGES)} drawing a film, a game and a clip → {out}")
    drawn = {
        "film": Footage(
            "film", seed=3 * seed + 1, frames=TRAINING_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES
        ),
        "game": Footage(
            "game", seed=3 * seed + 2, frames=TRAINING_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES
        ),
        "clip": Footage("film", seed=3 * seed + 3, frames=CLIP_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES),
    }
    for name, footage in {**drawn, "truth": drawn["clip"]}.items():
        if not (out / f"{name}.mp4").exists():
            write_footage(out / f"{name}.mp4", footage, other_look=name == "truth")
    return drawn["clip"]


def looks(out: Path, clip: Footage) -> dict[str, list[Picture]]:
    """Frames of the clip by look: "input", "reinhard", "output" and "truth"; RGB, uint8, (H, W, 3).

    Input and output are decoded from the files that a user gets; the truth is as it was drawn.
    """
    from reskin.evaluation.reinhard import Reinhard

    given = list(_frames(out / "clip.mp4"))
    reinhard = Reinhard().fit(list(_frames(out / "game.mp4"))[::8], source=given)
    return {
        "input": given,
        "reinhard": [reinhard.transfer(image) for image in given],
        "output": list(_frames(out / "translated.mp4")),
        "truth": [frame.other for frame in clip],
    }


def compare(shown: dict[str, list[Picture]]) -> dict[str, dict[str, float]]:
    """Mean PSNR (dB) and SSIM to the truth, of the input, of Reinhard's transfer and of the output."""
    from reskin.images import to_tensor
    from reskin.metrics.psnr import psnr
    from reskin.metrics.ssim import ssim

    scores: dict[str, dict[str, float]] = {"psnr": {}, "ssim": {}}
    for name in ("input", "reinhard", "output"):
        pairs = [(to_tensor(i), to_tensor(t)) for i, t in zip(shown[name], shown["truth"], strict=True)]
        scores["psnr"][name] = round(float(np.mean([psnr(*pair).item() for pair in pairs])), 3)
        scores["ssim"][name] = round(float(np.mean([ssim(*pair).item() for pair in pairs])), 4)
    return scores


def draw_picture(path: Path, shown: dict[str, list[Picture]]) -> None:
    """A picture of three moments of the clip in every look, with headings, at twice the size."""
    from PIL import Image, ImageDraw, ImageFont

    from reskin.images import write_image

    width, height, space, heading = 2 * SIZE[0], 2 * SIZE[1], 8, 30
    moments = [SCENE_FRAMES // 2 + scene * SCENE_FRAMES for scene in (0, 1, 3)]
    sheet = Image.new(
        "RGB",
        (len(TITLES) * (width + space) - space, heading + len(moments) * (height + space) - space),
        "white",
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, (name, title) in enumerate(TITLES.items()):
        left = column * (width + space)
        draw.text((left + width / 2, heading / 2), title, fill="black", font=font, anchor="mm")
        for row, moment in enumerate(moments):
            frame = Image.fromarray(shown[name][moment]).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(frame, (left, heading + row * (height + space)))
    write_image(path, np.asarray(sheet))


def write_demo_report(out: Path, run: Path, scores: dict[str, dict[str, float]]) -> None:
    """The report of the chosen run; the clip beside its translation and its true look, and the comparison."""
    from reskin.pages.report import Table, write_report
    from reskin.workflows.choice import choice_tables

    rows = [
        {"": TITLES[name], "PSNR to the truth, dB": psnr, "SSIM to the truth": scores["ssim"][name]}
        for name, psnr in scores["psnr"].items()
    ]
    clips = [
        ("The unseen clip and its translation", out / "clip.mp4", out / "translated.mp4"),
        ("The true look of the clip and its translation", out / "truth.mp4", out / "translated.mp4"),
    ]
    tables = [Table("On the unseen clip, compared with its true look", rows), *choice_tables(out)]
    write_report(run, out / "report.html", clips=clips, tables=tables)


def _frames(path: Path) -> Iterator[Picture]:
    from reskin.video.reader import VideoReader

    with VideoReader(path) as reader:
        for frame in reader:
            yield frame.image
