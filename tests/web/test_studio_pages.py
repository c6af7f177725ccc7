"""What the pages show: runs, curves, settings; in three languages; whatever names say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.finished_run import make_run
from tests.web.studio_case import Case, commands_in

from reskin.cli.checking import fault
from reskin.cli.forms import FORMS
from reskin.storage import append_line, write_json
from reskin.web.studio import app
from reskin.web.studio.live import LossTail

HERE = Path(app.__file__).parent
VENDORED = {
    "uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def run_id(case: Case, name: str) -> str:
    return case.studio.scan.id(case.root / name)


def test_home_shows_runs_and_datasets(case: Case) -> None:
    make_run(case.root / "runs" / "film-game", steps=20, grids=1, edge=8)
    text = case.client.get("/").text
    assert "runs/film-game" in text and "step 20 of 20" in text and "complete" in text
    assert "data/film" in text and "1 picture<" in text
    assert "reskin translate runs/film-game" in text  # what comes next
    assert "No run has this" in case.client.get("/?q=zebra").text
    assert "runs/film-game" in case.client.get("/?q=cycleGAN").text


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    made = Case(tmp_path / "films")
    made.log_in()
    for path in sorted((made.root / "data").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    text = made.client.get("/").text
    assert "See it work" in text and "reskin prepare frames" in text


def test_a_run_that_is_damaged_or_gone_is_said(case: Case) -> None:
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    address = f"/runs/{run_id(case, 'runs/one')}"
    (case.root / "runs" / "one" / "config.json").write_text("{")
    assert "unreadable" in case.client.get("/").text and "not readable JSON" in case.client.get(address).text
    for path in sorted((case.root / "runs").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    case.studio.scan._at = -10.0
    assert case.client.get(address).status_code == 404
    assert "run" not in case.client.get(f"/api/live?run={run_id(case, 'runs/one')}").json()


def test_a_run_page_has_its_command_and_what_differs(case: Case) -> None:
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    text = case.client.get(f"/runs/{run_id(case, 'runs/one')}").text
    assert "reskin train cyclegan --config runs/one/config.json --out runs/one" in commands_in(text)
    assert re.search(r"<dt>batch</dt><dd><b>4</b>\s*<span class=\"soft\">1<", text)
    assert "<dt>seed</dt>" not in text


def test_live_says_only_the_cursor_while_nothing_changes(case: Case) -> None:
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    name = run_id(case, "runs/one")
    first = case.client.get(f"/api/live?run={name}").json()
    assert first["run"]["step"] == 20 and first["run"]["samples"] == [20]
    again = case.client.get(f"/api/live?run={name}&since={first['cursor']}").json()
    assert again == {"cursor": first["cursor"]}
    write_json(case.root / "runs" / "one" / "samples" / "00000040.json", {"rows": [], "columns": 0})
    (case.root / "runs" / "one" / "samples" / "00000040.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    then = case.client.get(f"/api/live?run={name}&since={first['cursor']}").json()
    assert then["run"]["samples"] == [20, 40]


def test_a_run_that_waits_in_the_queue_is_not_offered_to_go_on(case: Case) -> None:
    """Its page offered it, and then said that the run was in the queue already."""
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    name = run_id(case, "runs/one")
    assert case.client.get(f"/api/live?run={name}").json()["run"]["waits"] is False
    case.studio.jobs.pause(True)
    assert case.post("/api/jobs", kind="more", run=name).status_code == 200
    assert case.client.get(f"/api/live?run={name}").json()["run"]["waits"] is True
    again = case.post("/api/jobs", kind="more", run=name)
    assert again.status_code == 400 and "in the queue already" in again.json()["error"]["what"]


def write_losses(path: Path, steps: range) -> None:
    for step in steps:
        append_line(path, {"step": step, "losses": {"cycle": float(step), "bad": float("nan")}})


def test_curves_follow_lines_and_files_that_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    follows = LossTail(path)
    assert follows.read("", 10)["training"] == {}
    write_losses(path, range(1, 4))
    first = follows.read("", 10)
    assert first["training"] == {"cycle": [[1, 2, 3], [1.0, 2.0, 3.0]]}
    assert follows.read(first["cursor"], 10) == {"cursor": first["cursor"]}
    with open(path, "ab") as file:  # a line that is being written
        file.write(b'{"step": 4, "losses": {"cy')
    assert follows.read(first["cursor"], 10) == {"cursor": first["cursor"]}
    with open(path, "ab") as file:
        file.write(b'cle": 4.0}}\n{damaged\n{"step": 5, "held_out": {"cycle": 9.0}}\n')
    then = follows.read(first["cursor"], 10)
    assert then["training"]["cycle"][0] == [1, 2, 3, 4] and then["held_out"] == {"cycle": [[5], [9.0]]}
    write_losses(tmp_path / "new", range(1, 3))  # training goes on from step 2: the file is replaced
    os.replace(tmp_path / "new", path)
    assert follows.read(then["cursor"], 10)["training"] == {"cycle": [[1, 2], [1.0, 2.0]]}
    path.unlink()
    assert follows.read("", 10)["training"] == {}


@pytest.mark.sweep
def test_thinned_curves_keep_their_extremes_and_are_small(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    rows = [{"step": n, "losses": {f"loss{k}": 0.123456789 + n for k in range(8)}} for n in range(1, 20_001)]
    rows[9_000]["losses"]["loss0"] = -7.0  # type: ignore[index]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    found = LossTail(path).read("", 300)
    steps, values = found["training"]["loss0"]
    assert min(values) == -7.0 and steps[-1] == 20_000 and len(steps) <= 301
    assert steps == sorted(set(steps)) and len(json.dumps(found)) < 60_000


def test_names_are_shown_as_text(case: Case) -> None:
    name = "<img src=x onerror=alert(1)>"
    make_run(case.root / "runs" / name, steps=20, grids=1, edge=8)
    append_line(
        case.root / "runs" / name / "health.jsonl",
        {"step": 20, "kind": "copy", "text": "</script><script>alert(1)", "advice": ""},
    )
    address = f"/runs/{run_id(case, f'runs/{name}')}"
    for path in ("/", address, "/train", f"/?q={name}"):
        text = case.client.get(path).text
        assert "<img src=x" not in text and "<script>alert" not in text, path


def test_samples_are_pictures_of_the_run_and_nothing_else(case: Case, tmp_path: Path) -> None:
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    samples = case.root / "runs" / "one" / "samples"
    address = f"/media/runs/{run_id(case, 'runs/one')}/samples"
    assert case.client.get(f"{address}/20").headers["content-type"] == "image/png"
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    (samples / "00000030.png").symlink_to(tmp_path / "secret.png")
    (samples / "00000040.png").write_text("<svg onload=alert(1)>")
    for step in ("30", "40", "50", "9" * 30):
        assert case.client.get(f"{address}/{step}").status_code == 404


def test_folders_behind_links_are_not_shown(case: Case, tmp_path: Path) -> None:
    make_run(tmp_path / "elsewhere" / "run", steps=20, grids=1, edge=8)
    (case.root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert case.studio.scan.cards() == []


def test_the_train_page_has_every_setting_with_its_help(case: Case) -> None:
    text = case.client.get("/train").text
    for name in ("crop_size", "flip", "batch", "minutes", "device", "norm", "layers"):
        assert f'name="{name}"' in text
    assert "8 or more" in text and 'value="2" data-default="2"' in text  # the method's own default
    assert 'value="2.0"' in case.client.get("/train?preset=fast").text
    assert case.client.get("/train?method=nothing").status_code == 404
    assert case.client.get("/train?preset=nothing").status_code == 404


def test_the_train_page_waits_for_the_methods(case: Case) -> None:
    case.studio.methods._known = {}
    assert "are being read" in case.client.get("/train").text


def test_commands_that_pages_propose_are_such() -> None:
    """One named the folder of a new dataset without --out."""
    said = [
        re.sub(r"\{\{.*?\}\}", "x", line)
        for file in sorted(HERE.glob("templates/*.html"))
        for line in re.findall(r"<code[^>]*>reskin (.*?)</code>", file.read_text(encoding="utf-8"))
    ]
    assert len(said) >= 6
    for line in said:
        words = shlex.split(line)
        if words[0] in FORMS or " ".join(words[:2]) in FORMS:
            assert fault(words) == "", line


def test_no_page_has_inline_script_or_style(case: Case) -> None:
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    for path in ("/", "/train", "/jobs", "/login", "/nothing", f"/runs/{run_id(case, 'runs/one')}"):
        text = case.client.get(path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), path
        assert all(
            "src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", text)
        ), path
        assert "http://" not in text and "https://" not in text, path
    for file in HERE.glob("static/*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", file.read_text(encoding="utf-8")
        )


def test_what_pages_and_scripts_load_is_served() -> None:
    wanted = set()
    for file in (*HERE.glob("templates/*.html"), *HERE.glob("static/*.js")):
        text = file.read_text(encoding="utf-8")
        wanted |= set(re.findall(r'"/static/([^"{]+)"', text)) | set(re.findall(r'from "\./([^"]+)"', text))
    assert {"players.js", "shell.css", "uPlot.esm.js"} <= wanted <= app.STATIC.keys()


def test_what_is_vendored_is_what_was_published() -> None:
    folder = HERE / "static" / "vendor" / "uplot"
    for name, digest in VENDORED.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "MIT" in (folder / "LICENSE").read_text()


def test_the_server_imports_no_torch() -> None:
    code = (
        "import sys, json; import reskin.web.studio.serve; from reskin.web.studio.scan import Scan; "
        "from pathlib import Path; Scan(Path('.')).cards(); "
        "print(json.dumps([n for n in ('torch', 'av', 'cv2', 'numpy') if n in sys.modules]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []


PAGES_ARE_LIGHT = """
import json, sys
from pathlib import Path
from starlette.testclient import TestClient
from reskin.web.studio.app import studio_app
from reskin.web.studio.session import Sessions
from reskin.web.studio.state import StateFolder
from reskin.web.studio.studio import Studio

root, base = Path("films"), "http://127.0.0.1:8765"
state = StateFolder(root.resolve())
state.make()
studio, sessions = Studio(state), Sessions(state.secret(), 8765, "k" * 43)
client = TestClient(studio_app(studio, sessions, 8765), base_url=base)
headers = {"origin": base, "content-type": "application/json"}
assert client.post("/login", headers=headers, json={"token": sessions.link()}).status_code == 200
run, other, study = (studio.scan.id(root.resolve() / name) for name in ("runs/one", "runs/two", "studies/x"))
pages = ["/", "/data", "/curate", "/train", "/compare", "/translate", "/jobs", "/doctor", "/api/live"]
pages += [f"/runs/{run}", f"/api/runs/{run}/curves?from=&points=9", f"/studies/{study}"]
for page in [*pages, f"/compare?show={run}&show={other}"]:
    assert client.get(page).status_code == 200, page
print(json.dumps([name for name in ("torch", "av", "cv2") if name in sys.modules]))
"""


@pytest.mark.sweep
def test_no_page_imports_torch(tmp_path: Path) -> None:
    """The page of a study did: 200 MB more, until the studio ended."""
    root = tmp_path / "films"
    for name in ("one", "two"):
        make_run(root / "runs" / name, steps=20, grids=1, edge=8)
    (root / "studies" / "x" / "cells" / "cut-1" / "0").mkdir(parents=True)
    facts = {"rows": [{"label": "cut", "folder": "cut-1"}], "seeds": 1, "length": {"steps": 10}}
    write_json(root / "studies" / "x" / "study.json", facts | {"a": "a", "b": "b"})
    done = subprocess.run(
        [sys.executable, "-c", PAGES_ARE_LIGHT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_a_fault_of_ours_says_a_number_and_no_trace(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("of /secret/path")

    monkeypatch.setattr(case.studio.scan, "cards", fails)
    answer = case.client.get("/")
    assert answer.status_code == 500 and re.search(r"error [0-9a-f]{8}", answer.text)
    assert "secret" not in answer.text and "content-security-policy" in answer.headers
