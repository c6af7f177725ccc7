"""What the curation page asks and sends, and the page itself."""

from __future__ import annotations

import base64
import binascii
import csv
import dataclasses
import io
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reskin.errors import DataError, ReskinError, RunError, SettingsError, StorageError
from reskin.paths import inside, read_plain
from reskin.storage import commit
from reskin.web.guard import json_object
from reskin.web.studio.curate_query import MOST_PACK, facts_of, file_of, order, pack
from reskin.web.studio.curate_sets import CuratedSet, Curation
from reskin.web.studio.curate_store import NAMES, VersionError
from reskin.web.studio.jobs import UNDERWAY, NewJob
from reskin.web.studio.pages import Pages, error_facts
from reskin.web.studio.studio import Studio, job_facts, typed

LANE = "light"
BYTES = "application/octet-stream"
MOST_ORIGINAL = 256 << 20
_KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
}
"""What browsers show, by its first bytes."""
_NONCE = re.compile(r"[0-9a-zA-Z-]{8,64}")


class CurateApi:
    """What each route of curation does.

    Args:
        studio: whose folder it is.
        pages: draws the page.
    """

    def __init__(self, studio: Studio, pages: Pages) -> None:
        self.studio, self.pages = studio, pages

    @property
    def curation(self) -> Curation:
        """The datasets that are open."""
        return self.studio.curation

    def choose(self, request: Request) -> Response:
        """The page with all datasets."""
        sets = sorted(self.studio.scan.look().sets.values(), key=lambda one: one.name)
        return self.pages.shown(request, "curate_sets.html", here="/curate", sets=sets)

    def page(self, request: Request) -> Response:
        """The page of one dataset."""
        name = request.path_params["set"]
        if name not in self.studio.scan.look().sets:
            raise HTTPException(404)
        one = self._set(request)
        command = typed(self._apply_words(one))
        return self.pages.shown(
            request, "curate.html", here="/curate", set_id=name, set_name=one.files.name, command=command
        )

    def order(self, request: Request) -> Response:
        """Numbers and verdicts of the pictures that are asked for, in their order."""
        one = self._read(request)
        return Response(order(one, dict(request.query_params)), media_type=BYTES)

    def pack(self, request: Request) -> Response:
        """What is on the screen; what is missing of it is begun to be made."""
        one = self._read(request)
        words = request.query_params.get("ids", "").split(",")
        if len(words) > MOST_PACK or not all(word.isdecimal() and len(word) < 12 for word in words):
            raise HTTPException(400, "ids are at most 256 numbers")
        content, missing = pack(one, list(map(int, words)), request.query_params.get("sort", ""))
        if missing:
            files = one.files
            try:
                one.thumbnails()  # a disk that refuses is said here, not by a process that ends
                self.curation.makers.ask(files.folder, files.index, files.thumbnails, missing)
            except Exception as error:
                raise StorageError("thumbnails cannot be made", f"Check the disk ({error}).") from error
        return Response(content, media_type=BYTES)

    def changes(self, request: Request) -> Response:
        """What was decided since a revision, here or in another tab."""
        return JSONResponse(
            self._changes(request, self._set(request), request.query_params.get("since", "0"))
        )

    def picture(self, request: Request) -> Response:
        """All that is known of one picture."""
        found = facts_of(self._read(request), _number(request))
        if found is None:
            raise HTTPException(404)
        return JSONResponse(found)

    def original(self, request: Request) -> Response:
        """The picture itself, where browsers show its format."""
        one = self._read(request)
        file = file_of(one, _number(request))
        try:
            content = read_plain(inside(one.files.folder, file), most_bytes=MOST_ORIGINAL) if file else b""
        except (OSError, ReskinError):
            raise HTTPException(404) from None
        kind = next((kind for mark, kind in _KINDS.items() if content.startswith(mark)), "")
        kind = kind or ("image/webp" if content[8:12] == b"WEBP" else "")
        if not kind:
            raise HTTPException(404)
        return Response(content, media_type=kind, headers={"cache-control": "private, no-cache"})

    async def act(self, request: Request) -> Response:
        """Decide, undo, redo; put a screening into the queue."""
        values = await json_object(request)
        return await run_in_threadpool(self._acted, request, values)

    def _acted(self, request: Request, values: dict[str, Any]) -> Response:
        act = request.path_params["deed"]
        try:
            one = self._set(request)
            if act in ("decisions", "undo", "redo"):
                since = values.get("since", 0)
                return JSONResponse(self._decided(one, act, values) | self._changes(request, one, str(since)))
            if act in ("apply", "measure"):
                return JSONResponse(self._queued(one, act))
        except VersionError as error:
            return JSONResponse({"error": error_facts(request, error.what, error.fix)}, 409)
        except (StorageError, RunError, DataError) as error:  # it may work later: the page sends it again
            return JSONResponse({"error": error_facts(request, error.what, error.fix)}, 507)
        raise HTTPException(404)

    def _decided(self, one: CuratedSet, act: str, values: dict[str, Any]) -> dict[str, Any]:
        version, nonce = values.get("version"), values.get("nonce")
        if not isinstance(version, str) or not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
            raise HTTPException(400, "version and nonce are needed")
        if act == "decisions":
            if values.get("verdict") not in NAMES:
                raise HTTPException(400, "verdict is keep, drop or none")
            verdict = NAMES.index(values["verdict"])
            return {"at": one.verdicts.decide(version, nonce, verdict, _numbers(values))}
        turn = one.verdicts.undo if act == "undo" else one.verdicts.redo
        return {"at": turn(version, nonce)}

    def _changes(self, request: Request, one: CuratedSet, since: str) -> dict[str, Any]:
        found = dataclasses.asdict(one.verdicts.changes(int(since) if since.isdecimal() else 0))
        facts = one.facts()
        jobs = [job for job in self.studio.jobs.all() if job.state in ("waiting", *UNDERWAY)]
        mine = [job.id for job in jobs if job.kind == "screen" and job.title == one.files.name]
        return found | {
            "index": one.index_version,
            "is_reading": one.is_reading,
            "fault": error_facts(request, one.fault["what"], one.fault["fix"]) if one.fault else None,
            "total": facts.get("total", 0),
            "jobs": mine,
            "command": typed(self._apply_words(one)),
        }

    def _queued(self, one: CuratedSet, act: str) -> dict[str, Any]:
        words = ["screen", _typed_folder(one)]
        if act == "apply":
            self._write_table(one)
            words = self._apply_words(one)
        name = one.files.name
        if any(
            job.kind == "screen"
            and job.title == name
            and job.state == "waiting"
            and job.words == tuple(words)
            for job in self.studio.jobs.all()
        ):
            raise SettingsError("this waits in the queue already", "Look at the jobs.")
        return job_facts(self.studio.jobs.add(NewJob("screen", name, tuple(words), LANE)))

    def _apply_words(self, one: CuratedSet) -> list[str]:
        table = one.files.table.relative_to(self.studio.root).as_posix()
        more = one.facts().get("words", [])
        return ["screen", _typed_folder(one), "--by-hand", table, "--apply", *more]

    @staticmethod
    def _write_table(one: CuratedSet) -> None:
        """The list for `--by-hand`; names that are no UTF-8 stand in it as they are."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["file", "verdict"])
        lines.writerows((file, NAMES[verdict]) for file, verdict in sorted(one.verdicts.by_file().items()))
        with commit(one.files.table) as temporary:
            temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))

    def _set(self, request: Request) -> CuratedSet:
        name = request.path_params["set"]
        found = self.studio.scan.look().sets.get(name)
        if found is None:
            raise HTTPException(404)
        return self.curation.of(name, self.studio.root / found.name)

    def _read(self, request: Request) -> CuratedSet:
        one = self._set(request)
        if not one.facts():
            fault = one.fault or {"what": "the dataset is being read", "fix": "Wait some seconds."}
            raise RunError(fault["what"], fault["fix"])
        return one


def _typed_folder(one: CuratedSet) -> str:
    name = one.files.folder.name
    shown = one.files.name
    return f"./{shown}" if shown.startswith("-") or name.startswith("-") else shown


def _number(request: Request) -> int:
    number = int(request.path_params["n"])
    if number >= 1 << 31:
        raise HTTPException(404)
    return number


def _numbers(values: dict[str, Any]) -> list[int]:
    """Numbers of pictures: a list, or the bits of a span, as base64, the lowest bit of a byte first.

    Raises:
        HTTPException: 400, they are neither.
    """
    numbers, bits, first = values.get("numbers"), values.get("bits"), values.get("from", 0)
    if isinstance(numbers, list) and all(type(one) is int and 0 <= one < 1 << 31 for one in numbers):
        return numbers
    if isinstance(bits, str) and type(first) is int and 0 <= first < 1 << 31:
        try:
            content = base64.b64decode(bits, validate=True)
        except (binascii.Error, ValueError):
            content = b""
        found = [
            first + 8 * at + bit
            for at, byte in enumerate(content)
            if byte
            for bit in range(8)
            if byte >> bit & 1
        ]
        if found:
            return found
    raise HTTPException(400, "numbers are needed")
