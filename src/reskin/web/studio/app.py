"""The application: its routes in one table, behind the guard."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reskin.errors import ReskinError
from reskin.storage import storage_error
from reskin.web.guard import App, Guard, Refused, json_object
from reskin.web.studio.api import Api
from reskin.web.studio.curate_api import CurateApi
from reskin.web.studio.data_pages import DataPages
from reskin.web.studio.film_pages import FilmPages
from reskin.web.studio.media import Media
from reskin.web.studio.pages import Pages, error_facts
from reskin.web.studio.session import SECONDS, Sessions
from reskin.web.studio.studio import Studio
from reskin.web.studio.uploads import OutOfTurnError, TooLargeError

_log = logging.getLogger("reskin")
_HERE = Path(__file__).parent
_SHARED = _HERE.parents[1] / "pages" / "templates"
_JS, _CSS = "text/javascript", "text/css"
_VENDOR = _HERE / "static" / "vendor" / "uplot"
STATIC = {
    "shell.css": (_SHARED / "shell.css", _CSS),
    "studio.css": (_HERE / "static" / "studio.css", _CSS),
    "studio.svg": (_HERE / "static" / "studio.svg", "image/svg+xml"),
    **{path.name: (path, _JS) for path in sorted((_HERE / "static").glob("*.js"))},
    "curate.css": (_HERE / "static" / "curate.css", _CSS),
    "uPlot.esm.js": (_VENDOR / "uPlot.esm.js", _JS),
    "uPlot.min.css": (_VENDOR / "uPlot.min.css", _CSS),
    "uPlot.LICENSE.txt": (_VENDOR / "LICENSE", "text/plain; charset=utf-8"),
}
"""Name to file and type."""
PIECES = "/api/uploads/"
"""Below it pieces of files are posted."""
MOST_BODY = 1024 * 1024
"""A change of a million pictures at once is smaller than this, in bytes."""
STATUSES: dict[type[ReskinError], int] = {TooLargeError: 413, OutOfTurnError: 409}
"""What is answered to an error of our own functions instead of 400."""
WORDS = {404: "There is nothing here.", 405: "This is not done here."}


def hosts_of(port: int) -> tuple[str, ...]:
    """The names under which this machine alone reaches a port of its own."""
    return tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def routes_of(studio: Studio, sessions: Sessions) -> list[Route]:
    """Every route there is."""
    pages, api = Pages(studio), Api(studio)
    curate = CurateApi(studio, pages)
    static, login = _Static(), _Login(sessions, pages)
    data, films, media = DataPages(studio, pages), FilmPages(studio, pages), Media(studio)
    shown: dict[str, Callable[..., Any]] = {
        "/": pages.home,
        "/data": data.page,
        "/data/{set}": data.set,
        "/train": pages.train,
        "/runs/{run}": pages.run,
        "/compare": films.compare,
        "/studies/{study}": films.study,
        "/translate": films.translate,
        "/doctor": films.doctor,
        "/jobs": pages.jobs,
        "/jobs/{job}": pages.job,
        "/curate": curate.choose,
        "/curate/{set}": curate.page,
        "/login": login.page,
        "/api/live": api.live,
        "/api/runs/{run}/curves": api.curves,
        "/api/jobs/{job}/log": api.job_log,
        "/media/runs/{run}/samples/{step:int}": api.sample,
        "/media/clips/{clip}": media.clip,
        "/media/studies/{study}": media.study,
        "/media/jobs/{job}/{number:int}": media.result,
        "/api/sets/{set}/order": curate.order,
        "/api/sets/{set}/pack": curate.pack,
        "/api/sets/{set}/changes": curate.changes,
        "/api/sets/{set}/pictures/{n:int}": curate.picture,
        "/media/sets/{set}/{n:int}": curate.original,
        "/static/{name}": static.file,
    }
    done: dict[str, Callable[..., Any]] = {
        "/login": login.redeem,
        "/api/links": login.link,
        "/api/commands": api.commands,
        "/api/plan": api.plan,
        "/api/jobs": api.order,
        "/api/jobs/{job}/{act}": api.act,
        "/api/queue": api.queue,
        "/api/previews": films.previews,
        "/api/doctor": films.check,
        "/api/own/{item}/{act}": data.act,
        "/api/trash/{item}": data.restore,
        "/api/uploads": data.upload,
        f"{PIECES}{{upload}}": data.piece,
        "/api/sets/{set}/{deed}": curate.act,
    }
    return [Route(path, does, methods=["GET"]) for path, does in shown.items()] + [
        Route(path, does, methods=["POST"]) for path, does in done.items()
    ]


def studio_app(studio: Studio, sessions: Sessions, port: int) -> App:
    """The whole application, guarded.

    Args:
        studio: what it shows.
        sessions: who may see it.
        port: on which it will be served.
    """
    errors = _Errors(Pages(studio))
    app = Starlette(
        routes=routes_of(studio, sessions),
        exception_handlers={
            HTTPException: errors.known,
            ReskinError: errors.refused,
            OSError: errors.disk,
            Exception: errors.unknown,
        },
    )
    return Guard(app, hosts_of(port), admit=sessions.admit, pieces=PIECES, most_body=MOST_BODY)


class _Login:
    """The page that takes the token from the address, and what it sends."""

    def __init__(self, sessions: Sessions, pages: Pages) -> None:
        self.sessions, self.pages = sessions, pages

    def page(self, request: Request) -> Response:
        """Where a link leads; without one it says where to get one."""
        return self.pages.plain(request, "login.html")

    async def redeem(self, request: Request) -> Response:
        """Give the browser its cookie for a token."""
        values = await json_object(request)
        try:
            cookie = self.sessions.redeem(str(values.get("token", "")))
        except Refused as refused:
            return JSONResponse({"error": error_facts(request, str(refused), "")}, refused.status)
        answer = JSONResponse({})
        answer.set_cookie(
            self.sessions.name, cookie, max_age=SECONDS, path="/", httponly=True, samesite="strict"
        )
        return answer

    async def link(self, request: Request) -> Response:
        """A new token, for a process that knows the key."""
        return JSONResponse({"token": self.sessions.link()})


class _Static:
    """Scripts, styles and what is vendored."""

    def file(self, request: Request) -> Response:
        """One of them."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        path, kind = STATIC[name]
        return Response(path.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})


class _Errors:
    """Errors as a page, or as JSON where a script asked; never a trace."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    async def known(self, request: Request, error: Exception) -> Response:
        """A page that is not there, a request that makes no sense."""
        assert isinstance(error, HTTPException)
        return self._said(request, error.status_code, WORDS.get(error.status_code, error.detail), "")

    async def refused(self, request: Request, error: Exception) -> Response:
        """What one of our own functions refuses."""
        assert isinstance(error, ReskinError)
        return self._said(request, STATUSES.get(type(error), 400), error.what, error.fix)

    async def disk(self, request: Request, error: Exception) -> Response:
        """What the system refuses: full, read-only, gone."""
        assert isinstance(error, OSError)
        at = Path(error.filename) if isinstance(error.filename, str) else self.pages.studio.state.folder
        _log.error("refused by the system in %s", request.url.path, exc_info=error)
        return await self.refused(request, storage_error(at, error))

    async def unknown(self, request: Request, error: Exception) -> Response:
        """A fault of ours: a number that is in the log, with the trace."""
        if isinstance(error, Refused):  # by the guard, while the body was read
            raise error
        number = secrets.token_hex(4)
        _log.error("error %s in %s", number, request.url.path, exc_info=error)
        return self._said(request, 500, f"Something failed here (error {number}).", "It is in the log.")

    def _said(self, request: Request, status: int, what: str, fix: str) -> Response:
        if request.url.path.startswith(("/api/", "/media/", "/static/")) or request.method == "POST":
            return JSONResponse({"error": error_facts(request, what, fix)}, status)
        return self.pages.plain(request, "error.html", status=status, error=error_facts(request, what, fix))
