"""Styles and masks: what is made of a picture besides its plain translation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reskin.errors import DataError, ImageError, SettingsError
from reskin.images import read_image, write_image
from reskin.inference.rendering import Rendering, example_style, read_mask
from reskin.methods.masked import Masked
from reskin.methods.styled import Styled
from reskin.translation.clips import translate_video
from reskin.translation.film import AS_IT_IS
from reskin.translation.folders import translate_folder
from reskin.translation.grid import fitted, style_grid
from reskin.translation.morph import interpolate, path_of_styles
from reskin.translation.pictures import translate_image
from reskin.types import Direction
from reskin.video.reader import VideoReader


class Tinted(Styled):
    """Adds its style, three numbers, to the colours; the style of a picture is its mean colour."""

    style_size = 3

    def __init__(self) -> None:
        super().__init__()
        self.here = nn.Parameter(torch.zeros(1))
        self.encoded = 0

    def generate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        self.encoded += 1
        return (images[None] + styles[:, None, :, None, None]).clamp(-1, 1)

    def encode_style(self, images: Tensor, direction: Direction = "a2b") -> Tensor:
        return images.mean(dim=(2, 3))


class Attentive(Masked):
    """Turns the left half into its negative, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.here = nn.Parameter(torch.zeros(1))
        self.passes = 0

    def generate_with_masks(self, images: Tensor, direction: Direction) -> tuple[Tensor, Tensor]:
        self.passes += 1
        mask = torch.zeros_like(images[:, :1])
        mask[..., : images.shape[-1] // 2] = 1
        return torch.where(mask > 0, -images, images), mask


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "one.png"
    path.parent.mkdir()
    write_image(path, np.random.default_rng(0).integers(60, 190, (37, 50, 3), np.uint8))
    return path


STYLES = torch.tensor([[0.2, 0.0, 0.0], [0.0, -0.2, 0.0], [0.0, 0.0, 0.3]])


def shift(path: Path, original: Path) -> list[float]:
    """Mean difference of each channel, in [-1, 1]."""
    return list((read_image(path).astype(float) - read_image(original)).mean(axis=(0, 1)) / 127.5)


def test_a_folder_in_three_styles_encodes_each_picture_once(picture: Path, tmp_path: Path) -> None:
    model, out = Tinted(), tmp_path / "out"
    write_image(picture.with_name("two.png"), np.full((40, 40, 3), 100, np.uint8))
    result = translate_folder(model, picture.parent, out, "a2b", rendering=Rendering(STYLES))
    assert result.translated == 2 and model.encoded == 2
    for number, style in enumerate(STYLES, 1):
        for name in ("one.png", "two.png"):
            moved = shift(out / f"style{number}" / name, picture.with_name(name))
            assert moved == pytest.approx(style.tolist(), abs=0.01)
    again = translate_folder(model, picture.parent, out, "a2b", rendering=Rendering(STYLES))
    assert (again.translated, again.skipped) == (0, 2)
    (out / "style2" / "one.png").unlink()
    third = translate_folder(model, picture.parent, out, "a2b", rendering=Rendering(STYLES))
    assert (third.translated, third.skipped) == (1, 1)
    other = translate_folder(model, picture.parent, out, "a2b", rendering=Rendering(STYLES * 0.5))
    assert other.translated == 2, "other styles make other pictures"


def test_a_foreign_file_in_any_styles_folder_is_named(picture: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "style2" / "one.png"
    write_image(theirs, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SettingsError, match=r"style2/one\.png is there already .*--overwrite"):
        translate_folder(Tinted(), picture.parent, tmp_path / "out", "a2b", rendering=Rendering(STYLES))
    assert read_image(theirs).shape == (8, 8, 3)


def test_a_picture_in_styles_gets_a_name_for_each(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "winter.png"
    translate_image(Tinted(), picture, "a2b", out=out, rendering=Rendering(STYLES))
    assert sorted(path.name for path in tmp_path.glob("winter*")) == [
        f"winter-style{number}.png" for number in (1, 2, 3)
    ]
    translate_image(Tinted(), picture, "a2b", out=out, rendering=Rendering(STYLES[:1]))
    assert shift(out, picture) == pytest.approx([0.2, 0, 0], abs=0.01)
    with pytest.raises(SettingsError, match=r"winter-style1\.png is there already"):
        translate_image(Tinted(), picture, "a2b", out=out, rendering=Rendering(STYLES))


def test_styles_where_there_are_none_and_none_where_there_are(picture: Path) -> None:
    with pytest.raises(SettingsError, match=r"none was chosen.*--styles COUNT or --style PICTURE"):
        translate_image(Tinted(), picture, "a2b")
    with pytest.raises(SettingsError, match=r"has no styles.*Leave --styles and --style out"):
        translate_image(Attentive(), picture, "a2b", rendering=Rendering(STYLES))


def test_a_models_own_masks_are_saved_beside_the_output(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = Attentive()
    translate_folder(model, picture.parent, out, "a2b", rendering=Rendering(saves_masks=True))
    assert model.passes == 1, "picture and mask come out of one pass through the network"
    mask = read_image(out / "masks" / "one.png")
    assert mask.shape == (37, 50, 3) and (mask[:, :25] == 255).all() and (mask[:, 26:] == 0).all()
    assert (read_image(out / "one.png")[:, 26:] == read_image(picture)[:, 26:]).all()
    with pytest.raises(SettingsError, match=r"makes no masks.*attentiongan"):
        translate_image(Tinted(), picture, "a2b", rendering=Rendering(STYLES, saves_masks=True))


def test_a_given_mask_says_where_the_look_changes(picture: Path, tmp_path: Path) -> None:
    source = read_image(picture)
    for level, name in ((0, "black"), (255, "white")):
        write_image(tmp_path / f"{name}.png", np.full((37, 50, 3), level, np.uint8))
    plain = tmp_path / "plain.png"
    translate_image(Attentive(), picture, "a2b", out=plain)
    for name, wanted in (("black", source), ("white", read_image(plain))):
        out = tmp_path / f"out-{name}.png"
        translate_image(
            Attentive(), picture, "a2b", out=out, rendering=Rendering(mask=tmp_path / f"{name}.png")
        )
        assert (read_image(out) == wanted).all()


def test_masks_of_a_folder_go_by_name(picture: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    half = np.zeros((37, 50, 3), np.uint8)
    half[:18] = 255
    write_image(masks / "one.jpg", half)
    result = translate_folder(
        Attentive(), picture.parent, tmp_path / "out", "a2b", rendering=Rendering(mask=masks)
    )
    assert result.translated == 1
    made, source = read_image(tmp_path / "out" / "one.png"), read_image(picture)
    assert (made[20:] == source[20:]).all() and (made[:16, :20] != source[:16, :20]).any()
    (masks / "one.jpg").unlink()
    with pytest.raises(DataError, match=r"no mask for one.png.*one.png there"):
        read_mask(Rendering(mask=masks), Path("one.png"))
    with pytest.raises(SettingsError, match=r"1 of 1 pictures have no mask: .*one\.png there"):
        translate_folder(
            Attentive(), picture.parent, tmp_path / "out2", "a2b", rendering=Rendering(mask=masks)
        )
    assert not (tmp_path / "out2").exists()
    with pytest.raises(SettingsError, match="no mask"):
        Rendering(mask=tmp_path / "nowhere.png")


def test_a_video_keeps_one_style(picture: Path, tmp_path: Path) -> None:
    clip = tmp_path / "morph.mp4"
    interpolate(Tinted(), picture, clip, "a2b", (STYLES[0] * 0, STYLES[2]), frames=10, frame_rate=10)
    with VideoReader(clip) as reader:
        blues = [frame.image[..., 2].mean() for frame in reader]
    steps = np.diff(blues)
    assert len(blues) == 10 and (steps > 0).all() and steps.max() < 2.5 * steps.min()
    out = tmp_path / "red.mp4"
    translate_video(Tinted(), clip, out, "a2b", rendering=Rendering(STYLES[:1]), film=AS_IT_IS)
    with VideoReader(out) as reader, VideoReader(clip) as before:
        for frame, was in zip(reader, before, strict=True):
            assert frame.image[..., 0].mean() - was.image[..., 0].mean() == pytest.approx(25.5, abs=3)
    with pytest.raises(SettingsError, match="one style, without masks"):
        translate_video(Tinted(), clip, tmp_path / "no.mp4", "a2b", rendering=Rendering(STYLES))


def test_a_morph_needs_two_frames(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="1 frames"):
        interpolate(Tinted(), picture, tmp_path / "x.mp4", "a2b", (STYLES[0], STYLES[1]), frames=1)
    path = path_of_styles(STYLES[0], STYLES[1], 5)
    assert path[0].equal(STYLES[0]) and path[-1].equal(STYLES[1])


def test_an_example_gives_its_style_at_the_trained_size(tmp_path: Path) -> None:
    path = tmp_path / "example.png"
    write_image(path, np.full((80, 120, 3), (255, 0, 128), np.uint8))
    style = example_style(Tinted(), path, "a2b", size=40)
    assert style.tolist() == pytest.approx([1, -1, 0.004], abs=0.01)
    write_image(path, np.zeros((20, 90, 3), np.uint8))
    with pytest.raises(ImageError, match=r"only 90x20 px.*larger example: 32 px or more"):
        example_style(Tinted(), path, "a2b")


def test_a_grid_has_every_content_in_every_style(picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    model = Tinted()
    style_grid(model, [picture, picture], ["one", "two", picture], STYLES, out=out, size=50)
    sheet = read_image(out)
    assert sheet.shape == (26 + 3 * 56 + 6, 4 * 56 + 6, 3)
    content = fitted(read_image(picture), 50)
    top, left = 26 + 6 + 56 + (50 - 37) // 2, 6
    assert (sheet[top : top + 37, left : left + 50] == content).all()
    for column, style in enumerate(STYLES, 1):
        cell = sheet[top : top + 37, left + column * 56 : left + column * 56 + 50]
        moved = (cell.astype(float) - content).mean(axis=(0, 1)) / 127.5
        assert moved == pytest.approx(style.numpy(), abs=0.01)
    assert model.encoded == 2, "each content is encoded once"


def test_a_grid_that_is_too_large_or_empty_is_refused(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"the table would be .* px .*smaller --size"):
        style_grid(Tinted(), [picture] * 9, ["x"] * 3, STYLES, out=tmp_path / "g.png", size=9000)
    with pytest.raises(SettingsError, match="no content pictures"):
        style_grid(Tinted(), [], ["x"] * 3, STYLES, out=tmp_path / "g.png")
    with pytest.raises(SettingsError, match="2 headings for 3 styles"):
        style_grid(Tinted(), [picture], ["x"] * 2, STYLES, out=tmp_path / "g.png")


def test_a_grid_never_replaces_a_picture_it_is_made_of(picture: Path, tmp_path: Path) -> None:
    example = tmp_path / "example.png"
    write_image(example, read_image(picture))
    other = picture.with_name("other.png")
    write_image(other, read_image(picture))
    for taken in (picture, other, example):
        with pytest.raises(SettingsError, match=r"is the file that is to be translated"):
            style_grid(Tinted(), [picture, other], [example], STYLES[:1], out=taken, size=40, overwrite=True)
