"""One picture through a model: size, transparency, orientation, precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reskin.device import Compute
from reskin.errors import ImageError, NotFiniteError, SettingsError, ShapeError
from reskin.images import read_image
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.translation.pictures import translate_array, translate_image

SIDES = (1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65)
FP32 = Compute(torch.device("cpu"), "fp32")
BF16 = Compute(torch.device("cpu"), "bf16")


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("height", SIDES)
@pytest.mark.thinned(5, first=2)
def test_every_size_comes_back_and_every_pixel_at_its_place(negative: Translator, height: int) -> None:
    for width in SIDES:
        image = noise(height, width)
        assert np.array_equal(translate_array(negative, image, "a2b"), 255 - image)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (1, 400), (400, 1), (31, 33), (33, 70)])
def test_a_network_that_reflects_and_normalises_takes_any_size(
    reflecting: Translator, size: tuple[int, int]
) -> None:
    assert translate_array(reflecting, noise(*size), "a2b").shape == (*size, 3)


def test_a_picture_that_fits_is_not_padded(reflecting: Translator) -> None:
    image = noise(36, 64)
    reflecting.eval()
    levels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        wanted = ((reflecting.translate(levels, "a2b") + 1) * 127.5).round()[0].permute(1, 2, 0)
    assert np.array_equal(translate_array(reflecting, image, "a2b", FP32), wanted.numpy().astype(np.uint8))


def test_bf16_is_near_fp32_but_not_the_same(reflecting: Translator) -> None:
    image = noise(64, 64)
    full, half = (translate_array(reflecting, image, "a2b", compute).astype(int) for compute in (FP32, BF16))
    assert 0 < np.abs(full - half).max() <= 8


def test_read_only_and_reversed_memory_is_taken(negative: Translator) -> None:
    image = noise(9, 6)
    frozen = image[::-1, ::-1]
    frozen.setflags(write=False)
    assert np.array_equal(translate_array(negative, frozen, "a2b"), 255 - frozen)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(negative: Translator, image: Any) -> None:
    with pytest.raises(ShapeError):
        translate_array(negative, image, "a2b")


def test_a_direction_the_model_does_not_know_is_refused(reflecting: Translator) -> None:
    with pytest.raises(SettingsError, match="does not translate b2a"):
        translate_array(reflecting, noise(4, 4), "b2a")


def test_dropout_is_off_and_the_model_as_it_was(reflecting: Translator) -> None:
    reflecting.train()
    reflecting.network[5].eval()  # a part that its owner keeps from learning stays so
    before = [module.training for module in reflecting.modules()]
    image = noise(32, 32)
    first = translate_array(reflecting, image, "a2b")
    reflecting.network[5].train()
    assert np.array_equal(first, translate_array(reflecting, image, "a2b"))
    reflecting.network[5].eval()
    assert [module.training for module in reflecting.modules()] == before


def test_values_that_are_not_finite_are_an_error(reflecting: Translator) -> None:
    with torch.no_grad():
        reflecting.network[9].bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="not finite"):
        translate_array(reflecting, noise(8, 8), "a2b")


def test_a_model_that_changes_the_size_is_an_error() -> None:
    class Halving(Translator):
        def translate(self, images: Tensor, direction: str) -> Tensor:
            return images[..., ::2, ::2]

    with pytest.raises(ShapeError, match="the model made"):
        translate_array(Halving(), noise(40, 40), "a2b")


def test_too_large_for_the_device_is_one_line() -> None:
    class Greedy(Translator):
        def translate(self, images: Tensor, direction: str) -> Tensor:
            if images.shape[-1] < 60:
                raise torch.OutOfMemoryError("CUDA out of memory, with a page of numbers")
            return images.expand(10**11, -1, -1, -1).clone()

    for width in (40, 60):
        with pytest.raises(ImageError, match=rf"1 picture\(s\) of {width}x40 do not fit the memory of cpu"):
            translate_array(Greedy(), noise(40, width), "a2b")


def test_other_faults_of_a_model_are_not_dressed_up() -> None:
    class Faulty(Translator):
        def translate(self, images: Tensor, direction: str) -> Tensor:
            return images @ images[..., :5]

    with pytest.raises(RuntimeError, match="Expected size"):
        translate_array(Faulty(), noise(40, 60), "a2b")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_file_is_written_as_the_result_says(tmp_path: Path, negative: Translator, suffix: str) -> None:
    image = noise(7, 5)
    Image.fromarray(image).save(tmp_path / "in.png")
    out = tmp_path / "deep" / f"out{suffix}"
    result = translate_image(negative, tmp_path / "in.png", "a2b", out=out)
    assert result.mode == "RGB"
    assert np.array_equal(np.asarray(result), 255 - image)
    assert np.array_equal(read_image(out), 255 - image)
    assert np.array_equal(np.asarray(result), translate_array(negative, image, "a2b"))


def test_transparency_is_kept(tmp_path: Path, negative: Translator) -> None:
    image = noise(6, 9, channels=4)
    image[..., 3].clip(1, out=image[..., 3])
    Image.fromarray(image).save(tmp_path / "in.png")
    result = translate_image(negative, tmp_path / "in.png", "a2b", out=tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as file:
        written = np.asarray(file)
    assert result.mode == "RGBA" and np.array_equal(written, np.asarray(result))
    assert np.array_equal(written[..., 3], image[..., 3])
    assert np.array_equal(written[..., :3], 255 - image[..., :3])
    with pytest.raises(ImageError, match="cannot keep transparency"):
        translate_image(negative, tmp_path / "in.png", "a2b", out=tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_a_turned_photo_is_upright_and_has_no_tag(tmp_path: Path, negative: Translator) -> None:
    stored = np.zeros((20, 30, 3), np.uint8)
    stored[:10] = 255  # the upper half is white; tag 6 asks for a quarter turn clockwise: the right half
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "maker"
    Image.fromarray(stored).save(tmp_path / "in.png", exif=tags)
    translate_image(negative, tmp_path / "in.png", "a2b", out=tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.size == (20, 30)
        assert not written.getexif()
        levels = np.asarray(written)
    assert levels[:, 10:].max() == 0 and levels[:, :10].min() == 255


def test_no_file_is_lost(tmp_path: Path, negative: Translator) -> None:
    source, other = tmp_path / "in.png", tmp_path / "other.png"
    Image.fromarray(noise(4, 4)).save(source)
    Image.fromarray(noise(5, 5)).save(other)
    before = source.read_bytes(), other.read_bytes()
    with pytest.raises(SettingsError, match=r"other\.png is there already.*--overwrite"):
        translate_image(negative, source, "a2b", out=other)
    with pytest.raises(SettingsError, match="is the file that is to be translated"):
        translate_image(negative, source, "a2b", out=source, overwrite=True)
    with pytest.raises(SettingsError, match="is a folder"):
        translate_image(negative, source, "a2b", out=tmp_path, overwrite=True)
    assert before == (source.read_bytes(), other.read_bytes())
    translate_image(negative, source, "a2b", out=other, overwrite=True)
    assert read_image(other).shape == (4, 4, 3)


def test_identity_changes_with_what_changes_the_picture(reflecting: Translator) -> None:
    first = Engine(reflecting, "a2b", FP32).identity()
    assert first == Engine(reflecting, "a2b", FP32).identity()
    others = {Engine(reflecting, "a2b", BF16).identity()}
    with torch.no_grad():
        reflecting.network[1].bias[0] += 1e-6
    others.add(Engine(reflecting, "a2b", FP32).identity())
    assert len(others) == 2 and first not in others
