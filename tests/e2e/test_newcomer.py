"""The way of a newcomer: from two clips to a film in the other look by clicks, and the same in a shell."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Server, draw_clip

from reskin.curation.thumbnails import folder_id
from reskin.data.manifest import read_manifest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SMALL = {"crop_size": "32", "load_size": "32", "width": "4", "blocks": "1", "steps": "20", "batch": "1"}
TIMES = re.compile(
    r"^(time|at|when|seconds|minutes|began|ended|made|created|took|host|pid|.*_seconds|.*_at)$"
)
MADE = ("data", "inspections", "runs", "films")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A studio of a folder with two clips."""
    root = tmp_path / "films"
    for name, learnt in (("film", 0.0), ("game", 1.0)):
        draw_clip(root / "footage" / f"{name}.mp4", learnt)
    shutil.copytree(root, tmp_path / "again" / "films")
    made = Server(root)
    yield made
    made.end()


def order(page: Any, commands: list[str], button: str = "#order") -> None:
    """Take the command from its card, order it, and wait for its end."""
    page.wait_for_function(f"() => !document.querySelector('{button}').disabled")
    commands.append(page.text_content("#command"))
    page.click(button)


def wait_done(page: Any, base: str) -> None:
    page.goto(f"{base}/jobs")
    page.wait_for_selector("#jobs > li")
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-state]')].every((one) => one.dataset.state === 'done')"
    )


def prepare(page: Any, server: Any, name: str, commands: list[str]) -> None:
    page.click('.rail a[href="/data"]')
    page.wait_for_selector("#tool")
    page.click(f'.choices label:has-text("footage/{name}.mp4")')
    assert page.input_value("#name") == name  # it follows the clip
    page.fill("#f-size", "64")
    page.fill("#f-every", "5")
    page.click("#try:not([disabled])")
    page.wait_for_selector("#takes:not([hidden])")
    planned = page.text_content("#takes dd")
    order(page, commands)
    page.wait_for_url("**/jobs/*")
    wait_done(page, server.base)
    page.wait_for_selector(f'a:has-text("Open data/{name}")')
    manifest = read_manifest(server.root / "data" / name)
    assert manifest is not None and str(len(manifest.frames)) == planned


def inspect(page: Any, server: Any, commands: list[str]) -> None:
    page.click('.rail a[href="/data"]')
    page.click('#sets-title ~ ul a:has-text("data/film")')
    page.click('.tabs a:has-text("Inspect")')
    page.click('fieldset label:has-text("data/game")')
    order(page, commands)
    page.wait_for_selector('.done [href^="/media/jobs/"]')


def curate(page: Any, server: Any, commands: list[str]) -> None:
    page.click('.rail a[href="/curate"]')
    page.click('[aria-label="Curate data/film"]')
    page.wait_for_selector("#grid[aria-busy=false]")
    page.wait_for_function("() => document.querySelectorAll('.cell:not(.blank)').length >= 12")
    page.click("#do-drop")
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '1'")
    order(page, commands, "#apply")
    page.wait_for_selector("#job-link:not([hidden])")
    wait_done(page, server.base)


def train(page: Any, server: Any, commands: list[str]) -> None:
    page.click('.rail a[href="/train"]')
    page.wait_for_selector("#train")
    for domain, name in (("a", "film"), ("b", "game")):
        value = page.get_attribute(f'#{domain} option:has-text("data/{name}")', "value")
        page.select_option(f"#{domain}", value)
    page.fill("#name", "first")
    for setting, value in SMALL.items():
        page.fill("#sought", setting.replace("_", " "))
        page.fill(f"#f-{setting}", value)
    page.fill("#sought", "")
    order(page, commands)
    page.wait_for_url("**/jobs/*")
    wait_done(page, server.base)


def translate(page: Any, server: Any, commands: list[str]) -> None:
    page.click('.rail a[href="/"]')
    page.click('.next a:has-text("Translate")')
    page.wait_for_selector("#tool")
    page.select_option("#clip", label="footage/game.mp4")
    page.wait_for_function("() => document.getElementById('name').value === 'first-game'")
    page.select_option("#clip", label="footage/film.mp4")
    page.wait_for_function("() => document.getElementById('name').value === 'first-film'")
    ways = page.eval_on_selector_all("#f-direction option", "all => all.map((one) => one.textContent)")
    assert ways == ["–", "film → game (a2b)", "game → film (b2a)"]
    page.fill("#name", "film-as-game")
    page.fill("#v-steady", "off 0.8")
    page.click("#preview:not([disabled])")
    page.wait_for_selector("#preview-films:not([hidden]) video")
    assert page.locator("#preview-films video").count() == 3
    page.fill("#v-steady", "")
    order(page, commands)
    page.wait_for_url("**/jobs/*")
    wait_done(page, server.base)
    page.goto(f"{server.base}/translate")
    page.click('a:has-text("Before and after")')
    page.wait_for_selector("#films:not([hidden]) video")
    assert page.locator("#films video").count() == 2


def without_times(value: Any) -> Any:
    """JSON without what says when it was, how long it took or where."""
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if not TIMES.match(name)}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def digests(root: Path) -> dict[str, str]:
    """Path to digest of everything that was made; times do not count."""
    found = {}
    for folder in MADE:
        for path in sorted((root / folder).rglob("*")):
            if not path.is_file() or path.name in (".lock", "log.txt"):
                continue
            content = path.read_bytes()
            if path.suffix == ".json":
                content = json.dumps(without_times(json.loads(content))).encode()
            elif path.suffix == ".jsonl":
                content = json.dumps(
                    [without_times(json.loads(line)) for line in content.splitlines()]
                ).encode()
            found[path.relative_to(root).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def test_clicks_and_commands_make_the_same(page: Any, server: Any) -> None:
    commands: list[str] = []
    page.goto(f"{server.base}/data")
    page.wait_for_selector("#tool")
    for name in ("film", "game"):
        prepare(page, server, name, commands)
    inspect(page, server, commands)
    curate(page, server, commands)
    train(page, server, commands)
    translate(page, server, commands)
    assert page.complaints == []

    again = server.root.parent / "again" / "films"
    table = f".reskin/sets/{folder_id(server.root, server.root / 'data' / 'film')}.csv"
    (again / table).parent.mkdir(parents=True)
    shutil.copy(server.root / table, again / table)
    verbs = [line.split()[1] for line in commands]
    assert verbs == ["prepare", "prepare", "inspect", "screen", "train", "translate"]
    for line in commands:
        words = shlex.split(line)
        done = subprocess.run(
            [sys.executable, "-m", "reskin", *words[1:]],
            cwd=again,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
    by_clicks, by_commands = digests(server.root), digests(again)
    assert by_clicks.keys() == by_commands.keys()
    assert [path for path in by_clicks if by_clicks[path] != by_commands[path]] == []
    assert {path.partition("/")[0] for path in by_clicks} == set(MADE)
    assert sorted(path.name for path in server.root.iterdir()) == sorted([".reskin", "footage", *MADE])
