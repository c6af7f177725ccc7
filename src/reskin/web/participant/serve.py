"""Serving a study: one process, its own port, the invites printed and kept."""

from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

import uvicorn

from reskin.errors import DataError, SettingsError
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.evaluation.blind_study.plan import read_plan
from reskin.progress import result
from reskin.storage import commit, lock
from reskin.web.participant.app import Address, Study, participant_app, wrong_stimuli
from reskin.web.serving import server_config, tcp_socket

INVITES = "invites.txt"
MORE_THAN_SLOTS = 1.5
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve_study(folder: Path, *, host: str, port: int, behind: str, invites: int | None) -> int:
    """Serve a study until a signal stops it; returns the exit code.

    Args:
        folder: of the study.
        host: address to listen on.
        port: to listen on.
        behind: address of a server in front, "" for none.
        invites: how many there are to be; None: half more than raters.

    Raises:
        RunError: no study, or another process serves it.
        DataError: stimuli are missing or damaged.
        SettingsError: the port or address cannot be used, `behind` is no address.
    """
    plan = read_plan(folder)
    lacking = list(wrong_stimuli(folder, plan))
    if lacking:
        what = f"{len(lacking)} stimuli of {folder} are missing or damaged, first {lacking[0]}"
        raise DataError(what, "Copy the folder again, or make the study anew in another folder.")
    base, address = _address(host, port, behind)
    with lock(folder):
        listening = _listening(host, port)
        store = AnswerStore(folder, create=True)
        try:
            count = invites or round(plan.raters * MORE_THAN_SLOTS)
            links = [f"{base}/s/{invite}" for invite in store.invite(count)]
            with commit(folder / INVITES) as temporary:
                temporary.write_text("\n".join(links) + "\n", encoding="utf-8")
            _announce(folder, base, links, host)
            app = participant_app(Study(folder, plan, store, is_secure=address.is_secure), address)
            uvicorn.Server(server_config(app, connections=256)).run(sockets=[listening])
        finally:
            store.close()
            listening.close()
    return 0


def _address(host: str, port: int, behind: str) -> tuple[str, Address]:
    if behind:
        found = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+(:[0-9]{1,5})?)/?", behind)
        if not found:
            raise SettingsError(f"'{behind}' is no address", "Type --behind https://study.example.org")
        return behind.rstrip("/"), Address((found[2],), found[1] == "https")
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - refused
        what = f"--host {host} would answer under every name of this machine"
        raise SettingsError(what, "Give one address, such as --host 192.168.1.5, or --behind.")
    named = f"[{host}]" if ":" in host else host
    hosts = [f"{named}:{port}"]
    if host in LOOPBACK:
        hosts = [f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"]
    return f"http://{named}:{port}", Address(tuple(hosts))


def _listening(host: str, port: int) -> socket.socket:
    made = tcp_socket(host)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {port} is in use", f"Give another one: --port {port + 1}") from None
        raise SettingsError(
            f"cannot listen on {host} port {port} ({error.strerror})", "Give an address of this machine."
        ) from None
    made.listen(128)
    return made


def _announce(folder: Path, base: str, links: list[str], host: str) -> None:
    from sys import stdout

    lines = [f"study      {base}   ({len(links)} invites in {folder / INVITES}, one a rater)"]
    lines += [f"invite     {link}" for link in links[:3]]
    if host not in LOOPBACK:
        lines.append(f"reach      everybody who can reach {host} can open an invite that they know")
    lines.append("stop       Ctrl-C; answers are kept, and the same command goes on")
    stdout.write("\n".join(lines) + "\n")
    stdout.flush()
    result("study", base)
