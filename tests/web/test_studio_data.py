"""Footage and datasets in the studio: files that are sent, forms of commands, renaming, putting away."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import ClientDisconnect
from tests.web.studio_case import BASE, Case

from reskin.cli.checking import fault
from reskin.cli.forms import FORMS, facts
from reskin.curation.prepare.images import ImagesConfig, prepare_images
from reskin.errors import SettingsError
from reskin.images import write_image
from reskin.storage import lock
from reskin.web.studio import scan, uploads
from reskin.web.studio.forms import flags, tool_fields
from reskin.web.studio.jobs import NewJob
from reskin.web.studio.orders import TOOLS
from reskin.web.studio.uploads import plain_name

OCTETS = {"origin": BASE, "content-type": "application/octet-stream"}


@pytest.fixture(autouse=True)
def nobody_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk of a machine that tests may be nearly full."""
    monkeypatch.setattr(uploads, "free_bytes", lambda folder: 10**12)


def send(case: Case, id: str, at: int, content: bytes) -> Any:
    return case.client.post(f"/api/uploads/{id}?at={at}", headers=OCTETS, content=content)


def test_a_file_that_is_cut_goes_on_where_it_was(case: Case) -> None:
    content = os.urandom(3000)
    begun = case.post("/api/uploads", name="new film.mp4", size=3000).json()
    assert begun["at"] == 0 and begun["name"] == "new film.mp4"
    assert send(case, begun["id"], 0, content[:1200]).json() == {"at": 1200, "made": ""}
    assert not (case.root / "footage").exists()
    elsewhere = send(case, begun["id"], 0, content)
    assert elsewhere.status_code == 409
    assert elsewhere.json()["error"]["what"] == "new film.mp4 goes on at 1200 bytes"
    again = case.post("/api/uploads", name="new film.mp4", size=3000).json()
    assert again == {**begun, "at": 1200}
    assert send(case, begun["id"], 1200, content[1200:]).json()["made"] == "footage/new film.mp4"
    assert (case.root / "footage" / "new film.mp4").read_bytes() == content
    assert list(case.studio.state.uploads.iterdir()) == []
    assert send(case, begun["id"], 3000, b"x").status_code == 400
    assert "footage/new film.mp4" in case.client.get("/data").text


def test_bytes_before_a_cut_are_kept(case: Case) -> None:
    begun = case.post("/api/uploads", name="a.mp4", size=30).json()

    async def cut() -> AsyncIterator[bytes]:
        yield bytes(10)
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        asyncio.run(case.studio.uploads.take(begun["id"], 0, cut()))
    assert case.post("/api/uploads", name="a.mp4", size=30).json()["at"] == 10
    assert send(case, begun["id"], 10, bytes(20)).json()["made"] == "footage/a.mp4"


def test_a_second_file_of_a_name_takes_nothing_from_the_first(case: Case) -> None:
    for number, content in enumerate((b"one", b"second")):
        begun = case.post("/api/uploads", name="a.mp4", size=len(content)).json()
        made = send(case, begun["id"], 0, content).json()["made"]
        assert made == ("footage/a.mp4", "footage/a-2.mp4")[number]
    assert (case.root / "footage" / "a.mp4").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("a.exe", 3, "neither a video nor a picture"),
        ("a.mp4", 0, "is empty"),
        ("a.mp4", -1, "is empty"),
        ("a.mp4", "3", "is empty"),
        ("a.mp4", True, "is empty"),
        ("..", 3, "no name for a file"),
        (".mp4", 3, "no name for a file"),
        ("nul.mp4", 3, "no name for a file"),
        (7, 3, "no name for a file"),
    ],
)
def test_files_that_are_not_taken(case: Case, name: Any, size: Any, said: str) -> None:
    answer = case.post("/api/uploads", name=name, size=size)
    assert answer.status_code == 400 and said in answer.json()["error"]["what"]
    assert list(case.studio.state.uploads.iterdir()) == []


@pytest.mark.parametrize("size", [uploads.MOST_BYTES + 1, 2**40, 10**30])
def test_more_than_is_taken_is_413_with_what_to_do(case: Case, size: int) -> None:
    answer = case.post("/api/uploads", name="a.mp4", size=size)
    assert answer.status_code == 413
    said = answer.json()["error"]
    assert (said["what"], said["fix"]) == ("a.mp4 is larger than 20 GiB", "Copy it into the folder yourself.")
    assert list(case.studio.state.uploads.iterdir()) == []


HOSTILE = [
    "../../x.mp4",
    "/etc/x.mp4",
    "a\\..\\x.mp4",
    "a\x00.mp4",
    "a\n.mp4",
    "-rf.mp4",
    "a\u202eb.mp4",
    "é" * 300 + ".mp4",
]


@pytest.mark.parametrize("name", [*HOSTILE, "<img src=x onerror=alert(1)>.mp4", "影片.mp4", "$(id).mp4"])
def test_names_stay_in_the_folder(name: str) -> None:
    kept = plain_name(name)
    assert re.fullmatch(r"\w[\w .-]*\.mp4", kept) and len(kept.encode()) <= 124 and ".." not in kept


def test_a_full_disk_is_said_and_what_was_sent_is_kept(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = case.post("/api/uploads", name="a.mp4", size=4).json()
    assert send(case, begun["id"], 0, b"ab").status_code == 200

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(uploads.os, "fsync", full)
        said = send(case, begun["id"], 2, b"cd").json()["error"]
        assert said["what"].startswith("no space left to write") and "free some space" in said["fix"]
    assert case.post("/api/uploads", name="a.mp4", size=4).json()["at"] == 4
    assert send(case, begun["id"], 4, b"").json()["made"] == "footage/a.mp4"
    monkeypatch.setattr(uploads, "free_bytes", lambda folder: 6 * 10**9)
    answer = case.post("/api/uploads", name="b.mp4", size=2 * 10**9)
    said = answer.json()["error"]
    assert answer.status_code == 413 and said["what"] == "b.mp4 needs 2.0 GB, and 5 GB stay free"
    assert list(case.studio.state.uploads.iterdir()) == []


def test_more_than_was_said_is_refused(case: Case) -> None:
    begun = case.post("/api/uploads", name="a.mp4", size=4).json()
    answer = send(case, begun["id"], 0, b"abcde")
    assert answer.status_code == 413 and "more was sent" in answer.json()["error"]["what"]
    assert send(case, begun["id"], 10**20, b"").status_code == 400
    too_much = case.client.post(f"/api/uploads/{begun['id']}?at=0", headers=OCTETS, content=bytes(9 * 2**20))
    assert too_much.status_code == 413


def test_footage_behind_a_link_is_not_written(case: Case, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (case.root / "footage").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    begun = case.post("/api/uploads", name="a.mp4", size=1).json()
    assert send(case, begun["id"], 0, b"x").status_code == 400
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_old_parts_are_swept_and_new_ones_are_not(case: Case) -> None:
    for name, age in (("old.mp4", uploads.KEPT_SECONDS + 60), ("new.mp4", 60)):
        begun = case.post("/api/uploads", name=name, size=4).json()
        folder = case.studio.state.uploads / begun["id"]
        at = folder.stat().st_mtime - age
        os.utime(folder, (at, at))
    case.studio.uploads.sweep()
    assert len(list(case.studio.state.uploads.iterdir())) == 1


def clip(case: Case, name: str) -> str:
    (case.root / name).parent.mkdir(exist_ok=True)
    (case.root / name).write_bytes(bytes(1000))
    case.studio.scan.forget()
    return case.set_id(name)


def test_forms_become_commands(case: Case) -> None:
    case.studio.jobs.pause(True)
    case.studio.checker.fault = lambda words: ""  # type: ignore[method-assign]
    chosen = [clip(case, "footage/a b.mp4"), clip(case, "-c.mp4")]
    asked = {"kind": "tool", "tool": "prepare frames", "chosen": chosen, "name": "film 2"}
    line = "reskin prepare frames 'footage/a b.mp4' ./-c.mp4 --out 'data/film 2' --every 9"
    assert (
        case.post("/api/commands", **asked, settings={"every": "9", "size": "256"}).json()["command"] == line
    )
    job = case.post("/api/jobs", **asked, settings={}).json()
    assert (job["kind"], job["title"], job["state"]) == ("prepare frames", "data/film 2", "waiting")
    film, game = case.set_id("data/film"), case.set_id("data/game")
    said = case.post(
        "/api/commands", kind="tool", tool="screen", chosen=[film, game], settings={"apply": "yes"}
    )
    assert said.json()["command"] == "reskin screen data/film data/game --apply"
    asked = {"kind": "tool", "tool": "inspect", "chosen": [film, game], "name": "both", "settings": {}}
    job = case.post("/api/jobs", **asked).json()
    assert job["command"] == "reskin inspect data/film data/game --out inspections/both.html"
    assert job["results"] == []
    (case.root / "inspections").mkdir()
    write_image(case.root / "inspections" / "both-film.png", np.zeros((8, 8, 3), np.uint8))
    (case.root / "inspections" / "both.html").write_text("<script>1</script>")
    found = case.studio.jobs.find(job["id"])
    assert found is not None
    case.end(found)
    answer = case.client.get(f"/media/jobs/{job['id']}/0")
    assert answer.text == "<script>1</script>"
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    case.studio.scan.forget()
    assert "inspections" not in {one.name for one in case.studio.scan.look().sets.values()}
    text = case.client.get(f"/data/{film}").text
    assert "Open inspections/both.html" in text and f"/media/jobs/{job['id']}/0" in text


@pytest.mark.parametrize(
    "given",
    [
        {"tool": "rm"},
        {"tool": "prepare frames", "chosen": []},
        {"tool": "prepare frames", "chosen": ["nothing"]},
        {"tool": "prepare frames", "chosen": "data/film"},
        {"tool": "split", "chosen": ["FILM", "GAME"]},
        {"tool": "screen", "chosen": ["FILM"], "settings": {"by_hand": "/etc/passwd"}},
        {"tool": "screen", "chosen": ["FILM"], "settings": []},
        {"tool": "inspect", "chosen": ["FILM"], "name": "../x"},
        {"tool": "inspect", "chosen": ["FILM"]},
    ],
    ids=str,
)
@pytest.mark.thinned(3)
def test_forms_that_say_nothing(case: Case, given: dict[str, Any]) -> None:
    ids = {"FILM": case.set_id("data/film"), "GAME": case.set_id("data/game")}
    if isinstance(given.get("chosen"), list):
        given = given | {"chosen": [ids.get(one, one) for one in given["chosen"]]}
    answer = case.post("/api/jobs", kind="tool", **given)
    assert answer.status_code == 400 and answer.json()["error"]["what"]
    assert case.studio.jobs.all() == []


def test_forms_have_the_settings_of_their_commands() -> None:
    for name in FORMS:
        found = facts(name)
        assert found["about"]
        for one in tool_fields(found):
            assert one.help and one.flag.startswith("--"), (name, one.name)
            if one.kind == "switch":
                words = flags([one], {one.name: "no" if one.default == "yes" else "yes"})
                assert len(words) == 1
    assert set(TOOLS) <= set(FORMS)
    assert not any("path" in str(of) for of in facts("translate")["schema"]["own"]["properties"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["screen", "data/film", "--dark", "2"], "--dark 2: Input should be less than or equal to 1"),
        (["screen"], "missing: FOLDER"),
        (["split", "data/film", "--by", "x"], "--by x: "),
        (["prepare", "frames", "a.mp4", "--out", "x", "--preset", "got_frames"], ""),
        (["prepare", "frames", "a.mp4", "--out", "x", "--preset", "got"], "got"),
        (["prepare", "images", "a", "--out", "x", "--size", "0"], "--size 0"),
        (["translate", "runs/a", "a.mp4", "b.mp4", "--steady", "7"], "--steady 7: "),
        (["inspect", "data/film", "--help"], "Help is shown in a terminal."),
    ],
    ids=str,
)
def test_what_a_command_would_refuse(words: list[str], said: str) -> None:
    assert fault(words).startswith(said) if not said or said != "got" else said in fault(words)
    assert said or fault(words) == ""


def test_renaming_and_putting_away_can_be_undone(case: Case) -> None:
    film = case.set_id("data/film")
    named = case.post(f"/api/own/{film}/rename", name="movie").json()
    assert named == {"id": case.set_id("data/movie"), "name": "data/movie"}
    assert (case.root / "data" / "movie" / "0.png").exists()
    assert (
        "is there already" in case.post(f"/api/own/{named['id']}/rename", name="game").json()["error"]["what"]
    )
    for name in ("", "../x", ".x", "a/b", None, "con"):
        assert case.post(f"/api/own/{named['id']}/rename", name=name).status_code == 400
    away = case.post(f"/api/own/{named['id']}/trash").json()
    assert away["name"] == "data/movie" and not (case.root / "data" / "movie").exists()
    assert "data/movie" in case.client.get("/data").text
    (case.root / "data" / "movie").mkdir()
    said = case.post(f"/api/trash/{away['id']}").json()["error"]
    assert said["what"] == "data/movie is there again"
    (case.root / "data" / "movie").rmdir()
    assert case.post(f"/api/trash/{away['id']}").json() == {"name": "data/movie"}
    assert (case.root / "data" / "movie" / "0.png").exists() and case.studio.trash.all() == []
    again = case.post(f"/api/own/{named['id']}/trash").json()["id"]
    note = case.studio.state.trash / again / "trash.json"
    note.write_text(note.read_text().replace("data/movie", "../movie"))
    assert "was changed" in case.post(f"/api/trash/{again}").json()["error"]["what"]
    note.write_text(note.read_text().replace("../movie", "data/movie"))
    assert case.post(f"/api/trash/{again}").status_code == 200
    assert case.post(f"/api/trash/{away['id']}").status_code == 400
    one = clip(case, "footage/a.mp4")
    assert case.post(f"/api/own/{one}/rename", name="b").json()["name"] == "footage/b.mp4"


def test_what_is_in_use_is_neither_renamed_nor_put_away(case: Case) -> None:
    film, game = case.set_id("data/film"), case.set_id("data/game")
    case.studio.jobs.pause(True)
    case.studio.jobs.add(NewJob("screen", "film", ("screen", "data/film"), "light"))
    said = case.post(f"/api/own/{film}/trash").json()["error"]["what"]
    assert said == "data/film is wanted by the job film"
    with lock(case.root / "data" / "game"):
        assert (
            "is in use by process" in case.post(f"/api/own/{game}/rename", name="x").json()["error"]["what"]
        )
    assert (case.root / "data" / "film").exists() and (case.root / "data" / "game").exists()


def test_a_disk_that_refuses_leaves_things_where_they_are(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("reskin.web.studio.trash.os.rename", elsewhere)
    assert "cross-device" in case.post(f"/api/own/{case.set_id('data/film')}/trash").json()["error"]["what"]
    assert (case.root / "data" / "film" / "0.png").exists()
    assert list(case.studio.state.trash.iterdir()) == []


def test_the_page_of_a_dataset_says_what_its_manifest_says(case: Case) -> None:
    for number in range(9):
        picture = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        write_image(case.root / "photos" / f"{number}.png", picture)
    config = ImagesConfig(size="16", ratio="4:1")
    prepare_images(case.root / "photos", case.root / "data" / "photos", config)
    text = case.client.get(f"/data/{case.set_id('data/photos')}").text
    tiles = re.findall(r"<dt[^>]*>([^<]+)</dt><dd>([^<]+)<", text)
    assert ("In use", "9") in tiles and ("Left out", "0") in tiles and int(dict(tiles)["train"]) > 4
    (case.root / "data" / "photos" / "manifest.json").write_text("{")
    assert "is no manifest of ours" in case.client.get(f"/data/{case.set_id('data/photos')}").text
    assert "it has no manifest" in case.client.get(f"/data/{case.set_id('data/film')}").text
    for path in (f"/data/{case.set_id('data/film')}?tool=x", "/data?tool=screen", "/data/nothing"):
        assert case.client.get(path).status_code == 404


def test_films_are_sent_in_ranges_and_other_files_are_saved(case: Case, tmp_path: Path) -> None:
    one = clip(case, "a.mp4")
    part = case.client.get(f"/media/clips/{one}", headers={"range": "bytes=10-19"})
    assert part.status_code == 206 and len(part.content) == 10
    assert part.headers["content-type"] == "video/mp4"
    odd = case.client.get(f"/media/clips/{clip(case, 'b.mkv')}")
    assert odd.headers["content-disposition"].startswith("attachment")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (case.root / "c.mp4").symlink_to(tmp_path / "secret.mp4")
    case.studio.scan.forget()
    assert case.client.get(f"/media/clips/{case.set_id('c.mp4')}").status_code == 404
    job = case.studio.jobs.add(NewJob("translate", "x", ("x",), "device", makes=("../secret.mp4",)))
    case.end(job)
    assert case.client.get(f"/media/jobs/{job.id}/0").status_code == 404


def test_two_pages_cannot_send_one_file_at_once(case: Case) -> None:
    begun = case.post("/api/uploads", name="a.mp4", size=4).json()
    case.studio.uploads._busy.add(begun["id"])
    answer = send(case, begun["id"], 0, b"ab")
    assert answer.status_code == 409 and "by another page" in answer.json()["error"]["what"]
    with pytest.raises(SettingsError):
        case.studio.uploads.find("../../..")


def test_a_folder_that_rests_is_counted_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, looks = case.root / "data" / "rests" / "train", []
    folder.mkdir(parents=True)
    (folder.parent / "manifest.json").write_text("{}")
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"")
    os.utime(folder, (1, 1))
    names = scan._names
    monkeypatch.setattr(scan, "_names", lambda of: looks.append(of) or names(of))

    def count() -> int:
        case.studio.scan.forget()
        return case.studio.scan.look().sets[case.set_id("data/rests")].pictures

    assert [count(), count(), count()] == [3, 3, 3] and looks.count(folder) == 1
    (folder / "new.png").write_bytes(b"")
    assert count() == 4
    (folder / "0.png").unlink()
    assert count() == 3 and looks.count(folder) == 3
