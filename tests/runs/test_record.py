"""What is read from a run folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

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
