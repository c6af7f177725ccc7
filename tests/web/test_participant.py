"""The application that raters meet: what it lets through, and a whole part taken over HTTP."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient
from tests.support.blind_study import make_study

from reskin.evaluation.blind_study import answers as answers_module
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.evaluation.blind_study.results import read_results
from reskin.web.guard import HEADERS
from reskin.web.participant import app as served
from reskin.web.participant.app import Address, Study, catalogue, participant_app

HOST = "127.0.0.1:8770"
BASE = f"http://{HOST}"
JSON = {"origin": BASE, "content-type": "application/json"}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    plan = make_study(tmp_path, "real-or-fake", raters=2)
    store = AnswerStore(tmp_path / "study", create=True)
    store.invite(4)
    yield Study(tmp_path / "study", plan, store)
    store.close()


@pytest.fixture
def client(study: Study) -> TestClient:
    return TestClient(participant_app(study, Address((HOST,))), base_url=BASE)


def begin(client: TestClient, invite: str) -> dict[str, object]:
    answer = client.post(f"/s/{invite}/begin", headers=JSON, json={"language": "en", "consent": True})
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_whole_part_over_http(client: TestClient, study: Study) -> None:
    invite = study.store.invite(4)[0]
    assert client.get(f"/s/{invite}").status_code == 200
    state = begin(client, invite)
    trials = study.slots[0]
    for number, trial in enumerate(trials):
        choice = study.plan.right_choice(trial) or "first"
        sent = {
            "trial": number,
            "nonce": f"{number:016d}",
            "choice": choice,
            "rt": 700,
            "shown": [1000.0] * 2,
        }
        for _ in range(2):  # a retry changes nothing
            answer = client.post(f"/s/{invite}/answers", headers=JSON, json=sent)
            assert answer.status_code == 200
        assert answer.json() == ({"right": True} if trial.part == "practice" else {})
        other = client.post(f"/s/{invite}/answers", headers=JSON, json=sent | {"nonce": f"x{number:016d}"})
        assert other.status_code == 409
    done = client.get(f"/s/{invite}/state").json()
    assert done["finished"] and done["completion"] and len(state["trials"]) == len(trials)  # type: ignore[arg-type]
    assert state["example"] == {"trial": 0, "right": study.plan.right_choice(trials[0])}
    results = read_results(study.plan, study.store)
    assert results.finished == 1 and not results.excluded and len(results.counted.votes) == 6


@pytest.mark.sweep
def test_nothing_that_a_rater_gets_tells_conditions_apart(client: TestClient, study: Study) -> None:
    invites = study.store.invite(4)
    first = begin(client, invites[0])
    seen: dict[str, set[str]] = {}
    trials = first["trials"]
    assert isinstance(trials, list)
    for row in trials:
        for name in row["shown"]:
            answer = client.get(f"/s/{invites[0]}/stimuli/{name}")
            assert answer.status_code == 200
            for key, value in answer.headers.items():
                seen.setdefault(key, set()).add(value)
    assert all(len(values) == 1 for values in seen.values()), seen
    assert "last-modified" not in seen and "etag" not in seen
    names = {name for row in trials for name in row["shown"]}
    assert len(names) == 2 * len(trials) and all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    text = client.get(f"/s/{invites[0]}").text + json.dumps(first)
    assert not re.search(r"check|\bone\b|\btwo\b|p0\d|item-", re.sub(r'"words">.*?</script>', "", text))
    # The same slot of another rater has other names.
    assert study.stimulus_id(invites[0], 0, 0) != study.stimulus_id(invites[1], 0, 0)


def predicted(features: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Share right, out of ten parts, of a linear classifier by least squares and of the nearest neighbour."""
    part = np.random.default_rng(0).permutation(len(labels)) % 10
    hits = np.zeros((2, len(labels)), dtype=bool)
    spread = features.std(0)
    scaled = (features - features.mean(0)) / np.where(spread == 0, 1, spread)
    scaled = np.concatenate([scaled, np.ones((len(labels), 1))], axis=1)
    for number in range(10):
        test, train = part == number, part != number
        weights = np.linalg.lstsq(scaled[train], labels[train] - 0.5, rcond=None)[0]
        hits[0, test] = (scaled[test] @ weights > 0) == (labels[test] > 0.5)
        far = ((scaled[test][:, None] - scaled[train][None]) ** 2).sum(2)
        hits[1, test] = labels[train][far.argmin(1)] == labels[test]
    return float(hits.mean(1).max())


@pytest.mark.sweep
def test_no_classifier_tells_conditions_apart(tmp_path: Path) -> None:
    """From all that comes with 520 stimuli of two conditions: ids, headers, sizes, orders, sides."""
    plan = make_study(tmp_path, "preference", items=26, raters=10)
    store = AnswerStore(tmp_path / "study", create=True)
    store.fact("secret", "5a" * 32)  # the ids are the same in every run of this test
    with store._change() as base:  # and the invites
        base.executemany("INSERT INTO raters(invite) VALUES(?)", [(f"rater-{n}",) for n in range(10)])
    study = Study(tmp_path / "study", plan, store)
    features, labels, headers = [], [], set()
    for number in range(10):
        client = TestClient(participant_app(study, Address((HOST,))), base_url=BASE)
        state = begin(client, f"rater-{number}")
        trials = study.slots[number]
        for turn, (row, trial) in enumerate(zip(state["trials"], trials, strict=True)):  # type: ignore[call-overload]
            if trial.part == "practice" or trial.role != "item":
                continue
            for side, (name, stimulus) in enumerate(zip(row["shown"], plan.shown(trial)[1], strict=True)):
                answer = client.get(f"/s/rater-{number}/stimuli/{name}")
                headers.add(tuple(sorted(answer.headers.items())))
                rank = sorted(row["shown"]).index(name)
                place = [turn, side, rank, len(answer.content), len(answer.headers)]
                features.append([*bytes.fromhex(name), *place])
                labels.append(int(stimulus.rpartition("-")[2]))
    store.close()
    assert len(labels) == 520 and sum(labels) == 260 and len(headers) == 1
    assert predicted(np.array(features, dtype=np.float64), np.array(labels, dtype=np.float64)) <= 0.53
    # The same classifier finds a single feature that does tell.
    told = [[*row, label] for row, label in zip(features, labels, strict=True)]
    assert predicted(np.array(told, dtype=np.float64), np.array(labels, dtype=np.float64)) > 0.9


@pytest.mark.sweep
def test_a_browser_whose_answer_to_begin_was_lost_begins_again(client: TestClient, study: Study) -> None:
    invite = study.store.invite(4)[0]
    sent = {"language": "en", "consent": True, "key": "k" * 32}
    assert client.post(f"/s/{invite}/begin", headers=JSON, json=sent).status_code == 200
    anew = TestClient(client.app, base_url=BASE)  # the cookie never came
    for wrong in ({}, {"key": ""}, {"key": "other"}, {"key": None}, {"key": ["k" * 32]}):
        refused = anew.post(
            f"/s/{invite}/begin", headers=JSON, json={"language": "en", "consent": True} | wrong
        )
        assert refused.status_code == 409 and refused.json() == {"error": "elsewhere"}
        assert "set-cookie" not in refused.headers
    again = anew.post(f"/s/{invite}/begin", headers=JSON, json=sent)
    assert again.status_code == 200 and anew.get(f"/s/{invite}/state").status_code == 200
    rater = study.store.rater(invite)
    assert rater is not None and rater.deletion
    assert study.store.withdraw(invite, rater.deletion)
    assert anew.post(f"/s/{invite}/begin", headers=JSON, json=sent).status_code == 409


@pytest.mark.sweep
def test_another_browser_and_another_rater_are_kept_out(client: TestClient, study: Study) -> None:
    invites = study.store.invite(4)
    state = begin(client, invites[0])
    name = state["trials"][0]["shown"][0]  # type: ignore[index]
    other = TestClient(client.app, base_url=BASE)
    assert other.get(f"/s/{invites[0]}/state").status_code == 403
    assert other.get(f"/s/{invites[0]}/stimuli/{name}").status_code == 403
    assert 'data-state="elsewhere"' in other.get(f"/s/{invites[0]}").text
    again = other.post(f"/s/{invites[0]}/begin", headers=JSON, json={"language": "en", "consent": True})
    assert again.status_code == 409
    begin(other, invites[1])
    assert other.get(f"/s/{invites[1]}/stimuli/{name}").status_code == 404
    full = TestClient(client.app, base_url=BASE)
    third = full.post(f"/s/{invites[2]}/begin", headers=JSON, json={"language": "en", "consent": True})
    assert third.status_code == 409 and third.json() == {"error": "full"}


@pytest.mark.sweep
def test_a_rater_who_comes_back_after_a_month(
    client: TestClient, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goes on, where nobody took the slot; else the page says so, and the answers until then do not count."""
    now = time.time()
    monkeypatch.setattr(answers_module.time, "time", lambda: now)
    invites = study.store.invite(4)
    sent = {"trial": 0, "nonce": "n" * 16, "choice": "first", "rt": 700, "shown": [1000.0] * 2}
    begin(client, invites[0])
    other = TestClient(client.app, base_url=BASE)
    begin(other, invites[1])
    assert client.post(f"/s/{invites[0]}/answers", headers=JSON, json=sent).status_code == 200
    now += 30 * 24 * 3600
    assert 'data-state="begun"' in client.get(f"/s/{invites[0]}").text
    assert client.get(f"/s/{invites[0]}/state").json()["done"] == [0]
    again = sent | {"trial": 1, "nonce": "m" * 16}
    assert client.post(f"/s/{invites[0]}/answers", headers=JSON, json=again).status_code == 200
    begin(TestClient(client.app, base_url=BASE), invites[2])  # takes the slot of the second, who is away
    assert 'data-state="replaced"' in other.get(f"/s/{invites[1]}").text
    assert other.get(f"/s/{invites[1]}/state").status_code == 403
    assert other.post(f"/s/{invites[1]}/answers", headers=JSON, json=sent).status_code == 403
    assert other.post(
        f"/s/{invites[1]}/begin", headers=JSON, json={"language": "en", "consent": True}
    ).json() == {"error": "elsewhere"}
    client.cookies.clear()  # and one whose browser has forgotten everything
    assert 'data-state="elsewhere"' in client.get(f"/s/{invites[0]}").text


def test_withdrawing_over_http(client: TestClient, study: Study) -> None:
    invite = study.store.invite(4)[0]
    code = begin(client, invite)["deletion"]
    assert client.post(f"/s/{invite}/withdraw", headers=JSON, json={"code": "no"}).status_code == 403
    assert client.post(f"/s/{invite}/withdraw", headers=JSON, json={"code": code}).status_code == 200
    assert client.get(f"/s/{invite}/state").status_code == 403
    assert 'data-state="withdrawn"' in client.get(f"/s/{invite}").text


HOSTS = [
    *("evil.com", "evil.com:8770", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8770.evil.com", "0.0.0.0:8770"),
    *("127.0.0.1.evil.com:8770", "127.1:8770", "2130706433:8770", "localhost.:8770", "[::1]:8770", ""),
]
ROUTES = ["/s/{invite}", "/s/{invite}/state", "/s/{invite}/stimuli/{name}", "/static/study.js", "/", "/api"]
POSTS = ["/s/{invite}/begin", "/s/{invite}/answers", "/s/{invite}/withdraw"]


@pytest.mark.sweep
def test_requests_that_are_not_ours_change_and_read_nothing(client: TestClient, study: Study) -> None:
    invite = study.store.invite(4)[0]
    state = begin(client, invite)
    name = state["trials"][0]["shown"][0]  # type: ignore[index]
    paths = [route.format(invite=invite, name=name) for route in (*ROUTES, *POSTS)]
    before = study.store.raters(), study.store.answers(invite)
    answers = [client.request("GET", path, headers={"host": host}) for path in paths for host in HOSTS]
    answers += [
        client.request(verb, path) for path in paths for verb in ("PUT", "PATCH", "DELETE", "OPTIONS")
    ]
    answers += [
        client.get(path, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
        for path in paths
    ]
    body = json.dumps(
        {"trial": 0, "nonce": "n" * 16, "choice": "first", "rt": 1, "code": "A", "consent": True}
    )
    for path in paths:
        for headers in (
            {"content-type": "application/json"},
            {"content-type": "application/json", "origin": "null"},
            {"content-type": "application/json", "origin": "http://evil.com"},
            {"content-type": "application/json", "origin": "http://127.0.0.1:9999"},
            {"content-type": "application/json", "origin": f"https://{HOST}"},
            {"content-type": "application/json", "origin": BASE, "sec-fetch-site": "same-site"},
            {"content-type": "text/plain", "origin": BASE},
            {"content-type": "application/x-www-form-urlencoded", "origin": BASE},
            JSON | {"content-length": "99999999"},
        ):
            answers.append(client.post(path, headers=headers, content=body))
    # A POST without a cookie and without an origin comes from no browser: there it is not found, or not done.
    assert {answer.status_code for answer in answers} <= {403, 404, 405, 413, 415}
    elsewhere = [answer for answer in answers if answer.status_code == 404]
    assert {answer.request.url.path for answer in elsewhere} <= {"/", "/api"}
    assert all(HEADERS.items() <= dict(answer.headers).items() for answer in answers)
    assert (study.store.raters(), study.store.answers(invite)) == before


@pytest.mark.parametrize(
    "path", ["/", "/s", "/s/nobody", "/static/app.py", "/static/..%2fapp.py", "/runs", "/s/a/b/c"]
)
@pytest.mark.thinned(3)
def test_everything_else_is_not_there(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 and answer.text == "There is nothing here."


@pytest.mark.parametrize("body", ["", "[1]", "null", '"x"', "{", "[" * 100_000, '{"trial": 1e999}'])
@pytest.mark.thinned(3, first=1)
def test_bodies_that_are_no_answers_are_refused(client: TestClient, study: Study, body: str) -> None:
    invite = study.store.invite(4)[0]
    begin(client, invite)
    answer = client.post(f"/s/{invite}/answers", headers=JSON, content=body)
    assert answer.status_code in (400, 413)


def sentences() -> set[str]:
    """Every text of the script that is shown: arguments of t() and of closed(), and texts in tables."""
    script = (Path(served.__file__).parent / "static" / "study.js").read_text(encoding="utf-8")
    found = {ast.literal_eval(text) for text in re.findall(r'"(?:[^"\\\n]|\\.)*"', script)}
    return {text for text in found if re.match(r"[A-Z{✓✗]", text) and text not in NOT_SHOWN}


NOT_SHOWN = {"English", "Enter", "ArrowLeft", "ArrowRight", "ArrowDown", "POST"}


@pytest.mark.parametrize("language", ["zh-TW", "zh-CN"])
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    words = catalogue(language)
    assert set(words) == {text for text in sentences() if text.strip()} - {"DOMContentLoaded"}
    for english, text in words.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", text))
    only_here = {"zh-TW": "這個們說開點選張為時會", "zh-CN": "这个们说开点选张为时会"}
    other = only_here["zh-CN" if language == "zh-TW" else "zh-TW"]
    wrong = {c for c in "".join(words.values()) if c in other and c not in only_here[language]}
    assert not wrong
