"""A folder of pictures to one size: nothing lost, nothing mixed up, everything named."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.drawn_films import everything

from reskin.curation.prepare import images as images_module
from reskin.curation.prepare.config import ImagesConfig
from reskin.curation.prepare.dry_run import dry_run_images
from reskin.curation.prepare.images import prepare_images
from reskin.data.folders import list_images
from reskin.data.manifest import read_manifest
from reskin.errors import DataError, RunError
from reskin.images import read_image, write_image
from reskin.parsing import parse
from reskin.storage import lock


def draw(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    rng = np.random.default_rng(seed)
    write_image(path, rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """Twenty pictures in three folders, two with one name, two of the same bytes, odd names."""
    folder = tmp_path / "crawl"
    for number in range(16):
        draw(folder / f"site{number % 2}" / f"{number // 2}.png", number, (30 + number, 40))
    draw(folder / "site2" / "0.jpg", 50)
    draw(folder / "site2" / "-ümläut \n'x.png", 51)
    draw(folder / "a.png", 52)
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    return folder


def config(**values: Any) -> ImagesConfig:
    return parse(ImagesConfig, values)


def test_all_become_one_size_and_are_accounted_for(crawl: Path, tmp_path: Path) -> None:
    before = everything(crawl)
    manifest = prepare_images(crawl, tmp_path / "out", config(size="24x16", fit="cover", format="webp"))
    assert everything(crawl) == before and read_manifest(tmp_path / "out") == manifest
    assert len(manifest.frames) == 20 and manifest.damaged == []
    for frame in manifest.frames:
        assert frame.sha256 == hashlib.sha256((crawl / frame.origin).read_bytes()).hexdigest()
        assert frame.file.startswith(f"{frame.split}/") and frame.file.endswith(".webp")
        assert read_image(tmp_path / "out" / frame.file).shape == (16, 24, 3)
    assert {frame.origin for frame in manifest.frames} == set(before)
    assert len({frame.file.casefold() for frame in manifest.frames}) == 20
    found = [frame.split for frame in manifest.frames]
    assert (found.count("train"), found.count("val"), found.count("test")) == (16, 2, 2)
    [twins] = [{f.split for f in manifest.frames if f.origin in ("a.png", "b.png")}]
    assert len(twins) == 1
    assert manifest.sources[0].name == "crawl" and manifest.sources[0].frames == 20


def test_pixels_are_the_originals(crawl: Path, tmp_path: Path) -> None:
    manifest = prepare_images(crawl, tmp_path / "out", config(split="none"))
    for frame in manifest.frames:
        assert (read_image(tmp_path / "out" / frame.file) == read_image(crawl / frame.origin)).all()


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(crawl: Path, tmp_path: Path) -> None:
    (crawl / "empty.png").write_bytes(b"")
    (crawl / "site0" / "cut.png").write_bytes((crawl / "a.png").read_bytes()[:90])
    (crawl / "text.jpg").write_text("no picture", encoding="utf-8")
    os.mkfifo(crawl / "pipe.png")
    (tmp_path / "secret.png").write_bytes((crawl / "a.png").read_bytes())
    (crawl / "link.png").symlink_to(tmp_path / "secret.png")
    manifest = prepare_images(crawl, tmp_path / "out", config(size="16"))
    named = {line.split(" ")[0].rstrip(":") for line in manifest.damaged}
    assert named == {"empty.png", "site0/cut.png", "text.jpg"} and len(manifest.frames) == 20
    assert str(tmp_path) not in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
    draw(crawl / "text.jpg", 99)  # replaced by a sound one
    again = prepare_images(crawl, tmp_path / "out", config(size="16"))
    assert len(again.frames) == 21 and again.frames[:20] == manifest.frames


@pytest.mark.parametrize("stop_after", [0, 1, 7, 19])
@pytest.mark.thinned(3, first=2)
def test_stopping_and_going_on_ends_the_same(
    crawl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    prepare_images(crawl, tmp_path / "whole", config(size="16"))
    written: list[Path] = []

    def limited(path: Path, image: Any) -> None:
        if len(written) >= stop_after:
            raise KeyboardInterrupt
        write_image(path, image)
        written.append(path)

    monkeypatch.setattr(images_module, "write_image", limited)
    with pytest.raises(KeyboardInterrupt):
        prepare_images(crawl, tmp_path / "out", config(size="16"), workers=1)
    with pytest.raises(DataError, match="size was 16, now 17"):
        prepare_images(crawl, tmp_path / "out", config(size="17"))
    monkeypatch.undo()
    kept = {path: path.stat().st_mtime_ns for path in list_images(tmp_path / "out")}
    prepare_images(crawl, tmp_path / "out", config(size="16"))
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())


def test_new_pictures_are_added_and_old_ones_stay(crawl: Path, tmp_path: Path) -> None:
    first = prepare_images(crawl, tmp_path / "out", config(size="16"))
    before = everything(tmp_path / "out")
    for number in range(10):
        draw(crawl / f"0{number}.png", 100 + number)
    (crawl / "site0" / "0.png").unlink()  # what has gone from the crawl stays in the dataset
    made = prepare_images(crawl, tmp_path / "out", config(size="16"))
    assert made.frames[:20] == first.frames and len(made.frames) == 30
    after = everything(tmp_path / "out")
    assert all(after[name] == data for name, data in before.items() if name != "manifest.json")
    found = [frame.split for frame in made.frames]
    assert (found.count("train"), found.count("val"), found.count("test")) == (24, 3, 3)


def test_a_changed_picture_is_made_again_in_its_place(crawl: Path, tmp_path: Path) -> None:
    first = prepare_images(crawl, tmp_path / "out", config(split="none"))
    draw(crawl / "a.png", 77)
    made = prepare_images(crawl, tmp_path / "out", config(split="none"))
    assert [frame.file for frame in made.frames] == [frame.file for frame in first.frames]
    [frame] = [frame for frame in made.frames if frame.origin == "a.png"]
    assert (read_image(tmp_path / "out" / frame.file) == read_image(crawl / "a.png")).all()
    assert frame.sha256 == hashlib.sha256((crawl / "a.png").read_bytes()).hexdigest()


def test_turned_and_deep_pictures_are_read_as_seen(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), (9, 8, 7)).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(np.full((5, 4), 65535, np.uint16)).save(folder / "deep.png")
    manifest = prepare_images(folder, tmp_path / "out", config())
    sizes = {frame.origin: read_image(tmp_path / "out" / frame.file).shape for frame in manifest.frames}
    assert sizes == {"turned.jpg": (30, 20, 3), "deep.png": (5, 4, 3)}
    assert {frame.split for frame in manifest.frames} == {"train"}  # two pictures are not worth a test


@pytest.mark.parametrize("split", ["random", "none"])
@pytest.mark.parametrize("words", [("train", "test"), ("trn", "val"), ("Training", "Testing")])
@pytest.mark.thinned(2)
def test_what_is_held_out_already_stays_so(tmp_path: Path, split: str, words: tuple[str, str]) -> None:
    training, other = words
    for number in range(12):
        draw(tmp_path / "set" / training / f"{number}.png", number)
    for number in (20, 21, 3):  # the last is one of training's, too
        draw(tmp_path / "set" / other / "deep" / f"{number}.png", number)
    manifest = prepare_images(tmp_path / "set", tmp_path / "out", config(size="16x16", split=split))
    held_out = "val" if other == "val" else "test"
    found = {frame.origin: frame.split for frame in manifest.frames}
    assert [name for name in found if found[name] == held_out and training in name] == [f"{training}/3.png"]
    assert sorted(name for name in found if other in name) == sorted(
        name for name in found if found[name] == held_out and training not in name
    )
    assert {*found.values()} == {"train", held_out} and len(found) == 15
    assert len(list_images(tmp_path / "out" / held_out)) == 4
    again = prepare_images(tmp_path / "set", tmp_path / "out", config(size="16x16", split=split))
    assert again == manifest
    draw(tmp_path / "set" / other / "22.png", 22)
    more = prepare_images(tmp_path / "set", tmp_path / "out", config(size="16x16", split=split))
    assert [frame.split for frame in more.frames if frame.origin == f"{other}/22.png"] == [held_out]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train_photo", "test_photo"), "test_photo"),
        (("trainA", "trainB", "testA"), "two domains"),
        (("photos/train", "photos/test"), "photos/test"),
    ],
)
def test_splits_that_would_be_mixed_are_refused(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    for number, name in enumerate(names):
        draw(tmp_path / "set" / name / "1.png", number)
    for act in (prepare_images, dry_run_images):
        with pytest.raises(DataError, match=said) as error:
            act(tmp_path / "set", tmp_path / "out", config(size="16x16"))
        assert error.value.fix
    assert not (tmp_path / "out").exists()


def test_refusals(crawl: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DataError, match="lies in"):
        prepare_images(crawl, crawl / "out", config())
    with pytest.raises(DataError, match="does not exist"):
        prepare_images(tmp_path / "none", tmp_path / "out", config())
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        prepare_images(tmp_path / "void", tmp_path / "out", config())
    (tmp_path / "void" / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="not one picture"):
        prepare_images(tmp_path / "void", tmp_path / "bad", config())
    draw(tmp_path / "mine" / "x.png", 1)
    with pytest.raises(DataError, match="not made by this command"):
        prepare_images(crawl, tmp_path / "mine", config())
    with lock(tmp_path / "held"), pytest.raises(RunError, match="in use"):
        prepare_images(crawl, tmp_path / "held", config())
    prepare_images(crawl, tmp_path / "out", config(size="16x16"))
    assert "20 pictures change their aspect" in caplog.text
