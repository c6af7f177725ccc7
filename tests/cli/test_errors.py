"""Bad input gives one clear line with what to do, exit code 2, and nothing lost or half written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from reskin.cli import doctor
from reskin.cli.main import COMMANDS, KINDS, main
from reskin.images import write_image


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of four small pictures."""
    generator = np.random.default_rng(0)
    for side in ("a", "b"):
        for index in range(4):
            picture = generator.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            write_image(tmp_path / side / f"{index}.png", picture)
    return tmp_path / "a", tmp_path / "b"


def said(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The one line that a refused command prints."""
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("reskin: ") and "\n" not in error, error
    assert "Traceback" not in error
    return error


def train(sides: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    """A tiny training."""
    tiny = {"steps": 1, "width": 4, "blocks": 1, "disc-layers": 1, "crop-size": 32, "load-size": 32}
    flags = [word for name, value in tiny.items() for word in (f"--{name}", str(value))]
    folders = ["--a", str(sides[0]), "--b", str(sides[1]), "--out", str(out)]
    return ["train", "cyclegan", *folders, *flags, "--device", "cpu", *more]


def test_an_unknown_command_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'train'?" in said(capsys, ["trian"])


def test_an_unknown_method_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, ["train", "cylegan"])
    assert "'cylegan'" in line and "Did you mean 'cyclegan'?" in line


@pytest.mark.parametrize("typed", ["--cycle-wieght", "--cyle-weight", "--cycleweight"])
def test_a_misspelt_flag_is_answered(capsys: pytest.CaptureFixture[str], typed: str) -> None:
    line = said(capsys, ["train", "cyclegan", "--a", "x", "--b", "y", "--out", "z", typed, "5"])
    assert f"'{typed}'" in line and "Did you mean '--cycle-weight'?" in line


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing: --out, --b" in said(capsys, ["train", "cyclegan", "--a", "x"])
    assert "missing: IN, OUT" in said(capsys, ["translate", "run"])
    assert "missing: --like, --out" in said(capsys, ["make", "film.mp4"])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--cycle-weight", "-3"], "--cycle-weight -3: Input should be greater than or equal to 0"),
        (["--batch", "two"], "--batch"),
        (["--adversarial", "lsgam"], "lsgam"),
        (["--steps", "3", "--minutes", "2"], "give steps or minutes, not both"),
        (["--epochs", "3", "--decay-epochs", "5"], "decay_epochs (5) is more than epochs (3)"),
    ],
)
def test_a_wrong_value_is_named(capsys: pytest.CaptureFixture[str], flags: list[str], expected: str) -> None:
    words = ["train", "cyclegan", "--a", "x", "--b", "y", "--out", "z", *flags]
    assert expected in said(capsys, words)


def test_a_missing_folder_is_named_and_nothing_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sides: tuple[Path, Path]
) -> None:
    line = said(capsys, train((tmp_path / "nothing", sides[1]), tmp_path / "run"))
    assert str(tmp_path / "nothing") in line
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sides: tuple[Path, Path]
) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in said(capsys, train((tmp_path / "empty", sides[1]), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_unknown_key_in_a_config_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sides: tuple[Path, Path]
) -> None:
    config = tmp_path / "settings.json"
    config.write_text(json.dumps({"cycle_wieght": 5}), encoding="utf-8")
    line = said(capsys, train(sides, tmp_path / "run", "--config", str(config)))
    assert "'cycle_wieght'" in line and str(config) in line and "Did you mean 'cycle_weight'?" in line


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_config_that_is_no_json_object_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sides: tuple[Path, Path], content: bytes
) -> None:
    config = tmp_path / "settings.json"
    config.write_bytes(content)
    assert str(config) in said(capsys, train(sides, tmp_path / "run", "--config", str(config)))


@pytest.mark.parametrize("command", ["prepare", "make"])
@pytest.mark.parametrize("content", [b"only text\n", b"", b"#EXTM3U\n/etc/passwd\n", os.urandom(2000)])
def test_a_text_file_named_mp4_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, content: bytes
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(content)
    more = ["--like", str(film)] if command == "make" else []
    words = [
        command,
        *(["frames"] if command == "prepare" else []),
        str(film),
        "--out",
        str(tmp_path / "out"),
        *more,
    ]
    assert str(film) in said(capsys, words)
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_missing_video_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    film = str(tmp_path / "film.mp4")
    for words in (["prepare", "frames", film], ["make", film, "--like", film]):
        assert film in said(capsys, [*words, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "make.json").exists()


@pytest.mark.parametrize("words", [["translate", "{}", "a.png", "b.png"], ["report", "{}"]])
def test_a_folder_that_is_no_run_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    os.chdir(tmp_path)
    assert str(tmp_path / "run") in said(capsys, [word.format(tmp_path / "run") for word in words])
    (tmp_path / "run").mkdir()
    assert "is no run folder" in said(capsys, [word.format(tmp_path / "run") for word in words])


def test_a_checkpoint_that_is_no_generator_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "latest_net_G_A.pth"
    file.write_bytes(b"not a checkpoint")
    assert str(file) in said(capsys, ["import", str(file), "--out", str(tmp_path / "model")])
    assert not (tmp_path / "model").exists()


def test_a_full_disk_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sides: tuple[Path, Path],
) -> None:
    out = tmp_path / "run"
    assert main(train(sides, out)) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    words = train(sides, out, "--allow-change")
    words[words.index("--steps") + 1] = "2"
    assert main(words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no space left" in line and "free some space" in line.lower()
    assert {path: path.read_bytes() for path in before} == before
    assert not list(out.rglob("*.part"))


def test_settings_that_changed_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sides: tuple[Path, Path]
) -> None:
    assert main(train(sides, tmp_path / "run")) == 0
    capsys.readouterr()
    line = said(capsys, train(sides, tmp_path / "run", "--cycle-weight", "5"))
    assert "cycle_weight (10.0 → 5.0)" in line and "--allow-change" in line


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.thinned(5, first=1)
def test_help_has_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    words = [command, "cyclegan"] if command == "train" else [command, *KINDS.get(command, ())[:1]]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert "Examples:" in printed
    assert printed.count(f"reskin {command}") >= 2


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command}" in printed
    assert len(printed.splitlines()) <= 40


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the folder that a process works in")
def test_a_folder_that_is_gone_while_one_works_in_it(
    sides: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert doctor.disk().state == "WARN" and "is gone" in doctor.disk().text
    error = said(capsys, ["prepare", "images", str(sides[0]), "--out", "new"])
    assert "in which this was typed is gone" in error and "Go to" in error
    monkeypatch.chdir(tmp_path)


def test_the_doctor_in_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> float:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(doctor, "_megabytes_a_second", refuse)
    assert doctor.disk().state == "WARN" and "Permission denied" in doctor.disk().text
