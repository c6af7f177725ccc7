"""How good a model is on pictures it has not seen, always beside what costs nothing.

Every score comes with references: the input itself, colour transfer (`reinhard`), and two sets of real
pictures. Pictures are measured as they would be saved: rounded to 8 bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reskin.errors import DataError, SettingsError, unknown
from reskin.evaluation.pictures import HeldOut, find_held_out, square
from reskin.evaluation.reinhard import Colours, Reinhard, measure
from reskin.images import Picture, to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics import cycle, psnr, ssim, swd
from reskin.metrics.facts import Better
from reskin.storage import append_line
from reskin.types import Direction

METRICS = ("psnr", "ssim", "cycle_l1", "swd")
"""The names that `evaluate` takes: distance to the truth (two), cycle error, distance between the sets."""

SWD_SIDE_PX = 256
"""Largest side at which sets of pictures are compared."""

_BATCH_PIXELS = 4 * 256 * 256
_DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")
_PAIR_METRICS = {"psnr": psnr.psnr, "ssim": ssim.ssim}
_BETTER = {module.FACTS.name: module.FACTS.better for module in (psnr, ssim, cycle, swd)}
_NOTES = {
    "psnr": "dB to the truth, mean over pictures",
    "ssim": "to the truth, mean over pictures",
    "cycle_l1": "mean difference on [-1, 1] after there and back",
    "cycle_l1_8bit": "mean difference on [-1, 1] after there and back, rounded to 8 bits halfway",
}


@dataclass(frozen=True)
class Score:
    """One number and how to read it.

    Attributes:
        value: the mean over the pictures, or the value of the set.
        better: which way is better.
        count: pictures that went into it.
        note: what else a reader must know: unit, protocol, what was left out.
    """

    value: float
    better: Better
    count: int
    note: str = ""


def evaluate(
    model: Translator,
    *,
    a: Path | str,
    b: Path | str,
    truth_a2b: Path | str | None = None,
    truth_b2a: Path | str | None = None,
    metrics: Sequence[str] | None = None,
    size: int | None = None,
    max_images: int | None = None,
) -> dict[str, Score]:
    """Scores of a model on the held-out pictures of two folders.

    With a truth: `psnr_a2b`, `ssim_a2b`, and the same of the untouched input (`psnr_input_a2b`) and of colour
    transfer (`psnr_reinhard_a2b`). Always: `swd_a2b` (translated A against real B), `swd_input_a2b`,
    `swd_reinhard_a2b`, `swd_real_b` (one half of B against the other), and, where the model goes both ways,
    `cycle_l1_a` and `cycle_l1_8bit_a`. The other direction is named likewise.

    Args:
        model: on the device where it is to run; it is left as it was. One with styles is measured in the
            first style of seed 0; it has no cycle error, since the way back would need the input's style.
        a: folder of side A in any layout that `data.folders` reads; test pictures, else val, else all.
        b: folder of side B; may be the same folder as `a` where it holds testA and testB.
        truth_a2b: folder with the true translations of A, under the same file names.
        truth_b2a: folder with the true translations of B.
        metrics: some of `METRICS`; None for all that can be measured.
        size: shorter side in px to bring the pictures to first; None leaves them as they are.
        max_images: of each side, evenly spread; None for all.

    Raises:
        SettingsError: an unknown metric, a truth metric without truth, a size or number below 1.
        DataError: a folder without readable pictures, or truth that does not match.
        ShapeError: pictures too small for a metric.
    """
    chosen = _check(metrics, size, max_images)
    if metrics is not None and truth_a2b is None and truth_b2a is None:
        for name in sorted({"psnr", "ssim"} & set(chosen)):
            raise SettingsError(f"'{name}' compares with the truth and none was given", "Give --truth-a2b.")
    if isinstance(model, Styled):
        model = model.with_style(model.sample_styles(1, seed=0)[0])
        chosen = [name for name in chosen if name != "cycle_l1"]  # the way back would need the input's style
    truth_a, truth_b = (Path(truth) if truth else None for truth in (truth_a2b, truth_b2a))
    sides = {
        "a": find_held_out(Path(a), "a", truth=truth_a, size=size, limit=max_images),
        "b": find_held_out(Path(b), "b", truth=truth_b, size=size, limit=max_images),
    }
    return _Evaluation(model, sides, chosen).run()


def record_scores(
    run_folder: Path, step: int, scores: Mapping[str, Score], settings: Mapping[str, Any] | None = None
) -> None:
    """Append the scores of a checkpoint to the run's scores.jsonl.

    Args:
        run_folder: the run.
        step: of the checkpoint that was measured.
        scores: as `evaluate` gives them. A value that is not finite, which JSON has no word for, becomes null
            and is told in the note.
        settings: how they were measured: folders, size, number of pictures.

    Raises:
        StorageError: the disk refuses the write.
    """
    rows = {name: _for_json(score) for name, score in scores.items()}
    moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    append_line(
        run_folder / "scores.jsonl",
        {"step": step, "time": moment, "scores": rows, "settings": dict(settings or {})},
    )


def _for_json(score: Score) -> dict[str, Any]:
    row = asdict(score)
    if not math.isfinite(score.value):
        row |= {"value": None, "note": "; ".join(filter(None, [score.note, f"the value is {score.value}"]))}
    return row


def _check(metrics: Sequence[str] | None, size: int | None, max_images: int | None) -> list[str]:
    """The metrics that are meant, after all values were looked at."""
    for name in metrics or ():
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    for name, value in (("size", size), ("max_images", max_images)):
        if value is not None and value < 1:
            raise SettingsError(f"'{name}' is {value}", "Give 1 or more, or leave it out.")
    return list(METRICS) if metrics is None else list(dict.fromkeys(metrics))


class _Evaluation:
    """One call of `evaluate`: what its steps share.

    Scores of single pictures are collected as name to (N,) tensors, where the name is without the direction.
    """

    def __init__(self, model: Translator, sides: dict[str, HeldOut], metrics: list[str]) -> None:
        self.model, self.sides, self.metrics = model, sides, metrics
        self.engines = {direction: Engine(model, direction) for direction in model.directions}
        self.device = next(iter(self.engines.values())).compute.device
        self.colours: dict[str, Colours] = {}
        self.swd_side = SWD_SIDE_PX
        self.patches = swd.patches_for(min(len(pictures) for pictures in sides.values()))
        self.scores: dict[str, Score] = {}

    def run(self) -> dict[str, Score]:
        """All scores, A to B first."""
        if {"psnr", "ssim", "swd"} & set(self.metrics):
            for side, pictures in self.sides.items():
                self.colours[side] = measure(self._noting_size(pictures))
        for direction in _DIRECTIONS:
            if direction in self.engines:
                self._score_direction(direction)
        return self.scores

    def _noting_size(self, pictures: HeldOut) -> Iterator[Picture]:
        for image in pictures:
            self.swd_side = min(self.swd_side, *image.shape[:2])
            yield image

    def _score_direction(self, direction: Direction) -> None:
        """Go through the pictures of one side once, and score everything that can be."""
        source, target = direction.split("2")
        pictures = self.sides[source]
        compares = "swd" in self.metrics or bool(pictures.truths)
        values: dict[str, list[Tensor]] = {}
        sets: dict[str, swd.PatchSet] = {}
        for paths, batch in self._batches(pictures):
            translated = self._translate(batch, direction)
            if "cycle_l1" in self.metrics and len(self.engines) == 2:
                self._measure_cycle(batch, translated, direction, values)
            if not compares:
                continue
            shown = {"": cycle.round_to_8_bits(translated).cpu()} | self._rivals(batch, source, target)
            self._measure_truth(pictures, paths, shown, values)
            if "swd" in self.metrics:
                for rival, images in shown.items():
                    patch_set = sets.setdefault(rival, swd.PatchSet(patches=self.patches))
                    patch_set.add(square(images, self.swd_side))
        self._add_means(values, direction)
        if sets:
            self._add_distances(sets, direction)

    def _rivals(self, batch: Tensor, source: str, target: str) -> dict[str, Tensor]:
        """What costs nothing: the input, and the input with the colours of the other side."""
        reinhard = Reinhard().fit(self.colours[target], self.colours[source])
        recoloured = [to_tensor(reinhard.transfer(image)) for image in to_image(batch)]
        return {"_input": batch.cpu(), "_reinhard": torch.cat(recoloured)}

    def _measure_cycle(
        self, batch: Tensor, translated: Tensor, direction: Direction, values: dict[str, list[Tensor]]
    ) -> None:
        opposite: Direction = "b2a" if direction == "a2b" else "a2b"
        for name, rounded in (("cycle_l1", False), ("cycle_l1_8bit", True)):
            errors = cycle.cycle_l1(
                batch,
                lambda _: translated,  # known already
                lambda images: self._translate(images, opposite),
                through_8_bits=rounded,
            )
            values.setdefault(name, []).append(errors.cpu())

    def _measure_truth(
        self, pictures: HeldOut, paths: list[Path], shown: dict[str, Tensor], values: dict[str, list[Tensor]]
    ) -> None:
        """PSNR and SSIM of those pictures whose truth is known."""
        truths = {index: pictures.read_truth(path) for index, path in enumerate(paths)}
        known = {index: truth for index, truth in truths.items() if truth is not None}
        for index, truth in known.items():
            if truth.shape[:2] != tuple(shown[""].shape[-2:]):
                height, width = shown[""].shape[-2:]
                raise DataError(
                    f"the truth {pictures.truths[paths[index]]} has {truth.shape[1]}x{truth.shape[0]} px, "
                    f"{paths[index]} has {width}x{height}",
                    "They must show the same picture.",
                )
        if not known:
            return
        wanted = to_tensor(np.stack(list(known.values())))
        for rival, images in shown.items():
            for metric, function in _PAIR_METRICS.items():
                if metric in self.metrics:
                    values.setdefault(metric + rival, []).append(function(images[list(known)], wanted))

    def _add_means(self, values: dict[str, list[Tensor]], direction: Direction) -> None:
        for name, parts in values.items():
            metric = next(known for known in METRICS if name.startswith(known))
            end = direction[0] if metric == "cycle_l1" else direction
            each = torch.cat(parts)
            note = _NOTES[name] if name in _NOTES else _NOTES[metric]
            self.scores[f"{name}_{end}"] = Score(float(each.mean()), _BETTER[metric], len(each), note)

    def _add_distances(self, sets: dict[str, swd.PatchSet], direction: Direction) -> None:
        """Every set against all real pictures, and two halves of these against each other."""
        target = direction[-1]
        paths = self.sides[target].paths
        real = self._real(target, paths)
        for rival, patch_set in sets.items():
            self._add_distance(f"swd{rival}_{direction}", patch_set, real)
        middle = len(paths) // 2
        if middle:
            halves = self._real(target, paths[:middle]), self._real(target, paths[middle:])
            self._add_distance(f"swd_real_{target}", *halves)

    def _real(self, side: str, paths: list[Path]) -> swd.PatchSet:
        patch_set = swd.PatchSet(patches=self.patches)
        for path in paths:
            patch_set.add(square(to_tensor(self.sides[side].read(path)), self.swd_side))
        return patch_set

    def _add_distance(self, name: str, images: swd.PatchSet, reference: swd.PatchSet) -> None:
        result = swd.distance(images, reference)
        levels = ", ".join(f"{side} px {value:.1f}" for side, value in result.levels.items())
        note = f"x 1000; against {reference.pictures} real pictures; by level: {levels}"
        self.scores[name] = Score(result.mean, _BETTER["swd"], images.pictures, note)

    def _batches(self, pictures: HeldOut) -> Iterator[tuple[list[Path], Tensor]]:
        """Neighbours of one size, as many as are sure to fit: files and (N, 3, H, W) on the device."""
        paths: list[Path] = []
        images: list[Tensor] = []
        for path in pictures.paths:
            image = to_tensor(pictures.read(path))
            most = max(1, _BATCH_PIXELS // (image.shape[-2] * image.shape[-1]))
            if images and (images[0].shape != image.shape or len(images) >= most):
                yield paths, torch.cat(images).to(self.device)
                paths, images = [], []
            paths.append(path)
            images.append(image)
        yield paths, torch.cat(images).to(self.device)

    def _translate(self, images: Tensor, direction: Direction) -> Tensor:
        """Pictures of any size, (N, 3, H, W), in the look of the other domain, in [-1, 1]."""
        return self.engines[direction].run(images).clamp(-1.0, 1.0)
