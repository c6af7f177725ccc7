"""A studio on a drawn folder, as the tests of its routes and pages use it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient

from reskin.cli.forms import FORMS
from reskin.images import write_image
from reskin.storage import write_json
from reskin.web.studio.app import studio_app
from reskin.web.studio.jobs import Job
from reskin.web.studio.session import Sessions
from reskin.web.studio.state import StateFolder
from reskin.web.studio.studio import Studio

PORT = 8765
HOST = f"127.0.0.1:{PORT}"
BASE = f"http://{HOST}"
KEY = "k" * 43
JSON = {"origin": BASE, "content-type": "application/json"}


def method_facts() -> dict[str, Any]:
    """Facts of one method as `reskin methods --json` prints them, without a child process."""
    data = {
        "a": {"type": "string", "format": "path"},
        "b": {"type": "string", "format": "path"},
        "crop_size": {
            "type": "integer",
            "default": 256,
            "minimum": 8,
            "description": "Edge of a crop in px.",
        },
        "flip": {"type": "boolean", "default": True, "description": "Flip."},
    }
    train = {
        "batch": {"type": "integer", "default": 1, "minimum": 1, "description": "Pictures a step."},
        "minutes": {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}],
            "default": None,
            "description": "Minutes.",
        },
        "device": {"type": "string", "default": "auto", "description": "Where."},
    }
    method = {
        "norm": {
            "type": "string",
            "enum": ["instance", "batch"],
            "default": "instance",
            "description": "Norm.",
        },
        "layers": {
            "type": "array",
            "items": {"type": "string"},
            "default": ["x", "y"],
            "description": "Layers.",
        },
    }
    schema = {name: {"properties": of} for name, of in (("method", method), ("data", data), ("train", train))}
    return {
        "summary": "CycleGAN: two generators.",
        "paper": "Zhu et al. 2017",
        "good_for": "any two domains",
        "data": "unpaired",
        "weights": 28_285_832,
        "defaults": {"batch": 2},
        "presets": {"fast": {"about": "For a look.", "settings": {"minutes": 2.0, "flip": False}}},
        "schema": schema,
    }


def tool_facts() -> dict[str, Any]:
    """Facts of the commands as `reskin.cli.forms` prints them, without a child process."""
    size = {"type": "string", "default": "256", "description": "Size.", "typed": "--size", "basic": True}
    every = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": None}
    every |= {"description": "Every Nth.", "typed": "--every", "basic": False}
    apply = {"type": "boolean", "default": False, "description": "Apply.", "typed": "--apply", "basic": True}
    prepare = {"about": "Take frames.", "schema": {"frames": {"properties": {"size": size, "every": every}}}}
    screen = {"about": "Say what looks wrong.", "schema": {"own": {"properties": {"apply": apply}}}}
    steady = {
        "type": "string",
        "default": "0.8",
        "description": "How steady.",
        "typed": "--steady",
        "basic": True,
    }
    edge = {"anyOf": [{"type": "integer"}, {"const": "full"}, {"type": "null"}], "default": None}
    edge |= {"description": "Edge.", "typed": "--work-size", "basic": True}
    film = {"steady": steady, "work_size": edge}
    translate = {"about": "Translate.", "schema": {"film": {"properties": film}}}
    known: dict[str, Any] = {"translate": translate}
    return known | {
        name: prepare if name.startswith("prepare") else screen for name in FORMS if name != "translate"
    }


class Case:
    """A folder with two datasets, its studio and a client that is logged in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("film", "game"):
            (root / "data" / name).mkdir(parents=True)
            write_image(root / "data" / name / "0.png", np.zeros((8, 8, 3), np.uint8))
        state = StateFolder(root)
        state.make()
        self.studio = Studio(state)
        self.studio.methods._known = {"cyclegan": method_facts()}
        self.studio.tools._known = tool_facts()
        self.sessions = Sessions(state.secret(), PORT, KEY)
        self.app = studio_app(self.studio, self.sessions, PORT)
        self.client = TestClient(self.app, base_url=BASE, raise_server_exceptions=False)

    def log_in(self) -> None:
        """Give the client its cookie."""
        sent = self.client.post("/login", headers=JSON, json={"token": self.sessions.link()})
        assert sent.status_code == 200

    def post(self, path: str, **values: Any) -> Any:
        """Send JSON as a page of ours does."""
        return self.client.post(path, headers=JSON, content=json.dumps(values))

    def end(self, job: Job, code: int = 0) -> None:
        """Let a job have begun and ended, without a process."""
        folder = self.studio.jobs.folder(job)
        write_json(folder / "begun.json", {"runner": None, "runner_is": "", "at": 1.0})
        write_json(folder / "end.json", {"code": code, "at": 2.0})

    def set_id(self, name: str) -> str:
        """The id of a dataset."""
        return self.studio.scan.id(self.root / name)

    def form(self, **more: Any) -> dict[str, Any]:
        """A form that is filled in."""
        values = {"kind": "train", "method": "cyclegan", "preset": "", "name": "one", "settings": {}}
        return values | {"a": self.set_id("data/film"), "b": self.set_id("data/game")} | more


def commands_in(text: str) -> list[str]:
    """What stands as a command on a page; its words are elements of their own there."""
    return [
        html.unescape(re.sub(r"</?span>", "", found))
        for found in re.findall(r"<code[^>]*>(.*?)</code>", text)
    ]
