"""Every command over folders in which each file that it reads is replaced by what does not belong there.

A dataset, a run or a model is something that people pass on. Whatever lies in it: nothing outside is changed
or read into what is made, the command ends in one line and does not wait, and there is no trace.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tests.support.finished_folders import (
    Kept,
    draw_sources,
    interrupted_words,
    make_asked,
    make_datasets,
    make_given,
    make_made,
    make_runs,
    make_stopped,
    make_unfinished,
    make_words,
    see_drawn_faces,
    stopped_words,
    study_words,
    train_words,
)

from reskin.cli.main import main
from reskin.images import read_image, write_image
from reskin.storage import read_lines

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs pipes, alarms and /proc")

SECRET = "sentinel-of-somebody-else"
SECRET_COLOUR = (255, 0, 255)
SECONDS = 20
"""Of work, or of waiting in which next to none is done, until a command counts as stuck."""
BIG = 10**30
CLIMBING = "../outside/secret.png"
VALUES: list[Any] = [None, [], {}, "", CLIMBING, "/dev/zero", -1, BIG, float("nan"), 1e308, [[[]]], True]
KINDS = ("link", "fifo", "folder", "empty", "bytes", "deep")

Words = list[str]


class Folders(Kept):
    """The folders of `finished_folders`, as good as new before every case; `outside` beside them."""

    def __init__(self, folder: Path, *more: Callable[[Path], None]) -> None:
        super().__init__(folder, draw_sources, make_datasets, make_unfinished, *more)
        self.outside = folder / "outside"
        self.outside.mkdir()
        write_image(self.outside / "secret.png", np.full((48, 48, 3), SECRET_COLOUR, np.uint8))
        for name in ("secret.json", "secret.jsonl", "secret.txt"):
            (self.outside / name).write_text(json.dumps({"step": 1, "losses": {SECRET: 1.0}, SECRET: SECRET}))
        self.listing = contents(self.outside)
        self.sound: dict[str, str] = {}

    def secret(self, like: str) -> Path:
        """The file outside that is most like one of this name."""
        suffix = Path(like).suffix
        return self.outside / f"secret{suffix if suffix in ('.png', '.json', '.jsonl') else '.txt'}"


def contents(folder: Path) -> dict[str, str]:
    """The digest of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def commands(base: Path) -> dict[str, dict[str, Words]]:
    """For each folder below `base` the commands that read it, by a name."""
    a, b, grade, munit = (str(base / name) for name in ("a", "b", "grade", "munit"))
    new, picture, cpu = str(base / "new"), str(base / "pictures" / "0.png"), ["--device", "cpu"]
    pictures, film = str(base / "pictures"), str(base / "film.mp4")
    frames, clips = str(base / "frames"), str(base / "clips")
    measured = ["--metrics", "cycle_l1", *cpu]
    resumed = {method: train_words(base, method, steps=2) for method in ("grade", "munit", "fast_style")}
    found: dict[str, dict[str, Words]] = {
        "a": {
            "screen": ["screen", a, b],
            "screen-apply": ["screen", a, b, "--apply"],
            "screen-undo": ["screen", a, "--undo"],
            "split": ["split", a, "--again", "--by", "random", "--seed", "3"],
            "balance": ["balance", a, "--by", "brightness", "--above", "0.5", "--ratio", "1:1"],
            "balance-undo": ["balance", a, "--undo"],
            "inspect": ["inspect", a, b, "--out", f"{new}.html"],
            "images": ["prepare", "images", pictures, "--out", a, "--ratio", "2:1"],
            "train": [*resumed["grade"][:-4], *cpu, "--out", new],
            "evaluate": ["evaluate", grade, "--a", a, "--b", b, *measured],
            "translate": ["translate", grade, a, new, *cpu],
            "export": ["export", grade, f"{new}.cube", "--on", a, "--size", "3"],
            "grid": ["grid", munit, "--content", a, "--styles", "1", "--out", f"{new}.png", *cpu],
            "stylize": ["stylize", a, "--model", str(base / "fast_style"), "--out", new, *cpu],
            "runs": ["runs", str(base)],
        },
        "frames": {
            "frames": ["prepare", "frames", film, "--out", frames, "--every", "2"],
            "split": ["split", frames, "--again", "--by", "random"],
            "inspect": ["inspect", frames, "--out", f"{new}.html"],
        },
        "clips": {
            "clips": ["prepare", "clips", film, "--out", clips, "--count", "2"],
            "screen": ["screen", clips],
        },
        "grade": {
            "train": resumed["grade"],
            "train-on": train_words(base, "grade", steps=2)[:-2],
            "translate": ["translate", grade, picture, f"{new}.png", *cpu],
            "translate-folder": ["translate", grade, pictures, new, *cpu],
            "translate-video": ["translate", grade, film, f"{new}.mp4", *cpu],
            "evaluate": ["evaluate", grade, "--a", a, "--b", b, *measured],
            "report": ["report", grade],
            "runs": ["runs", str(base)],
            "export": ["export", grade, f"{new}.cube", "--on", film, "--size", "3"],
        },
        "munit": {
            "grid": ["grid", munit, "--content", picture, "--styles", "1", "--out", f"{new}.png", *cpu],
            "interpolate": [
                *("interpolate", munit, picture, "--from", picture, "--to", picture),
                *("--out", f"{new}.mp4", "--frames", "2", *cpu),
            ],
            "styles": ["translate", munit, picture, f"{new}.png", "--styles", "2", *cpu],
        },
        "fast_style": {
            "stylize": ["stylize", picture, "--model", str(base / "fast_style"), "--out", f"{new}.png", *cpu]
        },
        "translated": {"translate": ["translate", grade, pictures, str(base / "translated"), *cpu]},
        "made": {"make": make_words(base), "runs": ["runs", str(base / "made")]},
    }
    study = str(base / "asked" / "study")
    found["asked/study"] = {
        "plan": ["study", "plan", study],
        "results": ["study", "results", study, "--csv", "--html"],
    }
    asked = {name: [str(word) for word in words] for name, words in study_words(base).items()}
    found["asked/one"] = {"study-new": asked["study-new"]}
    found["labelled"] = {"segmenter": asked["segmenter"]}
    found["domains"] = {"compare": asked["compare"]}
    compared = asked["compare"]
    found["compared"] = {
        "table": ["table", str(base / "compared"), "--format", "html"],
        "compare": [str(base / "compared") if word == new else word for word in compared],
    }
    found["segmenter"] = {
        "evaluate": [
            *("evaluate", grade, "--a", str(base / "labelled" / "labels"), "--b", b, "--metrics", "fcn"),
            *("--palette", "street", "--segmenter", str(base / "segmenter"), *cpu),
        ]
    }
    found["imported"] = {
        "translate": ["translate", str(base / "imported"), picture, f"{new}.png", *cpu],
        "import": ["import", str(base / "given" / "latest_net_G.pth"), "--out", str(base / "imported")],
    }
    given = str(base / "given" / "maps.tar.gz")
    found["cache"] = {"download": ["download", "pix2pix-maps", "--from", given, "--out", new]}
    weights = str(base / "given" / "latest_net_G.pth")
    found["given"] = {"download": found["cache"]["download"], "import": ["import", weights, "--out", new]}
    for name, words in (interrupted_words(base) | stopped_words(base)).items():
        found[name] = {"again": [str(word) for word in words]}
    found["half-split"]["screen"] = ["screen", str(base / "half-split")]
    return found


def files_of(folder: Path) -> list[str]:
    """One file of each sort in a folder: of pictures that lie together only the first."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            sort = (os.path.dirname(name), "" if path.suffix in (".png", ".jpg") else name)
            found.setdefault(sort, name)
    return [*found.values(), ".lock", ".moves.json"]


def replace(folders: Folders, file: Path, kind: str) -> None:
    """Put what is no such file in its place."""
    if file.exists():
        file.unlink()
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        file.symlink_to(folders.secret(file.name))
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        content = {"bytes": np.random.default_rng(0).bytes(300), "deep": b"[" * 100_000, "empty": b""}
        file.write_bytes(content[kind])


def spots(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values in a JSON value are; of a list only the first item, which stands for all."""
    yield path
    if isinstance(values, dict):
        for key in values:
            yield from spots(values[key], (*path, key))
    elif isinstance(values, list) and values:
        yield from spots(values[0], (*path, 0))


def changed(values: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The JSON value with another one in one spot."""
    if not path:
        return value
    result = copy.copy(values)
    result[path[0]] = changed(values[path[0]], path[1:], value)
    return result


def is_json(name: str) -> bool:
    """Whether a file holds JSON, or lines of it."""
    return name.endswith((".json", ".jsonl"))


class Stuck(BaseException):
    """The command waits for something that never comes, or takes for ever."""


def attempt(folders: Folders, words: Words, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command; what was wrong about it, "" for nothing."""

    capsys.readouterr()  # what the sound command said
    began = last = time.process_time()
    waited = 0

    def look(number: int, frame: FrameType | None) -> None:
        nonlocal last, waited
        now = time.process_time()
        waited = 0 if now - last > 0.01 else waited + 1
        last = now
        if waited < SECONDS and now - began < SECONDS:
            return
        for path in folders.base.rglob("*"):  # threads that wait for a pipe would wait for ever
            if path.is_fifo():
                os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        raise Stuck

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        code = main(list(words))
    except Stuck:
        return "it waits, or takes too long"
    except SystemExit as done:
        return f"SystemExit {done.code}"
    except BaseException as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        at = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where else "?"
        return f"{type(error).__name__}: {str(error)[:100]} at {at}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("reskin: ")]
    if code not in (0, 2, 3) or (code == 2 and len(lines) != 1):
        return f"exit code {code}, {len(lines)} lines: {said.err[-200:]}"
    if SECRET in said.out + said.err or (leak := leaks(folders)):
        return f"what lies outside is read into {leak if SECRET not in said.out + said.err else 'messages'}"
    return "" if contents(folders.outside) == folders.listing else "what lies outside was changed"


def leaks(folders: Folders) -> str:
    """The first file that holds what only a file outside holds."""
    for path in sorted(folders.base.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        kept = folders.kept / path.relative_to(folders.base)
        content = path.read_bytes()
        if kept.is_file() and kept.read_bytes() == content:
            continue
        name = str(path.relative_to(folders.base))
        if (
            folders.sound.get(name) == hashlib.sha256(content).hexdigest()
        ):  # it may have that colour by itself
            continue
        if SECRET.encode() in content:
            return path.name
        if path.suffix == ".png" and len(content) > 300 and is_secret(path):
            return path.name
    return ""


def is_secret(path: Path) -> bool:
    """Whether a picture shows the one outside."""
    try:
        picture = read_image(path)
    except Exception:
        return False
    return bool((np.abs(picture.astype(int) - SECRET_COLOUR).max(axis=2) < 3).mean() > 0.01)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESKIN_CACHE", str(folder / "base" / "cache"))
        see_drawn_faces(patch)
        yield Folders(folder, make_runs, make_made, make_given, make_asked, make_stopped)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folders]:
    """Without what takes long to make."""
    with pytest.MonkeyPatch.context() as patch:
        see_drawn_faces(patch)
        yield Folders(tmp_path_factory.mktemp("hostile-few"))


def replaced(
    folders: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str], *, most: int = 10**6
) -> list[str]:
    """Each file of a folder replaced in each way, or `most` of these cases; what was wrong."""
    words = commands(folders.base)[folder][command]
    folders.renew()
    assert main(list(words)) in (0, 3)  # sound as it is: else nothing below says anything
    folders.sound = contents(folders.base)
    wrong = []
    cases = [(name, kind) for name in files_of(folders.kept / folder) for kind in KINDS]
    for name, kind in random.Random(0).sample(cases, min(most, len(cases))):
        folders.renew()
        replace(folders, folders.base / folder / name, kind)
        if fault := attempt(folders, words, capsys):
            wrong.append(f"{folder}/{name} {kind}, {command}: {fault}")
    return wrong


def mistyped(
    folders: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str], *, most: int
) -> list[str]:
    """Each value in the JSON files of a folder replaced by each of `VALUES`, or `most` of these cases."""
    words = commands(folders.base)[folder][command]
    folders.renew()
    assert main(list(words)) in (0, 3)
    folders.sound = contents(folders.base)
    wrong = []
    cases = [
        (name, spot, value)
        for name in files_of(folders.kept / folder)
        if is_json(name) and (folders.kept / folder / name).exists()
        for spot in spots(parsed(folders.kept / folder / name))
        for value in VALUES
    ]
    for name, spot, value in random.Random(0).sample(cases, min(most, len(cases))):
        folders.renew()
        file = folders.base / folder / name
        rows = changed(parsed(folders.kept / folder / name), spot, value)
        many = name.endswith(".jsonl") and isinstance(rows, list)
        file.write_text("\n".join(map(json.dumps, rows)) if many else json.dumps(rows))
        if fault := attempt(folders, words, capsys):
            wrong.append(f"{folder}/{name} {spot} = {value!r}, {command}: {fault}")
    return wrong


def parsed(file: Path) -> Any:
    """The JSON in a file; of lines a list."""
    return read_lines(file) if file.suffix == ".jsonl" else json.loads(file.read_text())


CASES = [(folder, name) for folder, named in commands(Path()).items() for name in named]
NO_JSON = ("asked/one", "labelled", "domains", "given")
"""Folders of pictures and weights alone."""
FEW = [("a", "screen-apply"), ("half-images", "again"), ("half-faces", "again"), ("half-split", "again")]


@pytest.mark.parametrize(("folder", "command"), FEW)
@pytest.mark.sweep
def test_files_of_another_kind(
    datasets: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replaced(datasets, folder, command, capsys, most=4) == []


@pytest.mark.parametrize(("folder", "command"), FEW)
@pytest.mark.thinned(4, first=2)
def test_values_of_another_kind(
    datasets: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mistyped(datasets, folder, command, capsys, most=4) == []


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "command"), CASES)
def test_every_file_of_another_kind(
    folders: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    most = 16 if command == "compare" else 10**6  # it trains and draws a report each time
    assert replaced(folders, folder, command, capsys, most=most) == []


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "command"), [case for case in CASES if case[0] not in NO_JSON])
def test_every_value_of_another_kind(
    folders: Folders, folder: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    most = int(os.environ.get("RESKIN_TEST_CASES", "100"))
    assert mistyped(folders, folder, command, capsys, most=most) == []
