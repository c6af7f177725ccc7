"""The scores of a run as a table: each beside what the input, colour transfer and real pictures get."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reskin.pages.markup import Markup, group, tag

RIVALS = ("output", "input", "reinhard", "real")
"""Columns of the table, in order."""

_HEADINGS = {
    "output": "This model",
    "input": "Input as it is",
    "reinhard": "Colour transfer",
    "real": "Real against real",
}
_MEANINGS = {
    "psnr": ("PSNR", "closeness to the true picture, dB"),
    "ssim": ("SSIM", "likeness of structure to the true picture"),
    "swd": ("SWD × 1000", "distance of the set's patches from real ones"),
    "cycle_l1": ("Cycle error", "distance to the reconstruction, on [-1, 1]"),
    "cycle_l1_8bit": ("Cycle error, 8 bits", "the same, the translation rounded to a file's 256 levels"),
}
_ENDS = {"a2b": "A → B", "b2a": "B → A", "a": "A → B → A", "b": "B → A → B"}
_NAME = re.compile(r"^(?P<metric>.+?)(?:_(?P<rival>input|reinhard|real))?_(?P<end>a2b|b2a|a|b)$")

Scores = Mapping[str, Mapping[str, Any]]
"""Name to value, better, count and note, as a line of scores.jsonl holds them."""


def arrange(scores: Scores) -> dict[tuple[str, str], dict[str, Mapping[str, Any]]]:
    """(Metric, direction) to rival to score. The real pictures' distance of B stands in the row of A to B.

    >>> arrange({"swd_a2b": {}, "swd_input_a2b": {}, "swd_real_b": {}})
    {('swd', 'a2b'): {'output': {}, 'input': {}, 'real': {}}}
    """
    rows: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for name, score in scores.items():
        match = _NAME.match(name)  # scores of version 0.1.0 have nothing but their name
        metric, rival, end = (match["metric"], match["rival"], match["end"]) if match else (name, None, "")
        if rival == "real":
            end = {"a": "b2a", "b": "a2b"}.get(end, end)
        rows.setdefault((metric, end), {})[rival or "output"] = score
    return rows


def score_table(scores: Scores) -> Markup:
    """The table; the best of model, input and colour transfer is marked."""
    rows = arrange(scores)
    rivals = [rival for rival in RIVALS if any(rival in row for row in rows.values())]
    columns = ["Measure", *(_HEADINGS[rival] for rival in rivals)]
    head = tag("tr", [tag("th", column, scope="col") for column in columns])
    return tag(
        "div",
        tag(
            "table",
            tag("thead", head),
            tag("tbody", [_row(key, row, rivals) for key, row in rows.items()]),
            class_="scores",
        ),
        class_="scroll",
    )


def _row(key: tuple[str, str], row: dict[str, Mapping[str, Any]], rivals: list[str]) -> Markup:
    metric, end = key
    title, meaning = _MEANINGS.get(metric, (metric, ""))
    first = next(iter(row.values()))
    better = str(first.get("better", ""))
    arrow = {"higher": "↑ higher is better", "lower": "↓ lower is better"}.get(better, "")
    count = row.get("output", first).get("count")
    about = " · ".join(filter(None, [meaning, arrow, f"n = {count}" if count is not None else ""]))
    best = _best(row, better)
    note = str(row.get("output", first).get("note", ""))
    return tag(
        "tr",
        tag(
            "th",
            tag("span", title, class_="measure"),
            tag("span", _ENDS.get(end, end), class_="way") if end else None,
            tag("small", about),
            tag("details", tag("summary", "how it was measured"), tag("small", note)) if note else None,
            scope="row",
        ),
        [_cell(row.get(rival), rival == best, rival) for rival in rivals],
    )


def _best(row: dict[str, Mapping[str, Any]], better: str) -> str | None:
    """Who is ahead of the others; real pictures do not take part."""
    values = {rival: value_of(score) for rival, score in row.items() if rival != "real"}
    known = {rival: value for rival, value in values.items() if value is not None}
    if len(known) < 2 or better not in ("higher", "lower"):
        return None
    ranked = sorted(known, key=lambda rival: known[rival], reverse=better == "higher")
    return ranked[0] if known[ranked[0]] != known[ranked[1]] else None


def _cell(score: Mapping[str, Any] | None, is_best: bool, rival: str) -> Markup:
    if score is None:
        return tag("td", "–", class_="none", data_label=_HEADINGS[rival])
    value = value_of(score)
    # A value that JSON cannot hold, such as infinity, is told at the end of the note.
    text = digits(value) if value is not None else str(score.get("note", "?")).rsplit(";", 1)[-1].strip()
    content = group(text, tag("span", "best", class_="badge") if is_best else None)
    return tag("td", content, class_="best" if is_best else None, data_label=_HEADINGS[rival])


def value_of(score: Mapping[str, Any]) -> float | None:
    """The value of a score, None where it is not a number."""
    value = score.get("value")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


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
    row = arrange(scores).get(("psnr", "a2b"), {})
    output, rival = (value_of(row.get(name, {})) for name in ("output", "reinhard"))
    if output is not None and rival is not None:
        where = "closer to the truth than" if output >= rival else "further from the truth than"
        return f"On held-out pictures the output is {abs(output - rival):.1f} dB {where} colour transfer."
    row = arrange(scores).get(("swd", "a2b"), {})
    output, rival = (value_of(row.get(name, {})) for name in ("output", "input"))
    if output is None or not rival:
        return ""
    if output >= rival:
        return "Translated pictures are no closer to side B than the untouched input is."
    gain = f"{100 * (1 - output / rival):.0f} %"
    return f"Translated pictures are {gain} closer to side B than the untouched input (in patch statistics)."
