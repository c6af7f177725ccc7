"""`reskin make A --like B`: footage of A in the look of B, start to end in one command."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.errors import PartialError, RunError, SettingsError
from reskin.paths import inside
from reskin.storage import read_json, write_json
from reskin.training.progress import in_words

FRAMES = 1000
DEFAULT_MINUTES = 30.0


@dataclass(frozen=True)
class Arguments:
    """Give footage the look of other footage: prepare, train, evaluate, translate and report in one go.

    Settings are chosen from the footage and the machine and said before the work begins. Run the same command
    again to go on where it stopped.

    Examples:
      reskin make film.mp4 --like game.mp4 --out out/
      reskin make film.mp4 --like game.mp4 --clip trailer.mp4 --out out/ --minutes 600
    """

    source: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Footage to be changed: videos, or a folder of pictures."""
    like: tuple[Path, ...]
    """Footage that has the wanted look: videos, or a folder of pictures."""
    out: Path
    """Folder for everything that is made."""
    clip: Path | None = None
    """What to translate in the end; by default the first source."""
    minutes: float | None = None
    """Training time (30 by default); turned into steps once, so that going on stays exact."""
    steps: int | None = None
    """Training steps, instead of minutes."""
    seed: int = 0
    """Everything random follows from it."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin make")
    damaged = make(arguments)
    if damaged:
        raise PartialError(
            f"done, but a source is damaged: {damaged[0]}", "What is sound was used; see the report."
        )
    return 0


def make(arguments: Arguments) -> list[str]:
    """Do it all; what is done already is not done again. One line for each damaged stretch of the sources."""
    plan = read_plan(arguments)
    out = arguments.out
    say(f"1/5 frames → {out / 'data'}")
    damaged = _prepare(arguments.source, out / "data" / "a", plan)
    damaged += _prepare(arguments.like, out / "data" / "b", plan)
    sides = {side: _pictures(given, out / "data" / side) for side, given in _sides(arguments)}

    say(f"2/5 training → {out / 'run'}")
    from reskin.runs.folder import list_checkpoints
    from reskin.runs.load import final_step, load
    from reskin.training.start import train_run

    train_run("cyclegan", out=out / "run", **{**sides, **plan["train"]})

    say("3/5 scores")
    from reskin.evaluation.evaluate import evaluate, record_scores

    model = load(out / "run", device=arguments.device)
    step = final_step(out / "run")
    scores = evaluate(model, a=sides["a"], b=sides["b"], max_images=100)
    record_scores(out / "run", step, scores, {side: str(path) for side, path in sides.items()})

    target = out / plan["translated"]
    say(f"4/5 translation → {target}")
    trained = list_checkpoints(out / "run")[-1].stat().st_mtime
    damaged += _translate(model, Path(plan["clip"]), target, trained)

    say(f"5/5 report → {out / 'report.html'}")
    from reskin.pages.report import write_report

    clips = [("input and output", Path(plan["clip"]), target)] if target.is_file() else []
    write_report(out / "run", out / "report.html", clips=clips)
    say(f"done: {target}, {out / 'report.html'}")
    return damaged


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(text, file=sys.stderr)


def _sides(arguments: Arguments) -> list[tuple[str, tuple[Path, ...]]]:
    return [("a", arguments.source), ("b", arguments.like)]


def read_plan(arguments: Arguments) -> dict[str, Any]:
    """The plan in `out`/make.json, or a new one that is written there and said.

    Raises:
        SettingsError: footage is missing or not usable, or both steps and minutes are given.
        RunError: `out` was begun with other footage or another length.
    """
    if arguments.minutes is not None and arguments.steps is not None:
        raise SettingsError("both --minutes and --steps are given", "Give one of them.")
    asked = {
        "source": [str(path) for path in arguments.source],
        "like": [str(path) for path in arguments.like],
        "clip": str(arguments.clip) if arguments.clip else None,
        "minutes": arguments.minutes,
        "steps": arguments.steps,
        "seed": arguments.seed,
    }
    path = arguments.out / "make.json"
    if path.exists():
        begun, plan = _begun(path)
        changed = [key for key, value in asked.items() if begun.get(key) != value]
        if changed:
            was = ", ".join(f"{key} {begun.get(key)}" for key in changed)
            raise RunError(f"{arguments.out} was begun with {was}", "Give the same, or another --out.")
        inside(arguments.out, plan["translated"], writes=True)
        plan["clip"] = str(arguments.clip or arguments.source[0])
    else:
        plan = choose_plan(arguments)
        write_json(path, {"asked": asked, "plan": plan})
    for line in plan["said"]:
        say(line)
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


def choose_plan(arguments: Arguments) -> dict[str, Any]:
    """Sizes, networks and length that suit the footage and the machine."""
    from reskin.device import choose_compute

    compute = choose_compute(arguments.device)
    is_gpu = compute.device.type != "cpu"
    shapes = [shape for _, given in _sides(arguments) for shape in _shapes(given)]
    short_side = min(min(width, height) for width, height, _ in shapes)
    plan = choose_settings(short_side, is_gpu=is_gpu)
    length: dict[str, Any] = {"steps": arguments.steps}
    if arguments.steps is None:
        length = {"minutes": arguments.minutes or DEFAULT_MINUTES}
    plan["train"] |= length | {"seed": arguments.seed, "device": arguments.device}
    clip = arguments.clip or arguments.source[0]
    plan["clip"], plan["translated"] = str(clip), _result_name(clip)
    width, height, frames = _shapes((clip,))[0]
    seconds = _frame_seconds(plan["train"], width, height, compute)
    train = plan["train"]
    wanted = (
        f"{arguments.steps} steps" if arguments.steps else f"{in_words(60 * length['minutes'])} of training"
    )
    plan["said"] = [
        f"machine   {compute.describe()}",
        f"frames    up to {FRAMES} a side, short side {plan['short_side']} px",
        f"training  CycleGAN, width {train['width']}, {train['blocks']} blocks, pictures of"
        f" {train['crop_size']} px, batch {train['batch']}: {wanted}",
        f"clip      {clip}: {frames} frames of {width}x{height}, about {in_words(frames * seconds)}",
        f"disk      about {_disk_megabytes(plan, frames, width * height):.0f} MB in {arguments.out}",
    ]
    return plan


def choose_settings(short_side: int, *, is_gpu: bool) -> dict[str, Any]:
    """Training settings for footage whose shorter side is `short_side` px.

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
            height, width = read_image(pictures[0]).shape[:2]
            shapes.append((width, height, len(pictures)))
        elif is_image_name(path):
            raise SettingsError(f"{path} is a single picture", "Give a video or a folder of pictures.")
        else:
            info = probe(path)
            frames = info.frames or int((info.duration or Fraction(0)) * info.frame_rate)
            shapes.append((info.width, info.height, frames))
    return shapes


def _prepare(given: Sequence[Path], out: Path, plan: dict[str, Any]) -> list[str]:
    """Frames of the videos; a folder of pictures is used as it is. Returns what was damaged."""
    from reskin.curation.prepare.frames import FramesConfig, prepare_frames

    if given[0].is_dir():
        return []
    frames = sum(shape[2] for shape in _shapes(given))
    # Bars stay: the whole frame is translated in the end, bars included.
    config = FramesConfig(count=max(1, min(FRAMES, frames)), size=str(plan["short_side"]), letterbox="keep")
    with Counter("frames") as counter:
        return list(prepare_frames(given, out, config, report=counter.show).damaged)


def _pictures(given: Sequence[Path], prepared: Path) -> str:
    if len(given) > 1 and any(path.is_dir() for path in given):
        raise SettingsError(
            "several folders, or folders and videos, for one side", "Give one folder, or videos."
        )
    return str(given[0] if given[0].is_dir() else prepared)


def _result_name(clip: Path) -> str:
    if clip.is_dir():
        return "translated"
    return f"translated{clip.suffix if clip.suffix.lower() in ('.mkv', '.mov', '.webm') else '.mp4'}"


def _frame_seconds(train: dict[str, Any], width: int, height: int, compute: Any) -> float:
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


def _translate(model: Any, clip: Path, target: Path, trained: float) -> list[str]:
    """Translate the clip unless that was done since the last step of training. Returns what was damaged."""
    if clip.is_dir():
        from reskin.translation.folders import translate_folder

        with Counter("pictures") as counter:
            result = translate_folder(
                model, clip, target, "a2b", report=lambda p: counter.show(p.done, p.total)
            )
        return [f"{path}: {reason}" for path, reason in result.left_out]
    if target.exists() and target.stat().st_mtime > trained:
        return []
    from reskin.translation.clips import translate_video

    with Counter("frames") as counter:
        video = translate_video(
            model, clip, target, "a2b", report=lambda p: counter.show(p.frame, p.frames), overwrite=True
        )
    for note in video.notes:
        say(note)
    return list(video.damaged)
