"""Progress on a terminal, in plain lines, and as events for programs."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from reskin import progress
from reskin.cli.main import main
from reskin.errors import SettingsError
from reskin.progress import Progress, emit, emit_begin, emit_end, note, result, stage


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv("RESKIN_PROGRESS", str(path))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_plain_line_at_the_end_and_none_before() -> None:
    stream = io.StringIO()
    with Progress("frames", stream=stream) as shown:
        for done in range(11):
            shown(done, 10)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("10/10 frames · ") and "\r" not in line and "\x1b" not in line


def test_lines_between_come_every_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    shown = Progress("steps", stream=stream)
    shown(5, 105)
    now += 20
    shown(10, 105)
    now += 15
    shown(12, 105, note="cycle 0.5")
    assert stream.getvalue() == "12/105 steps · 5 s each · 7 min 45 s left · cycle 0.5\n"


def test_no_speed_is_made_up_where_no_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on for its last few steps is counted once, when it begins and ends."""
    monkeypatch.setattr(progress.time, "monotonic", lambda: 5.0)
    stream = io.StringIO()
    with progress.Progress("steps", stream=stream) as shown:
        shown(4, 4)
    assert stream.getvalue() == "4/4 steps · 0 s left\n"


def test_the_same_noun_in_a_later_stage_is_timed_from_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    shown = Progress("frames", stream=stream)
    shown(0, 10)
    shown(10, 10)
    now += 300  # another stage, which counts something else
    shown(1, 11)
    now += 40
    shown(5, 11)
    assert stream.getvalue().splitlines()[-1] == "5/11 frames · 10 s each · 1 min left"


def test_a_bar_on_a_terminal_and_names_are_escaped() -> None:
    stream = Terminal()
    with Progress(stream=stream) as shown:
        shown(3, 3, "frames of \x1b]0;x\x07[red]")
        progress.interrupt()
    text = stream.getvalue()
    assert "3/3" in text and "\\x1b]0;x\\x07[red]" in text and "\x1b]0" not in text


def test_events_are_those_of_the_protocol(events: Path) -> None:
    emit_begin(["train", "cyclegan"])
    stage("training", 2, 5)
    Progress("steps", stream=io.StringIO(), events={"run": "runs/x"})(480, 480)
    note("left out a.jpg", "warning")
    result("video", Path("out/translated.mp4"))
    emit_end(2, SettingsError("no way", "Try."))
    found = rows(events)
    assert [row["kind"] for row in found] == ["begin", "stage", "count", "note", "result", "end"]
    assert all(isinstance(row.pop("t"), float) for row in found)
    assert found[0] == {"kind": "begin", "version": 1, "command": ["train", "cyclegan"], "pid": os.getpid()}
    assert found[1] == {"kind": "stage", "name": "training", "at": 2, "of": 5}
    count = found[2]
    assert count.keys() == {"kind", "what", "done", "total", "rate", "left", "run"} and count["left"] == 0
    assert found[3:5] == [
        {"kind": "note", "level": "warning", "text": "left out a.jpg"},
        {"kind": "result", "what": "video", "path": "out/translated.mp4"},
    ]
    assert found[5]["error"] == {"what": "no way", "fix": "Try.", "code": "SettingsError"}


def test_counts_are_written_at_most_twice_a_second(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = Progress("frames", stream=io.StringIO())
    for done in range(100):
        now += 0.01
        shown(done, None)
    assert 1 <= len(rows(events)) <= 3
    assert rows(events)[0]["total"] is None and rows(events)[0]["left"] is None


def test_a_progress_file_that_cannot_be_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (tmp_path, tmp_path / "no" / "folder", "/dev/full"):
        monkeypatch.setenv("RESKIN_PROGRESS", str(name))
        emit("note", text="lost")


def test_a_link_is_not_followed(events: Path, tmp_path: Path) -> None:
    events.symlink_to(tmp_path / "else")
    emit("note", text="x")
    assert not (tmp_path / "else").exists()


def test_other_ranks_are_silent(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    stream = io.StringIO()
    Progress("steps", stream=stream)(1, 1)
    assert stream.getvalue() == "" and not events.exists()


def test_a_command_begins_and_ends(events: Path) -> None:
    assert main(["--version"]) == 0
    assert main(["trian"]) == 2
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    found = rows(events)
    assert [(row["kind"], row.get("code")) for row in found] == [("begin", None), ("end", 0)] * 1 + [
        ("begin", None),
        ("end", 2),
        ("begin", None),
        ("end", 0),
    ]
    assert "unknown command 'trian'" in found[3]["error"]["what"]
