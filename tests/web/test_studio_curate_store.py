"""Verdicts: acknowledged once, kept once, undone without end; whatever the disk, the clock and others do."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from reskin.errors import DataError, RunError, SettingsError, StorageError
from reskin.web.studio import curate_store
from reskin.web.studio.curate_store import DROP, KEEP, NONE, Verdicts, VersionError

FILES = [f"{number}.png" for number in range(20)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Verdicts]:
    """Verdicts of twenty pictures, none of them decided."""
    made = Verdicts(tmp_path / "a.sqlite", "data/film")
    made.take_over(FILES, {})
    yield made
    made.close()


def version(store: Verdicts) -> str:
    return store.changes(0).version


def test_a_change_that_is_sent_twice_counts_once(store: Verdicts) -> None:
    now = version(store)
    first = store.decide(now, "nonce-1", DROP, [1, 2])
    store.decide(now, "nonce-2", KEEP, [2])
    assert store.decide(now, "nonce-1", DROP, [1, 2]) == first
    assert store.by_file() == {"0.png": DROP, "1.png": KEEP}
    last = store.undo(now, "nonce-3")
    assert store.undo(now, "nonce-3") == last  # the answer was lost, and it was sent again
    assert store.by_file() == {"0.png": DROP, "1.png": DROP}


def test_undo_and_redo_have_no_end_and_survive_a_restart(store: Verdicts, tmp_path: Path) -> None:
    now, chance, states = version(store), random.Random(3), [store.by_file()]
    for number in range(60):
        picked = chance.sample(range(1, 21), chance.randint(1, 20))
        store.decide(now, f"change-{number}", chance.choice([NONE, KEEP, DROP]), picked)
        states.append(store.by_file())
    store.close()
    again = Verdicts(tmp_path / "a.sqlite", "data/film")
    for number in reversed(range(60)):
        again.undo(now, f"undo-{number}")
        assert again.by_file() == states[number]
    assert again.by_file() == {} and not again.changes(0).can_undo
    again.undo(now, "one too many")
    for number in range(60):
        again.redo(now, f"redo-{number}")
        assert again.by_file() == states[number + 1]
    again.undo(now, "undo-a")
    again.decide(now, "other", DROP, [1])  # what was undone is gone now
    assert not again.changes(0).can_redo
    again.close()


def test_two_tabs_see_the_same_and_only_what_is_new(store: Verdicts, tmp_path: Path) -> None:
    now, other = version(store), Verdicts(tmp_path / "a.sqlite", "data/film")
    store.decide(now, "tab-one-1", DROP, [1])
    seen = other.changes(0)
    other.decide(now, "tab-two-1", KEEP, [2])
    assert seen.edits == [(1, DROP)]
    assert store.changes(seen.revision).edits == [(2, KEEP)]
    store.undo(now, "tab-one-2")  # one history: the other tab's change
    assert other.changes(seen.revision).edits == [(2, NONE)] and other.by_file() == {"0.png": DROP}
    other.close()


def test_a_large_change_is_said_as_a_new_order(store: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curate_store, "MOST_EDITS", 5)
    revision = store.decide(version(store), "nonce-1", DROP, range(1, 11))
    found = store.changes(0)
    assert found.edits is None and found.drop == 10 and found.revision == revision
    assert store.changes(revision).edits == []
    assert store.changes(revision + 99).edits is None  # a page of another file


def test_numbers_that_are_not_known_change_nothing(store: Verdicts) -> None:
    with pytest.raises(SettingsError, match="not known"):
        store.decide(version(store), "nonce-1", DROP, [1, 999])
    with pytest.raises(VersionError):
        store.decide("other", "nonce-1", DROP, [1])
    assert store.by_file() == {}


def test_a_full_disk_keeps_what_was_said_and_takes_the_change_later(store: Verdicts) -> None:
    now = version(store)
    store.decide(now, "nonce-1", DROP, [1])
    store.close()
    store.most_pages = 1  # SQLite raises it to what the file has
    many = [f"{'n' * 150}{number}.png" for number in range(400)]
    with pytest.raises(StorageError, match="disk is full"):
        store.take_over(many, {})
    assert store.by_file() == {"0.png": DROP}
    store.close()
    store.most_pages = None
    store.take_over(many, {})
    store.decide(now, "nonce-2", KEEP, [2])
    assert store.by_file() == {"0.png": DROP, "1.png": KEEP}


def test_a_damaged_file_is_said_and_left_alone(store: Verdicts) -> None:
    store.close()
    for name in ("", "-wal", "-shm"):
        store.path.with_name(store.path.name + name).unlink(missing_ok=True)
    store.path.write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(RunError, match=r"damaged") as raised:
            store.changes(0)
        assert "Move it away" in raised.value.fix
    assert store.path.read_bytes().startswith(b"no database")


def test_a_file_that_is_removed_while_it_is_used_takes_no_verdicts(store: Verdicts) -> None:
    now = version(store)
    for name in ("", "-wal", "-shm"):
        store.path.with_name(store.path.name + name).unlink(missing_ok=True)
    with pytest.raises(VersionError):  # a new file: its numbers may be others
        store.decide(now, "nonce-1", DROP, [1])
    assert store.by_file() == {} and version(store) != now


def test_a_writer_that_does_not_end_is_waited_for_and_said(
    store: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curate_store, "WAIT_SECONDS", 0.05)
    now = version(store)
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="another process writes"):
        store.decide(now, "nonce-1", DROP, [1])
    other.execute("ROLLBACK")
    other.close()
    store.decide(now, "nonce-1", DROP, [1])


def test_the_order_of_changes_does_not_hang_on_a_clock(
    store: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = version(store)
    store.decide(now, "nonce-1", DROP, [1])
    monkeypatch.setattr("time.time", lambda: 0.0)
    store.decide(now, "nonce-2", KEEP, [1])
    store.undo(now, "nonce-3")
    assert store.by_file() == {"0.png": DROP}


def test_what_a_terminal_decided_is_taken_over_and_can_be_undone(store: Verdicts) -> None:
    now = version(store)
    store.decide(now, "nonce-1", DROP, [1, 2])  # 0.png, 1.png
    store.take_over(FILES, {"0.png": DROP, "1.png": DROP})  # it was applied
    assert store.changes(0).unapplied == 0
    store.decide(now, "nonce-2", KEEP, [2])  # 1.png, here
    store.take_over(FILES, {"1.png": NONE, "3.png": KEEP})  # elsewhere: nothing of 0 and 1, 3 kept
    assert store.by_file() == {"1.png": KEEP, "3.png": KEEP}  # of 1.png the page's verdict stays
    assert store.changes(0).unapplied == 1
    store.undo(now, "nonce-3")
    assert store.by_file() == {"0.png": DROP, "1.png": KEEP}


def test_numbers_stay_when_pictures_come_and_go(store: Verdicts) -> None:
    now = version(store)
    store.decide(now, "nonce-1", DROP, [5])
    numbers = store.take_over(["new.png", *FILES[10:]], {})
    assert numbers["10.png"] == 11 and numbers["new.png"] == 21
    assert store.by_file() == {"4.png": DROP}  # it may come back
    assert store.take_over(FILES, {})["4.png"] == 5


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_utf8_have_verdicts(store: Verdicts) -> None:
    odd = os.fsdecode(b"train/\xff\xfe.png")
    number = store.take_over([odd], {})[odd]
    store.decide(version(store), "nonce-1", DROP, [number])
    assert store.by_file() == {odd: DROP}


def test_a_link_in_its_position_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "a.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link"):
        Verdicts(tmp_path / "a.sqlite", "data/film").changes(0)
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
