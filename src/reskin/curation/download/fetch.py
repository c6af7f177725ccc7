"""One file over HTTP: resumed where it broke off, only from known hosts, never more than the disk holds."""

from __future__ import annotations

import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, Any

from reskin.errors import DataError, ReskinError, StorageError
from reskin.online import check_online
from reskin.storage import free_bytes, read_json, storage_error, write_json

Report = Callable[[int, int | None], None]
"""Called after each block with how many bytes of how many (None: not known) are here."""

ATTEMPTS = 5
"""Times that a broken connection is taken up again before the user is asked."""
MOST_REDIRECTIONS = 5
MOST_BYTES = 100_000_000_000
"""An archive larger than this is none of ours, whatever the server says."""

_BLOCK = 1 << 18
_TIMEOUT_SECONDS = 30
_log = logging.getLogger("reskin")


class _BrokenError(Exception):
    """The connection ended before the file did; what came is kept."""


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows at most five, and only to hosts that are known."""

    max_redirections = MOST_REDIRECTIONS

    def __init__(self, hosts: frozenset[str]) -> None:
        self.hosts = hosts

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        where = urllib.parse.urlsplit(newurl)
        if where.scheme not in ("http", "https") or where.hostname not in self.hosts:
            place = f"{where.scheme}://{where.netloc}"
            raise DataError(
                f"the download is redirected to {place}, which is not known",
                "Nothing was fetched from there.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, target: Path, *, hosts: frozenset[str], report: Report | None = None) -> Path:
    """Download `url` to `target`; a download that broke off before goes on where it ended.

    What has come is kept beside `target` in a file ending in .part, with a note of the server's mark for this
    version of the file. If the server's file has changed since, or it cannot resume, all is fetched anew.

    Args:
        url: http or https.
        target: the name of the complete file.
        hosts: where a redirection may lead.
        report: called with the progress.

    Raises:
        DataError: no connection, the server refuses, or the connection broke `ATTEMPTS` times in a row.
        StorageError: the disk is too full for the file, or refuses the write.
    """
    check_online(url)
    opener = urllib.request.build_opener(_Redirections(hosts))
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(target.parent, error) from error
    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_on(opener, url, part, report)
            break
        except (_BrokenError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            here = _size(part)
            failures = 0 if here > before else failures + 1
            if failures >= ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise DataError(
                    f"the download of {url} broke off at {here / 1e6:.1f} MB ({reason})",
                    "Run the same command again: it goes on from there.",
                ) from None
            _log.info("connection lost at %.1f MB; going on", here / 1e6)
            time.sleep(min(8.0, 0.25 * 2**failures))
    _note(part).unlink(missing_ok=True)
    os.replace(part, target)
    return target


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _known(part: Path) -> dict[str, Any]:
    """What was noted of the version that `part` is the beginning of: mark (ETag or date) and size_bytes."""
    if not _size(part) or not _note(part).exists():
        return {}
    try:
        return read_json(_note(part))
    except ReskinError as error:
        _log.info("%s; downloading from the start", error)
        return {}


def _fetch_on(opener: urllib.request.OpenerDirector, url: str, part: Path, report: Report | None) -> None:
    """Fetch what `part` still lacks.

    Raises:
        _BrokenError: the connection ended too early; `part` holds more than before.
    """
    start, known = _size(part), _known(part)
    if start and known.get("size_bytes") == start:  # a kill came between the last byte and the name
        return
    mark = known.get("mark")
    request = urllib.request.Request(url, headers={"User-Agent": "reskin", "Accept-Encoding": "identity"})  # noqa: S310
    if start and isinstance(mark, str):
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", mark)
    with _answer(opener, request, url, part) as answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        total = _total(answer.headers, start if resumed else 0)
        if resumed and _range_start(answer.headers) != start:
            part.unlink(missing_ok=True)
            raise _BrokenError("the server sent another piece than was asked for")
        start = start if resumed else 0
        _check_room(part, total, start)
        if not resumed:
            part.unlink(missing_ok=True)
            write_json(_note(part), {"url": url, "mark": _mark_of(answer.headers), "size_bytes": total})
        here = _receive(answer, part, start, total, report)
    if total is not None and here != total:
        raise _BrokenError(f"{here} of {total} bytes came")


def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, url: str, part: Path
) -> Any:
    """The server's answer, or why there is none."""
    host = urllib.parse.urlsplit(url).hostname
    try:
        return opener.open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # longer than the server's file: of another version
            raise _BrokenError("the file on the server has changed") from None
        if error.code >= 500:
            raise _BrokenError(f"{host} answered {error.code} {error.reason}") from None
        raise DataError(
            f"{host} answered {error.code} {error.reason} for {url}",
            "The set may have moved: fetch the archive by hand and give it with --from.",
        ) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError):
            raise _BrokenError(str(error.reason)) from None
        raise DataError(
            f"no connection to {host} ({error.reason})",
            f"Check the network, or fetch {url} elsewhere and give the archive with --from.",
        ) from None


def _mark_of(headers: Message) -> str | None:
    """What distinguishes this version of the file from another: a strong ETag, or else the date it has."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _total(headers: Message, start: int) -> int | None:
    found = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
    if found:
        return int(found.group(1))
    length = headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() else None


def _range_start(headers: Message) -> int | None:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


def _check_room(part: Path, total: int | None, start: int) -> None:
    free = free_bytes(part.parent)
    if total is not None and total - start > free:
        raise StorageError(
            f"{part.parent} has {free / 1e6:.0f} MB free, the download needs {(total - start) / 1e6:.0f} MB",
            "Free some space, or set RESKIN_CACHE to a folder on another disk.",
        )


def _receive(answer: Any, part: Path, start: int, total: int | None, report: Report | None) -> int:
    """Append what the server sends; returns the bytes that are there then."""
    here = start
    try:
        file = open(part, "ab")  # noqa: SIM115 - opening fails otherwise than receiving
    except OSError as error:
        raise storage_error(part, error) from error
    with file:
        while block := answer.read(_BLOCK):
            try:
                file.write(block)
                file.flush()
            except OSError as error:
                raise storage_error(part, error) from error
            here += len(block)
            if here > MOST_BYTES:
                raise DataError(f"{part} is over {MOST_BYTES / 1e9:.0f} GB", "This is no set of ours.")
            if report:
                report(here, total)
        os.fsync(file.fileno())
    return here
