"""A folder in shards: nothing twice, nothing missing, whatever is killed; the last one writes the record."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.drawn_films import shots_film
from tests.support.saved_run import save_run
from torch import Tensor

from reskin.cli.main import main
from reskin.errors import DataError, RunError, SettingsError
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.storage import lock
from reskin.translation.films import FilmWork, translate_films
from reskin.translation.folders import FolderResult, translate_folder, translate_pictures
from reskin.translation.shards import FOLDER, Shard
from reskin.types import Direction


class Negative(Translator):
    """Turns light to dark; counts its pictures, and gives up at one."""

    def __init__(self, stops_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.count, self.stops_at = 0, stops_at

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.count += 1
        if self.count == self.stops_at:
            raise KeyboardInterrupt
        return -self.weight * images


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for number in range(7):
        path = folder / ("more" if number % 2 else ".") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 9, 3), 10 * number, np.uint8)).save(path)
    return folder


def made(source: Path, number: int, count: int = 3, model: Negative | None = None) -> FolderResult:
    out = source.with_name("out")
    return translate_pictures(Engine(model or Negative(), "a2b"), source, out, shard=Shard(number, count))


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("text", ["41/40", "0/40", "3", "a/b", "3/0", "-1/4", "1/10000", ""])
def test_a_shard_that_there_is_not(text: str) -> None:
    with pytest.raises(SettingsError, match="--shard"):
        Shard.read(text)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_the_last_shard_writes_the_record_of_all(source: Path, order: tuple[int, ...]) -> None:
    out = source.with_name("out")
    results = [made(source, number) for number in order]
    assert sorted(result.translated for result in results) == [2, 2, 3]
    assert [("not yet done" in result.notes[0]) for result in results] == [True, True, False]
    assert "all 7 files are made" in results[-1].notes[0]
    assert names(out) == names(source) | {"translated.json"}
    kept = json.loads((out / "translated.json").read_text())
    assert set(kept["files"]) == names(source) and None not in kept["files"].values()
    whole = source.with_name("whole")
    translate_folder(Negative(), source, whole, "a2b")
    kept_whole = json.loads((whole / "translated.json").read_text())
    assert kept == kept_whole
    again = translate_folder(Negative(), source, out, "a2b")
    assert (again.translated, again.skipped) == (0, 7)


def test_a_shard_that_was_stopped_goes_on(source: Path) -> None:
    made(source, 1), made(source, 2)
    with pytest.raises(KeyboardInterrupt):
        made(source, 3, model=Negative(stops_at=2))
    model = Negative()
    result = made(source, 3, model=model)
    assert result.translated + result.skipped == 2 and result.translated == model.count
    assert "all 7 files" in result.notes[0] and FOLDER not in {
        path.name for path in (source.parent / "out").iterdir()
    }


def test_a_shard_that_is_started_twice_is_refused(source: Path) -> None:
    out = source.with_name("out")
    with lock(Shard(2, 3).folder(out)), pytest.raises(RunError, match="in use"):
        made(source, 2)


def test_more_shards_than_files(source: Path) -> None:
    for number in range(1, 12):
        result = made(source, number, 11)
    assert "all 7 files" in result.notes[0]


def test_a_list_that_changed_is_not_taken_for_whole(source: Path) -> None:
    made(source, 1), made(source, 2)
    shutil.copy(source / "0.png", source / "9.png")
    assert "not yet done: 1, 2" in made(source, 3).notes[0]
    made(source, 1)
    assert "all 8 files" in made(source, 2).notes[0]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}'])
def test_a_damaged_record_of_a_shard_counts_as_not_done(source: Path, content: str) -> None:
    made(source, 1), made(source, 2)
    (Shard(1, 3).folder(source.with_name("out")) / "shard.json").write_text(content)
    assert "not yet done: 1" in made(source, 3).notes[0]
    with pytest.raises(SettingsError, match="not from an earlier run"):
        made(source, 1)  # its pictures are nobody's now
    engine, out = Engine(Negative(), "a2b"), source.with_name("out")
    result = translate_pictures(engine, source, out, shard=Shard(1, 3), overwrite=True)
    assert "all 7 files" in result.notes[0]


def films_in(folder: Path) -> Path:
    for number, name in enumerate(("a.mp4", "b.mkv", "below/c.mp4")):
        shots_film(folder / name, [4], seed=number)
    return folder


@pytest.mark.sweep
def test_films_of_a_folder_in_shards(tmp_path: Path) -> None:
    source, out = films_in(tmp_path / "in"), tmp_path / "out"
    (source / "bad.mp4").write_bytes(b"no film")
    work = FilmWork(Negative(), "a2b")
    first = translate_films(work, source, out, shard=Shard(2, 2))
    second = translate_films(work, source, out, shard=Shard(1, 2))
    assert first.translated + second.translated == 3 and len(first.left_out + second.left_out) == 1
    assert "all 3 files are made, 1 left out" in second.notes[0]
    assert names(out) == {"a.mp4", "b.mkv", "below/c.mp4", "translated.json"}
    (source / "bad.mp4").unlink()
    again = translate_films(work, source, out)
    assert (again.translated, again.skipped) == (0, 3)


@pytest.mark.sweep
def test_a_film_that_was_stopped_goes_on_in_its_folder(tmp_path: Path) -> None:
    source, out = films_in(tmp_path / "in"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        translate_films(FilmWork(Negative(stops_at=6), "a2b"), source, out)
    result = translate_films(FilmWork(Negative(), "a2b"), source, out)
    assert (result.translated, result.skipped) == (2, 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no films"):
        translate_films(FilmWork(Negative(), "a2b"), tmp_path / "empty", out)


@pytest.mark.sweep
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], source: Path) -> None:
    save_run(tmp_path / "run", "cut")
    films = films_in(tmp_path / "films")
    words = ["translate", str(tmp_path / "run"), str(films), str(tmp_path / "made"), "--work-size", "full"]
    assert main([*words, "--shard", "1/2", "--device", "cpu"]) == 0
    assert "shard 1/2 is done; not yet done: 2" in capsys.readouterr().err
    assert main([*words, "--shard", "3/2"]) == 2
    assert "--shard 3/2" in capsys.readouterr().err
    picture = [*words[:2], str(source / "0.png"), str(tmp_path / "0.png"), "--shard", "1/2"]
    assert main(picture) == 2
    assert "--shard for" in capsys.readouterr().err
    assert main([*words, "--shard", "2/2", "--device", "cpu"]) == 0
    assert "all 3 files are made" in capsys.readouterr().err


SCRIPT = """
import sys, time, torch
from pathlib import Path
from tests.translation.test_shards import Negative
from reskin.inference.engine import Engine
from reskin.translation.folders import translate_pictures
from reskin.translation.shards import Shard
class Slow(Negative):
    def generate(self, images, direction):
        time.sleep(0.05)
        return super().generate(images, direction)
torch.set_num_threads(1)
Slow.__module__, Slow.__qualname__ = Negative.__module__, Negative.__qualname__
engine = Engine(Slow(), "a2b")
made = translate_pictures(engine, sys.argv[1], sys.argv[2], shard=Shard(int(sys.argv[3]), 3))
print(made.notes, flush=True)
"""


def running(source: Path) -> Iterator[subprocess.Popen[bytes]]:
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    for number in (1, 2, 3):
        words = [sys.executable, "-c", SCRIPT, str(source), str(source.with_name("out")), str(number)]
        yield subprocess.Popen(words, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_processes_that_are_killed_at_random(source: Path) -> None:
    for number in range(10, 40):
        Image.fromarray(np.full((8, 9, 3), number, np.uint8)).save(source / f"{number}.png")
    out, draw = source.with_name("out"), np.random.default_rng(0)
    for _ in range(4):
        processes = list(running(source))
        while not out.exists() or len(names(out)) < 3:
            time.sleep(0.05)
        for process in processes:
            time.sleep(float(draw.uniform(0, 0.3)))
            process.send_signal(signal.SIGKILL)
            process.communicate()
    said = []
    for process in list(running(source)):
        answer, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        said.append(answer.decode())
    assert sum("all 37 files" in one for one in said) >= 1
    assert names(out) == names(source) | {"translated.json"}
    assert set(json.loads((out / "translated.json").read_text())["files"]) == names(source)
    for name in names(source):
        one, other = (np.asarray(Image.open(folder / name), int) for folder in (source, out))
        assert (one + other == 255).all()
