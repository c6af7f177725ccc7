"""Classifiers whose classes are measured: SqueezeNet 1.1 of the weights folder, or a file that is given.

A given classifier is an ONNX file, whose network takes (1, 3, edge, edge) with ImageNet's mean and deviation,
or weights of SqueezeNet 1.1 (.pth, .safetensors) with any number of classes, such as one fine-tuned on the
categories of the target domain, as MUNIT's authors do for the inception scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, WeightsError
from reskin.evaluation.features import FEATURES_EDGE_PX, squeezenet_file
from reskin.evaluation.pictures import square
from reskin.images import Picture, to_tensor
from reskin.networks.squeezenet import DEVIATION, MEAN, SqueezeNet, read_squeezenet
from reskin.paths import in_utf8, read_plain, reason_of
from reskin.storage import file_digest
from reskin.unknown import unknown

_AT_ONCE = 16


@dataclass
class Classifier:
    """A network that puts images into classes, and all that a number made with it must state.

    Attributes:
        name: of the network.
        digest: first digits of the SHA-256 of its weights.
        edge_px: of the middle squares that it is shown.
        forward: (N, 3, edge, edge) in [-1, 1] to (N, C), scores or probabilities.
        names: of the classes; empty where they have numbers only.
        network: what `forward` computes with, to be moved to a device; None where it stays on the CPU.
    """

    name: str
    digest: str
    edge_px: int
    forward: Callable[[Tensor], Tensor]
    names: tuple[str, ...] = ()
    network: nn.Module | None = None

    @property
    def note(self) -> str:
        """What stands beside every number."""
        return (
            f"classes of {self.name} ({self.digest}), middle square at {self.edge_px} px, antialiased bicubic"
        )

    def scores(self, images: Sequence[Picture]) -> Tensor:
        """Scores of the classes, (N, C), higher for a likelier one.

        Raises:
            WeightsError: the network does not take these images, or gives no (N, C) of finite numbers.
        """
        squares = [square(to_tensor(image), self.edge_px) for image in images]
        return torch.cat([self.scores_of(torch.cat(list(part))) for part in _parts(squares)])

    def move(self, device: torch.device) -> None:
        """Move the network to a device."""
        if self.network is not None:
            self.network.to(device)

    @torch.no_grad()
    def scores_of(self, squares: Tensor) -> Tensor:
        """The same for (N, 3, edge, edge) in [-1, 1].

        Raises:
            WeightsError: as `scores`.
        """
        found = self.forward(squares).float().cpu().flatten(1)
        if len(found) != len(squares) or found.shape[1] < 2 or not found.isfinite().all():
            raise WeightsError(
                f"{self.name} gives {tuple(found.shape)} or no finite values for {len(squares)} images",
                "Give a classifier with (N, classes) at its end as --classifier.",
            )
        if self.names and len(self.names) != found.shape[1]:
            raise SettingsError(
                f"{len(self.names)} names for the {found.shape[1]} classes of {self.name}",
                "Give --class-names a file with one line for each class, in their order.",
            )
        return found

    def probabilities(self, squares: Tensor) -> Tensor:
        """(N, C), each row adding up to 1: the scores themselves where they do so, else their softmax."""
        found = self.scores_of(squares)
        is_done = bool((found >= 0).all()) and torch.allclose(found.sum(1), torch.ones(1), atol=1e-3)
        return found if is_done else found.double().softmax(dim=1)

    def numbers(self, classes: Sequence[str]) -> tuple[int, ...]:
        """Numbers of classes that are given by number or by name.

        Raises:
            SettingsError: a name that there is not.
        """
        return tuple(int(each) if each.isdecimal() else self._number(each) for each in classes)

    def _number(self, name: str) -> int:
        if not self.names:
            raise SettingsError(
                f"class '{name}' has a name, and the names of the classes are not known",
                "Give --class-names FILE, one name a line, or the number of the class.",
            )
        if name not in self.names:
            raise unknown("class", name, self.names)
        return self.names.index(name)


def find_classifier(
    file: Path | None = None, names: Path | None = None, *, edge_px: int = FEATURES_EDGE_PX
) -> Classifier:
    """The classifier in a file, or SqueezeNet 1.1 of the weights folder, which knows ImageNet's classes.

    Args:
        file: .onnx, or weights of SqueezeNet 1.1; None for the one that is known here.
        names: text file with the name of each class in a line, in their order.
        edge_px: of the squares that it is shown.

    Raises:
        WeightsError: it is not there, or holds no classifier.
        SettingsError: the file of names is missing, holds no text, or has a name twice.
    """
    path, known = file or squeezenet_file(), _names(names)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist", "Give --classifier an .onnx, .pth or .safetensors file.")
    digest = file_digest(path)[:8]
    if path.suffix.lower() == ".onnx":
        return Classifier(path.name, digest, edge_px, _onnx(path), known)
    network = read_squeezenet(path)
    name = "SqueezeNet 1.1" if file is None else f"SqueezeNet 1.1 of {path.name}"
    return Classifier(name, digest, edge_px, _classify(network), known, network)


def _classify(network: SqueezeNet) -> Callable[[Tensor], Tensor]:
    def forward(squares: Tensor) -> Tensor:
        return network.classify(squares.to(network.mean.device))

    return forward


def _names(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        names = tuple(
            line.strip() for line in read_plain(path).decode("utf-8-sig").splitlines() if line.strip()
        )
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the names of classes in {path} cannot be read ({reason_of(error)})",
            "Give --class-names a text file.",
        ) from None
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not names:
        what = f"the class '{twice}' stands twice" if twice is not None else "no class stands"
        raise SettingsError(f"{what} in {path}", "Give --class-names a file with one name a line.")
    return names


def _onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """The network of an ONNX file, image by image, so that a fixed batch of one will do."""
    import cv2

    try:
        with in_utf8(path) as name:
            network = cv2.dnn.readNetFromONNX(str(name))
    except cv2.error as error:
        raise WeightsError(
            f"{path} holds no network that can be read ({_first_line(error)})", "Give a classifier as ONNX."
        ) from None
    mean, deviation = (np.array(each, np.float32).reshape(3, 1, 1) for each in (MEAN, DEVIATION))

    def forward(squares: Tensor) -> Tensor:
        made = []
        for image in squares.cpu().numpy():
            network.setInput(((image / 2 + 0.5 - mean) / deviation)[None].astype(np.float32))
            try:
                made.append(np.array(network.forward(), np.float32).reshape(1, -1))
            except cv2.error as error:
                edge = squares.shape[-1]
                raise WeightsError(
                    f"{path} does not take images of 1x3x{edge}x{edge} ({_first_line(error)})",
                    "Give --classifier-size as its input is, or another file.",
                ) from None
        return torch.from_numpy(np.concatenate(made))

    return forward


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def _parts(squares: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    return [squares[start : start + _AT_ONCE] for start in range(0, len(squares), _AT_ONCE)]
