"""Files are whole or absent, whatever fails, and a folder has one holder (A02, A03, A11)."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reskin import disk_locks, storage
from reskin.errors import RunError, SettingsError, StorageError
from reskin.storage import (
    append_line,
    append_text,
    commit,
    from_json,
    lock,
    read_json,
    read_lines,
    remove_leftovers,
    to_json,
    write_json,
)

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
@pytest.mark.thinned(2)
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
        (errno.EIO, "cannot be written (Input/output error). Check the disk."),
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_a_disk_without_locks_is_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def answer(number: int) -> None:
        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(disk_locks.fcntl, "flock", refuse)

    for number in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # NFS, Lustre, FUSE
        answer(number)
        caplog.clear()
        (run / ".lock").write_text(f"process {2**22 + 7} on {socket.gethostname()}")  # it was killed
        with lock(run):
            (run / "file").touch()
        (line,) = caplog.messages
        assert str(run) in line and "no locks" in line and not (run / ".lock").exists()
    (run / ".lock").write_text(f"process {os.getppid()} on {socket.gethostname()}")
    with pytest.raises(RunError, match=f"in use by process {os.getppid()} on "), lock(run):
        pass
    answer(errno.EWOULDBLOCK)
    with pytest.raises(RunError, match="in use"), lock(run):
        pass
    answer(errno.EIO)
    with pytest.raises(StorageError, match="Check the disk"), lock(run):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="a started process keeps a lock by flock alone")
@pytest.mark.parametrize("lets_go", [True, False])
def test_what_a_killed_process_started_lets_go_of_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lets_go: bool
) -> None:
    import fcntl

    monkeypatch.setattr("reskin.disk_locks.LET_GO_SECONDS", 30.0 if lets_go else 0.1)
    said = f"process 4194999 on {socket.gethostname()}"  # above the most that Linux gives
    (tmp_path / ".lock").write_text(said, encoding="ascii")
    held = open(tmp_path / ".lock", "rb")  # noqa: SIM115 - closed by the timer
    fcntl.flock(held, fcntl.LOCK_EX)
    timer = threading.Timer(0.3, held.close)
    try:
        if lets_go:
            timer.start()
            with lock(tmp_path):
                pass
        else:
            with pytest.raises(RunError, match="in use by process 4194999"), lock(tmp_path):
                pass
    finally:
        timer.cancel()
        held.close()


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


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "fifo", "folder", "other"])
def test_a_lock_that_is_not_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    precious, evil = tmp_path / "precious", tmp_path / "evil"
    precious.write_text("# precious")
    evil.mkdir()
    path = evil / ".lock"
    if kind in ("link", "dangling"):
        path.symlink_to(precious if kind == "link" else tmp_path / "planted")
    elif kind == "hard link":
        path.hardlink_to(precious)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("somebody's notes")
    with pytest.raises((RunError, StorageError)) as error, lock(evil):
        pytest.fail("the folder was taken")
    assert "\n" not in str(error.value) and str(evil) in str(error.value)
    assert precious.read_text() == "# precious" and not (tmp_path / "planted").exists()
    assert os.path.lexists(path) and (kind != "other" or path.read_text() == "somebody's notes")


def test_lines_are_not_appended_through_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("# precious\n")
    (tmp_path / "log.txt").symlink_to(precious)
    (tmp_path / "planted.txt").symlink_to(tmp_path / "new")
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("log.txt", "planted.txt", "pipe.txt"):
        with pytest.raises(StorageError, match=name):
            append_text(tmp_path / name, "line")
    (tmp_path / "hard.txt").hardlink_to(precious)
    append_text(tmp_path / "hard.txt", "line")
    assert (tmp_path / "hard.txt").read_text() == "# precious\nline\n"
    assert precious.read_text() == "# precious\n" and not (tmp_path / "new").exists()
    with pytest.raises(RunError, match="cannot be read"):
        read_lines(tmp_path / "log.txt")
    (tmp_path / "state.json").symlink_to(precious)
    with pytest.raises(SettingsError, match="link"):
        read_json(tmp_path / "state.json")


def test_one_bad_byte_or_row_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    bad = [b"\xff", b"[" * 100_000, b"5", b'"text"', b"[1]", b"null", b"9" * 10_000, b"{"]
    path.write_bytes(b'{"step": 1}\n' + b"\n".join(bad) + b'\n{"step": 2}\n')
    assert [row["step"] for row in read_lines(path)] == [1, 2]


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_is_not_confirmed_is_no_lost_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    real = getattr(os, call)

    def refuse(which: object, *rest: object) -> object:
        is_folder = os.path.isdir(which) if call == "open" else stat.S_ISDIR(os.fstat(which).st_mode)  # type: ignore
        if is_folder:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(which, *rest)

    monkeypatch.setattr(storage.os, call, refuse)
    with commit(tmp_path / "file") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "file").read_text() == "whole" and "did not confirm" in caplog.text


@pytest.mark.parametrize("what", ["moved", "removed", "replaced"])
def test_a_folder_that_goes_away_stops_the_work(tmp_path: Path, what: str) -> None:
    run = tmp_path / "run"
    with pytest.raises(StorageError, match="moved, removed or replaced"), lock(run):
        append_text(run / "log.txt", "one")
        run.rename(tmp_path / "gone")
        if what == "removed":
            shutil.rmtree(tmp_path / "gone")
        if what == "replaced":
            run.mkdir()
            (run / ".lock").write_text("process 1 on another")
        with pytest.raises(StorageError, match="moved, removed or replaced"):
            append_text(run / "log.txt", "two")
        with commit(run / "deep" / "file"):
            pytest.fail("it was begun")
    assert run.exists() == (what == "replaced")
    if what == "replaced":  # the lock of whoever made it
        assert [path.name for path in run.iterdir()] == [".lock"]


def test_a_folder_that_goes_away_during_a_write_stops_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="moved, removed or replaced"),
        lock(tmp_path / "run"),
        commit(tmp_path / "run" / "file") as temporary,
    ):
        temporary.write_text("new")
        (tmp_path / "run").rename(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["gone"]
    assert "file" not in [path.name for path in (tmp_path / "gone").iterdir()]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_without_one_byte_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(storage.socket, "gethostname", refuse)  # what is called while the line is written
        with pytest.raises(StorageError, match="writ"), lock(tmp_path / "run"):
            pytest.fail("held")
    assert not (tmp_path / "run").exists()
    with lock(tmp_path / "run"):
        pass


LEAVES = """
import os, sys
from pathlib import Path
from reskin import storage
with storage.commit(Path(sys.argv[1]) / "film.mp4") as temporary:
    temporary.write_bytes(b"half")
    temporary.with_name(f"{temporary.stem}-packets{temporary.suffix}").write_bytes(b"stream")
    print(temporary.name, flush=True)
    if sys.argv[2] == "waits":
        sys.stdin.read()
    os._exit(9)
"""


def test_what_a_killed_process_left_goes_with_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [sys.executable, "-c", LEAVES, str(tmp_path)]
    subprocess.run([*words, "dies"], check=False, stdout=subprocess.DEVNULL)
    foreign = [".1-film.part", ".me.part", ".12-abcd.mp4", f".999999999-{'0' * 12}.part"]
    for name in foreign:
        (tmp_path / name).touch()
    assert len(list(tmp_path.glob(".*.part"))) == 5
    with subprocess.Popen(
        [*words, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as busy:
        assert busy.stdout is not None and busy.stdin is not None
        name = busy.stdout.readline().strip()
        with commit(tmp_path / "other") as temporary:
            temporary.write_text("new")
        left = sorted(path.name for path in tmp_path.iterdir())
        assert left == sorted(["other", *foreign, name, name.replace(".part", "-packets.part")])
        busy.stdin.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux says that a process has ended")
def test_a_process_that_has_ended_and_keeps_its_number_has_left_what_it_wrote(tmp_path: Path) -> None:
    """As in a container whose first process asks after no other's end."""
    words = [sys.executable, "-c", LEAVES, str(tmp_path), "dies"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as dead:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        os.kill(dead.pid, 0)  # its number is still taken
        assert len(list(tmp_path.iterdir())) == 2
        remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_a_sweep_spares_what_this_process_writes(tmp_path: Path) -> None:
    with commit(tmp_path / "one") as temporary:
        temporary.write_text("one")
        remove_leftovers(tmp_path)
        assert temporary.exists()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".999999999-abcdabcdabcd.part").touch()
    remove_leftovers(tmp_path / "link")
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


ODD = {"file": "caf\udce9.png", "nested": [{"\udcff": "ü\U0001f600\u2028"}]}


def test_names_that_are_no_utf_8_come_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ODD)
    assert read_json(tmp_path / "a.json") == ODD
    (tmp_path / "a.json").read_text(encoding="utf-8")
    append_line(tmp_path / "lines", ODD)
    append_text(tmp_path / "log", "caf\udce9")
    assert read_lines(tmp_path / "lines") == [ODD]
    assert (tmp_path / "log").read_text() == "caf\\udce9\n"
    assert from_json(to_json({"half": "\ud83d"})) == {"half": "\ud83d"}


def test_names_come_back_in_a_locale_without_utf_8(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from reskin.storage import read_json, write_json
folder = Path(sys.argv[1])
assert sys.getfilesystemencoding() != "utf-8", sys.getfilesystemencoding()
names = sorted(os.listdir(folder))
write_json(folder / "names.json", {"names": names})
assert all((folder / name).exists() for name in read_json(folder / "names.json")["names"])
"""
    (tmp_path / "zwei ü.png").touch()
    (tmp_path / "caf\udce9.png").touch()
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, **plain})
    assert sorted(read_json(tmp_path / "names.json")["names"]) == ["caf\udce9.png", "zwei ü.png"]
