"""How good a model is on pictures it has not seen, always beside what costs nothing.

Every score comes with references: the input itself, colour transfer (`reinhard`), and two sets of real
pictures. Pictures are measured as they would be saved: rounded to 8 bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reskin.data.folders import check_domains_differ
from reskin.errors import DataError, SettingsError, WeightsError
from reskin.evaluation.pictures import HeldOut, find_held_out, square
from reskin.evaluation.reinhard import Colours, Reinhard, measure
from reskin.evaluation.scores import SUBJECTS, Score, Scores, Subject
from reskin.images import Picture, to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics import cycle, kid, lpips, psnr, ssim, swd
from reskin.networks.squeezenet import SqueezeNet, read_squeezenet
from reskin.types import Direction
from reskin.unknown import unknown
from reskin.weights import FOLDER_VARIABLE

METRICS = ("psnr", "ssim", "lpips", "cycle_l1", "swd", "kid")
"""What `evaluate` measures: distance to the truth (three), cycle error, distance between sets (two)."""

_WITH_FEATURES = ("lpips", "kid")
_WITH_TRUTH = ("psnr", "ssim", "lpips")

FEATURES_EDGE_PX = 224
"""Edge of the squares that features are taken of: the network learnt at this size."""

SWD_SIDE_PX = 256
"""Largest edge, px, at which sets of pictures are compared."""

_BATCH_PIXELS = 4 * 256 * 256
_DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")
_PAIR_METRICS = {"psnr": psnr.psnr, "ssim": ssim.ssim}
_FACTS = {module.FACTS.name: module.FACTS for module in (psnr, ssim, lpips, cycle, swd, kid)}
_NOTES = {
    "psnr": "dB to the truth, mean over pictures",
    "ssim": "to the truth, mean over pictures",
    "lpips": "features of SqueezeNet 1.1, layers weighted alike, to the truth, mean over pictures",
    "cycle_l1": "mean difference on [-1, 1] to the reconstruction",
    "cycle_l1_8bit": "mean difference on [-1, 1] to the reconstruction, its translation rounded to 8 bits",
}


def _parts(name: str) -> tuple[str, Subject]:
    """Metric and what was measured in a name without its direction, such as "psnr_reinhard"."""
    for subject in SUBJECTS:
        if name.endswith(f"_{subject}"):
            return name.removesuffix(f"_{subject}"), subject
    return name, "output"


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
) -> Scores:
    """Scores of a model on the held-out pictures of two folders.

    With a truth: `psnr_a2b`, `ssim_a2b`, and the same of the untouched input (`psnr_input_a2b`) and of colour
    transfer (`psnr_reinhard_a2b`). Always: `swd_a2b` (translated A against real B), `swd_input_a2b`,
    `swd_reinhard_a2b`, `swd_real_b` (one half of B against the other), and, where the model goes both ways,
    `cycle_l1_a` and `cycle_l1_8bit_a`. The other direction is named likewise.

    Args:
        model: on the device where it is to run; it is left as it was. One with styles is measured in the
            first style of seed 0; it has no cycle error, since the way back would need the input's style.
        a: folder of domain A in any layout that `data.folders` reads; test pictures, else val, else all.
        b: folder of domain B; may be the same folder as `a` where it holds testA and testB.
        truth_a2b: folder with the true translations of A, under the same file names.
        truth_b2a: folder with the true translations of B.
        metrics: some of `METRICS`; None for all that can be measured without `kid` and `lpips`.
        size: shorter edge in px to bring the pictures to first; None leaves them as they are.
        max_images: of each domain, evenly spread; None for all.

    Returns:
        Name to score; pictures that could not be read are in `left_out`.

    Raises:
        WeightsError: `kid` or `lpips` is asked for and the weights of SqueezeNet 1.1 are not at hand.
        SettingsError: an unknown metric, a truth metric without truth, a size or number below 1.
        DataError: a folder without readable pictures, the same pictures for both domains, or truth that does
            not match.
        ShapeError: pictures too small for a metric.
    """
    chosen = _check(metrics, size, max_images)
    if metrics is not None and truth_a2b is None and truth_b2a is None:
        for name in sorted(set(_WITH_TRUTH) & set(chosen)):
            raise SettingsError(f"'{name}' compares with the truth and none was given", "Give --truth-a2b.")
    if isinstance(model, Styled):
        model = model.with_style(model.sample_styles(1, seed=0)[0])
        chosen = [name for name in chosen if name != "cycle_l1"]  # the way back would need the input's style
    truth_a, truth_b = (Path(truth) if truth else None for truth in (truth_a2b, truth_b2a))
    domains = {
        "a": find_held_out(Path(a), "a", truth=truth_a, size=size, limit=max_images),
        "b": find_held_out(Path(b), "b", truth=truth_b, size=size, limit=max_images),
    }
    check_domains_differ(Path(a), Path(b), domains["a"].paths, domains["b"].paths)
    network = read_squeezenet(_features_file()) if set(_WITH_FEATURES) & set(chosen) else None
    scores = _Evaluation(model, domains, chosen, network).run()
    return Scores(scores, left_out=[each for pictures in domains.values() for each in pictures.left_out])


def _features_file() -> Path:
    """The weights of SqueezeNet 1.1 in the folder that RESKIN_WEIGHTS names; they are never fetched.

    Raises:
        WeightsError: they are not there.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    found = sorted(folder.glob("squeezenet1_1*.pth")) if folder != Path() else []
    if not found:
        raise WeightsError(
            f"no weights of SqueezeNet 1.1, which {' and '.join(_WITH_FEATURES)} measure with",
            f"Put a file squeezenet1_1*.pth into a folder and name it in {FOLDER_VARIABLE}.",
        )
    return found[0]


def _check(metrics: Sequence[str] | None, size: int | None, max_images: int | None) -> list[str]:
    """The metrics that are meant, after all values were looked at."""
    for name in metrics or ():
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    for name, value in (("size", size), ("max_images", max_images)):
        if value is not None and value < 1:
            raise SettingsError(f"'{name}' is {value}", "Give 1 or more, or leave it out.")
    if metrics is None:
        return [name for name in METRICS if name not in _WITH_FEATURES]
    return list(dict.fromkeys(metrics))


class _Evaluation:
    """One call of `evaluate`: what its steps share.

    Scores of single pictures are collected by a name without the direction, each with its picture's name.
    """

    def __init__(
        self,
        model: Translator,
        domains: dict[str, HeldOut],
        metrics: list[str],
        features: SqueezeNet | None = None,
    ) -> None:
        self.model, self.domains, self.metrics = model, domains, metrics
        self.engines = {direction: Engine(model, direction) for direction in model.directions}
        self.device = next(iter(self.engines.values())).compute.device
        self.features = None if features is None else features.to(self.device)
        self.colours: dict[str, Colours] = {}
        self.swd_side = SWD_SIDE_PX
        self.patches = swd.patches_for(min(len(pictures) for pictures in domains.values()))
        self.scores: dict[str, Score] = {}

    def run(self) -> dict[str, Score]:
        """All scores, A to B first."""
        if set(self.metrics) - {"cycle_l1"}:
            for domain, pictures in self.domains.items():
                self.colours[domain] = measure(self._noting_size(pictures))
        for direction in _DIRECTIONS:
            if direction in self.engines:
                self._score_direction(direction)
        return self.scores

    def _noting_size(self, pictures: HeldOut) -> Iterator[Picture]:
        for image in pictures:
            self.swd_side = min(self.swd_side, *image.shape[:2])
            yield image

    def _score_direction(self, direction: Direction) -> None:
        """Go through the pictures of one domain once, and score everything that can be."""
        source, target = direction.split("2")
        pictures = self.domains[source]
        compares = bool({"swd", "kid"} & set(self.metrics)) or bool(pictures.truths)
        values: dict[str, list[tuple[str, float]]] = {}
        sets: dict[str, swd.PatchSet] = {}
        vectors: dict[str, list[Tensor]] = {}
        for paths, batch in self._batches(pictures):
            translated = self._translate(batch, direction)
            if "cycle_l1" in self.metrics and len(self.engines) == 2:
                self._measure_cycle(pictures.names(paths), (batch, translated), direction, values)
            if not compares:
                continue
            shown = {"": cycle.round_to_8_bits(translated).cpu()} | self._rivals(batch, source, target)
            self._measure_truth(pictures, paths, shown, values)
            if "swd" in self.metrics:
                for rival, images in shown.items():
                    patch_set = sets.setdefault(rival, swd.PatchSet(patches=self.patches))
                    patch_set.add(square(images, self.swd_side))
            if "kid" in self.metrics:
                for rival, images in shown.items():
                    vectors.setdefault(rival, []).append(self._vectors(images))
        self._add_means(values, direction)
        if sets:
            self._add_distances(sets, direction)
        if vectors:
            self._add_kernel_distances({rival: torch.cat(each) for rival, each in vectors.items()}, direction)

    def _vectors(self, images: Tensor) -> Tensor:
        """Features of pictures, (N, 512)."""
        assert self.features is not None, "_check lets nothing pass that needs them"
        with torch.no_grad():
            return self.features(square(images, FEATURES_EDGE_PX).to(self.device)).cpu()

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
        """Cycle error of pictures and their translations."""
        batch, translated = images
        opposite: Direction = "b2a" if direction == "a2b" else "a2b"
        for name, rounded in (("cycle_l1", False), ("cycle_l1_8bit", True)):
            errors = cycle.cycle_l1(
                batch,
                lambda _: translated,  # known already
                lambda images: self._translate(images, opposite),
                through_8_bits=rounded,
            )
            values.setdefault(name, []).extend(zip(names, errors.tolist(), strict=True))

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
            for metric in [name for name in _WITH_TRUTH if name in self.metrics]:
                each = self._pair(metric, images[list(known)], wanted).tolist()
                names = pictures.names([paths[index] for index in known])
                values.setdefault(metric + rival, []).extend(zip(names, each, strict=True))

    def _pair(self, metric: str, images: Tensor, truth: Tensor) -> Tensor:
        """(N,) values of a metric that compares with the truth."""
        if metric != "lpips":
            return _PAIR_METRICS[metric](images, truth)
        assert self.features is not None, "_check lets nothing pass that needs them"
        with torch.no_grad():
            return lpips.lpips(images.to(self.device), truth.to(self.device), taps=self.features.taps).cpu()

    def _add_means(self, values: dict[str, list[tuple[str, float]]], direction: Direction) -> None:
        for name, each in values.items():
            metric, subject = _parts(name)
            is_cycle = metric.startswith("cycle_l1")
            facts = _FACTS["cycle_l1" if is_cycle else metric]
            self.scores[f"{name}_{direction[0] if is_cycle else direction}"] = Score(
                sum(value for _, value in each) / len(each),
                facts.better,
                len(each),
                _NOTES[metric],
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
        note = f"x 1000; against {reference.pictures} real pictures; by level: {levels}"
        self._add_set(name, direction, result.mean, images.pictures, note)

    def _add_kernel_distances(self, vectors: dict[str, Tensor], direction: Direction) -> None:
        """KID of every set against all real pictures, and of two halves of these."""
        pictures = self.domains[direction[-1]]
        real = torch.cat([self._vectors(to_tensor(image)) for image in pictures])
        middle = len(real) // 2
        pairs = {f"kid{rival}": (found, real) for rival, found in vectors.items()}
        if middle > 1:
            pairs["kid_real"] = (real[:middle], real[middle:])
        for name, (found, reference) in pairs.items():
            value = kid.kernel_distance(found, reference).mean
            note = (
                f"features of SqueezeNet 1.1 at {FEATURES_EDGE_PX} px; against {len(reference)} real pictures"
            )
            self._add_set(name, direction, value, len(found), note)

    def _add_set(self, name: str, direction: Direction, value: float, count: int, note: str) -> None:
        """A score of one set of pictures against another."""
        metric, subject = _parts(name)
        facts = _FACTS[metric]
        end = direction[-1] if subject == "real" else direction
        self.scores[f"{name}_{end}"] = Score(
            value,
            facts.better,
            count,
            note,
            metric=metric,
            direction=direction,
            subject=subject,
            against="real",
            unit=facts.unit,
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
