"""What `pip install reskin[studio]` adds, and that nothing of the studio needs a network afterwards."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.e2e.conftest import draw_footage
from tests.web.studio_server import PATIENCE, Asker

import reskin
from reskin.curation.thumbnails import folder_id

PROJECT = Path(__file__).parents[2]
MOST_PACKAGES, MOST_BYTES, MOST_IN_WHEEL = 7, 8_000_000, 250_000


def wanted(name: str, extra: str = "") -> set[str]:
    """Every package that one asks for on this machine, by the metadata of those that are installed."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), extra)]
    seen = set(waiting)
    while waiting:
        of, with_extra = waiting.pop()
        for line in importlib.metadata.requires(of) or ():
            need = Requirement(line)
            if need.marker and not any(need.marker.evaluate({"extra": each}) for each in {"", with_extra}):
                continue
            one = canonicalize_name(need.name)
            found.add(one)
            more = {(one, each) for each in (need.extras or {""})} - seen
            seen |= more
            waiting += more
    return found


def test_few_and_small_packages_are_added() -> None:
    pytest.importorskip("uvicorn")
    added = wanted("reskin", "studio") - wanted("reskin")
    assert {"starlette", "uvicorn"} <= added and len(added) <= MOST_PACKAGES, added
    files = [file for name in added for file in importlib.metadata.files(name) or ()]
    size = sum(Path(str(file.locate())).stat().st_size for file in files if file.suffix != ".pyc")
    assert 100_000 < size <= MOST_BYTES, size


@pytest.mark.sweep
def test_the_wheel_grows_little(tmp_path: Path) -> None:
    """What serves pages and the studio in it, as it is packed; the pages for raters are another part."""
    pytest.importorskip("hatchling")
    line = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*line, "--wheel-dir", str(tmp_path), str(PROJECT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        sizes = {PurePosixPath(one.filename): one.compress_size for one in packed.infolist()}
    parts = {path: size for path, size in sizes.items() if path.parts[:2] == ("reskin", "web")}
    assert {path.suffix for path in parts} >= {".py", ".js", ".css", ".html", ".svg", ".json"}
    assert sum(size for path, size in parts.items() if path.parts[2] != "participant") <= MOST_IN_WHEEL


SHUT = """
import os, sys

NAMES = ("localhost", None, "")

def shut(event, given):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        at = given[0] if event.startswith("socket.get") else given[1]
        host = at[0] if isinstance(at, tuple) else at
        if isinstance(host, bytes):
            host = host.decode("latin-1")
        local = host in NAMES or host.startswith(("127.", "/", "\\0")) or host == "::1"
        if not local:
            with open(os.environ["SHUT_LOG"], "a") as log:
                log.write(f"{sys.argv} {event} {host}\\n")
            raise PermissionError(f"no network: {host}")

sys.addaudithook(shut)
"""
"""What every Python process begins with in the test below: other machines cannot be reached or looked up."""


@pytest.mark.sweep
def test_nothing_needs_a_network_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page, what the studio asks of its children, and a job; of them none asks for another machine."""
    log = tmp_path / "asked"
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "sitecustomize.py").write_text(SHUT)
    source = str(Path(reskin.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "shut"), source]))
    monkeypatch.setenv("SHUT_LOG", str(log))
    tries = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    assert subprocess.run([sys.executable, "-c", tries], capture_output=True, check=False).returncode == 1
    assert "192.0.2.1" in log.read_text()
    log.unlink()

    root = tmp_path / "films"
    root.mkdir()
    draw_footage(root, count=4)
    server = Asker(root)
    try:
        of = {name: folder_id(root, root / name) for name in ("runs/castle", "runs/film-game", "data/film")}
        pages = ["/", "/data", "/curate", "/train", "/compare", "/translate", "/jobs", "/doctor"]
        pages += [f"/runs/{of['runs/castle']}", f"/data/{of['data/film']}", f"/curate/{of['data/film']}"]
        pages += [f"/compare?show={of['runs/castle']}&show={of['runs/film-game']}"]
        await_methods(server)
        for page in pages:
            answer = server.ask("GET", page)
            assert answer.read() and answer.status == 200, page
        chosen = [of["data/film"]]
        job = server.json("/api/jobs", {"kind": "tool", "tool": "screen", "chosen": chosen, "settings": {}})
        assert wait_done(server, job["id"]) == "done"
    finally:
        server.kill()
    assert not log.exists(), log.read_text()


def await_methods(server: Asker) -> None:
    """Wait until the children have said what there is."""
    end = time.monotonic() + PATIENCE
    for page in ("/train", "/data", "/translate"):
        while "are being read" in server.ask("GET", page).read().decode():
            assert time.monotonic() < end
            time.sleep(0.5)


def wait_done(server: Asker, id: str) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = next(each["state"] for each in server.json("/api/live")["jobs"] if each["id"] == id)
        if state not in ("waiting", "running"):
            return str(state)
        time.sleep(0.2)
    raise AssertionError("the job does not end")
