"""A small study on the disk, and raters who take part without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reskin.evaluation.blind_study.answers import Answer, AnswerStore
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.plan import StudyPlan
from reskin.workflows.blind_study import StudyConfig, new_study


def write_images(folder: Path, count: int, seed: int, size: tuple[int, int] = (24, 32)) -> Path:
    """So many small images p00.png, p01.png and so on."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(
            folder / f"p{number:02d}.png"
        )
    return folder


def make_study(
    root: Path,
    kind: str = "preference",
    *,
    items: int = 6,
    raters: int = 4,
    conditions: tuple[str, ...] = ("one", "two"),
    **settings: Any,
) -> StudyPlan:
    """A study at root / "study" of folders of outputs."""
    inputs = write_images(root / "a", items + 6, 0)
    outputs = [write_images(root / name, items + 6, 1 + turn) for turn, name in enumerate(conditions)]
    real = write_images(root / "real", items + 8, 13) if kind == "real-or-fake" else None
    return new_study(
        StudyConfig(
            folder=root / "study",
            runs=tuple(outputs),
            a=inputs,
            kind=kind,
            real=real,
            items=items,
            raters=raters,
            **settings,
        )
    )


def take_part(
    store: AnswerStore, plan: StudyPlan, invite: str, choose: Callable[[Trial], str], *, flags: str = ""
) -> None:
    """Answer the whole list of an invite."""
    rater = store.begin(invite, "en", plan.raters)
    assert rater is not None and rater.slot is not None
    for number, trial in enumerate(plan.slots()[rater.slot]):
        choice = choose(trial)
        assert choice in ("first", "second", "same")
        store.answer(
            invite, Answer(number, f"{invite} {number:016d}", choice, (1000.0, 1000.0), 900.0, flags)
        )
    store.finish(invite)


def careful(plan: StudyPlan, prefers: Callable[[Trial], bool]) -> Callable[[Trial], str]:
    """One who is right in every check, and chooses the first of a cell where `prefers` says so."""

    def choose(trial: Trial) -> str:
        right = plan.right_choice(trial)
        if right is not None:
            return right
        return "first" if prefers(trial) != trial.swapped else "second"

    return choose
