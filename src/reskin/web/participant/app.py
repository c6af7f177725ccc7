"""The application that raters meet: an invite's page, its stimuli and its answers, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reskin.errors import ReskinError
from reskin.evaluation.blind_study.answers import AnswerStore, Rater, checked_answer
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.plan import STIMULI, StudyPlan, stimulus_path
from reskin.evaluation.blind_study.results import again_trials
from reskin.paths import inside
from reskin.storage import file_digest
from reskin.web import words
from reskin.web.guard import App, Guard, json_object
from reskin.web.words import LANGUAGES, preferred_language

STATIC = {"study.js": "text/javascript", "study.css": "text/css", "study.svg": "image/svg+xml"}
_HERE = Path(__file__).parent


def catalogue(language: str) -> dict[str, str]:
    """English sentence to the sentence in a language; empty for English."""
    return words.catalogue(_HERE / "words", language)


@dataclass(frozen=True)
class Address:
    """Where the study is served.

    Attributes:
        hosts: exact Host headers.
        is_secure: whether raters come by https, through a server in front.
    """

    hosts: tuple[str, ...]
    is_secure: bool = False


class Study:
    """A study that is being served.

    Args:
        folder: of the study.
        plan: its plan.
        store: its answers.
        is_secure: whether cookies are for https alone.
    """

    def __init__(self, folder: Path, plan: StudyPlan, store: AnswerStore, *, is_secure: bool = False) -> None:
        self.folder, self.plan, self.store, self.is_secure = folder, plan, store, is_secure
        self.slots = plan.slots()
        self.secret = bytes.fromhex(store.fact("secret", secrets.token_hex(32)))
        self.digest = plan.digest()
        self.kind = "video/mp4" if plan.ending == ".mp4" else "image/jpeg"

    def trials(self, rater: Rater) -> list[Trial]:
        """A rater's list; once it is answered, trials whose exposure was marked follow once more."""
        base = self.slots[rater.slot or 0]
        answers = self.store.answers(rater.invite)
        if {answer.trial for answer in answers} >= set(range(len(base))):
            return base + [base[number] for number in again_trials(self.plan, base, answers)]
        return base

    def stimulus_id(self, invite: str, trial: int, turn: int) -> str:
        """What a stimulus is called in this trial of this rater; without the key it says nothing."""
        text = f"{invite} {trial} {turn}".encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()[:32]

    def listed(self, rater: Rater) -> list[dict[str, Any]]:
        """The trials as the page needs them; nothing in it says which trial is a check, or what is shown."""
        rows = []
        for number, trial in enumerate(self.trials(rater)):
            beside, two = self.plan.shown(trial)
            ids = [self.stimulus_id(rater.invite, number, turn) for turn in range(len(beside) + len(two))]
            rows.append(
                {"part": trial.part, "beside": ids[: len(beside)], "shown": ids[len(beside) :]},
            )
        return rows

    def stimulus(self, rater: Rater, name: str) -> Path | None:
        """The file behind an id of this rater; None: there is none."""
        for number, trial in enumerate(self.trials(rater)):
            beside, two = self.plan.shown(trial)
            for turn, stimulus in enumerate((*beside, *two)):
                if hmac.compare_digest(self.stimulus_id(rater.invite, number, turn), name):
                    return stimulus_path(self.folder, self.plan, stimulus)
        return None

    def state(self, rater: Rater) -> dict[str, Any]:
        """All that the page knows of its rater; finishes the rater whose every trial is answered."""
        trials = self.listed(rater)
        done = sorted(answer.trial for answer in self.store.answers(rater.invite))
        if len(done) == len(trials) and rater.finished is None:
            self.store.finish(rater.invite)
        is_done = len(done) == len(trials)
        return {
            "kind": self.plan.kind,
            "question": self.plan.question,
            "language": rater.language,
            "exposure": self.plan.exposure_ms,
            "trials": trials,
            "example": {"trial": 0, "right": self.plan.right_choice(self.slots[rater.slot or 0][0])},
            "done": done,
            "finished": is_done,
            "completion": rater.completion if is_done else None,
            "deletion": rater.deletion,
        }


def participant_app(study: Study, address: Address) -> App:
    """The whole application, guarded."""
    pages = Environment(
        loader=PackageLoader("reskin.web.participant"), autoescape=True, undefined=StrictUndefined
    )
    handlers = _Handlers(study, pages)
    routes = [
        Route("/s/{invite}", handlers.page, methods=["GET"]),
        Route("/s/{invite}/begin", handlers.begin, methods=["POST"]),
        Route("/s/{invite}/state", handlers.state, methods=["GET"]),
        Route("/s/{invite}/stimuli/{name}", handlers.stimulus, methods=["GET"]),
        Route("/s/{invite}/answers", handlers.answer, methods=["POST"]),
        Route("/s/{invite}/withdraw", handlers.withdraw, methods=["POST"]),
        Route("/static/{name}", handlers.static, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _plain, ReskinError: _failed})
    scheme = "https" if address.is_secure else "http"
    return Guard(app, address.hosts, scheme)


async def _plain(_: Request, error: Exception) -> Response:
    """An error as one line of text."""
    assert isinstance(error, HTTPException)
    words = {404: "There is nothing here.", 405: "This is not done here."}
    return PlainTextResponse(words.get(error.status_code, error.detail), error.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    """A disk that is full or a stimulus that is gone: the page tries again later."""
    return JSONResponse({"error": "This cannot be stored or shown now. Try again in a while."}, 503)


class _Handlers:
    """What each route does. Those that wait for the disk are plain functions, run in a thread."""

    def __init__(self, study: Study, pages: Environment) -> None:
        self.study, self.pages = study, pages

    def page(self, request: Request) -> Response:
        """The page of an invite; also where it is used up, which it says in words."""
        rater = self._invited(request)
        state = "open"
        if rater.withdrawn is not None:
            state = "withdrawn"
        elif rater.replaced is not None:
            state = "replaced"
        elif rater.token is not None and not self._is_theirs(request, rater):
            state = "elsewhere"
        elif rater.token is not None:
            state = "begun"
        language = preferred_language(request.headers.get("accept-language", ""))
        if state == "begun" and rater.language:  # in every other state it may be somebody else who reads
            language = rater.language
        catalogues = {name: catalogue(name) for name in LANGUAGES}
        text = self.pages.get_template("study.html").render(
            language=language, languages=LANGUAGES, words=catalogues, state=state, kind=self.study.plan.kind
        )
        return Response(text, media_type="text/html")

    async def begin(self, request: Request) -> Response:
        """Give the rater a slot and the browser its token; again, where that answer was lost on its way."""
        rater, values = self._invited(request), await json_object(request)
        language = values.get("language")
        if values.get("consent") is not True or language not in LANGUAGES:
            raise HTTPException(400, "language and consent are needed")
        key = str(values.get("key", ""))[:64] or secrets.token_hex(16)
        begun = self.study.store.begin(rater.invite, language, len(self.study.slots), key=key)
        if begun is None or begun.token is None:
            return JSONResponse({"error": "full"}, 409)
        is_theirs = self._is_theirs(request, begun) or self.study.store.began_with(begun.invite, key)
        if not is_theirs or begun.withdrawn is not None or begun.replaced is not None:
            return JSONResponse({"error": "elsewhere"}, 409)
        answer = JSONResponse(self.study.state(begun))
        answer.set_cookie(
            "rater",
            begun.token,
            max_age=90 * 24 * 3600,
            path=f"/s/{begun.invite}",
            httponly=True,
            samesite="strict",
            secure=self.study.is_secure,
        )
        return answer

    def state(self, request: Request) -> Response:
        """Where the rater is."""
        return JSONResponse(self.study.state(self._rater(request)))

    def stimulus(self, request: Request) -> Response:
        """The bytes of a stimulus, with headers that are the same for all."""
        path = self.study.stimulus(self._rater(request), request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        headers = {"cache-control": "private, max-age=3600"}
        return Response(path.read_bytes(), media_type=self.study.kind, headers=headers)

    async def answer(self, request: Request) -> Response:
        """Store an answer; the same one again is answered alike, another one gets 409."""
        rater = self._rater(request)
        trials = self.study.trials(rater)
        try:
            given = checked_answer(await json_object(request), len(trials))
            if given.choice == "same" and self.study.plan.kind == "real-or-fake":
                raise ValueError("real-or-fake is answered with first or second")
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        if not self.study.store.answer(rater.invite, given):
            return JSONResponse({"error": "answered"}, 409)
        trial = trials[given.trial]
        if trial.part != "practice":
            return JSONResponse({})
        return JSONResponse({"right": given.choice == self.study.plan.right_choice(trial)})

    async def withdraw(self, request: Request) -> Response:
        """Delete the rater's answers, for who knows the code."""
        rater, values = self._invited(request), await json_object(request)
        if not self.study.store.withdraw(rater.invite, str(values.get("code", ""))[:32].strip().upper()):
            return JSONResponse({"error": "code"}, 403)
        return JSONResponse({})

    def static(self, request: Request) -> Response:
        """Script and style."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        return Response((_HERE / "static" / name).read_bytes(), media_type=STATIC[name])

    def _invited(self, request: Request) -> Rater:
        rater = self.study.store.rater(request.path_params["invite"])
        if rater is None:
            raise HTTPException(404)
        return rater

    def _rater(self, request: Request) -> Rater:
        rater = self._invited(request)
        if not self._is_theirs(request, rater) or rater.withdrawn is not None or rater.replaced is not None:
            raise HTTPException(403, "This invite is used in another browser, or is closed.")
        return rater

    @staticmethod
    def _is_theirs(request: Request, rater: Rater) -> bool:
        token = request.cookies.get("rater", "")
        return rater.token is not None and hmac.compare_digest(token.encode(), rater.token.encode())


def wrong_stimuli(folder: Path, plan: StudyPlan) -> Iterable[str]:
    """Names of stimuli that the folder lacks, or whose bytes are not those of the plan.

    Raises:
        DataError: one of them is a link that leads out of the folder.
    """
    for name, digest in plan.digests.items():
        path = inside(folder, f"{STIMULI}/{name}")
        if not path.is_file() or file_digest(path) != digest:
            yield name
