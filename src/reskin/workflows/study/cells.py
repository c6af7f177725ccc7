"""A cell of a study: one row with one seed, trained and measured, and known again when it is asked for."""

from __future__ import annotations

import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reskin.data.folders import split_images
from reskin.errors import ReskinError
from reskin.evaluation.evaluate import evaluate_request
from reskin.evaluation.request import Request
from reskin.exits import InterruptedRunError
from reskin.runs.folder import RunFolder
from reskin.runs.load import load
from reskin.runs.record import read_run
from reskin.runs.run import has_other_paths
from reskin.runs.settings import RunSettings
from reskin.storage import read_json, write_json
from reskin.training.start import train_settings
from reskin.workflows.study.extremes import write_extremes
from reskin.workflows.study.moving import write_clips
from reskin.workflows.study.plan import Row, Study, measuring_key, paths_of, training_key
from reskin.workflows.study.shown import write_shown

BEST, LAST = "best", "last"

_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Cell:
    """One row with one seed.

    Attributes:
        row: of the table.
        seed: of the training.
        folder: where everything of it lies.
    """

    row: Row
    seed: int
    folder: Path

    @property
    def run(self) -> Path:
        """Its run folder."""
        return self.folder / "run"

    @property
    def file(self) -> Path:
        """What is known of it: keys, scores, costs, or why there are none."""
        return self.folder / "cell.json"

    def read(self) -> dict[str, Any]:
        """What is known of it; empty where nothing is, or where the file is damaged."""
        try:
            return read_json(self.file) if self.file.is_file() else {}
        except ReskinError:
            return {}


def cells_of(study: Study) -> list[Cell]:
    """All cells, seed by seed, so that a study that is stopped early has every row."""
    return [
        Cell(row, seed, study.out / "cells" / row.folder / str(seed))
        for seed in range(study.seeds)
        for row in study.rows
    ]


def complete(cell: Cell, study: Study, data: str) -> bool:
    """Train and measure a cell as far as it is not known; whether anything was done.

    Whatever a user's input, a file or the machine makes impossible is written down as the reason why the cell
    has no scores; the next call tries again.

    Raises:
        InterruptedRunError: a signal came; everything is saved.
        StorageError: the disk refuses the write.
    """
    if is_complete(cell, study, data):
        return False
    settings, known = study.settings(cell.row, cell.seed), cell.read()
    begun = _begun(cell, study, data)
    if known.get("training") != begun["training"]:
        shutil.rmtree(cell.run, ignore_errors=True)
        write_json(cell.file, begun)
    try:
        costs = _trained(cell, settings, study, known.get("costs") or {})
        write_json(cell.file, begun | {"costs": costs})
        scores = _measured(cell.run, study.request)
        _write_pictures(cell, study.request, scores)
    except InterruptedRunError:
        raise
    except ReskinError as error:
        note_failure(cell, study, data, str(error))
        return True
    measuring = measuring_key(study.request, data)
    write_json(cell.file, begun | {"measuring": measuring, "costs": costs, "scores": scores})
    return True


def is_complete(cell: Cell, study: Study, data: str) -> bool:
    """Whether a cell has scores, by the same settings, data and code."""
    known = cell.read()
    return (
        "scores" in known
        and known.get("training") == training_key(study.settings(cell.row, cell.seed), data)
        and known.get("measuring") == measuring_key(study.request, data)
    )


def note_failure(cell: Cell, study: Study, data: str, reason: str) -> None:
    """Write down why a cell has no scores; the next call tries again.

    Raises:
        StorageError: the disk refuses the write.
    """
    _log.warning("%s, seed %d: %s", cell.row.label, cell.seed, reason)
    write_json(cell.file, _begun(cell, study, data) | {"why": reason})


def _begun(cell: Cell, study: Study, data: str) -> dict[str, Any]:
    key = training_key(study.settings(cell.row, cell.seed), data)
    return {"label": cell.row.label, "seed": cell.seed, "training": key}


def _write_pictures(cell: Cell, request: Request, scores: dict[str, Any]) -> None:
    """What the report shows of a cell; films and single images of the first seed only."""
    model = load(cell.run)
    write_shown(cell.folder, model, request)
    if cell.seed == 0:
        write_extremes(cell.folder, model, request, scores[LAST]["scores"])
        write_clips(cell.folder, model, request)


def _trained(cell: Cell, settings: RunSettings, study: Study, before: dict[str, Any]) -> dict[str, Any]:
    """Train, or go on; seconds, steps, weights and memory."""
    _reset_peak()
    chosen = study.validated(settings) if _has_validation(study) else settings
    # Their digests are the same, or this run would have been removed: only where they lie is another.
    is_moved = has_other_paths(cell.run, paths_of(chosen))
    train_settings(chosen, cell.run, allow_change=is_moved)
    record = read_run(cell.run)
    memory = max(_peak_bytes(), int(before.get("memory_bytes") or 0))
    model = load(cell.run, device="cpu")
    return {
        "seconds": record.seconds,
        "steps": record.steps,
        "batch": settings.train.batch,
        "weights": sum(parameter.numel() for parameter in model.parameters()),
        "memory_bytes": memory or None,
        "device": str(record.config.get("device", "?")),
    }


def _has_validation(study: Study) -> bool:
    """Whether both domains have a validation split, by which alone the best checkpoint may be chosen."""
    return bool(split_images(study.request.a, "a", "val") and split_images(study.request.b, "b", "val"))


def _measured(run: Path, request: Request) -> dict[str, Any]:
    """Scores of the last and of the best checkpoint, by checkpoint and name."""
    files = RunFolder(run)
    steps = {LAST: files.last_step}
    if files.best_step is not None:
        steps[BEST] = files.best_step
    found: dict[str, Any] = {}
    for which, step in steps.items():
        if which == BEST and step == steps[LAST]:
            found[which] = found[LAST]
            continue
        scores = evaluate_request(load(run, step=step), request)
        found[which] = {
            "step": step,
            "scores": {name: score.to_dict() for name, score in scores.items()},
            "left_out": [[str(path), why] for path, why in scores.left_out],
        }
    return found


def _reset_peak() -> None:
    """Begin to count the highest memory use anew, where the system can."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError as error:
            _log.debug("the highest memory use cannot be reset (%s)", error)


def _peak_bytes() -> int:
    """Highest memory use of the GPU, or else of this process, since `_reset_peak`; 0 where not known."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    found = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "0")
    return int(found) * 1024
