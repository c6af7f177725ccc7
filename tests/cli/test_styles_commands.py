"""Many looks from one picture on the command line; every mistake with styles, presets and methods."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reskin.cli.main import main
from reskin.images import read_image, write_image
from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.worlds.film import write_footage
from reskin.worlds.footage import Footage

SHORT = {"steps": 2, "width": 4, "blocks": 1, "disc-layers": 1, "load-size": 32, "crop-size": 32}
TINY = {
    "munit": SHORT | {"mlp-width": 8, "disc-width": 4, "scales": 1},
    "cyclegan": SHORT,
    "cut": SHORT | {"num_patches": 16},
    "ganimorph": {"steps": 2, "width": 4, "disc-width": 4, "blocks": 1, "batch": 1},
    "ganimorph_lite": {"steps": 2, "width": 4, "disc-width": 4},
    "pix2pix": {"steps": 2},
}


def train(method: str, folder: Path, *more: str, out: str | None = None, b: str = "b") -> list[str]:
    """The words of a tiny training on the drawn sides; of a flag given twice the last counts."""
    words = ["train", method, "--a", str(folder / "a"), "--b", str(folder / b), "--device", "cpu"]
    words += ["--out", str(folder / (out or method))]
    flags = {f"--{name}": str(value) for name, value in TINY.get(method, {}).items()}
    flags |= dict(zip(more[::2], more[1::2], strict=True))
    return [*words, *(word for pair in flags.items() for word in pair)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sides of drawn pictures, mistaken pictures, a clip, and two tiny trained runs; to be read only."""
    folder = tmp_path_factory.mktemp("styles")
    chance = np.random.default_rng(0)
    for side, tint in (("a", (200, 40, 40)), ("b", (40, 40, 200))):
        for number, (height, width) in enumerate(((64, 64), (32, 48), (37, 50))):
            coarse = chance.integers(0, 100, (-(-height // 8), -(-width // 8), 3), dtype=np.uint8)
            drawn = coarse.repeat(8, 0).repeat(8, 1)[:height, :width] // 2 + np.array(tint, np.uint8) // 2
            write_image(folder / side / f"{number}.png", drawn)
    write_image(folder / "small.png", np.zeros((20, 40, 3), np.uint8))
    write_image(folder / "apart" / "other.png", np.zeros((32, 32, 3), np.uint8))
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    (folder / "empty").mkdir()
    write_footage(folder / "clip.mp4", Footage("film", seed=1, frames=3, size=(64, 48), scene_frames=3))
    assert main(train("munit", folder)) == 0
    assert main(train("cyclegan", folder)) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The one line that a refused command prints."""
    capsys.readouterr()
    assert main(words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("reskin: ") and "\n" not in error, error
    assert "Traceback" not in error
    return error


def contents(folder: Path) -> dict[str, bytes]:
    """Every picture below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.mark.sweep
def test_a_folder_in_three_styles_is_the_same_for_the_same_seed(made: Path, tmp_path: Path) -> None:
    words = ["translate", str(made / "munit"), str(made / "a")]
    for out, seed in (("one", "1"), ("again", "1"), ("other", "2")):
        assert main([*words, str(tmp_path / out), "--styles", "3", "--seed", seed, "--device", "cpu"]) == 0
    one, again, other = (contents(tmp_path / name) for name in ("one", "again", "other"))
    assert list(one) == [f"style{k}/{number}.png" for k in (1, 2, 3) for number in range(3)]
    assert one == again
    assert all(other[name] != picture for name, picture in one.items())
    for number in range(3):
        looks = {one[f"style{k}/{number}.png"] for k in (1, 2, 3)}
        assert len(looks) == 3, "each style is another picture"
        shape = read_image(made / "a" / f"{number}.png").shape
        assert read_image(tmp_path / "one" / "style2" / f"{number}.png").shape == shape


@pytest.mark.sweep
def test_a_folder_is_gone_on_with(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["translate", str(made / "munit"), str(made / "a"), str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--styles", "2", "--seed", "1"]) == 0
    (tmp_path / "out" / "style2" / "1.png").unlink()
    assert main([*words, "--styles", "2", "--seed", "1"]) == 0
    assert "(1 new, 2 were there)" in capsys.readouterr().err
    assert main([*words, "--styles", "2", "--seed", "5"]) == 0
    assert "(3 new, 0 were there)" in capsys.readouterr().err


def test_a_picture_in_the_style_of_another(made: Path, tmp_path: Path) -> None:
    words = ["translate", str(made / "munit"), str(made / "a" / "2.png")]
    for name, style in (("one", "0.png"), ("same", "0.png"), ("other", "1.png")):
        example = str(made / "b" / style)
        assert main([*words, str(tmp_path / f"{name}.png"), "--style", example, "--device", "cpu"]) == 0
    one, same, other = (read_image(tmp_path / f"{name}.png") for name in ("one", "same", "other"))
    assert one.shape == (37, 50, 3)
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    two = [str(made / "b" / name) for name in ("0.png", "1.png")]
    assert main([*words, str(tmp_path / "two.png"), "--device", "cpu", "--style", *two]) == 0
    for name, wanted in (("two-style1.png", one), ("two-style2.png", other)):
        made_together = read_image(tmp_path / name).astype(int)
        assert np.abs(made_together - wanted).max() <= 1


@pytest.mark.sweep
def test_a_video_keeps_one_style(made: Path, tmp_path: Path) -> None:
    """One random style for all frames: the same as the first of the frames' pictures in that style."""
    words = ["translate", str(made / "munit"), "--styles", "1", "--seed", "3", "--device", "cpu"]
    out = tmp_path / "out.mp4"
    assert main([*words, str(made / "clip.mp4"), str(out)]) == 0
    with VideoReader(made / "clip.mp4") as reader:
        for number, frame in enumerate(reader):
            write_image(tmp_path / "frames" / f"{number}.png", frame.image)
    assert main([*words, str(tmp_path / "frames"), str(tmp_path / "looks")]) == 0
    with VideoReader(out) as reader:
        frames = [frame.image for frame in reader]
    assert len(frames) == 3 and frames[0].shape == (48, 64, 3)
    for number, image in enumerate(frames):
        look = read_image(tmp_path / "looks" / f"{number}.png").astype(float)
        assert np.abs(image.mean((0, 1)) - look.mean((0, 1))).max() < 6  # the codec's loss
    example = str(made / "b" / "0.png")
    words = ["translate", str(made / "munit"), str(made / "clip.mp4"), str(tmp_path / "example.mp4")]
    assert main([*words, "--style", example, "--device", "cpu"]) == 0
    assert probe(tmp_path / "example.mp4").width == 64


@pytest.mark.sweep
def test_a_grid_of_examples_and_of_random_styles(made: Path, tmp_path: Path) -> None:
    words = ["grid", str(made / "munit"), "--content", str(made / "a"), "--size", "40", "--device", "cpu"]
    examples = [str(made / "b" / name) for name in ("0.png", "1.png")]
    assert main([*words, "--style", *examples, "--out", str(tmp_path / "grid.png")]) == 0
    sheet = read_image(tmp_path / "grid.png")
    cell = 40 + 6
    assert sheet.shape == (26 + 4 * cell + 6, 3 * cell + 6, 3)
    top, left = 26 + 6 + cell, 6
    assert np.array_equal(sheet[26 + 6 :, left + cell :][:40, :40], _shrunk(made / "b" / "0.png"))
    assert np.array_equal(sheet[top:, left:][:40, :40], _shrunk(made / "a" / "0.png"))
    assert (sheet[top:, left + cell :][:40, :40] < 255).any(), "something is drawn there"
    assert main([*words, "--styles", "5", "--seed", "2", "--out", str(tmp_path / "random.png")]) == 0
    assert read_image(tmp_path / "random.png").shape[1] == 6 * cell + 6


def _shrunk(path: Path) -> np.ndarray:
    from reskin.translation.grid import fitted

    return fitted(read_image(path), 40)


@pytest.mark.sweep
def test_a_grid_replaces_none_of_its_pictures(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "a", tmp_path / "a")
    shutil.copytree(made / "b", tmp_path / "b")
    words = ["grid", str(made / "munit"), "--content", str(tmp_path / "a"), "--device", "cpu", "--overwrite"]
    for taken in (tmp_path / "a" / "2.png", tmp_path / "b" / "1.png"):
        before = taken.read_bytes()
        line = said(capsys, [*words, "--style", str(tmp_path / "b"), "--out", str(taken)])
        assert str(taken) in line and "Choose another name" in line
        assert taken.read_bytes() == before


def test_a_morph_goes_from_one_style_to_another(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "morph.mp4"
    words = ["interpolate", str(made / "munit"), str(made / "a" / "0.png"), "--out", str(out)]
    ends = ["--from", str(made / "b" / "0.png"), "--to", str(made / "b" / "1.png")]
    assert main([*words, *ends, "--frames", "10", "--frame-rate", "5", "--device", "cpu"]) == 0
    with VideoReader(out) as reader:
        assert (reader.info.width, reader.info.height, reader.info.frame_rate) == (64, 64, 5)
        assert len(list(reader)) == 10


MISTAKES = {
    "no style": ("translate munit a out", "none was chosen. Add --styles COUNT or --style PICTURE"),
    "no style for a picture": ("translate munit a/0.png out.png", "Add --styles COUNT or --style PICTURE"),
    "no style for a video": ("translate munit clip.mp4 out.mp4", "Add --styles COUNT or --style PICTURE"),
    "zero styles": ("translate munit a out --styles 0", "--styles 0. Give 1 or more"),
    "fewer than none": ("translate munit a out --styles -2", "--styles -2. Give 1 or more"),
    "both kinds": ("translate munit a out --styles 2 --style b/0.png", "both --styles and --style"),
    "a style that is no picture": ("translate munit a out --style text.png", "text.png is not a picture"),
    "a style that is not there": ("translate munit a out --style gone.png", "gone.png"),
    "a tiny style": ("translate munit a out --style small.png", "small.png is only 40x20 px. Give a larger"),
    "two styles for a video": ("translate munit clip.mp4 out.mp4 --styles 2", "--styles 1 or one --style"),
    "styles without a use": ("translate cyclegan a out --styles 2", "has no styles"),
    "an example without a use": ("translate cyclegan a out --style b/0.png", "has no styles"),
    "a grid of one look": ("grid cyclegan --content a --styles 2 --out out.png", "has no styles"),
    "a grid without styles": ("grid munit --content a --out out.png", "Add --style with example pictures"),
    "a grid of zero styles": ("grid munit --content a --styles 0 --out out.png", "Give 1 or more"),
    "a grid of nothing": ("grid munit --content empty --styles 2 --out out.png", "no pictures in"),
    "a grid of text": ("grid munit --content text.png --styles 2 --out out.png", "text.png is not a picture"),
    "a grid of tiny styles": ("grid munit --content a --style small.png --out out.png", "only 40x20 px"),
    "a grid of small cells": ("grid munit --content a --styles 2 --size 4 --out out.png", "--size of 16"),
    "a grid that is too large": (
        "grid munit --content a --styles 3 --size 20000 --out out.png",
        "GB in memory). Use a smaller --size",
    ),
    "a morph of one look": (
        "interpolate cyclegan a/0.png --from b/0.png --to b/1.png --out out.mp4",
        "no styles",
    ),
    "a morph of one frame": (
        "interpolate munit a/0.png --from b/0.png --to b/1.png --frames 1 --out out.mp4",
        "--frames of 2 or more",
    ),
    "a morph to nowhere": (
        "interpolate munit a/0.png --from b/0.png --to gone.png --out out.mp4",
        "gone.png",
    ),
    "a morph from a tiny picture": (
        "interpolate munit a/0.png --from small.png --to b/0.png --out out.mp4",
        "small.png is only 40x20 px",
    ),
    "a morph of text": (
        "interpolate munit text.png --from b/0.png --to b/1.png --out out.mp4",
        "not a picture",
    ),
    "a morph into a picture": ("interpolate munit a/0.png --from b/0.png --to b/1.png --out out.png", ".mp4"),
}


@pytest.mark.parametrize(("typed", "expected"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.thinned(8)
def test_a_mistake_is_one_line_with_its_remedy(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: str, expected: str
) -> None:
    command, *words = typed.split()
    places = {"out": tmp_path / "out", "out.png": tmp_path / "out.png", "out.mp4": tmp_path / "out.mp4"}
    isolated = [
        word if word.startswith("-") or word.lstrip("-").isdigit() else str(places.get(word, made / word))
        for word in words
    ]
    assert expected in said(capsys, [command, *isolated, "--device", "cpu"])
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_style_may_be_as_small_as_the_message_says(made: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "least.png", read_image(made / "b" / "0.png")[:32, :32])
    words = ["translate", str(made / "munit"), str(made / "a" / "0.png"), str(tmp_path / "out.png")]
    assert main([*words, "--style", str(tmp_path / "least.png"), "--device", "cpu"]) == 0


def config_of(run: Path) -> dict[str, dict[str, object]]:
    settings: dict[str, dict[str, object]] = json.loads((run / "config.json").read_text())["settings"]
    return settings


@pytest.mark.sweep
def test_a_preset_reaches_the_run_and_flags_overrule_it(made: Path, tmp_path: Path) -> None:
    words = train("munit", made, "--preset", "summer2winter", "--out", str(tmp_path / "plain"))
    assert main(words) == 0
    assert config_of(tmp_path / "plain")["method"]["cycle_weight"] == 10
    words = train("munit", made, "--preset", "summer2winter", "--out", str(tmp_path / "own"))
    assert main([*words, "--cycle-weight", "3"]) == 0
    settings = config_of(tmp_path / "own")
    assert settings["method"]["cycle_weight"] == 3
    assert (settings["train"]["steps"], settings["data"]["crop_size"]) == (2, 32)
    assert settings["train"]["schedule"] == "step", "the method's own defaults stay"


@pytest.mark.sweep
def test_the_words_of_a_page_can_be_typed(made: Path, tmp_path: Path) -> None:
    """`reskin methods ganimorph_lite` shows --no-flip, which already holds there."""
    more = ["--no-flip", "--ssim-scales", "1", "--load-size", "32", "--crop-size", "32"]
    assert main([*train("ganimorph_lite", made, "--out", str(tmp_path / "run")), *more]) == 0
    assert config_of(tmp_path / "run")["data"]["flip"] is False


def test_a_misspelt_preset_or_method_is_named_with_the_nearest(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = said(capsys, train("munit", made, "--preset", "sumer2winter", "--out", str(tmp_path / "run")))
    assert "munit has no preset 'sumer2winter'. Did you mean 'summer2winter'? Known: " in line
    assert "Known: steady" in said(capsys, train("cut", made, "--preset", "faces"))
    assert "unknown method 'muint'. Did you mean 'munit'?" in said(capsys, train("muint", made))
    assert "Did you mean 'ganimorph_lite'?" in said(capsys, ["methods", "ganimorph_light"])
    assert not (tmp_path / "run").exists()


def test_weights_that_do_not_share_are_refused_before_anything_is_made(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = train("ganimorph_lite", made, "--cycle-weight", "0.5", "--out", str(tmp_path / "run"))
    line = said(capsys, words)
    assert "add up to 1.3, not 1: give all three" in line and "--input-l1-weight" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("b", ["apart", "empty"])
def test_pix2pix_wants_pairs(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], b: str) -> None:
    line = said(capsys, train("pix2pix", made, "--out", str(tmp_path / "run"), b=b))
    assert "no pairs in" in line and "without pairs, train a method such as cyclegan" in line


@pytest.mark.parametrize(
    ("method", "size", "expected"),
    [
        ("cut", 30, "a --crop-size that is a multiple of 4"),
        ("munit", 30, "a --crop-size that is a multiple of 4"),
        ("ganimorph", 40, "a --crop-size that is a multiple of 16"),
        ("ganimorph_lite", 36, "a --crop-size that is a multiple of 8"),
        ("ganimorph_lite", 32, "Use 3 scales (--ssim-scales"),
    ],
)
@pytest.mark.thinned(5)
def test_a_size_that_the_network_cannot_take_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, size: int, expected: str
) -> None:
    sizes = ["--load-size", str(size), "--crop-size", str(size)]
    words = train(method, made, *sizes, "--out", str(tmp_path / "run"))
    capsys.readouterr()
    assert main(words) == 2
    assert expected in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_checkpoint_of_another_method_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once the settings are another method's too, once the name alone."""
    ours, theirs = (json.loads((made / run / "config.json").read_text()) for run in ("cyclegan", "munit"))
    for number, settings in enumerate(
        (ours["settings"], ours["settings"] | {"method": theirs["settings"]["method"]})
    ):
        run = tmp_path / f"run{number}"
        shutil.copytree(made / "cyclegan", run)
        config = ours | {"method": "munit", "settings": settings}
        (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
        words = ["translate", str(run), str(made / "a"), str(tmp_path / "out"), "--styles", "2"]
        line = said(capsys, [*words, "--device", "cpu"])
        assert ("of other networks" in line and "same run" in line) if number else str(run) in line
    line = said(capsys, train("munit", made, out="cyclegan"))
    assert "holds a run of cyclegan. Choose another --out" in line
