"""Data for the scripts of the pages, and what they order. Functions that wait for the disk run in threads."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reskin.errors import ReskinError, SettingsError
from reskin.paths import inside, read_plain
from reskin.runs.folder import RunFolder
from reskin.web.guard import json_object
from reskin.web.studio.jobs import Job, Way
from reskin.web.studio.methods import answer_of
from reskin.web.studio.orders import typed
from reskin.web.studio.studio import Studio, job_facts, text_tail

PNG = b"\x89PNG\r\n\x1a\n"
PLAN_SECONDS = 300.0
WAYS: tuple[Way, ...] = ("up", "down", "first")


class Api:
    """What each data route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def live(self, request: Request) -> Response:
        """Jobs, and one run; only the cursor where nothing has changed since `since`."""
        found = self.studio.live(request.query_params.get("run", ""))
        same = found["cursor"] == request.query_params.get("since", "")
        return JSONResponse({"cursor": found["cursor"]} if same else found)

    def curves(self, request: Request) -> Response:
        """Thinned losses of a run; only the cursor where nothing was written since `from`."""
        name = request.path_params["run"]
        folder = self.studio.scan.run(name)
        if folder is None:
            raise HTTPException(404)
        points = request.query_params.get("points", "300")
        if not points.isdecimal() or len(points) > 6:
            raise HTTPException(400, "points is a number")
        known = request.query_params.get("from", "")
        return JSONResponse(self.studio.losses(name, folder).read(known, int(points)))

    def job_log(self, request: Request) -> Response:
        """What the command has printed."""
        folder = self.studio.jobs.folder(self._job(request))
        return JSONResponse({"log": text_tail(folder / "log.txt"), "out": text_tail(folder / "out.txt")})

    def sample(self, request: Request) -> Response:
        """A sample grid."""
        folder = self.studio.scan.run(request.path_params["run"])
        step = request.path_params["step"]
        if folder is None or step >= 10**15:
            raise HTTPException(404)
        files = RunFolder(folder)
        try:
            path = inside(folder, f"{files.samples.name}/{step:08d}.png")
            content = read_plain(path)
        except (OSError, ReskinError):
            raise HTTPException(404) from None
        if not content.startswith(PNG):
            raise HTTPException(404)
        # A step is drawn anew when a run goes on from an earlier one.
        return Response(content, media_type="image/png", headers={"cache-control": "private, no-cache"})

    async def commands(self, request: Request) -> Response:
        """The command that a form stands for, and what it would refuse."""
        values = await json_object(request)
        return JSONResponse(await run_in_threadpool(self._checked, values))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        words = self.studio.new_job(values).words
        return {"command": typed(words), "fault": self.studio.checker.fault(words)}

    async def plan(self, request: Request) -> Response:
        """What a training or preparation would take, from the command's --dry-run."""
        values = await json_object(request)
        return JSONResponse(await run_in_threadpool(self._planned, values))

    def _planned(self, values: dict[str, Any]) -> dict[str, Any]:
        words = [*self.studio.new_job(values).words, "--dry-run", "--json"]
        # 3: of some sources it says that they cannot be read.
        return answer_of(words, self.studio.root, PLAN_SECONDS, codes=(0, 3))

    async def order(self, request: Request) -> Response:
        """Put something into the queue."""
        values = await json_object(request)
        return JSONResponse(job_facts(await run_in_threadpool(self._ordered, values)))

    def _ordered(self, values: dict[str, Any]) -> Job:
        kind = values.get("kind")
        if kind in ("train", "tool", "film"):
            return self.studio.order(values)
        if kind == "more":
            return self.studio.order_more(str(values.get("run", "")))
        if kind == "demo":
            return self.studio.order_demo()
        raise SettingsError("nothing of this kind is done here", "Load the page again.")

    async def act(self, request: Request) -> Response:
        """Stop a job, move it, do it again, or take its record away."""
        await json_object(request)
        return await run_in_threadpool(self._acted, self._job(request), request.path_params["act"])

    def _acted(self, job: Job, act: str) -> Response:
        jobs = self.studio.jobs
        if act == "again":
            return JSONResponse(job_facts(jobs.again(job)))
        if act == "stop":
            jobs.stop(job)
        elif act == "stop-now":
            jobs.stop(job, at_once=True)
        elif ways := [way for way in WAYS if way == act]:
            jobs.move(job, ways[0])
        elif act == "remove":
            jobs.remove(job)
        else:
            raise HTTPException(404)
        return JSONResponse({})

    async def queue(self, request: Request) -> Response:
        """Let nothing new start, or go on."""
        values = await json_object(request)
        if not isinstance(values.get("paused"), bool):
            raise HTTPException(400, "paused is true or false")
        await run_in_threadpool(self.studio.jobs.pause, values["paused"])
        return JSONResponse({})

    def _job(self, request: Request) -> Job:
        found = self.studio.jobs.find(request.path_params["job"])
        if found is None:
            raise HTTPException(404)
        return found
