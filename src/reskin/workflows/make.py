"""Footage of A in the look of B, start to end: prepare, train, evaluate, translate, report."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from reskin import progress
from reskin.config import BASIC, Settings
from reskin.errors import RunError, SettingsError
from reskin.parsing import Spelled, parse, parse_flat
from reskin.paths import inside
from reskin.progress import Report, in_words, silent
from reskin.storage import read_json, write_json
from reskin.workflows.make_choice import choose_candidate, grade_for, model_of
from reskin.workflows.make_footage import check_end, check_footage, shapes
from reskin.workflows.make_frames import prepare_set
from reskin.workflows.make_settings import TEXTURE, choose_methods, choose_settings, lengths, short_edge

if TYPE_CHECKING:
    from reskin.device import Compute
    from reskin.methods.translator import Translator

FRAMES = 1000
DEFAULT_MINUTES = 30.0
MOST_SHORT_SIDE = 4096
"""Px; a plan that asks for larger frames is none of ours."""
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
    method: Annotated[Literal["auto", "grade", "grade_texture", "cyclegan"], BASIC] = "auto"
    """What is trained. grade changes colour, tone and light and keeps every shape; grade_texture draws fine
    texture of a bounded strength on that; cyclegan draws everything anew and wants hours; auto decides by the
    time there is and, with enough of it, by held-out frames of all."""
    texture: Annotated[bool | None, BASIC] = None
    """Try texture on the grade; it is used where held-out frames are nearer with it. By default with 15
    minutes or more."""
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
        settings: the other fields of `MakeConfig`: clip, minutes, steps, method, texture, seed,
            device.

    Returns:
        Where everything is.

    Raises:
        SettingsError: footage is missing or not usable, or a setting is wrong.
        RunError: `out` was begun with other footage or another length, or is in use.
        VideoError: a video cannot be read, or the clip could not be written in the end.
        InterruptedRunError: a signal came during the training; everything is saved.
    """
    given = {"source": _as_paths(source), "like": _as_paths(like), "out": out}
    return run_make(parse_flat(MakeConfig, {**settings, **given}), report)


def run_make(config: MakeConfig, report: Report | None = None) -> Made:
    """As `make`, with settings that are parsed already."""
    tell = report or silent
    plan = read_plan(config)
    out, clip = config.out, Path(plan["clip"])
    target, page = out / plan["translated"], out / "report.html"
    domains = {domain: _set_of(given, out / "data" / domain) for domain, given in _domains(config)}

    _begin(1, out / "data")
    damaged = []
    for domain, given in _domains(config):
        damaged += _prepare(given, out / "data" / domain, plan, tell)

    _begin(2, out / "run")
    from reskin.runs.run import has_other_paths
    from reskin.training.start import train_run

    runs = {method: _run_of(out, plan, method) for method in plan["methods"]}
    for method, run in runs.items():
        train = {**domains, **plan["methods"][method], "device": config.device}
        if method == TEXTURE:
            train |= grade_for(run, runs["grade"], domains, device=config.device)
        # What it was begun with stands in make.json, beside the data: both may have been moved together.
        train_run(method, out=run, **train, allow_change=has_other_paths(run, domains))

    _begin(3)
    chosen = choose_candidate(
        out,
        {TEXTURE: runs[TEXTURE]} if config.method == TEXTURE else runs,
        domains,
        device=config.device,
        is_open=config.method == "auto",
        is_film=not clip.is_dir(),
    )
    run = runs.get(chosen.method, runs[list(runs)[-1]])

    _begin(4, target)
    model = model_of(chosen, runs, domains, device=config.device)
    failed, notes = _translate(model, run, clip, target, strength=chosen.strength, report=tell)
    for note in notes:
        _log.info(note)

    _begin(5, page)
    from reskin.pages.report import write_report
    from reskin.workflows.choice import choice_tables

    clips = [("input and output", clip, target)] if target.is_file() else []
    title = f"{config.source[0].stem} in the look of {config.like[0].stem}"
    write_report(run, page, clips=clips, tables=choice_tables(out), title=title)
    progress.result("video" if target.is_file() else "pictures", target)
    progress.result("report", page)
    return Made(run, target, page, damaged + failed, notes)


def _run_of(out: Path, plan: dict[str, Any], method: str) -> Path:
    """The run folder of a method; the last one's is `run`, as where there is only one."""
    return out / ("run" if method == list(plan["methods"])[-1] else f"run-{method}")


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
        "method": config.method,
        "texture": config.texture,
    }
    from reskin.device import choose_compute

    compute = choose_compute(config.device)
    path = config.out / "make.json"
    if path.exists():
        begun, plan = _begun(path)
        begun = {"method": "cyclegan"} | begun  # earlier versions knew no other
        changed = [key for key, value in asked.items() if begun.get(key) != value]
        if changed:
            was = ", ".join(f"{key} {_as_typed(begun.get(key))}" for key in changed)
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


def _as_typed(value: Any) -> str:
    """What make.json says of a setting, as one would type it."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "not given" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _begun(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What make.json says was asked for, and the plan.

    Raises:
        RunError: it is not of the form that is written.
    """
    values = read_json(path)
    asked, plan = values.get("asked"), values.get("plan")
    if isinstance(plan, dict) and isinstance(plan.get("train"), dict):  # of an earlier version
        plan = {"methods": {"cyclegan": plan["train"]}, "letterbox": "keep"} | plan
    kinds = {"said": list, "methods": dict, "translated": str, "short_side": int, "letterbox": str}
    if not isinstance(asked, dict) or not isinstance(plan, dict):
        raise RunError(f"{path} holds no plan", "Remove it, or choose another --out.")
    wrong = [name for name, kind in kinds.items() if not isinstance(plan.get(name), kind)]
    if not wrong and not all(isinstance(train, dict) for train in plan["methods"].values() or [None]):
        wrong = ["methods"]
    wrong = wrong or _unusual(plan)
    if wrong:
        raise RunError(f"{path} is damaged ({wrong[0]})", "Remove it, or choose another --out.")
    return asked, plan


def _unusual(plan: dict[str, Any]) -> list[str]:
    """What a plan says that no plan of `choose_plan` does; it may lie in somebody else's folder."""
    from reskin.data.batches import DataConfig
    from reskin.methods import find
    from reskin.runs.settings import TrainConfig

    methods = list(plan["methods"])
    if not set(methods) <= {"grade", TEXTURE, "cyclegan"} or (TEXTURE in methods and methods[0] != "grade"):
        return ["methods"]
    wrong = [] if 1 <= plan["short_side"] <= MOST_SHORT_SIDE else ["short_side"]
    for method, train in plan["methods"].items():
        groups = (find(method).Config, DataConfig, TrainConfig)
        known = {name for group in groups for name in (*group.model_fields, *group.renamed)}
        wrong += sorted(set(train) - (known - {"a", "b", "device", "grade"}))  # those are the user's to name
    return wrong


def choose_plan(config: MakeConfig, compute: Compute) -> dict[str, Any]:
    """Methods, sizes, networks and length that suit the footage and the machine."""
    is_gpu = compute.device.type != "cpu"
    check_footage([given for _, given in _domains(config)])
    footage = [shape for _, given in _domains(config) for shape in shapes(given)]
    edge = short_edge(min(min(width, height) for width, height, _ in footage), is_gpu=is_gpu)
    minutes = None if config.steps is not None else config.minutes or DEFAULT_MINUTES
    names = choose_methods(config.method, minutes, is_gpu=is_gpu, texture=config.texture)
    has_pictures = any(path.is_dir() for path in (*config.source, *config.like))
    spent = lengths(names, minutes, config.steps)
    methods = {
        name: choose_settings(
            name, edge, is_gpu=is_gpu, has_pictures=has_pictures, minutes=spent[name].get("minutes")
        )
        | spent[name]
        | {"seed": config.seed}
        for name in names
    }
    clip = config.clip or config.source[0]
    plan: dict[str, Any] = {"short_side": edge, "methods": methods, "letterbox": "cut"}
    plan["leaves_out"] = plan["spreads"] = True
    plan |= {"clip": str(clip), "translated": _result_name(clip)}
    width, height, frames = shapes((clip,))[0]
    check_end(clip, config.out / plan["translated"])
    seconds = max(_frame_seconds(name, methods[name], edge, (width, height), compute) for name in names)
    plan["said"] = [
        f"frames    up to {FRAMES} of each domain, shorter edge {edge} px, without their borders",
        *(f"training  {_described(name, methods[name])}" for name in names),
        f"clip      {clip}: {frames} frames of {width}x{height}, about {in_words(frames * seconds)}",
        f"disk      about {_disk_megabytes(plan, frames, width * height):.0f} MB in {config.out}",
    ]
    return plan


def _described(name: str, train: dict[str, Any]) -> str:
    """One method of the plan in words."""
    steps = train.get("steps")
    length = f"{steps} steps" if steps else in_words(60 * train["minutes"])
    if name == "grade":
        return f"grade, which keeps every shape: {length}"
    if name == TEXTURE:
        return f"texture on the grade: {length}"
    size = f"pictures of {train['crop_size']} px, batch {train['batch']}"
    return f"CycleGAN, width {train['width']}, {train['blocks']} blocks, {size}: {length}"


def _prepare(given: Sequence[Path], out: Path, plan: dict[str, Any], report: Report) -> list[str]:
    """Frames of the videos; a folder of pictures is used as it is. Returns what was damaged."""
    if given[0].is_dir():
        return []
    frames = sum(shape[2] for shape in shapes(given))
    return prepare_set(given, out, plan, count=max(1, min(FRAMES, frames)), report=report)


def _set_of(given: Sequence[Path], prepared: Path) -> str:
    """The dataset of a domain: the folder of pictures that is given, or what is prepared of the videos."""
    return str(given[0] if given[0].is_dir() else prepared)


def _result_name(clip: Path) -> str:
    if clip.is_dir():
        return "translated"
    return f"translated{clip.suffix if clip.suffix.lower() in ('.mkv', '.mov', '.webm') else '.mp4'}"


def _frame_seconds(
    method: str, train: dict[str, Any], edge: int, size: tuple[int, int], compute: Compute
) -> float:
    """Time that one frame of the clip takes, measured on networks that have not learned yet."""
    import numpy as np

    from reskin.inference.engine import Engine
    from reskin.methods import find
    from reskin.translation.film import Film, FilmOptions

    method_class = find(method)
    known = {key: value for key, value in train.items() if key in method_class.Config.model_fields}
    model = method_class(parse(method_class.Config, known)).eval()
    film = Film(Engine(model, "a2b", compute), FilmOptions(work_size=edge), [])
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        film.single(picture)
        times.append(time.perf_counter() - began)
    return min(times)


def _disk_megabytes(plan: dict[str, Any], clip_frames: int, clip_pixels: int) -> float:
    """Room for frames (PNG, 1.5 bytes a pixel), checkpoints and the translated clip (0.02 bytes a pixel)."""
    pictures = 2 * FRAMES * plan["short_side"] ** 2 * 16 / 9 * 1.5
    cyclegan = plan["methods"].get("cyclegan", {})
    width, blocks = cyclegan.get("width", 0), cyclegan.get("blocks", 0)
    weights = 2 * 4 * (width**2) * (16 * 9 * 2 * blocks + 700 + 670) + 5.3e6
    return (pictures + 5 * 3 * weights + 0.02 * clip_frames * clip_pixels) / 1e6


def _translate(
    model: Translator, run: Path, clip: Path, target: Path, *, strength: float, report: Report
) -> tuple[list[str], list[str]]:
    """Translate the clip unless that was done since the last step of training. Returns damage and notes."""
    from reskin.runs.folder import RunFolder
    from reskin.translation.film import FilmOptions

    if clip.is_dir():
        from reskin.translation.folders import translate_folder

        result = translate_folder(model, clip, target, "a2b", report=report)
        return result.left_out_lines, []
    trained = RunFolder(run).list_checkpoints()[-1].stat().st_mtime
    from reskin.translation.clips import translate_video
    from reskin.translation.job import was_finished

    # One that was killed at its very end still has to say what became of the film.
    if target.exists() and target.stat().st_mtime > trained and not was_finished(target):
        return [], []
    from reskin.video.probe import probe

    facts, learnt = probe(clip), model.trained_edge
    is_small = learnt is not None and learnt > min(facts.width, facts.height)
    video = translate_video(
        model,
        clip,
        target,
        "a2b",
        report=report,
        film=FilmOptions(work_size="full" if is_small else None, strength=strength, looks_ahead=True),
        overwrite=True,
    )
    return list(video.damaged), list(video.notes)
