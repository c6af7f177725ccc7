"""What other sites try, and what names, pictures and logs may say, in a real Chromium: nothing acts."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.e2e.conftest import chromium_program
from tests.support.finished_run import make_run

from reskin.curation.thumbnails import folder_id
from reskin.storage import write_json

pytestmark = pytest.mark.e2e

ATTACK = """<!doctype html><meta charset="utf-8"><title>other</title><body><script>
addEventListener('securitypolicyviolation', (event) => console.log(event.violatedDirective));
const target = new URLSearchParams(location.search).get('at'), found = { read: [], shown: [], ran: false };
const addresses = ['/', '/api/live', '/jobs', '/media/clips/' + CLIP, '/static/shell.js'];
async function ask(path, options) {
  try {
    const answer = await fetch(target + path, { credentials: 'include', ...options });
    if (answer.type !== 'opaque') found.read.push([path, answer.status, (await answer.text()).slice(0, 40)]);
  } catch { /* as it should be */ }
}
function load(name, path) {
  return new Promise((done) => {
    const one = document.createElement(name);
    one.onload = () => { found.shown.push(path); done(); };
    one.onerror = done;
    if (name === 'video') { one.onloadeddata = one.onload; }
    one.src = target + path;
    document.body.append(one);
    setTimeout(done, 1500);
  });
}
async function all() {
  for (const path of addresses) {
    for (const mode of ['cors', 'no-cors']) await ask(path, { mode });
    for (const name of ['img', 'script', 'video']) await load(name, path);
  }
  const body = JSON.stringify({ kind: 'demo' });
  for (const path of ['/api/jobs', '/api/queue', '/api/uploads', '/login']) {
    for (const kind of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
      const headers = { 'content-type': kind };
      for (const mode of ['cors', 'no-cors']) await ask(path, { method: 'POST', mode, body, headers });
    }
    navigator.sendBeacon(target + path, body);
  }
  const socket = new WebSocket(target.replace('http', 'ws') + '/api/live');
  await new Promise((done) => {
    socket.onopen = () => { found.read.push('socket'); done(); };
    socket.onerror = done;
  });
  window.found = found;
}
all();
</script>"""
FORM = """<!doctype html><form method="post" action="TARGET/api/jobs" enctype="text/plain">
<input name='{"kind": "demo", "x": "' value='"}'></form><script>document.forms[0].submit();</script>"""


class Other:
    """Another site on this machine: its pages, and what it was told of where its visitors come from."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.referers: list[str] = []
        other = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                other.referers.append(self.headers.get("referer", ""))
                content = other.pages.get(self.path.partition("?")[0], "").encode()
                self.send_response(200 if content else 404)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def other() -> Iterator[Other]:
    """Another site."""
    made = Other()
    yield made
    made.server.shutdown()
    made.server.server_close()


def digest(root: Path) -> str:
    """Of all files that jobs, uploads and people may change; caches of what was asked may come."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(
            (".reskin/methods", ".reskin/tools", ".reskin/thumbs", ".reskin/asking")
        ):
            found.update(name.encode() + path.read_bytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_another_site_reads_and_changes_nothing(page: Any, server: Any, other: Other, name: str) -> None:
    """Of the same machine, whose pages a browser counts as the same site: the cookie is sent along."""
    page.goto(f"{server.base}/train")
    page.wait_for_selector("#train")
    clip = folder_id(server.root, server.root / "footage" / "film.mp4")
    other.pages["/"] = ATTACK.replace("CLIP", json.dumps(clip))
    other.pages["/form"] = FORM.replace("TARGET", server.base)
    other.pages["/frame"] = f"<!doctype html><iframe src='{server.base}/' width=900 height=600></iframe>"
    before = digest(server.root)
    page.goto(f"http://{name}:{other.port}/?at={server.base}")
    found = page.wait_for_function("() => window.found").json_value()
    assert found == {"read": [], "shown": [], "ran": False}
    page.goto(f"http://{name}:{other.port}/form")
    page.wait_for_url(f"{server.base}/api/jobs")
    assert "demo" not in page.content()
    page.goto(f"http://{name}:{other.port}/frame")
    page.wait_for_timeout(1000)
    assert len(page.frames) == 2 and page.frames[1].query_selector("#words, .rail") is None
    assert digest(server.root) == before and not list((server.root / ".reskin" / "jobs").iterdir())


def test_a_name_that_leads_here_is_refused(chromium: Any, server: Any) -> None:
    """DNS rebinding: a page of evil.test is loaded, and then its name is that of this machine."""
    rules = "--host-resolver-rules=MAP evil.test 127.0.0.1"
    browser = chromium.browser_type.launch(executable_path=chromium_program(), args=["--no-sandbox", rules])
    try:
        page = browser.new_page()
        port = server.base.rpartition(":")[2]
        for path in ("/", "/api/live", "/login", "/static/shell.js"):
            answer = page.goto(f"http://evil.test:{port}{path}")
            assert answer.status == 403 and "reskin-" not in json.dumps(dict(answer.headers)), path
    finally:
        browser.close()


def test_the_token_is_nowhere_but_in_the_link(chromium: Any, server: Any, other: Other) -> None:
    other.pages["/"] = "<!doctype html>other"
    token = server.link.partition("#")[2]
    context, seen = chromium.new_context(), []
    page = context.new_page()
    page.on("request", lambda one: seen.append(f"{one.url} {one.headers.get('referer', '')}"))
    page.goto(server.link)
    page.wait_for_url(f"{server.base}/")
    page.goto(f"{server.base}/jobs")
    page.evaluate(
        "(address) => { const one = document.createElement('a'); one.href = address;"
        " document.body.append(one); one.click(); }",
        f"http://127.0.0.1:{other.port}/",
    )
    page.wait_for_url(f"http://127.0.0.1:{other.port}/")
    assert seen and not [one for one in seen if token in one.partition("#")[0] + one.partition(" ")[2]]
    assert other.referers and not [text for text in other.referers if server.base in text]
    page.go_back(wait_until="commit")
    assert token not in page.url
    context.close()
    assert token not in (server.root.parent / "studio.log").read_text()


TAGS = [
    *(
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<script>alert(1)<",
        "<details open ontoggle=alert(1)>",
    ),
    *(
        "<body onload=alert(1)>",
        "<input autofocus onfocus=alert(1)>",
        "<iframe srcdoc='<img src=x onerror=alert(1)>'>",
    ),
    *("<style onload=alert(1)>", "<a href=javascript:alert(1) autofocus>x", "<marquee onstart=alert(1)>"),
]
EDGES = ["{}", '">{}', "'>{}", "--!>{}", "{{{{{}}}}}", "`${{alert(1)}}`{}"]
PAYLOADS = [edge.format(tag) for tag in TAGS for edge in EDGES]
"""Sixty texts that act where one is taken for markup; without a slash, so that each can be a name."""


def plant(root: Path) -> None:
    """Each payload as the name of a picture, set, film and run, in EXIF, health, notes, errors and logs."""
    pictures = root / "data" / "hostile"
    pictures.mkdir()
    exif = Image.Exif()
    for number, text in enumerate(PAYLOADS):
        exif[0x010E] = exif[0x013B] = text
        Image.new("RGB", (16, 16), (number, 90, 90)).save(pictures / f"{text}.jpg", exif=exif)
        own = root / "data" / text
        own.mkdir()
        shutil.copy(pictures / f"{text}.jpg", own / f"{text}.jpg")
        shutil.copy(root / "footage" / "film.mp4", root / "footage" / f"{text}.mp4")
        job = root / ".reskin" / "jobs" / f"{number:013d}-0000beef"
        job.mkdir(parents=True)
        values = {"kind": text, "title": text, "words": ["screen", text], "lane": "light", "cwd": str(root)}
        write_json(job / "job.json", values | {"made": 1.0, "run": "", "makes": [text]})
        write_json(job / "begun.json", {"runner": None, "runner_is": "", "at": 1.0})
        write_json(job / "end.json", {"code": (0, 2, 3)[number % 3], "at": 2.0})
        rows = [
            {"t": 1.0, "kind": "stage", "name": text, "at": 1, "of": 2},
            {"t": 1.0, "kind": "note", "level": "warning", "text": text},
            {"t": 1.0, "kind": "end", "code": 2, "error": {"what": text, "fix": text, "code": text}},
        ]
        (job / "progress.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (job / "log.txt").write_text(text)
        (job / "out.txt").write_text(text)
    first = make_run(root / "runs" / "hostile", steps=20, grids=1, edge=16)
    (first / "log.txt").write_text("\n".join(PAYLOADS))
    with open(first / "losses.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"step": 21, "losses": {text: 0.5 for text in PAYLOADS[:8]}}) + "\n")
    for text in PAYLOADS:
        shutil.copytree(first, root / "runs" / text)
        add_finding(root / "runs" / text, text)
    add_finding(first, " ".join(PAYLOADS))


def add_finding(run: Path, text: str) -> None:
    with open(run / "health.jsonl", "a", encoding="utf-8") as file:
        row = {"step": 20, "kind": "copy", "text": text, "advice": text, "is_over": False}
        file.write(json.dumps(row) + "\n")


def test_sixty_payloads_in_every_place_are_text(page: Any, server: Any) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    plant(server.root)
    page.goto(f"{server.base}/train")
    page.wait_for_selector("#train")
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds

    def of(name: str) -> str:
        return folder_id(server.root, server.root / name)

    text = PAYLOADS[0]
    job = next((server.root / ".reskin" / "jobs").iterdir()).name
    addresses = [
        *("/", "/data", "/train", "/jobs", "/compare", "/translate", "/curate", f"/jobs/{job}"),
        *(f"/runs/{of('runs/hostile')}", f"/runs/{of(f'runs/{text}')}", f"/data/{of('data/hostile')}"),
        *(f"/data/{of(f'data/{text}')}?tool=inspect", f"/curate/{of('data/hostile')}"),
        f"/compare?show={of('runs/hostile')}&show={of(f'runs/{text}')}",
        f"/compare?show={of('footage/film.mp4')}&show={of(f'footage/{text}.mp4')}",
    ]
    for address in addresses:
        page.goto(server.base + address)
        page.wait_for_selector("h1")
        page.wait_for_timeout(1000)
        if "/curate/" in address:
            page.wait_for_function("() => document.querySelectorAll('.cell:not(.blank)').length >= 12")
            for key in ("x", "k", "Enter", "ArrowRight", "Escape"):
                page.keyboard.press(key)
        # 400 is a form that says why the name of this dataset is none for a folder.
        complaints = [text for text in page.complaints if "status of 400" not in text]
        assert asked == [] and complaints == [], (address, asked, complaints)
        assert (
            page.evaluate(
                "() => document.querySelectorAll('main [onerror], main [onload], main svg[onload]').length"
            )
            == 0
        )
    page.goto(f"{server.base}/runs/{of('runs/hostile')}")
    page.wait_for_selector("#health li")
    assert page.text_content("#log") == "\n".join(PAYLOADS)
    assert " ".join(PAYLOADS) in page.text_content("#health")
