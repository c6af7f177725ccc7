"""Pixel accuracy, class accuracy and IoU from one confusion matrix: what FCN-scores are made of.

Long et al., "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
https://arxiv.org/abs/1411.4038, section 5; used on translations by Isola et al. and Zhu et al. (CycleGAN,
https://arxiv.org/abs/1703.10593, section 5.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError, ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("segmentation_scores", "numbers", better="higher", best=1.0, symmetric=False)

IGNORED = 255
"""The label of pixels that do not count."""

Absent = Literal["zero", "skip"]
"""A class that the truth does not show counts 0 in the means, as in the published script, or not at all."""


@dataclass(frozen=True)
class SegmentationScores:
    """Shares in [0, 1]; higher is better.

    Attributes:
        pixel_accuracy: share of labelled pixels with the right class.
        class_accuracy: the same class by class, then the mean.
        iou: intersection over union class by class, then the mean.
        of_classes: IoU of each class; nan where the truth does not show it.
        pixels: labelled pixels.
    """

    pixel_accuracy: float
    class_accuracy: float
    iou: float
    of_classes: tuple[float, ...]
    pixels: int


class ConfusionMatrix:
    """Pixels of all images by true class (row) and predicted class (column).

    A pixel whose prediction is no class (such as the colour of nothing known) is an error: it counts in the
    total of its true class and in no column.

    Args:
        classes: how many there are.

    Attributes:
        counts: (classes, classes + 1) int64; the last column is of predictions that are no class.
        images: how many were added.
    """

    def __init__(self, classes: int) -> None:
        self.classes, self.images = classes, 0
        self.counts: NDArray[np.int64] = np.zeros((classes, classes + 1), np.int64)

    def update(self, predicted: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
        """Take in one image.

        Args:
            predicted: (H, W) class ids; `IGNORED` for no class.
            truth: (H, W) class ids; `IGNORED` for pixels that do not count.

        Raises:
            ShapeError: the shapes differ.
            DataError: an id that is neither a class nor `IGNORED`.
        """
        if predicted.shape != truth.shape or truth.ndim != 2:
            raise ShapeError(f"labels of {predicted.shape} and {truth.shape}", "Both must be (H, W).")
        for name, ids in (("predicted", predicted), ("true", truth)):
            strange = np.setdiff1d(np.unique(ids), [*range(self.classes), IGNORED])
            if strange.size:
                raise DataError(
                    f"{name} labels hold the id {strange[0]}",
                    f"Ids run from 0 to {self.classes - 1}; {IGNORED} is ignored. Choose the right palette.",
                )
        counts = truth != IGNORED
        columns = np.where(predicted[counts] == IGNORED, self.classes, predicted[counts]).astype(np.int64)
        index = truth[counts].astype(np.int64) * (self.classes + 1) + columns
        self.counts += np.bincount(index, minlength=self.counts.size).reshape(self.counts.shape)
        self.images += 1

    def compute(self, *, absent: Absent = "zero") -> SegmentationScores:
        """The scores of all images so far.

        Raises:
            DataError: no labelled pixel.
        """
        return segmentation_scores(self.counts, absent=absent)


def segmentation_scores(counts: NDArray[np.integer], *, absent: Absent = "zero") -> SegmentationScores:
    """Scores of a confusion matrix; higher is better.

    Args:
        counts: (K, K) or, with a last column of predictions that are no class, (K, K + 1).
        absent: what a class counts that the truth does not show.

    Raises:
        DataError: no labelled pixel.

    >>> found = segmentation_scores(np.array([[3, 1], [2, 4]]))
    >>> round(found.pixel_accuracy, 6), round(found.class_accuracy, 6), round(found.iou, 6)
    (0.7, 0.708333, 0.535714)
    """
    classes = len(counts)
    right, true = np.diagonal(counts).astype(float), counts.sum(axis=1).astype(float)
    predicted = counts[:, :classes].sum(axis=0)
    if not true.sum():
        raise DataError("no pixel is labelled", "Give labels of the classes that are to be compared.")
    is_there = true > 0
    accuracy = np.where(is_there, right / np.maximum(true, 1), 0.0)
    iou = np.where(is_there, right / np.maximum(true + predicted - right, 1), 0.0)
    kept = is_there if absent == "skip" else np.ones_like(is_there)
    return SegmentationScores(
        pixel_accuracy=float(right.sum() / true.sum()),
        class_accuracy=float(accuracy[kept].mean()),
        iou=float(iou[kept].mean()),
        of_classes=tuple(np.where(is_there, iou, np.nan).tolist()),
        pixels=int(true.sum()),
    )
