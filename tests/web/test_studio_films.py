"""Films through a run, comparisons, studies and the machine's check, as the studio shows them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.finished_run import make_run
from tests.web.curate_case import draw_set, index
from tests.web.studio_case import Case, commands_in

from reskin.runs.folder import RunFolder
from reskin.storage import write_json
from reskin.web.studio import film_pages
from reskin.web.studio.film_pages import differing, scores_of


@pytest.fixture
def ready(case: Case) -> Case:
    """A studio with two runs and a film, whose settings nobody refuses."""
    make_run(case.root / "runs" / "one", steps=20, grids=1, edge=8)
    make_run(case.root / "runs" / "two", steps=40, grids=1, edge=8)
    (case.root / "footage").mkdir()
    (case.root / "footage" / "clip.mp4").write_bytes(bytes(100))
    case.studio.jobs.pause(True)
    case.studio.checker.fault = lambda words: "" if "--steady" not in words or "9" not in words else "no."  # type: ignore[method-assign]
    return case


def film(case: Case, **more: Any) -> dict[str, Any]:
    chosen = {"run": case.set_id("runs/one"), "clip": case.set_id("footage/clip.mp4")}
    return chosen | {"kind": "film", "name": "new", "settings": {}} | more


def test_a_film_is_ordered_as_its_command_says(ready: Case) -> None:
    line = "reskin translate runs/one footage/clip.mp4 films/new.mp4 --steady off"
    asked = ready.post("/api/commands", **film(ready, settings={"steady": "off", "work_size": ""}))
    assert asked.json() == {"command": line, "fault": ""}
    job = ready.post("/api/jobs", **film(ready, settings={"steady": "off"})).json()
    assert (job["kind"], job["command"], job["results"]) == ("translate", line, [])
    found = ready.studio.jobs.find(job["id"])
    assert found is not None
    ready.end(found)
    (ready.root / "films").mkdir()
    (ready.root / "films" / "new.mp4").write_bytes(bytes(9))
    ready.studio.scan.forget()
    text = ready.client.get("/translate").text
    source, made = ready.set_id("footage/clip.mp4"), ready.set_id("films/new.mp4")
    assert f"/compare?show={source}&amp;show={made}" in text
    assert ready.client.get(f"/compare?show={source}&show={made}").status_code == 200
    assert ready.client.get(f"/media/jobs/{job['id']}/0").content == bytes(9)


def test_styles_and_masks_are_chosen_from_what_is_there(ready: Case) -> None:
    shutil.rmtree(ready.root / "data" / "film")
    draw_set(ready.root / "data" / "film", 3)
    one, path = index(ready), {"format": "path", "type": "string"}
    own = ready.studio.tools._known["translate"]["schema"]["film"]["properties"]
    own["style"] = {"type": "array", "items": path, "default": [], "description": "x", "typed": "--style"}
    own["mask"] = {"anyOf": [path, {"type": "null"}], "default": None, "typed": "--mask"}
    own["only"] = {"anyOf": [path, {"type": "null"}], "default": None, "typed": "--only"}
    text = ready.client.get("/translate").text
    assert 'class="pick-set"' in text and 'name="mask"' in text and 'name="only"' not in text
    first, last = (f"{one.files.id}:{number}" for number in (1, 3))
    clip = ready.set_id("footage/clip.mp4")
    asked = ready.post(
        "/api/commands", **film(ready, settings={"style": f"{first} {last} {first}", "mask": clip})
    )
    assert asked.status_code == 200, asked.text
    line = "--style data/film/train/00000.png data/film/train/00002.png --mask footage/clip.mp4"
    assert asked.json()["command"] == f"reskin translate runs/one footage/clip.mp4 films/new.mp4 {line}"
    folder = ready.post("/api/commands", **film(ready, settings={"mask": one.files.id})).json()["command"]
    assert folder.endswith("--mask data/film")
    for name, value in (
        *(
            ("style", text)
            for text in (f"{one.files.id}:4", f"{one.files.id}:-1", one.files.id, "x:1", ":", "a.png")
        ),
        *(("mask", text) for text in ("/etc/passwd", "../x", "data/film", "x")),
        *(("only", text) for text in (one.files.id, "/etc/passwd")),
    ):
        refused = ready.post("/api/commands", **film(ready, settings={name: value}))
        assert refused.status_code == 400, (name, value)


def test_previews_are_the_combinations_of_what_is_compared(ready: Case) -> None:
    vary = {"steady": "off 0.8 off", "work_size": " 128  full "}
    jobs = ready.post("/api/previews", **film(ready, start=1.5, vary=vary)).json()["jobs"]
    lines = [re.sub(r"previews/[0-9a-f]{16}", "previews/X", job["command"]) for job in jobs]
    first = "reskin translate runs/one footage/clip.mp4 .reskin/previews/X/0.mp4 --steady off --work-size 128"
    assert lines[0] == f"{first} --start 1.5 --seconds 3" and len(set(lines)) == 4
    assert [job["title"] for job in jobs][-1] == "steady 0.8, work_size full"
    assert len(ready.post("/api/previews", **film(ready, start=0)).json()["jobs"]) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"start": 0, "vary": {"steady": "1 2 3", "work_size": "1 2 3"}}, "9 previews are more than 6"),
        ({"start": -1}, "no time"),
        ({"start": "1"}, "no time"),
        ({"start": True}, "no time"),
        ({"start": float("nan")}, "no time"),
        ({"start": 1e300}, "no time"),
        ({"start": 0, "vary": {"steady": 3}}, "no object"),
        ({"start": 0, "vary": []}, "no object"),
        ({"start": 0, "vary": {"by_hand": "x"}}, "no setting"),
        ({"start": 0, "settings": []}, "no object"),
        ({"start": 0, "run": "nothing"}, "not there any more"),
        ({"start": 0, "clip": "nothing"}, "not there any more"),
        ({"start": 0, "vary": {"steady": "0 9"}}, "no"),
    ],
    ids=str,
)
@pytest.mark.thinned(3)
def test_previews_that_are_refused_queue_nothing(ready: Case, more: dict[str, Any], said: str) -> None:
    content = json.dumps(film(ready, **more))
    headers = {"origin": str(ready.client.base_url), "content-type": "application/json"}
    answer = ready.client.post("/api/previews", headers=headers, content=content)
    assert answer.status_code == 400 and said in answer.json()["error"]["what"]
    assert ready.studio.jobs.all() == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", None, "con", "x" * 81])
@pytest.mark.thinned(3)
def test_films_have_names_in_their_folder(ready: Case, name: Any) -> None:
    assert ready.post("/api/jobs", **film(ready, name=name)).status_code == 400


def test_runs_stand_beside_each_other(ready: Case) -> None:
    one, two = ready.root / "runs" / "one", ready.root / "runs" / "two"
    config = json.loads((two / "config.json").read_text())
    config["settings"]["train"]["batch"] = 9
    (two / "config.json").write_text(json.dumps(config))
    assert ("batch", ["4", "9"]) in differing([one, two])
    text = ready.client.get(f"/compare?show={ready.set_id('runs/one')}&show={ready.set_id('runs/two')}").text
    assert '<td lang="en">9</td>' in text and "PSNR" in text
    (two / "config.json").write_text("{")
    assert ("batch", ["4", "–"]) in differing([one, two])


def test_scores_have_their_intervals_and_say_what_is_not_alike(ready: Case) -> None:
    runs = [(name, ready.root / "runs" / name) for name in ("one", "two")]
    found = scores_of(runs)
    _, way, about, cells = next(line for line in found["lines"] if line[0] == "PSNR")
    assert way == "A → B" and "N = 60" in about and len(cells) == 2
    number, interval = cells[0]
    low, high = map(float, interval.split(" to "))
    assert low < float(number) < high
    (runs[1][1] / "scores.jsonl").unlink()
    found = scores_of(runs)
    assert found["notes"] == ["two has no scores: reskin evaluate two"]
    assert all(cells[1] == ("–", "") for *_, cells in found["lines"])
    rows = RunFolder(runs[0][1]).score_rows()
    scores = rows[-1]["scores"]
    for score in scores.values():
        score["count"] = 7
    write_line = {**rows[-1], "scores": scores}
    (runs[1][1] / "scores.jsonl").write_text(json.dumps(write_line) + "\n")
    assert any("not measured alike" in note for note in scores_of(runs)["notes"])


def test_what_to_compare_is_chosen(ready: Case) -> None:
    text = ready.client.get("/compare").text
    assert "runs/one" in text and "footage/clip.mp4" in text and "reskin compare --a" in text
    assert "Choose two to six" in ready.client.get(f"/compare?show={ready.set_id('runs/one')}").text
    assert ready.client.get("/compare?show=nothing").status_code == 404


def test_a_study_shows_its_tables_or_what_is_wrong(ready: Case) -> None:
    folder = ready.root / "studies" / "x"
    (folder / "cells" / "cut-1" / "0").mkdir(parents=True)
    facts = {
        "rows": [{"label": "cut", "folder": "cut-1"}],
        "seeds": 2,
        "length": {"steps": 10},
        "a": "a",
        "b": "b",
    }
    write_json(folder / "study.json", facts)
    address = f"/studies/{ready.set_id('studies/x')}"
    text = ready.client.get(address).text
    assert (
        "The best checkpoint of each run" in text
        and "reskin table studies/x" in commands_in(text)
        and "cut, seed 0" in text
    )
    assert ready.client.get(f"/media{address}").status_code == 404
    for damaged in (
        "{",
        "[]",
        '{"rows": 3}',
        '{"rows": [{"label": "a", "folder": "../../x"}], "seeds": "no"}',
    ):
        (folder / "study.json").write_text(damaged)
        answer = ready.client.get(address)
        assert answer.status_code == 200 and 'class="bad"' in answer.text, damaged
    assert "studies/x" in ready.client.get("/compare").text


def test_the_check_of_the_machine_is_asked_for(ready: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Not looked at yet" in ready.client.get("/doctor").text
    asked: list[Any] = []

    def answer(words: list[str], folder: Path, seconds: float, *, codes: Any) -> dict[str, Any]:
        asked.append((words, codes))
        finding = {"what": "disk", "state": "WARN", "text": "2 GB <free>", "fix": "Free some."}
        return {"reskin": "9", "findings": [finding]}

    monkeypatch.setattr(film_pages, "answer_of", answer)
    assert ready.post("/api/doctor").status_code == 200
    text = ready.client.get("/doctor").text
    assert "2 GB &lt;free&gt;" in text and "Free some." in text
    assert asked == [(["doctor", "--json"], (0, 2))]
