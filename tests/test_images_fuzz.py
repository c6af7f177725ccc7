"""Ten thousand damaged pictures: each is read, or refused with our error and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.errors import ImageError
from reskin.images import read_image

PICTURES = 10_000


def seeds() -> list[tuple[str, bytes]]:
    """One small picture of each kind, as (suffix, bytes)."""
    chance = np.random.default_rng(3)
    colour = Image.fromarray(chance.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (".jpg", colour, {"format": "JPEG", "exif": exif}),
        (".jpg", colour.convert("CMYK"), {"format": "JPEG"}),
        (".jpg", colour, {"format": "JPEG", "progressive": True}),
        (".png", colour, {"format": "PNG"}),
        (".png", colour.convert("P"), {"format": "PNG"}),
        (".png", colour.convert("RGBA"), {"format": "PNG"}),
        (".webp", colour, {"format": "WEBP"}),
        (".webp", colour, {"format": "WEBP", "lossless": True}),
        (".bmp", colour, {"format": "BMP"}),
        (".tif", colour, {"format": "TIFF", "compression": "tiff_lzw"}),
        (".gif", colour.convert("P"), {"format": "GIF"}),
    ]
    made = []
    for suffix, picture, options in kinds:
        memory = io.BytesIO()
        picture.save(memory, **options)
        made.append((suffix, memory.getvalue()))
    return made


@pytest.mark.slow
def test_ten_thousand_damaged_pictures(tmp_path: Path) -> None:
    chance, kinds, refused = np.random.default_rng(11), seeds(), 0
    for number in range(PICTURES):
        suffix, whole = kinds[number % len(kinds)]
        damaged = bytearray(whole)
        reach = min(len(damaged), 200) if chance.random() < 0.5 else len(damaged)
        for _ in range(int(chance.integers(1, 12))):
            damaged[int(chance.integers(reach))] = int(chance.integers(256))
        if chance.random() < 0.2:
            del damaged[int(chance.integers(len(damaged))) :]
        file = tmp_path / f"picture{suffix}"
        file.write_bytes(damaged)
        try:
            picture = read_image(file)
        except ImageError as error:
            assert str(file) in str(error)
            refused += 1
        else:
            assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
        assert file.read_bytes() == bytes(damaged)
    assert 0.2 * PICTURES < refused < PICTURES
