"""What a job has made is offered where it ends."""

from __future__ import annotations

from typing import Any

from tests.web.studio_case import Case

from reskin.web.studio.jobs import NewJob


def found_links(case: Case, new: NewJob, code: int = 0) -> list[dict[str, str]]:
    job = case.studio.jobs.add(new)
    case.end(job, code)
    case.studio.scan.forget()
    jobs: list[dict[str, Any]] = case.client.get("/api/live").json()["jobs"]
    found: list[dict[str, str]] = next(each["links"] for each in jobs if each["id"] == job.id)
    return found


def test_a_dataset_that_was_prepared_or_changed_is_one_click_away(case: Case) -> None:
    film = {"at": f"/data/{case.set_id('data/film')}", "name": "data/film"}
    words = ("prepare", "frames", "footage/a.mp4", "--out", "data/film")
    prepare = NewJob("prepare frames", "data/film", words, "light")
    assert found_links(case, prepare) == [film]
    assert found_links(case, prepare, 3) == [film]  # partly done
    assert found_links(case, prepare, 2) == []
    screen = NewJob("screen", "film", ("screen", "./data/film", "data/none", "--apply"), "light")
    assert found_links(case, screen) == [film]
    train = NewJob("train", "one", ("train", "cut", "--a", "data/film", "--out", "runs/one"), "device")
    assert found_links(case, train) == []


def test_a_film_stands_beside_what_it_was_made_of(case: Case) -> None:
    for name in ("footage/a.mp4", "films/b.mp4"):
        (case.root / name).parent.mkdir(exist_ok=True)
        (case.root / name).write_bytes(b"film")
    source, made = case.set_id("footage/a.mp4"), case.set_id("films/b.mp4")
    words = ("translate", "runs/one", "footage/a.mp4", "films/b.mp4")
    new = NewJob("translate", "films/b.mp4", words, "device", makes=("films/b.mp4",))
    assert found_links(case, new) == [
        {"at": f"/compare?show={source}&show={made}", "name": ""},
        {"at": f"/media/clips/{made}", "name": "films/b.mp4"},
    ]
    for link in found_links(case, new):
        assert case.client.get(link["at"]).status_code == 200
    (case.root / "footage" / "a.mp4").unlink()
    assert [link["name"] for link in found_links(case, new)] == ["films/b.mp4"]


def test_an_inspection_is_opened_from_its_job(case: Case) -> None:
    (case.root / "inspections").mkdir()
    (case.root / "inspections" / "both.html").write_text("<p>both</p>")
    makes = ("inspections/both.html",)
    words = ("inspect", "data/film", "data/game", "--out", *makes)
    found = found_links(case, NewJob("inspect", "inspections/both", words, "light", makes=makes))
    assert [link["name"] for link in found] == ["data/film", "data/game", *makes]
    assert case.client.get(found[-1]["at"]).text == "<p>both</p>"
