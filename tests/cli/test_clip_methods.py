"""Methods that learn from clips, through the command line: from footage to a film, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.support.drawn_films import shots_film

from reskin.cli.main import main
from reskin.images import read_image, write_image
from reskin.methods import find_trained
from reskin.video.reader import VideoReader

SMALL = {
    "recycle_gan": "--width 4 --blocks 1 --disc-layers 1 --predictor-width 4 --predictor-downsamplings 5",
    "vid2vid": "--width 4 --blocks 1 --disc-width 4 --disc-layers 1 --scales 1 --frames 4 --first-frames 4",
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


SHOT = 8
"""Frames of each shot of the films here."""


@dataclass
class Clips:
    """Clips of two films of three shots each; frames of both have the same names, so they are pairs too.

    Nothing here may change them. What learnt from them is made when it is first asked for.
    """

    folder: Path

    @property
    def a(self) -> Path:
        return self.folder / "a"

    @property
    def b(self) -> Path:
        return self.folder / "b"

    @property
    def film(self) -> Path:
        return self.folder / "film-a" / "film.mp4"

    def run(self, name: str) -> Path:
        """A run of a method of clips, of two steps."""
        run = self.folder / name
        assert run.exists() or main(train_words(name, self.a, self.b, run)) == 0
        return run

    def image_model(self, name: str = "image-model") -> Path:
        """A CycleGAN of one step."""
        run = self.folder / name
        words = ["train", "cyclegan", "--a", str(self.a), "--b", str(self.b), "--out", str(run)]
        words += ["--steps", "1", "--width", "4", "--blocks", "1", "--disc-layers", "1"]
        words += ["--load-size", "36", "--crop-size", "32", "--device", "cpu"]
        assert run.exists() or main(words) == 0
        return run

    def run_of_made_pairs(self) -> Path:
        """A run of vid2vid from pairs that the CycleGAN made."""
        run = self.folder / "made-pairs"
        assert run.exists() or main(with_made_pairs(self.a, self.image_model(), run)) == 0
        return run


def prepared(folder: Path, *, length: int) -> Clips:
    for number, side in enumerate("ab"):
        film = shots_film(folder / f"film-{side}" / "film.mp4", [SHOT] * 3, seed=number)
        words = ["prepare", "clips", str(film), "--out", str(folder / side), "--length", str(length)]
        assert main([*words, "--size", "48x48", "--split", "none"]) == 0
    return Clips(folder)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return prepared(tmp_path_factory.mktemp("clips"), length=4)


def frames_of(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack([frame.image for frame in reader]).astype(int)


def translated(run: Path, film: Path, out: Path, *more: str) -> np.ndarray:
    """The frames of a film as the model makes them, without loss and with nothing done to them afterwards."""
    words = [
        "translate",
        str(run),
        str(film),
        str(out),
        "--codec",
        "ffv1",
        "--device",
        "cpu",
        "--steady",
        "0",
    ]
    assert main([*words, "--work-size", "full", *more]) == 0
    return frames_of(out)


@names
@pytest.mark.sweep
def test_from_footage_to_a_film(name: str, tmp_path: Path, clips: Clips) -> None:
    run = clips.run(name)
    losses = json.loads((run / "losses.jsonl").read_text().splitlines()[-1])["losses"]
    assert {"adversarial", *find_trained(name).adversary.losses} <= set(losses)
    assert main(["translate", str(run), str(clips.film), str(tmp_path / "out.mp4"), "--device", "cpu"]) == 0
    assert len(frames_of(tmp_path / "out.mp4")) == 3 * SHOT
    sides = ["--a", str(clips.a), "--b", str(clips.b)]
    assert main(["evaluate", str(run), *sides, "--max-images", "2", "--device", "cpu"]) == 0
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
@pytest.mark.thinned(2)
def test_clips_that_are_too_short(name: str, tmp_path: Path, failed: Failed) -> None:
    short = prepared(tmp_path, length=2)
    line = failed(*train_words(name, short.a, short.b, tmp_path / "run"))
    assert "clips of 2 at most" in line and "--length" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


@names
@pytest.mark.sweep
def test_clips_that_a_step_makes_too_short(name: str, tmp_path: Path, clips: Clips, failed: Failed) -> None:
    line = failed(*train_words(name, clips.a, clips.b, tmp_path / "run", "--frame-step", "5"))
    assert "5 apart" in line and "clips of 4 at most" in line


def test_a_film_whose_shots_are_shorter_than_a_clip(tmp_path: Path, failed: Failed) -> None:
    film = shots_film(tmp_path / "cuts.mp4", [8] * 6)
    line = failed("prepare", "clips", film, "--out", tmp_path / "out", "--length", "9")
    assert "cuts.mp4 (no shot is longer than 8 frames)" in line and "shorter clips" in line


@names
def test_frames_with_a_cut_between_any_two(name: str, tmp_path: Path, failed: Failed) -> None:
    """Numbered through in one folder; only the manifest says that each is a shot of its own."""
    records = [
        {"file": f"{n:03d}.png", "source": 0, "index": n, "shot": n, "split": "train"} for n in range(8)
    ]
    source = {"name": "x.mp4", "sha256": "", "size_bytes": 1}
    facts = {"reskin": "0", "settings": {}, "sources": [source], "frames": records, "damaged": []}
    for side in "ab":
        for record in records:
            write_image(tmp_path / side / str(record["file"]), np.full((40, 40, 3), ord(side), np.uint8))
        (tmp_path / side / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    line = failed(*train_words(name, tmp_path / "a", tmp_path / "b", tmp_path / "run"))
    assert "consecutive frames" in line and "only single images" in line


@pytest.mark.sweep
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


@pytest.mark.sweep
def test_a_film_with_the_predictor(tmp_path: Path, clips: Clips) -> None:
    run = clips.run("recycle_gan")
    alone = translated(run, clips.film, tmp_path / "alone.mkv")
    mixed = translated(run, clips.film, tmp_path / "mixed.mkv", "--predictor-share", "0.5")
    differs = [bool((one != other).any()) for one, other in zip(alone, mixed, strict=True)]
    # The first two frames of each shot have no two before them.
    assert differs == ([False] * 2 + [True] * (SHOT - 2)) * 3


@pytest.mark.sweep
def test_a_film_is_made_from_its_own_frames_and_begins_anew_at_each_cut(tmp_path: Path, clips: Clips) -> None:
    run = clips.run("vid2vid")
    made = translated(run, clips.film, tmp_path / "made.mkv")
    for number, picture in enumerate(frames_of(clips.film)):
        write_image(tmp_path / "frames" / f"{number:02d}.png", picture.astype(np.uint8))
    frames, translations = str(tmp_path / "frames"), str(tmp_path / "each")
    assert main(["translate", str(run), frames, translations, "--device", "cpu"]) == 0
    each = [read_image(path).astype(int) for path in sorted((tmp_path / "each").glob("*.png"))]
    same = [bool((one == other).all()) for one, other in zip(made, each, strict=True)]
    assert same == ([True] + [False] * (SHOT - 1)) * 3


@pytest.mark.sweep
def test_a_model_without_a_predictor_takes_no_share_of_one(
    tmp_path: Path, clips: Clips, failed: Failed
) -> None:
    run, out = clips.image_model(), tmp_path / "out.mp4"
    line = failed("translate", run, clips.film, out, "--predictor-share", "0.5", "--device", "cpu")
    assert "without a predictor" in line and not out.exists()


def with_made_pairs(a: Path, model: Path, out: Path, *more: str) -> list[str]:
    words = [
        word for word in train_words("vid2vid", a, Path("none"), out, *more) if word not in ("--b", "none")
    ]
    return [*words, "--pairs-from", str(model)]


@pytest.mark.sweep
def test_pairs_that_an_image_model_makes(tmp_path: Path, clips: Clips, failed: Failed) -> None:
    a, model, new = clips.a, clips.image_model(), tmp_path / "run"
    assert "before the pairs are made" in failed(*with_made_pairs(a, model, new), "--dry-run")
    assert not new.exists()
    run = clips.run_of_made_pairs()
    made = sorted(path.relative_to(run / "pairs" / "train") for path in (run / "pairs").rglob("*.png"))
    assert made == sorted(path.relative_to(a) for path in a.rglob("*.png")) and len(made) == 3 * SHOT
    config = json.loads((run / "config.json").read_text())
    assert config["pairs_from"] == {"run": str(model), "step": 1}
    assert config["settings"]["data"]["b"] == str(run / "pairs")
    # The pairs are what the image model makes of each frame.
    assert main(["translate", str(model), str(a), str(tmp_path / "each"), "--device", "cpu"]) == 0
    assert (run / "pairs" / "train" / made[5]).read_bytes() == (tmp_path / "each" / made[5]).read_bytes()
    assert main([*with_made_pairs(a, model, run), "--dry-run"]) == 0


@pytest.mark.sweep
def test_making_pairs_goes_on_where_it_was(clips: Clips) -> None:
    run = clips.run_of_made_pairs()
    files = sorted((run / "pairs" / "train").rglob("*.png"))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    files[7].unlink()
    assert main(with_made_pairs(clips.a, clips.image_model(), run)) == 0
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    changed = [path for path in files if before[path] != after[path]]
    assert changed == [files[7]] and before[files[7]][0] == after[files[7]][0]


@pytest.mark.sweep
def test_pairs_that_cannot_be_made(
    tmp_path: Path, clips: Clips, failed: Failed, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, model, run = clips.a, clips.image_model(), tmp_path / "run"
    words = with_made_pairs(a, model, run)
    assert "both --b and --pairs-from" in failed(*words, "--b", clips.b)
    assert "no run folder" in failed(*with_made_pairs(a, tmp_path / "nothing", run))
    assert "learns without pairs" in failed(
        "train", "cyclegan", "--a", a, "--pairs-from", model, "--out", run
    )
    assert "nowhere" in failed(*with_made_pairs(tmp_path / "nowhere", model, run))
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "several processes" in failed(*words)
    monkeypatch.delenv("WORLD_SIZE")
    assert not run.exists()
    other = clips.image_model("other")
    line = failed(*with_made_pairs(a, other, clips.run_of_made_pairs()))
    assert "begun with pairs of" in line and str(model) in line and str(other) in line
