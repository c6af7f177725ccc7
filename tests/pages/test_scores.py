"""The table of scores: its intervals, what is best by more than chance, old lines, and the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reskin.pages.intervals import FEWEST, mean_interval
from reskin.pages.scores import images_of, score_table, verdict


def score(metric: str, subject: str, value: float, better: str = "higher", **more: Any) -> dict[str, Any]:
    fields = {"metric": metric, "direction": "a2b", "subject": subject, "value": value, "better": better}
    return fields | {"count": 3, "note": ""} | more


def with_images(metric: str, subject: str, values: list[float], better: str = "higher") -> dict[str, Any]:
    images = [[f"{index}.png", value] for index, value in enumerate(values)]
    return score(metric, subject, sum(values) / len(values), better, pictures=images, count=len(values))


def test_the_best_is_marked_by_its_own_direction() -> None:
    scores = {
        "1": score("psnr", "output", 20.0),
        "2": score("psnr", "reinhard", 21.0),
        "3": score("swd", "output", 5.0, "lower"),
        "4": score("swd", "input", 9.0, "lower"),
        "5": score("swd", "real", 1.0, "lower"),
    }
    table = score_table(scores)
    assert [line.title for line in table.lines] == ["PSNR", "SWD × 1000"]
    assert table.headings == ["This model", "Input as it is", "Colour transfer", "Real against real"]
    best = [(cell.heading, cell.text) for line in table.lines for cell in line.cells if cell.is_best]
    assert best == [("Colour transfer", "21.00"), ("This model", "5")]
    expected = "On held-out images the output is 1.0 dB further from the truth than colour transfer."
    assert verdict(scores) == expected and not table.unsorted and not table.has_intervals


def test_intervals_agree_with_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(20.0, 2.0, 400).tolist()
    interval = mean_interval(values)
    assert interval is not None
    half = 1.96 * np.std(values) / 20
    assert interval == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=0.05)
    assert mean_interval(values) == interval  # the same values, the same interval
    assert mean_interval([3.0] * FEWEST) == (3.0, 3.0) and mean_interval([3.0] * (FEWEST - 1)) is None


def test_many_images_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(0.0, 1.0, 50).tolist()
    monkeypatch.setattr("reskin.pages.intervals._AT_ONCE", 333)
    interval = mean_interval(values)
    assert interval is not None and interval[0] < np.mean(values) < interval[1]
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 * np.std(values) / 50**0.5, rel=0.1)


def test_what_chance_explains_is_not_best() -> None:
    hardness = np.random.default_rng(1).normal(20.0, 5.0, 40)
    noise = np.random.default_rng(2).normal(0.0, 1.0, 40)
    noise -= noise.mean()
    near = {
        "1": with_images("psnr", "output", hardness.tolist()),
        "2": with_images("psnr", "reinhard", (hardness + 0.05 + noise).tolist()),
    }
    line = score_table(near).lines[0]
    assert not any(cell.is_best for cell in line.cells) and all(
        " to " in cell.interval for cell in line.cells
    )
    assert "do not differ clearly in PSNR to the truth (95 % interval -" in verdict(near)
    # A difference that all images share counts, though both means are far less certain than it.
    far = near | {"2": with_images("psnr", "reinhard", (hardness + 0.5).tolist())}
    assert [cell.is_best for cell in score_table(far).lines[0].cells] == [False, True]
    assert verdict(far).endswith(
        "0.5 dB further from the truth than colour transfer (95 % interval 0.5 to 0.5 dB)."
    )
    assert "N = 40" in line.about


def test_old_lines_without_fields_are_still_shown() -> None:
    old = {"psnr_a2b": {"value": 20.0, "better": "higher", "count": 3}, "swd_real_b": {"value": 3}}
    table = score_table(old)
    assert table.unsorted == [("psnr_a2b", "20.00", "higher", "3"), ("swd_real_b", "3", "", "")]
    assert not table.lines and verdict(old) == ""


@pytest.mark.parametrize("value", [None, "x", True, 10**400, [], {}])
def test_values_that_are_no_numbers(value: Any) -> None:
    one = score("psnr", "output", 1.0, note="dB; the value is inf") | {"value": value}
    assert score_table({"x": one}).lines[0].cells[0].text == "the value is inf"
    assert verdict({"x": one, "y": score("psnr", "reinhard", 1.0)}) == ""


@pytest.mark.parametrize(
    "images", [None, 5, "x", [1], [["a"]], [["a", None]], [["a", 10**400], ["b", 1.0]], {}]
)
def test_values_of_images_that_are_none(images: Any) -> None:
    one = score("psnr", "output", 1.0, pictures=images)
    assert images_of(one) == {}
    assert score_table({"x": one}).lines[0].cells[0].interval == ""


@pytest.mark.parametrize(
    "field", ["metric", "direction", "subject", "better", "count", "note", "unit", "spread"]
)
def test_fields_of_another_kind_show_what_is_known(field: str) -> None:
    """scores.jsonl may be somebody else's."""
    for value in (None, [], {}, "", True, -1, 10**400, float("nan"), [[[]]], {"x": []}):
        scores = {"1": score("psnr", "output", 1.0), "2": score("psnr", "reinhard", 2.0) | {field: value}}
        table = score_table(scores)
        assert len(table.lines) + len(table.unsorted) in (1, 2)
        verdict(scores)


def test_verdict_without_truth() -> None:
    scores = {"1": score("swd", "output", 30.0, "lower"), "2": score("swd", "input", 120.0, "lower")}
    assert "75 % closer to domain B than the untouched input, in patch statistics." in verdict(scores)
    both = scores | {"3": score("swd", "reinhard", 60.0, "lower")}
    assert verdict(both).endswith("in patch statistics; colour transfer is 50 % closer.")
    assert "no closer" in verdict(scores | {"1": score("swd", "output", 130.0, "lower")})
