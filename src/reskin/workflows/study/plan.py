"""What a study compares, and the digests by which a finished cell is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import reskin
from reskin.data.folders import list_images
from reskin.errors import ReskinError, SettingsError
from reskin.evaluation.request import Request
from reskin.methods import SHARED
from reskin.runs.folder import RunFolder
from reskin.runs.settings import RunSettings, gather_settings
from reskin.storage import file_digest

PACKAGE = Path(reskin.__file__).parent

TRAINING_CODE = ("methods", "networks", "losses", "data", "training", "runs")
"""Folders whose code decides what is learnt; of `methods` only the method's own file and what all share."""

MEASURING_CODE = ("evaluation", "metrics", "inference", "networks")
"""Folders whose code decides what is measured."""


@dataclass(frozen=True)
class Row:
    """One row of the table: a method and what differs from its defaults.

    Attributes:
        label: in tables; unique in a study.
        method: its name.
        preset: name of a preset; None for none.
        settings: any settings of a run, over the preset and over those that all rows share.
    """

    label: str
    method: str
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The label as the name of a folder."""
        kept = "".join(each if each.isalnum() or each in "._-" else "-" for each in self.label)
        return f"{kept}-{hashlib.sha256(self.label.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        out: the folder of the study.
        rows: in the order of the table.
        seeds: of each row: 0, 1, 2 ...
        length: {"steps": n}, {"minutes": m} or {"epochs": e}: what is equal for all rows.
        request: data and measures.
        common: settings that all rows share, as far as their methods know them.
        eval_every: steps between scores on the validation split; None for a tenth of the steps.
    """

    out: Path
    rows: tuple[Row, ...]
    seeds: int
    length: Mapping[str, float]
    request: Request
    common: Mapping[str, Any] = field(default_factory=dict)
    eval_every: int | None = None

    def check(self) -> None:
        """Refuse what cannot be compared, before anything is trained.

        Raises:
            SettingsError: no rows, two of one label, no seeds, no or two lengths, or settings that are wrong.
        """
        labels = [row.label for row in self.rows]
        if not labels or self.seeds < 1:
            raise SettingsError(
                "nothing is compared", "Give --methods or --variants, and --seeds of 1 or more."
            )
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise SettingsError(f"two rows are called '{twice}'", "Leave one out, or change its settings.")
        if len(self.length) != 1 or next(iter(self.length.values())) <= 0:
            raise SettingsError("the budget of a study is one length", "Give --steps, --minutes or --epochs.")
        self.request.chosen()
        for row in self.rows:
            self.settings(row, 0)

    def settings(self, row: Row, seed: int) -> RunSettings:
        """All settings of a cell.

        Raises:
            SettingsError: an unknown method, preset or setting, or a value out of range.
        """
        given = {**self._known(row), **row.settings, **self.length, "seed": seed}
        given |= {"a": self.request.a, "b": self.request.b}
        return gather_settings(row.method, None, given, preset=row.preset, source=row.label)

    def _known(self, row: Row) -> dict[str, Any]:
        """The shared settings that this row's method has."""
        base = {"a": self.request.a, "b": self.request.b}
        groups = gather_settings(row.method, None, base, preset=row.preset).to_dict()
        names = {name for group in groups.values() for name in group}
        return {name: value for name, value in self.common.items() if name in names}

    def validated(self, settings: RunSettings) -> RunSettings:
        """The settings with scores on the validation split."""
        steps = settings.train.steps or 1000
        every = self.eval_every or max(1, steps // 10)
        return replace(settings, train=settings.train.model_copy(update={"eval_every": every}))


def training_key(settings: RunSettings, data: str) -> str:
    """Digest of everything that a training depends on: settings, data and the code of its method.

    Of folders and files counts what is in them, not where they lie: `data` is the digest of those of both
    domains.
    """
    name = settings.method_class.__module__.rsplit(".", 1)[-1]
    groups = settings.to_dict()
    paths = paths_of(settings)
    for group in groups.values():
        for setting in group.keys() & paths.keys():
            group.pop(setting)
    for free in ("device", "eval_every", "eval_share"):
        groups["train"].pop(free, None)
    contents = {setting: _content(path) for setting, path in paths.items() if setting not in ("a", "b")}
    known = {"settings": groups, "files": contents, "data": data, "code": _code(TRAINING_CODE, name)}
    return _digest(json.dumps(known, sort_keys=True, default=str))


def paths_of(settings: RunSettings) -> dict[str, Path]:
    """The settings that name a folder or a file: data, masks, weights, other runs."""
    groups = (settings.method, settings.data, settings.train)
    return {name: value for group in groups for name, value in group if isinstance(value, Path)}


def _content(path: Path) -> str:
    """Digest of a file, a run's checkpoints or a folder's images; "" if it cannot be read."""
    try:
        if path.is_dir():
            return _digest("\n".join(_named(path, RunFolder(path).list_checkpoints() or list_images(path))))
        return file_digest(path)
    except ReskinError:
        return ""  # the training of this row says why and what to do, and others go on


def _named(folder: Path, files: Iterable[Path]) -> list[str]:
    """Name in the folder and digest of each file."""
    return [f"{path.relative_to(folder).as_posix()} {file_digest(path)}" for path in files]


def measuring_key(request: Request, data: str) -> str:
    """Digest of everything that scores depend on but the model: what is asked for, the data and the code.

    Of folders and files counts what is in them, not where they lie.
    """
    values = vars(request) | (vars(request.labels) if request.labels is not None else {})
    asked = {
        name: "given" if isinstance(value, Path) else str(value)
        for name, value in values.items()
        if name not in ("cache", "labels")
    }
    asked["labels"] = str(request.labels is not None and request.labels.labels is not None)
    files = (request.classifier, request.class_names)
    asked["files"] = " ".join(file_digest(path) for path in files if path is not None and path.is_file())
    return _digest(json.dumps([asked, data, _code(MEASURING_CODE, None)], sort_keys=True))


def data_digest(request: Request) -> str:
    """Digest of the names and bytes of every image that a study looks at.

    Raises:
        DataError: a folder is missing or cannot be read.
    """
    labels = request.labels
    folders = [request.a, request.b, request.truth_a2b, request.truth_b2a]
    folders += [labels.labels, labels.segmenter] if labels is not None else []
    parts = []
    for folder in folders:
        if folder is None:
            parts.append("-")
            continue
        files = _named(folder, sorted(folder.glob("segmenter.*")) or list_images(folder))
        parts += [f"{len(files)} files", *files]  # so that an image moved to the next folder is noticed
    return _digest("\n".join(parts))


@cache
def _code(folders: tuple[str, ...], method: str | None) -> str:
    return _digest("\n".join(f"{path.name} {file_digest(path)}" for path in _files(folders, method)))


def _files(folders: tuple[str, ...], method: str | None) -> Iterable[Path]:
    for folder in folders:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            if folder != "methods" or path.stem in ("__init__", *SHARED, method):
                yield path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
