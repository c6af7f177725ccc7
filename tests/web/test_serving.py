"""A study that is really served: kills, two servers, a port in use."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest
from tests.support.blind_study import make_study

from reskin.cli.main import main
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.evaluation.blind_study.plan import read_plan
from reskin.storage import lock
from reskin.web.participant import serve as participant
from reskin.web.studio import serve as studio

RATERS, KILLS, ITEMS = (200, 50, 30) if os.environ.get("RESKIN_FULL") else (12, 6, 6)
"""With 30 items a rater has 50 trials."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`reskin study serve` in a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.words = [sys.executable, "-m", "reskin", "study", "serve", str(folder), "--port", str(port)]
        self.port = port
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:  # an answer, and not a socket that listens: invites are written in between
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=60)
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
        self.kill()
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Browser:
    """One rater's browser: sends until it is answered, and keeps its cookie."""

    def __init__(self, base: str, invite: str) -> None:
        self.base, self.invite, self.cookie = base, invite, ""
        self.key = f"key of {invite}"

    def send(self, path: str, values: dict[str, object] | None = None) -> tuple[int, dict[str, object]]:
        headers = {"Origin": self.base, "Content-Type": "application/json", "Cookie": self.cookie}
        body = None if values is None else json.dumps(values).encode()
        for _ in range(600):
            request = urllib.request.Request(f"{self.base}/s/{self.invite}/{path}", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    if cookie := answer.headers.get("set-cookie"):
                        self.cookie = cookie.partition(";")[0]
                    return answer.status, json.loads(answer.read())
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    return error.code, {}
            except (OSError, http.client.HTTPException):  # the server is away, or was killed as it answered
                pass
            time.sleep(0.1)
        raise AssertionError("no answer")

    def take_part(self, random: random.Random) -> None:
        status, state = self.send("begin", {"language": "en", "consent": True, "key": self.key})
        assert status == 200 and self.cookie
        trials = state["trials"]
        assert isinstance(trials, list)
        for number in range(len(trials)):
            values: dict[str, object] = {"trial": number, "nonce": f"{self.invite}{number:08d}", "rt": 500}
            values |= {"choice": random.choice(["first", "second", "same"])}
            for _ in range(1 + (random.random() < 0.2)):  # a double click
                status, _ = self.send("answers", values)
                assert status == 200
        assert self.send("state")[1]["finished"]


@pytest.mark.slow
def test_answers_come_exactly_once_through_kills(tmp_path: Path) -> None:
    make_study(tmp_path, items=ITEMS, raters=RATERS)
    folder, port = tmp_path / "study", free_port()
    server = Server(folder, port)
    invites = [line.rpartition("/")[2] for line in (folder / "invites.txt").read_text().split()][:RATERS]
    browsers = [Browser(f"http://127.0.0.1:{port}", invite) for invite in invites]
    threads = [
        threading.Thread(target=browser.take_part, args=(random.Random(number),), daemon=True)
        for number, browser in enumerate(browsers)
    ]
    for thread in threads:
        thread.start()
    chance = random.Random(0)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 1.0))
        server.kill()
        server.start()
    for thread in threads:
        thread.join(timeout=300)
    server.kill()
    plan, store = read_plan(folder), AnswerStore(folder)
    slots = plan.slots()
    begun = [store.rater(browser.invite) for browser in browsers]
    for rater in begun:
        assert rater is not None and rater.finished is not None and rater.slot is not None
        stored = store.answers(rater.invite)
        assert [answer.trial for answer in stored] == list(range(len(slots[rater.slot])))
    assert len({rater.slot for rater in begun if rater}) == len(begun) == RATERS
    store.close()


@pytest.mark.parametrize("server", [participant, studio])
def test_answers_are_sent_at_once(server: ModuleType) -> None:
    """Connections are without Nagle's algorithm, which held the body of every answer back by 40 ms."""
    is_off: list[int] = []

    async def connect() -> None:
        def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            is_off.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening, port = listen(server)
        async with await asyncio.start_server(answer, sock=listening):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read()
            writer.close()

    asyncio.run(connect())
    assert len(is_off) == 1 and is_off[0]


def listen(server: ModuleType) -> tuple[socket.socket, int]:
    """The socket that a server listens with."""
    if server is studio:
        return studio._listening(free_port())
    port = free_port()
    return participant._listening("127.0.0.1", port), port


@pytest.mark.sweep
def test_what_cannot_be_served_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study(tmp_path)
    folder = str(tmp_path / "study")

    def says(words: list[str]) -> str:
        assert main(["study", "serve", *words]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in says([folder, "--port", str(port)])
    assert "no address" in says([folder, "--behind", "study.example.org"])
    assert "every name of this machine" in says([folder, "--host", "0.0.0.0"])
    assert "no study in" in says([str(tmp_path)])
    with lock(tmp_path / "study"):
        code = subprocess.run(
            [sys.executable, "-m", "reskin", "study", "serve", folder, "--port", str(free_port())],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert code.returncode == 2 and "in use" in code.stderr and len(code.stderr.strip().splitlines()) == 1
    stimulus = tmp_path / "study" / "stimuli" / "item-0-0.jpg"
    stimulus.write_bytes(stimulus.read_bytes()[:-1] + b"x")
    assert "damaged, first item-0-0.jpg" in says([folder])
    stimulus.unlink()
    assert "damaged, first item-0-0.jpg" in says([folder])
