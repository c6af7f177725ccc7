"""A folder through a model: the same tree on the other side, never twice, nothing lost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.reports import Reports
from torch import Tensor

from reskin.errors import DataError, SettingsError, StorageError
from reskin.images import read_image
from reskin.methods.translator import Translator
from reskin.translation import folders
from reskin.translation.folders import translate_folder
from reskin.translation.pictures import translate_image


def draw(path: Path, height: int = 8, width: int = 6, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(os.fsencode(path.name)))
    Image.fromarray(rng.integers(1, 256, (height, width, channels), np.uint8)).save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    draw(folder / "one.png", 5, 7)
    draw(folder / "deep" / "er" / "two.JPG", 33, 20)
    draw(folder / "deep" / "glass.png", 9, 9, channels=4)
    draw(folder / "three.webp", 12, 12)
    draw(folder / "four.tiff", 3, 3)
    (folder / "notes.txt").write_text("not a picture")
    return folder


def load(path: Path) -> tuple[str | None, str, np.ndarray]:
    """Format, mode and pixels of a file as it is stored."""
    with Image.open(path) as image:
        return image.format, image.mode, np.asarray(image)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_tree_names_formats_sizes_and_transparency_are_kept(
    tmp_path: Path, source: Path, reflecting: Translator
) -> None:
    before = contents(source)
    result = translate_folder(reflecting, source, tmp_path / "out", "a2b")
    assert (result.translated, result.skipped, result.left_out) == (5, 0, [])
    assert contents(source) == before
    made = contents(tmp_path / "out")
    assert set(made) == set(before) - {"notes.txt"} | {"translated.json"}
    for name in set(made) - {"translated.json"}:
        old, new = load(source / name), load(tmp_path / "out" / name)
        assert old[:2] == new[:2] and old[2].shape == new[2].shape


def test_the_result_is_that_of_a_single_picture_byte_for_byte(
    tmp_path: Path, source: Path, reflecting: Translator
) -> None:
    translate_folder(reflecting, source, tmp_path / "out", "a2b")
    for name in ("one.png", "deep/er/two.JPG", "deep/glass.png", "three.webp", "four.tiff"):
        alone = tmp_path / f"alone{Path(name).suffix}"
        translate_image(reflecting, source / name, "a2b", out=alone, overwrite=True)
        assert alone.read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_running_again_makes_only_what_is_new_changed_or_gone(
    tmp_path: Path, source: Path, reflecting: Translator
) -> None:
    out = tmp_path / "out"
    translate_folder(reflecting, source, out, "a2b")
    assert translate_folder(reflecting, source, out, "a2b").skipped == 5
    draw(source / "five.png")
    draw(source / "one.png", 6, 6)
    (out / "four.tiff").unlink()
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    result = translate_folder(reflecting, source, out, "a2b")
    assert (result.translated, result.skipped) == (3, 3)
    assert load(out / "one.png")[2].shape == (6, 6, 3)
    assert (out / "three.webp").stat().st_mtime_ns == stamps[out / "three.webp"]
    with torch.no_grad():
        reflecting.network[1].bias.add_(1.0)
    assert translate_folder(reflecting, source, out, "a2b").translated == 6


def test_stopped_and_run_again_equals_never_stopped(
    tmp_path: Path, source: Path, reflecting: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_third(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate_folder(reflecting, source, tmp_path / "out", "a2b", report=stop_at_third)
    kept = len(contents(tmp_path / "out")) - 1
    assert kept < 5
    result = translate_folder(reflecting, source, tmp_path / "out", "a2b")
    assert result.translated == 5 - result.skipped and result.skipped == kept
    translate_folder(reflecting, source, tmp_path / "whole", "a2b")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_killed_run_is_taken_up_again(tmp_path: Path, source: Path, reflecting: Translator) -> None:
    """A kill may come after a picture is written and before the record is."""
    out = tmp_path / "out"
    translate_folder(reflecting, source, out, "a2b")
    record = json.loads((out / "translated.json").read_text())
    for name in ("one.png", "three.webp"):
        record["files"][name] = None
    (out / "translated.json").write_text(json.dumps(record))
    result = translate_folder(reflecting, source, out, "a2b")
    assert (result.translated, result.skipped) == (2, 3)


def test_unreadable_pictures_are_named_and_left_out(
    tmp_path: Path, source: Path, negative: Translator
) -> None:
    (source / "a-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (source / "z-empty.png").touch()
    seen = Reports()
    result = translate_folder(negative, source, tmp_path / "out", "b2a", report=seen)
    assert [path.name for path, _ in result.left_out] == ["a-broken.jpg", "z-empty.png"]
    for (path, _), line in zip(result.left_out, result.left_out_lines, strict=True):
        assert line.count(path.name) == 1
    assert result.translated == 5 and not (tmp_path / "out" / "z-empty.png").exists()
    assert seen[-1] == (7, 7, "pictures")
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)


def test_a_picture_too_large_for_the_device_does_not_stop_the_others(tmp_path: Path, source: Path) -> None:
    class Small(Translator):
        def translate(self, images: Tensor, direction: str) -> Tensor:
            if images.shape[-2] * images.shape[-1] > 32 * 32:
                raise torch.OutOfMemoryError
            return -images

    draw(source / "a-huge.png", 80, 80)
    result = translate_folder(Small(), source, tmp_path / "out", "a2b")
    assert result.translated == 4
    assert [path.name for path, _ in result.left_out] == ["a-huge.png", "two.JPG"]
    assert "a-huge.png: 1 picture(s) of 80x80 do not fit the memory" in result.left_out[0][1]


def test_a_gif_becomes_a_png_that_replaces_nothing(tmp_path: Path, negative: Translator) -> None:
    folder = tmp_path / "in"
    draw(folder / "a.gif")
    draw(folder / "a.png")
    draw(folder / "a.gif.png")
    translate_folder(negative, folder, tmp_path / "out", "a2b")
    assert set(contents(tmp_path / "out")) == {"a.png", "a.gif.png", "a.gif.png.png", "translated.json"}
    for name, target in (("a.gif", "a.gif.png.png"), ("a.gif.png", "a.gif.png"), ("a.png", "a.png")):
        made = load(tmp_path / "out" / target)[2]
        assert np.array_equal(made, 255 - read_image(folder / name))


def test_transparency_that_a_format_cannot_keep_lies_on_white(tmp_path: Path, negative: Translator) -> None:
    """A PNG that is named .jpg or .bmp, as browsers save them; TGA keeps it."""
    glass = np.full((4, 3, 4), 55, np.uint8)
    glass[:, :, 3] = [255, 51, 0]
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.bmp", "c.ppm"):
        Image.fromarray(glass).save(tmp_path / "in" / name, format="PNG")
    Image.fromarray(glass).save(tmp_path / "in" / "d.tga")
    result = translate_folder(negative, tmp_path / "in", tmp_path / "out", "a2b")
    assert (result.translated, result.left_out) == (4, [])
    (note,) = result.notes
    assert "laid on white in 3 of the new pictures" in note and str(tmp_path / "in" / "a.jpg") in note
    for name in ("b.bmp", "c.ppm"):
        assert load(tmp_path / "out" / name)[2][0].tolist() == [[200] * 3, [244] * 3, [255] * 3]
    assert np.abs(load(tmp_path / "out" / "a.jpg")[2][0, :, 0].astype(int) - [200, 244, 255]).max() <= 4
    kind, mode, kept = load(tmp_path / "out" / "d.tga")
    assert (kind, mode) == ("TGA", "RGBA") and kept[0, :, 3].tolist() == [255, 51, 0]
    assert translate_folder(negative, tmp_path / "in", tmp_path / "out", "a2b").notes == []


def test_what_cannot_be_written_becomes_a_png_and_what_cannot_be_read_is_named(
    tmp_path: Path, negative: Translator
) -> None:
    folder = tmp_path / "in"
    draw(folder / "a.jfif")
    picture = Image.fromarray(read_image(folder / "a.jfif"))
    for name in ("b.jp2", "c.avif", "d.pgm", "e.J2K"):
        picture.convert("L" if name.endswith("pgm") else "RGB").save(folder / name)
    for name in ("f.heic", "film.mp4", "notes.txt"):
        (folder / name).write_bytes(b"x")
    for _ in range(2):
        result = translate_folder(negative, folder, tmp_path / "out", "a2b")
        assert [path.name for path, _ in result.left_out] == ["f.heic", "film.mp4"]
        assert "HEIC cannot be read" in result.left_out[0][1] and "is a video" in result.left_out[1][1]
    names = {"a.jfif", "b.jp2.png", "c.avif.png", "d.pgm.png", "e.J2K.png", "translated.json"}
    assert set(contents(tmp_path / "out")) == names
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no pictures that can be read \(1 file is left out: a\.heic"):
        translate_folder(negative, tmp_path / "only", tmp_path / "new", "a2b")


def test_files_of_others_are_not_replaced(tmp_path: Path, source: Path, negative: Translator) -> None:
    mine = tmp_path / "out" / "one.png"
    draw(mine, 4, 4)
    before = contents(tmp_path / "out")
    with pytest.raises(SettingsError, match=r"one\.png is there already.*--overwrite"):
        translate_folder(negative, source, tmp_path / "out", "a2b")
    assert contents(tmp_path / "out") == before
    assert translate_folder(negative, source, tmp_path / "out", "a2b", overwrite=True).translated == 5


def test_the_same_names_from_another_folder_are_made_anew(
    tmp_path: Path, source: Path, negative: Translator
) -> None:
    twin = tmp_path / "twin"
    for path in source.rglob("*.*"):
        if path.is_file():
            (twin / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (twin / path.relative_to(source)).write_bytes(path.read_bytes())
            status = path.stat()
            os.utime(twin / path.relative_to(source), ns=(status.st_atime_ns, status.st_mtime_ns))
    translate_folder(negative, source, tmp_path / "out", "a2b")
    assert translate_folder(negative, twin, tmp_path / "out", "a2b").translated == 5


def test_an_output_folder_inside_the_source_is_not_translated_again(
    source: Path, negative: Translator
) -> None:
    assert translate_folder(negative, source, source / "out", "a2b").translated == 5
    again = translate_folder(negative, source, source / "out", "a2b")
    assert (again.translated, again.skipped) == (0, 5)


def test_folders_that_would_cost_pictures_are_refused(
    tmp_path: Path, source: Path, negative: Translator
) -> None:
    before = contents(tmp_path)
    for out in (source, source / ".", tmp_path):
        with pytest.raises(SettingsError, match="would be replaced"):
            translate_folder(negative, source, out, "a2b", overwrite=True)
    with pytest.raises(SettingsError, match="is a file"):
        translate_folder(negative, source, source / "notes.txt", "a2b")
    with pytest.raises(DataError, match="does not exist"):
        translate_folder(negative, tmp_path / "nowhere", tmp_path / "out", "a2b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures in"):
        translate_folder(negative, tmp_path / "empty", tmp_path / "out", "a2b")
    assert contents(tmp_path) == before


def test_a_full_disk_stops_the_work_and_keeps_what_is_done(
    tmp_path: Path, source: Path, negative: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    real = folders.write_image

    def write(path: Path, image: np.ndarray, *, alpha: np.ndarray | None = None) -> None:
        if len(written) == 2:
            raise StorageError("no space left")
        written.append(path.name)
        real(path, image, alpha=alpha)

    monkeypatch.setattr(folders, "write_image", write)
    with pytest.raises(StorageError, match="no space left"):
        translate_folder(negative, source, tmp_path / "out", "a2b")
    monkeypatch.undo()
    assert translate_folder(negative, source, tmp_path / "out", "a2b").skipped == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_are_kept(tmp_path: Path, negative: Translator) -> None:
    folder = tmp_path / "in"
    draw(folder / "plain é 画.png")
    os.rename(folder / "plain é 画.png", os.path.join(os.fsencode(folder), b"\xff\xfe.png"))
    draw(folder / "line\nbreak.png")
    assert translate_folder(negative, folder, tmp_path / "out", "a2b").translated == 2
    assert translate_folder(negative, folder, tmp_path / "out", "a2b").skipped == 2
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == [
        b"line\nbreak.png",
        b"translated.json",
        b"\xff\xfe.png",
    ]
