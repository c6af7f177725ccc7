"""Masks: the change stays within them, softly, frame by frame; their number and size are checked first."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.reports import Reports
from tests.translation.conftest import Negative
from tests.translation.test_resume import Restless, stopped_after

from reskin.errors import ImageError, ReskinError, SettingsError
from reskin.images import Picture, picture_size, read_image, write_image
from reskin.inference.rendering import Rendering, feathered
from reskin.translation.clips import translate_video
from reskin.translation.film import AS_IT_IS, FilmOptions
from reskin.translation.folders import translate_folder
from reskin.translation.pictures import translate_image
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter

RATE = Fraction(4)
LOSSLESS = FilmOptions(work_size="full", steady=0.0, has_bars=False, encoding=Encoding("ffv1"))
HARD: dict[str, Any] = {"feather": 0.0}


def film(path: Path, frames: int = 30, *, size: tuple[int, int] = (64, 48)) -> Path:
    noise = np.random.default_rng(0).integers(40, 200, (size[1], size[0] + frames, 3)).astype(np.uint8)
    with VideoWriter(path, size=size, frame_rate=RATE, encoding=Encoding("ffv1")) as out:
        for number in range(frames):
            out.write(np.ascontiguousarray(noise[:, number : number + size[0]]), number / RATE)
    return path


def shape(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """A white square that walks to the right, (H, W), bool."""
    mask = np.zeros((size[1], size[0]), bool)
    mask[10:30, number : number + 20] = True
    return mask


def as_picture(mask: np.ndarray) -> Picture:
    return np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2)


def mask_video(path: Path, numbers: range, *, size: tuple[int, int] = (64, 48), codec: Any = "ffv1") -> Path:
    with VideoWriter(path, size=size, frame_rate=RATE, encoding=Encoding(codec)) as out:
        for count, number in enumerate(numbers):
            out.write(as_picture(shape(number, size)), count / RATE)
    return path


def mask_folder(path: Path, numbers: range) -> Path:
    path.mkdir()
    for number in numbers:
        write_image(path / f"mask{number}.png", as_picture(shape(number)))  # mask10 comes behind mask9
    return path


def changed(source: Path, out: Path, first: int = 0) -> list[np.ndarray]:
    with VideoReader(source) as before, VideoReader(out) as after:
        old = [frame.image for frame in before][first:]
        return [(frame.image != was).any(axis=2) for frame, was in zip(after, old, strict=False)]


@pytest.mark.parametrize("kind", ["video", "compressed", "folder"])
@pytest.mark.thinned(3)
def test_each_frame_has_its_mask(tmp_path: Path, negative: Negative, kind: str) -> None:
    source = film(tmp_path / "in.mkv")
    if kind == "folder":
        mask = mask_folder(tmp_path / "masks", range(30))
    else:
        mask = mask_video(tmp_path / "mask.mkv", range(30), codec="h264" if kind == "compressed" else "ffv1")
    out = tmp_path / "out.mkv"
    translate_video(negative, source, out, "a2b", rendering=Rendering(mask=mask, **HARD), film=LOSSLESS)
    for number, seen in enumerate(changed(source, out)):
        # A level of 127 or 128 is its own negative, and the edge of a compressed mask is off by a pixel.
        inside = shape(number)
        if kind == "compressed":
            assert seen[13:27, number + 3 : number + 17].mean() > 0.95 and not seen[35:].any()
        else:
            assert not (seen & ~inside).any() and seen[inside].mean() > 0.95


def test_a_picture_is_the_mask_of_all_frames(tmp_path: Path, negative: Negative) -> None:
    source = film(tmp_path / "in.mkv", 5)
    write_image(tmp_path / "mask.png", as_picture(shape(7)))
    rendering = Rendering(mask=tmp_path / "mask.png", **HARD)
    translate_video(negative, source, tmp_path / "out.mkv", "a2b", rendering=rendering, film=LOSSLESS)
    for seen in changed(source, tmp_path / "out.mkv"):
        assert not (seen & ~shape(7)).any() and seen[shape(7)].mean() > 0.95


@pytest.mark.parametrize("masks", [range(30), range(8, 20)], ids=["whole", "part"])
@pytest.mark.thinned(2)
def test_a_part_takes_the_masks_of_the_film_or_its_own(
    tmp_path: Path, negative: Negative, masks: range
) -> None:
    source = film(tmp_path / "in.mkv")
    mask = mask_video(tmp_path / "mask.mkv", masks)
    out, rendering = tmp_path / "out.mkv", Rendering(mask=mask, **HARD)
    options = FilmOptions(
        work_size="full", steady=0.0, has_bars=False, encoding=Encoding("ffv1"), start=2, seconds=3
    )
    translate_video(negative, source, out, "a2b", rendering=rendering, film=options)
    for number, seen in enumerate(changed(source, out, first=8)):
        assert not (seen & ~shape(8 + number)).any() and seen[shape(8 + number)].mean() > 0.95


@pytest.mark.parametrize(
    ("frames", "size", "says"),
    [
        (29, (64, 48), "mask.mkv holds 29 masks, .*in.mkv has 30 frames. Render one mask for every frame"),
        (31, (64, 48), "holds 31 masks"),
        (30, (64, 64), "mask.mkv has 64x64 px, .*in.mkv has 64x48. Render the mask in the size of the film"),
        (30, (128, 96), "has 128x96 px"),
    ],
)
@pytest.mark.thinned(3, first=2)
def test_another_length_or_size_is_one_line_before_work(
    tmp_path: Path, negative: Negative, frames: int, size: tuple[int, int], says: str
) -> None:
    source = film(tmp_path / "in.mkv")
    mask = mask_video(tmp_path / "mask.mkv", range(frames), size=size)
    with pytest.raises(SettingsError, match=says) as raised:
        translate_video(
            negative, source, tmp_path / "out.mkv", "a2b", rendering=Rendering(mask=mask), film=AS_IT_IS
        )
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "mask.mkv"]


def test_a_folder_of_another_length_or_size(tmp_path: Path, negative: Negative) -> None:
    source = film(tmp_path / "in.mkv", 6)
    masks = mask_folder(tmp_path / "masks", range(5))
    out, rendering = tmp_path / "out.mkv", Rendering(mask=masks)
    with pytest.raises(SettingsError, match="holds 5 masks"):
        translate_video(negative, source, out, "a2b", rendering=rendering, film=AS_IT_IS)
    write_image(masks / "mask5.png", as_picture(shape(0, (32, 48))))
    with pytest.raises(SettingsError, match=r"mask5\.png has 32x48 px"):
        translate_video(negative, source, out, "a2b", rendering=rendering, film=AS_IT_IS)
    (masks / "mask5.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"mask5\.png"):
        translate_video(negative, source, out, "a2b", rendering=rendering, film=AS_IT_IS)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SettingsError, match="holds no masks"):
        translate_video(negative, source, out, "a2b", rendering=Rendering(mask=empty), film=AS_IT_IS)
    (tmp_path / "notes.txt").write_text("no mask")
    with pytest.raises(ReskinError, match=r"notes\.txt"):
        translate_video(
            negative, source, out, "a2b", rendering=Rendering(mask=tmp_path / "notes.txt"), film=AS_IT_IS
        )


@pytest.mark.sweep
def test_a_stopped_film_goes_on_with_its_masks_and_starts_anew_with_others(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", 53)
    mask = mask_folder(tmp_path / "masks", range(53))
    out, film_options = tmp_path / "out.mp4", FilmOptions()

    def run(target: Path) -> Reports:
        reports = Reports()
        options: dict[str, Any] = {"rendering": Rendering(mask=mask), "film": film_options}
        translate_video(Restless(), source, target, "a2b", report=reports, **options)
        return reports

    run(tmp_path / "whole.mp4")
    stopped_after(1, Restless(), source, out, film_options, rendering=Rendering(mask=mask))
    assert run(out)[0].done == 20
    assert out.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    out.unlink()
    stopped_after(1, Restless(), source, out, film_options, rendering=Rendering(mask=mask))
    write_image(mask / "mask30.png", as_picture(shape(3)))
    assert run(out)[0].done == 0


def test_a_folder_is_translated_again_where_its_masks_were_changed(
    tmp_path: Path, negative: Negative
) -> None:
    source, masks = tmp_path / "in", tmp_path / "masks"
    for folder in (source, masks):
        folder.mkdir()
    for name in ("a", "b"):
        write_image(source / f"{name}.png", np.full((48, 64, 3), 50, np.uint8))
        write_image(masks / f"{name}.png", as_picture(shape(3)))
    options: dict[str, Any] = {"rendering": Rendering(mask=masks, **HARD)}
    assert translate_folder(negative, source, tmp_path / "out", "a2b", **options).translated == 2
    assert translate_folder(negative, source, tmp_path / "out", "a2b", **options).translated == 0
    write_image(masks / "b.png", as_picture(shape(30)))
    assert translate_folder(negative, source, tmp_path / "out", "a2b", **options).translated == 1
    made = read_image(tmp_path / "out" / "b.png")
    assert made[20, 40].tolist() == [205] * 3 and made[20, 10].tolist() == [50] * 3


def test_masks_of_pictures_have_their_size(tmp_path: Path, negative: Negative) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_image(source / "a.png", np.full((48, 64, 3), 50, np.uint8))
    write_image(tmp_path / "mask.png", as_picture(shape(3, (128, 96))))
    rendering = Rendering(mask=tmp_path / "mask.png")
    with pytest.raises(SettingsError, match=r"mask\.png has 128x96 px, .*a\.png has 64x48") as raised:
        translate_folder(negative, source, tmp_path / "out", "a2b", rendering=rendering)
    assert "\n" not in str(raised.value) and not (tmp_path / "out").exists()
    with pytest.raises(SettingsError, match=r"mask\.png has 128x96 px"):
        translate_image(negative, source / "a.png", "a2b", out=tmp_path / "a.png", rendering=rendering)


def test_the_change_sets_in_softly_inside_of_the_white() -> None:
    mask = (shape(10) * 255).astype(np.uint8)
    soft = feathered(mask, 4)
    assert (soft[~shape(10)] == 0).all()  # black stays black
    assert soft[20, 9:16].tolist() == [0, 51, 102, 153, 204, 255, 255]
    assert np.array_equal(feathered(mask, 0), mask)
    assert np.array_equal(feathered(np.full((9, 9), 255, np.uint8), 4), np.full((9, 9), 255))
    large = np.zeros((1000, 400), np.uint8)
    large[:, 100:] = 255
    assert feathered(large, None)[500, 99:106].tolist() == [0, 51, 102, 153, 204, 255, 255]  # 1 % of 400


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"feather": 3.0}, "--feather without --mask"),
        ({"mask": Path(__file__), "feather": -1.0}, "--feather -1"),
    ],
)
def test_wrong_feathers_are_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Rendering(**values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_picture_is_that_of_its_pixels(tmp_path: Path, orientation: int) -> None:
    picture = Image.new("RGB", (30, 20))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.jpg", exif=exif)
    height, width = read_image(tmp_path / "a.jpg").shape[:2]
    assert picture_size(tmp_path / "a.jpg") == (width, height)
