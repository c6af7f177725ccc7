"""Archives of pictures, unpacked with nothing taken on trust: no path leaves the folder, nothing swells."""

from __future__ import annotations

import lzma
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from reskin.curation.download.tar import BLOCK, check_tar, is_tar, open_tar
from reskin.errors import DataError, StorageError
from reskin.image_formats import is_image_name
from reskin.paths import make_folder, open_plain
from reskin.progress import Report
from reskin.storage import free_bytes, storage_error

MOST_MEMBERS = 1_000_000
MOST_RATIO = 200
"""Pictures are compressed already: an archive that swells more than this is a bomb."""
MOST_NAME_BYTES = 255

_BLOCK = 1 << 20
_SLACK_BYTES = 1 << 20  # an archive of a few plain pictures may compress well


@dataclass(frozen=True)
class _Member:
    """One entry of an archive.

    Attributes:
        name: as the archive states it.
        size: unpacked, by the archive's own account, bytes.
        kind: "file", "folder", or what it is instead, such as "a link".
        open: gives its bytes.
    """

    name: str
    size: int
    kind: str
    open: Callable[[], IO[bytes]]


def unpack_pictures(archive: Path, folder: Path, *, report: Report | None = None) -> int:
    """Unpack the pictures of an archive into `folder`; returns their number.

    It is a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, by its content; a tar archive is read to its end first.
    Everything that is no picture is passed over. One folder at the top that holds all else is left away, so
    that `horse2zebra/trainA/1.jpg` becomes `trainA/1.jpg`.

    Args:
        archive: read only.
        folder: empty or new; on an error it holds a part, which the caller removes.
        report: called with the progress.

    Raises:
        DataError: no such archive, damaged, a member with a path that leads elsewhere, a link or device,
            names that differ in case only, encrypted, more than a million members, or a bomb.
        StorageError: the disk is too full for it, or refuses the write.
    """
    seen: set[str] = set()
    done = 0
    with _members(archive) as members:
        room = _Room(archive, folder)
        for count, member in enumerate(members, start=1):
            if count > MOST_MEMBERS:
                raise _refused(archive, f"it has more than {MOST_MEMBERS:,} members")
            path = checked_path(member.name, archive)
            if member.kind not in ("file", "folder"):
                raise _refused(archive, f"'{_shown(member.name)}' is {member.kind}")
            if member.kind == "folder" or not _is_wanted(path):
                continue
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())
            if folded in seen:
                raise _refused(archive, f"two members are called '{_shown(member.name)}'")
            seen.add(folded)
            _write(member, folder / path, room)
            done += 1
            if report is not None:
                report(done, None, what="pictures")
    if not done:
        raise DataError(f"{archive} holds no picture", "Give the archive of a standard set.")
    _lift_single_folder(folder)
    return done


def checked_path(name: str, archive: Path) -> PurePosixPath:
    """The path of a member, if it stays below the folder on every system.

    Raises:
        DataError: absolute, with .., a drive, a backslash or a control character, or too long.

    >>> str(checked_path("./set/trainA/1.jpg", Path("set.zip")))
    'set/trainA/1.jpg'
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    bad = (
        name.startswith("/")
        or ".." in parts
        or re.search(r"[\\\x00-\x1f\x7f:]", name) is not None
        or any(len(part.encode("utf-8", "surrogatepass")) > MOST_NAME_BYTES for part in parts)
        or len(name) > 4000
    )
    if bad:
        raise _refused(archive, f"the path '{_shown(name)}' leads elsewhere or is no plain name")
    return PurePosixPath(*parts)


def _shown(name: str) -> str:
    printable = name.encode("unicode_escape").decode("ascii")
    return printable if len(printable) <= 80 else f"{printable[:77]}..."


def _refused(archive: Path, why: str) -> DataError:
    return DataError(f"{archive} was not unpacked: {why}", "Get the archive from its makers again.")


def _is_wanted(path: PurePosixPath) -> bool:
    """Pictures, but not the hidden copies that some systems put into archives."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return bool(path.parts) and not hidden and is_image_name(path.name)


class _Room:
    """Counts what is unpacked, and stops where it is more than the disk or good faith allows."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.archive, self.unpacked = archive, 0
        self.free = free_bytes(folder)
        self.most = archive.stat().st_size * MOST_RATIO + _SLACK_BYTES

    def check(self, coming: int) -> None:
        if self.unpacked + coming > self.most:
            raise _refused(self.archive, f"it swells to more than {MOST_RATIO} times its size")
        if self.unpacked + coming > self.free:
            raise StorageError(
                f"no space left to unpack {self.archive} ({self.free / 1e6:.0f} MB free)",
                "Free some space and run the same command again; the archive is kept.",
            )


def _write(member: _Member, target: Path, room: _Room) -> None:
    """The bytes of one member; its stated size is checked first, then what really comes."""
    room.check(member.size)
    source = member.open()
    try:
        make_folder(target.parent)
        file = open(target, "xb")  # noqa: SIM115 - opening fails otherwise than unpacking
    except OSError as error:
        raise storage_error(target, error) from error
    with source, file:
        while block := source.read(_BLOCK):
            room.check(len(block))
            room.unpacked += len(block)
            try:
                file.write(block)
            except OSError as error:
                raise storage_error(target, error) from error


def _lift_single_folder(folder: Path) -> None:
    """Where all lies in one folder that is no split, bring its contents up."""
    while True:
        inside = list(folder.iterdir())
        is_split = len(inside) == 1 and re.fullmatch(r"(train|val|test)[AB]?", inside[0].name)
        if len(inside) != 1 or not inside[0].is_dir() or is_split:
            return
        # Renamed first: the folder may hold one of its own name.
        lifted = inside[0].rename(folder / ".lifted")
        for path in lifted.iterdir():
            path.rename(folder / path.name)
        lifted.rmdir()


def check_is_archive(archive: Path) -> bytes:
    """The first bytes of a zip or tar archive.

    Raises:
        DataError: it is neither, no plain file, not all there, or cannot be read.
    """
    try:
        with open(open_plain(archive, follow=True), "rb") as file:
            head = file.read(BLOCK)
    except OSError as error:
        raise DataError(f"{archive} cannot be read ({error.strerror})", "Check the name.") from None
    if head[:2] != b"PK" and not is_tar(head):
        raise DataError(f"{archive} is neither a .zip nor a .tar.gz", "Give the archive of a standard set.")
    return head


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    """The entries of an archive, one after the other; what its decoder complains of becomes a DataError."""
    head = check_is_archive(archive)
    try:
        if head[:2] == b"PK":
            with zipfile.ZipFile(archive) as opened:
                yield _zip_members(opened)
        else:
            check_tar(archive, most_members=MOST_MEMBERS)
            with open_tar(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tape:
                yield _tar_members(tape)
    except NotImplementedError as error:  # such as Deflate64, in which Windows packs more than 2 GB
        what = f"{archive} is packed in a way that is not read here ({' '.join(str(error).split())[:120]})"
        raise DataError(what, "Unpack it by hand and give its folders to --a and --b.") from error
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        RuntimeError,
        UnicodeError,
        ValueError,
        OSError,
    ) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        what = f"{archive} is damaged or cut short ({reason})"
        raise DataError(what, "Remove it and download it again.") from error


def _zip_members(opened: zipfile.ZipFile) -> Iterator[_Member]:
    infos = opened.infolist()
    if len(infos) > MOST_MEMBERS:
        raise _refused(Path(opened.filename or "archive"), f"it has more than {MOST_MEMBERS:,} members")
    for info in infos:
        mode = info.external_attr >> 16
        kind = "folder" if info.is_dir() else _kind_of(mode)
        if info.flag_bits & 1:
            kind = "encrypted"
        yield _Member(info.filename, info.file_size, kind, lambda info=info: opened.open(info))  # type: ignore[misc]


def _kind_of(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device"
    return "file"


def _tar_members(tape: tarfile.TarFile) -> Iterator[_Member]:
    for info in tape:
        kind = "folder" if info.isdir() else "a link or device"
        if info.isreg():
            kind = "file"
        yield _Member(info.name, info.size, kind, lambda info=info: _extracted(tape, info))  # type: ignore[misc]


def _extracted(tape: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = tape.extractfile(info)
    assert file is not None, "only plain files are asked for"
    return file


def sync_disk() -> None:
    """Have the system write down what it holds in memory, where it can be asked to."""
    if hasattr(os, "sync"):
        os.sync()
