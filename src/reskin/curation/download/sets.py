"""From the name of a standard set to a folder that holds it whole, or no folder at all."""

from __future__ import annotations

import shutil
from collections import Counter as Tally
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.curation.download.catalog import StandardSet
from reskin.curation.download.unpack import check_is_archive, sync_disk, unpack_pictures
from reskin.data.folders import list_images
from reskin.errors import DataError, RunError
from reskin.fetching import Source, cache_folder, fetch
from reskin.paths import make_folder
from reskin.progress import Report
from reskin.storage import file_digest, lock, read_json, storage_error, write_json
from reskin.version import __version__

RECORD_NAME = "download.json"
"""What came from where, in the folder of the set."""
PINS_NAME = "downloads.json"
"""The checksum of each set as it was first seen, in the cache folder."""


@dataclass(frozen=True)
class Downloaded:
    """A set that is there.

    Attributes:
        folder: where it lies.
        sha256: of its archive.
        size_bytes: of its archive.
        counts: pictures in each folder below, such as {"trainA": 1067}.
        was_there: nothing had to be done.
        is_pinned_anew: no checksum was known before; this one is remembered now.
    """

    folder: Path
    sha256: str
    size_bytes: int
    counts: dict[str, int]
    was_there: bool = False
    is_pinned_anew: bool = False


def download_set(
    wanted: StandardSet,
    out: Path,
    *,
    archive: Path | None = None,
    cache: Path | None = None,
    report: Report | None = None,
) -> Downloaded:
    """Download a set, check it against the checksum of its first download, and unpack it to `out`.

    `out` appears when all is there, and not before. What broke off goes on with the same call; a set that is
    there already is left alone.

    Args:
        wanted: the set.
        out: the folder to make.
        archive: a file on this disk to use instead of a download; it is only read.
        cache: where the download and the checksums are kept; `cache_folder()` by default.
        report: called with the progress.

    Raises:
        DataError: `out` holds something else, no connection, another checksum, or a hostile or damaged
            archive.
        StorageError: the disk is too full or refuses a write.
        RunError: another process is downloading the same set.
    """
    cache = cache_folder() if cache is None else cache
    if (there := _already_there(wanted, out)) is not None:
        _finish(wanted, cache, there)
        return there
    with lock(cache / "downloads" / wanted.name):
        if archive is None:
            suffix = ".zip" if wanted.url.endswith(".zip") else ".tar.gz"
            kept = cache / "downloads" / wanted.name / f"archive{suffix}"
            if not kept.exists():
                fetch(_source(wanted), kept, report=report)
        else:
            kept = archive
            check_is_archive(kept)  # before the digest of a file that may be anything
        digest, size = file_digest(kept), kept.stat().st_size
        is_new = _check_pin(wanted, cache / PINS_NAME, digest, kept, is_ours=archive is None)
        try:
            counts = _unpack(wanted, kept, out, {"sha256": digest, "size_bytes": size}, report)
        except DataError as error:
            if archive is not None:
                raise
            kept.unlink(missing_ok=True)
            fix = "It was removed: run the same command again to download it anew."
            raise DataError(error.what, fix) from None
        if is_new:
            _pin(wanted, cache / PINS_NAME, digest, size)
        if archive is None:
            kept.unlink()
    return Downloaded(out, digest, size, counts, is_pinned_anew=is_new)


def _finish(wanted: StandardSet, cache: Path, there: Downloaded) -> None:
    """Do what a call had still to do that was killed when `out` was there: pin, and clear the cache."""
    folder = cache / "downloads" / wanted.name
    if not folder.exists():
        return
    with suppress(RunError), lock(folder):  # held where the same set is being downloaded to another folder
        if wanted.name not in _pins(cache / PINS_NAME):
            _pin(wanted, cache / PINS_NAME, there.sha256, there.size_bytes)
        for kept in folder.glob("archive.*"):
            kept.unlink()
        with lock(cache / "downloads" / ".pins"):
            pass  # its lock may have been left as well


def _source(wanted: StandardSet) -> Source:
    """Where the archive is, and that it may be redirected among the hosts of the set."""
    origins = frozenset(f"{scheme}://{host}" for scheme in ("http", "https") for host in wanted.hosts)
    return Source(wanted.url, origins, f"Or fetch {wanted.url} elsewhere and give the archive with --from.")


def _already_there(wanted: StandardSet, out: Path) -> Downloaded | None:
    """The set, if `out` is it; None if `out` may be made.

    Raises:
        DataError: `out` holds something else.
    """
    record = out / RECORD_NAME
    if record.exists():
        made = read_json(record)
        if made.get("name") == wanted.name:
            digest, size, counts = made.get("sha256"), made.get("size_bytes"), made.get("counts")
            if isinstance(digest, str) and isinstance(size, int) and isinstance(counts, dict):
                return Downloaded(out, digest, size, counts, was_there=True)
        raise DataError(f"{out} holds the set '{made.get('name')}'", "Choose another folder with --out.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is not empty", "Choose a new folder with --out.")
    return None


def _pins(file: Path) -> dict[str, Any]:
    return read_json(file) if file.exists() else {}


def _check_pin(wanted: StandardSet, file: Path, digest: str, archive: Path, *, is_ours: bool) -> bool:
    """Whether the set is seen for the first time.

    Raises:
        DataError: it was another file at its first download; what we fetched is removed.
    """
    pin = _pins(file).get(wanted.name)
    known = wanted.sha256 or (pin.get("sha256") if isinstance(pin, dict) else None)
    if known is None:
        return True
    if known == digest:
        return False
    if is_ours:
        archive.unlink()
    if wanted.sha256:
        raise DataError(
            f"{wanted.name} is not the archive that is known (sha256 {digest[:12]}…, wanted {known[:12]}…)",
            "It was not unpacked. If its makers have changed it, unpack it by hand and give its folders to"
            " --a and --b.",
        )
    raise DataError(
        f"{wanted.name} is not the file that was first downloaded (sha256 {digest[:12]}…, "
        f"then {str(known)[:12]}…)",
        f"It was not unpacked. If the change is known and right, remove '{wanted.name}' from {file}.",
    )


def _pin(wanted: StandardSet, file: Path, digest: str, size: int) -> None:
    with lock(file.parent / "downloads" / ".pins"):  # two sets may end at the same moment
        pins = _pins(file)
        pins[wanted.name] = {"url": wanted.url, "sha256": digest, "size_bytes": size}
        write_json(file, dict(sorted(pins.items())))


def _unpack(
    wanted: StandardSet, archive: Path, out: Path, made: dict[str, Any], report: Report | None
) -> dict[str, int]:
    """Unpack beside `out`, write the record, and give the folder its name."""
    beside = out.absolute().with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # what a kill left
    try:
        make_folder(beside)
        unpack_pictures(archive, beside, report=report)
        counts = dict(Tally(_top(path, beside) for path in list_images(beside)))
        record = {"name": wanted.name, "url": wanted.url, "terms": wanted.terms, **made, "counts": counts}
        write_json(beside / RECORD_NAME, {"reskin": __version__, **record})
        sync_disk()
        if out.exists():
            out.rmdir()
        beside.rename(out)
    except OSError as error:
        raise storage_error(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return counts


def _top(path: Path, root: Path) -> str:
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else "."
