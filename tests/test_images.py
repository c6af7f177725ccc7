"""Pictures of every awkward kind, against values worked out without the module under test."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reskin import images
from reskin.errors import ImageError, ShapeError
from reskin.image_formats import is_image_name, why_not_read
from reskin.images import (
    WRITABLE,
    bytes_to_floats,
    opened_image,
    read_image,
    read_image_alpha,
    to_image,
    to_tensor,
    write_image,
)
from reskin.threads import Budget, map_ahead

RAMP = np.arange(12 * 8 * 3, dtype=np.uint8).reshape(8, 12, 3)


def png(path: Path, width: int, height: int, depth: int, kind: int, rows: bytes, *extra: bytes) -> Path:
    """A PNG written byte by byte, so that Pillow's own writer has no part in it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    middle = b"".join(chunk(part[:4], part[4:]) for part in extra)
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + middle + body)
    return path


def rows_of(values: np.ndarray) -> bytes:
    """Unfiltered PNG rows of big-endian values."""
    big = values.astype(values.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def icc_profile(primaries: list[tuple[float, float, float]], gamma: float) -> bytes:
    """A minimal version 2 matrix profile: D50 colorants and one gamma."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"wide test space\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    name += b"\0" * (-len(name) % 4)
    tags = [(b"desc", name), (b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    tags += [(tag, xyz(p)) for tag, p in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags:
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I", start + len(body)) + b"\0\0\0\0\x02\x10\0\0mntrRGB XYZ " + b"\0" * 12 + b"acsp"
    head = head.ljust(68, b"\0") + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


# D50 colorants of Adobe RGB (1998), as its specification lists them.
ADOBE = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]
SRGB_FROM_D50 = np.linalg.inv(
    np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]).T
)


def adobe_to_srgb(rgb: np.ndarray) -> np.ndarray:
    linear = (rgb / 255.0) ** 2.2 @ np.array(ADOBE) @ SRGB_FROM_D50.T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_tensor_range_and_layout() -> None:
    tensor = to_tensor(RAMP)
    assert tensor.shape == (1, 3, 8, 12) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    assert tensor[0, 2, 3, 5].item() == pytest.approx(RAMP[3, 5, 2] / 127.5 - 1, abs=1e-6)
    assert to_tensor(np.stack([RAMP, RAMP])).shape == (2, 3, 8, 12)


def test_bytes_survive_the_round_trip() -> None:
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    assert np.array_equal(to_image(to_tensor(every))[0], every)
    assert (
        to_image(torch.full((1, 3, 1, 1), 1.7)).max() == 255
        and to_image(-2 * torch.ones(1, 3, 1, 1)).max() == 0
    )
    assert torch.equal(bytes_to_floats(torch.from_numpy(every[None])), to_tensor(every))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        to_tensor(RAMP[..., :2])
    with pytest.raises(ShapeError):
        to_tensor(RAMP.astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ShapeError):
        to_image(torch.zeros(3, 4, 4))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_lossless_formats_give_back_the_bytes(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"p{suffix}", RAMP)
    assert np.array_equal(read_image(tmp_path / f"p{suffix}"), RAMP)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_come_close(tmp_path: Path, suffix: str) -> None:
    smooth = np.linspace(0, 255, 32).astype(np.uint8)[None, :, None].repeat(32, 0).repeat(3, 2)
    write_image(tmp_path / f"p{suffix}", smooth)
    assert np.abs(read_image(tmp_path / f"p{suffix}").astype(int) - smooth).mean() < 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_kept_and_laid_on_white(tmp_path: Path, suffix: str) -> None:
    picture = np.full((6, 6, 3), 100, np.uint8)
    alpha = np.full((6, 6), 255, np.uint8)
    alpha[:3], alpha[3, :] = 0, 128
    write_image(tmp_path / f"p{suffix}", picture, alpha=alpha, quality=100)
    colour, read = read_image_alpha(tmp_path / f"p{suffix}")
    assert np.array_equal(read, alpha)
    assert (colour[:3] == 255).all()  # what lies hidden is not part of the picture
    assert np.abs(colour[3:].astype(int) - 100).max() <= 2
    flat = read_image(tmp_path / f"p{suffix}")
    assert np.abs(flat[3].astype(int) - round(100 * 128 / 255 + 127)).max() <= 2 and (flat[0] == 255).all()


def test_no_alpha_is_none(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", RAMP)
    assert read_image_alpha(tmp_path / "p.png")[1] is None


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="End the name"):
        write_image(tmp_path / "p.psd", RAMP)
    with pytest.raises(ImageError, match="transparency"):
        write_image(tmp_path / "p.jpg", RAMP, alpha=np.zeros((8, 12), np.uint8))
    with pytest.raises(ShapeError):
        write_image(tmp_path / "p.png", RAMP[..., 0])
    with pytest.raises(ImageError, match="17000x1"):
        write_image(tmp_path / "p.webp", np.zeros((1, 17000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
@pytest.mark.thinned(3, first=2)
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    """EXIF 2.3, tag 0x0112: which corner of the scene the first row and column are."""
    stored = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.transpose(1, 0, 2),
        6: np.rot90(RAMP, 1),
        7: RAMP[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RAMP, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"p.{suffix}", exif=exif, **options)
    assert np.array_equal(read_image(tmp_path / f"p.{suffix}"), RAMP)


def test_metadata_does_not_reach_the_output(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SECRETCAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(RAMP).save(tmp_path / "in.jpg", exif=exif, comment=b"SECRETNOTE")
    for suffix in (".jpg", ".png", ".webp", ".tif", ".bmp"):
        out = tmp_path / f"out{suffix}"
        write_image(out, read_image(tmp_path / "in.jpg"))
        assert b"SECRET" not in out.read_bytes() and b"Exif" not in out.read_bytes()
        with Image.open(out) as opened:
            assert 0x8825 not in opened.getexif() and 0x0112 not in opened.getexif()


def test_16_bit_grey_is_scaled_by_the_full_range(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    png(tmp_path / "g.png", 64, 64, 16, 0, rows_of(deep))
    Image.fromarray(deep).save(tmp_path / "g.tif")
    Image.fromarray(deep.astype(">u2")).save(tmp_path / "big.tif")
    for name in ("g.png", "g.tif", "big.tif"):
        read = read_image(tmp_path / name)
        assert np.abs(read[..., 0] - deep / 257.0).max() <= 0.5
        assert len(np.unique(read)) == 256 and (read[..., 0] == read[..., 2]).all()


def test_16_bit_grey_tiff_where_zero_is_white(tmp_path: Path) -> None:
    deep = np.array([[0, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "g.tif")
    data = (tmp_path / "g.tif").read_bytes()
    entry = struct.pack("<HHIH", 262, 3, 1, 1)
    assert data.count(entry) == 1
    (tmp_path / "g.tif").write_bytes(data.replace(entry, struct.pack("<HHIH", 262, 3, 1, 0)))
    assert read_image(tmp_path / "g.tif")[0, :, 0].tolist() == [255, 0]


def test_16_bit_colour(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64 * 64 * 3).astype(np.uint16).reshape(64, 64, 3)
    png(tmp_path / "c.png", 64, 64, 16, 2, rows_of(deep.reshape(64, -1)))
    read = read_image(tmp_path / "c.png")
    assert np.abs(read - deep / 257.0).max() <= 1.0 and len(np.unique(read)) == 256


def test_float_tiff_holds_0_to_1(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "f.tif")
    assert read_image(tmp_path / "f.tif")[0, :, 1].tolist() == [0, 128, 255]
    for bad in (np.nan, 7.0, -1.0):
        Image.fromarray(np.array([[0.0, bad]], np.float32)).save(tmp_path / "f.tif")
        with pytest.raises(ImageError, match="outside 0 to 1"):
            read_image(tmp_path / "f.tif")


def test_transparent_colour_of_a_deep_grey_png(tmp_path: Path) -> None:
    deep = np.array([[0, 1000, 65535]], np.uint16)
    png(tmp_path / "g.png", 3, 1, 16, 0, rows_of(deep), b"tRNS" + struct.pack(">H", 1000))
    alpha = read_image_alpha(tmp_path / "g.png")[1]
    assert alpha is not None and alpha.tolist() == [[255, 0, 255]]


def test_transparent_colour_of_an_rgb_and_a_grey_png(tmp_path: Path) -> None:
    rgb = np.array([[1, 2, 3, 9, 9, 9]], np.uint8)
    png(tmp_path / "c.png", 2, 1, 8, 2, rows_of(rgb), b"tRNS" + struct.pack(">HHH", 1, 2, 3))
    assert read_image(tmp_path / "c.png").tolist() == [[[255, 255, 255], [9, 9, 9]]]
    png(tmp_path / "g.png", 2, 1, 8, 0, rows_of(np.array([[7, 8]], np.uint8)), b"tRNS" + struct.pack(">H", 8))
    assert read_image(tmp_path / "g.png").tolist() == [[[7, 7, 7], [255, 255, 255]]]


def test_grey_with_alpha_and_one_bit(tmp_path: Path) -> None:
    png(tmp_path / "la.png", 2, 1, 8, 4, rows_of(np.array([[40, 255, 40, 0]], np.uint8)))
    assert read_image(tmp_path / "la.png").tolist() == [[[40] * 3, [255] * 3]]
    png(tmp_path / "1.png", 3, 1, 1, 0, b"\0\xa0")
    assert read_image(tmp_path / "1.png")[0, :, 0].tolist() == [255, 0, 255]


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    palette = b"PLTE" + bytes([10, 20, 30, 200, 100, 0])
    rows = rows_of(np.array([[0, 1]], np.uint8))
    png(tmp_path / "p.png", 2, 1, 8, 3, rows, palette)
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [200, 100, 0]]]
    png(tmp_path / "t.png", 2, 1, 8, 3, rows, palette, b"tRNS\x00\xff")
    colour, alpha = read_image_alpha(tmp_path / "t.png")
    assert alpha is not None and alpha.tolist() == [[0, 255]] and colour[0, 1].tolist() == [200, 100, 0]


def without_adobe_marker(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def test_cmyk_stored_inverted_by_adobe_and_not(tmp_path: Path) -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 0], ink[..., 3] = 200, 51  # much cyan, a fifth of black
    wanted = np.array([(255 - 200) * 204 / 255, 204, 204])
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "c.tif")
    assert np.abs(read_image(tmp_path / "c.tif")[0, 0] - wanted).max() <= 1
    out = io.BytesIO()
    Image.fromarray(ink, mode="CMYK").save(out, "JPEG", quality=100)
    assert b"Adobe" in out.getvalue()
    (tmp_path / "adobe.jpg").write_bytes(out.getvalue())
    assert np.abs(read_image(tmp_path / "adobe.jpg")[8, 8] - wanted).max() <= 3
    # The same numbers without Adobe's marker are plain ink: what was inverted is now read as it stands.
    (tmp_path / "plain.jpg").write_bytes(without_adobe_marker(out.getvalue()))
    plain = (255 - (255 - ink[0, 0, :3].astype(int))) * 51 / 255
    assert np.abs(read_image(tmp_path / "plain.jpg")[8, 8] - plain).max() <= 3


def test_lab_tiff(tmp_path: Path) -> None:
    """Lab (53.2, 80.1, 67.2) of D65 red is (54.3, 80.8, 69.9) under D50; mid grey is a = b = 0."""
    lab = np.array([[[138, 81, 70], [round(53.585 * 2.55), 0, 0]]], np.uint8)  # a and b are signed bytes
    Image.frombytes("LAB", (2, 1), lab.tobytes()).save(tmp_path / "l.tif")
    read = read_image(tmp_path / "l.tif").astype(int)
    assert np.abs(read[0, 0] - [255, 0, 0]).max() <= 6
    assert np.abs(read[0, 1] - 128).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_icc_profile_is_honoured(tmp_path: Path, suffix: str) -> None:
    colour = np.array([120, 160, 90])
    picture = np.tile(colour.astype(np.uint8), (16, 16, 1))
    options = {"lossless": True} if suffix == "webp" else {"quality": 100}
    profile = icc_profile(ADOBE, 563 / 256)
    Image.fromarray(picture).save(tmp_path / f"p.{suffix}", icc_profile=profile, **options)
    wanted = adobe_to_srgb(colour)
    assert np.abs(wanted - colour).max() > 10  # the profile matters
    assert np.abs(read_image(tmp_path / f"p.{suffix}")[8, 8] - wanted).max() <= 3


def test_icc_profile_with_alpha_palette_and_grey(tmp_path: Path) -> None:
    profile = icc_profile(ADOBE, 563 / 256)
    colour = np.array([120, 160, 90, 77], np.uint8)
    Image.fromarray(np.tile(colour, (2, 2, 1))).save(tmp_path / "a.png", icc_profile=profile)
    read, alpha = read_image_alpha(tmp_path / "a.png")
    assert alpha is not None and (alpha == 77).all()
    assert np.abs(read[0, 0] - adobe_to_srgb(colour[:3])).max() <= 2
    indexed = Image.fromarray(np.tile(colour[:3], (2, 2, 1))).quantize(2)
    indexed.save(tmp_path / "p.png", icc_profile=profile)
    assert np.abs(read_image(tmp_path / "p.png")[0, 0] - adobe_to_srgb(colour[:3])).max() <= 2
    Image.fromarray(RAMP[..., 0]).save(tmp_path / "g.png", icc_profile=profile)
    assert read_image(tmp_path / "g.png").shape == (8, 12, 3)


def test_broken_icc_profile_does_not_cost_the_picture(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "p.png", icc_profile=b"no profile at all")
    assert np.array_equal(read_image(tmp_path / "p.png"), RAMP)


def test_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (200, 30)]
    for name in ("m.gif", "m.tif", "m.png", "m.webp"):
        options = {"lossless": True} if name == "m.webp" else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert (read_image(tmp_path / name) == 200).all()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS"),
        ("b.png", b"8BPS\0\x01" + b"\0" * 40, "PSD"),
        ("c.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("d.jpg", b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        ("f.jpg", b"just some text", "not a picture that can be read"),
    ],
)
def test_other_formats_are_refused_by_name(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=said) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value) and "Convert it" in caught.value.fix


def test_missing_empty_folder_pipe_and_cut_short(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="empty"):
        read_image(tmp_path / "empty.png")
    write_image(
        tmp_path / "whole.jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    )
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_image(tmp_path / "cut.jpg")
    assert (tmp_path / "cut.jpg").read_bytes() == whole[: len(whole) // 2]


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png(tmp_path / "bomb.png", 60000, 60000, 1, 0, b"")
    with pytest.raises(ImageError, match="pixels"):
        read_image(bomb)
    monkeypatch.setattr(images, "MAX_PIXELS", 95)
    write_image(tmp_path / "p.png", RAMP)
    with pytest.raises(ImageError, match="12x8 pixels"):
        read_image(tmp_path / "p.png")


@pytest.mark.parametrize("width", [1, 2, 3, 65])
def test_any_size(tmp_path: Path, width: int) -> None:
    picture = np.random.default_rng(width).integers(0, 256, (4000 // width, width, 3)).astype(np.uint8)
    write_image(tmp_path / "p.png", picture)
    assert np.array_equal(read_image(tmp_path / "p.png"), picture)


def test_names() -> None:
    assert is_image_name("x.TIFF") and not is_image_name("x.eps") and not is_image_name("jpg")


def test_importing_needs_no_torch() -> None:
    code = "import sys, reskin.images; assert not {'torch', 'av', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def seeds() -> list[bytes]:
    found = []
    for name in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"):
        out = io.BytesIO()
        Image.fromarray(RAMP).save(out, name)
        found.append(out.getvalue())
    return found


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150)
@given(
    st.sampled_from(seeds()),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    st.floats(0.2, 1),
)
def test_damaged_files_give_a_picture_or_an_image_error(
    data: bytes, changes: list[tuple[float, int]], share: float
) -> None:
    damaged = bytearray(data[: int(len(data) * share)])
    for place, value in changes:
        damaged[int(place * (len(damaged) - 1))] = value
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.img"
        path.write_bytes(damaged)
        try:
            read = read_image(path)
        except ImageError:
            return
        assert read.dtype == np.uint8 and read.ndim == 3 and read.shape[2] == 3


def test_threads_together_hold_a_bounded_number_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a few kB hold large pictures: what is decoded at once is counted in pixels, not in files."""
    names = [tmp_path / f"{number}.{kind}" for number in range(4) for kind in ("png", "webp", "jpg", "tif")]
    for name in names:
        write_image(name, np.full((20, 30, 3), 90, np.uint8))
    budget = Budget(1500)
    monkeypatch.setattr(images, "DECODING", budget)
    most = [0]

    def size_of(path: Path) -> tuple[int, ...]:
        with opened_image(path) as picture:
            most[0] = max(most[0], budget.used)
            return picture.shape

    assert list(map_ahead(size_of, names, 8)) == [(20, 30, 3)] * len(names)
    assert 600 <= most[0] <= 1200 and budget.used == 0
    names[3].write_bytes(names[0].read_bytes()[:60])
    for bad in (names[3], tmp_path / "none.png"):
        with pytest.raises(ImageError):
            read_image(bad)
    assert budget.used == 0


def test_sixteen_bits_and_transparency_take_no_wide_numbers(tmp_path: Path) -> None:
    """A picture of 16 bits or with an alpha channel costs at most 12 bytes a pixel besides."""
    height, width = 600, 800
    deep = np.tile(np.linspace(0, 65535, width).astype(np.uint16), (height, 1))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(np.full((height, width, 4), 120, np.uint8)).save(tmp_path / "alpha.png")
    for name in ("deep.png", "alpha.png"):
        read_image(tmp_path / name)
        tracemalloc.start()
        picture = read_image(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert picture.shape == (height, width, 3) and peak < 12 * height * width


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".ppm", ".tga", ".JFIF"])
def test_endings_of_browsers_and_old_programs_are_pictures(suffix: str, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:24, :32]
    picture = np.stack([rows * 5, columns * 4, rows + columns], -1).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    assert is_image_name(path)
    write_image(path, picture)
    assert np.abs(read_image(path).astype(int) - picture).max() <= (8 if "j" in suffix.lower() else 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            ("a.pgm", "PPM"),
            ("a.pnm", "PPM"),
            ("a.jp2", "JPEG2000"),
            ("a.j2k", "JPEG2000"),
            ("a.JPX", "JPEG2000"),
        ),
        *(("a.dib", "DIB"), ("a.apng", "PNG"), ("a.mpo", "MPO"), ("a.avif", "AVIF"), ("a.jpf", "JPEG2000")),
    ],
)
def test_endings_that_are_only_read(name: str, kind: str, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:24, :32]
    picture = np.repeat((rows * 5 + columns * 4)[..., None], 3, 2).astype(np.uint8)
    image = Image.fromarray(picture)
    (image.convert("L") if name.endswith("gm") else image).save(tmp_path / name, kind)
    assert is_image_name(name) and Path(name).suffix.lower() not in WRITABLE
    assert np.abs(read_image(tmp_path / name).astype(int) - picture).max() <= 6
    with pytest.raises(ImageError, match="cannot be written as a picture"):
        write_image(tmp_path / f"new{name}", picture)


@pytest.mark.parametrize("name", ["deep.pgm", "deep.jp2", "deep.pfm"])
def test_other_depths_of_grey(name: str, tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    image = Image.fromarray(levels)
    if name == "deep.pfm":
        image = Image.fromarray((levels / 65535).astype(np.float32))
    image.save(tmp_path / name)
    read = read_image(tmp_path / name)
    assert np.abs(read[..., 0].astype(int) - np.rint(levels / 257).astype(int)).max() <= 1


def test_transparency_of_the_formats_that_are_only_read(tmp_path: Path) -> None:
    picture = np.full((16, 16, 4), (200, 100, 50, 255), np.uint8)
    picture[:8, :, 3] = 0
    for name in ("a.avif", "a.jp2"):
        Image.fromarray(picture).save(tmp_path / name)
        read, alpha = read_image_alpha(tmp_path / name)
        assert alpha is not None and (alpha[:8] == 0).all() and (alpha[8:] == 255).all()
        assert (read[:6] == 255).all() and np.abs(read[10:].astype(int) - (200, 100, 50)).max() < 6


def test_first_frames_are_named_and_not_each_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (200, 30)]
    names = ["m.gif", "m.tif", "m.png", "m.webp", "m.avif"]
    for name in names:
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        read_image(tmp_path / name)
        read_image(tmp_path / name)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"{tmp_path / name} holds several frames or pages: only the first is taken" for name in names
    ]
    for name in ("n.gif", "o.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        read_image(tmp_path / name)
    assert len(caplog.records) == 6 and "more pictures" in caplog.records[-1].getMessage()
    caplog.clear()
    frames[0].save(tmp_path / "one.gif")
    frames[0].save(tmp_path / "camera.jpg", "MPO", save_all=True, append_images=frames[1:])  # with a preview
    read_image(tmp_path / "one.gif")
    read_image(tmp_path / "camera.jpg")
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic", "HEIC cannot be read"),
        ("a.jxl", b"\xff\x0a", "JPEG XL cannot be read"),
        ("a.nef", b"II*\0" + bytes(40), "raw file cannot be read"),
        ("photo", b"\xff\xd8\xff\xe0" + bytes(40), "its name does not end like one"),
        ("photo.jpg_large", b"\xff\xd8\xff\xe0" + bytes(40), "its name does not end like one"),
        ("x.bin", b"\0\0\0\x18ftypmif1", "HEIC cannot be read"),
        ("notes.txt", b"BM is how a text may begin", None),
        ("paper.pdf", b"%PDF-1.7", None),
        ("empty", b"", None),
    ],
)
def test_why_a_file_is_no_picture_that_is_read(
    name: str, data: bytes, said: str | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    why = why_not_read(tmp_path / name)
    assert why is None if said is None else why is not None and said in why
