"""The run folder: the only code where a training meets everything that reads it.

    config.json  losses.jsonl  health.jsonl  samples/00000500.png  checkpoints/00000500.safetensors
    scores.jsonl  validation.jsonl  log.txt  report.html

One process writes, any number read. Lines are appended; everything else is renamed to its name when whole.
Only this folder of the package knows these names.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from reskin.errors import RunError, SettingsError
from reskin.paths import check_own, inside, read_plain
from reskin.runs.former import of_today
from reskin.storage import append_line, append_text, commit, read_json, read_lines, to_json, write_json
from reskin.types import Trouble

if TYPE_CHECKING:
    from torch import Tensor

_OLD_KINDS = {"collapsed": "mode_collapse"}
"""Kinds of findings under the names that version 0.1.0 gave them."""

_MOST_STEPS = 2**53
"""A step is a whole number up to this, which every reader of JSON can hold."""


@dataclass(frozen=True)
class RunFolder:
    """The names in a run folder, what is read from it and how it is written to.

    Reading is forgiving: a line that is damaged, or of a form that this version does not know, is left out.

    Args:
        folder: a run folder, or a model folder that `reskin import` made; it need not exist yet.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """What the run is: method, settings, what was worked out from them."""
        return self.folder / "config.json"

    @property
    def losses(self) -> Path:
        """Lines of losses: of training, and on held-out pictures."""
        return self.folder / "losses.jsonl"

    @property
    def health(self) -> Path:
        """Lines of what the health monitor found."""
        return self.folder / "health.jsonl"

    @property
    def scores(self) -> Path:
        """Lines of what `evaluate` measured."""
        return self.folder / "scores.jsonl"

    @property
    def validation(self) -> Path:
        """Lines of scores on validation images while it trained."""
        return self.folder / "validation.jsonl"

    @property
    def log(self) -> Path:
        """What was said while training, with the time of day."""
        return self.folder / "log.txt"

    @property
    def report(self) -> Path:
        """The page about the run."""
        return self.folder / "report.html"

    @property
    def samples(self) -> Path:
        """The folder of sample grids."""
        return self.folder / "samples"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def cache(self) -> Path:
        """The folder of decoded pictures, where they do not fit the memory."""
        return self.folder / "cache"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint that was made after `step`."""
        return self.checkpoints / f"{step:08d}.safetensors"

    def list_checkpoints(self) -> list[Path]:
        """The checkpoints that are there, oldest first.

        Raises:
            DataError: one is a link out of the folder, or no plain file.
            RunError: the folder may not be read.
        """
        inside(self.folder, self.checkpoints.name, kind="folder")
        with _readable(self.checkpoints):
            names = [path.name for path in self.checkpoints.glob("*.safetensors") if path.stem.isdecimal()]
        names.sort(key=lambda name: int(name.split(".")[0]))
        return [inside(self.folder, f"{self.checkpoints.name}/{name}") for name in names]

    @property
    def last_step(self) -> int:
        """Step of the last checkpoint, 0 for none."""
        found = self.list_checkpoints()
        return int(found[-1].stem) if found else 0

    def read_config(self) -> dict[str, Any]:
        """The object in config.json, with the method and settings that a run of an earlier version has today.

        Raises:
            RunError: the folder is not there or is no run, or the file cannot be read.
        """
        with _readable(self.folder):
            if not self.folder.exists():
                raise RunError(
                    f"no run folder {self.folder}: it is not there",
                    "Check the name; `reskin train METHOD --out NAME` makes one.",
                )
            if not self.config.is_file():
                raise RunError(
                    f"{self.folder} is no run folder (it has no {self.config.name})",
                    "Give the --out of a training.",
                )
        try:
            return of_today(read_json(self.config))
        except SettingsError as error:
            is_readable = os.access(self.config, os.R_OK)  # one that may not be read may be sound
            fix = (
                "Take the file from a backup, or train again."
                if is_readable
                else "Ask its owner to let you read it."
            )
            raise RunError(error.what, fix) from None

    def write_config(self, values: dict[str, Any]) -> None:
        """Write config.json, unless it holds these values already."""
        if not self.config.exists() or self.read_config() != values:
            write_json(self.config, values)

    def loss_rows(self) -> list[dict[str, Any]]:
        """Lines of losses.jsonl: step, and by name the losses of training (`losses`) or on held-out pictures
        (`held_out`); single values may be no numbers, see `finite`."""
        rows = self._rows(self.losses)
        return [
            row
            for row in rows
            if isinstance(row.get("losses"), dict) or isinstance(row.get("held_out"), dict)
        ]

    def health_rows(self) -> list[dict[str, Any]]:
        """Lines of health.jsonl of a kind that is known, see `Finding`; older names are today's."""
        rows = [
            row | {"kind": _OLD_KINDS.get(str(row.get("kind")), row.get("kind"))}
            for row in self._rows(self.health)
        ]
        return [row for row in rows if row["kind"] in get_args(Trouble)]

    def score_rows(self) -> list[dict[str, Any]]:
        """Lines of scores.jsonl: step, time, settings, and scores by name."""
        rows = [row for row in self._rows(self.scores) if isinstance(row.get("scores"), dict)]
        return [
            row | {"scores": {k: v for k, v in row["scores"].items() if isinstance(v, dict)}} for row in rows
        ]

    def validation_rows(self) -> list[dict[str, Any]]:
        """Lines of validation.jsonl whose `mean` is a finite number: step, scores by name, mean, seconds."""
        return [row for row in self._rows(self.validation) if finite({"mean": row.get("mean")})]

    @property
    def best_step(self) -> int | None:
        """The step with the smallest validation score of those whose checkpoint is there; None for none."""
        there = {int(path.stem) for path in self.list_checkpoints()}
        rows = [row for row in self.validation_rows() if row["step"] in there]
        return min(rows, key=lambda row: (row["mean"], row["step"]))["step"] if rows else None

    def validation_score(self, step: int | None) -> float | None:
        """The last validation score of a step; None where there is none."""
        found = [row["mean"] for row in self.validation_rows() if row["step"] == step]
        return float(found[-1]) if found else None

    def append_validation(self, step: int, scores: Mapping[str, float], mean: float, seconds: float) -> None:
        """Append one line of scores on validation images; what is not finite becomes null."""
        known = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        value = mean if math.isfinite(mean) else None
        append_line(
            self.validation, {"step": step, "scores": known, "mean": value, "seconds": round(seconds, 3)}
        )

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        with _readable(path):
            rows = read_lines(path)
        return [row for row in rows if type(row.get("step")) is int and 0 <= row["step"] <= _MOST_STEPS]

    def forget_after(self, step: int) -> None:
        """Take lines of losses, findings and validation scores out that are later than `step`, and damaged
        ones."""
        for path in (self.losses, self.health, self.validation):
            if not os.path.lexists(path):
                continue
            content = b"".join(to_json(row) + b"\n" for row in self._rows(path) if row["step"] <= step)
            with _readable(path):
                is_same = read_plain(path) == content
            if not is_same:
                with commit(path) as temporary:
                    temporary.write_bytes(content)

    def append_losses(self, step: int, epoch: int, losses: Mapping[str, float]) -> None:
        """Append one line of losses of training."""
        row = {"step": step, "epoch": epoch, "time": round(time.time(), 3), "losses": dict(losses)}
        append_line(self.losses, row)

    def append_held_out(self, step: int, losses: Mapping[str, float]) -> None:
        """Append one line of losses on held-out pictures."""
        append_line(self.losses, {"step": step, "held_out": dict(losses)})

    def append_health(self, finding: Mapping[str, Any]) -> None:
        """Append one finding of the health monitor."""
        append_line(self.health, dict(finding))

    def append_scores(
        self, step: int, scores: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any]
    ) -> None:
        """Append the scores of a checkpoint, unless the last line about it says just the same.

        Args:
            step: of the checkpoint that was measured.
            scores: name to JSON-ready fields.
            settings: how they were measured: folders, size, number of pictures.
        """
        row = {"step": step, "scores": {k: dict(v) for k, v in scores.items()}, "settings": dict(settings)}
        before = [old for old in self.score_rows() if old["step"] == step]
        if before and {key: before[-1].get(key) for key in row} == json.loads(json.dumps(row)):
            return
        append_line(self.scores, {**row, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")})

    def append_log(self, text: str) -> None:
        """Append one line to the log."""
        append_text(self.log, f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}")

    def read_log(self) -> list[str]:
        """The lines of the log."""
        with _readable(self.log):
            if not os.path.lexists(self.log):
                return []
            return read_plain(self.log).decode("utf-8", "replace").splitlines()

    def write_samples(self, step: int, rows: Mapping[str, Tensor]) -> Path:
        """Draw the sample grid of `step`.

        Args:
            step: when it was made.
            rows: title to pictures (N, 3, H, W) in [-1, 1]; smaller and fewer ones get white edges.

        Returns:
            The picture's path.
        """
        from torch import cat

        from reskin.images import to_image, write_image

        path = inside(self.folder, self.samples.name, kind="folder", writes=True) / f"{step:08d}.png"
        shapes = [images.shape for images in rows.values()]
        count, height, width = (max(shape[axis] for shape in shapes) for axis in (0, 2, 3))
        strips = [cat(list(_in_cells(images, count, height, width)), dim=2)[None] for images in rows.values()]
        write_image(path, to_image(cat(strips, dim=2))[0])
        facts = {"step": step, "rows": list(rows), "columns": count, "size": [width, height]}
        write_json(path.with_suffix(".json"), facts)
        return path

    def check_own(self) -> None:
        """Refuse a folder in which a name that training writes to is a link, a pipe or a device.

        Raises:
            DataError: naming the first.
        """
        files = (self.config, self.losses, self.health, self.scores, self.validation, self.log)
        folders = (self.samples, self.checkpoints, self.cache)
        kinds: dict[str, Literal["file", "folder"]] = {path.name: "file" for path in files}
        check_own(self.folder, kinds | {path.name: "folder" for path in folders})


def _in_cells(images: Tensor, count: int, height: int, width: int) -> Tensor:
    """`count` pictures of height x width, each image in the middle of one, on white."""
    number, channels, h, w = images.shape
    cells = images.new_ones(count, channels, height, width)
    top, left = (height - h) // 2, (width - w) // 2
    cells[:number, :, top : top + h, left : left + w] = images
    return cells


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What the system refuses to read becomes one line."""
    try:
        yield
    except OSError as error:
        fix = "Ask its owner to let you read it." if isinstance(error, PermissionError) else "Remove it."
        raise RunError(f"{path} cannot be read ({error.strerror})", fix) from None


def finite(values: Mapping[str, Any]) -> dict[str, float]:
    """Those values that are finite numbers, by name."""
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST
        and math.isfinite(value)
    }


_LARGEST = 1e300
"""A whole number past this is no loss, and no float can hold it."""


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a run folder, oldest first."""
    return RunFolder(folder).list_checkpoints()


def as_group(values: Any) -> dict[str, Any]:
    """`values` where they are an object, else an empty one: a config.json may hold anything."""
    return values if isinstance(values, dict) else {}
