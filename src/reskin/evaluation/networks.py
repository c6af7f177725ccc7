"""The networks that metrics measure with, each loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from reskin.evaluation.classifiers import Classifier, find_classifier
from reskin.evaluation.features import (
    FeatureCache,
    FeatureNetwork,
    inception_features,
    squeezenet_features,
)
from reskin.evaluation.perceptual import Perceptual, find_perceptual
from reskin.evaluation.request import Request
from reskin.evaluation.sets import METRICS as SETS
from reskin.weights import local_weights


@dataclass
class Networks:
    """The networks of the chosen metrics.

    Attributes:
        cache: of all features.
        features: by metric.
        perceptual: of LPIPS.
        classifier: of `classes` and `inception_score`.
    """

    cache: FeatureCache
    features: dict[str, FeatureNetwork]
    perceptual: Perceptual | None = None
    classifier: Classifier | None = None

    @classmethod
    def find(cls, request: Request, metrics: Sequence[str]) -> Networks:
        """Those that are needed; KID and the like take Inception where its weights are here.

        Raises:
            WeightsError: weights are missing.
            SettingsError: the names of classes cannot be read, or a class is not among them.
        """
        cache = FeatureCache(request.cache)
        found = cls(cache, {})
        names = [name for name in metrics if name in SETS]
        has_inception = bool(names) and local_weights("inception-fid") is not None
        made: dict[str, FeatureNetwork] = {}
        for name in names:
            wants = name == "fid" or (has_inception and name != "frechet")
            kind = "inception" if wants else "squeezenet"
            if kind not in made:
                made[kind] = inception_features(cache) if wants else squeezenet_features(cache)
            found.features[name] = made[kind]
        if {"lpips", "diversity"} & set(metrics):
            found.perceptual = find_perceptual(request.lpips_network)
        if {"classes", "inception_score"} & set(metrics):
            found.classifier = find_classifier(
                request.classifier, request.class_names, edge_px=request.classifier_size
            )
            found.classifier.numbers(request.classes)  # a wrong name is refused before anything is translated
        return found

    def used(self) -> list[tuple[FeatureNetwork, list[str]]]:
        """Each network once, with its metrics of sets."""
        each: dict[int, tuple[FeatureNetwork, list[str]]] = {}
        for metric, network in self.features.items():
            each.setdefault(id(network), (network, []))[1].append(metric)
        return list(each.values())

    def move(self, device: torch.device) -> None:
        """Move all to a device."""
        for network in self.features.values():
            network.network.to(device)
        if self.perceptual is not None:
            self.perceptual.network.to(device)
        if self.classifier is not None:
            self.classifier.move(device)
