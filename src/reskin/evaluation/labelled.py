"""FCN-scores of translations between labels and photos.

Labels to photo: the photo is segmented and compared with the labels that it was made from. Photo to labels:
each pixel takes the class of the nearest colour and is compared with the photo's true labels. Both after Zhu
et al. (CycleGAN), section 5.1.1, with a segmenter of our own, whose score on real photos stands beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.errors import DataError, SettingsError
from reskin.evaluation.label_pairs import LabelFiles
from reskin.evaluation.palettes import Labels, Palette, find_palette, read_labels, resize_labels
from reskin.evaluation.scores import Score
from reskin.evaluation.segmenter import Segmenter, load_segmenter
from reskin.images import Picture
from reskin.metrics.segmentation import ConfusionMatrix, segmentation_scores
from reskin.types import Direction, Domain

RESAMPLES = 200

_PARTS = {"pixel": "pixel_accuracy", "class": "class_accuracy", "iou": "iou"}


@dataclass(frozen=True)
class LabelRequest:
    """What FCN-scores are measured with.

    Attributes:
        palette: name of the palette.
        domain: the domain whose images are labels.
        labels: folder of the true labels of the photos, under the same file names; None where only labels to
            photo is measured.
        segmenter: folder of `reskin segmenter train`; None where only photo to labels is measured.
    """

    palette: str
    domain: Domain
    labels: Path | None = None
    segmenter: Path | None = None


class LabelMeasure:
    """Collects one direction.

    Args:
        request: with what.
        direction: of the translation.

    Raises:
        SettingsError: nothing to measure this direction with.
        CheckpointError: the segmenter is damaged.
    """

    def __init__(self, request: LabelRequest, direction: Direction) -> None:
        self.direction, self.palette = direction, find_palette(request.palette)
        self.makes_photos = direction[0] == request.domain
        self.segmenter: Segmenter | None = None
        self.truths: LabelFiles | None = None
        self._each: list[NDArray[np.int64]] = []
        if self.makes_photos and request.segmenter is not None:
            self.segmenter = load_segmenter(request.segmenter)
            if self.segmenter.palette.name != self.palette.name:
                raise SettingsError(
                    f"{request.segmenter} knows the classes of {self.segmenter.palette.name}",
                    f"Give --palette {self.segmenter.palette.name}, or a segmenter of {self.palette.name}.",
                )
        elif not self.makes_photos and request.labels is not None:
            self.truths = _label_files(request.labels)

    @property
    def is_measured(self) -> bool:
        """Whether what this direction needs was given."""
        return self.segmenter is not None or self.truths is not None

    def add(self, sources: Sequence[tuple[Path, Picture]], outputs: Sequence[Picture]) -> None:
        """Take in translations.

        Args:
            sources: file and pixels of each input.
            outputs: its translation, uint8.

        Raises:
            DataError: labels that are missing, cannot be read or hold other classes.
        """
        for (path, source), output in zip(sources, outputs, strict=True):
            truth = self._truth(path, source)
            truth = resize_labels(truth, *output.shape[:2])
            if self.segmenter is not None:
                predicted = self.segmenter.predict([output])[0]
            else:
                predicted = self.palette.decode(output)
            matrix = ConfusionMatrix(len(self.palette))
            matrix.update(predicted, truth)
            self._each.append(matrix.counts)

    def _truth(self, path: Path, source: Picture) -> Labels:
        if self.makes_photos:
            return self.palette.decode(source)
        found = self.truths.find(path) if self.truths is not None else None
        if found is None:
            raise DataError(
                f"the photo {path} has no labels", "Give --labels a folder with labels of every photo."
            )
        return read_labels(found, self.palette)

    def scores(self) -> dict[str, Score]:
        """The three numbers of this direction, and the segmenter's own."""
        if not self._each:
            return {}
        kind = "fcn" if self.makes_photos else "label"
        note = self._note(self.palette)
        found = segmentation_scores(np.sum(self._each, axis=0))
        spreads = _spreads(self._each)
        scores = {}
        for part, attribute in _PARTS.items():
            name = f"{kind}_{part}"
            scores[f"{name}_{self.direction}"] = Score(
                getattr(found, attribute),
                "higher",
                len(self._each),
                note,
                metric=name,
                direction=self.direction,
                against="truth",
                spread=spreads[part],
            )
            if self.segmenter is not None:
                scores[f"{name}_real_{self.direction[-1]}"] = Score(
                    getattr(self.segmenter.own, attribute),
                    "higher",
                    self.segmenter.held_out,
                    "the segmenter itself on held-out real photos: the bound",
                    metric=name,
                    direction=self.direction,
                    subject="real",
                    against="truth",
                )
        return scores

    def _note(self, palette: Palette) -> str:
        absent = "classes that the truth lacks count 0 in the means"
        if self.segmenter is None:
            return f"nearest colour of {palette.name}, truth resized (nearest) to the output; {absent}"
        return f"{self.segmenter.describe()}; {absent}"


def _spreads(each: Sequence[NDArray[np.int64]]) -> dict[str, float | None]:
    """Deviation of the three numbers over bootstrap samples of the images."""
    if len(each) < 2:
        return dict.fromkeys(_PARTS)
    draw, matrices = np.random.default_rng(0), np.stack(each)
    rows = []
    for _ in range(RESAMPLES):
        chosen = matrices[draw.integers(0, len(matrices), len(matrices))].sum(axis=0)
        if chosen.sum():
            found = segmentation_scores(chosen)
            rows.append([getattr(found, attribute) for attribute in _PARTS.values()])
    return dict(zip(_PARTS, np.std(rows, axis=0, ddof=1).tolist(), strict=True))


def _label_files(folder: Path) -> LabelFiles:
    """Label files by the name of their photo.

    Raises:
        DataError: the folder holds none.
    """
    found = LabelFiles(folder)
    if not found:
        raise DataError(f"no label file (PNG) in {folder}", "Give the folder of the photos' labels.")
    return found
