"""The routes of curation: orders and packs of known pictures, what is applied, and what is refused."""

from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.web.curate_case import again, curated, draw_set, framed, index, numbers_of, verdicts_of
from tests.web.studio_case import Case

from reskin.curation.screen.config import ScreenConfig
from reskin.curation.screen.screen import screen_set
from reskin.curation.thumbnails import Thumbnail, ThumbnailKeeper, Thumbnails, path_for
from reskin.data.manifest import read_manifest, write_manifest
from reskin.image_formats import is_image_name
from reskin.images import write_image
from reskin.web.studio import curate_query, curate_sets
from reskin.web.studio.curate_index import build_index, main, screen_words
from reskin.web.studio.curate_pictures import ENDED, begun_by, make_thumbnail
from reskin.web.studio.curate_sets import CuratedSet, stamp_of_set

COUNT = 40


@pytest.fixture
def film(case: Case) -> CuratedSet:
    """A dataset of forty pictures, read, with thumbnails."""
    shutil.rmtree(case.root / "data" / "film")
    draw_set(case.root / "data" / "film", COUNT)
    return index(case)


def ask(case: Case, one: CuratedSet, path: str, **asked: Any) -> Any:
    return case.client.get(f"/api/sets/{one.files.id}/{path}", params=asked)


def ordered(case: Case, one: CuratedSet, **asked: Any) -> list[int]:
    answer = ask(case, one, "order", **asked)
    assert answer.status_code == 200, answer.text
    return numbers_of(answer.content)


def send(case: Case, one: CuratedSet, act: str, **values: Any) -> Any:
    known = ask(case, one, "changes").json()
    body = {"version": known["version"], "nonce": os.urandom(8).hex(), "since": known["revision"]} | values
    return case.post(f"/api/sets/{one.files.id}/{act}", **body)


def test_orders_are_those_worked_out_by_hand(case: Case, film: CuratedSet) -> None:
    names = list(range(1, COUNT + 1))  # number n is picture n - 1
    assert ordered(case, film) == names
    assert ordered(case, film, sort="blur") == names[::-1]  # blur falls with the number
    dark = sorted(names, key=lambda number: ((number - 1) * 3 % 5, number))
    assert ordered(case, film, sort="dark") == dark
    down = sorted(names, key=lambda number: (-((number - 1) * 3 % 5), number))
    assert ordered(case, film, sort="dark", way="down") == down
    assert ordered(case, film, sort="time") == [*names[::2], *names[1::2]]
    bits = [number - 1 if number <= 20 else number - 21 for number in names]
    like = sorted(names, key=lambda number: (abs(bits[number - 1] - 4), number))
    assert ordered(case, film, sort="like", of=5) == like


def test_filters_are_those_worked_out_by_hand(case: Case, film: CuratedSet) -> None:
    send(case, film, "decisions", verdict="drop", numbers=[1, 2])
    send(case, film, "decisions", verdict="keep", numbers=[3])
    assert ordered(case, film, show="drop") == [1, 2] and ordered(case, film, show="keep") == [3]
    assert ordered(case, film, show="undecided") == list(range(4, COUNT + 1))
    assert ordered(case, film, show="out") == ordered(case, film, show="out:dark") == list(range(1, 41, 5))
    assert len(ordered(case, film, show="used")) == 32
    assert ordered(case, film, split="val") == list(range(1, 41, 4))
    assert ordered(case, film, source="1") == list(range(2, 41, 2))
    assert ordered(case, film, q="/0001") == list(range(11, 21))
    assert ordered(case, film, q="%") == ordered(case, film, q="_") == ordered(case, film, q="\\") == []
    assert verdicts_of(ask(case, film, "order").content)[:4] == [2, 2, 1, 0]
    bins = framed(ask(case, film, "order", sort="blur").content)[0]
    assert sum(bins["bins"]) == COUNT and bins["low"] == 0.025 and bins["high"] == 1


@pytest.mark.sweep
def test_the_same_order_is_worked_out_once_and_anew_after_a_verdict(
    case: Case, film: CuratedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = curate_query._database
    monkeypatch.setattr(curate_query, "_database", lambda one: asked.append(1) or real(one))
    first = ask(case, film, "order", sort="blur").content
    assert ask(case, film, "order", sort="blur").content == first and len(asked) == 1
    send(case, film, "decisions", verdict="drop", numbers=[2])
    then = ask(case, film, "order", sort="blur").content
    assert len(asked) == 2 and sum(verdicts_of(then)) > sum(verdicts_of(first))
    assert ask(case, film, "order", sort="blur", way="down").content != then


def test_a_folder_that_rests_is_not_listed_at_each_question(
    case: Case, film: CuratedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing 100,000 names at each question made a large dataset open half as fast as a small one."""
    listed: list[str] = []
    names_in = curate_sets._folders_in
    monkeypatch.setattr(
        curate_sets, "_folders_in", lambda folder: (listed.append(folder.name), names_in(folder))[1]
    )
    for folder in (film.files.folder, film.files.folder / "train"):
        os.utime(folder, (1e9, 1e9))
    before = stamp_of_set(film.files.folder)
    film._listed.clear()
    listed.clear()
    for path in ("order", "changes", "order", "changes"):
        assert ask(case, film, path).status_code == 200
    assert listed == ["film", "train"]
    write_image(film.files.folder / "train" / "new.png", np.zeros((8, 8, 3), np.uint8))
    after = stamp_of_set(film.files.folder, film._listed)
    assert after != before and after == stamp_of_set(film.files.folder)


def test_orders_that_there_are_not_are_refused(case: Case, film: CuratedSet) -> None:
    for asked in (
        {"sort": "x"},
        {"show": "x"},
        {"source": "9"},
        {"sort": "like"},
        {"sort": "like", "of": "99"},
    ):
        answer = ask(case, film, "order", **asked)
        assert answer.status_code == 400 and answer.json()["error"]["fix"], asked
    for ids in ("", "x", "1,-1", "1," * 300, "9" * 20):
        assert ask(case, film, "pack", ids=ids).status_code == 400


def test_a_pack_brings_names_scores_and_thumbnails(case: Case, film: CuratedSet) -> None:
    head, rest = framed(ask(case, film, "pack", ids="1,2,999", sort="blur").content)
    first, second = head["pictures"]
    assert (first["name"], first["value"], first["out"]) == ("train/00000.png", 1.0, ["dark"])
    assert (second["name"], second["out"], second["state"]) == ("train/00001.png", [], "here")
    assert rest[:3] == b"\xff\xd8\xff" and len(rest) == first["size"] + second["size"]
    facts = ask(case, film, "pictures/2").json()
    assert facts["source_name"] == "two.mp4" and facts["at"] == 0.5 and facts["scores"]["dark"] == 0.6
    assert case.client.get(f"/media/sets/{film.files.id}/2").headers["content-type"] == "image/png"
    assert ask(case, film, "pictures/999").status_code == 404


@pytest.mark.sweep
def test_opening_a_large_set_costs_five_bytes_a_picture_and_as_many_packs(case: Case) -> None:
    """What a browser has to fetch does not grow with the set but for the order."""
    sizes = []
    for name, count in (("data/small", 40), ("data/large", 4000)):
        draw_set(case.root / name, 40)
        manifest = read_manifest(case.root / name)
        assert manifest is not None
        frame = manifest.frames[0]
        frames = [frame.model_copy(update={"file": f"train/{number}.png"}) for number in range(count)]
        more = manifest.model_copy(update={"frames": frames})
        write_manifest(case.root / name, more)
        one = index_only(case, name)
        content = ask(case, one, "order").content
        head, rest = framed(content)
        assert head["count"] == count and len(rest) == 5 * count
        sizes.append(len(content) - len(rest))
    assert sizes[1] - sizes[0] < 20


def index_only(case: Case, name: str) -> CuratedSet:
    one = CuratedSet(case.studio.curation._files(case.set_id(name), name, case.root / name))
    build_index(one.files.folder, one.files.index, one.verdicts)
    one.close()
    return curated(case, name)


def test_many_at_once_are_sent_as_bits(case: Case, film: CuratedSet) -> None:
    bits = base64.b64encode(bytes([0b10000101, 0b1])).decode()
    answer = send(case, film, "decisions", verdict="drop", bits=bits, **{"from": 3})
    assert answer.json()["edits"] == [[3, 2], [5, 2], [10, 2], [11, 2]]
    assert answer.json()["drop"] == 4


WRONG: list[dict[str, Any]] = [
    {"verdict": "maybe", "numbers": [1]},
    {"verdict": "drop"},
    {"verdict": "drop", "numbers": ["1"]},
    {"verdict": "drop", "numbers": [-1]},
    {"verdict": "drop", "numbers": [True]},
    {"verdict": "drop", "numbers": [1 << 40]},
    {"verdict": "drop", "bits": "!"},
    {"verdict": "drop", "bits": "", "from": 1},
    {"verdict": "drop", "bits": "AQ==", "from": "1"},
    {"verdict": "drop", "numbers": [999]},
    {"verdict": "drop", "numbers": [1], "nonce": ""},
    {"verdict": "drop", "numbers": [1], "nonce": "x" * 99},
    {"verdict": "drop", "numbers": [1], "version": 7},
]


@pytest.mark.parametrize("values", WRONG, ids=range(len(WRONG)))
@pytest.mark.thinned(4)
def test_changes_that_say_nothing_are_refused(case: Case, film: CuratedSet, values: dict[str, Any]) -> None:
    answer = send(case, film, "decisions", **values)
    assert answer.status_code == 400 and answer.json()["error"]["what"]
    assert film.verdicts.by_file() == {}


def test_a_page_of_other_numbers_is_told_to_load_again(case: Case, film: CuratedSet) -> None:
    assert send(case, film, "decisions", verdict="drop", numbers=[1], version="old").status_code == 409


def test_apply_writes_the_table_and_the_command_that_does_the_same(case: Case, film: CuratedSet) -> None:
    send(case, film, "decisions", verdict="drop", numbers=[2, 3])
    send(case, film, "decisions", verdict="keep", numbers=[1])
    job = send(case, film, "apply").json()
    table = f".reskin/sets/{film.files.id}.csv"
    assert job["command"].startswith(f"reskin screen data/film --by-hand {table} --apply --off dark bright")
    rows = list(csv.reader((case.root / table).read_text(encoding="utf-8").splitlines()))
    assert rows == [
        ["file", "verdict"],
        *(["train/00000.png", "keep"], ["train/00001.png", "drop"], ["train/00002.png", "drop"]),
    ]
    assert "already" in send(case, film, "apply").json()["error"]["what"]
    config = ScreenConfig(
        by_hand=case.root / table, off=("dark", "blur", "uniform", "small", "aspect", "duplicate")
    )
    screen_set(case.root / "data" / "film", config, apply=True)
    made = read_manifest(case.root / "data" / "film")
    assert made is not None
    assert {f.file: f.left_out for f in made.frames if f.left_out} == {
        "train/00001.png": ("dropped by hand",),
        "train/00002.png": ("dropped by hand",),
    }
    again(case)
    assert ask(case, film, "changes").json()["unapplied"] == 0
    for _ in range(2):
        send(case, film, "undo")
    assert ask(case, film, "changes").json()["unapplied"] == 3
    assert film.verdicts.by_file() == {}


@pytest.mark.sweep
def test_a_screening_keeps_the_thresholds_of_the_last_one(case: Case, film: CuratedSet) -> None:
    screen_set(
        case.root / "data" / "film",
        ScreenConfig(blur=0.05, off=("text", "small"), leave_out_overlay=True),
        apply=True,
    )
    made = read_manifest(case.root / "data" / "film")
    assert made is not None
    assert screen_words(made) == ["--blur", "0.05", "--leave-out-overlay", "--off", "text", "small"]


@pytest.mark.sweep
@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_odd_names_go_to_the_manifest_and_back(case: Case) -> None:
    shutil.rmtree(case.root / "data" / "film")
    names = [" a.png", "b\\c.png", 'd,"e".png', "f[1].png", "=1+1.png", "ü.png", os.fsdecode(b"\xff.png")]
    for number, name in enumerate(names):
        write_image(case.root / "data" / "film" / name, np.full((6, 8, 3), 30 * number, np.uint8))
    assert all(map(is_image_name, names))
    one = index(case)
    numbers = ordered(case, one)
    assert send(case, one, "decisions", verdict="drop", numbers=numbers).json()["drop"] == len(names)
    send(case, one, "apply")
    screen_set(case.root / "data" / "film", ScreenConfig(by_hand=one.files.table), apply=True)
    made = read_manifest(case.root / "data" / "film")
    assert made is not None and {frame.file for frame in made.frames} == set(names)
    assert all("dropped by hand" in (frame.left_out or ()) for frame in made.frames)
    again(case)
    assert ask(case, one, "changes").json()["unapplied"] == 0


@pytest.mark.sweep
def test_pictures_that_are_removed_changed_or_damaged_have_a_reason(case: Case, film: CuratedSet) -> None:
    folder, store = film.files.folder, Thumbnails(film.files.thumbnails)
    (folder / "train" / "00000.png").unlink()
    (folder / "train" / "00001.png").write_bytes(b"")
    make_thumbnail(folder, "train/00001.png", store)
    (folder / "train" / "00002.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
    (folder / "train" / "00003.png").unlink()
    (folder / "train" / "00003.png").symlink_to("/etc/hostname")
    store.close()
    asked: list[Any] = []
    case.studio.curation.makers.ask = lambda *words: asked.append(words[-1])  # type: ignore[method-assign]
    found = framed(ask(case, film, "pack", ids="1,2,3,4,5").content)[0]["pictures"]
    assert found[0]["state"] == "gone"
    assert "empty" in found[1]["state"] and str(folder) not in found[1]["state"]
    assert [one["state"] for one in found][2:] == ["waiting", "gone", "here"] and asked == [
        ["train/00002.png"]
    ]
    assert case.client.get(f"/media/sets/{film.files.id}/4").status_code == 404
    assert case.client.get(f"/media/sets/{film.files.id}/1").status_code == 404


@pytest.mark.sweep
def test_a_picture_that_ends_its_reader_twice_is_given_up(case: Case, film: CuratedSet) -> None:
    folder, store, file = film.files.folder, Thumbnails(film.files.thumbnails), "train/00000.png"
    stamp = store.get([file])[file].stamp
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store.put(file, Thumbnail(stamp, None, f"\0{dead.pid} 2"))
    assert begun_by(f"\0{dead.pid} 2") == (dead.pid, 2) and begun_by("\0x") is None
    assert framed(ask(case, film, "pack", ids="1").content)[0]["pictures"][0]["state"] == ENDED
    make_thumbnail(folder, file, store)
    assert store.get([file])[file].picture
    store.close()


@pytest.mark.sweep
def test_a_folder_that_goes_while_it_is_shown_keeps_its_verdicts(case: Case, film: CuratedSet) -> None:
    send(case, film, "decisions", verdict="drop", numbers=[1])
    known = ask(case, film, "changes").json()
    os.rename(film.files.folder, case.root / "elsewhere")
    body = {"version": known["version"], "nonce": "while-gone", "verdict": "drop", "numbers": [2]}
    later = case.post(f"/api/sets/{film.files.id}/decisions", **body)
    assert later.status_code == 507  # the page keeps it, and sends it again
    answer = ask(case, film, "changes")
    assert answer.status_code == 400 and "is not there any more" in answer.json()["error"]["what"]
    case.studio.scan._at = -10.0
    assert ask(case, film, "changes").status_code == 404
    os.rename(case.root / "elsewhere", film.files.folder)
    case.studio.scan._at = -10.0
    assert ask(case, film, "changes").json()["drop"] == 1


@pytest.mark.sweep
def test_a_dataset_that_is_renamed_keeps_its_verdicts(case: Case, film: CuratedSet) -> None:
    send(case, film, "decisions", verdict="drop", numbers=[1, 2])
    (case.root / ".reskin" / "sets" / f"{case.set_id('data/new')}.sqlite").write_bytes(b"of a folder before")
    answer = case.post(f"/api/own/{film.files.id}/rename", name="new")
    assert answer.status_code == 200, answer.text
    again(case, "data/new")
    assert curated(case, "data/new").verdicts.by_file() == {"train/00000.png": 2, "train/00001.png": 2}


@pytest.mark.sweep
def test_a_disk_that_is_full_is_said_and_nothing_is_acknowledged(
    case: Case, film: CuratedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ask(case, film, "changes").json()
    one = curated(case)
    one.verdicts.close()
    one.verdicts.most_pages = 1
    numbers = list(range(1, COUNT + 1))
    codes = []
    for number in range(200):
        body = {"version": known["version"], "nonce": f"nonce-{number:04d}", "verdict": "drop"}
        answer = case.post(f"/api/sets/{film.files.id}/decisions", numbers=numbers, **body)
        codes.append(answer.status_code)
        if answer.status_code != 200:
            break
    assert codes[-1] == 507 and "disk is full" in answer.json()["error"]["what"]
    one.verdicts.close()
    one.verdicts.most_pages = None
    assert ask(case, film, "changes").json()["revision"] == len(codes) - 1


def test_a_damaged_file_of_verdicts_is_said_with_what_to_do(case: Case, film: CuratedSet) -> None:
    curated(case).close()
    for name in ("-wal", "-shm"):
        Path(f"{film.files.verdicts}{name}").unlink(missing_ok=True)
    film.files.verdicts.write_bytes(b"nothing" * 2000)
    for answer in (ask(case, film, "changes"), ask(case, film, "order")):
        said = answer.json()["error"]
        assert answer.status_code == 400 and "damaged" in said["what"] and "Move it away" in said["fix"]
    assert film.files.verdicts.read_bytes().startswith(b"nothing")


def test_a_damaged_index_or_cache_is_made_anew(case: Case, film: CuratedSet) -> None:
    curated(case).close()
    film.files.index.write_bytes(b"nothing" * 2000)
    assert ask(case, film, "order").status_code == 400
    film.files.thumbnails.write_bytes(b"nothing" * 2000)
    for name in ("-wal", "-shm"):
        Path(f"{film.files.thumbnails}{name}").unlink(missing_ok=True)
    again(case)
    assert len(ordered(case, film)) == COUNT
    asked: list[Any] = []
    case.studio.curation.makers.ask = lambda *words: asked.append(words[-1])  # type: ignore[method-assign]
    assert framed(ask(case, film, "pack", ids="1").content)[0]["pictures"][0]["state"] == "waiting"
    assert asked == [["train/00000.png"]]


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
def test_thumbnails_that_are_removed_while_two_processes_use_them_are_made_anew(film: CuratedSet) -> None:
    """What the process that makes them put into the removed file, the page never saw: it waited for ever."""
    makes, shows = Thumbnails(film.files.thumbnails), Thumbnails(film.files.thumbnails)
    file = "train/00000.png"
    assert shows.get([file])
    film.files.thumbnails.unlink()
    assert shows.get([file]) == {}
    make_thumbnail(film.files.folder, file, makes)
    assert shows.get([file])[file].picture
    makes.close()
    shows.close()


def test_a_damaged_manifest_is_said_by_the_process_that_reads_it(
    film: CuratedSet, capsys: pytest.CaptureFixture[str]
) -> None:
    (film.files.folder / "manifest.json").write_text("{")
    files = film.files
    assert main([str(files.folder), str(files.index), str(files.verdicts), files.name]) == 2
    said = json.loads(capsys.readouterr().out)
    assert "manifest.json" in said["what"] and said["fix"]


def test_originals_stay_as_they_are(case: Case, film: CuratedSet) -> None:
    before = {path: path.read_bytes() for path in film.files.folder.rglob("*") if path.is_file()}
    ordered(case, film)
    ask(case, film, "pack", ids="1,2,3")
    send(case, film, "decisions", verdict="drop", numbers=[1])
    send(case, film, "apply")
    assert {path: path.read_bytes() for path in film.files.folder.rglob("*") if path.is_file()} == before


def test_commands_keep_thumbnails_where_a_studio_is(case: Case, tmp_path: Path) -> None:
    folder = case.root / "data" / "film"
    write_image(folder / "0.png", np.full((200, 300, 3), 90, np.uint8))
    screen_set(folder, ScreenConfig())
    path = path_for(folder)
    assert path == case.root / ".reskin" / "thumbs" / f"{case.set_id('data/film')}.sqlite"
    store = Thumbnails(path)
    found = store.get(["0.png", "none.png"])
    assert found.keys() == {"0.png"}
    picture = found["0.png"].picture
    assert picture is not None and Image.open(BytesIO(picture)).size == (128, 85)
    store.close()
    outside = tmp_path / "outside"
    write_image(outside / "0.png", np.zeros((8, 8, 3), np.uint8))
    with ThumbnailKeeper() as keeper:
        keeper.keep(outside, "0.png", np.zeros((8, 8, 3), np.uint8))
    assert path_for(outside) is None and sorted(p.name for p in outside.iterdir()) == ["0.png"]


def test_thumbnails_that_cannot_be_kept_cost_no_command_anything(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Thumbnails, "put", fails)
    assert not screen_set(case.root / "data" / "film", ScreenConfig()).domains[0].faults
