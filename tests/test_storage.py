"""Files are whole or absent, whatever fails, and a folder has one holder (A02, A03, A11)."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reskin import storage
from reskin.errors import RunError, StorageError
from reskin.storage import append_line, append_text, commit, lock, read_lines, remove_leftovers

DIES = """
import builtins, os, sys
from pathlib import Path
from reskin import storage
folder, point = Path(sys.argv[1]), sys.argv[2]
def die(*_, **__):
    os._exit(9)
if point == "rename":
    os.replace = die
elif point == "fsync":
    os.fsync = die
elif point == "folder":
    storage._flush_folder = die
with storage.commit(folder / "file") as temporary:
    if point == "open":
        die()
    with open(temporary, "wb") as file:
        file.write(b"new" * 100_000)
        file.flush()
        if point == "write":
            die()
        file.write(b"end")
os._exit(7)
"""


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("point", "is_new"),
    [("open", False), ("write", False), ("fsync", False), ("rename", False), ("folder", True)],
)
def test_killed_at_any_point_the_file_is_old_or_new(
    tmp_path: Path, point: str, is_new: bool, is_there: bool
) -> None:
    target = tmp_path / "file"
    if is_there:
        target.write_bytes(b"old")
    assert subprocess.run([sys.executable, "-c", DIES, str(tmp_path), point], check=False).returncode == 9
    if is_new:
        assert target.read_bytes() == b"new" * 100_000 + b"end"
    else:
        assert (target.read_bytes() == b"old") if is_there else not target.exists()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == (["file"] if is_new or is_there else [])


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no space left to write"),
        (errno.EDQUOT, "no space left to write"),
        (errno.EFBIG, "no space left to write"),
        (errno.EROFS, "may not be written"),
        (errno.EACCES, "may not be written"),
        (errno.EIO, "cannot be written"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_refused_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str, call: str
) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, call, refuse)
        with pytest.raises(StorageError) as error, commit(target) as temporary:
            temporary.write_text("new")
    assert says in str(error.value) and str(target) in str(error.value)
    assert "\n" not in str(error.value) and error.value.fix and error.value.exit_code == 2
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


LIMITED = """
import resource, sys
from pathlib import Path
from reskin.errors import StorageError
from reskin.storage import append_line, commit
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
folder = Path(sys.argv[1])
try:
    with commit(folder / "file") as temporary:
        temporary.write_bytes(b"x" * 100_000)
except StorageError as error:
    print(error)
try:
    for _ in range(1000):
        append_line(folder / "lines", {"text": "y" * 100})
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_limit_of_the_system_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    words = [sys.executable, "-c", LIMITED, str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split(str(tmp_path))[0] for line in said] == ["no space left to write "] * 2
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lines"]
    rows = read_lines(tmp_path / "lines")
    assert len(rows) == 50_000 // 113 and {row["text"] for row in rows} == {"y" * 100}


def test_an_error_inside_passes_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), commit(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_long_names_and_missing_folders_are_no_obstacle(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / ("n" * 250 + ".json")
    with commit(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole"


def test_only_our_own_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".1-ab.part", "film.part", ".hidden", "kept.json"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "film.part", "kept.json"]
    remove_leftovers(tmp_path / "not there")


def test_lines_are_read_back_and_one_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines.jsonl"
    assert read_lines(path) == []
    rows = [{"step": step, "text": "ä\n\u2028"} for step in range(3)]
    for row in rows:
        append_line(path, row)
    assert read_lines(path) == rows
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        whole = content[:length].count(b"\n") + content[:length].endswith(b"}")
        assert read_lines(path) == rows[:whole]


def test_a_line_after_one_cut_short_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_line(path, {"step": 1})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    append_line(path, {"step": 3})
    append_line(path, {"step": 4})
    assert [row["step"] for row in read_lines(path)] == [1, 3, 4]
    append_text(tmp_path / "log.txt", "one")
    append_text(tmp_path / "log.txt", "zwei ü")
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "one\nzwei ü\n"


HOLDS = """
import sys, time
from pathlib import Path
from reskin.errors import RunError
from reskin.storage import lock
try:
    with lock(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
except RunError as error:
    print(error, flush=True)
"""


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        words = [sys.executable, "-c", HOLDS, str(tmp_path / "run")]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert f"is in use by process {os.getpid()} on " in said and said.count("\n") == 1
        with pytest.raises(RunError, match="in use"), lock(tmp_path / "run"):
            pass
    with lock(tmp_path / "run"):
        (tmp_path / "run" / "file").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["file"]


def test_a_lock_leaves_no_empty_folder(tmp_path: Path) -> None:
    with lock(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(run)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on "), lock(run):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (run / ".lock").exists()
    with lock(run):
        pass
    assert not run.exists()
