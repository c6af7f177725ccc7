"""Features and classes of the images of one direction, collected batch by batch; the images are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reskin.data.folders import split_images
from reskin.errors import DataError
from reskin.evaluation.features import FeatureNetwork
from reskin.evaluation.networks import Networks
from reskin.evaluation.pictures import HeldOut, resized
from reskin.evaluation.scores import Score
from reskin.evaluation.sets import NEEDS_TRAINING, Features, class_scores, set_scores
from reskin.images import Picture, read_image
from reskin.spread import spread_ends
from reskin.types import Direction, Domain

MOST_TRAINING = 2000
"""Training images of a domain that features are taken of, evenly spread."""


class Vectors:
    """Collects one direction.

    Args:
        networks: of the chosen metrics.
        source: held-out images that are translated.
        target: held-out images of the domain they are translated into.
        has_classes: whether classes of the images are wanted.
    """

    def __init__(
        self, networks: Networks, source: HeldOut, target: HeldOut, *, has_classes: bool = False
    ) -> None:
        self.networks, self.source, self.target = networks, source, target
        self._vectors: list[dict[str, list[Tensor]]] = [{} for _ in networks.used()]
        self._classifier = networks.classifier if has_classes else None
        self._classes: dict[str, list[Tensor]] = {}

    def add(self, baseline: str, images: Sequence[Picture]) -> None:
        """Take in images; `baseline` says what they are: "" for outputs, "_input", "_reinhard"."""
        for (network, _), known in zip(self.networks.used(), self._vectors, strict=True):
            known.setdefault(baseline, []).append(network.vectors(images))
        if self._classifier is not None:
            self._classes.setdefault(baseline, []).append(self._classifier.scores(images))

    def scores(self, direction: Direction, classes: Sequence[str]) -> dict[str, Score]:
        """Every set against the real images of the target domain.

        Raises:
            DataError: too few images, or no training images where a metric wants them.
            ShapeError: a class that there is not.
        """
        scores: dict[str, Score] = {}
        for (network, metrics), known in zip(self.networks.used(), self._vectors, strict=True):
            training = None
            if set(NEEDS_TRAINING) & set(metrics):
                source, target = direction.split("2")
                training = (
                    _training(network, self.source, source),
                    _training(network, self.target, target),
                )
            real = torch.cat([network.vectors([image]) for image in self.target])
            shown = {baseline: torch.cat(each) for baseline, each in known.items()}
            features = Features(shown, real, training)
            scores |= set_scores(features, metrics, direction, network.note)
        if self._classes and self._classifier is not None:
            real = torch.cat([self._classifier.scores([image]) for image in self.target])
            found = {baseline: torch.cat(each) for baseline, each in self._classes.items()} | {"_real": real}
            numbers = self._classifier.numbers(classes)
            scores |= class_scores(found, numbers, direction, self._classifier.note)
        return scores


def _training(network: FeatureNetwork, pictures: HeldOut, domain: str) -> Tensor:
    """Features of the training images of a domain, at most `MOST_TRAINING`.

    Raises:
        DataError: there is no training split beside the held-out images.
    """
    which: Domain = "a" if domain == "a" else "b"
    known = set(pictures.paths)
    paths = [path for path in split_images(pictures.folder, which, "train") if path not in known]
    if len(paths) < 2:
        raise DataError(
            f"{pictures.folder} has no training images of domain {domain.upper()} beside the held-out ones",
            "Leave domain and copies out of --metrics, or give a dataset with a train and a test split.",
        )
    chosen = spread_ends(len(paths), min(MOST_TRAINING, len(paths)))
    return torch.cat([network.vectors([resized(read_image(paths[i]), pictures.size)]) for i in chosen])
