"""Making a study: stimuli that only differ in the picture, stops, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from tests.support.blind_study import make_study, write_images

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
        (["study", "plan", str(tmp_path / "none")], "no study in"),
        (["study", "results", str(tmp_path / "none")], "no study in"),
        (["study", "dance"], "is not known"),
    ):
        assert main(list(words)) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("reskin: ") and says in error


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    inputs = write_images(tmp_path / "a", 12, 0)
    one, two = write_images(tmp_path / "one", 12, 1), write_images(tmp_path / "two", 12, 2)
    (two / "p03.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    config = StudyConfig(folder=tmp_path / "s", runs=(one, two), a=inputs, items=6, raters=2)
    with pytest.raises(Exception, match=r"p03\.png") as caught:
        new_study(config)
    assert isinstance(caught.value, DataError | SettingsError) or "p03.png" in str(caught.value)


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
