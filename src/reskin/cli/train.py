"""`reskin train METHOD`: train a method on two folders, or go on with a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from reskin import progress
from reskin.cli.options import check_missing, options_of, read_words, see_help
from reskin.cli.streams import say, show, show_text
from reskin.config import BASIC, Settings
from reskin.data.batches import DataConfig
from reskin.errors import SettingsError
from reskin.methods import find_trained, trained_names
from reskin.parsing import FLAGS, Spelled, parse
from reskin.progress import Progress, in_words
from reskin.runs.settings import RunSettings, TrainConfig, gather_settings, methods_with
from reskin.workflows.pairs import PAIRS, check_wanted

if TYPE_CHECKING:
    from reskin.training.start import Plan

ABOUT = """Train {name}.

Run the same command again to resume; on the same kind of CPU a run that was stopped and one that was not end
in the same weights. Lengths: --epochs, or --steps, or --minutes.

Examples:
  reskin train {name} --a data/film --b data/game --out runs/film-game
  reskin train {name} --a horse2zebra --b horse2zebra --out runs/h2z --epochs 20 --decay-epochs 10
  torchrun --nproc-per-node 2 -m reskin train {name} --a data/film --b data/game --out runs/film-game
"""


class RunArguments(Settings):
    """Where a run is and how it is begun."""

    out: Path
    """The run folder: settings, curves, sample grids and checkpoints."""
    preset: Annotated[str | None, BASIC] = None
    """Settings under a name, which flags and --config overrule; `reskin methods METHOD` lists them."""
    config: Path | None = None
    """JSON file of settings, such as another run's config.json; flags overrule it."""
    pairs_from: Path | None = None
    """For a method that learns from pairs, instead of --b: run of an image model, which makes domain B from
    domain A, in OUT/pairs."""
    allow_change: bool = False
    """Go on with a run although its settings differ from those it was begun with."""
    dry_run: Annotated[bool, BASIC] = False
    """Print settings, time, memory and disk that the run would take, and stop."""
    as_json: Annotated[bool, Spelled("json")] = False
    """With --dry-run: print it as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if words[:1] and words[0] in ("-h", "--help", "--help-all"):
        show("usage: reskin train METHOD --a FOLDER --b FOLDER --out RUN [OPTIONS]", "")
        show(
            f"Methods: {', '.join(trained_names())}. `reskin train METHOD --help` lists the settings of one."
        )
        return 0
    if not words or words[0].startswith("-"):
        raise SettingsError(
            "no method given", f"Type: reskin train METHOD ... with one of: {', '.join(trained_names())}."
        )
    start, settings = read_arguments(words[0], words[1:])

    from reskin.training.start import plan_settings, train_settings

    facts = {"pairs_from": _pairs(start, settings)} if start.pairs_from else {}
    if start.dry_run:
        plan = plan_settings(settings, start.out)
        show_text(json.dumps(plan.to_dict(), indent=2) if start.as_json else plan_text(plan))
        return 0
    train_settings(settings, start.out, allow_change=start.allow_change, facts=facts)
    if os.environ.get("RANK", "0") == "0":
        progress.result("run", start.out)
        say(f"done: {start.out}", f"next: reskin report {start.out}")
    return 0


def _pairs(start: RunArguments, settings: RunSettings) -> dict[str, Any]:
    """Make domain B with an image model, as far as it is not there; what config.json says of it.

    Raises:
        SettingsError: several processes are to train, or nothing is to be made.
        ReskinError: as `make_pairs`.
    """
    from reskin.workflows.pairs import make_pairs

    assert start.pairs_from is not None
    by_hand = (
        f"Make them with reskin translate {start.pairs_from} {settings.data.a} PAIRS, and give --b PAIRS."
    )
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise SettingsError("--pairs-from in several processes", by_hand)
    if start.dry_run and not settings.data.b.is_dir():
        raise SettingsError("--dry-run before the pairs are made", f"Leave it out once. {by_hand}")
    if start.dry_run:
        return {}
    with Progress() as progress:
        return make_pairs(
            start.pairs_from,
            settings.data.a,
            start.out,
            device=settings.train.device,
            allow_change=start.allow_change,
            report=progress,
        )


def read_arguments(name: str, words: list[str]) -> tuple[RunArguments, RunSettings]:
    """How the run is begun, and all its settings.

    Raises:
        SettingsError: unknown method, flag or key, or a value out of range.
    """
    method, command = find_trained(name), f"reskin train {name}"
    groups = [
        options_of(group, is_inside=group is not RunArguments)
        for group in (RunArguments, method.Config, DataConfig, TrainConfig)
    ]
    of_run, of_data = groups[0], [option for option in groups[2] if option.info.is_required()]
    given = read_words(
        [option for group in groups for option in group],
        words,
        command=command,
        about=ABOUT.format(name=name),
        defaults=method.defaults,
        elsewhere=methods_with,
    )
    if given.get("pairs_from") is not None:
        check_wanted(method.pairing, name, given.get("b"))
        given["b"] = str(Path(str(given.get("out", ""))) / PAIRS)
    with see_help(command):
        # A file of settings may name the folders of the domains.
        check_missing(of_run if "config" in given else [*of_run, *of_data], given)
        about_run: dict[str, Any] = {option.name: given.pop(option.name, None) for option in of_run}
        about_run = {key: value for key, value in about_run.items() if value is not None}
        start = parse(RunArguments, about_run, source=FLAGS)
        return start, gather_settings(name, start.config, given, preset=start.preset, source=FLAGS)


def plan_text(plan: Plan) -> str:
    """What a dry run prints: the settings as JSON, then what the run would take."""
    lines = [json.dumps(plan.settings.to_dict(), indent=2), ""]
    lines.append(f"{plan.steps} steps on {plan.compute.describe()}; an epoch is {plan.epoch_steps} steps")
    if plan.estimate:
        seconds = plan.estimate.seconds_a_step
        lines.append(f"time    about {in_words(seconds * plan.steps)} ({seconds:.3g} s a step)")
        if plan.estimate.memory_bytes:
            lines.append(f"memory  about {plan.estimate.memory_bytes / 1e9:.1f} GB")
    if plan.disk_bytes is not None:
        lines.append(f"disk    about {plan.disk_bytes / 1e6:.0f} MB ({plan.checkpoints} checkpoints)")
    return "\n".join([*lines, *plan.warnings])
