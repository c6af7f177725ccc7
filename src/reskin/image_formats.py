"""Which files are pictures: by the endings of their names, and by their first bytes."""

from __future__ import annotations

from pathlib import Path

from reskin.paths import open_plain

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "TGA", "JPEG2000", "AVIF")
"""The decoders a file may reach; EPS, PSD, PDF, SVG and the rest are refused unread."""

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jfif",
        ".jpe",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".gif",
    }
    | {
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".pfm",
        ".tga",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jpf",
        ".j2c",
        ".jpc",
        ".avif",
    }
)
"""Names with these endings (in any case) are taken for pictures."""

_RAW = "a camera's raw file"
_NOT_READ = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    ".jxl": "JPEG XL",
    **dict.fromkeys((".psd", ".psb"), "PSD"),
    ".svg": "SVG",
    **dict.fromkeys((".eps", ".ai"), "EPS"),
    ".xcf": "GIMP's own format",
    ".kra": "Krita's own format",
    ".exr": "OpenEXR",
    ".hdr": "Radiance HDR",
    ".dds": "DDS",
    ".pcx": "PCX",
    ".ico": "ICO",
    ".icns": "ICNS",
    ".sgi": "SGI",
    ".qoi": "QOI",
    ".avifs": "AVIF of several frames",
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".srw", ".pef"), _RAW),
}

_MARKS = {  # first bytes, from the given offset
    (0, b"\xff\xd8\xff"): "JPEG",
    (0, b"\x89PNG\r\n"): "PNG",
    (0, b"GIF8"): "GIF",
    (8, b"WEBP"): "WebP",
    (0, b"II*\0"): "TIFF",
    (0, b"MM\0*"): "TIFF",
    (4, b"jP  "): "JPEG 2000",
    (0, b"\xff\x4f\xff\x51"): "JPEG 2000",
    (4, b"ftypavi"): "AVIF",
    (4, b"ftyphei"): "HEIC",
    (4, b"ftyphev"): "HEIC",
    (4, b"ftypmif1"): "HEIC",
    (4, b"ftypmsf1"): "HEIC",
    (0, b"\xff\x0a"): "JPEG XL",
    (4, b"JXL "): "JPEG XL",
    (0, b"8BPS"): "PSD",
    (0, b"%!PS"): "EPS",
    (0, b"\xc5\xd0\xd3\xc6"): "EPS",
    (0, b"<svg"): "SVG",
}
_DOCUMENTS = {(0, b"%PDF"): "PDF", (0, b"<?xml"): "SVG or XML"}


def is_image_name(path: Path | str) -> bool:
    """Whether the name ends like that of a picture that can be read.

    >>> is_image_name("a/B.JPG"), is_image_name("notes.txt")
    (True, False)
    """
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def kind_of(path: Path) -> str | None:
    """The format of a file by its first bytes, None where they are none of a picture's or a document's."""
    return _marked(path, _MARKS | _DOCUMENTS)


def why_not_read(path: Path) -> str | None:
    """Why a file whose name `is_image_name` does not know is no picture that is read.

    Returns:
        None where it seems to hold no picture at all.

    >>> why_not_read(Path("IMG_1.HEIC"))
    'HEIC cannot be read; convert it to PNG or JPEG'
    """
    suffix = path.suffix.lower()
    if kind := _NOT_READ.get(suffix):
        return f"{kind} cannot be read; convert it to PNG or JPEG"
    kind = _marked(path, _MARKS)
    if kind is None:
        return None
    if kind in ("PSD", "EPS", "SVG", "HEIC", "JPEG XL"):
        return f"{kind} cannot be read; convert it to PNG or JPEG"
    return f"it is a {kind} picture, but its name does not end like one; rename it"


def _marked(path: Path, marks: dict[tuple[int, bytes], str]) -> str | None:
    try:
        with open(open_plain(path, follow=True), "rb") as file:
            head = file.read(32)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return next((kind for (at, mark), kind in marks.items() if head[at:].startswith(mark)), None)
