"""Answers of a study as CSV: every answer, rows as of jsPsych, and the table of AMT_Real_vs_Fake."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from reskin.evaluation.blind_study.answers import Answer, AnswerStore
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.plan import StudyPlan
from reskin.evaluation.blind_study.results import finished_parts, trials_of, with_repeats

_CSV_COLUMNS = (
    *("rater", "finished", "trial", "part", "role", "item", "shown_first", "shown_second", "choice"),
    *("right", "rt_ms", "shown_ms", "flags"),
)
_JSPSYCH_COLUMNS = (
    *("subject", "trial_type", "trial_index", "phase", "role", "stimulus", "choices", "response", "rt"),
    *("correct", "shown", "flags"),
)
REAL = "real"
"""The folder of real images in `amt_csv`."""


def answers_csv(plan: StudyPlan, store: AnswerStore) -> str:
    """All answers as CSV; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    rows: list[list[Any]] = []
    slots = plan.slots()
    for rater in store.raters():
        if rater.slot is None or rater.withdrawn is not None:
            continue
        trials = trials_of(slots, rater.slot)
        for number, answer in sorted(with_repeats(trials, store.answers(rater.invite)).items()):
            trial = trials[number]
            is_item = trial.part == "main" and trial.role != "check"
            right = plan.right_choice(trial)
            shown = [_condition_of(plan, name) for name in plan.shown(trial)[1]]
            values = [rater.invite[:6], int(rater.finished is not None), number, trial.part, trial.role]
            values += [plan.items[trial.item] if is_item else "", *shown, answer.choice]
            values += ["" if right is None else int(right == answer.choice), round(answer.rt)]
            values += [" ".join(f"{span:.1f}" for span in answer.shown), answer.flags]
            rows.append(values)
    return _written(_CSV_COLUMNS, rows)


def jspsych_csv(plan: StudyPlan, store: AnswerStore) -> str:
    """The answers of all who finished, a row each, with the columns of jsPsych's button responses.

    `response` is the number of the button in `choices`, `rt` is in whole milliseconds, and `stimulus` names
    condition and item of the first and the second that was shown.
    """
    choices = ["first", "second"] if plan.kind == "real-or-fake" else ["first", "same", "second"]
    kind = "video-button-response" if plan.ending == ".mp4" else "image-button-response"
    rows: list[list[Any]] = []
    for part in finished_parts(plan, store):
        for number, answer in sorted(part.answers.items()):
            trial = part.trials[number]
            right = plan.right_choice(trial)
            shown = " ".join(_path(plan, trial, name) for name in plan.shown(trial)[1])
            values = [part.rater.invite[:6], kind, number, trial.part, trial.role, shown, " ".join(choices)]
            values += [choices.index(answer.choice) if answer.choice in choices else "", round(answer.rt)]
            values += ["" if right is None else str(right == answer.choice).lower()]
            rows.append([*values, " ".join(f"{span:.1f}" for span in answer.shown), answer.flags])
    return _written(_JSPSYCH_COLUMNS, rows)


def amt_csv(plan: StudyPlan, store: AnswerStore) -> str:
    """Real or fake, a row for each rater that counts, as AMT_Real_vs_Fake's process_csv.py reads it.

    Practice, checks and repeats are left out, so it is called with --N_practice 0 and --N_imgs of the plan's
    trials; "left" stands for the image that was shown first, and the selection is the one taken for made.

    Raises:
        ValueError: the study is of another kind.
    """
    if plan.kind != "real-or-fake":
        raise ValueError("AMT_Real_vs_Fake knows real-or-fake alone")
    names = ("Input.gt_side", "Input.images_left", "Input.images_right", "Answer.selection")
    columns = ["WorkerId", *(f"{name}{turn}" for turn in range(plan.trials) for name in names)]
    rows: list[list[Any]] = []
    for part in finished_parts(plan, store):
        if not part.excluded:
            rows.append([part.rater.invite[:6]])
            for trial, answer in _items(part.trials, part.answers):
                left, right = (_path(plan, trial, name) for name in plan.shown(trial)[1])
                side = "right" if trial.swapped else "left"
                rows[-1] += [side, left, right, "left" if answer.choice == "first" else "right"]
    return _written(columns, rows)


def _items(trials: Sequence[Trial], answers: dict[int, Answer]) -> Iterable[tuple[Trial, Answer]]:
    """What the study asked, in its order."""
    for number, answer in sorted(answers.items()):
        if trials[number].part == "main" and trials[number].role == "item":
            yield trials[number], answer


def _path(plan: StudyPlan, trial: Trial, stimulus: str) -> str:
    """Condition and item of a stimulus, as a path; real images have no condition."""
    if not stimulus.startswith(("item-", "real-")):
        return stimulus
    return f"{REAL if stimulus.startswith('real-') else _condition_of(plan, stimulus)}/{trial.item}"


def _written(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_safe(value) for value in row] for row in rows)
    return text.getvalue()


def _condition_of(plan: StudyPlan, stimulus: str) -> str:
    """The condition that a stimulus shows: item-3-1 is that of number 1."""
    kind, _, rest = stimulus.partition("-")
    return plan.conditions[int(rest.partition("-")[2])] if kind == "item" else stimulus


def _safe(value: Any) -> Any:
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
