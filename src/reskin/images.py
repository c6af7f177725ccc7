"""Pictures: files to bytes to tensors and back, and the only code where one becomes the other.

Outside the networks a picture is RGB, uint8, (H, W, 3); inside it is float32 in [-1, 1], (N, 3, H, W).

A file is read as a person would see it: turned by its EXIF orientation, its colours brought to sRGB by its
ICC profile, 16 bits brought to 8 by the full range (65535 becomes 255), floats from [0, 1], CMYK, LAB, grey
and palettes converted, the first frame of several. Only the formats in `FORMATS` ever reach a decoder. What
is written holds pixels only: no EXIF, no location, no profile (the pixels are sRGB).
"""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms, TiffImagePlugin

from reskin.errors import ImageError, ShapeError
from reskin.image_files import opened_header
from reskin.image_formats import FORMATS, kind_of
from reskin.storage import commit
from reskin.threads import Budget

if TYPE_CHECKING:
    from torch import Tensor

Picture = NDArray[np.uint8]
"""RGB, uint8, (H, W, 3)."""

MAX_PIXELS = 100_000_000
"""A picture with more pixels than this is refused before it is decoded."""

DECODING = Budget(MAX_PIXELS)
"""Pixels that all threads together may be decoding at once (about 20 bytes each at the worst): files of a few
kB can hold the largest picture, and eight of them at a time would fill the memory."""

_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"subsampling": 0}),
    ".jpeg": ("JPEG", {"subsampling": 0}),
    ".jfif": ("JPEG", {"subsampling": 0}),
    ".jpe": ("JPEG", {"subsampling": 0}),
    ".ppm": ("PPM", {}),
    ".tga": ("TGA", {}),
    ".webp": ("WEBP", {}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
}
WRITABLE = frozenset(_WRITERS)
"""Endings of pictures that can be written; the others are only read."""

_WITH_ALPHA = frozenset({".png", ".webp", ".tif", ".tiff", ".tga"})

_NAMED = 5
"""Pictures of several frames that are named for each folder."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_PHOTOMETRIC_TAG = 262
_CLEAR, _OPAQUE = np.uint8(0), np.uint8(255)

_log = logging.getLogger("reskin")

_several: dict[Path, set[Path]] = {}
"""Pictures of several frames in each folder that were said to hold more than is taken."""


def read_image(path: Path | str) -> Picture:
    """The picture in a file, RGB, uint8, (H, W, 3), upright, in sRGB; what is transparent lies on white.

    Raises:
        ImageError: not a file, empty, of another format, too large, damaged or cut short.
    """
    with opened_image(path) as picture:
        return picture


def picture_size(path: Path | str) -> tuple[int, int]:
    """Width and height of the picture in a file as it is read, upright, from its header alone.

    Raises:
        ImageError: not a file, empty, of another format, or too large; or the header is damaged.
    """
    path = Path(path)
    _check_is_file(path)
    try:
        with opened_header(path) as opened:
            _check_size(path, opened.size)
            orientation = opened.getexif().get(_ORIENTATION_TAG)
            width, height = opened.size
    except ImageError:
        raise
    except Exception as error:  # as in `_decoded`
        raise _unreadable(path, error) from error
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


@contextmanager
def opened_image(path: Path | str) -> Iterator[Picture]:
    """The picture in a file, as `read_image` gives it, for a `with` block.

    Until the block ends, its pixels count for what all threads together may hold (`DECODING`): for threads
    that make something smaller of each picture.

    Raises:
        ImageError: not a file, empty, of another format, too large, damaged or cut short.
    """
    with _decoded(Path(path)) as (picture, alpha):
        yield picture if alpha is None else _on_white(picture, alpha)


def read_image_alpha(path: Path | str) -> tuple[Picture, Picture | None]:
    """The picture in a file and its transparency.

    Returns:
        RGB, uint8, (H, W, 3), upright, in sRGB, white where fully transparent (what a file hides there is not
        part of the picture); and (H, W), uint8, 0 for transparent and 255 for opaque, or None where the file
        has no transparency.

    Raises:
        ImageError: not a file, empty, of another format, too large, damaged or cut short.
    """
    with _decoded(Path(path)) as found:
        return found


@contextmanager
def _decoded(path: Path) -> Iterator[tuple[Picture, Picture | None]]:
    """What `read_image_alpha` returns; its pixels are taken out of the budget until the block ends."""
    _check_is_file(path)
    with ExitStack() as held:
        try:
            with opened_header(path) as opened:
                _check_size(path, opened.size)
                _say_if_several(path, opened)
                held.enter_context(DECODING.take(opened.width * opened.height))
                opened.load()
                picture, alpha = _to_srgb(path, _upright(_as_seen(opened)))
        except ImageError:
            raise
        except Exception as error:  # decoders raise about a dozen kinds for damaged input, Warning among them
            raise _unreadable(path, error) from error
        if alpha is not None:
            picture[alpha == 0] = 255
        yield picture, alpha


def write_image(path: Path | str, image: Picture, *, alpha: Picture | None = None, quality: int = 95) -> None:
    """Write a picture, whole or not at all; the format follows from the name.

    Args:
        path: ends in .png, .jpg, .jpeg, .jfif, .jpe, .webp, .bmp, .tif, .tiff, .ppm or .tga.
        image: RGB, uint8, (H, W, 3).
        alpha: (H, W), uint8, 255 for opaque; only .png, .webp, .tif and .tga keep it.
        quality: of JPEG and WebP, 1 to 100.

    Raises:
        ImageError: another ending, transparency the format cannot keep, or a size it cannot hold.
        ShapeError: `image` or `alpha` has another shape or type.
        StorageError: the disk refuses the write.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        known = ", ".join(sorted(_WRITERS))
        raise ImageError(f"{path} cannot be written as a picture", f"End the name in one of {known}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(f"a picture must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    if alpha is not None:
        if suffix not in _WITH_ALPHA:
            raise ImageError(f"{path} cannot keep transparency", "Write .png, .webp or .tif instead.")
        if alpha.dtype != np.uint8 or alpha.shape != image.shape[:2]:
            raise ShapeError(f"alpha must be {image.shape[:2]} uint8, not {alpha.shape} {alpha.dtype}")
        image = np.dstack([image, alpha])
    name, options = _WRITERS[suffix]
    if name in ("JPEG", "WEBP"):
        options = {**options, "quality": quality}
    # Encoded in memory first, so that an encoder's refusal is not mistaken for the disk's.
    encoded = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(image)).save(encoded, name, **options)
    except Exception as error:
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise ImageError(
            f"{path} cannot hold a picture of {size} ({error})", "Write .png instead."
        ) from error
    with commit(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def keeps_alpha(path: Path | str) -> bool:
    """Whether `write_image` can keep transparency in a file of this name."""
    return Path(path).suffix.lower() in _WITH_ALPHA


def on_white(image: Picture, alpha: Picture) -> Picture:
    """A picture as it looks on white.

    Args:
        image: RGB, uint8, (H, W, 3).
        alpha: (H, W), uint8, 255 for opaque.

    >>> grey = np.full((1, 3, 3), 10, np.uint8)
    >>> on_white(grey, np.array([[255, 0, 51]], np.uint8))[0, :, 0].tolist()
    [10, 255, 206]
    """
    share = alpha[..., None].astype(np.float32) / 255
    return np.rint(255 + (image.astype(np.float32) - 255) * share).astype(np.uint8)


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Pictures as the networks want them.

    Args:
        image: RGB, uint8, (H, W, 3) or (N, H, W, 3).

    Returns:
        (1, 3, H, W) or (N, 3, H, W), float32, in [-1, 1].

    Raises:
        ShapeError: another shape or type.

    >>> to_tensor(np.array([[[0, 51, 255]]], dtype=np.uint8)).flatten().tolist()
    [-1.0, -0.6000000238418579, 1.0]
    """
    import torch

    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3:
        raise ShapeError(f"pictures must be (H, W, 3) or (N, H, W, 3) uint8, not {image.shape} {image.dtype}")
    batch = image if image.ndim == 4 else image[None]
    return bytes_to_floats(torch.from_numpy(np.ascontiguousarray(batch)))


def bytes_to_floats(images: Tensor) -> Tensor:
    """Pictures that lie on a device already, as the networks want them.

    Args:
        images: (N, H, W, 3), uint8, any device.

    Returns:
        (N, 3, H, W), float32, in [-1, 1], on the same device.
    """
    import torch

    planes = images.permute(0, 3, 1, 2)
    return planes.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1.0)


def to_image(tensor: Tensor) -> NDArray[np.uint8]:
    """Pictures as files and people want them; bytes that went through `to_tensor` come back unchanged.

    Args:
        tensor: (N, 3, H, W), any float type and device; values outside [-1, 1] are clipped.

    Returns:
        (N, H, W, 3), uint8.

    Raises:
        ShapeError: another shape.
    """
    import torch

    if tensor.ndim != 4 or tensor.shape[1] != 3:
        raise ShapeError(f"images must be (N, 3, H, W), not {tuple(tensor.shape)}")
    levels = tensor.detach().float().clamp(-1.0, 1.0).add(1.0).mul_(127.5).round_().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def _check_is_file(path: Path) -> None:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be opened ({reason})", "Check the name.") from None
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ImageError(f"{path} is not a file", "Give the name of a picture.")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes)", "Copy it again or remove it.")


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise ImageError(
            f"{path} has {width}x{height} pixels, over {limit} million", "Make it smaller first."
        )


def _unreadable(path: Path, error: Exception) -> ImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(f"{path} has too many pixels ({error})", "Make it smaller first.")
    if isinstance(error, PermissionError):
        return ImageError(f"{path} may not be read ({error.strerror})", "Check its permissions.")
    if isinstance(error, OSError) and error.filename and error.strerror:  # of opening it, not of its content
        return ImageError(f"{path} cannot be read ({error.strerror})", "Copy it again or remove it.")
    if isinstance(error, Image.UnidentifiedImageError):
        kind = kind_of(path)
        what = f"is a {kind} file" if kind else "is not a picture that can be read"
        return ImageError(f"{path} {what}; read are {', '.join(FORMATS)}", "Convert it to PNG or JPEG.")
    reason = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"{path} is damaged or cut short ({reason[:200]})", "Copy it again or remove it.")


def _say_if_several(path: Path, opened: Image.Image) -> None:
    """Say that only the first of several frames or pages is taken; a preview beside a photograph is none."""
    if opened.format == "MPO" or not getattr(opened, "is_animated", False):
        return
    said = _several.setdefault(path.parent, set())
    if path in said or len(said) > _NAMED:
        return
    said.add(path)
    if len(said) <= _NAMED:
        _log.warning("%s holds several frames or pages: only the first is taken", path)
    else:
        _log.warning(
            "%s: more pictures hold several frames or pages: of each the first is taken", path.parent
        )


def _as_seen(image: Image.Image) -> Image.Image:
    """The loaded image with two kinds of negative turned right that the decoders leave as they are."""
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        # The decoder inverts every CMYK JPEG; only those of Adobe's kind are stored inverted.
        return ImageChops.invert(image)
    if not (image.mode.startswith("I;16") and isinstance(image, TiffImagePlugin.TiffImageFile)):
        return image
    zero_is_white = image.tag_v2.get(_PHOTOMETRIC_TAG) == 0
    return Image.fromarray(65535 - np.asarray(image).astype(np.uint16)) if zero_is_white else image


def _upright(image: Image.Image) -> Image.Image:
    """The loaded image turned by its EXIF orientation (a TIFF's decoder has done so and dropped the tag)."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception as error:  # metadata that cannot be read must not cost the pixels
        _log.debug("unreadable EXIF left aside: %s", error)
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_srgb(path: Path, image: Image.Image) -> tuple[Picture, Picture | None]:
    """RGB, (H, W, 3), and alpha, (H, W) or None, of a loaded, upright image of any mode."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        colour, alpha = _deep_grey(path, image)
    else:
        colour, alpha = _without_alpha(image)
    return np.array(_through_profile(path, colour, image.info.get("icc_profile"))), alpha


def _deep_grey(path: Path, image: Image.Image) -> tuple[Image.Image, Picture | None]:
    """Grey of more than 8 bits as 8 bits, scaled by the full range of its kind, and its alpha."""
    values = np.asarray(image)
    lowest, highest = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else 65535.0
    if not (lowest >= 0.0 and highest <= top):  # NaN fails too
        what = f"{path} holds values from {lowest:g} to {highest:g}, outside 0 to {top:g}"
        raise ImageError(what, "Save it with 8 or 16 bits per channel.")
    hidden = image.info.get("transparency")
    alpha = np.where(values == hidden, _CLEAR, _OPAQUE) if isinstance(hidden, int) else None
    grey = np.empty(values.shape, np.uint8)
    for row in range(len(values)):  # of all of it at once, the floats would take eight times the bytes
        grey[row] = np.rint(values[row] * (255.0 / top))
    return Image.fromarray(grey), alpha


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Picture | None]:
    """The colours (L, RGB, CMYK, LAB or the like) and the alpha of an image with 8 bits per channel."""
    hidden = image.info.get("transparency")
    if image.mode == "LA":
        return image.getchannel("L"), np.array(image.getchannel("A"))
    if image.mode in ("RGBA", "PA", "La", "RGBa") or (image.mode == "P" and hidden is not None):
        whole = image.convert("RGBA")
        return whole.convert("RGB"), np.array(whole.getchannel("A"))
    colour = image.convert("L") if image.mode == "1" else image
    if image.mode == "P":
        colour = image.convert("RGB")
    if hidden is None or colour.mode not in ("L", "RGB"):
        return colour, None
    key = np.array(hidden, dtype=np.int64)  # one colour of the file stands for transparent
    if key.max() > 255:  # written for 16 bits, of which the decoder kept the upper 8
        key >>= 8
    match = np.asarray(colour) == key.astype(np.uint8)
    return colour, np.where(match.all(axis=2) if match.ndim == 3 else match, _CLEAR, _OPAQUE)


def _through_profile(path: Path, image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB, by its own profile where it has one that fits."""
    if profile:
        try:
            return _convert_colours(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            _log.info("%s: its colour profile cannot be used (%s); taken as sRGB", path, error)
    if image.mode == "LAB":
        return _convert_colours(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return image.convert("RGB")


def _convert_colours(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    space = profile.profile.xcolor_space.strip()
    if space == "RGB" and image.mode != "RGB":
        image = image.convert("RGB")
    if space == "RGB" and "srgb" in ImageCms.getProfileDescription(profile).lower():
        return image  # a pass through the colour engine could only round
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        raise ValueError("the colour engine gave nothing")
    return converted


def _on_white(picture: Picture, alpha: Picture) -> Picture:
    blended = np.empty_like(picture)
    for row, (colours, shown) in enumerate(zip(picture, alpha, strict=True)):  # few wide numbers at a time
        share = shown[:, None].astype(np.uint16)
        blended[row] = (colours * share + 255 * (255 - share) + 127) // 255
    return blended


def resize(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, bicubic and without aliasing.

    >>> resize(np.zeros((50, 100, 3), np.uint8), 20, 40).shape
    (20, 40, 3)
    """
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


def shrunk(image: Image.Image, *, shorter: int = 0, longer: int = 0) -> Image.Image:
    """The image averaged down until its shorter (or longer) edge is at most so many px; never larger."""
    scale = shorter / min(image.size) if shorter else longer / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
