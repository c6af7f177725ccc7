"""Fitting pictures to size, against sizes worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reskin.data.preprocess import DataConfig, Preprocess, centre_crop, fit, fit_pair, fitted_size
from reskin.errors import SettingsError
from reskin.parsing import parse


def config(preprocess: Preprocess, load_size: int = 286, crop_size: int = 256) -> DataConfig:
    return DataConfig(
        a=Path("a"), b=Path("b"), preprocess=preprocess, load_size=load_size, crop_size=crop_size
    )


@pytest.mark.parametrize(
    ("preprocess", "size", "wanted"),
    [
        ("resize_and_crop", (100, 999), (286, 286)),
        ("crop", (300, 400), (300, 400)),
        ("crop", (128, 200), (256, 400)),  # too small: enlarged until the crop fits
        ("scale_width", (480, 640), (212, 284)),  # 214.5 x 286, rounded down to multiples of 4
        ("scale_width_and_crop", (572, 572), (286, 286)),
        ("scale_width_and_crop", (100, 200), (256, 512)),  # 143 px are too few for the crop
        ("none", (101, 203), (100, 200)),
        ("none", (100, 200), (100, 200)),
    ],
)
def test_sizes(preprocess: Preprocess, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert fitted_size(*size, config(preprocess)) == wanted
    assert fit(np.zeros((*size, 3), np.uint8), config(preprocess)).shape == (*wanted, 3)


@given(
    st.sampled_from(["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]),
    st.integers(1, 700),
    st.integers(1, 700),
)
def test_crops_always_fit_and_other_sides_are_multiples_of_4(
    preprocess: Preprocess, height: int, width: int
) -> None:
    settings = config(preprocess)
    sides = fitted_size(height, width, settings)
    if settings.crops:
        assert min(sides) >= 256
    else:
        assert all(side >= 4 and side % 4 == 0 for side in sides)


def test_resizing_is_pillows_bicubic() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    reference = Image.fromarray(picture).resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(fit(picture, config("resize_and_crop", 16, 16)), np.asarray(reference))


def test_none_cuts_the_middle_and_keeps_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 11, 3)).astype(np.uint8)
    assert np.array_equal(fit(picture, config("none")), picture[1:5, 1:9])
    assert np.array_equal(centre_crop(picture, 2, 3), picture[2:4, 4:7])


def test_pairs_side_by_side_and_in_two_files() -> None:
    a, b = np.full((8, 8, 3), 10, np.uint8), np.full((8, 8, 3), 200, np.uint8)
    both = fit_pair([np.concatenate([a, b], axis=1)], config("none"))
    assert np.array_equal(both, np.concatenate([a, b])) and np.array_equal(
        fit_pair([a, b], config("none")), both
    )
    large = np.full((16, 20, 3), 200, np.uint8)
    assert np.array_equal(fit_pair([a, large], config("none")), both)  # B takes A's size


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(SettingsError, match="crop_size 256 is larger than load_size 128"):
        parse(DataConfig, {"a": "a", "b": "b", "load_size": 128})
    parse(DataConfig, {"a": "a", "b": "b", "load_size": 128, "preprocess": "crop"})


def test_settings_survive_json_and_are_described() -> None:
    settings = config("crop")
    assert parse(DataConfig, settings.to_dict()) == settings
    assert all(field.description for field in DataConfig.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"augment": "one_of_five"}, "add --no-flip"),
        ({"augment_probabilities": [0.2, 0.2, 0.2, 0.2, 0.3]}, "add up to 1, not 1.1"),
        ({"augment_probabilities": [-0.2, 0.6, 0.2, 0.2, 0.2]}, "below 0"),
        ({"augment_probabilities": [0.5, 0.5]}, "augment_probabilities"),
        ({"hue": 0.6}, "hue"),
    ],
)
def test_augmentation_that_cannot_be_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(DataConfig, {"a": "a", "b": "b", **settings})


def test_augmentation_survives_json() -> None:
    given = {
        "a": "a",
        "b": "b",
        "augment": "one_of_five",
        "flip": False,
        "augment_probabilities": [0.4, 0, 0.2, 0.2, 0.2],
    }
    settings = parse(DataConfig, given)
    assert parse(DataConfig, settings.to_dict()) == settings and settings.augment_probabilities[0] == 0.4


def test_the_former_name_of_the_probabilities_is_read() -> None:
    former = {"a": "a", "b": "b", "augment_chances": [0.4, 0, 0.2, 0.2, 0.2]}
    assert parse(DataConfig, former).augment_probabilities == (0.4, 0, 0.2, 0.2, 0.2)
