"""From the answers of a study to what it found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reskin.errors import RunError
from reskin.evaluation.blind_study.answers import Answer, AnswerStore, Rater
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.intervals import Answers, Estimate, difference, holm, share
from reskin.evaluation.blind_study.plan import TOLERANCE_MS, StudyPlan
from reskin.evaluation.blind_study.preference import Scale, Votes, fit_scale, pairs
from reskin.evaluation.blind_study.quality import Record, reasons


@dataclass(frozen=True)
class Vote:
    """A main answer that counts.

    Attributes:
        rater: number of the rater's slot.
        item: number of the item.
        cell: number of the condition or pair.
        value: real-or-fake: 1 where the rater took the real image for the fake; preference: 1 for the first
            condition of the pair, 0.5 for a tie.
    """

    rater: int
    item: int
    cell: int
    value: float


@dataclass(frozen=True)
class Comparison:
    """Two conditions compared.

    Attributes:
        first, second: their names.
        estimate: real-or-fake: difference of the shares; preference: share that preferred the first.
        corrected: p after Holm's correction for the number of comparisons.
    """

    first: str
    second: str
    estimate: Estimate
    corrected: float

    @property
    def differs(self) -> bool:
        """Whether it is a difference at 95 %, after correction."""
        return self.corrected < 0.05


@dataclass(frozen=True)
class Found:
    """What the answers say, from the raters that count or from all.

    Attributes:
        raters: how many.
        votes: main answers.
        shares: by condition, real-or-fake: how often it was taken for real.
        comparisons: every pair of conditions.
        scale: strengths by preference; None for real-or-fake, and where there is no finite scale.
    """

    raters: int
    votes: list[Vote]
    shares: dict[str, Estimate]
    comparisons: list[Comparison]
    scale: Scale | None


@dataclass(frozen=True)
class Exposures:
    """How long images were shown to all who finished.

    Attributes:
        count: how many exposures there were.
        near: share within 34 ms of what was planned.
        low, median, high: 5 %, 50 % and 95 % of them were no longer than this, ms.
    """

    count: int
    near: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Results:
    """All that a report states.

    Attributes:
        plan: of the study.
        invited, begun, finished, withdrawn: how many raters.
        excluded: invite (its first six characters) to the reasons.
        counted: from the raters that count.
        everyone: from all who finished.
        exposures: how long images were shown; None where none was timed.
        agreement: share of repeats that were answered as before, in the other order; None without repeats.
        leader: the condition that was preferred most often, which `per_rater` and `items` are about; "" for
            real-or-fake, where they are about all conditions, and without votes.
        per_rater: how often each counted rater preferred the leader, or took an output for real.
        items: item number to how often that was so on this item, and its number of answers.
    """

    plan: StudyPlan
    invited: int
    begun: int
    finished: int
    withdrawn: int
    excluded: dict[str, list[str]]
    counted: Found
    everyone: Found
    exposures: Exposures | None
    agreement: float | None
    leader: str = ""
    per_rater: list[float] = field(default_factory=list)
    items: dict[int, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """What one rater did who finished.

    Attributes:
        rater: who.
        trials: the whole list.
        answers: by trial number; one that was shown again stands for the marked one.
        excluded: why the answers do not count; empty: they do.
    """

    rater: Rater
    trials: Sequence[Trial]
    answers: dict[int, Answer]
    excluded: list[str]


def trials_of(slots: Sequence[Sequence[Trial]], slot: int) -> Sequence[Trial]:
    """The list of a rater's slot.

    Raises:
        RunError: the plan has no such slot.
    """
    if not 0 <= slot < len(slots):
        what = f"a rater has slot {slot}, and the plan has {len(slots)} slots"
        raise RunError(what, "Put back the plan and the answers of one study.")
    return slots[slot]


def finished_parts(plan: StudyPlan, store: AnswerStore) -> list[Part]:
    """The parts of all who finished and did not have their answers deleted."""
    slots, found = plan.slots(), []
    for rater in store.raters():
        if not rater.finished or rater.withdrawn or rater.slot is None:
            continue
        trials = trials_of(slots, rater.slot)
        answers = with_repeats(trials, store.answers(rater.invite))
        found.append(Part(rater, trials, answers, reasons(record_of(plan, trials, answers))))
    return found


def read_results(plan: StudyPlan, store: AnswerStore) -> Results:
    """The results so far; a rater counts who has finished and whom no rule of the plan excludes."""
    raters = store.raters()
    taken = finished_parts(plan, store)
    excluded: dict[str, list[str]] = {}
    counted: list[Vote] = []
    everyone: list[Vote] = []
    repeats: list[bool] = []
    for part in taken:
        votes = list(_votes(plan, part.rater, part.trials, part.answers))
        everyone += votes
        if part.excluded:
            excluded[part.rater.invite[:6]] = part.excluded
            continue
        counted += votes
        repeats += _agreements(part.trials, part.answers)
    timed = [span for part in taken for answer in store.answers(part.rater.invite) for span in answer.shown]
    leader, about_leader = _of_leader(plan, counted)
    return Results(
        plan,
        len(raters),
        sum(rater.began is not None for rater in raters),
        len(taken),
        sum(rater.withdrawn is not None for rater in raters),
        excluded,
        _found(plan, counted),
        _found(plan, everyone),
        _exposures(plan, timed) if timed and plan.kind == "real-or-fake" else None,
        sum(repeats) / len(repeats) if repeats else None,
        leader,
        _means(about_leader),
        _item_means(about_leader),
    )


def _exposures(plan: StudyPlan, spans: Sequence[float]) -> Exposures:
    near = sum(abs(span - plan.exposure_ms) <= TOLERANCE_MS for span in spans) / len(spans)
    low, middle, high = (float(value) for value in np.quantile(spans, (0.05, 0.5, 0.95)))
    return Exposures(len(spans), near, low, middle, high)


def _of_leader(plan: StudyPlan, votes: list[Vote]) -> tuple[str, list[Vote]]:
    """The condition with the largest share of preferences, and the votes it is part of, 1 where it won.

    A mean over pairs of different conditions says nothing, as it depends on which one is called the first.
    """
    if plan.kind == "real-or-fake" or not votes:
        return "", votes
    cells = plan.cells()
    shares: dict[int, list[float]] = defaultdict(list)
    for vote in votes:
        first, second = cells[vote.cell]
        shares[first].append(vote.value)
        shares[second].append(1 - vote.value)
    leader = max(sorted(shares), key=lambda condition: sum(shares[condition]) / len(shares[condition]))
    about = [
        replace(vote, value=vote.value if cells[vote.cell][0] == leader else 1 - vote.value)
        for vote in votes
        if leader in cells[vote.cell]
    ]
    return plan.conditions[leader], about


def again_trials(plan: StudyPlan, trials: Sequence[Trial], answers: Iterable[Answer]) -> list[int]:
    """Numbers of the main trials whose exposure was marked, to be shown once more at the end."""
    if plan.kind != "real-or-fake":
        return []
    marked = {answer.trial for answer in answers if answer.flags and answer.trial < len(trials)}
    return [number for number in sorted(marked) if trials[number].part == "main"]


def with_repeats(trials: Sequence[Trial], answers: Iterable[Answer]) -> dict[int, Answer]:
    """Answers by trial number, where the one of a trial that was shown again stands for the marked one."""
    first = {answer.trial: answer for answer in answers}
    marked = [n for n in sorted(first) if n < len(trials) and first[n].flags and trials[n].part == "main"]
    for turn, number in enumerate(marked):
        again = first.pop(len(trials) + turn, None)
        if again is not None:
            first[number] = again
    return {number: answer for number, answer in first.items() if number < len(trials)}


def _value(plan: StudyPlan, trial: Trial, choice: str) -> float:
    if choice == "same":
        return 0.5
    chose_shown_first = choice == "first"
    chose_first = chose_shown_first != trial.swapped
    # Real or fake: the real image is first in the cell, and choosing it as the fake is to be fooled.
    return float(chose_first)


def _votes(
    plan: StudyPlan, rater: Rater, trials: Sequence[Trial], answers: dict[int, Answer]
) -> Iterable[Vote]:
    for number, answer in sorted(answers.items()):
        trial = trials[number]
        if trial.part == "main" and trial.role == "item":
            yield Vote(rater.slot or 0, trial.item, trial.cell, _value(plan, trial, answer.choice))


def record_of(plan: StudyPlan, trials: Sequence[Trial], answers: dict[int, Answer]) -> Record:
    """What the rules of exclusion read of a rater's answers, which are given by trial number."""
    checks = [
        answer.choice == plan.right_choice(trials[number])
        for number, answer in answers.items()
        if trials[number].role == "check"
    ]
    main = [answer for number, answer in sorted(answers.items()) if trials[number].part == "main"]
    sides = [None if answer.choice == "same" else answer.choice == "first" for answer in main]
    return Record(checks, sides, [answer.rt for answer in main], [bool(answer.flags) for answer in main])


def _agreements(trials: Sequence[Trial], answers: dict[int, Answer]) -> list[bool]:
    seen: dict[tuple[int, int], tuple[str, bool]] = {}
    found = []
    for number, answer in sorted(answers.items()):
        trial = trials[number]
        key = trial.item, trial.cell
        if trial.part == "main" and trial.role == "item":
            seen[key] = answer.choice, trial.swapped
        elif trial.role == "repeat" and key in seen:
            choice, swapped = seen[key]
            same_side = choice == answer.choice
            found.append(same_side if choice == "same" else same_side == (swapped == trial.swapped))
    return found


def _answers(votes: Sequence[Vote]) -> Answers:
    return Answers(
        np.array([vote.value for vote in votes], dtype=np.float64),
        np.array([vote.rater for vote in votes], dtype=np.int64),
        np.array([vote.item for vote in votes], dtype=np.int64),
    )


def _found(plan: StudyPlan, votes: list[Vote]) -> Found:
    by_cell: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_cell[vote.cell].append(vote)
    raters = len({vote.rater for vote in votes})
    names = plan.conditions
    if plan.kind == "real-or-fake":
        shares = {names[cell]: share(_answers(by_cell[cell])) for cell in sorted(by_cell)}
        compared = [
            (names[one], names[two], difference(_answers(by_cell[one]), _answers(by_cell[two])))
            for one, two in pairs(len(names))
            if one in by_cell and two in by_cell
        ]
        return Found(raters, votes, shares, _corrected(compared), None)
    cells = plan.cells()
    compared = [
        (names[cells[cell][0]], names[cells[cell][1]], share(_answers(by_cell[cell])))
        for cell in sorted(by_cell)
    ]
    return Found(raters, votes, {}, _corrected(compared), _scale(plan, votes))


def _corrected(compared: Sequence[tuple[str, str, Estimate]]) -> list[Comparison]:
    corrected = holm([estimate.p for _, _, estimate in compared])
    return [Comparison(*row, p) for row, p in zip(compared, corrected, strict=True)]


def _scale(plan: StudyPlan, votes: Sequence[Vote]) -> Scale | None:
    if not votes:
        return None
    cells = plan.cells()
    first, second = np.array([cells[vote.cell] for vote in votes], dtype=np.int64).T
    all_votes = _answers(votes)
    try:
        return fit_scale(
            Votes(first, second, all_votes.values, all_votes.raters, all_votes.items), len(plan.conditions)
        )
    except ValueError:
        return None


def _means(votes: Sequence[Vote]) -> list[float]:
    by_rater: dict[int, list[float]] = defaultdict(list)
    for vote in votes:
        by_rater[vote.rater].append(vote.value)
    return [sum(values) / len(values) for _, values in sorted(by_rater.items())]


def _item_means(votes: Sequence[Vote]) -> dict[int, tuple[float, int]]:
    by_item: dict[int, list[float]] = defaultdict(list)
    for vote in votes:
        by_item[vote.item].append(vote.value)
    return {item: (sum(values) / len(values), len(values)) for item, values in sorted(by_item.items())}
