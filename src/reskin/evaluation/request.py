"""What is to be measured, with what, and whether that can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from reskin.errors import SettingsError
from reskin.evaluation import sets
from reskin.evaluation.features import FEATURES_EDGE_PX
from reskin.evaluation.labelled import LabelRequest
from reskin.unknown import unknown

PAIRED = ("psnr", "ssim", "ms_ssim", "lpips")
"""Metrics that compare with a truth."""

STYLED = ("diversity", "inception_score")
"""Metrics of several outputs of each input."""

METRICS = (*PAIRED, "cycle_l1", "noise_probe", "swd", *sets.METRICS, "classes", "fcn", *STYLED)
"""All that `evaluate` measures."""

BY_DEFAULT = ("psnr", "ssim", "cycle_l1", "swd")
"""Those that need neither weights nor labels."""

CYCLES = ("cycle_l1", "noise_probe")


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        a: folder of domain A in any layout that `data.folders` reads; test images, else val, else all.
        b: folder of domain B; may be the same folder as `a` where it holds testA and testB.
        truth_a2b: folder with the true translations of A, under the same file names.
        truth_b2a: folder with the true translations of B.
        metrics: some of `METRICS`; None for `BY_DEFAULT`.
        size: shorter edge in px to bring the images to first; None leaves them as they are.
        max_images: of each domain, evenly spread; None for all.
        labels: for `fcn`.
        classes: numbers or names of classes, for `classes`.
        classifier: file of the classifier for `classes` and `inception_score`, see `evaluation.classifiers`;
            None for SqueezeNet 1.1 with ImageNet's classes.
        class_names: file with the names of its classes; None where they have numbers only.
        classifier_size: edge of the squares that it is shown, px.
        lpips_network: auto, alex, vgg or squeeze.
        cache: folder that features are kept in; None for none.
        style: of a model with styles: the first random one of seed 0, or the mean style of training images of
            the target domain.
    """

    a: Path
    b: Path
    truth_a2b: Path | None = None
    truth_b2a: Path | None = None
    metrics: tuple[str, ...] | None = None
    size: int | None = None
    max_images: int | None = None
    labels: LabelRequest | None = None
    classes: tuple[str, ...] = field(default=())
    classifier: Path | None = None
    class_names: Path | None = None
    classifier_size: int = FEATURES_EDGE_PX
    lpips_network: str = "auto"
    cache: Path | None = None
    style: Literal["sampled", "examples"] = "sampled"

    @property
    def has_truth(self) -> bool:
        """Whether a true translation is known in any direction."""
        return self.truth_a2b is not None or self.truth_b2a is not None

    def chosen(self) -> list[str]:
        """The metrics that are meant, after all values were looked at.

        Raises:
            SettingsError: an unknown metric, one that lacks what it needs, a size or number below 1.
        """
        for name in self.metrics or ():
            if name not in METRICS:
                raise unknown("metric", name, METRICS)
        numbers = {"size": self.size, "max_images": self.max_images, "classifier_size": self.classifier_size}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise SettingsError(f"'{name}' is {value}", "Give 1 or more, or leave it out.")
        if self.metrics is None:
            return list(BY_DEFAULT)
        for name in sorted(set(PAIRED) & set(self.metrics)):
            if not self.has_truth:
                raise SettingsError(
                    f"'{name}' compares with the truth and none was given", "Give --truth-a2b."
                )
        if "fcn" in self.metrics and self.labels is None:
            fix = "Give --palette, --label-domain, and --segmenter or --labels."
            raise SettingsError("'fcn' compares classes and none are known", fix)
        if "classes" in self.metrics and not self.classes:
            raise SettingsError(
                "'classes' wants the numbers or names of classes", "Give --classes, such as 340 (zebra)."
            )
        uses = {"classes", "inception_score"} & set(self.metrics)
        if not uses and (self.classifier or self.class_names or self.classes):
            fix = "Add classes or inception_score to --metrics, or leave it out."
            raise SettingsError("a classifier or classes are given, and no metric takes them", fix)
        # The Fréchet distance of few images says little: KID stands beside it, as its paper advises.
        extra = ["kid"] if {"fid", "frechet"} & set(self.metrics) else []
        return list(dict.fromkeys([*self.metrics, *extra]))
