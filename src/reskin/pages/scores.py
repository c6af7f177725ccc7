"""The scores of a run as a table: each beside what the input, colour transfer and real images get."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reskin.pages.intervals import mean_interval
from reskin.runs.folder import finite

_HEADINGS = {
    "output": "This model",
    "input": "Input as it is",
    "reinhard": "Colour transfer",
    "real": "Real against real",
}
"""What was measured, in the order of the columns, to the heading."""
_MEANINGS = {
    "psnr": ("PSNR", "distance to the true image"),
    "ssim": ("SSIM", "structural similarity to the true image"),
    "lpips": ("LPIPS", "perceptual distance to the true image"),
    "swd": ("SWD × 1000", "distance of the set's patches from real ones"),
    "kid": ("KID", "distance of the set's features from real ones"),
    "ms_ssim": ("MS-SSIM", "structural similarity at several sizes to the true image"),
    "fid": ("FID", "Fréchet distance of the set's Inception features from real ones"),
    "frechet_squeezenet": (
        "Fréchet distance, SqueezeNet",
        "not FID: the same formula on SqueezeNet's features",
    ),
    "density": ("Density", "how often outputs lie in the neighbourhoods of real images"),
    "coverage": ("Coverage", "share of real images with an output in their neighbourhood"),
    "domain_share": ("Domain classifier", "share taken for the target domain"),
    "nearer_than_real": ("Copies", "share suspiciously near to a training image"),
    "named_share": ("Named classes", "share that a classifier puts into the classes asked for"),
    "noise_probe": ("Hidden information", "growth of the cycle error with unseen noise"),
    "diversity": ("LPIPS diversity", "distance between outputs of one input"),
    "is_nats": ("IS, nats", "mean divergence of an output's classes from those of all outputs"),
    "cis_nats": ("CIS, nats", "the same from those of the input's outputs"),
    "is_exp": ("IS", "exp of the mean divergence of an output's classes from those of all outputs"),
    "cis_exp": ("CIS", "the same from those of the input's outputs"),
    "fcn_pixel": ("FCN-score, pixel", "accuracy of classes segmented in the generated photo"),
    "fcn_class": ("FCN-score, class", "the same class by class, then the mean"),
    "fcn_iou": ("FCN-score, IoU", "intersection over union, mean over classes"),
    "label_pixel": ("Photo → labels, pixel", "accuracy of generated labels"),
    "label_class": ("Photo → labels, class", "the same class by class, then the mean"),
    "label_iou": ("Photo → labels, IoU", "intersection over union, mean over classes"),
    "cycle_l1": ("Cycle error", "distance to the reconstruction, on [-1, 1]"),
    "cycle_l1_8bit": ("Cycle error, 8 bits", "the same, the translation rounded to a file's 256 levels"),
}
_WAYS = {"a2b": "A → B", "b2a": "B → A"}
_CYCLES = {"a2b": "A → B → A", "b2a": "B → A → B"}

Scores = Mapping[str, Mapping[str, Any]]
"""Name to the fields of a score, as a line of scores.jsonl holds them."""

Row = Mapping[str, Mapping[str, Any]]
"""What was measured ("output", "input", "reinhard", "real") to its score."""


@dataclass(frozen=True)
class Cell:
    """One number of the table.

    Attributes:
        heading: of its column.
        text: the number, "–" for none.
        interval: of 95 %, in words; empty where none is known.
        is_best: whether it is ahead of the others by more than random variation explains.
    """

    heading: str
    text: str = "–"
    interval: str = ""
    is_best: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the table: a metric in one direction.

    Attributes:
        title: of the metric.
        way: the direction in words.
        about: what is measured, which way is better, and of how many images.
        note: how it was measured.
        cells: the numbers.
    """

    title: str
    way: str
    about: str
    note: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class ScoreTable:
    """What the template shows.

    Attributes:
        headings: of the columns with numbers.
        lines: the rows.
        has_intervals: whether any number has one.
        unsorted: scores of version 0.1.0, which had nothing but their names: name, number, what is better,
            number of images.
    """

    headings: Sequence[str]
    lines: Sequence[Line]
    has_intervals: bool
    unsorted: Sequence[tuple[str, str, str, str]]


def arrange(scores: Scores) -> dict[tuple[str, str], dict[str, Mapping[str, Any]]]:
    """(Metric, direction) to what was measured to score; scores without these fields are not in it."""
    rows: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for score in scores.values():
        named = [score.get(key) for key in ("metric", "direction", "subject")]
        metric, way, subject = (value if isinstance(value, str) else "" for value in named)
        if metric and isinstance(named[1], str) and subject in _HEADINGS:
            rows.setdefault((metric, way), {})[subject] = score
    return rows


def score_table(scores: Scores) -> ScoreTable:
    """The table; what is better than the others by more than random variation explains is marked."""
    rows = arrange(scores)
    subjects = [subject for subject in _HEADINGS if any(subject in row for row in rows.values())]
    lines = [_line(metric, way, row, subjects) for (metric, way), row in rows.items()]
    known = [id(score) for row in rows.values() for score in row.values()]
    unsorted = [
        (name, _number(score), str(score.get("better", "")), str(score.get("count", "")))
        for name, score in scores.items()
        if id(score) not in known
    ]
    return ScoreTable(
        headings=[_HEADINGS[subject] for subject in subjects],
        lines=lines,
        has_intervals=any(cell.interval for line in lines for cell in line.cells),
        unsorted=unsorted,
    )


def _line(metric: str, way: str, row: Row, subjects: Sequence[str]) -> Line:
    title, meaning = _MEANINGS.get(metric, (metric, ""))
    shown = row.get("output", next(iter(row.values())))
    better = str(shown.get("better", ""))
    arrow = {"higher": "↑ higher is better", "lower": "↓ lower is better"}.get(better, "")
    count, unit = shown.get("count"), shown.get("unit") or ""
    about = [meaning, str(unit), arrow, f"N = {count}" if count is not None else ""]
    best = _best(row, better)
    ways = _CYCLES if metric.startswith("cycle") else _WAYS
    return Line(
        title=title,
        way=ways.get(way, way),
        about=" · ".join(filter(None, about)),
        note=str(shown.get("note") or ""),
        cells=[_cell(row.get(subject), subject, subject == best) for subject in subjects],
    )


def _cell(score: Mapping[str, Any] | None, subject: str, is_best: bool) -> Cell:
    if score is None:
        return Cell(_HEADINGS[subject])
    interval = mean_interval(list(images_of(score).values()))
    words = f"{digits(interval[0])} to {digits(interval[1])}" if interval else ""
    spread = finite({"spread": score.get("spread")}).get("spread")
    if not words and spread is not None:
        words = f"± {digits(spread)}"
    return Cell(_HEADINGS[subject], _number(score), words, is_best)


def _best(row: Row, better: str) -> str | None:
    """What is ahead of the others; real images do not take part.

    Where single images were kept, the two best are compared image by image: if the interval of their
    difference holds 0, none is ahead.
    """
    values = {subject: value_of(score) for subject, score in row.items() if subject != "real"}
    known = {subject: value for subject, value in values.items() if value is not None}
    if len(known) < 2 or better not in ("higher", "lower"):
        return None
    first, second = sorted(known, key=lambda subject: known[subject], reverse=better == "higher")[:2]
    interval = difference_interval(row[first], row[second])
    is_chance = known[first] == known[second] or (interval and interval[0] <= 0 <= interval[1])
    return None if is_chance else first


def images_of(score: Mapping[str, Any]) -> dict[str, float]:
    """Image to value; empty where single values were not kept, or one of them is not finite."""
    pairs = score.get("pictures")
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return {}
    found = finite({str(number): pair[1] for number, pair in enumerate(pairs)})
    if len(found) < len(pairs):
        return {}
    return {str(name): value for (name, _), value in zip(pairs, found.values(), strict=True)}


def difference_interval(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[float, float] | None:
    """The 95 % interval of the mean difference over the images that two scores share; None where unknown."""
    mine, other = images_of(first), images_of(second)
    return mean_interval([value - other[name] for name, value in mine.items() if name in other])


def value_of(score: Mapping[str, Any]) -> float | None:
    """The value of a score, None where it is not a finite number."""
    return finite({"value": score.get("value")}).get("value")


def _number(score: Mapping[str, Any]) -> str:
    value = value_of(score)
    # A value that JSON cannot hold, such as infinity, stands at the end of the note.
    return digits(value) if value is not None else str(score.get("note", "?")).rsplit(";", 1)[-1].strip()


def digits(value: float) -> str:
    """A score as people compare it.

    >>> digits(22.8123), digits(0.71234), digits(151.26), digits(0.00412)
    ('22.81', '0.7123', '151.3', '0.00412')
    """
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4g}" if abs(value) >= 0.1 else f"{value:.3g}"


def verdict(scores: Scores) -> str:
    """One plain sentence on whether the model beats what costs nothing; empty where nothing can be said."""
    return _verdict_by_truth(arrange(scores).get(("psnr", "a2b"), {})) or _verdict_by_set(
        arrange(scores).get(("swd", "a2b"), {})
    )


def _verdict_by_truth(row: Row) -> str:
    output, rival = (value_of(row.get(name, {})) for name in ("output", "reinhard"))
    if output is None or rival is None:
        return ""
    interval = difference_interval(row["output"], row["reinhard"])
    sure = f" (95 % interval {interval[0]:.1f} to {interval[1]:.1f} dB)" if interval else ""
    if interval and interval[0] <= 0 <= interval[1]:
        return (
            f"On held-out images output and colour transfer do not differ clearly in PSNR to the truth{sure}."
        )
    if output < rival and interval:
        sure = f" (95 % interval {-interval[1]:.1f} to {-interval[0]:.1f} dB)"
    where = "closer to the truth than" if output >= rival else "further from the truth than"
    return f"On held-out images the output is {abs(output - rival):.1f} dB {where} colour transfer{sure}."


def _verdict_by_set(row: Row) -> str:
    output, untouched, transfer = (value_of(row.get(name, {})) for name in ("output", "input", "reinhard"))
    if output is None or not untouched:
        return ""
    if output >= untouched:
        return "Translated images are no closer to domain B than the untouched input is."
    gains = [f"{100 * (1 - value / untouched):.0f} %" for value in (output, transfer) if value is not None]
    beside = "".join(f"; colour transfer is {gain} closer" for gain in itertools.islice(gains, 1, None))
    return (
        f"Translated images are {gains[0]} closer to domain B than the untouched input, in patch "
        f"statistics{beside}."
    )
