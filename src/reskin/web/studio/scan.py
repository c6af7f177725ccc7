"""What lies in the studio's folder: runs, datasets, clips, studies; ids are the same after a restart.

A browser never sends a path. It sends an id, which is looked up in what was found.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reskin.curation.thumbnails import folder_id
from reskin.errors import ReskinError
from reskin.holders import Holder, holder
from reskin.image_formats import IMAGE_SUFFIXES
from reskin.runs.folder import RunFolder
from reskin.storage import from_json
from reskin.video.probe import is_video_name
from reskin.web.studio.progress_lines import tail

DEEPEST = 4
MOST_FOLDERS = 20_000
AGAIN_SECONDS = 2.0
"""How long what was found counts as fresh."""
SETTLED_NS = 2_000_000_000
"""A folder that was changed less long ago is counted at each look."""
INSPECTIONS = "inspections"
"""Where the studio lets `reskin inspect` write its pages."""
_LAYOUTS = ("trainA", "trainB")


@dataclass(frozen=True)
class Dataset:
    """A folder of pictures.

    Attributes:
        id: of the folder.
        name: relative to the studio's folder.
        pictures: how many lie in it, or in its splits.
        has_manifest: whether `prepare` made it.
    """

    id: str
    name: str
    pictures: int
    has_manifest: bool


@dataclass(frozen=True)
class RunCard:
    """What is shown of a run in a list.

    Attributes:
        id: of the folder.
        name: relative to the studio's folder.
        method: name of the method, "?" where it is not known.
        a, b: folders of the domains, as the settings say.
        device: on which it trains, as the settings say.
        step: the last step that was logged.
        steps: length of the run; None: not known.
        newest: step of the newest sample grid; None: there is none.
        advice: text of the newest finding that has not passed, "" for none.
        changed: when something was last written, seconds since 1970.
        holder: the process that works on it, if one does.
        fault: why it cannot be read.
    """

    id: str
    name: str
    method: str = "?"
    a: str = ""
    b: str = ""
    device: str = ""
    step: int = 0
    steps: int | None = None
    newest: int | None = None
    advice: str = ""
    changed: float = 0.0
    holder: Holder | None = None
    fault: str = ""

    @property
    def state(self) -> str:
        """running, complete, stopped or unreadable."""
        if self.fault:
            return "unreadable"
        if self.holder:
            return "running"
        return "complete" if self.steps and self.step >= self.steps else "stopped"


@dataclass
class Found:
    """What one look found, by id."""

    runs: dict[str, Path] = field(default_factory=dict)
    sets: dict[str, Dataset] = field(default_factory=dict)
    clips: dict[str, Path] = field(default_factory=dict)
    studies: dict[str, Path] = field(default_factory=dict)
    is_whole: bool = True


class Scan:
    """Looks through the folder, at most every two seconds.

    Args:
        root: the studio's folder; links in it are not followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._turn = threading.Lock()
        self._found, self._at = Found(), -math.inf
        self._cards: dict[str, tuple[object, RunCard]] = {}
        self._counts: dict[Path, tuple[int, int]] = {}

    def look(self) -> Found:
        """What is there now, or was two seconds ago."""
        with self._turn:
            if time.monotonic() - self._at >= AGAIN_SECONDS:
                self._found = self._walk()
                self._at = time.monotonic()
            return self._found

    def run(self, name: str) -> Path | None:
        """The run folder of an id; None: there is none."""
        return self.look().runs.get(name)

    def forget(self) -> None:
        """Look again at the next question: something was moved."""
        with self._turn:
            self._at = -math.inf

    def cards(self) -> list[RunCard]:
        """Every run, the one that was last written to first."""
        runs = self.look().runs
        return sorted((self.card(name, path) for name, path in runs.items()), key=lambda run: -run.changed)

    def card(self, name: str, path: Path) -> RunCard:
        """What is shown of a run; read anew where its files have changed."""
        by = holder(path)
        signature = (_stamp(path / "config.json"), _stamp(path / "losses.jsonl"), _stamp(path / "samples"))
        known = self._cards.get(name)
        if known is None or known[0] != (signature, by):
            known = ((signature, by), _card(name, path, self.name(path), by))
            self._cards[name] = known
        return known[1]

    def name(self, path: Path) -> str:
        """A folder relative to the studio's, as it is typed there."""
        return path.relative_to(self.root).as_posix()

    def id(self, path: Path) -> str:
        """The id of a folder below the studio's."""
        return folder_id(self.root, path)

    def _walk(self) -> Found:
        found, count = Found(), 0
        for folder, files, inside in _folders(self.root):
            count += 1
            if count > MOST_FOLDERS:
                found.is_whole = False
                break
            if "study.json" in files and "cells" in inside:
                found.studies[self.id(folder)] = folder
                inside.clear()
                continue
            if "config.json" in files and ("losses.jsonl" in files or "checkpoints" in inside):
                found.runs[self.id(folder)] = folder
                inside.clear()
                continue
            found.clips |= {self.id(folder / name): folder / name for name in files if is_video_name(name)}
            if folder == self.root / INSPECTIONS:
                continue  # its contact sheets are no dataset
            if (dataset := self._dataset(folder, files, inside)) is not None:
                found.sets[dataset.id] = dataset
                inside.clear()
        return found

    def _dataset(self, folder: Path, files: set[str], inside: list[str]) -> Dataset | None:
        has_manifest = "manifest.json" in files
        splits = [name for name in _LAYOUTS if name in inside]
        if folder == self.root or not (has_manifest or splits or _pictures(files)):
            return None
        count = _pictures(files)
        count += sum(self._pictures_in(folder / name) for name in (inside if has_manifest else splits))
        return Dataset(self.id(folder), self.name(folder), count, has_manifest)

    def _pictures_in(self, folder: Path) -> int:
        """Pictures in a folder, counted again where something came or went: there may be 100,000."""
        changed = _stamp(folder)[0]
        known = self._counts.get(folder)
        if known is None or known[0] != changed:
            known = changed, _pictures(_names(folder))
            if time.time_ns() - changed > SETTLED_NS:  # times of files are as coarse as some milliseconds
                self._counts[folder] = known
        return known[1]


def _folders(root: Path) -> Iterator[tuple[Path, set[str], list[str]]]:
    """Folders in and below `root` with names of files and folders; who reads may shorten the latter."""
    for here, inside, files in os.walk(root, followlinks=False):
        folder = Path(here)
        inside[:] = sorted(name for name in inside if not name.startswith(".") and name != "__pycache__")
        yield folder, set(files), inside
        if len(folder.relative_to(root).parts) >= DEEPEST:
            inside.clear()


def _names(folder: Path) -> set[str]:
    with suppress(OSError):
        return {entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)}
    return set()


def _pictures(names: set[str]) -> int:
    return sum(os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES for name in names)


def _stamp(path: Path) -> tuple[int, int, int]:
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return 0, 0, 0


def _card(name: str, path: Path, shown: str, by: Holder | None) -> RunCard:
    files = RunFolder(path)
    changed = max(_stamp(each)[0] for each in (files.config, files.losses, files.samples)) / 1e9
    try:
        config = files.read_config()
        findings = files.health_rows()
    except ReskinError as error:
        return RunCard(name, shown, changed=changed, fault=str(error), holder=by)
    data = _part(_part(config, "settings"), "data")
    steps = _part(config, "resolved").get("steps") or _part(_part(config, "settings"), "train").get("steps")
    grids = [int(path.stem) for path in files.samples.glob("*.png") if path.stem.isdecimal()]
    open_ones: dict[str, str] = {}
    for row in findings:
        open_ones.pop(str(row["kind"]), None)
        if row.get("is_over") is not True:
            open_ones[str(row["kind"])] = str(row.get("text", ""))
    return RunCard(
        id=name,
        name=shown,
        method=str(config.get("method", "?")),
        a=str(data.get("a", "")),
        b=str(data.get("b", "")),
        device=str(_part(_part(config, "settings"), "train").get("device", "")),
        step=_last_step(files.losses),
        steps=steps if type(steps) is int and steps > 0 else None,
        newest=max(grids, default=None),
        advice=next(reversed(open_ones.values()), ""),
        changed=changed,
        holder=by,
    )


def _part(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _last_step(path: Path) -> int:
    """The largest step in the last lines; the file may be long."""
    steps = [0]
    for line in tail(path, 16_384)[0].split(b"\n")[:-1]:
        with suppress(ValueError, RecursionError):
            row = from_json(line)
            if isinstance(row, dict) and type(row.get("step")) is int:
                steps.append(row["step"])
    return max(steps)
