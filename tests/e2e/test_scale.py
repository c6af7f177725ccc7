"""A hundred thousand pictures in a real browser: opened like a thousand, and scrolled like a plain page."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.web.curate_case import draw_set

from reskin.curation.thumbnails import Thumbnail, Thumbnails, folder_id, stamp_of
from reskin.data.manifest import FrameRecord, write_manifest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FILES = 10
"""Files that all others are links to: a file system allows a file some ten thousand names."""
SHOWN = """() => {
  const all = [...document.querySelectorAll('.cell')];
  return all.length >= 12 && all.every((one) => !one.classList.contains('blank'));
}"""
READY = "#grid[aria-busy=false]"
SCROLLED = """async (id) => {
  const one = id ? document.getElementById(id) : document.documentElement, shares = [];
  const begun = performance.now(), seconds = 5;
  let frames = 0, most = 0, now = begun;
  while (now - begun < 1000 * seconds) {
    now = await new Promise(requestAnimationFrame);
    one.scrollTop = 3 * (now - begun);
    frames += 1;
    const cells = id ? [...one.querySelectorAll('.cell')] : [];
    most = Math.max(most, cells.length);
    const blank = cells.filter((cell) => cell.classList.contains('blank'));
    if (cells.length) shares.push(blank.length / cells.length);
  }
  return [frames, most, shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)];
}"""


def make_set(root: Path, name: str, count: int) -> Path:
    """A dataset of links to a few pictures."""
    folder = root / "data" / name
    made = draw_set(folder, FILES)
    frames = []
    for number in range(count):
        file = f"train/n{number:06d}.png"
        os.link(folder / made.frames[number % FILES].file, folder / file)
        frames.append(FrameRecord(file=file, split="train", scores={"blur": (number * 7919 % count) / count}))
    write_manifest(folder, made.model_copy(update={"frames": frames}))
    return folder


def keep_thumbnails(root: Path, folder: Path, count: int) -> None:
    """What the studio would have made of every picture."""
    path = root / ".reskin" / "thumbs" / f"{folder_id(root, folder)}.sqlite"
    store = Thumbnails(path)
    files = [f"train/n{number:06d}.png" for number in range(count)]
    from PIL import Image

    from reskin.curation.thumbnails import jpeg_of

    picture = jpeg_of(Image.effect_noise((128, 96), 60))
    with store._turn:
        store._database.execute("BEGIN")
        store._database.executemany(
            "INSERT OR REPLACE INTO thumbnail VALUES (?, ?, ?, '')",
            ((os.fsencode(file), stamp_of(folder / file), picture) for file in files),
        )
        store._database.execute("COMMIT")
    assert store.get(files[:1]) == {files[0]: Thumbnail(stamp_of(folder / files[0]), picture)}
    store.close()


def grow_index(root: Path, folder: Path, count: int) -> None:
    """More numbers in the index than there are files."""
    name = folder_id(root, folder)
    sets = root / ".reskin" / "sets"
    with closing(sqlite3.connect(sets / f"{name}.sqlite")) as verdicts, verdicts:
        rows = (
            "WITH RECURSIVE n(i) AS (SELECT max(number) + 1 FROM picture"
            " UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        )
        verdicts.execute(
            f"INSERT INTO picture {rows} SELECT i, CAST('train/m' || i AS BLOB) FROM n", (count,)
        )
    (index,) = sets.glob(f"{name}*index*")
    with closing(sqlite3.connect(index)) as database, database:
        database.execute(
            f"INSERT INTO picture (number, position, file, name, split, source, out) {rows}"
            " SELECT i, i, CAST('train/m' || i AS BLOB), 'train/m' || i, 'train', 0, '' FROM n",
            (count,),
        )


def opened(page: Any, address: str, until: str = SHOWN) -> float:
    """Seconds from the address to a full screen."""
    page.goto("about:blank")
    begun = time.monotonic()
    page.goto(address)
    page.wait_for_selector(READY)
    page.wait_for_function(until)
    return time.monotonic() - begun


def test_a_hundred_thousand_open_and_scroll_like_a_thousand(page: Any, server: Any) -> None:
    sets = {"small": 1000, "large": 100_000}
    addresses = {}
    for name, count in sets.items():
        folder = make_set(server.root, name, count)
        keep_thumbnails(server.root, folder, count)
        addresses[name] = f"{server.base}/curate/{folder_id(server.root, folder)}"
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    for address in addresses.values():
        opened(page, address)  # the manifest is read
    turns = [{name: opened(page, address) for name, address in addresses.items()} for _ in range(3)]
    best = {name: min(turn[name] for turn in turns) for name in sets}
    assert best["large"] <= 2 * best["small"], turns
    assert best["large"] <= 5, turns
    assert page.evaluate("() => performance.memory.usedJSHeapSize") <= 30e6

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    frames, most, blank = page.evaluate(SCROLLED, "grid")
    assert len(asked) <= 60 and most <= 150 and blank <= 0.25, (len(asked), most, blank)
    plain = page.context.new_page()
    plain.goto(f"{server.base}/static/uPlot.LICENSE.txt")
    plain.evaluate("() => { document.body.style.height = '3000000px'; }")
    others, _, _ = plain.evaluate(SCROLLED, "")
    plain.close()
    assert frames >= 0.7 * others, (frames, others)

    grow_index(server.root, server.root / "data" / "large", 1_000_000)
    opened(page, addresses["large"])
    million = min(opened(page, addresses["large"]) for _ in range(3))
    assert page.text_content("#count-all") == "1,000,000"
    assert million <= 3 * best["small"], (million, turns)
