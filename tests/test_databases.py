"""SQLite files on disks of this machine and of others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reskin import databases
from reskin.databases import is_on_network, keep_journal

MOUNTS = {
    "/": "ext4",
    "/mnt/films": "nfs4",
    "/mnt/films/here": "ext4",
    "/mnt/share": "cifs",
    "/home/s": "fuse.sshfs",
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("/a.sqlite", False),
        ("/mnt/a.sqlite", False),
        ("/mnt/films/a.sqlite", True),
        ("/mnt/films/b/c/a.sqlite", True),
        ("/mnt/films/here/a.sqlite", False),
        ("/mnt/filmsx/a.sqlite", False),
        ("/mnt/share/a.sqlite", True),
        ("/home/s/x/a.sqlite", True),
    ],
)
def test_disks_of_other_machines_are_known(name: str, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_mounted", lambda: MOUNTS)
    monkeypatch.setattr(databases.sys, "platform", "linux")
    monkeypatch.setattr(databases.Path, "resolve", lambda self: self)
    assert is_on_network(Path(name)) is wanted


def test_a_network_disk_has_no_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    for is_far, wanted in ((False, "wal"), (True, "delete")):  # one that was moved there is changed
        monkeypatch.setattr(databases, "is_on_network", lambda _, is_far=is_far: is_far)
        with closing(sqlite3.connect(path)) as database:
            assert keep_journal(database, path) == wanted
            database.execute("CREATE TABLE IF NOT EXISTS one (number)")
            assert (tmp_path / "a.sqlite-wal").exists() is not is_far


def test_this_machine_says_what_its_disks_are(tmp_path: Path) -> None:
    assert databases._mounted() and not is_on_network(Path("/proc/version"))
