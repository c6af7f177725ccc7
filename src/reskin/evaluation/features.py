"""Feature networks as measures use them: which weights, at which size, and each image once.

Features are cached by what decides them: the image's pixels, the network's weights and the resize.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn

from reskin.errors import WeightsError
from reskin.evaluation.pictures import square
from reskin.images import Picture, to_tensor
from reskin.metrics.fid import clean_resize
from reskin.networks import inception
from reskin.networks.inception import read_inception
from reskin.networks.squeezenet import read_squeezenet
from reskin.paths import in_utf8
from reskin.storage import commit, file_digest
from reskin.weights import FOLDER_VARIABLE, find_weights, local_weights

FEATURES_EDGE_PX = 224
"""Edge of the squares that SqueezeNet's features are taken of: it learnt at this size."""

_AT_ONCE = 16


@dataclass
class FeatureNetwork:
    """A network that turns images into features, and all that a number made with it must state.

    Attributes:
        name: of the network.
        digest: first digits of the SHA-256 of its weights.
        resize: how images are brought to its size.
        network: images in [-1, 1] to (N, D).
        prepare: an image to (1, 3, edge, edge).
        cache: features that are known, by `key`.
        computed: images that were not in the cache.
    """

    name: str
    digest: str
    resize: str
    network: nn.Module
    prepare: Callable[[Picture], Tensor]
    cache: FeatureCache
    computed: int = field(default=0)

    @property
    def note(self) -> str:
        """What stands beside every number."""
        return f"features of {self.name} ({self.digest}), {self.resize}"

    @torch.no_grad()
    def vectors(self, images: Sequence[Picture]) -> Tensor:
        """Features of images, (N, D) float32; each image that is new is computed once."""
        keys = [self.key(image) for image in images]
        missing = {key: image for key, image in zip(keys, images, strict=True) if key not in self.cache}
        device = next(self.network.parameters()).device
        names = list(missing)
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            batch = torch.cat([self.prepare(missing[name]) for name in part])
            for name, vector in zip(part, self.network(batch.to(device)).float().cpu(), strict=True):
                self.cache.put(name, vector)
        self.computed += len(names)
        return torch.stack([self.cache.get(key) for key in keys])

    def key(self, image: Picture) -> str:
        """A name for the features of an image: a digest of its pixels, the weights and the resize."""
        known = f"{self.name} {self.digest} {self.resize} {image.shape}".encode()
        return hashlib.sha256(known + np.ascontiguousarray(image).tobytes()).hexdigest()[:32]


class FeatureCache:
    """Features by name; kept in a folder where there is one.

    Args:
        folder: where they are kept; None for this process only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._known: dict[str, Tensor] = {}
        self._is_new = False
        if folder is not None and self._file.is_file():
            try:
                with in_utf8(self._file) as name:
                    self._known = load_file(name)
            except Exception:  # a damaged cache may raise anything, and is only computed again
                self._known = {}

    @property
    def _file(self) -> Path:
        assert self.folder is not None
        return self.folder / "features.safetensors"

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, key: str) -> Tensor:
        """The features of this name."""
        return self._known[key]

    def put(self, key: str, vector: Tensor) -> None:
        """Remember features."""
        self._known[key] = vector.clone()
        self._is_new = True

    def save(self) -> None:
        """Write what is new to the folder, if there is one.

        Raises:
            StorageError: the disk refuses the write.
        """
        if self.folder is None or not self._is_new:
            return
        with commit(self._file) as temporary:
            temporary.write_bytes(tensor_bytes(self._known))
        self._is_new = False


def squeezenet_features(cache: FeatureCache | None = None) -> FeatureNetwork:
    """SqueezeNet 1.1 of the weights folder; they are never fetched.

    Raises:
        WeightsError: they are not there.
    """
    path = squeezenet_file()
    return FeatureNetwork(
        "SqueezeNet 1.1",
        file_digest(path)[:8],
        f"middle square at {FEATURES_EDGE_PX} px, antialiased bicubic",
        read_squeezenet(path),
        _middle_square,
        cache or FeatureCache(),
    )


def inception_features(cache: FeatureCache | None = None) -> FeatureNetwork:
    """The Inception network of FID.

    Raises:
        WeightsError: its weights are not here.
    """
    path = find_weights("inception-fid")
    return FeatureNetwork(
        "Inception (FID)",
        file_digest(path)[:8],
        f"clean resize to {inception.EDGE_PX} px",
        read_inception(path),
        lambda image: clean_resize(image, inception.EDGE_PX),
        cache or FeatureCache(),
    )


def squeezenet_file() -> Path:
    """The weights of SqueezeNet 1.1: torchvision's, or any in the folder that RESKIN_WEIGHTS names.

    Raises:
        WeightsError: they are not there.
    """
    known = local_weights("squeezenet1_1")
    if known is not None:
        return known
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    found = sorted(folder.glob("squeezenet1_1*.pth")) if folder != Path() else []
    if not found:
        raise WeightsError(
            "no weights of SqueezeNet 1.1, which these features are taken from",
            f"Put a file squeezenet1_1*.pth into a folder and name it in {FOLDER_VARIABLE}.",
        )
    return found[0]


def _middle_square(image: Picture) -> Tensor:
    return square(to_tensor(image), FEATURES_EDGE_PX)
