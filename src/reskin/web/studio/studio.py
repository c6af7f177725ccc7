"""What the pages and the data routes share: the folder's contents, jobs, methods, and words for people."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError, SettingsError
from reskin.runs.folder import RunFolder
from reskin.runs.record import sample_grids
from reskin.storage import to_json
from reskin.web.studio.curate_sets import Curation
from reskin.web.studio.films import Films
from reskin.web.studio.forms import checked_name, setting_words
from reskin.web.studio.jobs import UNDERWAY, Job, Jobs, NewJob
from reskin.web.studio.live import LossTail
from reskin.web.studio.methods import Checker, Methods, Tools
from reskin.web.studio.orders import DEVICE_LANE, Orders, typed
from reskin.web.studio.processes import session_of
from reskin.web.studio.progress_lines import tail
from reskin.web.studio.results import links
from reskin.web.studio.scan import RunCard, Scan
from reskin.web.studio.state import StateFolder
from reskin.web.studio.trash import Trash
from reskin.web.studio.uploads import Uploads

LOG_BYTES = 16 * 1024
MOST_TAILS = 32


class Studio:
    """Everything that one studio shows and does; the server holds one.

    Args:
        state: the studio's folder, made before.
    """

    def __init__(self, state: StateFolder) -> None:
        self.state, self.root = state, state.root
        self.scan = Scan(state.root)
        self.jobs = Jobs(state)
        self.methods = Methods(state)
        self.checker = Checker(state.root)
        self.tools = Tools(state)
        self.curation = Curation(state)
        self.orders = Orders(self.scan, self.tools, self.curation)
        self.films = Films(self.orders)
        self.uploads, self.trash = Uploads(state), Trash(state)
        self._tails: dict[str, LossTail] = {}
        self._turn = threading.Lock()

    def losses(self, name: str, folder: Path) -> LossTail:
        """The curves of a run; those of 32 runs are kept."""
        with self._turn:
            known = self._tails.pop(name, None) or LossTail(RunFolder(folder).losses)
            self._tails[name] = known
            while len(self._tails) > MOST_TAILS:
                self._tails.pop(next(iter(self._tails)))
            return known

    def live(self, run: str) -> dict[str, Any]:
        """What changes while one looks: all jobs, and one run; `cursor` says whether it has changed.

        Args:
            run: id of the run, "" for none.
        """
        look = self.scan.look()
        runs = look.runs
        sets = {one.name: id for id, one in look.sets.items()}
        clips = {self.scan.name(path): id for id, path in look.clips.items()}
        jobs = [job_facts(job) | {"links": links(job, sets, clips)} for job in self.jobs.all()]
        held = self.held() if any(facts["state"] == "waiting" for facts in jobs) else {}
        for facts in jobs:  # a run has a page once its folder is there
            facts["run"] = facts["run"] if facts["run"] in runs else ""
            facts["waits_for"] = held.get(facts.pop("lane"), "") if facts["state"] == "waiting" else ""
        found: dict[str, Any] = {"paused": self.jobs.is_paused, "jobs": jobs}
        if run and (folder := self.scan.run(run)):
            found["run"] = self.run_facts(run, folder)
        found["runs"] = sorted(runs)
        found["gone"] = not self.root.is_dir()
        found["cursor"] = hashlib.blake2b(to_json(found), digest_size=8).hexdigest()
        return found

    def run_facts(self, name: str, folder: Path) -> dict[str, Any]:
        """What the page of a run shows and keeps up with."""
        card, files = self.scan.card(name, folder), RunFolder(folder)
        notes: list[str] = []
        grids = sample_grids(files, notes)
        newest = grids[-1] if grids else None
        mine = [job for job in self.jobs.all() if job.run == name]
        job = next((job for job in mine if job.state in UNDERWAY), None)
        return {
            "id": name,
            "state": card.state,
            "step": card.step,
            "steps": card.steps,
            "holder": str(card.holder) if card.holder else "",
            "job": job.id if job else "",
            "waits": any(each.state == "waiting" for each in mine),
            "left": job.progress.left if job else None,
            "fault": card.fault,
            "health": open_findings(files),
            "samples": [grid.step for grid in grids],
            "rows": newest.rows if newest else [],
            "columns": newest.columns if newest else 0,
            "log": text_tail(files.log),
        }

    def train_words(self, values: Mapping[str, Any]) -> tuple[str, list[str]]:
        """The run folder and the command that a filled-in form stands for.

        Args:
            values: method, a, b (ids of datasets), name, preset and settings, as the browser sent them.

        Raises:
            SettingsError: something is missing or not known.
            RunError: the methods are not known.
        """
        methods = self.methods.all()
        method, preset = values.get("method"), values.get("preset", "")
        if not isinstance(method, str) or method not in methods:
            raise SettingsError("no such method", "Choose one of the list.")
        facts = methods[method]
        if not isinstance(preset, str) or (preset and preset not in facts["presets"]):
            raise SettingsError("no such preset", "Choose one of the list.")
        out = f"runs/{checked_name(values.get('name'))}"
        words = ["train", method]
        for domain in ("a", "b"):
            chosen = self.scan.look().sets.get(str(values.get(domain, "")))
            if chosen is None:
                raise SettingsError(f"no dataset for domain {domain.upper()}", "Choose one.")
            words += [f"--{domain}", _folder(chosen.name)]
        words += ["--out", out]
        if preset:
            words += ["--preset", preset]
        settings = values.get("settings", {})
        if not isinstance(settings, dict):
            raise SettingsError("the settings are no object", "Load the page again.")
        return out, words + setting_words(facts, preset, settings, self.orders.picked)

    def order_more(self, run: str) -> Job:
        """Queue a run's training again; it goes on from its last checkpoint.

        Raises:
            SettingsError: there is no such run, or it is in the queue already.
        """
        folder = self.scan.run(run)
        if folder is None:
            raise SettingsError("no such run", "Load the page again.")
        if any(job.run == run and job.state in ("waiting", *UNDERWAY) for job in self.jobs.all()):
            raise SettingsError("this run is in the queue already", "Look at the jobs.")
        words = self.more_words(self.scan.card(run, folder))
        return self.jobs.add(NewJob("train", folder.name, tuple(words), _lane(words), run))

    @staticmethod
    def more_words(card: RunCard) -> list[str]:
        """The command that goes on with a run, without `reskin`."""
        folder = _folder(card.name)
        return ["train", card.method, "--config", f"{folder}/config.json", "--out", folder]

    def new_job(self, values: Mapping[str, Any]) -> NewJob:
        """The job that a filled-in form stands for.

        Args:
            values: kind ("train", "tool" or "film") and what the form of that kind holds.

        Raises:
            SettingsError: something is missing or not known.
            RunError: methods or commands are not known.
        """
        kind = values.get("kind")
        if kind == "tool":
            return self.orders.job(values)
        if kind == "film":
            return self.films.job(values)
        out, words = self.train_words(values)
        title = out.removeprefix("runs/")
        return NewJob("train", title, tuple(words), _lane(words), self.scan.id(self.root / out))

    def order(self, values: Mapping[str, Any]) -> Job:
        """Queue what a form stands for.

        Raises:
            SettingsError: the form is not complete, or the command would refuse it.
            RunError: the settings cannot be checked.
            StorageError: the disk refuses.
        """
        return self._queued([self.new_job(values)])[0]

    def order_previews(self, values: Mapping[str, Any]) -> list[Job]:
        """Queue previews of a film; their films are kept in `.reskin/previews`.

        Raises:
            SettingsError: as `order`.
            RunError: the settings cannot be checked.
            StorageError: the disk refuses.
        """
        return self._queued(self.films.previews(values))

    def _queued(self, many: list[NewJob]) -> list[Job]:
        """Queue all or, where one is refused, none."""
        for new in many:
            if fault := self.checker.fault(new.words):
                raise SettingsError(fault)
        return [self.jobs.add(new) for new in many]

    def order_demo(self) -> Job:
        """Queue the demonstration on drawn footage."""
        return self.jobs.add(NewJob("demo", "demo", ("demo", "--out", "demo"), DEVICE_LANE))

    def held(self) -> dict[str, str]:
        """Lanes whose device a terminal of this machine trains on, with the name of the run."""
        ours, found = self.jobs.children(), {}
        for card in self.scan.cards():
            by = card.holder
            if by and by.host == socket.gethostname() and session_of(by.process) not in ours:
                found[_lane(["--device", card.device])] = card.name
        return found

    def tick(self) -> None:
        """What is done twice a second: start what may start, let go of what rests."""
        is_waiting = any(job.state == "waiting" for job in self.jobs.all())
        self.jobs.start_next(self.held() if is_waiting else ())
        self.checker.rest()
        self.curation.rest()


def job_facts(job: Job) -> dict[str, Any]:
    """A job as pages show it."""
    said = job.progress
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "command": typed(job.words),
        "state": job.state,
        "run": job.run,
        "lane": job.lane,
        "made": job.made,
        "began": job.began,
        "ended": job.ended,
        "code": job.code,
        "stage": said.stage,
        "what": said.what,
        "done": said.done,
        "total": said.total,
        "left": said.left,
        "note": said.note,
        "error": said.error,
        "fix": said.fix,
        "results": job.results,
    }


def open_findings(files: RunFolder) -> list[dict[str, Any]]:
    """Findings of the health monitor that have not passed, the latest first."""
    try:
        rows = files.health_rows()
    except ReskinError:
        return []
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.pop(str(row["kind"]), None)
        if row.get("is_over") is not True:
            said = {key: str(row.get(key, "")) for key in ("text", "advice")}
            found[str(row["kind"])] = {"step": row["step"], **said}
    return list(found.values())[::-1]


def text_tail(path: Path, most: int = LOG_BYTES) -> str:
    """The last whole lines of a text file."""
    content, end = tail(path, most)
    text = content.decode("utf-8", "replace")
    return text.partition("\n")[2] if end > most else text


def in_words(seconds: float | None) -> str:
    """Since when or for how long, shortly.

    >>> in_words(42), in_words(200), in_words(8000), in_words(200_000), in_words(None)
    ('42 s', '3 min', '2 h 13 min', '2 d 7 h', '')
    """
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(at: float) -> str:
    """How long ago a time was."""
    return in_words(time.time() - at)


def _folder(name: str) -> str:
    """A folder as a word after a flag; a name that begins with '-' would be read as one."""
    return f"./{name}" if name.startswith("-") else name


def _lane(words: list[str]) -> str:
    """Jobs of one device run one after the other: second and later GPUs have lanes of their own."""
    device = words[words.index("--device") + 1] if "--device" in words else ""
    kind, _, number = device.partition(":")
    is_other = kind == "cuda" and number.isdecimal() and 0 < int(number) < 1000
    return f"cuda-{int(number)}" if is_other else DEVICE_LANE
