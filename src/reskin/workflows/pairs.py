"""Pairs where there are none: an image model makes domain B out of A, for a method that learns from pairs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reskin.data.folders import split_folder, split_images
from reskin.errors import DataError, RunError, SettingsError
from reskin.paths import inside
from reskin.progress import Report
from reskin.runs.folder import RunFolder, as_group
from reskin.runs.run import begun_with
from reskin.types import Split

if TYPE_CHECKING:
    from reskin.methods.translator import Translator

PAIRS = "pairs"
"""The folder in a run that holds the domain B that was made for it."""

_log = logging.getLogger("reskin")


def make_pairs(
    model_run: Path, a: Path, out: Path, *, device: str, allow_change: bool, report: Report
) -> dict[str, Any]:
    """Translate every image of domain A with an image model into `out/pairs`; run again, it goes on.

    Args:
        model_run: run folder of the image model, which translates from A to B.
        a: domain A, in any layout; nothing in it is changed.
        out: the run folder of the method that will learn from the pairs.
        device: where the image model computes.
        allow_change: make the pairs anew although `out` was begun with those of another model.
        report: called after each image.

    Returns:
        What config.json says of the pairs: the image model's run and its step.

    Raises:
        RunError: `out` was begun with the pairs of another model, or `model_run` is no run.
        DataError: A holds no images.
        ReskinError: as `reskin.translation.folders.translate_folder`.
    """
    from reskin.runs.load import load

    facts = {"run": str(model_run), "step": RunFolder(model_run).last_step}
    before = as_group((begun_with(out) or {}).get("pairs_from"))
    if before and before != facts and not allow_change:
        raise RunError(
            f"{out} was begun with pairs of {before.get('run')}, step {before.get('step')}, "
            f"not of {model_run}, step {facts['step']}",
            "Give that run, another --out to begin anew, or --allow-change to go on with new pairs.",
        )
    model = load(model_run, device=device)
    model.check_direction("a2b")
    target = inside(out, PAIRS, kind="folder", writes=True)
    splits = [split for split in get_args(Split) if split_images(a, "a", split)]
    if not splits:
        raise DataError(
            f"no pictures for domain A in {a}", "Make clips: reskin prepare clips VIDEO --out FOLDER."
        )
    for split in splits:
        _translate(model, split_folder(a, "a", split) or a, target / split, report)
    return facts


def _translate(model: Translator, source: Path, out: Path, report: Report) -> None:
    from reskin.translation.folders import translate_folder

    for line in translate_folder(model, source, out, "a2b", report=report).left_out_lines:
        _log.warning("left out of the pairs: %s", line)


def check_wanted(pairing: str, name: str, b: object) -> None:
    """Refuse made pairs where they are not wanted.

    Args:
        pairing: the method's.
        name: the method's.
        b: domain B as it was given; None where it was not.

    Raises:
        SettingsError: the method learns without pairs, or there is a domain B already.
    """
    if pairing != "paired":
        what = f"--pairs-from for {name}, which learns without pairs"
        raise SettingsError(what, "Leave it out and give domain B with --b.")
    if b is not None:
        raise SettingsError("both --b and --pairs-from are given", "Give one of them.")
