"""A studio or a study that is really served, and a real Chromium. Without one these tests fail, not skip."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.rater_case import Served
from tests.support.finished_run import make_run, picture

from reskin.images import write_image
from reskin.storage import write_json
from reskin.video.writer import VideoWriter

WAIT = 180_000
"""Milliseconds: other work may keep the machine busy."""


def chromium_program() -> str:
    """The browser's program; RESKIN_CHROMIUM names another one."""
    known = (shutil.which(name) for name in ("chromium", "chromium-browser"))
    program = os.environ.get("RESKIN_CHROMIUM") or next(filter(None, known), None)
    assert program, "no Chromium: apt-get install chromium, or set RESKIN_CHROMIUM"
    return program


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


class Server:
    """`reskin studio` in a process of its own."""

    def __init__(self, root: Path) -> None:
        # Below the ports that the system gives to clients: none of them may have it when the server starts
        # again; and seldom that of a server which another run of the tests has killed for a moment.
        self.root, self.port = root, random.SystemRandom().randrange(10_000, 30_000)
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "reskin", "studio", str(self.root), "--no-browser"]
        words += ["--port", str(self.port)]
        log = open(self.root.parent / "studio.log", "a", encoding="utf-8")  # noqa: SIM115 - the child's
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        log.close()
        assert self.process.stdout is not None
        found = re.search(r"http\S+", self.process.stdout.readline())
        assert found, (self.root.parent / "studio.log").read_text()
        self.link = found[0]
        self.base = self.link.partition("/login")[0]
        self.port = int(self.base.rpartition(":")[2])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def draw_clip(path: Path, learnt: float, rate: int = 25, *, seconds: int = 4) -> None:
    """A film with something that moves, in the look of A (0) or B (1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, size=(160, 96), frame_rate=Fraction(rate)) as writer:
        for number in range(seconds * rate):
            frame = np.array(picture(number // rate, 160, learnt, False)[:96])
            frame[10:20, number % 140 : number % 140 + 10] = 255
            writer.write(frame, Fraction(number, rate))


def draw_study(root: Path) -> None:
    """A study of which nothing is trained yet."""
    (root / "cells" / "cut-1" / "0").mkdir(parents=True)
    rows = [{"label": "cut", "folder": "cut-1"}, {"label": "cyclegan", "folder": "cyclegan-1"}]
    facts = {"rows": rows, "seeds": 2, "length": {"steps": 10}, "a": "data/film", "b": "data/game"}
    write_json(root / "study.json", facts)


def draw_footage(root: Path, *, count: int = 12) -> None:
    """Two datasets, two runs, two clips and a study."""
    for name, is_b in (("film", False), ("game", True)):
        folder = root / "data" / name
        folder.mkdir(parents=True)
        for number in range(count):
            write_image(folder / f"{number:03d}.png", np.asarray(picture(number, 64, 0.0, is_b)))
    make_run(root / "runs" / "film-game", steps=400, grids=4, edge=64)
    make_run(root / "runs" / "castle", steps=200, grids=2, edge=64)
    for name, learnt in (("film", 0.0), ("game", 1.0)):
        draw_clip(root / "footage" / f"{name}.mp4", learnt, seconds=1)
    draw_study(root / "studies" / "looks")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A studio of a drawn folder."""
    root = tmp_path / "films"
    root.mkdir()
    draw_footage(root)
    made = Server(root)
    yield made
    made.end()


@pytest.fixture
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """A page that is logged in; complaints of the browser are collected in `page.complaints`."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    made = context.new_page()
    made.set_default_timeout(WAIT)
    made.complaints, made.requested = [], []
    made.on("console", lambda said: made.complaints.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.on("request", lambda request: made.requested.append(request.url))
    made.goto(server.link)
    made.wait_for_url(f"{server.base}/")
    yield made
    context.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes and serves a study; the server ends with the test."""
    made: list[Served] = []

    def start(kind: str, items: int = 6) -> Served:
        made.append(Served(tmp_path, kind, items))
        return made[-1]

    yield start
    for each in made:
        each.server.kill()


@pytest.fixture
def browse(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a browser's page of a width, language and scheme; complaints are collected in it."""
    contexts = []

    def opened(width: int = 360, height: int = 640, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
