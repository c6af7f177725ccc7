"""The one way a file is fetched from the network: broken connections are taken up again where they ended.

What has come is kept beside the file in one ending in .part, with a note of the server's mark for this
version of the file (an ETag or a date). If the server's file has changed since, or it cannot resume, all is
fetched anew; a file whose digest is known is checked before it gets its name.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from reskin.errors import DataError, ReskinError, StorageError
from reskin.online import check_online
from reskin.paths import make_folder
from reskin.progress import Report
from reskin.storage import commit, file_digest, free_bytes, read_json, storage_error, write_json

CACHE_VARIABLE = "RESKIN_CACHE"
ATTEMPTS = 5
"""Times in a row that a connection may break without a byte more, before the user is asked."""
MOST_REDIRECTIONS = 5
MOST_BYTES = 100_000_000_000
"""A file larger than this is none of ours, whatever the server says."""

_BLOCK = 1 << 18
_TIMEOUT_SECONDS = 30
_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Source:
    """A file on the network, and what is known of it.

    Attributes:
        address: where it is public.
        origins: scheme and host, such as "https://example.org", of every address that may be asked,
            redirects included.
        by_hand: what to do where it cannot be fetched, as a sentence.
        size_bytes: of the file; never more than this is fetched. None where it is not known.
        sha256: digest in hexadecimal, or its first digits; "" where none is known.
        error: class of the errors about it.
    """

    address: str
    origins: frozenset[str]
    by_hand: str
    size_bytes: int | None = None
    sha256: str = ""
    error: type[ReskinError] = DataError

    def check_origin(self, address: str) -> None:
        """Refuse an address that is not to be asked (an error of class `error`)."""
        parts = urllib.parse.urlsplit(address)
        if f"{parts.scheme}://{parts.hostname}" not in self.origins:
            raise self.error(
                f"{address} is not one of the addresses that {self.file} is fetched from",
                f"Nothing was fetched from there. {self.by_hand}",
            )

    @property
    def file(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]


def cache_folder() -> Path:
    """Where downloads are kept: RESKIN_CACHE, or `reskin` in the user's cache folder; it need not exist."""
    if own := os.environ.get(CACHE_VARIABLE):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "reskin"


class _BrokenError(Exception):
    """The connection ended before the file did; what came is kept."""


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows at most five, and only to known origins."""

    max_redirections = MOST_REDIRECTIONS

    def __init__(self, source: Source) -> None:
        self.source = source

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.source.check_origin(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(source: Source, target: Path, *, report: Report | None = None) -> Path:
    """Fetch a file to `target`; a download that broke off before goes on where it ended.

    Args:
        source: what is fetched.
        target: the name of the complete file; its folder is made if missing.
        report: called with the progress, in MB.

    Raises:
        ReskinError: of the source's class: no connection, the server refuses, an address that is not to be
            asked, too many bytes, another digest, or the connection broke `ATTEMPTS` times in a row.
        OfflineError: the network is forbidden.
        StorageError: the disk is too full for the file, or refuses the write.
    """
    check_online(source.address)
    source.check_origin(source.address)
    opener = urllib.request.build_opener(_Redirections(source))
    part = target.with_name(target.name + ".part")
    try:
        make_folder(target.parent)
    except OSError as error:
        raise storage_error(target.parent, error) from error
    failures, furthest = 0, _size(part)
    while True:
        is_resumed = _size(part) > 0
        try:
            _fetch_on(opener, source, part, report)
            _check_digest(source, part, is_resumed=is_resumed)
            break
        except (_BrokenError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            here = _size(part)
            failures = 0 if here > furthest else failures + 1
            furthest = max(furthest, here)
            if failures >= ATTEMPTS:
                raise source.error(
                    f"the download of {source.address} broke off at {here / 1e6:.1f} MB "
                    f"({str(error) or type(error).__name__})",
                    f"Run the same command again: it goes on from there. {source.by_hand}",
                ) from None
            _log.info("connection lost at %.1f MB; going on", here / 1e6)
            time.sleep(min(8.0, 0.25 * 2**failures))
    _note(part).unlink(missing_ok=True)
    with commit(target) as temporary:
        os.replace(part, temporary)
    return target


def _check_digest(source: Source, part: Path, *, is_resumed: bool) -> None:
    """Refuse other contents; where a part of them was there before, it may be at fault: all is fetched anew.

    Raises:
        _BrokenError: it is to be tried again from the start.
        ReskinError: what came in one go is not the file.
    """
    if not source.sha256 or (found := file_digest(part)).startswith(source.sha256):
        return
    part.unlink()
    if is_resumed:
        raise _BrokenError("the part that was there was of something else")
    what = f"what came from {source.address} has the SHA-256 {found}, wanted {source.sha256}"
    raise source.error(what, source.by_hand)


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


def _fetch_on(
    opener: urllib.request.OpenerDirector, source: Source, part: Path, report: Report | None
) -> None:
    """Fetch what `part` still lacks.

    Raises:
        _BrokenError: the connection ended too early; `part` holds more than before.
    """
    start, known = _size(part), _known(part)
    if start and start in (source.size_bytes, known.get("size_bytes")):
        return  # a kill came between the last byte and the name
    with _answer(opener, _request(source, start, known.get("mark")), source, part) as answer:
        is_resumed = answer.status == http.client.PARTIAL_CONTENT
        total = _total(answer.headers, start if is_resumed else 0)
        if is_resumed and _range_start(answer.headers) != start:
            part.unlink(missing_ok=True)
            raise _BrokenError("the server sent another piece than was asked for")
        start = start if is_resumed else 0
        total = total if source.size_bytes is None else source.size_bytes
        _check_room(part, total, start)
        if not is_resumed:
            part.unlink(missing_ok=True)
            note = {"url": source.address, "mark": _mark_of(answer.headers), "size_bytes": total}
            write_json(_note(part), note)
        here = _receive(answer, source, part, _Counted(start, total, report))
    if total is not None and here != total:
        raise _BrokenError(f"the connection ended after {here} of {total} bytes")


def _request(source: Source, start: int, mark: Any) -> urllib.request.Request:
    """For what is missing, where a piece can be trusted: by the server's mark, or later by the digest."""
    headers = {"User-Agent": "reskin", "Accept-Encoding": "identity"}
    if start and (isinstance(mark, str) or source.sha256):
        headers["Range"] = f"bytes={start}-"
    if start and isinstance(mark, str):
        headers["If-Range"] = mark
    return urllib.request.Request(source.address, headers=headers)  # noqa: S310 - its origin was checked


def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, source: Source, part: Path
) -> Any:
    """The server's answer, or why there is none."""
    host = urllib.parse.urlsplit(source.address).hostname
    try:
        return opener.open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # longer than the server's file: of another version
            raise _BrokenError("the file on the server has changed") from None
        if error.code >= 500 or error.code in (http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS):
            raise _BrokenError(f"{host} answered {error.code} {error.reason}") from None
        what = f"{host} answered {error.code} {error.reason} for {source.address}"
        raise source.error(what, f"It may have moved. {source.by_hand}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError | ConnectionResetError):
            raise _BrokenError(str(error.reason)) from None
        what = f"no connection to {host} ({error.reason})"
        raise source.error(what, f"Check the network. {source.by_hand}") from None


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
            f"Free some space, or set {CACHE_VARIABLE} to a folder on another disk.",
        )


@dataclass
class _Counted:
    """How many bytes are here, of how many, and who is to know."""

    here: int
    total: int | None
    report: Report | None

    def add(self, count: int, file: str) -> None:
        self.here += count
        if self.report is not None:
            total = None if self.total is None else max(1, round(self.total / 1e6))
            done = total if self.here == self.total and total is not None else int(self.here / 1e6)
            self.report(done, total, what=file, unit="MB")


def _receive(answer: Any, source: Source, part: Path, counted: _Counted) -> int:
    """Append what the server sends; returns the bytes that are there then."""
    most = MOST_BYTES if source.size_bytes is None else source.size_bytes
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
            counted.add(len(block), source.file)
            if counted.here > most:
                file.truncate(0)
                raise source.error(f"{source.address} sends more than the {most} bytes", source.by_hand)
        os.fsync(file.fileno())
    return counted.here
