"""Learned perceptual distance: how different two pictures look, by the features of a network.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018,
https://arxiv.org/abs/1801.03924. Numbers may be compared only with those of the same network and weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from reskin.errors import ShapeError, WeightsError
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape
from reskin.networks.state_files import read_tensors

FACTS = Facts("lpips", "pair", better="lower", best=0.0, symmetric=True, needs_features=True)

Taps = Callable[[Tensor], Sequence[Tensor]]
"""Pictures in [-1, 1] to features of several layers, (N, C, H, W) each."""


def lpips(image: Tensor, reference: Tensor, *, taps: Taps, weights: Sequence[Tensor] | None = None) -> Tensor:
    """Perceptual distance of each pair of pictures; lower is closer.

    At every position of every layer the two feature vectors are brought to length 1 and their squared
    difference is weighted by channel; the mean over the positions is summed over the layers.

    Args:
        image: (N, 3, H, W), float, in [-1, 1].
        reference: same shape and range as `image`.
        taps: the network, such as `SqueezeNet.taps`.
        weights: (C,) for each layer, not negative, as `read_weights` gives them; 1 by default.

    Returns:
        (N,), 0 where the two are equal.

    Raises:
        ShapeError: the shapes differ (nothing is broadcast), or there are other layers than weights.
    """
    check_same_shape(image, reference)
    both = taps(torch.cat([image, reference]))
    channels = [layer.shape[1] for layer in both]
    if weights is not None and [len(each) for each in weights] != channels:
        raise ShapeError(
            f"layers of {channels} channels, weights for {[len(each) for each in weights]}",
            "Both must be of one network.",
        )
    total = image.new_zeros(len(image), dtype=torch.float32)
    for index, layer in enumerate(both):
        one, two = (_unit(features.float()) for features in layer.chunk(2))
        difference = (one - two).square()
        if weights is not None:
            difference = difference * weights[index].to(difference)[:, None, None]
        total = total + difference.sum(dim=1).mean(dim=(1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    """Each position's vector at length 1."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)


def read_weights(path: Path) -> list[Tensor]:
    """The learned weights of LPIPS 0.1, (C,) for each layer.

    Raises:
        WeightsError: the file is missing, damaged or holds other weights.
    """
    state = read_tensors(path, of="LPIPS", fix="Give a file of its weights/v0.1 folder.")
    names = [f"lin{index}.model.1.weight" for index in range(len(state))]
    if not names or set(names) != set(state):
        raise WeightsError(f"{path} holds no weights of LPIPS", "Give a file of its weights/v0.1 folder.")
    return [state[name].flatten() for name in names]
