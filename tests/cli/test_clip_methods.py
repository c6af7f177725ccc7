"""Methods that learn from clips, through the command line: from footage to a film, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.drawn_films import shots_film

from reskin.cli.main import main
from reskin.images import write_image
from reskin.video.reader import VideoReader

SMALL = {
    "recycle_gan": "--width 4 --blocks 1 --disc-layers 1 --predictor-width 4 --predictor-downsamplings 5",
}
"""Flags of tiny networks."""

names = pytest.mark.parametrize("name", list(SMALL))
Failed = Callable[..., str]


@pytest.fixture
def failed(capsys: pytest.CaptureFixture[str]) -> Failed:
    """Runs a command that must end with code 2 and one line, which is returned."""

    def run(*words: object) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("reskin: ")]
        assert "Traceback" not in line
        return line

    return run


def train_words(name: str, a: Path, b: Path, out: Path, *more: str) -> list[str]:
    words = [
        "train",
        name,
        "--a",
        str(a),
        "--b",
        str(b),
        "--out",
        str(out),
        "--device",
        "cpu",
        "--steps",
        "2",
    ]
    return [*words, "--load-size", "36", "--crop-size", "32", *SMALL[name].split(), *more]


def prepared(tmp_path: Path, *, length: int = 4) -> tuple[Path, Path]:
    """Clips of two films of three shots each."""
    for number, side in enumerate("ab"):
        film = shots_film(tmp_path / f"{side}.mp4", [16, 16, 16], seed=number)
        words = ["prepare", "clips", str(film), "--out", str(tmp_path / side), "--length", str(length)]
        assert main([*words, "--size", "48x48", "--split", "none"]) == 0
    return tmp_path / "a", tmp_path / "b"


@names
def test_from_footage_to_a_film(name: str, tmp_path: Path) -> None:
    a, b = prepared(tmp_path)
    run, film = tmp_path / "run", tmp_path / "a.mp4"
    assert main(train_words(name, a, b, run)) == 0
    losses = json.loads((run / "losses.jsonl").read_text().splitlines()[-1])["losses"]
    assert {"adversarial", "discriminator_b"} <= set(losses)
    assert main(["translate", str(run), str(film), str(tmp_path / "out.mp4"), "--device", "cpu"]) == 0
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert len(list(reader)) == 48
    assert (
        main(["evaluate", str(run), "--a", str(a), "--b", str(b), "--max-images", "2", "--device", "cpu"])
        == 0
    )
    assert main(["report", str(run)]) == 0


@names
def test_pictures_where_clips_are_wanted(name: str, tmp_path: Path, failed: Failed) -> None:
    a, b = tmp_path / "stills", tmp_path / "more"
    for folder in (a, b):
        for number, title in enumerate(("church", "house", "tree")):
            write_image(folder / f"{title}.png", np.full((40, 40, 3), 60 * number, np.uint8))
    line = failed(*train_words(name, a, b, tmp_path / "run"))
    assert "consecutive frames" in line and "only single images" in line and "reskin prepare clips" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


@names
def test_clips_that_are_too_short(name: str, tmp_path: Path, failed: Failed) -> None:
    a, b = prepared(tmp_path, length=2)
    line = failed(*train_words(name, a, b, tmp_path / "run"))
    assert "clips of 2 at most" in line and "--length" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


@names
def test_clips_that_a_step_makes_too_short(name: str, tmp_path: Path, failed: Failed) -> None:
    a, b = prepared(tmp_path)
    line = failed(*train_words(name, a, b, tmp_path / "run", "--frame-step", "5"))
    assert "5 apart" in line and "clips of 4 at most" in line


def test_a_film_whose_shots_are_shorter_than_a_clip(tmp_path: Path, failed: Failed) -> None:
    film = shots_film(tmp_path / "cuts.mp4", [8] * 6)
    line = failed("prepare", "clips", film, "--out", tmp_path / "out", "--length", "9")
    assert "cuts.mp4" in line and "shorter clips" in line


@names
def test_frames_with_a_cut_between_any_two(name: str, tmp_path: Path, failed: Failed) -> None:
    """Numbered through in one folder; only the manifest says that each is a shot of its own."""
    folder = tmp_path / "a"
    records = [
        {"file": f"{n:03d}.png", "source": 0, "index": n, "shot": n, "split": "train"} for n in range(8)
    ]
    for record in records:
        write_image(folder / str(record["file"]), np.full((40, 40, 3), 90, np.uint8))
    source = {"name": "x.mp4", "sha256": "", "size_bytes": 1}
    facts = {"reskin": "0", "settings": {}, "sources": [source], "frames": records, "damaged": []}
    (folder / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    _, b = prepared(tmp_path / "other")
    line = failed(*train_words(name, folder, b, tmp_path / "run"))
    assert "consecutive frames" in line and "only single images" in line


def test_strips_of_three_frames(tmp_path: Path, failed: Failed) -> None:
    """The layout of the authors of Recycle-GAN."""
    source = np.random.default_rng(0)
    for side in ("trainA", "trainB"):
        for number in range(3):
            strip = source.integers(0, 255, (40, 120, 3), dtype=np.uint8)
            write_image(tmp_path / "set" / side / f"{number}.png", strip)
    words = train_words("recycle_gan", tmp_path / "set", tmp_path / "set", tmp_path / "run")
    assert "three frames each" in failed(*words, "--frame-step", "2")
    assert main(words) == 0


def test_a_step_between_frames_for_single_images(tmp_path: Path, failed: Failed) -> None:
    for side in ("a", "b"):
        write_image(tmp_path / side / "1.png", np.full((40, 40, 3), ord(side), np.uint8))
    words = ["train", "cyclegan", "--a", tmp_path / "a", "--b", tmp_path / "b", "--out", tmp_path / "run"]
    assert "--frame-step 2 for a method that learns single images" in failed(*words, "--frame-step", "2")


def frames_of(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack([frame.image for frame in reader]).astype(int)


def test_a_film_with_the_predictor(tmp_path: Path, failed: Failed) -> None:
    a, b = prepared(tmp_path)
    run, film = tmp_path / "run", tmp_path / "a.mp4"
    assert main(train_words("recycle_gan", a, b, run)) == 0
    made: dict[str, np.ndarray] = {}
    for name, more in {"alone": (), "mixed": ("--predictor-share", "0.5")}.items():
        words = ["translate", str(run), str(film), str(tmp_path / f"{name}.mkv"), "--codec", "ffv1"]
        assert main([*words, "--device", "cpu", "--steady", "0", "--work-size", "full", *more]) == 0
        made[name] = frames_of(tmp_path / f"{name}.mkv")
    differs = [bool((one != other).any()) for one, other in zip(made["alone"], made["mixed"], strict=True)]
    # The first two frames of each shot of 16 have no two before them.
    assert differs == ([False] * 2 + [True] * 14) * 3


def test_a_model_without_a_predictor_takes_no_share_of_one(tmp_path: Path, failed: Failed) -> None:
    a, b = prepared(tmp_path)
    words = [
        "train",
        "cyclegan",
        "--a",
        str(a),
        "--b",
        str(b),
        "--out",
        str(tmp_path / "run"),
        "--steps",
        "1",
    ]
    words += ["--width", "4", "--blocks", "1", "--disc-layers", "1", "--load-size", "36", "--crop-size", "32"]
    assert main([*words, "--device", "cpu"]) == 0
    film, out = tmp_path / "a.mp4", tmp_path / "out.mp4"
    line = failed("translate", tmp_path / "run", film, out, "--predictor-share", "0.5", "--device", "cpu")
    assert "without a predictor" in line and not out.exists()
