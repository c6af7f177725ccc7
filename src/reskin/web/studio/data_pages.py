"""Footage and datasets: the pages that show them, and what is done to them there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reskin.errors import ReskinError, RunError
from reskin.web.guard import json_object
from reskin.web.studio.forms import tool_fields
from reskin.web.studio.jobs import UNDERWAY, Job
from reskin.web.studio.media import size_of
from reskin.web.studio.orders import CURATES, PREPARES, TOOLS, is_about
from reskin.web.studio.pages import Pages
from reskin.web.studio.scan import Dataset
from reskin.web.studio.studio import Studio, job_facts, text_tail
from reskin.web.studio.trash import rename

if TYPE_CHECKING:
    from reskin.data.manifest import Manifest

MOST_CLIPS = 500
MOST_JOBS = 5


class DataPages:
    """What the routes of footage and datasets do.

    Args:
        studio: what they show.
        pages: how pages are made.
    """

    def __init__(self, studio: Studio, pages: Pages) -> None:
        self.studio, self.pages = studio, pages

    def page(self, request: Request) -> Response:
        """Footage, the form that prepares it, datasets, and what was put away."""
        if not self.studio.tools.is_ready:
            return self.pages.shown(request, "waiting.html", here="/data")
        tool = request.query_params.get("tool", PREPARES[0])
        if tool not in PREPARES:
            raise HTTPException(404)
        found = self.studio.scan.look()
        clips = sorted(found.clips.items(), key=lambda item: self.studio.scan.name(item[1]))
        sets = sorted(found.sets.values(), key=lambda one: one.name)
        return self.pages.shown(
            request,
            "data.html",
            here="/data",
            tools=PREPARES,
            clips=[(id, self.studio.scan.name(path), size_of(path)) for id, path in clips[:MOST_CLIPS]],
            count=len(clips),
            sets=sets,
            name=_free_name({one.name for one in sets}),
            trash=self.studio.trash.all(),
            **self._form(tool),
        )

    def set(self, request: Request) -> Response:
        """One dataset: its counts, what can be done with it, what was done."""
        if not self.studio.tools.is_ready:
            return self.pages.shown(request, "waiting.html", here="/data")
        found = self.studio.scan.look().sets
        one = found.get(request.path_params["set"])
        tool = request.query_params.get("tool", CURATES[0])
        if one is None or tool not in CURATES:
            raise HTTPException(404)
        jobs = [job for job in self.studio.jobs.all() if is_about(job.words, one.name)][:MOST_JOBS]
        return self.pages.shown(
            request,
            "set.html",
            here="/data",
            set=one,
            facts=self._facts(one),
            tools=CURATES,
            others=sorted((each for each in found.values() if each.id != one.id), key=lambda each: each.name),
            name=Path(one.name).name,
            jobs=[(job_facts(job), self._printed(job)) for job in jobs],
            **self._form(tool),
        )

    def _form(self, tool: str) -> dict[str, Any]:
        facts = self.studio.tools.all()[tool]
        all_fields = tool_fields(facts)
        basic = [one for one in all_fields if one.is_basic] or all_fields[:8]
        rest = [one for one in all_fields if one not in basic]
        return {"tool": TOOLS[tool], "about": facts["about"], "basic": basic, "folded": rest}

    def _printed(self, job: Job) -> str:
        folder = self.studio.jobs.folder(job)
        return "" if job.state in ("waiting", *UNDERWAY) else text_tail(folder / "out.txt")

    def _facts(self, one: Dataset) -> dict[str, Any]:
        from reskin.data.manifest import read_manifest  # brings numpy, which a server that rests does without

        try:
            manifest = read_manifest(self.studio.root / one.name)
        except ReskinError as error:
            return {"fault": str(error)}
        return _counts(manifest) if manifest else {}

    async def act(self, request: Request) -> Response:
        """Rename a run, dataset or clip, or put it away."""
        values = await json_object(request)
        return JSONResponse(await run_in_threadpool(self._acted, request.path_params, values))

    def _acted(self, of: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        scan, act = self.studio.scan, of["act"]
        found = scan.look()
        sets = {id: self.studio.root / one.name for id, one in found.sets.items()}
        path = (found.runs | sets | found.clips).get(of["item"])
        if path is None or act not in ("rename", "trash"):
            raise HTTPException(404)
        self._refuse_wanted(scan.name(path))
        if act == "rename":
            path = rename(path, values.get("name"))
            self.studio.curation.moved(of["item"], scan.id(path))
            scan.forget()
            return {"id": scan.id(path), "name": scan.name(path)}
        away = self.studio.trash.put(path)
        scan.forget()
        return {"id": away.id, "name": away.name}

    def _refuse_wanted(self, name: str) -> None:
        for job in self.studio.jobs.all():
            if job.state in ("waiting", *UNDERWAY) and is_about(job.words, name):
                raise RunError(f"{name} is wanted by the job {job.title}", "Wait for it, or stop it first.")

    async def restore(self, request: Request) -> Response:
        """Bring something back that was put away."""
        await json_object(request)
        path = await run_in_threadpool(self.studio.trash.restore, request.path_params["item"])
        self.studio.scan.forget()
        return JSONResponse({"name": self.studio.scan.name(path)})

    async def upload(self, request: Request) -> Response:
        """Begin to send a file, or ask where it goes on."""
        values = await json_object(request)
        found = await run_in_threadpool(self.studio.uploads.begin, values.get("name"), values.get("size"))
        return JSONResponse({"id": found.id, "at": found.at, "name": found.name})

    async def piece(self, request: Request) -> Response:
        """A piece of a file."""
        at = request.query_params.get("at", "")
        if not at.isdecimal() or len(at) > 15:
            raise HTTPException(400, "at is a number")
        found = await self.studio.uploads.take(request.path_params["upload"], int(at), request.stream())
        if found.made:
            self.studio.scan.forget()
        return JSONResponse({"at": found.at, "made": found.made})


def _counts(manifest: Manifest) -> dict[str, Any]:
    """What a page says of a manifest: pictures in use by split, reasons of those left out, warnings."""
    splits = Counter(frame.split for frame in manifest.used())
    reasons = Counter(reason for frame in manifest.frames for reason in frame.left_out or ())
    return {
        "used": sum(splits.values()),
        "pictures": len(manifest.frames),
        "splits": [(split, splits[split]) for split in ("train", "val", "test") if splits[split]],
        "reasons": reasons.most_common(),
        "sources": len(manifest.sources),
        "damaged": manifest.damaged[:20],
        "licence": manifest.licence or "",
        "consent": manifest.consent or "",
    }


def _free_name(taken: set[str]) -> str:
    numbers = (f"set-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbers if f"data/{name}" not in taken)
