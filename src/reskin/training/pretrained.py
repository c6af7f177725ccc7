"""The pretrained networks that losses compare features in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reskin.networks.vgg import Vgg, read_vgg
from reskin.weights import find_weights


def load_features(layers: Sequence[str], path: Path | str | None = None) -> Vgg:
    """Layers of a VGG, from a file or else of the VGG-16 that this package knows.

    Args:
        layers: names such as "relu3_1".
        path: weights, as `networks.vgg.read_vgg` takes them; by default those of VGG-16, which are fetched.

    Raises:
        WeightsError: no such file, it is no VGG, it ends before the last layer, or nothing can be fetched.
        SettingsError: no layers, or a name that no VGG has.
    """
    return read_vgg(path or find_weights("vgg16"), layers)
