"""A run that this process trains: what it resumes from, what it writes and when."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from reskin.errors import CheckpointError, RunError
from reskin.methods.base import Method
from reskin.parsing import with_present_names
from reskin.processes import lowest
from reskin.progress import note
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.findings import Finding
from reskin.runs.folder import RunFolder, as_group, finite
from reskin.runs.settings import FREE_TO_CHANGE, RunSettings, TrainConfig
from reskin.storage import free_bytes, remove_leftovers
from reskin.version import __version__

logger = logging.getLogger("reskin")
SAVE_SECONDS = 600.0

NOTED = {"threads", "cpu"}
"""Facts among `resolved` that are recorded, and may be others when a run goes on."""


@dataclass
class Run:
    """A run folder that this process trains into.

    Args:
        folder: where it is.
        settings: of the run.
        resolved: what was worked out from the settings and the machine: steps, steps in an epoch, precision,
            processes, on a CPU also its threads and instruction set.
        rank: number of this process; only process 0 writes what is not its own.
    """

    folder: Path
    settings: RunSettings
    resolved: dict[str, Any]
    rank: int = 0
    saved: float = field(default_factory=time.monotonic)
    is_described: bool = False

    @property
    def files(self) -> RunFolder:
        """The names in the folder."""
        return RunFolder(self.folder)

    @property
    def config(self) -> TrainConfig:
        """The training group of the settings."""
        return self.settings.train

    @property
    def steps(self) -> int:
        """Length of the whole run in steps."""
        return int(self.resolved["steps"])

    def describe(self, facts: dict[str, Any]) -> None:
        """Write config.json: what this run is, for everything that reads the folder."""
        if self.rank:
            return
        self.files.write_config(
            {
                "reskin": __version__,
                "torch": torch.__version__,
                "method": _name_of(self.settings),
                "directions": list(self.settings.method_class.directions),
                "settings": self.settings.to_dict(),
                "defaults": self.settings.defaults(),
                "resolved": self.resolved,
                **facts,
            }
        )
        self.is_described = True

    def load(self, method: Method, ema: Ema) -> int:
        """Put the last sound checkpoint into `method` and `ema`; the step it was made after, 0 for none.

        Lines of losses.jsonl and health.jsonl that are later than it are taken out, since those steps will be
        done again.

        Raises:
            CheckpointError: there are checkpoints and none of them is sound.
            RunError: one may not be read by this user.
        """
        if not self.rank:  # what another process is writing now is no leftover
            remove_leftovers(self.folder)
            remove_leftovers(self.files.checkpoints)
        step, device = 0, next(method.parameters()).device
        found = self.files.list_checkpoints()
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
                    f"no checkpoint in {self.files.checkpoints} is sound", "Start anew in another --out."
                )
        if not self.rank:
            self.files.forget_after(step)
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
        if type(facts.get("step")) is not int:
            logger.warning("%s names no step. Trying the one before.", path)
            return {}, {}
        return state, facts

    def _local(self, path: Path) -> Path:
        return path.with_suffix(f".process{self.rank}")

    def save(self, step: int, method: Method, ema: Ema) -> None:
        """Write the checkpoint of `step`, then remove those that are no longer kept.

        Each process keeps its own buffers (image pools, memories of patches, running statistics), which are
        not averaged as weights are; process 0 writes last, so a checkpoint that is there is whole.

        Raises:
            StorageError: the disk refuses the write; the checkpoint before it is intact.
            NotFiniteError: the state is not finite, so it must not replace a good one.
            RunError: the folder has gone since the training began.
        """
        method.raise_if_broken()
        path = self.files.checkpoint(step)
        if self.rank:
            buffers = {name for name, _ in method.named_buffers()}
            state = method.state_dict().items()
            own = {f"method.{key}": value for key, value in state if key in buffers}
            checkpoint.save(self._local(path), own, {"step": step})
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if not self.rank:
            self._check_there()
            checkpoint.save(path, checkpoint.state_of(method, ema), {"step": step})
            self._check_there()  # it may have gone while we wrote; what was written is then in a new folder
            self._prune()
        self.saved = time.monotonic()

    def _check_there(self) -> None:
        """Refuse to go on where a checkpoint could not be read again; a folder that moves fails by itself.

        Raises:
            RunError: config.json is no longer there.
        """
        if self.is_described and not self.files.config.exists():
            raise RunError(
                f"{self.folder} was moved, removed or emptied while it was trained into",
                "Put it back and run the same command again to go on from its last checkpoint.",
            )

    @property
    def save_period(self) -> int:
        """Steps between the checkpoints that are kept."""
        return self.config.save_every * int(self.resolved["epoch_steps"])

    def _prune(self) -> None:
        """Keep the last checkpoint, the one with the best validation score, and the last `keep` of those that
        were made every `save_every` epochs."""
        *older, _ = self.files.list_checkpoints()
        best = self.files.best_step
        kept = [path for path in older if int(path.stem) % self.save_period == 0][-self.config.keep :]
        kept += [path for path in older if int(path.stem) == best]
        for old in set(older) - set(kept):
            for part in self.files.checkpoints.glob(f"{old.stem}.*"):
                part.unlink(missing_ok=True)

    def save_if_due(self, step: int, method: Method, ema: Ema, *, at_once: bool = False) -> None:
        """`save` where it is due, or `at_once`.

        Raises:
            StorageError, NotFiniteError, RunError: as `save`.
        """
        if at_once or self.save_is_due(step):
            self.save(step, method, ema)

    def save_is_due(self, step: int) -> bool:
        """Whether to save now: every `save_every` epochs, at the end, and ten minutes after the last save."""
        late = self.resolved["processes"] == 1 and time.monotonic() - self.saved > SAVE_SECONDS
        return step % self.save_period == 0 or step == self.steps or late

    def write_losses(self, step: int, losses: dict[str, float]) -> None:
        """Append one line to losses.jsonl."""
        if not self.rank:
            self._check_there()
            self.files.append_losses(step, 1 + (step - 1) // int(self.resolved["epoch_steps"]), losses)

    def write_validation(self, step: int, scores: dict[str, float], mean: float, seconds: float) -> None:
        """Append scores on validation images to validation.jsonl."""
        if not self.rank:
            self._check_there()
            self.files.append_validation(step, scores, mean, seconds)

    def write_held_out(self, step: int, losses: dict[str, float]) -> None:
        """Append losses on held-out pictures, if there are any, to losses.jsonl."""
        if losses and not self.rank:
            self._check_there()
            self.files.append_held_out(step, losses)

    def logged(self, name: Literal["losses", "health"]) -> list[dict[str, Any]]:
        """The lines of losses.jsonl or health.jsonl so far; of the losses, those values that are numbers."""
        if name == "health":
            return self.files.health_rows()
        groups = ("losses", "held_out")
        return [
            {"step": row["step"], **{k: finite(row[k]) for k in groups if isinstance(row.get(k), dict)}}
            for row in self.files.loss_rows()
        ]

    def write_samples(self, step: int, rows: dict[str, Tensor]) -> Path | None:
        """Draw the grid of fixed held-out pictures: each domain, its translation and its reconstruction."""
        if self.rank or not rows:
            return None
        self._check_there()
        return self.files.write_samples(step, rows)

    def warn(self, finding: Finding) -> None:
        """Log what the health monitor found and keep it in log.txt and health.jsonl."""
        self.log(f"health: {finding.line}")
        note(finding.line, level="warning")
        if not self.rank:
            self.files.append_health(finding.to_dict())

    def log(self, text: str) -> None:
        """Log `text` and keep it in log.txt."""
        if self.rank:
            return
        logger.info(text)
        self._check_there()
        self.files.append_log(text)


def _name_of(settings: RunSettings) -> str:
    return settings.method_class.__module__.rsplit(".", 1)[-1]


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
    before = begun_with(folder)
    if before is None:
        return  # nothing has been learnt, so nothing is lost by other settings
    if before.get("method") != _name_of(settings):
        raise RunError(f"{folder} holds a run of {before.get('method')}", "Choose another --out.")
    old = _present_names(before, settings, resolved.get("steps", 0)) | as_group(before.get("resolved"))
    new = {**_flat(settings.to_dict()), **resolved}
    changed = [
        f"{key} ({old.get(key)} → {new[key]})"
        for key in new
        if key not in FREE_TO_CHANGE | NOTED and key in old and old[key] != new[key]
    ]
    if changed and not allow_change:
        raise RunError(
            f"{folder} was begun with other settings: {', '.join(changed)}",
            "Give the old ones to go on, another --out to begin anew, or --allow-change to go on as it is.",
        )


def begun_with(folder: Path) -> dict[str, Any] | None:
    """The config.json of a run that has learnt something already; None where nothing would be gone on with.

    Raises:
        RunError: it is there and cannot be read.
    """
    files = RunFolder(folder)
    if not files.folder.exists() or not files.config.exists() or not files.list_checkpoints():
        return None
    return files.read_config()


def has_other_paths(folder: Path, paths: Mapping[str, Path | str]) -> bool:
    """Whether a run was begun with other paths of these settings, as after a move of what they name.

    Args:
        folder: a run folder, or one that is not there yet.
        paths: names of settings, such as "a" or "feature_weights", and where what they name lies now.

    Raises:
        RunError: its config.json cannot be read.
    """
    begun = _flat((begun_with(folder) or {}).get("settings"))
    return any(name in begun and begun[name] != str(path) for name, path in paths.items())


def _present_names(before: dict[str, Any], settings: RunSettings, steps: int) -> dict[str, Any]:
    """The settings a run was begun with under the names they have today."""
    groups = {"method": settings.method, "data": settings.data, "train": settings.train}
    begun = as_group(before.get("settings"))
    named = {
        name: with_present_names(type(group), as_group(begun.get(name))) for name, group in groups.items()
    }
    old = _flat(named)
    # Versions before wrote 100,000 here into every run, whatever its schedule and length.
    if settings.train.schedule != "step" or old.get("decay_steps") == -(-steps // 10):
        old.pop("decay_steps", None)
    return old


def _flat(groups: Any) -> dict[str, Any]:
    return {key: value for group in as_group(groups).values() for key, value in as_group(group).items()}


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
