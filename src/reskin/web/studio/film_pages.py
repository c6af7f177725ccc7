"""The pages that translate films and compare runs, films and studies, and the page of the machine's check."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reskin.errors import ReskinError
from reskin.runs.folder import RunFolder
from reskin.runs.record import sample_grids
from reskin.storage import free_bytes
from reskin.web.guard import json_object
from reskin.web.studio.films import FOLDER, free_name
from reskin.web.studio.forms import PICKED, in_text, tool_fields
from reskin.web.studio.jobs import UNDERWAY
from reskin.web.studio.methods import answer_of
from reskin.web.studio.orders import typed
from reskin.web.studio.pages import Pages
from reskin.web.studio.studio import Studio, job_facts

FEWEST, MOST = 2, 6
VARIED = ("work_size", "steady", "seed")
"""Settings of which a preview shows several values."""
MOST_RESULTS = 12
DOCTOR_SECONDS = 180.0


class FilmPages:
    """What the routes of films and comparisons do.

    Args:
        studio: what they show.
        pages: how pages are made.
    """

    def __init__(self, studio: Studio, pages: Pages) -> None:
        self.studio, self.pages = studio, pages
        self._doctor: dict[str, Any] = {}

    def translate(self, request: Request) -> Response:
        """Choose a run and a film, look at previews, order the film."""
        if not self.studio.tools.is_ready:
            return self.pages.shown(request, "waiting.html", here="/translate")
        scan = self.studio.scan
        found = scan.look()
        facts = self.studio.tools.all()["translate"]
        all_fields = tool_fields(facts)
        rest = [one for one in all_fields if one.name not in VARIED and one.kind not in PICKED.values()]
        names = sorted((scan.name(path), id) for id, path in found.clips.items())
        clips = sorted(names, key=lambda each: each[0].startswith(f"{FOLDER}/"))  # what was filmed first
        runs = [card for card in scan.cards() if not card.fault]
        chosen = request.query_params.get("run", runs[0].id if runs else "")
        jobs = self.studio.jobs.all()
        done = [job for job in jobs if job.kind == "translate" and job.state in ("done", "partly")]
        ids = dict(clips)
        return self.pages.shown(
            request,
            "translate.html",
            here="/translate",
            runs=runs,
            chosen=chosen,
            clips=[(id, name) for name, id in clips],
            varied=[one for one in all_fields if one.name in VARIED],
            picked=[one for one in all_fields if one.kind in PICKED.values()],
            basic=[one for one in rest if one.is_basic],
            folded=[one for one in rest if not one.is_basic],
            sets=sorted(found.sets.values(), key=lambda one: one.name),
            about=facts["about"],
            name=free_name(runs[0].name if runs else "film", clips[0][0] if clips else "", set(ids)),
            films=[
                (job_facts(job), ids.get(job.words[2].removeprefix("./"), ""), ids.get(job.makes[0], ""))
                for job in done[:MOST_RESULTS]
                if job.makes
            ],
        )

    async def previews(self, request: Request) -> Response:
        """Queue previews."""
        values = await json_object(request)
        jobs = await run_in_threadpool(self.studio.order_previews, values)
        return JSONResponse({"jobs": [job_facts(job) for job in jobs]})

    def compare(self, request: Request) -> Response:
        """Two to six runs or films beside each other; without any, what there is to choose from."""
        scan = self.studio.scan
        found = scan.look()
        ids = list(dict.fromkeys(request.query_params.getlist("show")))[:MOST]
        runs = [id for id in ids if id in found.runs]
        clips = [id for id in ids if id in found.clips]
        if len(runs) + len(clips) != len(ids):
            raise HTTPException(404)
        cards = [scan.card(id, found.runs[id]) for id in runs]
        return self.pages.shown(
            request,
            "compare.html",
            here="/compare",
            ids=ids,
            fewest=FEWEST,
            most=MOST,
            all_runs=scan.cards(),
            all_clips=sorted((scan.name(path), id) for id, path in found.clips.items()),
            studies=sorted((scan.name(path), id) for id, path in found.studies.items()),
            cards=cards,
            clips=[(id, scan.name(found.clips[id])) for id in clips],
            settings=differing([found.runs[id] for id in runs]) if len(runs) > 1 else [],
            scores=scores_of([(card.name, found.runs[card.id]) for card in cards]),
            samples=[sample_facts(card.id, card.name, found.runs[card.id]) for card in cards],
            command=typed(["runs"]) if not runs else typed(["report", cards[0].name]),
        )

    def study(self, request: Request) -> Response:
        """The tables of a study that `reskin compare` wrote."""
        path = self.studio.scan.look().studies.get(request.path_params["study"])
        if path is None:
            raise HTTPException(404)
        name = self.studio.scan.name(path)
        try:
            tables, notes = _study_tables(path)
            fault = ""
        except (ReskinError, KeyError, TypeError, ValueError, AttributeError) as error:
            tables, notes = [], []
            fault = str(error) if isinstance(error, ReskinError) else f"{name}/study.json is damaged"
        return self.pages.shown(
            request,
            "study.html",
            here="/compare",
            id=request.path_params["study"],
            name=name,
            tables=tables,
            notes=notes,
            fault=fault,
            has_report=(path / "report.html").is_file(),
            command=typed(["table", name]),
        )

    def doctor(self, request: Request) -> Response:
        """What `reskin doctor` said last."""
        return self.pages.shown(
            request,
            "doctor.html",
            here="/doctor",
            found=self._doctor,
            free=f"{free_bytes(self.studio.root) / 1e9:.0f} GB",
            running=sum(job.state in UNDERWAY for job in self.studio.jobs.all()),
            command=typed(["doctor"]),
        )

    async def check(self, request: Request) -> Response:
        """Let `reskin doctor` look, in a process of its own."""
        await json_object(request)
        found = await run_in_threadpool(
            answer_of, ["doctor", "--json"], self.studio.root, DOCTOR_SECONDS, codes=(0, 2)
        )
        self._doctor = {**found, "at": time.time()}
        return JSONResponse(found)


def differing(runs: Sequence[Path]) -> list[tuple[str, list[str]]]:
    """Settings in which runs differ: name, and the value of each run ("–" where it has none)."""
    each: list[dict[str, str]] = []
    for path in runs:
        try:
            config = RunFolder(path).read_config()
        except ReskinError:
            config = {}
        found = {"method": str(config.get("method", "–"))}
        groups = config.get("settings")
        for values in groups.values() if isinstance(groups, dict) else ():
            if isinstance(values, dict):
                found |= {str(name): in_text(value) or "–" for name, value in values.items()}
        each.append(found)
    names = dict.fromkeys(name for found in each for name in found)
    rows = [(name, [found.get(name, "–") for found in each]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def scores_of(runs: Sequence[tuple[str, Path]]) -> dict[str, Any]:
    """The last scores of runs beside each other, JSON-ready.

    Args:
        runs: name and folder of each.

    Returns:
        `lines`: title, direction, what is measured, and for each run number and 95 % interval over the images
        ("" where there is none); `notes`: what keeps scores from being compared.
    """
    from reskin.pages.scores import ScoreTable, score_table

    tables: list[ScoreTable | None] = []
    for _, path in runs:
        try:
            rows = RunFolder(path).score_rows()
        except ReskinError:
            rows = []
        scores = rows[-1].get("scores") if rows else None
        tables.append(score_table(scores) if isinstance(scores, dict) else None)
    titles = dict.fromkeys((one.title, one.way) for table in tables if table for one in table.lines)
    lines, notes = [], []
    for title, way in titles:
        found = [_line_of(table, title, way) for table in tables]
        abouts = {one[0] for one in found if one}
        if len(abouts) > 1:
            notes.append(f"{title} {way}: not measured alike ({'; '.join(sorted(abouts))})")
        cells = [one[1:] if one else ("–", "") for one in found]
        lines.append((title, way, next(iter(abouts), ""), cells))
    unmeasured = [name for (name, _), table in zip(runs, tables, strict=True) if not table]
    notes += [f"{name} has no scores: reskin evaluate {name}" for name in unmeasured]
    return {"lines": lines, "notes": notes}


def _line_of(table: Any, title: str, way: str) -> tuple[str, str, str] | None:
    line = next((one for one in table.lines if (one.title, one.way) == (title, way)), None) if table else None
    if line is None:
        return None
    cell = next((cell for cell in line.cells if cell.heading == "This model"), None)
    return (line.about, cell.text, cell.interval) if cell else None


def sample_facts(id: str, name: str, path: Path) -> dict[str, Any]:
    """The newest sample grid of a run, JSON-ready; `steps` is empty where there is none."""
    grids = sample_grids(RunFolder(path), [])
    newest = grids[-1] if grids else None
    return {
        "id": id,
        "name": name,
        "steps": [grid.step for grid in grids],
        "rows": newest.rows if newest else [],
        "columns": newest.columns if newest else 0,
    }


def _study_tables(path: Path) -> tuple[list[tuple[str, list[list[str]]]], list[str]]:
    """Tables of a study: name of the checkpoint and its rows, the headings first; and what is to be known."""
    from reskin.workflows.study.formats import caption, rows_of
    from reskin.workflows.study.table import differences, read_table

    table = read_table(path)
    notes = [caption(table), *differences(table)]
    notes += [f"{label}, seed {seed}: {why}" for label, seed, why in table.missing]
    return [(which, rows_of(table, which)) for which in ("last", "best")], notes
