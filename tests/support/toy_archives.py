"""Small archives for the tests, good ones and bad ones."""

from __future__ import annotations

import io
import tarfile
import zipfile

from PIL import Image


def picture(level: int) -> bytes:
    """A small PNG of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (level, 10, 10)).save(data, "PNG")
    return data.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    """A zip archive of these members, not compressed."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def tar_of(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A .tar.gz of these members and symbolic links."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, goal in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, goal
            archive.addfile(info)
    return data.getvalue()
