"""Clips and what jobs made, as browsers play and show them.

Types are ours, by the name's ending; whatever else there is, a browser saves.
"""

from __future__ import annotations

import os
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from reskin.errors import ReskinError
from reskin.paths import inside
from reskin.web.studio.studio import Studio

KINDS = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".html": "text/html",
}
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""For pages that our commands wrote: their scripts run, as of another site, and reach nothing here."""


class Media:
    """What the routes of films and results do.

    Args:
        studio: whose they are.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def clip(self, request: Request) -> Response:
        """A film of the folder."""
        path = self.studio.scan.look().clips.get(request.path_params["clip"])
        if path is None:
            raise HTTPException(404)
        return self._file(self.studio.scan.name(path))

    def result(self, request: Request) -> Response:
        """Something that a job made, by its number."""
        job = self.studio.jobs.find(request.path_params["job"])
        number = request.path_params["number"]
        if job is None or not number < len(job.results):
            raise HTTPException(404)
        return self._file(job.results[number])

    def study(self, request: Request) -> Response:
        """The page of a study."""
        path = self.studio.scan.look().studies.get(request.path_params["study"])
        if path is None:
            raise HTTPException(404)
        return self._file(f"{self.studio.scan.name(path)}/report.html")

    def _file(self, name: str) -> Response:
        try:
            path = inside(self.studio.root, name)
            found = path.stat()
        except (OSError, ReskinError):
            raise HTTPException(404) from None
        kind = KINDS.get(path.suffix.lower())
        headers = {"cache-control": "private, no-cache"}
        if kind == "text/html":
            headers["content-security-policy"] = SANDBOX
        return FileResponse(
            path,
            media_type=kind or "application/octet-stream",
            headers=headers,
            stat_result=found,
            filename=None if kind else path.name,
        )


def size_of(path: Path) -> str:
    """The size of a file in words; "" where it is gone.

    >>> size_of(Path("nothing"))
    ''
    """
    try:
        size = os.lstat(path).st_size
    except OSError:
        return ""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"
