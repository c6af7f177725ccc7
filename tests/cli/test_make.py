"""The main job from end to end on tiny drawn clips, and on real ones where they are."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reskin
from reskin.cli.main import main
from reskin.errors import CodecError, RunError, SettingsError
from reskin.images import write_image
from reskin.translation.film import FilmOptions
from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.workflows.make_settings import choose_methods, choose_settings, lengths, short_edge
from reskin.worlds.film import write_footage
from reskin.worlds.footage import Footage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn clips and what `reskin make` made of them in two steps."""
    folder = tmp_path_factory.mktemp("make")
    write_footage(folder / "film.mp4", Footage("film", seed=1, frames=30, size=(48, 32), scene_frames=15))
    write_footage(folder / "game.mp4", Footage("game", seed=2, frames=30, size=(48, 32), scene_frames=15))
    assert main(command(folder)) == 0
    return folder


def command(folder: Path, steps: int = 2) -> list[str]:
    """`reskin make` on the drawn clips."""
    film, game, out = (str(folder / name) for name in ("film.mp4", "game.mp4", "out"))
    return ["make", film, "--like", game, "--out", out, "--steps", str(steps), "--device", "cpu"]


def times(path: Path) -> list[Fraction]:
    """When each frame is shown."""
    with VideoReader(path) as reader:
        return reader.times()


def test_the_clip_keeps_size_frame_times_and_sound(made: Path) -> None:
    before, after = probe(made / "film.mp4"), probe(made / "out" / "translated.mp4")
    assert (after.width, after.height, after.has_sound) == (48, 32, True)
    assert after.sound_codec == before.sound_codec
    assert times(made / "out" / "translated.mp4") == times(made / "film.mp4")


def test_everything_is_where_it_is_said_to_be(made: Path) -> None:
    out = made / "out"
    assert (out / "report.html").stat().st_size > 10_000
    assert json.loads((out / "run" / "config.json").read_text())["resolved"]["steps"] == 2
    assert (out / "run" / "scores.jsonl").exists()
    for side in ("a", "b"):
        assert list((out / "data" / side / "train").glob("*.png"))
        assert list((out / "data" / side / "test").glob("*.png"))


def test_run_again_it_does_nothing_twice(made: Path) -> None:
    kept = [made / "out" / "translated.mp4", *(made / "out" / "run" / "checkpoints").iterdir()]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert main(command(made)) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_a_folder_that_was_moved_goes_on(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "out", tmp_path / "moved")
    kept = {path: path.read_bytes() for path in (tmp_path / "moved" / "run" / "checkpoints").iterdir()}
    words = command(made)
    words[words.index("--out") + 1] = str(tmp_path / "moved")
    assert main(words) == 0
    assert {path: path.read_bytes() for path in kept} == kept
    words[words.index("--steps") + 1] = "3"
    assert main(words) == 2  # what make.json says still counts


def test_a_film_is_averaged_with_the_frames_to_come(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reskin.errors import SettingsError
    from reskin.translation import clips

    shutil.copytree(made / "out", tmp_path / "moved")
    (tmp_path / "moved" / "translated.mp4").unlink()
    asked = []

    def ask(*_: object, film: FilmOptions, **__: object) -> None:
        asked.append(film.looks_ahead)
        raise SettingsError("asked")

    monkeypatch.setattr(clips, "translate_video", ask)
    words = command(made)
    words[words.index("--out") + 1] = str(tmp_path / "moved")
    assert main(words) == 2 and asked == [True]


def test_the_device_of_a_second_run_counts(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reskin.training import start

    asked: list[str] = []

    def train_run(method: str, **settings: Any) -> None:
        asked.append(settings["device"])
        raise RunError("far enough")

    monkeypatch.setattr(start, "train_run", train_run)
    words = command(made)
    words[-1] = "cpu:0"
    assert main(words) == 2 and asked == ["cpu:0"]
    words[-1] = "cuda:99"
    assert main(words) == 2 and "no device 'cuda:99'" in capsys.readouterr().err


def test_the_same_from_python(made: Path) -> None:
    counts: list[tuple[int, int | None, str]] = []

    def report(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        counts.append((done, total, what))

    result = reskin.make(
        made / "film.mp4", like=made / "game.mp4", out=made / "out", steps=2, device="cpu", report=report
    )
    assert result.translated == made / "out" / "translated.mp4" and result.translated.is_file()
    assert result.report.is_file() and result.damaged == []
    with pytest.raises(SettingsError, match=r"unknown key 'setps' in settings. Did you mean 'steps'"):
        reskin.make(made / "film.mp4", like=made / "game.mp4", out=made / "out", setps=2)


def test_a_clip_that_cannot_be_written_is_refused_before_anything_begins(
    made: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*given: Any, **more: Any) -> None:
        raise CodecError("no encoder for this")

    monkeypatch.setattr(VideoWriter, "write", refuse)
    words = command(made)
    words[words.index("--out") + 1] = str(tmp_path / "out")
    assert main(words) == 2 and "no encoder for this" in capsys.readouterr().err
    assert not (tmp_path / "out" / "make.json").exists() and not (tmp_path / "out" / "data").exists()


def test_another_length_in_the_same_folder_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(made, steps=3)) == 2
    assert "was begun with steps 2" in capsys.readouterr().err


def test_steps_and_minutes_together_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(tmp_path), "--minutes", "2"]) == 2
    assert "both --minutes and --steps" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["grade", "cyclegan"])
@pytest.mark.parametrize("is_gpu", [True, False])
@pytest.mark.parametrize("footage", [32, 96, 338, 1080])
def test_chosen_pictures_fit_into_the_frames(footage: int, is_gpu: bool, method: str) -> None:
    edge = short_edge(footage, is_gpu=is_gpu)
    chosen = choose_settings(method, edge, is_gpu=is_gpu)
    assert 28 <= chosen["crop_size"] <= chosen["load_size"] <= edge <= footage
    assert chosen["crop_size"] % 4 == 0


def test_a_long_budget_is_shared_and_a_short_one_is_the_grades() -> None:
    assert choose_methods("auto", 30, is_gpu=False) == ["grade"]
    assert choose_methods("auto", 30, is_gpu=True) == ["grade", "cyclegan"]
    assert choose_methods("cyclegan", 1, is_gpu=False) == ["cyclegan"]
    shared = lengths(["grade", "cyclegan"], 40.0, None)
    assert shared == {"grade": {"minutes": 8.0}, "cyclegan": {"minutes": 32.0}}
    assert lengths(["grade"], 30.0, None) == {"grade": {"minutes": 10.0}}
    assert lengths(["cyclegan"], None, 7) == {"cyclegan": {"steps": 7}}


def test_texture_has_its_share_and_is_refused_beside_cyclegan() -> None:
    def names(asked: str, minutes: float | None, *, texture: bool | None) -> list[str]:
        return choose_methods(asked, minutes, is_gpu=False, texture=texture)

    assert names("auto", 14, texture=None) == names("auto", 600, texture=False)[:1] == ["grade"]
    assert names("auto", 15, texture=None) == names("grade", None, texture=True) == ["grade", "grade_texture"]
    assert names("auto", 600, texture=None) == ["grade", "grade_texture", "cyclegan"]
    assert names("grade_texture", 1, texture=None) == ["grade", "grade_texture"]
    assert names("grade", 600, texture=None) == ["grade"] and names("cyclegan", 9, texture=None) == [
        "cyclegan"
    ]
    for asked, texture in (("cyclegan", True), ("grade_texture", False)):
        with pytest.raises(SettingsError, match="Leave one of them out"):
            names(asked, 6, texture=texture)
    shared = lengths(["grade", "grade_texture", "cyclegan"], 100.0, None)
    assert sum(one["minutes"] for one in shared.values()) == pytest.approx(100)
    assert list(shared) == ["grade", "grade_texture", "cyclegan"]
    assert shared["cyclegan"]["minutes"] > shared["grade"]["minutes"] > shared["grade_texture"]["minutes"] > 0
    assert lengths(["grade", "grade_texture"], 600.0, None) == {
        "grade": {"minutes": 10.0},
        "grade_texture": {"minutes": 10.0},
    }


@pytest.mark.sweep
def test_make_with_texture_goes_on_and_keeps_the_film_whole(made: Path, tmp_path: Path) -> None:
    words = command(made)
    words[words.index("--out") + 1] = str(tmp_path / "out")
    words += ["--method", "grade_texture"]
    assert main(words) == 0
    out = tmp_path / "out"
    assert json.loads((out / "choice.json").read_text())["method"] == "grade_texture"
    assert times(out / "translated.mp4") == times(made / "film.mp4")
    kept = [out / "translated.mp4", *(out / "run" / "checkpoints").iterdir()]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_what_was_chosen_is_kept_with_its_reason(made: Path) -> None:
    choice = json.loads((made / "out" / "choice.json").read_text())
    assert choice["method"] in ("grade", "reinhard") and choice["steps"] == {"grade": 2}
    assert "structure" in choice["why"] and 0.4 <= choice["strength"] <= 1
    assert {"input", "reinhard", "target", "grade", choice["name"]} <= set(choice["measured"])


def still(path: Path, frames: int, level: int) -> Path:
    """A film of one level of grey."""
    with VideoWriter(path, size=(48, 32), frame_rate=Fraction(25)) as writer:
        for number in range(frames):
            writer.write(np.full((32, 48, 3), level, np.uint8), Fraction(number, 25))
    return path


@pytest.mark.parametrize(("frames", "level", "said"), [(1, 90, "a single frame"), (12, 0, "black all over")])
@pytest.mark.parametrize("where", ["source", "clip"])
def test_a_clip_that_shows_no_film_is_refused_before_anything_begins(
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    frames: int,
    level: int,
    said: str,
    where: str,
) -> None:
    clip, out = str(still(tmp_path / "clip.mp4", frames, level)), tmp_path / "out"
    source = clip if where == "source" else str(made / "film.mp4")
    words = ["make", source, "--like", str(made / "game.mp4"), "--clip", clip, "--out", str(out)]
    assert main([*words, "--steps", "1", "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in error and "clip.mp4" in error
    assert not (out / "make.json").exists() and not (out / "data").exists()


@pytest.mark.parametrize("where", ["source", "like"])
def test_one_frame_is_no_footage_to_learn_from(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    film, one, out = str(made / "film.mp4"), str(still(tmp_path / "one.mp4", 1, 90)), tmp_path / "out"
    words = ["make", one, "--like", film] if where == "source" else ["make", film, "--like", one]
    assert main([*words, "--clip", film, "--out", str(out), "--steps", "1", "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and "one.mp4 holds a single frame. Give a longer film" in error
    assert not (out / "make.json").exists() and not (out / "data").exists()


@pytest.mark.parametrize("where", ["source", "like", "clip"])
def test_a_picture_is_no_film(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    write_image(tmp_path / "one.png", np.full((32, 48, 3), 90, np.uint8))
    given = dict.fromkeys(("source", "clip"), str(made / "film.mp4")) | {"like": str(made / "game.mp4")}
    given |= {where: str(tmp_path / "one.png")}
    words = ["make", given["source"], "--like", given["like"], "--clip", given["clip"]]
    assert main([*words, "--out", str(tmp_path / "out"), "--steps", "1", "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and "one.png is a single picture. Give a video or a folder" in error
    assert not (tmp_path / "out" / "make.json").exists()


def test_footage_that_is_black_all_over_has_no_look(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    black, out = str(still(tmp_path / "black.mp4", 12, 0)), tmp_path / "out"
    words = ["make", str(made / "film.mp4"), "--like", black, "--out", str(out), "--steps", "1"]
    assert main(words) == 2 and "black.mp4 is black all over" in capsys.readouterr().err
    assert not (out / "data").exists()


def test_what_could_not_be_learnt_from_is_refused_and_leaves_nothing(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*sources: Path, like: Path) -> str:
        words = ["make", *map(str, sources), "--like", str(like), "--out", str(tmp_path / "out")]
        assert main([*words, "--steps", "1", "--device", "cpu"]) == 2
        assert not (tmp_path / "out" / "make.json").exists()
        return capsys.readouterr().err.strip()

    film, game = made / "film.mp4", made / "game.mp4"
    assert "film.mp4 is both what is to be changed and what it is to look like" in refused(film, like=film)
    (tmp_path / "tiny").mkdir()
    write_image(tmp_path / "tiny" / "a.png", np.full((22, 30, 3), 90, np.uint8))
    said = refused(film, like=tmp_path / "tiny")
    assert "tiny is 30x22 px, too small to learn from. Give footage of 32x32 px or more." in said
    assert "several folders, or folders and videos" in refused(film, tmp_path / "tiny", like=game)


@pytest.mark.slow
def test_real_footage_goes_through(real_data: Path, tmp_path: Path) -> None:
    live = real_data / "video" / "live" / "portrait_woman.mp4"
    computer = real_data / "video" / "cg" / "film_sintel_cliff_audio.mp4"
    words = ["make", str(computer), "--like", str(live), "--out", str(tmp_path / "out"), "--steps", "2"]
    assert main(words) == 0
    before, after = probe(computer), probe(tmp_path / "out" / "translated.mp4")
    assert times(tmp_path / "out" / "translated.mp4") == times(computer)
    assert (after.width, after.height, after.sound_codec) == (before.width, before.height, before.sound_codec)
