"""A segmenter of our own: trained on a labelled set's photos, measured on held-out ones, kept in a folder.

FCN-scores ask whether a network that knows real photos finds the right classes in generated ones. The
published net was trained on images made small and large again, so that it forgives blur; so is this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from reskin.errors import CheckpointError, DataError
from reskin.evaluation.label_pairs import Pair
from reskin.evaluation.palettes import Labels, Palette, find_palette, read_labels, resize_labels
from reskin.evaluation.pictures import resized
from reskin.evaluation.segmenter_config import LEAST_EDGE, MOST_EDGE, SegmenterConfig
from reskin.images import Picture, read_image, to_tensor
from reskin.metrics.segmentation import IGNORED, ConfusionMatrix, SegmentationScores
from reskin.networks.fcn import Fcn
from reskin.paths import in_utf8
from reskin.progress import Report
from reskin.storage import commit, file_digest, read_json, write_json

FEWEST_PAIRS = 4


@dataclass
class Segmenter:
    """A trained network and what it knows.

    Attributes:
        network: in evaluation mode.
        palette: its classes.
        size: shorter edge in px that it learnt at.
        own: its score on held-out real photos, which bounds every number that is made with it.
        held_out: how many photos that was.
        digest: first digits of the SHA-256 of its weights.
    """

    network: Fcn
    palette: Palette
    size: int
    own: SegmentationScores
    held_out: int
    digest: str = ""

    @torch.no_grad()
    def predict(self, images: Sequence[Picture]) -> list[Labels]:
        """The class of each pixel, at the image's own size.

        Images are brought to `size` first, and the scores back to the image's size bilinearly.
        """
        device = next(self.network.parameters()).device
        found = []
        for image in images:
            scores = self.network(to_tensor(resized(image, self.size)).to(device))
            scores = F.interpolate(scores, image.shape[:2], mode="bilinear", align_corners=False)
            found.append(scores.argmax(dim=1)[0].cpu().numpy().astype(np.uint8))
        return found

    def describe(self) -> str:
        """What must stand beside every number that it makes."""
        own = self.own
        return (
            f"segmenter of ours ({self.digest}, {self.size} px), which itself gets {own.pixel_accuracy:.3f}/"
            f"{own.class_accuracy:.3f}/{own.iou:.3f} on {self.held_out} held-out real photos"
        )


def train_segmenter(
    training: Sequence[Pair],
    held_out: Sequence[Pair],
    palette: Palette,
    config: SegmenterConfig,
    *,
    report: Report | None = None,
) -> Segmenter:
    """A segmenter of some labelled photos, and its score on others.

    Args:
        training: at least `FEWEST_PAIRS`.
        held_out: photos that are in no pair of `training`.
        palette: of the labels.
        config: how it is trained.
        report: called with the step and the number of steps.

    Raises:
        DataError: too few pairs, files that cannot be read, photos and labels of different shapes.
    """
    if len(training) < FEWEST_PAIRS or not held_out:
        raise DataError(
            f"{len(training)} labelled photos to learn from and {len(held_out)} to measure with",
            f"Give at least {FEWEST_PAIRS} and 1.",
        )
    examples = [_read_pair(pair, palette, config.size) for pair in training]
    torch.manual_seed(config.seed)
    network = Fcn(len(palette), width=config.width).train()
    weights = _class_weights([labels for _, labels in examples], len(palette))
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=max(2, config.steps)
    )
    draw = np.random.default_rng(config.seed)
    for step in range(1, config.steps + 1):
        images, truth = _batch(examples, config, draw)
        loss = F.cross_entropy(network(images), truth, weight=weights, ignore_index=IGNORED)
        optimizer.zero_grad()
        if loss.isfinite():  # a batch without one labelled pixel has no mean
            loss.backward()
            optimizer.step()
        schedule.step()
        if report is not None:
            report(step, config.steps)
    network.eval().requires_grad_(False)
    empty = SegmentationScores(0.0, 0.0, 0.0, (), 0)
    segmenter = Segmenter(network, palette, config.size, empty, len(held_out))
    segmenter.own = score_segmenter(segmenter, held_out)
    return segmenter


def score_segmenter(segmenter: Segmenter, pairs: Sequence[Pair]) -> SegmentationScores:
    """What it gets on real photos.

    Raises:
        DataError: files that cannot be read, or no labelled pixel.
    """
    matrix = ConfusionMatrix(len(segmenter.palette))
    for pair in pairs:
        photo, labels = _read_pair(pair, segmenter.palette, segmenter.size)
        matrix.update(segmenter.predict([photo])[0], labels)
    return matrix.compute()


def save_segmenter(folder: Path, segmenter: Segmenter, facts: dict[str, Any]) -> None:
    """Write segmenter.safetensors and segmenter.json.

    Args:
        folder: made if missing.
        segmenter: what to write; its `digest` is set.
        facts: how it was trained.

    Raises:
        StorageError: the disk refuses the write.
    """
    path = folder / "segmenter.safetensors"
    with commit(path) as temporary:
        temporary.write_bytes(tensor_bytes(segmenter.network.state_dict()))
    segmenter.digest = file_digest(path)[:8]
    own = {key: value for key, value in asdict(segmenter.own).items() if key != "of_classes"}
    values = {
        "palette": segmenter.palette.name,
        "size": segmenter.size,
        "width": segmenter.network.head.in_channels,
        "own": own,
        "held_out": segmenter.held_out,
        "weights_sha256": file_digest(path),
        **facts,
    }
    write_json(folder / "segmenter.json", values)


def load_segmenter(folder: Path) -> Segmenter:
    """The segmenter in a folder of `save_segmenter`.

    Raises:
        SettingsError: no segmenter.json in the folder, or a palette that is not known.
        CheckpointError: the weights are damaged, or not those of the description.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    facts, path = read_json(folder / "segmenter.json"), folder / "segmenter.safetensors"
    fix = "Train it again with `reskin segmenter train`."
    try:
        palette = find_palette(str(facts["palette"]))
        held_out, size = int(facts["held_out"]), int(facts["size"])
        if not LEAST_EDGE <= size <= MOST_EDGE:
            raise ValueError(f"its size is {size} px")
        with torch.device("meta"):  # whatever width is asked for, memory is that of the file
            network = Fcn(len(palette), width=int(facts["width"]))
        if file_digest(path) != facts["weights_sha256"]:
            raise CheckpointError(f"{path} is not the file that segmenter.json describes", fix)
        with in_utf8(path) as name:
            network.load_state_dict(load_file(name), assign=True)
        shares = {name: float(facts["own"][name]) for name in ("pixel_accuracy", "class_accuracy", "iou")}
        own = SegmentationScores(**shares, of_classes=(), pixels=int(facts["own"]["pixels"]))
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError, OSError, SafetensorError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{folder} holds no sound segmenter ({why})", fix) from None
    network.float().eval().requires_grad_(False)
    return Segmenter(network, palette, size, own, held_out, facts["weights_sha256"][:8])


def _read_pair(pair: Pair, palette: Palette, size: int) -> tuple[Picture, Labels]:
    photo, labels = read_image(pair.photo), read_labels(pair.labels, palette)
    if abs(photo.shape[0] * labels.shape[1] - photo.shape[1] * labels.shape[0]) > max(photo.shape[:2]) * 2:
        raise DataError(
            f"{pair.photo} has {photo.shape[1]}x{photo.shape[0]} px and its labels "
            f"{labels.shape[1]}x{labels.shape[0]}",
            "They must show the same image.",
        )
    photo = resized(photo, size)
    return photo, resize_labels(labels, photo.shape[0], photo.shape[1])


def _class_weights(labels: Sequence[Labels], classes: int) -> Tensor:
    """Rare classes count more, by the root of their rarity; the mean over pixels is 1."""
    counts = sum(np.bincount(each[each != IGNORED].ravel(), minlength=classes) for each in labels)
    shares = np.asarray(counts, float) / max(1, np.sum(counts))
    weights = 1 / np.sqrt(np.maximum(shares, 1e-3))
    return torch.tensor(weights / max((weights * shares).sum(), 1e-9), dtype=torch.float32)


def _batch(
    examples: Sequence[tuple[Picture, Labels]], config: SegmenterConfig, draw: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random crops, half of them mirrored, half made small and large again."""
    images, truths = [], []
    edge = min(config.crop, config.size)
    for _ in range(config.batch):
        photo, labels = examples[int(draw.integers(len(examples)))]
        top, left = (int(draw.integers(length - edge + 1)) for length in labels.shape)
        image = to_tensor(np.ascontiguousarray(photo[top : top + edge, left : left + edge]))
        truth = torch.from_numpy(labels[top : top + edge, left : left + edge].astype(np.int64))
        if draw.random() < 0.5:
            image, truth = image.flip(3), truth.flip(1)
        if draw.random() < 0.5:
            small = max(16, int(edge * draw.uniform(0.4, 1.0)))
            image = F.interpolate(image, (small, small), mode="bilinear", antialias=True)
            image = F.interpolate(image, (edge, edge), mode="bilinear")
        images.append(image * draw.uniform(0.85, 1.15) + draw.uniform(-0.1, 0.1))
        truths.append(truth)
    return torch.cat(images), torch.stack(truths)
