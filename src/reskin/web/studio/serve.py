"""Serving the studio: on this machine's own address alone, one server a folder."""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn

from reskin.errors import ReskinError, RunError, SettingsError
from reskin.progress import result
from reskin.storage import lock
from reskin.web.serving import server_config, tcp_socket
from reskin.web.studio.app import studio_app
from reskin.web.studio.jobs import UNDERWAY
from reskin.web.studio.session import Sessions
from reskin.web.studio.state import StateFolder
from reskin.web.studio.studio import Studio

HOST = "127.0.0.1"
PORTS_TRIED = 20
TICK_SECONDS = 0.5
STOP_SECONDS = 5.0
"""Time for a second Ctrl-C, which stops jobs too."""


def serve_studio(root: Path, *, port: int, is_opened: bool) -> int:
    """Serve the studio of a folder until a signal stops it; returns the exit code.

    If another process serves this folder already, a new link to it is printed.

    Args:
        root: the folder that holds datasets and runs.
        port: to listen on; one in use is passed over for the next.
        is_opened: open the browser.

    Raises:
        SettingsError: no such folder, or no port is free.
        RunError: another process holds the folder and does not answer.
        StorageError: the disk refuses.
    """
    if not root.is_dir():
        raise SettingsError(f"no folder {root}", "Check the name.")
    state = StateFolder(root.resolve())
    state.make()
    try:
        with lock(state.folder):
            return _serve(state, port, is_opened=is_opened)
    except RunError:
        if (link := _link_to_other(state)) is None:
            raise
    _announce(link, is_opened=is_opened)
    return 0


def _serve(state: StateFolder, port: int, *, is_opened: bool) -> int:
    listening, port = _listening(port)
    key = secrets.token_urlsafe(32)
    sessions, studio = Sessions(state.secret(), port, key), Studio(state)
    state.say_running(port, key)
    settings = server_config(
        studio_app(studio, sessions, port),
        connections=64,
        h11_max_incomplete_event_size=16 * 1024,
        timeout_graceful_shutdown=2,
    )
    try:
        with listening, _ticking(studio):
            _announce(_address(port, sessions.link()), is_opened=False)
            threading.Thread(target=_prepare, args=(studio,), name="methods", daemon=True).start()
            if is_opened:  # with a link of its own: the printed one stays good for another browser
                _open(_address(port, sessions.link()))
            uvicorn.Server(settings).run(sockets=[listening])
    except KeyboardInterrupt:
        _ask_about_jobs(studio)
    finally:
        state.running.unlink(missing_ok=True)
        studio.checker.close()
        studio.curation.close()
    return 0


def _prepare(studio: Studio) -> None:
    """What is asked of child processes before somebody waits for it."""
    studio.uploads.sweep()
    studio.methods.prepare()
    studio.tools.prepare()


def _listening(port: int) -> tuple[socket.socket, int]:
    for tried in range(port, min(port + PORTS_TRIED, 65536)):
        made = tcp_socket(HOST)
        if sys.platform != "win32":  # there it would let two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((HOST, tried))
            made.listen(128)
        except OSError:
            made.close()
            continue
        return made, tried
    raise SettingsError(f"ports {port} to {tried} are in use", "Give another one: --port 9000")


@contextmanager
def _ticking(studio: Studio) -> Iterator[None]:
    """Inside, jobs are started as they may; a fault of the disk is said once and tried again."""
    over = threading.Event()

    def tick() -> None:
        said = ""
        while not over.wait(TICK_SECONDS):
            try:
                studio.tick()
                said = ""
            except (ReskinError, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    sys.stderr.write(f"reskin studio: {error}\n")

    thread = threading.Thread(target=tick, name="queue", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _address(port: int, token: str) -> str:
    return f"http://{HOST}:{port}/login#{token}"


def _announce(link: str, *, is_opened: bool) -> None:
    port = link.partition("/login")[0].rpartition(":")[2]
    lines = [
        f"studio     {link}",
        "           the link works once; the same command prints another one",
        f"elsewhere  ssh -L {port}:{HOST}:{port} USER@THIS-MACHINE, then open the link there",
        "stop       Ctrl-C; running jobs go on unless you press it twice",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    result("studio", link.partition("#")[0])
    if is_opened:
        _open(link)


def _open(link: str) -> None:
    """Open the browser, if there is one; the link is printed anyway."""
    with suppress(webbrowser.Error):
        webbrowser.open(link)


def _link_to_other(state: StateFolder) -> str | None:
    """A new link to the server that holds this folder; None where none answers."""
    known = state.who_runs()
    if known is None:
        return None
    asked = urllib.request.Request(
        f"http://{HOST}:{known['port']}/api/links",
        b"{}",
        {"authorization": f"Bearer {known['key']}", "content-type": "application/json"},
    )
    # Without proxies: the key is for this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(asked, timeout=10) as answer:
            found: Any = json.loads(answer.read(1000))
        return _address(known["port"], str(found["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ask_about_jobs(studio: Studio) -> None:
    """After Ctrl-C: jobs go on, unless it is pressed again."""
    running = [job for job in studio.jobs.all() if job.state in UNDERWAY]
    if not running:
        return
    number = f"{len(running)} job{'s' if len(running) > 1 else ''}"
    sys.stderr.write(f"{number} running: Ctrl-C again within {STOP_SECONDS:.0f} s saves and stops too\n")
    try:
        time.sleep(STOP_SECONDS)
    except KeyboardInterrupt:
        for job in running:
            studio.jobs.stop(job)
