"""The studio's folder above a dataset may be somebody else's: keeping thumbnails touches nothing outside."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from reskin.curation.thumbnails import ThumbnailKeeper, path_for
from reskin.images import write_image

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and links")

PICTURE = np.full((40, 40, 3), 90, np.uint8)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A dataset below a folder in which a studio seems to have been opened."""
    (tmp_path / "given" / ".reskin" / "jobs").mkdir(parents=True)
    (tmp_path / "given" / ".reskin" / "thumbs").mkdir()
    write_image(tmp_path / "given" / "set" / "0.png", PICTURE)
    return tmp_path / "given" / "set"


def keep(folder: Path) -> Path:
    """Keep a thumbnail; where it belongs."""
    path = path_for(folder)
    assert path is not None
    with ThumbnailKeeper() as keeper:
        keeper.keep(folder, "0.png", PICTURE)
    return path


def test_it_is_kept_where_all_is_plain(given: Path) -> None:
    assert keep(given).is_file()


@pytest.mark.parametrize("end", ["", "-journal", "-wal", "-shm"])
def test_a_database_that_is_a_link_is_not_written_to(given: Path, end: str) -> None:
    mine = given.parent.parent / "mine.sqlite"
    with closing(sqlite3.connect(mine)) as base, base:
        base.execute("CREATE TABLE history(x)")
    before = mine.read_bytes()
    path = path_for(given)
    assert path is not None
    path.with_name(path.name + end).symlink_to(mine)
    keep(given)
    assert mine.read_bytes() == before and sorted(given.parent.parent.glob("mine*")) == [mine]


@pytest.mark.parametrize("end", ["", "-journal", "-wal", "-shm"])
def test_a_pipe_is_not_waited_for(given: Path, end: str) -> None:
    path = path_for(given)
    assert path is not None
    os.mkfifo(path.with_name(path.name + end))
    keep(given)


def test_a_folder_that_is_a_link_is_not_written_to(given: Path) -> None:
    outside = given.parent.parent / "outside"
    outside.mkdir()
    (given.parent / ".reskin" / "thumbs").rmdir()
    (given.parent / ".reskin" / "thumbs").symlink_to(outside)
    keep(given)
    assert list(outside.iterdir()) == []
