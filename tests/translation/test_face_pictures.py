"""Faces put back into pictures: drawn faces, a detector that sees them, a model whose translation is
known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.fake_faces import Place, RedDetector, drawn
from tests.translation.test_face_film import Greener, film, frames_of, translated

from reskin.errors import DataError, ImageError, SettingsError
from reskin.images import Picture, read_image, write_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.progress import silent
from reskin.translation import face_search
from reskin.translation.face_pictures import PictureFaces, translate_faces
from reskin.translation.face_plan import FaceOptions
from reskin.translation.film import FilmOptions
from reskin.translation.folders import FolderResult, translate_pictures
from reskin.workflows.translate import FaceSettings, FilmSettings, translate_any

ONE, TWO = (50.0, 60.0, 40), (112.0, 60.0, 30)
FACES = FilmOptions(work_size=32, faces=FaceOptions())


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> RedDetector:
    seen = RedDetector()
    monkeypatch.setattr(face_search, "open_detector", lambda name: seen)
    return seen


def picture(path: Path, *places: Place) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, drawn(places))
    return path


def faces(options: FilmOptions = FACES, **rendering: object) -> PictureFaces:
    return PictureFaces(Engine(Greener(), "a2b", None, Rendering(**rendering)), options)  # type: ignore[arg-type]


def made(path: Path, options: FilmOptions = FACES, **rendering: object) -> Picture:
    out = path.with_name(f"out-{path.name}")
    translate_faces(faces(options, **rendering), path, out, report=silent, overwrite=True)
    return read_image(out)


def changed(before: Picture, after: Picture) -> tuple[float, float]:
    """Middle of what is not the same, (x, y)."""
    down, across = np.nonzero((before != after).any(axis=2))
    return float(across.mean()), float(down.mean())


def only(value: Path | str) -> FilmOptions:
    return replace(FACES, faces=FaceOptions(only=value))  # type: ignore[arg-type]


def test_a_face_changes_and_nothing_else(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", ONE)
    before, after = read_image(source), made(source)
    middle = changed(before, after)
    assert abs(middle[0] - 50) < 2 and abs(middle[1] - 60) < 2
    assert (after[60, 50].astype(int) - before[60, 50])[1] > 15
    assert np.array_equal(before[:, 85:], after[:, 85:]) and np.array_equal(before[:20], after[:20])


def test_a_picture_is_as_the_first_frame_of_a_film(tmp_path: Path) -> None:
    """Both put faces back with one code; a film only holds the position still besides."""
    clip = film(tmp_path / "in.mkv", [[ONE]] * 6)
    _, frames = translated(Greener(), clip)
    source = tmp_path / "a.png"
    write_image(source, frames_of(clip)[0])
    after = made(source)
    assert np.abs(after.astype(int) - frames[0]).max() <= 2


def test_largest_and_alike(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", ONE, TWO)
    before = read_image(source)
    all_of_them, largest = made(source), made(source, only("largest"))
    assert (all_of_them != before)[:, 85:].any() and (all_of_them != before)[:, :85].any()
    assert not (largest != before)[:, 85:].any() and (largest != before)[:, :85].any()
    portrait = picture(tmp_path / "anna.png", (80.0, 60.0, 40))
    assert (made(source, only(portrait)) != before)[:, :85].any()


def blue_striped(path: Path) -> Path:
    """A face that looks like nobody's: broad horizontal bars."""
    frame = drawn([ONE])
    frame[40:80:10, 30:70] = (255, 0, 0)
    frame[45:80:10, 30:70] = (255, 160, 0)
    write_image(path, frame)
    return path


def test_a_person_who_is_not_there_is_one_line(tmp_path: Path) -> None:
    source, other = picture(tmp_path / "a.png", ONE), blue_striped(tmp_path / "ben.png")
    with pytest.raises(DataError, match=r"nobody in .*a\.png looks like the face in .*ben\.png .*wanted"):
        made(source, only(other))
    assert not (tmp_path / "out-a.png").exists()


def test_no_face_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"no face was found in .*a\.png\. Leave --faces out"):
        made(source)
    assert not (tmp_path / "out-a.png").exists()
    with pytest.raises(DataError, match=r"no face is found in .*a\.png"):
        made(picture(tmp_path / "b.png", ONE), only(source))


def test_strength_and_mask(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", ONE)
    before, after = read_image(source).astype(int), made(source).astype(int)
    half = made(source, replace(FACES, strength=0.5)).astype(int)
    assert np.abs(half - (before + after) / 2).max() <= 1
    shown = np.zeros((120, 160, 3), np.uint8)
    shown[:60] = 255
    write_image(tmp_path / "mask.png", shown)
    masked = made(source, mask=tmp_path / "mask.png", feather=0).astype(int)
    assert np.array_equal(masked[60:], before[60:]) and np.array_equal(masked[:60], after[:60])


def test_transparency_is_kept(tmp_path: Path) -> None:
    alpha = np.full((120, 160), 90, np.uint8)
    write_image(tmp_path / "a.png", drawn([ONE]), alpha=alpha)
    translate_faces(faces(), tmp_path / "a.png", tmp_path / "out.png", report=silent)
    from PIL import Image

    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "RGBA" and np.array_equal(np.array(image)[..., 3], alpha)


def folder(root: Path) -> Path:
    for name, places in {"a": [ONE], "b": [], "deep/c": [ONE, TWO]}.items():
        picture(root / f"{name}.png", *places)
    return root


def run(source: Path, options: FilmOptions = FACES) -> FolderResult:
    return translate_pictures(faces(options), source, source.with_name("out"))


def test_a_folder_keeps_pictures_without_a_face(tmp_path: Path) -> None:
    source = folder(tmp_path / "in")
    result = run(source)
    assert result.translated == 3 and "faces: translated in 2 of 3 new pictures" in result.notes
    before, after = read_image(source / "b.png"), read_image(tmp_path / "out" / "b.png")
    assert np.array_equal(before, after)
    assert np.array_equal(read_image(tmp_path / "out" / "a.png"), made(source / "a.png"))


def test_a_folder_goes_on_and_other_faces_are_another_job(tmp_path: Path) -> None:
    source = folder(tmp_path / "in")
    run(source)
    picture(source / "d.png")
    again = run(source)
    assert (again.translated, again.skipped) == (
        1,
        3,
    )  # the new one has no face, but others of the folder had
    assert run(source, only("largest")).translated == 4
    assert run(source, replace(only("largest"), strength=0.5)).translated == 4


def test_a_folder_without_a_face_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for name in "ab":
        picture(source / f"{name}.png")
    with pytest.raises(DataError, match="no face was found in 2 pictures"):
        run(source)
    assert not list((tmp_path / "out").glob("*.png"))


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    source = folder(tmp_path / "in")
    (source / "e.png").write_bytes(b"no picture")
    result = run(source)
    assert result.translated == 3 and [path.name for path, _ in result.left_out] == ["e.png"]
    with pytest.raises(ImageError):
        made(source / "e.png")


def test_the_command_takes_pictures_and_says_what_it_does_not_take(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", ONE)
    settings = FilmSettings(work_size=32)
    options = {"report": silent, "overwrite": False, "faces": FaceSettings(faces=True)}
    translate_any(Greener(), source, tmp_path / "out.png", "a2b", film=settings, **options)
    assert np.array_equal(read_image(tmp_path / "out.png"), made(source))
    with pytest.raises(SettingsError, match=r"--steady for .*a\.png, which is no video"):
        translate_any(Greener(), source, tmp_path / "o.png", "a2b", film=FilmSettings(steady=0.5), **options)
    with pytest.raises(SettingsError, match="--work-size for"):
        plain = {"report": silent, "overwrite": False}
        translate_any(Greener(), source, tmp_path / "o.png", "a2b", film=settings, **plain)


def test_several_styles_are_refused() -> None:
    engine = Engine(Greener(), "a2b")
    engine.rendering = Rendering(styles=torch.zeros(2, 8))
    with pytest.raises(SettingsError, match="faces are translated in one style"):
        PictureFaces(engine, FACES)
