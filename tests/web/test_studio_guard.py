"""Nobody but whoever has the link: every route against forged hosts, origins, cookies, methods and bodies."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.support.finished_run import make_run
from tests.web.curate_case import index
from tests.web.studio_case import BASE, HOST, JSON, KEY, PORT, Case

from reskin.web.guard import HEADERS, Refused
from reskin.web.studio.app import PIECES, STATIC, routes_of
from reskin.web.studio.jobs import NewJob
from reskin.web.studio.session import SECONDS, Sessions

WRONG_HOSTS = [
    *("evil.com", f"evil.com:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1:{PORT}.evil.com"),
    *(f"127.0.0.1.evil.com:{PORT}", f"localhost.evil.com:{PORT}", f"0.0.0.0:{PORT}", f"127.1:{PORT}"),
    *(f"[::ffff:127.0.0.1]:{PORT}", f"2130706433:{PORT}", f"localhost:{PORT}@evil.com", ""),
    *(f"192.168.1.5:{PORT}", f"evil.localhost:{PORT}", f"localhost.:{PORT}"),
]
RIGHT_HOSTS = [HOST, f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"]
WRONG_ORIGINS = ["null", "http://evil.com", f"https://{HOST}", "http://127.0.0.1:9999", f"{BASE}.evil.com"]
FREE = {"/login", "/static/shell.js"}


@pytest.fixture
def full(tmp_path: Path) -> Case:
    """A studio with a run and a job."""
    made = Case(tmp_path / "films")
    make_run(made.root / "runs" / "one", steps=20, grids=1, edge=8)
    job = made.studio.jobs.add(NewJob("train", "one", ("--version",), "device", makes=("clip.mp4",)))
    made.end(job)
    made.studio.jobs.pause(True)
    (made.root / "clip.mp4").write_bytes(bytes(100))
    (made.root / "study" / "cells").mkdir(parents=True)
    (made.root / "study" / "study.json").write_text("{}")
    (made.root / "study" / "report.html").write_text("<p>")
    made.studio.trash.put(made.root / "data" / "game")
    made.studio.uploads.begin("new.mp4", 10)
    one = index(made, "data/film")
    made.log_in()
    for path in ("changes", "pack?ids=1"):  # the databases are open
        assert made.client.get(f"/api/sets/{one.files.id}/{path}").status_code == 200
    return made


def paths(case: Case) -> dict[str, list[tuple[str, bool]]]:
    """Method to addresses of every route, with an id that is there and one that is not."""
    values = {
        "run": (case.studio.scan.id(case.root / "runs" / "one"), "nothing"),
        "job": (case.studio.jobs.all()[0].id, "nothing"),
        "step:int": ("20", "999"),
        "name": ("shell.js", "..%2fapp.py"),
        "act": ("stop-now", "nothing"),
        "set": (case.set_id("data/film"), "nothing"),
        "clip": (case.set_id("clip.mp4"), "nothing"),
        "number:int": ("0", "9"),
        "item": (case.set_id("data/film"), "nothing"),
        "upload": (next(case.studio.state.uploads.iterdir()).name, "nothing"),
        "study": (case.set_id("study"), "nothing"),
        "deed": ("apply", "nothing"),
        "n:int": ("1", "999"),
    }
    found: dict[str, list[tuple[str, bool]]] = {"GET": [], "POST": []}
    for route in routes_of(case.studio, case.sessions):
        names = [name for name in values if "{" + name + "}" in route.path]
        for each in range(2 if names else 1):
            path = route.path
            for name in names:
                path = path.replace("{" + name + "}", values[name][each])
            path += "?ids=1" if path.endswith("/pack") else ""
            found["POST" if "POST" in (route.methods or ()) else "GET"].append((path, each == 0))
    return found


def headers_of(path: str) -> dict[str, str]:
    """What a page of ours sends to an address."""
    return JSON | {"content-type": "application/octet-stream"} if path.startswith(PIECES) else JSON


def digest(folder: Path) -> str:
    """Of every name and content below a folder, but for what SQLite shares between processes that read."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if not path.name.endswith("-shm")):
        found.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def signed(sessions: Sessions, at: float) -> str:
    return sessions._signed(f"{int(at)}.abc")


def test_every_route_is_known_to_this_test(full: Case) -> None:
    known = paths(full)
    assert len({path for path, is_there in known["GET"] if is_there}) == 27
    assert len({path for path, is_there in known["POST"] if is_there}) == 14


Sent = tuple[str, str, dict[str, str], str | None, set[int]]
"""Method, address, headers, value of the cookie, and the answers that are right."""


def forged_names(full: Case, right: str) -> Iterator[Sent]:
    """Other hosts, and methods that nothing here has."""
    known = paths(full)
    everything = [(verb, path) for verb in known for path, _ in known[verb]]
    for (verb, path), host in itertools.product(everything, WRONG_HOSTS):
        yield verb, path, headers_of(path) | {"host": host}, right, {403}
    for path in {path for _, path in everything}:
        for verb in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            yield verb, path, JSON, right, {405}


def forged_cookies(full: Case) -> Iterator[Sent]:
    """Cookies that are none of ours, or too old."""
    other, now = Sessions(b"x" * 32, PORT, KEY), time.time()
    cookies = {None, "1.abc.def", f"{int(now)}.abc", signed(other, now), full.sessions._signed("abc.def")}
    cookies |= {signed(full.sessions, now - SECONDS - 9), ""}
    known = paths(full)
    for (path, _), cookie in itertools.product(known["GET"], cookies):
        if path not in FREE and not path.startswith("/static/"):
            yield "GET", path, {}, cookie, {401, 303}
    for (path, _), cookie in itertools.product(known["POST"], cookies):
        if path != "/login":
            yield "POST", path, headers_of(path), cookie, {401}


def forged_pages(full: Case, right: str) -> Iterator[Sent]:
    """What a page of another site sends, with the cookie that the browser has."""
    known = paths(full)
    for path, _ in known["POST"]:
        for origin in WRONG_ORIGINS:
            yield "POST", path, JSON | {"origin": origin}, right, {403}
        for site in ("cross-site", "same-site", "none"):
            yield "POST", path, JSON | {"sec-fetch-site": site}, right, {403}
        yield "POST", path, {"content-type": headers_of(path)["content-type"]}, right, {403}
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            yield "POST", path, JSON | {"content-type": kind}, right, {415}
        yield "POST", path, headers_of(path) | {"content-length": "99999999"}, right, {413}
    for path, _ in known["GET"]:
        for site, mode in (("cross-site", "no-cors"), ("same-site", "cors"), ("cross-site", "navigate")):
            headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": "image"}
            yield "GET", path, headers, right, {403}


@pytest.mark.sweep
def test_some_forged_requests(full: Case) -> None:
    assert forge(full, each=19) > 80


@pytest.mark.sweep
def test_no_forged_request_is_let_through(full: Case) -> None:
    assert forge(full, each=1) > 1500


def forge(full: Case, *, each: int) -> int:
    """Send every so many-th of the forged requests, none of which may be let through; how many were sent."""
    stranger = TestClient(full.app, base_url=BASE, raise_server_exceptions=False)
    right = signed(full.sessions, time.time())
    before, count = digest(full.root), 0
    everything = [*forged_names(full, right), *forged_cookies(full), *forged_pages(full, right)]
    for verb, path, headers, cookie, wanted in everything[::each]:
        if cookie is not None:
            headers = headers | {"cookie": f"{full.sessions.name}={cookie}"}  # noqa: PLW2901
        answer = stranger.request(verb, path, headers=headers, content="{}", follow_redirects=False)
        assert answer.status_code in wanted, (verb, path, headers)
        assert HEADERS.items() <= dict(answer.headers).items()
        # With no-referrer a form of ours would be sent with Origin: null.
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers and "server" not in answer.headers
        assert str(full.root) not in answer.text and KEY not in answer.text and "Traceback" not in answer.text
        count += 1
    assert digest(full.root) == before
    return count


def test_two_hosts_in_one_request_are_refused(full: Case) -> None:
    answer = full.client.get("/", headers=[("host", HOST), ("host", "evil.com")])
    assert answer.status_code == 403


def test_right_requests_are_answered_and_reading_changes_nothing(full: Case) -> None:
    known, before = paths(full), digest(full.root)
    for host in RIGHT_HOSTS:
        assert full.client.get("/api/live", headers={"host": host}).status_code == 200
    for path, is_there in known["GET"]:
        for verb in ("GET", "HEAD"):
            answer = full.client.request(verb, path)
            assert answer.status_code == (200 if is_there else 404), (verb, path)
    assert digest(full.root) == before


BODIES = [
    "",
    "[1]",
    "null",
    '"x"',
    "{",
    "[" * 100_000,
    '{"kind": NaN}',
    '{"kind": 1, "kind": 2}',
    "\x00",
    "{}",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.thinned(3)
def test_bodies_that_say_nothing_are_refused(full: Case, body: str) -> None:
    for path in ("/api/commands", "/api/plan", "/api/jobs", "/api/queue"):
        answer = full.client.post(path, headers=JSON, content=body)
        assert answer.status_code in (400, 413), path
        assert answer.status_code == 413 or answer.json()["error"]["what"]


HOSTILE = [
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "a/../b",
        "%2e%2e%2f",
        "a\x00b",
        "x" * 300,
        "CON",
        "nul.txt",
    ),
    *(
        "<script>alert(1)</script>",
        "\u202eabc",
        "\ud800",
        " a",
        "a ",
        "a.",
        ".hidden",
        "-rf",
        "--help",
        "a\nb",
        "",
    ),
    *("$(id)", "`id`", "a;b", "a|b", "😀"),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.thinned(3)
def test_no_hostile_text_becomes_a_folder_or_a_setting(full: Case, text: str) -> None:
    sent = [full.form(name=text), full.form(a=text), full.form(method=text), full.form(preset=text or "x")]
    for values in (*sent, full.form(settings={text: "1"})):
        answer = full.client.post("/api/commands", headers=JSON, content=json.dumps(values))
        assert answer.status_code == 400, values


def test_a_link_works_once_and_five_wrong_ones_are_enough(case: Case) -> None:
    token = case.sessions.link()
    assert case.post("/login", token=token).status_code == 200
    assert [case.post("/login", token=token).status_code for _ in range(6)] == [401] * 5 + [429]
    said = TestClient(case.app, base_url=BASE).post("/login", headers=JSON, json={"token": "x"}).json()
    assert said["error"]["what"].startswith("Too many")
    with pytest.raises(Refused, match="Too many"):
        case.sessions.redeem(case.sessions.link())


def test_a_process_that_knows_the_key_gets_a_link(case: Case) -> None:
    headers = {"content-type": "application/json"}
    plain = TestClient(case.app, base_url=BASE)
    for given in ("", "Bearer ", "Bearer x", f"Basic {KEY}", KEY):
        sent = plain.post("/api/links", headers=headers | {"authorization": given}, content="{}")
        assert sent.status_code == 401
    sent = plain.post("/api/links", headers=headers | {"authorization": f"Bearer {KEY}"}, content="{}")
    assert plain.post("/login", headers=JSON, json={"token": sent.json()["token"]}).status_code == 200
    assert case.post("/api/links").status_code == 401  # a browser's cookie does not make links
    assert plain.post("/api/jobs", headers=headers | {"authorization": f"Bearer {KEY}"}).status_code == 403


def test_a_cookie_lasts_over_a_restart_and_only_on_its_port(case: Case) -> None:
    cookie = case.client.cookies[case.sessions.name]
    assert Sessions(case.studio.state.secret(), PORT, "other").is_signed(cookie)
    with pytest.MonkeyPatch.context() as patch:  # a clock that is set back logs nobody out
        patch.setattr("time.time", lambda: 1e9)
        assert case.sessions.is_signed(cookie)
        patch.setattr("time.time", lambda: 1e10)
        assert not case.sessions.is_signed(cookie)
    assert not Sessions(case.studio.state.secret(), PORT + 1, "other").is_signed(cookie)
    assert case.studio.state.folder.stat().st_mode & 0o077 == 0


def test_static_files_are_those_of_the_table(case: Case) -> None:
    for name in STATIC:
        assert case.client.get(f"/static/{name}").status_code == 200
    for name in ("app.py", "..%2f..%2fguard.py", "vendor", "studio.css/x", "uPlot.min.js"):
        assert case.client.get(f"/static/{name}").status_code == 404
