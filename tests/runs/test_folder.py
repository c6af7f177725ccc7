"""Lines of a run folder, whatever stands in them: what is sound is read, the rest stops nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from reskin.errors import DataError, ReskinError, RunError
from reskin.images import read_image
from reskin.pages.report import write_report
from reskin.runs.folder import RunFolder, finite
from reskin.runs.record import read_run

SOUND: dict[str, dict[str, Any]] = {
    "losses.jsonl": {"step": 10, "epoch": 1, "time": 5.0, "losses": {"cycle": 0.5}},
    "health.jsonl": {"step": 10, "kind": "copy", "is_over": False, "numbers": {}, "text": "t", "advice": "a"},
    "scores.jsonl": {"step": 10, "time": "now", "settings": {}, "scores": {"psnr_a2b": {"value": 20.0}}},
}
WRONG: list[Any] = [None, -1, 5, 1.5, True, "x", [], {}, [None], {"a": None}, {"cycle": "x"}, 10**400]


def spoiled_lines() -> list[bytes]:
    lines = [b"\xff", b"[" * 100_000, b"1", b"null", b'"x"', b"[]", b"{}", b"", b"{cut", b"\x00", b"9" * 5000]
    lines += [
        b'{"step": 1e999}',
        b'{"step": NaN, "losses": {}}',
        '{"step": 3, "losses": {"\u2028": 1}}'.encode(),
    ]
    for sound in SOUND.values():
        for key in sound:
            lines += [json.dumps(sound | {key: value}).encode() for value in WRONG]
            lines.append(json.dumps({k: v for k, v in sound.items() if k != key}).encode())
    return lines


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    files = RunFolder(tmp_path / "run")
    files.write_config({"method": "cyclegan", "settings": {}})
    return files


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.thinned(3)
def test_damaged_lines_stop_neither_resuming_nor_the_report(run: RunFolder, name: str) -> None:
    sound = json.dumps(SOUND[name]).encode()
    for bad in spoiled_lines():
        (run.folder / name).write_bytes(sound + b"\n" + bad + b"\n" + sound)
        record = read_run(run.folder)
        assert record.losses.get("cycle", ([10], [0.5]))[1][0] == 0.5
        assert name != "health.jsonl" or record.findings[0].kind == "copy"
        assert name != "scores.jsonl" or record.scores[0]["scores"]["psnr_a2b"] == {"value": 20.0}
        run.forget_after(10)
        assert run._rows(run.folder / name)[0] == SOUND[name]


@pytest.mark.parametrize("name", SOUND)
def test_a_report_is_written_of_damaged_files(run: RunFolder, name: str) -> None:
    (run.folder / name).write_bytes(b"\n".join([json.dumps(SOUND[name]).encode(), *spoiled_lines()]))
    assert "</html>" in write_report(run.folder).read_text(encoding="utf-8")


def test_lines_that_are_later_than_the_checkpoint_are_taken_out(run: RunFolder) -> None:
    for step in (1, 2, 3):
        run.append_losses(step, 1, {"cycle": float(step)})
        run.append_held_out(step, {"cycle": 2.0 * step})
        run.append_health({"step": step, "kind": "copy", "text": "", "advice": ""})
    before = run.losses.read_bytes()
    run.forget_after(3)
    assert run.losses.read_bytes() == before
    run.forget_after(2)
    assert [row["step"] for row in run.loss_rows()] == [1, 1, 2, 2]
    assert [row["step"] for row in run.health_rows()] == [1, 2]
    record = read_run(run.folder)
    assert record.held_out == {"cycle": ([1, 2], [2.0, 4.0])} and record.losses == {
        "cycle": ([1, 2], [1.0, 2.0])
    }
    assert [finding.step for finding in record.findings] == [1, 2]


def test_equal_scores_of_a_checkpoint_are_one_line(run: RunFolder) -> None:
    scores = {"psnr_a2b": {"value": 20.0, "better": "higher"}}
    for step, values in (
        (5, scores),
        (5, scores),
        (6, scores),
        (5, scores),
        (5, {"psnr_a2b": {"value": 21.0}}),
    ):
        run.append_scores(step, values, {"a": "data/a"})
    assert [row["step"] for row in run.score_rows()] == [5, 6, 5]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
@pytest.mark.parametrize("name", ["losses.jsonl", "health.jsonl", "scores.jsonl", "log.txt", "samples"])
def test_nothing_is_written_through_a_link(run: RunFolder, tmp_path: Path, name: str) -> None:
    target = tmp_path / "precious"
    target.mkdir() if name == "samples" else target.write_text("mine")
    (run.folder / name).symlink_to(target)
    writes = {
        "losses.jsonl": lambda: run.append_losses(1, 1, {}),
        "health.jsonl": lambda: run.append_health({"step": 1}),
        "scores.jsonl": lambda: run.append_scores(1, {}, {}),
        "log.txt": lambda: run.append_log("text"),
        "samples": lambda: run.write_samples(1, {"A": torch.zeros(1, 3, 4, 4)}),
    }
    with pytest.raises(ReskinError, match="is a link"):
        writes[name]()
    with pytest.raises(DataError, match="is a link"):
        run.check_own()
    assert not list(target.iterdir()) if name == "samples" else target.read_text() == "mine"


@pytest.mark.parametrize("name", ["losses.jsonl", "health.jsonl", "scores.jsonl"])
def test_what_cannot_be_read_is_one_line(run: RunFolder, name: str) -> None:
    (run.folder / name).mkdir()  # permissions would not stop a test that root runs
    with pytest.raises(RunError, match=f"{name} cannot be read") as error:
        read_run(run.folder)
    assert "\n" not in str(error.value)


def test_values_that_are_no_finite_numbers_are_left_out() -> None:
    values = {
        "a": 1,
        "b": float("nan"),
        "c": "2",
        "d": True,
        "e": 10**400,
        "f": None,
        "g": -2.5,
        "h": float("inf"),
    }
    assert finite(values) == {"a": 1.0, "g": -2.5}


def test_checkpoints_are_listed_by_their_number(run: RunFolder) -> None:
    assert run.list_checkpoints() == [] and run.last_step == 0
    run.checkpoints.mkdir()
    for name in ("00000009", "100000000", "00000010", "best", "00000011.process1"):
        (run.checkpoints / f"{name}.safetensors").touch()
    (run.checkpoints / "00000012.process1").touch()
    assert [int(path.stem) for path in run.list_checkpoints()] == [
        9,
        10,
        100000000,
    ] and run.last_step == 100000000


def test_rows_of_other_sizes_and_numbers_share_one_grid(run: RunFolder) -> None:
    rows = {"A": torch.full((2, 3, 4, 6), -1.0), "B": torch.full((1, 3, 8, 4), 0.004)}
    path = run.write_samples(3, rows)
    grid = read_image(path)
    assert grid.shape == (16, 12, 3)  # two cells of 8 x 6 in each row
    assert (grid[2:6] == 0).all() and (grid[:2] == 255).all() and (grid[6:8] == 255).all()
    row = [255] + [128] * 4 + [255] * 7
    assert all(line == row for line in grid[8:, :, 0].tolist())
    facts = json.loads(path.with_suffix(".json").read_text())
    assert (facts["columns"], facts["size"]) == (2, [6, 8])


def test_settings_that_may_not_be_read_are_not_called_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match="from a backup"):
        RunFolder(tmp_path).read_config()
    monkeypatch.setattr("os.access", lambda *_: False)  # permissions do not stop a test that root runs
    with pytest.raises(RunError, match="Ask its owner"):
        RunFolder(tmp_path).read_config()
