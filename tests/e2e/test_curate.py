"""Curation in a real browser: keyboard alone, kills, two tabs, a folder that goes, sets of any size."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.web.curate_case import draw_set

from reskin.curation.thumbnails import folder_id
from reskin.data.manifest import read_manifest

pytestmark = pytest.mark.e2e

COUNT = 200
SHOWN = "() => document.querySelectorAll('.cell:not(.blank)').length >= 12"
SENT = "() => /^(Saved|0)/.test(document.getElementById('sent').textContent)"


@pytest.fixture
def many(page: Any, server: Any) -> Path:
    """A dataset of two hundred pictures, opened; mouse and touch events are counted."""
    folder: Path = server.root / "data" / "many"
    draw_set(folder, COUNT)
    page.add_init_script(
        "window.touched = 0; for (const name of ['mousedown', 'touchstart', 'wheel'])"
        " addEventListener(name, () => { window.touched += 1; }, true);"
    )
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    open_set(page, server)
    return folder


def address(server: Any) -> str:
    return f"{server.base}/curate/{folder_id(server.root, server.root / 'data' / 'many')}"


def open_set(page: Any, server: Any) -> None:
    page.goto(address(server))
    page.wait_for_selector("#grid[aria-busy=false]")
    page.wait_for_function(SHOWN)
    page.focus("#grid")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def state(server: Any, suffix: str = ".sqlite") -> Path:
    name = folder_id(server.root, server.root / "data" / "many")
    return Path(server.root) / ".reskin" / "sets" / f"{name}{suffix}"


def verdicts(server: Any) -> dict[str, int]:
    with closing(sqlite3.connect(state(server))) as database:
        rows = database.execute("SELECT file, verdict FROM verdict JOIN picture USING (number)")
        return {os.fsdecode(file): verdict for file, verdict in rows}


def name(number: int) -> str:
    return f"train/{number:05d}.png"


def choose(page: Any, field: str, steps: int) -> None:
    """Another option of a list, by keys."""
    page.focus(field)
    for _ in range(steps):
        page.keyboard.press("ArrowDown")
    page.wait_for_timeout(1500)
    page.focus("#grid")


def test_two_hundred_pictures_by_keyboard_alone(page: Any, server: Any, many: Path) -> None:
    press(page, "x", "x", "x", "k")  # 0, 1, 2 dropped, 3 kept; now at 4
    press(page, "ArrowRight", "ArrowRight", *["Shift+ArrowRight"] * 4, "x")  # 6 to 10
    press(page, "u")
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '3'")
    press(page, "Shift+U")
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '8'")
    press(page, "Home", "c")  # 0 has no verdict again
    choose(page, "#show", 1)  # undecided
    page.focus("#sought")
    page.keyboard.type("/0019")  # 190 to 199
    page.wait_for_function("() => document.getElementById('chosen').textContent.endsWith('of 10')")
    press(page, "Escape", "Control+a", "k")
    page.focus("#sought")
    press(page, "Control+a", "Delete", "Escape")
    page.wait_for_function("() => document.getElementById('chosen').textContent.endsWith('of 182')")
    choose(page, "#show", 2)  # kept, then dropped
    page.wait_for_function("() => document.getElementById('chosen').textContent.endsWith('of 7')")
    press(page, "End", "k", "Control+z")  # kept, and taken back
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '7'")
    page.wait_for_function(SENT)
    dropped, kept = [1, 2, *range(6, 11)], [3, *range(190, 200)]
    wanted = {**{name(number): 2 for number in dropped}, **{name(number): 1 for number in kept}}
    assert verdicts(server) == wanted
    page.focus("#apply")
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('unapplied').textContent === 'All is applied.'")
    rows = list(csv.reader(state(server, ".csv").read_text(encoding="utf-8").splitlines()))[1:]
    assert dict(rows) == {file: ("none", "keep", "drop")[verdict] for file, verdict in wanted.items()}
    made = read_manifest(many)
    assert made is not None
    assert [f.file for f in made.frames if "dropped by hand" in (f.left_out or ())] == list(
        map(name, dropped)
    )
    assert page.evaluate("() => window.touched") == 0 and page.complaints == []


def test_two_thousand_verdicts_and_twenty_kills(page: Any, server: Any, many: Path) -> None:
    wanted: dict[str, int] = {}
    for turn in range(20):
        press(page, "Home")
        for number in range(100):
            drops = (turn * 7 + number * 3) % 5 < 2
            page.keyboard.press("x" if drops else "k")
            wanted[name(number)] = 2 if drops else 1
            if number == 40 + turn:
                server.end()
                server.start()
        if turn == 9:  # a reload with verdicts on their way
            page.reload()
            page.wait_for_selector("#grid[aria-busy=false]")
            page.focus("#grid")
    page.wait_for_function(SENT)
    assert verdicts(server) == wanted
    with closing(sqlite3.connect(state(server))) as database:
        assert database.execute("SELECT count(*) FROM act WHERE kind = 'decide'").fetchone()[0] == 2000
    tab = page.context.new_page()
    tab.goto(address(server))
    tab.wait_for_selector("#grid[aria-busy=false]")
    tab.focus("#grid")
    press(tab, "End", "x")
    page.wait_for_function("() => document.getElementById('count-open').textContent === '99'", timeout=20_000)
    for _ in range(2001):
        page.keyboard.press("u")
    page.wait_for_function(SENT)
    assert verdicts(server) == {}
    tab.wait_for_function("() => document.getElementById('count-open').textContent === '200'", timeout=20_000)
    tab.close()


def test_the_server_is_away_and_what_was_decided_is_sent_later(page: Any, server: Any, many: Path) -> None:
    server.end()
    press(page, "x", "x")
    page.wait_for_function("() => document.getElementById('sent').textContent === '2 to be sent'")
    assert page.evaluate("() => document.querySelectorAll('.is-dropped').length") == 2
    server.start()
    page.wait_for_function(SENT)
    assert verdicts(server) == {name(0): 2, name(1): 2}


def test_large_pictures_by_keyboard(page: Any, server: Any, many: Path) -> None:
    press(page, "ArrowRight", "Enter")
    page.wait_for_function("() => document.getElementById('large-name').textContent === 'train/00001.png'")
    page.wait_for_function("() => document.getElementById('large-image').naturalWidth === 8")
    press(page, "x", "k")
    page.wait_for_function("() => document.getElementById('large-name').textContent === 'train/00003.png'")
    page.wait_for_selector("#scrub:enabled")
    page.focus("#scrub")  # through two.mp4: 1, 3, 5 and so on
    press(page, "ArrowRight")
    page.wait_for_function("() => document.getElementById('large-name').textContent === 'train/00005.png'")
    press(page, "x", "Escape")
    page.wait_for_function(SENT)
    assert verdicts(server) == {name(1): 2, name(2): 1, name(5): 2}
    assert page.evaluate("() => document.activeElement.id") == "grid"
    press(page, "Home", "s")  # like the first
    page.wait_for_function("() => document.getElementById('sort').value === 'like'")


def test_a_folder_that_goes_is_said_and_comes_back(page: Any, server: Any, many: Path) -> None:
    press(page, "x")
    page.wait_for_function(SENT)
    os.rename(many, server.root.parent / "many")
    page.wait_for_selector("#trouble:not([hidden])")
    press(page, "x")
    os.rename(server.root.parent / "many", many)
    page.wait_for_selector("#trouble", state="hidden")
    page.wait_for_function(SENT)
    assert verdicts(server) == {name(0): 2, name(1): 2}


def digests(folder: Path) -> dict[str, str]:
    """Path to digest of everything in a dataset."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


WHYS = """() => Object.fromEntries([...document.querySelectorAll('.cell')].filter((one) => one.title)
  .map((one) => [one.title, one.querySelector('.why').textContent]))"""


def test_thumbnails_come_again_and_what_has_none_says_why(page: Any, server: Any) -> None:
    """No original is written; a cache that is deleted is made anew; three pictures that cannot be shown."""
    folder: Path = server.root / "data" / "odd"
    draw_set(folder, 12)
    (folder / name(1)).write_bytes((folder / name(0)).read_bytes()[:40])
    (folder / name(2)).write_bytes(b"")
    Image.new("1", (10_000, 10_000)).save(folder / name(3))  # 100 million pixels in 12 kB
    Image.new("1", (20_000, 15_000)).save(folder / name(4))  # 300 million
    before = digests(folder)
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    set_id = folder_id(server.root, folder)
    cache = server.root / ".reskin" / "thumbs" / f"{set_id}.sqlite"

    def opened() -> dict[str, str]:
        page.goto(f"{server.base}/curate/{set_id}")
        page.wait_for_selector("#grid[aria-busy=false]")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.cell')].length === 12 && [...document"
            ".querySelectorAll('.cell')].every((one) => one.querySelector('img').src ||"
            " one.querySelector('.why').textContent)"
        )
        found = page.evaluate(WHYS)
        assert isinstance(found, dict)
        return found

    whys = opened()
    assert {file for file, why in whys.items() if why} >= {name(number) for number in (1, 2, 4)}
    assert "empty" in whys[name(2)] and str(folder) not in "".join(whys.values())
    assert not any(why for file, why in whys.items() if file not in {name(n) for n in (1, 2, 3, 4)})
    for path in cache.parent.glob(f"{cache.name}*"):
        path.unlink()
    page.focus("#grid")
    press(page, "End", "Home")  # the page goes on with what it has
    assert opened() == whys and cache.exists()
    assert digests(folder) == before
    assert server.process.poll() is None and page.complaints == []


def test_a_set_of_many_is_drawn_like_a_small_one(page: Any, server: Any, many: Path) -> None:
    """What the browser fetches for the first screen of 20,000 pictures is what it fetches for 200."""
    large: Path = server.root / "data" / "large"
    shutil.copytree(many, large)
    made = read_manifest(large)
    assert made is not None
    for number in range(20_000):
        os.link(large / name(0), large / "train" / f"n{number:05d}.png")
    from reskin.data.manifest import write_manifest

    first = made.frames[0]
    frames = [first.model_copy(update={"file": f"train/n{number:05d}.png"}) for number in range(20_000)]
    write_manifest(large, made.model_copy(update={"frames": frames}))
    page.wait_for_timeout(2500)
    packs: list[str] = []
    page.on("request", lambda request: packs.append(request.url) if "/pack" in request.url else None)
    page.goto(f"{server.base}/curate/{folder_id(server.root, large)}")
    page.wait_for_selector("#grid[aria-busy=false]")
    page.wait_for_function(SHOWN)
    assert page.evaluate("() => document.querySelectorAll('.cell').length") <= 150
    press(page, "End")
    page.wait_for_function("() => document.getElementById('chosen').textContent.startsWith('20,000 of')")
    page.wait_for_function("() => !document.querySelector('.cell.at').classList.contains('blank')")
    assert len(packs) <= 60
    page.focus("#grid")
    press(page, "Control+a", "x")
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '20,000'")
    page.wait_for_function(SENT)
    press(page, "u")
    page.wait_for_function("() => document.getElementById('count-drop').textContent === '0'")
