"""Every command under RESKIN_PROGRESS: it begins, says what it made, and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_failing_writes import commands
from tests.contract.test_kills import NAMES
from tests.support.finished_folders import (
    Kept,
    draw_sources,
    make_asked,
    make_datasets,
    make_given,
    make_runs,
    see_drawn_faces,
)

from reskin.cli.main import COMMANDS, main

FIELDS = {
    "begin": {"version", "command", "pid"},
    "stage": {"name", "at", "of"},
    "count": {"what", "done", "total", "rate", "left"},
    "note": {"level", "text"},
    "result": {"what", "path"},
    "end": {"code", "error"},
}
"""What each kind of event has besides `t` and `kind`; a count may name its run too."""

ELSEWHERE = {"bench", "demo", "studio"}
"""Commands without a case here: the first two take minutes, the third waits for a browser."""

pytestmark = pytest.mark.sweep


def looked_at(base: Path) -> dict[str, list[str]]:
    """Commands that write no file."""
    return {
        "table": ["table", str(base / "new")],
        "runs": ["runs", str(base)],
        "methods": ["methods", "cyclegan"],
        "doctor": ["doctor"],
    }


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("events")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESKIN_CACHE", str(folder / "base" / "cache"))
        see_drawn_faces(patch)
        yield Kept(folder, draw_sources, make_datasets, make_runs, make_given, make_asked)


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_a_command_that_writes(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kept.renew()
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("RESKIN_PROGRESS", str(path))
    words = commands(kept.base)[name]
    assert main(words) == 0
    check(events(path), words)
    assert any(event["kind"] == "result" for event in events(path)), name


def check(found: list[dict[str, Any]], words: list[str]) -> None:
    """The protocol's form."""
    kinds = [event["kind"] for event in found]
    assert kinds[0] == "begin" and kinds[-1] == "end" and kinds.count("begin") == kinds.count("end") == 1
    assert found[0]["command"] == words and found[-1]["code"] == 0 and found[-1]["error"] is None
    times = [event["t"] for event in found]
    assert times == sorted(times)
    for event in found:
        fields = set(event) - {"t", "kind"}
        assert fields >= FIELDS[event["kind"]], event
        assert event["kind"] == "count" or fields == FIELDS[event["kind"]], event
        if event["kind"] == "count":
            assert event["done"] >= 0 and (event["total"] is None or event["done"] <= event["total"]), event
        if event["kind"] == "result":
            assert Path(event["path"]).exists(), event


@pytest.mark.parametrize("name", sorted(looked_at(Path())))
def test_a_command_that_looks(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kept.renew()
    if name == "table":
        assert main(commands(kept.base)["compare"]) == 0
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("RESKIN_PROGRESS", str(path))
    words = looked_at(kept.base)[name]
    assert main(words) == 0
    check(events(path), words)


def test_no_command_is_left_out() -> None:
    base = Path()
    tried = {commands(base)[name][0] for name in NAMES} | {words[0] for words in looked_at(base).values()}
    assert tried | ELSEWHERE == set(COMMANDS)
