"""Making a study: stimuli that only differ in the picture, stops, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from tests.support.blind_study import make_study, write_images
from tests.support.saved_run import save_run

from reskin.cli.main import main
from reskin.errors import DataError, SettingsError
from reskin.evaluation.blind_study.plan import read_plan
from reskin.evaluation.blind_study.stimuli import (
    broken,
    can_pad,
    common_bytes,
    common_size,
    fitted,
    pad_alike,
    write_picture,
)
from reskin.images import Picture, read_image
from reskin.storage import read_json, write_json
from reskin.workflows import blind_study as making
from reskin.workflows.blind_study import StudyConfig, new_study


@pytest.mark.parametrize("kind", ["preference", "real-or-fake"])
@pytest.mark.thinned(2)
def test_all_stimuli_are_of_one_size_in_bytes_and_pixels(tmp_path: Path, kind: str) -> None:
    plan = make_study(tmp_path, kind)
    files = list((tmp_path / "study" / "stimuli").iterdir())
    assert {file.name for file in files} == set(plan.digests)
    assert len({file.stat().st_size for file in files}) == 1
    kinds = set()
    for file in files:
        with Image.open(file) as image:
            assert isinstance(image, JpegImageFile) and not image.getexif()
            kinds.add((image.size, tuple(map(tuple, image.quantization.values()))))
    assert len(kinds) == 1
    names = {name.removesuffix(".jpg") for name in plan.digests}
    for trials in plan.slots():
        for trial in trials:
            beside, two = plan.shown(trial)
            assert {*beside, *two} <= names
    assert len(plan.items) == 6 and not set(plan.items) & {"p05"}


def test_practice_and_checks_show_other_inputs_than_the_items(tmp_path: Path) -> None:
    plan = make_study(tmp_path)

    def read(name: str) -> Picture:
        return read_image(tmp_path / "study" / "stimuli" / f"{name}.jpg")

    items = [read(f"input-{number}") for number in range(len(plan.items))]
    for number in range(10):
        assert not any(np.array_equal(read(f"practice-{number}-input"), item) for item in items)


def test_stopped_and_begun_again_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = make_study(tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        if done == 9:
            raise Stop

    inputs = write_images(tmp_path / "a", 12, 0)
    runs = (write_images(tmp_path / "one", 12, 1), write_images(tmp_path / "two", 12, 2))
    config = StudyConfig(folder=tmp_path / "study", runs=runs, a=inputs, items=6, raters=4)
    with pytest.raises(Stop):
        new_study(config, stop)
    assert not (tmp_path / "study" / "plan.json").exists()
    with pytest.raises(SettingsError, match="begun with other settings"):
        new_study(config.model_copy(update={"seed": 5}))
    plan = new_study(config)
    assert plan.digests == undisturbed.digests
    assert not (tmp_path / "study" / making.DRAFT).exists()
    with pytest.raises(SettingsError, match="holds a study already"):
        new_study(config)


def test_what_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = write_images(tmp_path / "a", 8, 0)
    one, two = write_images(tmp_path / "one", 8, 1), write_images(tmp_path / "two", 7, 2)
    base = ["study", "new", str(tmp_path / "s"), "--a", str(inputs), "--items", "6", "--runs", str(one)]
    for words, says in (
        (base, "needs two runs"),
        ([*base, str(two)], "has no output of p07.png"),
        ([*base, str(one)], "two of --runs are called one"),
        ([*base, str(inputs), "--items", "8"], "type --items 6"),
        ([*base, "--kind", "real-or-fake"], "needs real images"),
        ([*base, "--kind", "real-or-fake", "--real", str(two)], "holds 7 images; 8 are needed"),
        ([*base, str(inputs), "--trials", "7"], "--trials 7 of --items 6"),
        ([*base, str(tmp_path / "nowhere")], "nowhere"),
        (["study", "plan", str(tmp_path / "none")], "no study in"),
        (["study", "results", str(tmp_path / "none")], "no study in"),
        (["study", "dance"], "is not known"),
    ):
        assert main(list(words)) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("reskin: ") and says in error


@pytest.mark.parametrize("where", ["two", "a", "real"])
@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n broken", b"", b"a text", b"GIF89a"], ids=["png", "empty", "text", "gif"]
)
@pytest.mark.thinned(4)
def test_a_picture_that_cannot_be_decoded_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str, content: bytes
) -> None:
    """Whether it is an input, an output or a real image, in one line; mended, the same command goes on."""
    kind = "real-or-fake" if where == "real" else "preference"
    for turn, name in enumerate(("a", "one", "two", "real")):
        write_images(tmp_path / name, 12, turn)
    hurt = tmp_path / where / "p03.png"
    whole = hurt.read_bytes()
    hurt.write_bytes(content)
    words = ["study", "new", str(tmp_path / "s"), "--a", str(tmp_path / "a"), "--items", "6", "--raters", "2"]
    words += ["--kind", kind, "--real", str(tmp_path / "real")]
    words += ["--runs", str(tmp_path / "one"), str(tmp_path / "two")]
    assert main(list(words)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("reskin: ") and "p03.png" in error
    assert not (tmp_path / "s" / "plan.json").exists()
    hurt.write_bytes(whole)
    assert main(list(words)) == 0
    assert len(read_plan(tmp_path / "s").items) == 6


def test_a_clip_that_cannot_be_decoded_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "one", "two"):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"p{number}.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42 and no more")
    words = ["study", "new", str(tmp_path / "s"), "--a", str(tmp_path / "a"), "--items", "2", "--kind"]
    words += ["preference-video", "--runs", str(tmp_path / "one"), str(tmp_path / "two")]
    assert main(words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("reskin: ") and ".mp4" in error


def test_outputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    """A square crop beside the whole frame would be told apart, and the frame would lose its ends."""
    inputs, one = write_images(tmp_path / "a", 12, 0), write_images(tmp_path / "one", 12, 1)
    square = write_images(tmp_path / "two", 12, 2, (24, 24))
    with pytest.raises(DataError, match=r"two holds outputs of 24x24 px, .*one of 32x24"):
        new_study(StudyConfig(folder=tmp_path / "s", runs=(one, square), a=inputs, items=6, raters=2))
    half = write_images(tmp_path / "half", 12, 2, (12, 16))  # half as large is of the same shape
    assert new_study(StudyConfig(folder=tmp_path / "t", runs=(one, half), a=inputs, items=6, raters=2))


def test_runs_that_translate_different_ways_are_refused(tmp_path: Path) -> None:
    inputs = write_images(tmp_path / "a", 12, 0, (32, 32))
    there, back = tmp_path / "there", tmp_path / "back"
    for run in (there, back):
        save_run(run, "cyclegan")
    known = read_json(back / "config.json")
    write_json(back / "config.json", known | {"directions": ["b2a"]})
    config = StudyConfig(folder=tmp_path / "s", runs=(there, back), a=inputs, items=6, raters=2)
    with pytest.raises(SettingsError, match=r"there translates a2b and .*back translates b2a"):
        new_study(config)


@pytest.mark.sweep
def test_cells_of_a_comparison_are_called_after_their_rows(tmp_path: Path) -> None:
    inputs = write_images(tmp_path / "a", 12, 0)
    runs = tuple(write_images(tmp_path / "cells" / name / "0", 12, 1) for name in ("cyclegan", "munit"))
    config = StudyConfig(folder=tmp_path / "s", runs=runs, a=inputs, items=6, raters=2)
    assert new_study(config).conditions == ("cyclegan", "munit")


@pytest.mark.sweep
def test_the_plan_says_what_a_design_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study(tmp_path)
    assert main(["study", "plan", str(tmp_path / "study"), "--difference", "20"]) == 0
    shown = capsys.readouterr()
    assert "20 points are found with" in shown.out and "probably not find it" in shown.err
    assert read_plan(tmp_path / "study").digest() == read_plan(tmp_path / "study").digest()


def test_fitting_and_breaking() -> None:
    picture = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    assert np.array_equal(fitted(picture, (12, 8)), picture)
    assert np.array_equal(fitted(picture, (8, 8)), picture[:, 2:10])
    assert common_size([(720, 1280)], is_square=False) == (720, 404)
    assert common_size([(720, 1280), (300, 400)], is_square=True) == (300, 300)
    assert not np.array_equal(broken(picture, 0), picture)
    assert np.array_equal(broken(picture, 3), broken(picture, 3))


def test_padding_again_changes_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    write_picture(paths[0], np.zeros((16, 16, 3), np.uint8))
    write_picture(paths[1], np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    size = common_bytes(paths)
    assert can_pad(paths, size) and not can_pad(paths, size + 1)
    pad_alike(paths[:1], size)  # and is killed
    assert can_pad(paths, size)
    pad_alike(paths, size)
    before = [path.read_bytes() for path in paths]
    assert len(before[0]) == len(before[1]) == size == common_bytes(paths)
    pad_alike(paths, size)
    assert [path.read_bytes() for path in paths] == before
