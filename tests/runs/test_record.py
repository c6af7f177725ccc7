"""What is read from a run folder, and how its numbers become curves and a table."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from reskin.pages import curves
from reskin.pages.scores_table import score_table, verdict
from reskin.runs.record import read_run
from reskin.storage import write_json


def lines_of(folder: Path, rows: list[object]) -> Path:
    write_json(folder / "config.json", {"method": "cyclegan"})
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / "losses.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_whole_run(finished_run: Path) -> None:
    run = read_run(finished_run)
    assert run.method == "cyclegan" and run.last_step == run.steps == 400 and run.checkpoints == [400]
    assert list(run.losses) == ["adversarial", "cycle", "identity", "real_vs_fake"]
    assert run.seconds == pytest.approx(240, rel=0.01)
    assert [grid.step for grid in run.grids] == [133, 266, 400] and run.grids[0].columns == 4


def test_a_pause_is_no_training_time(tmp_path: Path) -> None:
    times = [10.0 * index for index in range(20)] + [90_000 + 10.0 * index for index in range(20)]
    rows = [{"step": i, "time": time, "losses": {"x": 1.0}} for i, time in enumerate(times)]
    assert read_run(lines_of(tmp_path, rows)).seconds == pytest.approx(400)  # 39 gaps and the first one


def test_strange_lines_are_passed_over(tmp_path: Path) -> None:
    rows = [
        {"step": 10, "losses": {"x": 1.0}},
        {"step": 20, "losses": {"x": math.nan, "y": "text", "z": 3}},
        {"step": 10, "losses": {"x": 2.0}},
        {"step": "20", "losses": {}},
        [1, 2],
        "{cut",
    ]
    run = read_run(lines_of(tmp_path, rows))
    assert run.losses == {"x": ([10], [2.0]), "z": ([20], [3.0])}  # a step logged twice counts as last logged
    assert run.notes == ["2 values of losses are not numbers and are not drawn"]


def test_curves_keep_ends_and_peaks() -> None:
    values = [1.0] * 5000
    values[1234] = 9.0
    curve = curves.prepare(list(range(1, 5001)), values)
    assert len(curve.steps) == 240 and curve.steps[-1] == 5000
    assert max(curve.high) == 9.0 and min(curve.low) == 1.0
    assert max(curve.smooth) < 1.2


def test_smoothing_is_a_mean_of_the_past() -> None:
    noise = np.random.default_rng(0).normal(5.0, 1.0, 2000)
    curve = curves.prepare(list(range(2000)), noise.tolist())
    assert np.std(curve.smooth[40:]) < 0.25 and abs(np.mean(curve.smooth[40:]) - 5.0) < 0.1


def test_scale_is_logarithmic_where_it_helps() -> None:
    steps = list(range(1, 201))
    falling = curves.draw("x", curves.prepare(steps, [10 * 0.96**step for step in steps]), 200)
    flat = curves.draw("x", curves.prepare(steps, [1 + 0.5 / step for step in steps]), 200)
    signed = curves.draw("x", curves.prepare(steps, [100.0 - step for step in steps]), 200)
    assert "log scale" in falling and "log scale" not in flat + signed


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [1e-9, 2e-9], [-5.0, 5.0], [1e6, 1.0], [0.0, 1e-300]])
def test_every_curve_can_be_drawn(values: list[float]) -> None:
    drawn = curves.draw("x", curves.prepare(list(range(len(values))), values), len(values))
    numbers = re.findall(r'<path d="([^"]+)"', drawn)
    places = [float(word) for path in numbers for word in re.findall(r"-?[\d.]+", path)]
    assert places and all(0 <= place <= curves.WIDTH for place in places)
    assert "nan" not in drawn and 'role="img"' in drawn


def test_the_best_is_marked_by_its_own_direction() -> None:
    scores = {
        "psnr_a2b": {"value": 20.0, "better": "higher", "count": 3},
        "psnr_reinhard_a2b": {"value": 21.0, "better": "higher", "count": 3},
        "swd_b2a": {"value": 5.0, "better": "lower", "count": 3},
        "swd_input_b2a": {"value": 9.0, "better": "lower", "count": 3},
        "swd_real_a": {"value": 1.0, "better": "lower", "count": 3},
    }
    table = score_table(scores)
    best = re.findall(r'<td class="best"[^>]*>([\d.]+)', table)
    assert [float(value) for value in best] == [21.0, 5.0]
    assert (
        verdict(scores)
        == "On held-out pictures the output is 1.0 dB further from the truth than colour transfer."
    )


def test_values_json_cannot_hold_are_told() -> None:
    score = {"value": None, "better": "higher", "count": 1, "note": "dB; the value is inf"}
    assert "the value is inf" in score_table({"psnr_a2b": score})
    assert verdict({"psnr_a2b": score}) == ""


def test_verdict_without_truth() -> None:
    scores = {"swd_a2b": {"value": 30.0}, "swd_input_a2b": {"value": 120.0}}
    assert "75 % closer to side B" in verdict(scores)
    scores["swd_a2b"] = {"value": 130.0}
    assert "no closer" in verdict(scores)
