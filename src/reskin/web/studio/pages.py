"""The pages, as templates show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from reskin.pages.shell import environment
from reskin.runs.folder import RunFolder
from reskin.storage import Holder
from reskin.web.studio.forms import GROUPS, fields, in_text
from reskin.web.studio.orders import typed
from reskin.web.studio.scan import RunCard
from reskin.web.studio.studio import Studio, ago, in_words, job_facts
from reskin.web.words import LANGUAGES, NAMES, Words, catalogue, preferred_language

PACKAGE = "reskin.web.studio"
WORDS = Path(__file__).parent / "words"
RUNS_A_PAGE = 40
THEMES = ("light", "dark")
RAIL = (
    ("/", "Home", "h"),
    ("/data", "Data", "d"),
    ("/curate", "Curate", "c"),
    ("/train", "Train", "t"),
    ("/compare", "Compare", "m"),
    ("/translate", "Translate", "l"),
    ("/jobs", "Jobs", "j"),
    ("/doctor", "Doctor", "o"),
)
"""Address, name and key of every page of the rail."""


class Pages:
    """What each page route does."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def home(self, request: Request) -> Response:
        """What there is, and what to do next."""
        cards = self.studio.scan.cards()
        sought = request.query_params.get("q", "").strip()[:100]
        shown = [card for card in cards if sought.lower() in f"{card.name} {card.method}".lower()]
        first = _whole(request.query_params.get("from", "0"))
        found = self.studio.scan.look()
        return self.shown(
            request,
            "home.html",
            here="/",
            runs=shown[first : first + RUNS_A_PAGE],
            count=len(shown),
            first=first,
            each=RUNS_A_PAGE,
            sought=sought,
            sets=sorted(found.sets.values(), key=lambda one: one.name),
            is_whole=found.is_whole,
            next_step=_next_step(len(found.sets), cards),
            command="reskin runs",
        )

    def train(self, request: Request) -> Response:
        """The form of a training."""
        if not self.studio.methods.is_ready:  # a child process reads them, for some seconds
            return self.shown(request, "waiting.html", here="/train")
        methods = self.studio.methods.all()
        method = request.query_params.get("method", "cyclegan")
        if method not in methods:
            raise HTTPException(404)
        preset = request.query_params.get("preset", "")
        if preset and preset not in methods[method]["presets"]:
            raise HTTPException(404)
        all_fields = fields(methods[method], preset)
        return self.shown(
            request,
            "train.html",
            here="/train",
            methods=methods,
            method=method,
            facts=methods[method],
            preset=preset,
            basic=[one for one in all_fields if one.is_basic],
            folded={
                group: [one for one in all_fields if one.group == group and not one.is_basic]
                for group in GROUPS
            },
            sets=sorted(self.studio.scan.look().sets.values(), key=lambda one: one.name),
            name=self._free_name(method),
        )

    def run(self, request: Request) -> Response:
        """A run: samples, curves, health."""
        name = request.path_params["run"]
        folder = self.studio.scan.run(name)
        if folder is None:
            raise HTTPException(404)
        card = self.studio.scan.card(name, folder)
        return self.shown(
            request,
            "run.html",
            here="",
            run=card,
            facts=self.studio.run_facts(name, folder),
            settings=_changed_settings(folder),
            command=typed(self.studio.more_words(card)),
            translate=typed(["translate", card.name, "clip.mp4", "clip-translated.mp4"]),
            report=typed(["report", card.name]),
        )

    def jobs(self, request: Request) -> Response:
        """The queue."""
        return self.shown(request, "jobs.html", here="/jobs")

    def job(self, request: Request) -> Response:
        """One job and what it printed."""
        found = self.studio.jobs.find(request.path_params["job"])
        if found is None:
            raise HTTPException(404)
        return self.shown(request, "job.html", here="/jobs", job=job_facts(found))

    def plain(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page without the rail: login and errors."""
        return self.shown(request, template, here="", status=status, **values)

    def shown(
        self, request: Request, template: str, *, here: str, status: int = 200, **values: Any
    ) -> Response:
        """A page from its template.

        Args:
            request: that asks for it.
            template: its name.
            here: address of the page of the rail that it belongs to, "" for none.
            status: of the answer.
            values: what the template shows.
        """
        language = language_of(request)
        theme = request.cookies.get("reskin-theme", "")
        words = Words(WORDS, language)
        text = (
            environment(PACKAGE)
            .get_template(template)
            .render(
                t=words,
                language=language,
                languages={name: NAMES[name] for name in LANGUAGES},
                theme=theme if theme in THEMES else "",
                rail=RAIL,
                here=here,
                status=status,
                is_gone=not self.studio.root.is_dir(),
                root=self.studio.root.name or str(self.studio.root),
                catalogue=catalogue(WORDS, language),
                ago=ago,
                in_words=in_words,
                **values,
            )
        )
        return Response(text, status, media_type="text/html")

    def _free_name(self, method: str) -> str:
        """A name for a run that is not taken yet."""
        taken = {card.name for card in self.studio.scan.cards()} | {
            f"runs/{job.title}" for job in self.studio.jobs.all()
        }
        numbers = (f"{method}-{number}" for number in range(1, len(taken) + 2))
        return next(name for name in numbers if f"runs/{name}" not in taken)


def language_of(request: Request) -> str:
    """The language that was chosen, or that the browser asks for."""
    chosen = request.cookies.get("reskin-language", "")
    return chosen if chosen in LANGUAGES else preferred_language(request.headers.get("accept-language", ""))


def error_facts(request: Request, what: str, fix: str) -> dict[str, str]:
    """An error as scripts and pages show it: what, fix, and in which language they are.

    Sentences of commands are English in every language.
    """
    language = language_of(request)
    words = Words(WORDS / "errors", language)
    said = words.said(what)
    if said is None:
        return {"what": what, "fix": fix, "lang": "en"}
    return {"what": said, "fix": words.said(fix) or fix, "lang": language}


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def _next_step(sets: int, runs: list[RunCard]) -> str:
    """What to do next, by rule."""
    if not sets and not runs:
        return "bring"
    if sets < 2 and not runs:
        return "other"
    if not runs:
        return "train"
    newest = runs[0]
    return "look" if isinstance(newest.holder, Holder) else "done" if newest.state == "complete" else "more"


def _changed_settings(folder: Path) -> list[tuple[str, str, str]]:
    """Settings that differ from their defaults: name, value, default."""
    from reskin.errors import ReskinError

    try:
        config = RunFolder(folder).read_config()
    except ReskinError:
        return []
    settings, known = config.get("settings"), config.get("defaults")
    found = []
    for group, values in settings.items() if isinstance(settings, dict) else ():
        usual = known.get(group, {}) if isinstance(known, dict) else {}
        for name, value in values.items() if isinstance(values, dict) else ():
            if name in usual and json.dumps(usual[name]) != json.dumps(value):
                found.append((str(name), in_text(value), in_text(usual[name])))
    return found
