"""The report of a study: one HTML file, and lines for the terminal."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from reskin.evaluation.blind_study.intervals import Estimate
from reskin.evaluation.blind_study.plan import TOLERANCE_MS, StudyPlan, stimulus_path
from reskin.evaluation.blind_study.power import Spread, smallest_difference
from reskin.evaluation.blind_study.results import Comparison, Found, Results
from reskin.images import read_image
from reskin.pages.shell import render, write_page
from reskin.video.reader import VideoReader

SHOWN_ITEMS = 5
SMALL_PX = 240
_QUESTIONS = {
    "realism": "looks more like a real photograph or film",
    "faithfulness": "keeps more of what the input shows",
    "identity": "still shows the same person or scene",
    "steadiness": "moves more steadily",
}


def percent(value: float) -> str:
    """
    >>> percent(0.3149)
    '31.5 %'
    """
    return f"{100 * value:.1f} %"


def p_value(value: float) -> str:
    """
    >>> p_value(0.0431), p_value(0.00004)
    ('0.043', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def summary_lines(results: Results) -> list[str]:
    """What was found, a line each, for the terminal."""
    found, plan = results.counted, results.plan
    lines = [_taken_part(results)]
    for name, estimate in found.shares.items():
        lines.append(f"{name}: taken for real in {_value(estimate)}, {estimate.count} answers")
    return lines + _sentences(plan, found)


def write_report(path: Path, folder: Path, results: Results) -> Path:
    """Write the HTML file.

    Raises:
        StorageError: the disk refuses.
        DataError: a stimulus is missing.
    """
    plan, found = results.plan, results.counted
    is_forced = plan.kind == "real-or-fake"
    reach = max([1.0, *(abs(end) for row in _scale_ends(plan, found) for end in row[1:])])
    page = render(
        "study.html",
        assets=["shell"],
        package="reskin.evaluation.blind_study",
        title=folder.resolve().name,
        summary=f"{plan.kind}, {len(plan.items)} items, {len(plan.conditions)} conditions",
        primary=plan.primary,
        links=[("found", "Found"), ("raters", "Raters"), ("items", "Items"), ("limits", "Limits")],
        about=_about(plan),
        conditions=[_row(name, None, each, 0.0, 1.0) for name, each in found.shares.items()],
        compared="Difference of two conditions" if is_forced else "Share that preferred the first",
        comparisons=[_compared(row, is_forced) for row in found.comparisons],
        low=-100 if is_forced else 0,
        high=100,
        scale=[_scale_row(*row, reach) for row in _scale_ends(plan, found)],
        scale_low=f"{-reach:.1f}",
        scale_high=f"{reach:.1f}",
        sentences=_sentences(plan, found) + _with_and_without(results),
        raters=_rater_lines(results),
        strip_about=f"How often each rater {_judged(results)}",
        strip=[round(10 + 380 * mean, 1) for mean in results.per_rater],
        items_about=f"The inputs on which raters most and least often {_judged(results)}.",
        item_rows=_item_rows(folder, results),
        limits=_limits(results),
        paragraph=_paragraph(results),
        digest=plan.digest(),
    )
    return write_page(path, page)


def _value(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} ({percent(estimate.low)} to {percent(estimate.high)})"


def _taken_part(results: Results) -> str:
    left_out = f", {len(results.excluded)} of them left out by the plan's rules" if results.excluded else ""
    return (
        f"{results.invited} invited, {results.begun} began, {results.finished} finished{left_out}; "
        f"{len(results.counted.votes)} answers count"
    )


def _about(plan: StudyPlan) -> str:
    if plan.kind == "real-or-fake":
        return (
            f"A real image and an output, {plan.exposure_ms} ms each; raters said which one was made by a "
            "program. 50 % would mean that they cannot tell."
        )
    return (
        f"Two outputs beside their input; raters said which one {_QUESTIONS[plan.question]}. A tie is a half."
    )


def _judged(results: Results) -> str:
    """What the shares of single raters and items are about."""
    if results.plan.kind == "real-or-fake":
        return "took an output for real"
    return f"preferred {results.leader}, of the comparisons it was part of"


def comparison_sentences(results: Results) -> list[str]:
    """For every pair of conditions, what was found and whether they differ at 95 %, after Holm."""
    return _sentences(results.plan, results.counted)


def _sentences(plan: StudyPlan, found: Found) -> list[str]:
    lines = []
    for row in found.comparisons:
        estimate, p = row.estimate, p_value(row.corrected)
        if plan.kind == "real-or-fake":
            said = (
                f"{row.first} less {row.second}: {100 * estimate.value:+.1f} points "
                f"({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"
            )
        else:
            said = f"{row.first} preferred to {row.second} in {_value(estimate)}"
        verdict = "they differ at 95 %" if row.differs else "no difference is shown"
        lines.append(f"{said}: {verdict} (p {p} after Holm's correction)")
    return lines


def _with_and_without(results: Results) -> list[str]:
    if not results.excluded:
        return []
    lines = []
    for name, estimate in results.everyone.shares.items():
        lines.append(f"With all who finished, {name} was taken for real in {_value(estimate)}.")
    if results.plan.kind != "real-or-fake":
        for row in results.everyone.comparisons:
            lines.append(
                f"With all who finished, {row.first} was preferred to {row.second} in {_value(row.estimate)}."
            )
    return lines


def _row(
    first: str, second: str | None, each: Estimate, low: float, high: float, p: float | None = None
) -> Any:
    def at(value: float) -> float:
        return round(200 * (value - low) / (high - low), 1)

    signed = low < 0
    text = (lambda value: f"{100 * value:+.1f} points") if signed else percent
    return {
        "first": first,
        "second": second,
        "value": text(each.value),
        "interval": f"{text(each.low)} to {text(each.high)}",
        "at": at(each.value),
        "from": at(each.low),
        "to": at(each.high),
        "p": "" if p is None else p_value(p),
        "count": each.count,
    }


def _compared(row: Comparison, is_forced: bool) -> Any:
    return _row(row.first, row.second, row.estimate, -1.0 if is_forced else 0.0, 1.0, row.corrected)


def _scale_ends(plan: StudyPlan, found: Found) -> list[tuple[str, float, float, float]]:
    """Name, strength, lower and upper end of each condition, the strongest first."""
    if found.scale is None:
        return []
    rows = [
        (plan.conditions[number], float(value), *found.scale.interval(number))
        for number, value in enumerate(found.scale.strengths)
    ]
    return sorted(rows, key=lambda row: -row[1])


def _scale_row(name: str, value: float, low: float, high: float, reach: float) -> Any:
    def at(strength: float) -> float:
        return round(100 + 100 * strength / reach, 1)

    return {
        "first": name,
        "second": None,
        "value": f"{value:+.2f}",
        "interval": f"{low:+.2f} to {high:+.2f}",
        "at": at(value),
        "from": at(low),
        "to": at(high),
        "p": "",
        "count": "",
    }


def _rater_lines(results: Results) -> list[str]:
    lines = [_taken_part(results) + "."]
    if results.withdrawn:
        lines.append(f"{results.withdrawn} had their answers deleted.")
    lines += [f"Left out, {name}: {'; '.join(why)}." for name, why in sorted(results.excluded.items())]
    if results.exposures is not None:
        each = results.exposures
        lines.append(
            f"{percent(each.near)} of {each.count} exposures were within {TOLERANCE_MS} ms of the "
            f"{results.plan.exposure_ms} ms planned: {each.median:.0f} ms in the median, 90 % from "
            f"{each.low:.0f} to {each.high:.0f} ms."
        )
    if results.agreement is not None:
        lines.append(
            f"{percent(results.agreement)} of trials that were shown twice, the second time in the other "
            "order, were answered alike."
        )
    return lines


def _item_rows(folder: Path, results: Results) -> list[tuple[str, list[Any]]]:
    plan = results.plan
    ranked = sorted(results.items.items(), key=lambda each: (-each[1][0], each[0]))
    high, low = ranked[:SHOWN_ITEMS], ranked[SHOWN_ITEMS:][-SHOWN_ITEMS:]
    if plan.kind == "real-or-fake":
        titles = ("Most often taken for real", "Least often taken for real")
    else:
        titles = (f"{results.leader}: most often preferred", f"{results.leader}: least often preferred")
    return [
        (title, [_item(folder, plan, item, mean, count) for item, (mean, count) in rows])
        for title, rows in zip(titles, (high, low), strict=True)
    ]


def _item(folder: Path, plan: StudyPlan, item: int, mean: float, count: int) -> Any:
    """A row of small images: what stood beside or against the outputs, and every condition's output."""
    names = {condition: f"item-{item}-{number}" for number, condition in enumerate(plan.conditions)}
    before = {"real": f"real-{item}"} if plan.kind == "real-or-fake" else {"input": f"input-{item}"}
    images = [
        (title, _inline(stimulus_path(folder, plan, name)))
        for title, name in (*before.items(), *names.items())
    ]
    return {"name": plan.items[item], "value": f"{percent(mean)} of {count} answers", "images": images}


def _inline(path: Path) -> str:
    """An image, or the first frame of a clip, at most 240 px wide, as a data URL."""
    if path.suffix == ".mp4":
        with VideoReader(path) as reader:
            picture = next(iter(reader)).image
    else:
        picture = read_image(path)
    height, width = picture.shape[:2]
    small = Image.fromarray(picture)
    if width > SMALL_PX:
        small = small.resize((SMALL_PX, max(1, round(height * SMALL_PX / width))), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _limits(results: Results) -> list[str]:
    plan, found = results.plan, results.counted
    lines = [
        "Intervals take raters and items as samples: they are about other people and inputs of the kind.",
        "They say nothing of inputs of another kind, other training seeds, or other sizes on the screen.",
    ]
    raters = max(2, found.raters)
    spread = Spread() if plan.kind == "real-or-fake" else Spread().halved()
    trials = max(1, plan.trials // len(plan.cells()))
    least = smallest_difference(raters, len(plan.items), trials, spread)
    size = f"{found.raters} raters and {len(plan.items)} items"
    lines.append(
        f"{size} are too few to find any distance from 50 % with 80 % power."
        if least is None
        else f"{size} find a distance of about {least:.0f} points from 50 % with 80 % power; smaller ones "
        "may be there and not be seen."
    )
    if missing := plan.raters - results.finished:
        lines.append(f"It is not complete: {missing} of the {plan.raters} raters planned have not finished.")
    elif results.excluded:
        lines.append(
            f"It is complete: {plan.raters} raters finished, and {len(results.excluded)} of them were left "
            "out by rules that were fixed before; nobody is asked in their stead."
        )
    if found.scale is None and plan.kind != "real-or-fake" and found.votes:
        lines.append("No Bradley-Terry scale: a condition won, or lost, every comparison.")
    return lines


def _paragraph(results: Results) -> str:
    plan, found = results.plan, results.counted
    what = "; ".join(
        [f"{name} was taken for real in {_value(each)}" for name, each in found.shares.items()]
        or [
            f"{row.first} was preferred to {row.second} in {_value(row.estimate)}"
            for row in found.comparisons
        ]
    )
    return (
        f"{found.raters} raters judged {len(plan.items)} items ({len(found.votes)} answers; "
        f"{len(results.excluded)} raters excluded by rules fixed before). {what or 'No result yet'}. "
        "Intervals are 95 %, two-way clustered over raters and items; comparisons are corrected after Holm."
    )
