"""A studio that is really served: two on one folder, a port in use, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from reskin.cli.main import main
from reskin.errors import DataError
from reskin.web.studio.state import StateFolder

pytestmark = pytest.mark.usefixtures("usual_signals")


def started(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    words = [sys.executable, "-m", "reskin", "studio", str(folder), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert process.stdout is not None
    found = re.search(r"http\S+", process.stdout.readline())
    assert found
    return process, found[0]


def log_in(link: str) -> int:
    base, _, token = link.partition("/login#")
    headers = {"content-type": "application/json", "origin": base}
    asked = urllib.request.Request(f"{base}/login", json.dumps({"token": token}).encode(), headers)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return int(answer.status)


@pytest.mark.sweep
def test_two_studios_on_one_folder_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        first, link = started(tmp_path, port)
        try:
            assert main(["studio", str(tmp_path), "--no-browser"]) == 0
            found = re.search(r"http\S+", capsys.readouterr().out)
            assert found and found[0] != link and found[0].partition("#")[0] == link.partition("#")[0]
            assert log_in(found[0]) == 200 and log_in(link) == 200
            state = StateFolder(tmp_path.resolve())
            for path, mode in (
                (state.folder, 0o700),
                (state.running, 0o600),
                (state.folder / "secret", 0o600),
            ):
                assert stat.S_IMODE(path.stat().st_mode) == mode
            assert sorted(path.name for path in tmp_path.iterdir()) == [".reskin"]
            assert int(link.partition("/login")[0].rpartition(":")[2]) > taken.getsockname()[1]
        finally:
            first.send_signal(signal.SIGINT)
            assert first.wait(120) == 0
            assert first.stdout is not None
            first.stdout.close()
    assert not state.running.exists()


def test_what_cannot_be_served_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studio", str(tmp_path / "nothing")]) == 2
    assert "no folder" in capsys.readouterr().err
    assert main(["studio", str(tmp_path), "--port", "80"]) == 2
    assert "--port 80" in capsys.readouterr().err


def test_a_state_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "films" / ".reskin").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(DataError):
        StateFolder(tmp_path / "films").make()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_secret_is_made_anew(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.make()
    before = state.secret()
    assert state.secret() == before
    (state.folder / "secret").write_bytes(b"short")
    assert len(state.secret()) == 32 and state.secret() != before
    state.running.write_text("{")
    assert state.who_runs() is None
