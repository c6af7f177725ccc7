"""The plan of a study: fixed in `plan.json` before the first answer, with its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reskin.config import Settings
from reskin.errors import DataError, RunError
from reskin.evaluation.blind_study.design import CHECKS, Design, Kind, Trial, deal, with_checks
from reskin.evaluation.blind_study.preference import pairs
from reskin.evaluation.blind_study.quality import (
    MARKED_SHARE,
    ONE_ANSWER_SHARE,
    ONE_ANSWER_TRIALS,
    SHORTEST_MS,
    WRONG_CHECKS,
)
from reskin.parsing import parse
from reskin.paths import inside
from reskin.storage import read_json, to_json

PLAN = "plan.json"
STIMULI = "stimuli"
PRACTICE_ITEMS = 10
CHECK_ITEMS = 8
EXPOSURE_MS = 1000
TOLERANCE_MS = 34
"""An exposure that is further off than this, hidden or out of focus is marked, and shown again at the end."""

Question = Literal["realism", "faithfulness", "identity", "steadiness"]
Name = Annotated[str, Field(min_length=1, max_length=30_000)]


class Rules(Settings):
    """Who is left out, as the plan states it."""

    checks: int = CHECKS
    """Attention checks of each rater."""
    wrong_checks: int = WRONG_CHECKS
    """So many wrong ones exclude."""
    one_answer_share: float = ONE_ANSWER_SHARE
    """One answer in this share of trials excludes."""
    one_answer_trials: int = ONE_ANSWER_TRIALS
    """Fewest answers for that rule."""
    shortest_ms: float = SHORTEST_MS
    """A median answer faster than this excludes."""
    marked_share: float = MARKED_SHARE
    """More marked exposures than this exclude."""


class StudyPlan(Settings):
    """What a study asks, of whom and how its answers will be read."""

    version: Literal[1] = 1
    """Of this file's form."""
    kind: Kind
    """real-or-fake, preference or preference-video."""
    question: Question = "realism"
    """What a preference is about."""
    conditions: tuple[Name, ...] = Field(min_length=1, max_length=12)
    """Names of what is compared; raters never see them."""
    items: tuple[Name, ...] = Field(min_length=2, max_length=10_000)
    """Names of the inputs."""
    raters: int = Field(ge=2, le=10_000)
    """Slots for raters."""
    trials: int = Field(ge=1, le=1000)
    """Items that one rater sees."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""
    exposure_ms: int = Field(default=EXPOSURE_MS, ge=1)
    """How long a picture is shown in real-or-fake, ms."""
    rules: Rules = Rules()
    """Who is left out."""
    primary: str = Field(default="", max_length=1000)
    """The comparison that the study is made for, in words."""
    ending: Literal[".jpg", ".mp4"] = ".jpg"
    """Of the stimuli."""
    digests: dict[str, str] = Field(default_factory=dict, max_length=200_000)
    """SHA-256 of each stimulus by its name."""

    def cells(self) -> list[tuple[int, ...]]:
        """What a trial compares: a condition with the real picture, or a pair of conditions."""
        if self.kind == "real-or-fake":
            return [(number,) for number in range(len(self.conditions))]
        return list(pairs(len(self.conditions)))

    def design(self) -> Design:
        """Sizes for `deal`."""
        return Design(self.raters, len(self.items), len(self.cells()), self.trials, self.seed)

    def slots(self) -> list[list[Trial]]:
        """Every slot's whole list: practice, main trials, checks and repeats."""
        design = self.design()
        return [
            with_checks(trials, design, rater, practice_items=PRACTICE_ITEMS, check_items=CHECK_ITEMS)
            for rater, trials in enumerate(deal(design))
        ]

    def digest(self) -> str:
        """SHA-256 of the plan, for the page and the report."""
        return hashlib.sha256(to_json(self.to_dict())).hexdigest()

    def shown(self, trial: Trial) -> tuple[list[str], list[str]]:
        """Names of the stimuli of a trial: what stands beside (the input), and the two in the order shown."""
        beside: list[str] = []
        if trial.part == "practice" or trial.role == "check":
            where = "practice" if trial.part == "practice" else "check"
            two = [f"{where}-{trial.item}-good", f"{where}-{trial.item}-bad"]
            if trial.role == "check" and trial.part == "main" and self.kind != "real-or-fake":
                two = [two[0], two[0]]
            if self.kind != "real-or-fake":
                beside = [f"{where}-{trial.item}-input"]
        elif self.kind == "real-or-fake":
            two = [f"real-{trial.item}", f"item-{trial.item}-{self.cells()[trial.cell][0]}"]
        else:
            first, second = self.cells()[trial.cell]
            two = [f"item-{trial.item}-{first}", f"item-{trial.item}-{second}"]
            beside = [f"input-{trial.item}"]
        return beside, two[::-1] if trial.swapped else two

    def right_choice(self, trial: Trial) -> str | None:
        """The right answer of practice and checks, "first", "second" or "same"; None where all are."""
        if trial.part != "practice" and trial.role != "check":
            return None
        if self.kind == "real-or-fake":  # which one was fake
            return "first" if trial.swapped else "second"
        if trial.part == "main":
            return "same"
        return "second" if trial.swapped else "first"


def read_plan(folder: Path) -> StudyPlan:
    """The plan of a study.

    Raises:
        RunError: there is no study in `folder`.
        SettingsError: `plan.json` is damaged.
        DataError: a link leads out of the folder.
    """
    path = inside(folder, PLAN)
    if not path.exists():
        raise RunError(f"no study in {folder}", "Make one: reskin study new STUDY --runs ... --a FOLDER")
    return parse(StudyPlan, read_json(path), source=str(path))


def stimulus_path(folder: Path, plan: StudyPlan, name: str) -> Path:
    """The file of a stimulus.

    Raises:
        DataError: it is not there, or leads out of the folder.
    """
    path = inside(folder, f"{STIMULI}/{name}{plan.ending}")
    if not path.exists():
        raise DataError(f"{path} is missing", "Make the study anew in another folder: reskin study new")
    return path
