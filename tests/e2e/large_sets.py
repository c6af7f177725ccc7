"""Datasets of any size, of links to a few pictures, and how long one takes to be on the screen."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from PIL import Image
from tests.web.curate_case import draw_set

from reskin.curation.thumbnails import Thumbnails, folder_id, jpeg_of, stamp_of
from reskin.data.manifest import FrameRecord, write_manifest

FILES = 10
"""Files that all others are links to: a file system allows a file some ten thousand names."""
SHOWN = """() => {
  const all = [...document.querySelectorAll('.cell')];
  return all.length >= 12 && all.every((one) => !one.classList.contains('blank'));
}"""
READY = "#grid[aria-busy=false]"


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

    picture = jpeg_of(Image.effect_noise((128, 96), 60))
    with store._turn:
        store._database.execute("BEGIN")
        store._database.executemany(
            "INSERT OR REPLACE INTO thumbnail VALUES (?, ?, ?, '')",
            ((os.fsencode(file), stamp_of(folder / file), picture) for file in files),
        )
        store._database.execute("COMMIT")
    assert store.get(files[:1])[files[0]].picture == picture
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
        database.execute(
            "UPDATE about SET value = json_set(value, '$.total', ?) WHERE name = 'facts'", (count,)
        )


def opened(page: Any, address: str, until: str = SHOWN) -> float:
    """Seconds from the address to a full screen."""
    page.goto("about:blank")
    begun = time.monotonic()
    page.goto(address)
    page.wait_for_selector(READY)
    page.wait_for_function(until)
    return time.monotonic() - begun
