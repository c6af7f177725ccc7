"""Footage of A in the look of B, start to end: prepare, train, evaluate, translate, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reskin import progress
from reskin.config import BASIC, Settings, Spelled
from reskin.errors import RunError, SettingsError
from reskin.paths import inside
from reskin.progress import Report, in_words, silent
from reskin.storage import read_json, write_json

if TYPE_CHECKING:
    from reskin.device import Compute
    from reskin.methods.base import Method

FRAMES = 1000
DEFAULT_MINUTES = 30.0
STAGES = ("frames", "training", "scores", "translation", "report")

_log = logging.getLogger(__name__)


class MakeConfig(Settings):
    """Give footage the look of other footage: prepare, train, evaluate, translate and report in one go.

    Settings are chosen from the footage and the machine and shown before the work begins. Run the same
    command again to go on where it stopped.

    Examples:
      reskin make film.mp4 --like game.mp4 --out out/
      reskin make film.mp4 --like game.mp4 --clip trailer.mp4 --out out/ --minutes 600
    """

    source: Annotated[tuple[Path, ...], Field(min_length=1), Spelled(position="SOURCE")]
    """Footage to be changed: videos, or a folder of pictures."""
    like: Annotated[tuple[Path, ...], Field(min_length=1)]
    """Footage that has the wanted look: videos, or a folder of pictures."""
    out: Path
    """Folder for everything that is made."""
    clip: Annotated[Path | None, BASIC] = None
    """What to translate in the end; by default the first source."""
    minutes: Annotated[float | None, BASIC] = Field(default=None, gt=0)
    """Training time (30 by default); turned into steps once, so that going on stays exact."""
    steps: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Training steps, instead of minutes."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""
    device: Annotated[str, BASIC] = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""


@dataclass(frozen=True)
class Made:
    """What came of it.

    Attributes:
        run: the run folder.
        translated: the translated video, or the folder of translated pictures.
        report: the HTML file about all of it.
        damaged: one line for each part of the sources that could not be read.
        notes: what is to be known of the translated video, such as sound that had to be converted.
    """

    run: Path
    translated: Path
    report: Path
    damaged: list[str]
    notes: list[str]


def make(
    source: Path | str | Sequence[Path | str],
    like: Path | str | Sequence[Path | str],
    *,
    out: Path | str,
    report: Report | None = None,
    **settings: Any,
) -> Made:
    """Give footage the look of other footage; what is done already is not done again.

    Args:
        source: videos to be changed, or a folder of pictures.
        like: videos that have the wanted look, or a folder of pictures.
        out: folder for everything that is made. Its make.json holds the plan, by which a later call goes on.
        report: called with how far each part is.
        settings: the other fields of `MakeConfig`: clip, minutes, steps, seed, device.

    Returns:
        Where everything is.

    Raises:
        SettingsError: footage is missing or not usable, or a setting is wrong.
        RunError: `out` was begun with other footage or another length, or is in use.
        VideoError: a video cannot be read, or the clip could not be written in the end.
        InterruptedRunError: a signal came during the training; everything is saved.
    """
    given = {"source": _as_paths(source), "like": _as_paths(like), "out": out}
    return run_make(MakeConfig.parse_flat({**settings, **given}), report)


def run_make(config: MakeConfig, report: Report | None = None) -> Made:
    """As `make`, with settings that are parsed already."""
    tell = report or silent
    plan = read_plan(config)
    out, clip = config.out, Path(plan["clip"])
    target, page = out / plan["translated"], out / "report.html"
    domains = {domain: _pictures(given, out / "data" / domain) for domain, given in _domains(config)}

    _begin(1, out / "data")
    damaged = []
    for domain, given in _domains(config):
        damaged += _prepare(given, out / "data" / domain, plan, tell)

    _begin(2, out / "run")
    from reskin.runs.folder import RunFolder
    from reskin.runs.load import load
    from reskin.training.start import train_run

    train_run("cyclegan", out=out / "run", **{**domains, **plan["train"], "device": config.device})

    _begin(3)
    from reskin.evaluation.evaluate import evaluate
    from reskin.evaluation.scores import record_scores

    model = load(out / "run", device=config.device)
    scores = evaluate(model, a=domains["a"], b=domains["b"], max_images=100)
    record_scores(out / "run", RunFolder(out / "run").last_step, scores, domains)

    _begin(4, target)
    failed, notes = _translate(model, config, clip, target, tell)
    for note in notes:
        _log.info(note)

    _begin(5, page)
    from reskin.pages.report import write_report

    clips = [("input and output", clip, target)] if target.is_file() else []
    write_report(out / "run", page, clips=clips)
    progress.result("video" if target.is_file() else "pictures", target)
    progress.result("report", page)
    return Made(out / "run", target, page, damaged + failed, notes)


def _as_paths(given: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, (str, os.PathLike)) else tuple(map(Path, given))


def _begin(number: int, target: Path | None = None) -> None:
    """Say which part begins."""
    name = STAGES[number - 1]
    progress.stage(name, number, len(STAGES))
    _log.info("%s", f"{number}/{len(STAGES)} {name}" + (f" → {target}" if target else ""))


def _domains(config: MakeConfig) -> list[tuple[str, tuple[Path, ...]]]:
    return [("a", config.source), ("b", config.like)]


def read_plan(config: MakeConfig) -> dict[str, Any]:
    """The plan in `out`/make.json, or a new one that is written there; either is shown.

    Raises:
        SettingsError: footage is missing or not usable, or both steps and minutes are given.
        RunError: `out` was begun with other footage or another length.
        VideoError: a video cannot be read, or the clip could not be written in the end.
    """
    if config.minutes is not None and config.steps is not None:
        raise SettingsError("both --minutes and --steps are given", "Give one of them.")
    asked = {
        "source": [str(path) for path in config.source],
        "like": [str(path) for path in config.like],
        "clip": str(config.clip) if config.clip else None,
        "minutes": config.minutes,
        "steps": config.steps,
        "seed": config.seed,
    }
    from reskin.device import choose_compute

    compute = choose_compute(config.device)
    path = config.out / "make.json"
    if path.exists():
        begun, plan = _begun(path)
        changed = [key for key, value in asked.items() if begun.get(key) != value]
        if changed:
            was = ", ".join(f"{key} {begun.get(key)}" for key in changed)
            raise RunError(f"{config.out} was begun with {was}", "Give the same, or another --out.")
        clip = config.clip or config.source[0]
        inside(config.out, plan["translated"], kind="folder" if clip.is_dir() else "file", writes=True)
        plan["clip"] = str(clip)
    else:
        plan = choose_plan(config, compute)
        write_json(path, {"asked": asked, "plan": plan})
    _log.info("%s", f"machine   {compute.describe()}")
    for line in plan["said"]:
        if not str(line).startswith("machine"):  # plans of earlier versions say so too
            _log.info("%s", line)
    return plan


def _begun(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What make.json says was asked for, and the plan.

    Raises:
        RunError: it is not of the form that is written.
    """
    values = read_json(path)
    asked, plan = values.get("asked"), values.get("plan")
    kinds = {"said": list, "train": dict, "translated": str, "short_side": int}
    if not isinstance(asked, dict) or not isinstance(plan, dict):
        raise RunError(f"{path} holds no plan", "Remove it, or choose another --out.")
    wrong = [name for name, kind in kinds.items() if not isinstance(plan.get(name), kind)]
    if wrong:
        raise RunError(f"{path} is damaged ({wrong[0]})", "Remove it, or choose another --out.")
    return asked, plan


def choose_plan(config: MakeConfig, compute: Compute) -> dict[str, Any]:
    """Sizes, networks and length that suit the footage and the machine."""
    is_gpu = compute.device.type != "cpu"
    shapes = [shape for _, given in _domains(config) for shape in _shapes(given)]
    short_side = min(min(width, height) for width, height, _ in shapes)
    plan = choose_settings(short_side, is_gpu=is_gpu)
    length: dict[str, Any] = {"steps": config.steps}
    if config.steps is None:
        length = {"minutes": config.minutes or DEFAULT_MINUTES}
    plan["train"] |= length | {"seed": config.seed}
    clip = config.clip or config.source[0]
    plan["clip"], plan["translated"] = str(clip), _result_name(clip)
    width, height, frames = _shapes((clip,))[0]
    check_end(clip, config.out / plan["translated"])
    seconds = _frame_seconds(plan["train"], width, height, compute)
    train = plan["train"]
    wanted = f"{config.steps} steps" if config.steps else f"{in_words(60 * length['minutes'])} of training"
    plan["said"] = [
        f"frames    up to {FRAMES} of each domain, shorter edge {plan['short_side']} px",
        f"training  CycleGAN, width {train['width']}, {train['blocks']} blocks, pictures of"
        f" {train['crop_size']} px, batch {train['batch']}: {wanted}",
        f"clip      {clip}: {frames} frames of {width}x{height}, about {in_words(frames * seconds)}",
        f"disk      about {_disk_megabytes(plan, frames, width * height):.0f} MB in {config.out}",
    ]
    return plan


def check_end(clip: Path, target: Path) -> None:
    """Refuse now what the last but one part would refuse after hours: a clip that cannot be written.

    Raises:
        VideoError: the first frames of the clip, or its sound, cannot be written to a file of this kind.
    """
    if clip.is_dir():
        return
    from reskin.video.writer import check_can_write

    check_can_write(clip, target)


def choose_settings(short_side: int, *, is_gpu: bool) -> dict[str, Any]:
    """Training settings for footage whose shorter edge is `short_side` px.

    A GPU takes the paper's networks at 256 px. A CPU takes the small ones of docs/decisions/0004-make.md.

    >>> [choose_settings(720, is_gpu=gpu)["train"]["crop_size"] for gpu in (True, False)]
    [256, 96]
    """
    working = min(short_side, 384 if is_gpu else 160)
    crop = max(32, min(256 if is_gpu else 96, working // 16 * 16))
    train: dict[str, Any] = {"preprocess": "crop", "crop_size": crop, "load_size": crop, "batch": 4}
    train |= {"upsample": "nearest"}
    if is_gpu:
        train |= {"width": 64, "blocks": 9, "ema": 0.999, "sample_every": 500}
    else:
        train |= {"width": 24, "blocks": 4, "ema": 0.995, "sample_every": 100}
        train |= {"learning_rate": 4e-4, "identity_weight": 0.1}
    return {"short_side": working, "train": train}


def _shapes(given: Sequence[Path]) -> list[tuple[int, int, int]]:
    """Width, height and number of frames of each video, or of the pictures in a folder."""
    from reskin.data.folders import list_images
    from reskin.images import is_image_name, read_image
    from reskin.video.probe import probe

    shapes = []
    for path in given:
        if path.is_dir():
            pictures = list_images(path)
            if not pictures:
                raise SettingsError(f"no pictures in {path}", "Give a folder with pictures, or videos.")
            height, width = read_image(pictures[0]).shape[:2]
            shapes.append((width, height, len(pictures)))
        elif is_image_name(path):
            raise SettingsError(f"{path} is a single picture", "Give a video or a folder of pictures.")
        else:
            info = probe(path)
            frames = info.frames or int((info.duration or Fraction(0)) * info.frame_rate)
            shapes.append((info.width, info.height, frames))
    return shapes


def _prepare(given: Sequence[Path], out: Path, plan: dict[str, Any], report: Report) -> list[str]:
    """Frames of the videos; a folder of pictures is used as it is. Returns what was damaged."""
    from reskin.curation.prepare.frames import FramesConfig, prepare_frames

    if given[0].is_dir():
        return []
    frames = sum(shape[2] for shape in _shapes(given))
    # Bars stay: the whole frame is translated in the end, bars included.
    config = FramesConfig(count=max(1, min(FRAMES, frames)), size=str(plan["short_side"]), letterbox="keep")
    made = prepare_frames(given, out, config, report=lambda done, total: report(done, total, "frames"))
    return list(made.damaged)


def _pictures(given: Sequence[Path], prepared: Path) -> str:
    if len(given) > 1 and any(path.is_dir() for path in given):
        raise SettingsError(
            "several folders, or folders and videos, for one domain", "Give one folder, or videos."
        )
    return str(given[0] if given[0].is_dir() else prepared)


def _result_name(clip: Path) -> str:
    if clip.is_dir():
        return "translated"
    return f"translated{clip.suffix if clip.suffix.lower() in ('.mkv', '.mov', '.webm') else '.mp4'}"


def _frame_seconds(train: dict[str, Any], width: int, height: int, compute: Compute) -> float:
    """Time that one frame of the clip takes, measured on networks that have not learned yet."""
    import numpy as np

    from reskin.methods import find
    from reskin.translation.pictures import translate_array

    method_class = find("cyclegan")
    config = method_class.Config.parse({"width": train["width"], "blocks": train["blocks"]})
    model = method_class(config).eval()
    compute.place(model)
    picture = np.zeros((height, width, 3), np.uint8)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        translate_array(model, picture, "a2b", compute)
        times.append(time.perf_counter() - began)
    return min(times)


def _disk_megabytes(plan: dict[str, Any], clip_frames: int, clip_pixels: int) -> float:
    """Room for frames (PNG, 1.5 bytes a pixel), checkpoints and the translated clip (0.02 bytes a pixel)."""
    pictures = 2 * FRAMES * plan["short_side"] ** 2 * 16 / 9 * 1.5
    width, blocks = plan["train"]["width"], plan["train"]["blocks"]
    weights = 2 * 4 * (width**2) * (16 * 9 * 2 * blocks + 700 + 670)
    return (pictures + 5 * 3 * weights + 0.02 * clip_frames * clip_pixels) / 1e6


def _translate(
    model: Method, config: MakeConfig, clip: Path, target: Path, report: Report
) -> tuple[list[str], list[str]]:
    """Translate the clip unless that was done since the last step of training. Returns damage and notes."""
    from reskin.runs.folder import RunFolder

    if clip.is_dir():
        from reskin.translation.folders import translate_folder

        result = translate_folder(
            model, clip, target, "a2b", report=lambda at: report(at.done, at.total, "pictures")
        )
        return [f"{path}: {reason}" for path, reason in result.left_out], []
    trained = RunFolder(config.out / "run").list_checkpoints()[-1].stat().st_mtime
    if target.exists() and target.stat().st_mtime > trained:
        return [], []
    from reskin.translation.clips import translate_video

    video = translate_video(
        model, clip, target, "a2b", report=lambda at: report(at.frame, at.frames, "frames"), overwrite=True
    )
    return list(video.damaged), list(video.notes)
