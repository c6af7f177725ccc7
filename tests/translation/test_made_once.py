"""A command that was killed when some of its files were there knows them again, and nobody else's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.finished_folders import (
    Kept,
    draw_sources,
    make_datasets,
    make_runs,
)

from reskin.cli.main import main
from reskin.errors import SettingsError
from reskin.images import write_image
from reskin.storage import commit
from reskin.translation.job import was_finished
from reskin.translation.made_once import Made, made_once


class KilledError(Exception):
    """Stands for a kill: nothing of the block is tidied behind it."""


def write(path: Path, text: str = "whole") -> None:
    with commit(path) as temporary:
        temporary.write_text(text)


def killed(out: Path, key: str, *, text: str = "whole") -> Path:
    """What a process leaves that is killed right behind the renaming of `out`; the record."""
    made = Made(out, lambda: key)
    assert not made.begin(Path("source"), out, overwrite=False)
    write(out, text)
    made._held.close()
    return made.record


def test_the_same_command_knows_its_file_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    record = killed(out, "key")
    assert record.exists()
    with made_once(out, lambda: "key") as made:
        assert made.begin(Path("source"), out, overwrite=False)
    assert os.listdir(tmp_path) == ["out.png"]
    with made_once(out, lambda: "key") as made, pytest.raises(SettingsError, match="is there already"):
        made.begin(Path("source"), out, overwrite=False)


@pytest.mark.parametrize("how", ["another command", "another file", "a link", "a damaged record", "a list"])
def test_what_is_not_its_own_is_refused(tmp_path: Path, how: str) -> None:
    out = tmp_path / "out.png"
    record = killed(out, "another" if how == "another command" else "key")
    if how == "another file":
        out.write_text("theirs")
    elif how == "a link":
        out.rename(tmp_path / "elsewhere.png")
        out.symlink_to(tmp_path / "elsewhere.png")
    elif how == "a damaged record":
        record.write_bytes(record.read_bytes()[:-9])
    elif how == "a list":
        record.write_text('{"key": "key", "files": [1]}')
    with made_once(out, lambda: "key") as made, pytest.raises(SettingsError, match="is there already"):
        made.begin(Path("source"), out, overwrite=False)


def test_of_several_files_those_that_are_missing_are_made(tmp_path: Path) -> None:
    first, second = tmp_path / "out-1.png", tmp_path / "out-2.png"
    with pytest.raises(KilledError), made_once(first, lambda: "key") as made:
        for path in (first, second):
            assert not made.begin(Path("source"), path, overwrite=False)
        write(first)
        made.keep(first, {"frames": 3})
        raise KilledError
    with made_once(first, lambda: "key") as made:
        assert [made.begin(Path("source"), path, overwrite=False) for path in (first, second)] == [
            True,
            False,
        ]
        assert made.kept(first) == {"frames": 3} and made.kept(second) is None
        write(second)
    assert sorted(os.listdir(tmp_path)) == ["out-1.png", "out-2.png"]


def test_a_command_that_fails_before_its_first_file_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with pytest.raises(KilledError), made_once(out, lambda: "key") as made:
        made.begin(Path("source"), out, overwrite=False)
        raise KilledError
    assert os.listdir(tmp_path) == []


def test_what_nobody_took_up_for_a_month_is_removed(tmp_path: Path) -> None:
    record = killed(tmp_path / "old.png", "key")
    with made_once(tmp_path / "new.png", lambda: "key"):
        assert record.exists()
    os.utime(record, times=(time.time() - 31 * 86_400,) * 2)
    with made_once(tmp_path / "new.png", lambda: "key"):
        assert not record.exists()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return Kept(tmp_path_factory.mktemp("made-once"), draw_sources, make_datasets, make_runs)


def stop_behind(patch: pytest.MonkeyPatch, name: str) -> None:
    """Have the process end, tidying nothing, as soon as a file of this name is there."""
    replace = os.replace

    def replaced(old: Path, new: Path) -> None:
        replace(old, new)
        if Path(new).name == name:
            raise KilledError

    patch.setattr(os, "replace", replaced)
    patch.setattr(Made, "forget", lambda *_, **__: None)


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "new.png": lambda base: ["translate", base / "grade", base / "pictures/0.png", base / "new.png"],
    "new-style1.png": lambda base: [
        *("translate", base / "munit", base / "pictures/0.png", base / "new.png", "--styles", "2")
    ],
    "new.cube": lambda base: ["export", base / "grade", base / "new.cube", "--on", base / "pictures"],
    "new.mp4": lambda base: [
        *("translate", base / "grade", base / "film.mp4", base / "new.mp4", "--compare", "side")
    ],
    "new-compared.mp4": lambda base: [
        *("translate", base / "grade", base / "film.mp4", base / "new.mp4", "--compare", "side")
    ],
    "table.png": lambda base: [
        *("grid", base / "munit", "--content", base / "pictures/0.png", "--styles", "1"),
        *("--out", base / "table.png", "--size", "32"),
    ],
    "way.mp4": lambda base: [
        *("interpolate", base / "munit", base / "pictures/0.png", "--from", base / "others/0.png"),
        *("--to", base / "others/1.png", "--frames", "2", "--out", base / "way.mp4"),
    ],
}


@pytest.mark.parametrize("name", list(COMMANDS))
@pytest.mark.sweep
def test_every_command_of_few_files_goes_on_behind_its_last_one(kept: Kept, name: str) -> None:
    words = [str(word) for word in COMMANDS[name](kept.base)]
    kept.renew()
    assert main(list(words)) == 0
    whole = {path.name: path.read_bytes() for path in kept.base.iterdir() if path.is_file()}
    kept.renew()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        stop_behind(patch, name)
        main(list(words))
    assert (kept.base / name).read_bytes() == whole[name]
    assert main(list(words)) == 0
    assert {path.name: path.read_bytes() for path in kept.base.iterdir() if path.is_file()} == whole
    assert not list(kept.base.glob(".reskin-*"))
    assert main(list(words)) == 2  # from now on it is a file like any other


@pytest.mark.sweep
def test_another_source_is_another_command(kept: Kept) -> None:
    kept.renew()
    words = [str(word) for word in COMMANDS["new.png"](kept.base)]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        stop_behind(patch, "new.png")
        main(list(words))
    write_image(kept.base / "pictures/0.png", np.zeros((48, 48, 3), np.uint8))
    assert main(list(words)) == 2


@pytest.mark.sweep
def test_a_damaged_film_is_still_said_to_be_damaged(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept.renew()
    content = bytearray((kept.base / "film.mp4").read_bytes())
    media = content.index(b"mdat")
    content[media + 2000 : media + 2600] = bytes(600)
    (kept.base / "film.mp4").write_bytes(content)
    words = [str(word) for word in ["translate", kept.base / "grade", kept.base / "film.mp4"]]
    words += [str(kept.base / "new.mp4"), "--device", "cpu"]
    assert main([*words[:-3], str(kept.base / "other.mp4"), *words[-2:]]) == 3
    said = capsys.readouterr().err.replace("other.mp4", "new.mp4")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        stop_behind(patch, "new.mp4")
        main(list(words))
    assert was_finished(kept.base / "new.mp4")
    capsys.readouterr()
    assert main(list(words)) == 3
    assert capsys.readouterr().err == said
    assert not was_finished(kept.base / "new.mp4")
    assert (kept.base / "new.mp4").read_bytes() == (kept.base / "other.mp4").read_bytes()
