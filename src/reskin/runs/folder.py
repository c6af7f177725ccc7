"""The run folder: the one place where a training meets everything that reads it.

    config.json  losses.jsonl  health.jsonl  samples/00000500.png  checkpoints/00000500.safetensors
    scores.jsonl  log.txt

One process writes, any number read. Lines are appended; everything else is renamed into place.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from reskin.errors import CheckpointError, RunError
from reskin.images import to_image, write_image
from reskin.methods.base import Method
from reskin.networks.image_pool import ImagePool
from reskin.paths import check_own, inside, read_plain
from reskin.processes import lowest
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.findings import Finding
from reskin.runs.settings import FREE_TO_CHANGE, RunSettings, TrainConfig
from reskin.storage import (
    append_line,
    append_text,
    commit,
    free_bytes,
    read_json,
    read_lines,
    remove_leftovers,
    to_json,
    write_json,
)
from reskin.version import __version__

logger = logging.getLogger("reskin")
SAVE_SECONDS = 600.0

_OWN: dict[str, Literal["file", "folder"]] = {
    "config.json": "file",
    "losses.jsonl": "file",
    "health.jsonl": "file",
    "scores.jsonl": "file",
    "log.txt": "file",
    "samples": "folder",
    "checkpoints": "folder",
    "cache": "folder",
}


@dataclass
class Run:
    """A run folder that this process trains into.

    Args:
        folder: where it is.
        settings: of the run.
        resolved: what was worked out from the settings and the machine: steps, steps in an epoch, precision,
            processes.
        rank: number of this process; only process 0 writes what is not its own.
    """

    folder: Path
    settings: RunSettings
    resolved: dict[str, Any]
    rank: int = 0
    saved: float = field(default_factory=time.monotonic)

    @property
    def config(self) -> TrainConfig:
        """The training group of the settings."""
        return self.settings.train

    @property
    def steps(self) -> int:
        """Length of the whole run in steps."""
        return int(self.resolved["steps"])

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    def describe(self, facts: dict[str, Any]) -> None:
        """Write config.json: what this run is, for everything that reads the folder."""
        if self.rank:
            return
        values = {
            "reskin": __version__,
            "torch": torch.__version__,
            "method": self.settings.method_class.__module__.rsplit(".", 1)[-1],
            "directions": list(self.settings.method_class.directions),
            "settings": self.settings.to_dict(),
            "defaults": self.settings.defaults(),
            "resolved": self.resolved,
            **facts,
        }
        if not (self.folder / "config.json").exists() or read_json(self.folder / "config.json") != values:
            write_json(self.folder / "config.json", values)

    def load(self, method: Method, ema: Ema) -> int:
        """Put the last sound checkpoint into `method` and `ema`; the step it was made after, 0 for none.

        Lines of losses.jsonl and health.jsonl that are later than it are taken out, since those steps will be
        done again.

        Raises:
            CheckpointError: there are checkpoints and none of them is sound.
        """
        if not self.rank:  # what another process is writing now is no leftover
            remove_leftovers(self.folder)
            remove_leftovers(self.checkpoints)
        step, device = 0, next(method.parameters()).device
        found = list_checkpoints(self.folder)
        for path in reversed(found):
            state, facts = self._read(path)
            if not lowest(len(state), device):  # all processes go on from the same one
                continue
            checkpoint.restore(method, ema, state)
            step = int(facts["step"])
            break
        else:
            if found:
                raise CheckpointError(
                    f"no checkpoint in {self.checkpoints} is sound", "Start anew in another --out."
                )
        if not self.rank:
            for name in ("losses", "health"):
                self._forget_after(step, self.folder / f"{name}.jsonl")
        return step

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """This process's state and the facts in a checkpoint; both empty where it is damaged."""
        try:
            state, facts = checkpoint.load(path)
            if self.rank and self._local(path).exists():  # fewer processes may have made it
                state |= checkpoint.load(self._local(path))[0]
        except CheckpointError as error:
            logger.warning("%s Trying the one before.", error)
            return {}, {}
        return state, facts

    def _forget_after(self, step: int, path: Path) -> None:
        rows = read_lines(path)
        kept = [row for row in rows if isinstance(row.get("step"), int) and row["step"] <= step]
        if path.exists() and (len(kept) < len(rows) or not read_plain(path).endswith(b"\n")):
            with commit(path) as temporary:
                temporary.write_bytes(b"".join(to_json(row) + b"\n" for row in kept))

    def _local(self, path: Path) -> Path:
        return path.with_suffix(f".process{self.rank}")

    def save(self, step: int, method: Method, ema: Ema) -> None:
        """Write the checkpoint of `step`, then remove those that are no longer kept.

        Each process keeps its own image pools; process 0 writes last, so a checkpoint that is there is whole.

        Raises:
            StorageError: the disk refuses the write; the checkpoint before it is intact.
            NotFiniteError: the state is not finite, so it must not replace a good one.
        """
        method.raise_if_broken()
        path = self.checkpoints / f"{step:08d}.safetensors"
        if self.rank:
            pools = [name for name, module in method.named_modules() if isinstance(module, ImagePool)]
            own = {
                f"method.{key}": value
                for key, value in method.state_dict().items()
                if key.rsplit(".", 1)[0] in pools
            }
            checkpoint.save(self._local(path), own, {"step": step})
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if not self.rank:
            checkpoint.save(path, checkpoint.state_of(method, ema), {"step": step})
            self._prune()
        self.saved = time.monotonic()

    @property
    def save_period(self) -> int:
        """Steps between the checkpoints that are kept."""
        return self.config.save_every * int(self.resolved["epoch_steps"])

    def _prune(self) -> None:
        """Keep the last checkpoint and the last `keep` of those that were made every `save_every` epochs."""
        *older, _ = list_checkpoints(self.folder)
        kept = [path for path in older if int(path.stem) % self.save_period == 0][-self.config.keep :]
        for old in set(older) - set(kept):
            for part in self.checkpoints.glob(f"{old.stem}.*"):
                part.unlink()

    def save_is_due(self, step: int) -> bool:
        """Whether to save now: every `save_every` epochs, at the end, and ten minutes after the last save."""
        late = self.resolved["processes"] == 1 and time.monotonic() - self.saved > SAVE_SECONDS
        return step % self.save_period == 0 or step == self.steps or late

    def write_losses(self, step: int, losses: dict[str, float]) -> None:
        """Append one line to losses.jsonl."""
        epoch = 1 + (step - 1) // int(self.resolved["epoch_steps"])
        if not self.rank:
            append_line(
                self.folder / "losses.jsonl",
                {"step": step, "epoch": epoch, "time": round(time.time(), 3), "losses": losses},
            )

    def write_held_out(self, step: int, losses: dict[str, float]) -> None:
        """Append losses on pictures that are not learnt from, if there are any, to losses.jsonl."""
        if losses and not self.rank:
            append_line(self.folder / "losses.jsonl", {"step": step, "held_out": losses})

    def logged(self, name: Literal["losses", "health"]) -> list[dict[str, Any]]:
        """The lines of losses.jsonl or health.jsonl so far."""
        return read_lines(self.folder / f"{name}.jsonl")

    def write_samples(self, step: int, rows: dict[str, Tensor]) -> Path | None:
        """Draw the grid of fixed held-out pictures: each side, its translation, and back again."""
        if self.rank or not rows:
            return None
        path = self.folder / "samples" / f"{step:08d}.png"
        strips = [torch.cat(list(images), dim=2)[None] for images in rows.values()]
        write_image(path, to_image(torch.cat(strips, dim=2))[0])
        count, _, height, width = next(iter(rows.values())).shape
        facts = {"step": step, "rows": list(rows), "columns": count, "size": [width, height]}
        write_json(path.with_suffix(".json"), facts)
        return path

    def warn(self, finding: Finding) -> None:
        """Say what the health monitor found and keep it in log.txt and health.jsonl."""
        self.log(f"health: {finding.line}")
        if not self.rank:
            append_line(self.folder / "health.jsonl", finding.to_dict())

    def log(self, text: str) -> None:
        """Say `text` to the user and keep it in log.txt."""
        if self.rank:
            return
        logger.info(text)
        append_text(self.folder / "log.txt", f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}")


def check_links(folder: Path) -> None:
    """Refuse a run folder in which a name that a training writes to is a link, pipe or device.

    Raises:
        DataError: naming the first.
    """
    check_own(folder, _OWN)


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a run folder, oldest first.

    Raises:
        DataError: one is a link out of the folder, or no plain file.
    """
    inside(folder, "checkpoints", kind="folder")
    found = (folder / "checkpoints").glob("[0-9]*.safetensors")
    return [inside(folder, f"checkpoints/{name}") for name in sorted(path.name for path in found)]


def check_unchanged(
    folder: Path, settings: RunSettings, resolved: dict[str, Any], *, allow_change: bool
) -> None:
    """Refuse to go on in `folder` with settings that make the training another one.

    Args:
        folder: a run folder, or one that is not there yet.
        settings: what was asked for.
        resolved: what was worked out from it on this machine.
        allow_change: go on all the same.

    Raises:
        RunError: naming every changed setting.
    """
    path = folder / "config.json"
    if not path.exists() or not list_checkpoints(folder):
        return  # nothing has been learnt, so nothing is lost by other settings
    before = read_json(path)
    if before.get("method") != settings.method_class.__module__.rsplit(".", 1)[-1]:
        raise RunError(f"{folder} holds a run of {before.get('method')}", "Choose another --out.")
    old = {**_flat(before.get("settings", {})), **before.get("resolved", {})}
    new = {**_flat(settings.to_dict()), **resolved}
    changed = [
        f"{key} ({old.get(key)} → {new[key]})"
        for key in new
        if key not in FREE_TO_CHANGE and key in old and old[key] != new[key]
    ]
    if changed and not allow_change:
        raise RunError(
            f"{folder} was begun with other settings: {', '.join(changed)}",
            "Give the old ones to go on, another --out to begin anew, or --allow-change to go on as it is.",
        )


def _flat(groups: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {key: value for group in groups.values() for key, value in group.items()}


def check_space(folder: Path, checkpoint_bytes: int, keep: int) -> None:
    """Refuse to start where the disk cannot hold the checkpoints.

    Raises:
        RunError: less is free than `keep` + 1 checkpoints and a twentieth more.
    """
    needed = int(checkpoint_bytes * (keep + 1) * 1.05)
    free = free_bytes(folder)
    if free < needed:
        raise RunError(
            f"{folder} needs {needed / 1e6:.0f} MB for checkpoints and {free / 1e6:.0f} MB are free",
            "Free some space, lower --keep, or choose an --out on another disk.",
        )
