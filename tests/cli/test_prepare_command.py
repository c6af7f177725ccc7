"""`reskin prepare frames|clips|images` and `reskin split`: exit codes, presets, JSON, help."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reskin.cli import prepare, split
from reskin.cli.main import main
from reskin.data.manifest import read_manifest
from reskin.errors import DataError, SettingsError
from reskin.exits import PartialError
from reskin.images import write_image
from reskin.video.writer import VideoWriter


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (36, 64, 3))
    with VideoWriter(path, size=(64, 36), frame_rate=25) as writer:
        for number in range(60):
            noisy = np.clip(still + rng.integers(-40, 41, still.shape), 0, 255).astype(np.uint8)
            writer.write(noisy, time=Fraction(number, 25))
    return str(path)


def test_frames(film: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert prepare.run(["frames", film, "--out", str(out), "--per-second", "10", "--json"]) == 0
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert summary["pictures"] == sum(summary["splits"].values()) == len(read_manifest(out).frames)
    assert f"done: {out}" in said.err
    with pytest.raises(PartialError, match="could not be read") as partly:
        bad = tmp_path / "bad.mp4"
        bad.write_text("no film", encoding="utf-8")
        prepare.run(["frames", film, str(bad), "--out", str(tmp_path / "two"), "--every", "20"])
    assert partly.value.exit_code == 3 and "bad.mp4" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["frames", "--every", "20"], ["clips", "--length", "5"]])
@pytest.mark.parametrize("has_good", [True, False])
@pytest.mark.thinned(4)
def test_why_a_video_is_left_out_is_said_once(
    film: str,
    tmp_path: Path,
    words: list[str],
    has_good: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no film", encoding="utf-8")
    kind, *flags = words
    videos = [str(bad), film] if has_good else [str(bad)]
    code = main(["prepare", kind, *videos, "--out", str(tmp_path / "out"), *flags])
    said = capsys.readouterr().err + caplog.text
    assert code == (3 if has_good else 2)
    assert said.count("is not a video") == 1
    assert said.count("bad.mp4 cannot be read and is left out") == has_good


@pytest.mark.sweep
def test_presets_and_flags_together(film: str, tmp_path: Path) -> None:
    words = ["frames", film, "--preset", "got_frames", "--every", "20", "--format", "jpg"]
    prepare.run([*words, "--out", str(tmp_path / "a")])
    settings = read_manifest(tmp_path / "a").settings
    assert (settings["every"], settings["size"], settings["ratio"]) == (20, "640x360", "4:1")
    prepare.run(["frames", film, "--preset=got_frames", "--per-second", "2", "--out", str(tmp_path / "b")])
    settings = read_manifest(tmp_path / "b").settings
    assert (settings["every"], settings["per_second"], settings["size"]) == (None, 2.0, "640x360")
    with pytest.raises(SettingsError, match=r"no preset 'got'.*got_frames"):
        prepare.run(["frames", film, "--preset", "got", "--out", str(tmp_path / "c")])


def test_clips_images_and_split(film: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare.run(["clips", film, "--out", str(tmp_path / "clips"), "--length", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] > 5
    for number in range(12):
        write_image(tmp_path / "crawl" / f"{number}.png", np.full((9, 9, 3), number, np.uint8))
    images = str(tmp_path / "images")
    assert prepare.run(["images", str(tmp_path / "crawl"), "--out", images, "--split", "none"]) == 0
    capsys.readouterr()
    assert split.run([images, "--by", "random", "--ratio", "2:1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": 8, "test": 4}
    with pytest.raises(DataError, match="--again"):
        split.run([images, "--by", "random"])
    assert split.run([images, "--by", "random", "--again"]) == 0


def test_prepared_by_shot_then_asked_to_split_by_shot_has_nothing_to_do(film: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    prepare.run(["frames", film, "--out", out, "--every", "5", "--split", "block"])
    before = read_manifest(tmp_path / "out")
    assert split.run([out, "--by", "block"]) == 0 and read_manifest(tmp_path / "out") == before


def test_help_names_kinds_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare.run(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(kind in said for kind in ("frames", "faces", "images", "clips"))
    with pytest.raises(SystemExit):
        prepare.run(["frames", "--help"])
    said = capsys.readouterr().out
    assert "got_frames" in said and "recycle_frames" in said and "--skip-start" in said
    with pytest.raises(SettingsError, match="Known: frames"):
        prepare.run(["film"])
    with pytest.raises(SettingsError, match="choose only one"):
        prepare.run(["frames", "x.mp4", "--out", "y", "--every", "2", "--count", "3"])


@pytest.mark.parametrize(
    "words",
    [
        ["frames", "FILM", "--per-second", "10", "--size", "32"],
        ["frames", "FILM", "--count", "15", "--seed", "4"],
        ["clips", "FILM", "--length", "3"],
        ["images", "PICTURES", "--size", "16x16"],
    ],
)
@pytest.mark.thinned(4, first=1)
def test_a_dry_run_counts_what_the_run_makes_and_writes_nothing(
    film: str, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    for number in range(12):
        write_image(pictures / f"{number}.png", np.full((20 + number, 30, 3), 9 * number, np.uint8))
    names = {"FILM": film, "PICTURES": str(pictures)}
    words = [*(names.get(word, word) for word in words), "--out", str(out), "--json"]
    assert prepare.run([*words, "--dry-run"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert sorted(tmp_path.iterdir()) == [pictures]
    assert prepare.run(words) == 0
    made = json.loads(capsys.readouterr().out)
    assert (expected["pictures"], expected["splits"]) == (made["pictures"], made["splits"])
    [source] = expected["sources"]
    assert source["take"] == made["pictures"] and len(source["examples"]) == 3
    assert expected["megabytes"] > 0 and expected["minutes"] > 0 and expected["free_megabytes"] > 0
    if words[0] != "images":
        assert (source["width"], source["height"], source["frames"]) == (64, 36, 60)
        assert source["seconds"] == pytest.approx(2.4)


@pytest.mark.sweep
def test_a_dry_run_names_black_bars_the_size_and_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, bad = tmp_path / "wide.mp4", tmp_path / "bad.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, size=(64, 64), frame_rate=25) as writer:
        for number in range(30):
            image = np.zeros((64, 64, 3), np.uint8)
            image[16:48] = rng.integers(90, 256, (32, 64, 3), dtype=np.uint8)
            writer.write(image, time=Fraction(number, 25))
    bad.write_text("no film", encoding="utf-8")
    words = ["frames", str(path), str(bad), "--every", "2", "--size", "16", "--dry-run"]
    with pytest.raises(PartialError, match=r"1 of 2 sources cannot be read: bad.mp4"):
        prepare.run([*words, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "wide.mp4: 64x64, 30 frames, 1 s; black bars to cut: 18 px top, 18 px bottom" in said
    assert "11 pictures of 37x16 px" in said and "such as 0." in said
    assert not (tmp_path / "out").exists()


@pytest.mark.sweep
def test_a_dry_run_with_add_splits_as_the_dataset_is_split(
    film: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, out = tmp_path / "other.mp4", tmp_path / "out"
    other.write_bytes(Path(film).read_bytes() + b"another")
    prepare.run(["frames", film, "--per-second", "10", "--out", str(out)])
    words = ["frames", str(other), "--per-second", "10", "--out", str(out), "--add", "--json"]
    before = sorted(path.as_posix() for path in out.rglob("*"))
    capsys.readouterr()
    prepare.run([*words, "--dry-run"])
    expected = json.loads(capsys.readouterr().out)
    assert sorted(path.as_posix() for path in out.rglob("*")) == before
    held = len(before)
    prepare.run(words)
    made = json.loads(capsys.readouterr().out)
    assert len([*out.rglob("*")]) > held
    assert made["pictures"] - expected["pictures"] == len([n for n in before if n.endswith(".png")])
