"""One evaluation: every held-out image is translated once, and everything that was asked for is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reskin.errors import DataError, SettingsError
from reskin.evaluation.labelled import LabelMeasure
from reskin.evaluation.networks import Networks
from reskin.evaluation.pictures import HeldOut, square
from reskin.evaluation.reinhard import Colours, Reinhard, measure
from reskin.evaluation.request import CYCLES, PAIRED, Request
from reskin.evaluation.scores import SUBJECTS, Score, Subject
from reskin.evaluation.sets import METRICS as SETS
from reskin.evaluation.styles import in_one_style
from reskin.evaluation.vectors import Vectors
from reskin.images import Picture, to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.metrics import cycle, lpips, ms_ssim, psnr, ssim, swd
from reskin.types import Direction

SWD_SIDE_PX = 256
"""Largest edge at which sets of images are compared."""

_BATCH_PIXELS = 4 * 256 * 256
_DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")
_PAIR_METRICS = {"psnr": psnr.psnr, "ssim": ssim.ssim, "ms_ssim": ms_ssim.ms_ssim}
_FACTS = {module.FACTS.name: module.FACTS for module in (psnr, ssim, ms_ssim, lpips, cycle, swd)}
_NOTES = {
    "psnr": "dB to the truth, mean over images",
    "ssim": "to the truth, mean over images",
    "ms_ssim": "to the truth, mean over images",
    "lpips": "to the truth, mean over images",
    "cycle_l1": "mean difference on [-1, 1] to the reconstruction",
    "cycle_l1_8bit": "mean difference on [-1, 1] to the reconstruction, its translation rounded to 8 bits",
    "noise_probe": "times the cycle error grows with noise of half a level on the translation",
}


def _parts(name: str) -> tuple[str, Subject]:
    """Metric and what was measured in a name without its direction, such as "psnr_reinhard"."""
    for subject in SUBJECTS:
        if name.endswith(f"_{subject}"):
            return name.removesuffix(f"_{subject}"), subject
    return name, "output"


class Evaluation:
    """One call of `evaluate`: what its steps share.

    Scores of single pictures are collected by a name without the direction, each with its picture's name.
    """

    def __init__(
        self,
        model: Translator,
        domains: dict[str, HeldOut],
        metrics: list[str],
        networks: Networks,
        request: Request,
    ) -> None:
        self.domains, self.metrics, self.networks, self.request = domains, metrics, networks, request
        examples = request.style == "examples"
        self.engines = {
            direction: Engine(
                in_one_style(model, direction, domains[direction[-1]], from_examples=examples), direction
            )
            for direction in model.directions
        }
        self.device = next(iter(self.engines.values())).compute.device
        networks.move(self.device)
        self.colours: dict[str, Colours] = {}
        self.swd_side, self.smallest_edge = SWD_SIDE_PX, 0
        self.patches = swd.patches_for(min(len(pictures) for pictures in domains.values()))
        self.scores: dict[str, Score] = {}

    def run(self) -> dict[str, Score]:
        """All scores, A to B first.

        Raises:
            SettingsError: classes are to be compared, and in no direction of the model they can be.
        """
        if "fcn" in self.metrics and not any(self._labels(direction) for direction in self.engines):
            raise SettingsError(
                f"'fcn' has nothing to compare in {' and '.join(self.engines)}, the directions of this model",
                "Give --segmenter (labels to photo), --labels (photo to labels), or another --label-domain.",
            )
        if set(self.metrics) - set(CYCLES):
            for domain, pictures in self.domains.items():
                self.colours[domain] = measure(self._noting_size(pictures))
        for direction in _DIRECTIONS:
            if direction in self.engines:
                self._score_direction(direction)
        return self.scores

    def _noting_size(self, pictures: HeldOut) -> Iterator[Picture]:
        for image in pictures:
            edge = min(image.shape[:2])
            self.swd_side = min(self.swd_side, edge)
            self.smallest_edge = min(self.smallest_edge or edge, edge)
            yield image

    def _score_direction(self, direction: Direction) -> None:
        """Go through the images of one domain once, and score everything that can be."""
        source, target = direction.split("2")
        pictures, labels = self.domains[source], self._labels(direction)
        compares = bool({"swd", "classes", *SETS} & set(self.metrics)) or bool(pictures.truths)
        values: dict[str, list[tuple[str, float]]] = {}
        sets: dict[str, swd.PatchSet] = {}
        has_classes = "classes" in self.metrics
        vectors = Vectors(self.networks, pictures, self.domains[target], has_classes=has_classes)
        for paths, batch in self._batches(pictures):
            translated = self._translate(batch, direction)
            if set(CYCLES) & set(self.metrics) and len(self.engines) == 2:
                self._measure_cycle(pictures.names(paths), (batch, translated), direction, values)
            output = cycle.round_to_8_bits(translated).cpu()
            if labels is not None:
                labels.add(list(zip(paths, to_image(batch), strict=True)), list(to_image(output)))
            if not compares:
                continue
            shown = {"": output} | self._rivals(batch, source, target)
            self._measure_truth(pictures, paths, shown, values)
            for rival, images in shown.items():
                if "swd" in self.metrics:
                    patch_set = sets.setdefault(rival, swd.PatchSet(patches=self.patches))
                    patch_set.add(square(images, self.swd_side))
                vectors.add(rival, list(to_image(images)))
        self._add_means(values, direction)
        if sets:
            self._add_distances(sets, direction)
        self.scores |= vectors.scores(direction, self.request.classes)
        if labels is not None:
            self.scores |= labels.scores()

    def _labels(self, direction: Direction) -> LabelMeasure | None:
        if "fcn" not in self.metrics or self.request.labels is None:
            return None
        measured = LabelMeasure(self.request.labels, direction)
        return measured if measured.is_measured else None

    def _rivals(self, batch: Tensor, source: str, target: str) -> dict[str, Tensor]:
        """What costs nothing: the input, and the input with the colours of the other domain."""
        reinhard = Reinhard().fit(self.colours[target], self.colours[source])
        recoloured = [to_tensor(reinhard.transfer(image)) for image in to_image(batch)]
        return {"_input": batch.cpu(), "_reinhard": torch.cat(recoloured)}

    def _measure_cycle(
        self,
        names: list[str],
        images: tuple[Tensor, Tensor],
        direction: Direction,
        values: dict[str, list[tuple[str, float]]],
    ) -> None:
        """Cycle error of images and their translations."""
        batch, translated = images
        opposite: Direction = "b2a" if direction == "a2b" else "a2b"

        def there(_: Tensor) -> Tensor:
            return translated  # known already

        def back(made: Tensor) -> Tensor:
            return self._translate(made, opposite)

        if "cycle_l1" in self.metrics:
            for name, rounded in (("cycle_l1", False), ("cycle_l1_8bit", True)):
                errors = cycle.cycle_l1(batch, there, back, through_8_bits=rounded)
                values.setdefault(name, []).extend(zip(names, errors.tolist(), strict=True))
        if "noise_probe" in self.metrics:
            growth = cycle.noise_probe(batch, there, back)
            values.setdefault("noise_probe", []).extend(zip(names, growth.tolist(), strict=True))

    def _measure_truth(
        self,
        pictures: HeldOut,
        paths: list[Path],
        shown: dict[str, Tensor],
        values: dict[str, list[tuple[str, float]]],
    ) -> None:
        """PSNR, SSIM and LPIPS of those pictures whose truth is known."""
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
            for metric in [name for name in PAIRED if name in self.metrics]:
                each = self._pair(metric, images[list(known)], wanted).tolist()
                names = pictures.names([paths[index] for index in known])
                values.setdefault(metric + rival, []).extend(zip(names, each, strict=True))

    def _pair(self, metric: str, images: Tensor, truth: Tensor) -> Tensor:
        """(N,) values of a metric that compares with the truth."""
        if metric != "lpips":
            return _PAIR_METRICS[metric](images, truth)
        network = self.networks.perceptual
        assert network is not None, "found for this metric"
        with torch.no_grad():
            one, two = images.to(self.device), truth.to(self.device)
            return lpips.lpips(one, two, taps=network.taps, weights=network.weights).cpu()

    def _add_means(self, values: dict[str, list[tuple[str, float]]], direction: Direction) -> None:
        for name, each in values.items():
            metric, subject = _parts(name)
            is_cycle = metric.startswith("cycle_l1") or metric == "noise_probe"
            facts = _FACTS["cycle_l1" if is_cycle else metric]
            self.scores[f"{name}_{direction[0] if is_cycle else direction}"] = Score(
                sum(value for _, value in each) / len(each),
                facts.better,
                len(each),
                self._note(metric),
                metric=metric,
                direction=direction,
                subject=subject,
                against="source" if is_cycle else "truth",
                unit=facts.unit,
                pictures=tuple(each),
            )

    def _add_distances(self, sets: dict[str, swd.PatchSet], direction: Direction) -> None:
        """Every set against all real pictures, and two halves of these against each other."""
        target = direction[-1]
        paths = self.domains[target].paths
        real = self._real(target, paths)
        for rival, patch_set in sets.items():
            self._add_distance(f"swd{rival}", direction, patch_set, real)
        middle = len(paths) // 2
        if middle:
            halves = self._real(target, paths[:middle]), self._real(target, paths[middle:])
            self._add_distance("swd_real", direction, *halves)

    def _real(self, domain: str, paths: list[Path]) -> swd.PatchSet:
        patch_set = swd.PatchSet(patches=self.patches)
        for path in paths:
            patch_set.add(square(to_tensor(self.domains[domain].read(path)), self.swd_side))
        return patch_set

    def _add_distance(
        self, name: str, direction: Direction, images: swd.PatchSet, reference: swd.PatchSet
    ) -> None:
        result = swd.distance(images, reference)
        levels = ", ".join(f"{edge} px {value:.1f}" for edge, value in result.levels.items())
        note = (
            f"x 1000; middle square at {self.swd_side} px; against {reference.pictures} real pictures; "
            f"by level: {levels}"
        )
        spread = swd.bootstrap_error(images, reference) if name == "swd" else None
        self._add_set(name, direction, Score(result.mean, "lower", images.pictures, note, spread=spread))

    def _note(self, metric: str) -> str:
        """How a metric of single images was measured."""
        network = self.networks.perceptual
        if metric == "lpips" and network is not None:
            return f"{network.note}; {_NOTES[metric]}"
        if metric == "ms_ssim":
            scales, window = ms_ssim.protocol(self.smallest_edge)
            return f"{_NOTES[metric]}; {scales} scales, window of {window} px at the smallest image"
        return _NOTES[metric]

    def _add_set(self, name: str, direction: Direction, score: Score) -> None:
        """A score of one set of pictures against another, with its metric and direction."""
        metric, subject = _parts(name)
        end = direction[-1] if subject == "real" else direction
        self.scores[f"{name}_{end}"] = replace(
            score, metric=metric, direction=direction, subject=subject, against="real"
        )

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
