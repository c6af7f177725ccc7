"""What a hundred thousand pictures, lines of losses and hundreds of runs cost, in CPU seconds."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.finished_run import make_run
from tests.web.curate_case import curated, draw_set
from tests.web.studio_case import Case

from reskin.cli.main import main
from reskin.curation.screen.config import ScreenConfig
from reskin.curation.screen.screen import screen_set
from reskin.data.manifest import read_manifest, write_manifest
from reskin.web.studio.curate_index import build_index
from reskin.web.studio.curate_store import DROP, KEEP
from reskin.web.studio.live import LossTail
from reskin.web.studio.scan import Scan

pytestmark = pytest.mark.slow

PICTURES, VERDICTS = 100_000, 10_000


def make_many(root: Path) -> None:
    """A dataset of links to ten pictures, all measured."""
    made = draw_set(root, 10, scored=False)
    screen_set(root, ScreenConfig(), apply=False)
    made = read_manifest(root) or made
    frames = []
    for number in range(PICTURES):
        one = made.frames[number % 10]
        file = f"train/n{number:06d}.png"
        os.link(root / one.file, root / file)
        frames.append(one.model_copy(update={"file": file, "left_out": None}))
    write_manifest(root, made.model_copy(update={"frames": frames, "screening": None}))


def left_out(root: Path) -> dict[str, Any]:
    manifest = read_manifest(root)
    assert manifest is not None
    return {frame.file: frame.left_out for frame in manifest.frames if frame.left_out}


def test_ten_thousand_verdicts_are_applied_and_taken_back(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = case.root / "data" / "many"
    make_many(root)
    first = (root / "manifest.json").read_bytes()
    began = time.process_time()
    manifest = read_manifest(root)
    assert manifest is not None
    write_manifest(root, manifest)
    reading_and_writing = time.process_time() - began
    assert (root / "manifest.json").read_bytes() == first

    one = curated(case, "data/many")
    build_index(one.files.folder, one.files.index, one.verdicts)
    numbers = random.Random(0).sample(sorted(range(1, PICTURES + 1)), VERDICTS)
    version = one.verdicts.changes(0).version
    one.verdicts.decide(version, "drops", DROP, numbers[: VERDICTS // 2])
    one.verdicts.decide(version, "keeps", KEEP, numbers[VERDICTS // 2 :])
    monkeypatch.chdir(case.root)

    def apply() -> float:
        """CPU seconds of the page's part and of the command."""
        begun = time.process_time()
        job = case.post(f"/api/sets/{one.files.id}/apply").json()
        (queued,) = [each for each in case.studio.jobs.all() if each.id == job["id"]]
        assert main(list(queued.words)) == 0
        case.studio.jobs.stop(queued)
        return time.process_time() - begun

    assert apply() - reading_and_writing <= 20
    found = left_out(root)
    assert len(found) == VERDICTS // 2 and set(found.values()) == {("dropped by hand",)}
    applied = (root / "manifest.json").read_bytes()
    one.verdicts.undo(version, "u1")
    one.verdicts.undo(version, "u2")
    apply()
    assert left_out(root) == {}
    now = read_manifest(root)
    assert now is not None and now.frames == manifest.frames
    one.verdicts.redo(version, "r1")
    one.verdicts.redo(version, "r2")
    apply()
    again = json.loads((root / "manifest.json").read_text())
    assert again["frames"] == json.loads(applied)["frames"]


def test_a_hundred_thousand_lines_are_quick(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    losses = {f"loss{k}": 0.123456 + k for k in range(8)}
    with open(path, "w", encoding="utf-8") as file:
        for step in range(1, 100_001):
            file.write(json.dumps({"step": step, "losses": losses}) + "\n")
    follows, began = LossTail(path), time.process_time()
    first = follows.read("", 300)
    assert time.process_time() - began <= 2.0 and len(json.dumps(first)) <= 60_000
    spent, cursor = [], first["cursor"]
    for step in range(100_001, 100_021):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "losses": losses}) + "\n")
        began = time.process_time()
        later = follows.read(cursor, 300)
        spent.append(time.process_time() - began)
        assert later["cursor"] != cursor and len(json.dumps(later)) <= 60_000
        cursor = later["cursor"]
    assert sorted(spent)[len(spent) // 2] <= 0.02


def test_three_hundred_runs_are_quick(case: Case) -> None:
    made = make_run(case.root / "runs" / "000", steps=20, grids=1, edge=8)
    for number in range(1, 300):
        folder = case.root / "runs" / f"{number:03d}"
        (folder / "samples").mkdir(parents=True)
        for name in ("config.json", "losses.jsonl", "health.jsonl"):
            if (made / name).exists():
                os.link(made / name, folder / name)
    case.client.get("/jobs")  # templates are compiled once
    began = time.process_time()
    text = case.client.get("/").text
    assert time.process_time() - began <= 1.0
    assert "300" in text and len(Scan(case.root).cards()) == 300
