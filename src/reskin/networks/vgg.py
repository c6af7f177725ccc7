"""VGG-16 and VGG-19: what a network trained to name photographs sees in a picture.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
https://arxiv.org/abs/1409.1556.

Three kinds of files are in use, and a loss weight that was tuned with one is wrong for the others: their
features differ in size by a factor of tens, and squared ones by thousands.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from reskin.errors import SettingsError, WeightsError
from reskin.networks.blocks import MirroredConv2d, check_input
from reskin.networks.features import Convention, FeatureNetwork
from reskin.paths import in_utf8

Pooling = Literal["max", "average"]
"""How a block of layers halves the picture: the largest of four values, or their mean."""

ADDRESSES = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}
"""Where the whole networks are public."""

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each block; between blocks the size is halved."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)


class Vgg(FeatureNetwork):
    """The layers of a VGG that were asked for; frozen, and not a network that learns.

    A layer is called "conv3_1" before and "relu3_1" after its ReLU: the first convolution of the third block.

    Attributes:
        layers: names of what `forward` gives.
        convention: the kind of weights.
    """

    def __init__(self, file: _File, layers: Sequence[str], pooling: Pooling) -> None:
        super().__init__()
        self.layers, self.convention = tuple(layers), file.convention
        last = max(_number(layer) for layer in layers)
        # With a weight for [0, 1] and an offset, a 1x1 convolution does any of the three preparations.
        self.prepare = nn.Conv2d(3, 3, 1)
        _fill(
            self.prepare, file.prepare_weight / 2, file.prepare_bias + file.prepare_weight.sum((1, 2, 3)) / 2
        )
        self.convolutions = nn.ModuleDict()
        for name, (weight, bias) in file.convolutions.items():
            if _number(name) > last:
                break
            convolution = _convolution(weight, has_mirrored_edges=file.convention == "normalised")
            _fill(convolution, weight, bias)
            self.convolutions[name] = convolution
        self.pool: nn.Module = nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2)
        self.smallest_size = 2 ** (last[0] if file.convention == "normalised" else last[0] - 1)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features of a batch; nothing deeper than the last layer asked for is computed.

        Args:
            images: (N, 3, H, W), float32, RGB in [-1, 1].

        Returns:
            The layers by name, in the order in which they were asked for; block k is (N, C, h, w) with h and
            w of H and W halved k - 1 times and rounded down.

        Raises:
            ShapeError: the pictures are not RGB, or too small for the deepest layer.
        """
        check_input(images, channels=3, multiple=1, smallest=self.smallest_size)
        wanted, found = set(self.layers), {}
        features = self.prepare(images)
        for name, convolution in self.convolutions.items():
            block, place = _number(name)
            if place == 1 and block > 1:
                features = self.pool(features)
            features = convolution(features)
            if name in wanted:
                found[name] = features
            activated = f"relu{block}_{place}"
            if len(found) == len(wanted):
                break
            features = F.relu(features)  # not in place: what was before it may have been asked for
            if activated in wanted:
                found[activated] = features
        return {layer: found[layer] for layer in self.layers}

    def train(self, mode: bool = True) -> Vgg:
        """Stays as it is: it never learns."""
        return super().train(False)


def read_vgg(
    path: Path | str,
    layers: Sequence[str],
    *,
    convention: Convention | None = None,
    pooling: Pooling = "max",
) -> Vgg:
    """The layers of a VGG from a file; which VGG, how wide and of which convention is read off its keys.

    Args:
        path: .pth or .safetensors with the keys of torchvision ("features.0.weight"; a classifier is left
            out), of the Caffe weights ("conv1_1.weight"), or of the plain sequence of style transfer
            ("0.weight", which prepares the picture, "2.weight"...). It may end after any layer.
        layers: names such as "relu3_1" or "conv4_2".
        convention: refuse files of another one; None takes any.
        pooling: "max" as trained; "average" gives smoother pictures when pixels are optimised.

    Raises:
        WeightsError: no such file, it is no VGG, is of another convention, or ends before the last layer.
        SettingsError: no layers, or a name that no VGG has.
    """
    unknown = [layer for layer in layers if not is_layer(layer)]
    if unknown or not layers:
        raise SettingsError(
            f"'{unknown[0]}' is no layer of a VGG" if unknown else "no layer of the VGG was asked for",
            "Layers are called relu1_1 ... relu5_4, and conv1_1 ... conv5_4 before the ReLU.",
        )
    path = Path(path)
    file = _read(path)
    if convention is not None and convention != file.convention:
        raise WeightsError(
            f"{path} is a VGG of the {file.convention} convention, wanted {convention}",
            f"Give weights of the {convention} convention, or tune the loss weights anew for these.",
        )
    missing = [layer for layer in layers if "conv" + layer[4:] not in file.convolutions]
    if missing:
        there = ", ".join("relu" + name[4:] for name in file.convolutions)
        raise WeightsError(
            f"{path} has no {', '.join(missing)}, only {there}",
            f"Ask for layers that are there, or {_where('vgg19')}.",
        )
    return Vgg(file, layers, pooling)


def is_layer(name: str) -> bool:
    """Whether a VGG has a layer of this name.

    >>> is_layer("relu5_4"), is_layer("conv2_3")
    (True, False)
    """
    return re.fullmatch("(conv|relu)([12]_[12]|[345]_[1-4])", name) is not None


def layers_in(path: Path | str) -> tuple[str, ...]:
    """Names of the ReLU layers that a file of weights holds, the first one first.

    Raises:
        WeightsError: no such file, or it is no VGG.
    """
    return tuple("relu" + name[4:] for name in _read(Path(path)).convolutions)


class _File(NamedTuple):
    """What a file of weights holds, under the names of this module."""

    convention: Convention
    prepare_weight: Tensor
    prepare_bias: Tensor
    convolutions: dict[str, tuple[Tensor, Tensor]]


def _where(*kinds: str) -> str:
    addresses = " or ".join(ADDRESSES[kind] for kind in kinds)
    return f"get the whole network from {addresses} into the folder that RESKIN_WEIGHTS names"


def _number(layer: str) -> tuple[int, int]:
    """Block and position of a layer: (3, 1) for "relu3_1"."""
    block, place = layer[4:].split("_")
    return int(block), int(place)


def _convolution(weight: Tensor, *, has_mirrored_edges: bool) -> nn.Conv2d:
    out_channels, in_channels = weight.shape[:2]
    if has_mirrored_edges:
        return MirroredConv2d(in_channels, out_channels, 3)
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _fill(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    convolution.load_state_dict({"weight": weight, "bias": bias})


def _read(path: Path) -> _File:
    state = _load(path)
    keys = "\n".join(state)
    if re.search(r"^features\.\d+\.weight$", keys, re.MULTILINE):
        deviation = torch.tensor(IMAGENET_DEVIATION)
        weight, bias = torch.diag(1 / deviation), -torch.tensor(IMAGENET_MEAN) / deviation
        convolutions = _by_index(path, state, "features.", step=2)
        return _File("torchvision", weight[..., None, None], bias, convolutions)
    if "conv1_1.weight" in state:
        names = sorted(re.findall(r"^(conv[1-5]_[1-4])\.weight$", keys, re.MULTILINE))
        weight, bias = 255 * torch.eye(3).flip(0), -torch.tensor(CAFFE_MEAN)
        return _File(
            "caffe", weight[..., None, None], bias, _checked(path, state, {name: name for name in names})
        )
    if "0.weight" in state and state["0.weight"].shape == (3, 3, 1, 1) and "0.bias" in state:
        convolutions = _by_index(path, state, "", step=3)
        return _File("normalised", state["0.weight"].float(), state["0.bias"].float(), convolutions)
    raise _no_vgg(path, "its keys are of none of the three known layouts")


def _by_index(
    path: Path, state: Mapping[str, Tensor], prefix: str, *, step: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """The convolutions of a sequence; a gap one wider than `step` is where the pool lies."""
    found = [re.fullmatch(re.escape(prefix) + r"(\d+)\.weight", key) for key in state]
    indices = sorted(int(match[1]) for match in found if match)
    indices = indices if prefix else indices[1:]  # the first of a plain sequence prepares the picture
    names, block, place = {f"{prefix}{index}": "conv1_1" for index in indices[:1]}, 1, 1
    for before, index in pairwise(indices):
        if index - before not in (step, step + 1):
            raise _no_vgg(path, f"nothing known lies between {prefix}{before} and {prefix}{index}")
        block, place = (block, place + 1) if index - before == step else (block + 1, 1)
        names[f"{prefix}{index}"] = f"conv{block}_{place}"
    return _checked(path, state, {name: key for key, name in names.items()})


def _checked(
    path: Path, state: Mapping[str, Tensor], keys: Mapping[str, str]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Weights and biases by name, once they are those of a VGG: a chain of 3x3 convolutions in its blocks."""
    whole = [
        [f"conv{b}_{p}" for b, n in enumerate(blocks, 1) for p in range(1, n + 1)]
        for blocks in BLOCKS.values()
    ]
    if not keys or not any(list(keys) == names[: len(keys)] for names in whole):
        raise _no_vgg(path, "its layers are not in the order of VGG-16 or VGG-19")
    convolutions, channels = {}, 3
    for name, key in keys.items():
        weight, bias = state[f"{key}.weight"].float(), state.get(f"{key}.bias")
        if bias is None or weight.shape[1:] != (channels, 3, 3) or bias.shape != weight.shape[:1]:
            raise _no_vgg(path, f"{key} has the shape {tuple(weight.shape)}, wanted (*, {channels}, 3, 3)")
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise _no_vgg(path, f"{key} holds values that are not finite")
        convolutions[name], channels = (weight, bias.float()), len(weight)
    return convolutions


def _load(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"there are no weights at {path}", f"Correct the path, or {_where(*ADDRESSES)}.")
    try:
        with in_utf8(path) as name, warnings.catch_warnings():
            if path.suffix == ".safetensors":
                return load_file(name)
            warnings.simplefilter("ignore")  # torch warns of what is refused below in any case
            # Of a file that is mapped, only the layers that are used are ever read.
            is_mapped = zipfile.is_zipfile(path)
            state = torch.load(name, map_location="cpu", weights_only=True, mmap=is_mapped)
    except Exception as error:  # a damaged file can raise anything, from EOFError to UnicodeDecodeError
        raise _no_vgg(path, f"it cannot be read as tensors ({type(error).__name__})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _no_vgg(path, "it is no table of tensors")
    return state


def _no_vgg(path: Path, why: str) -> WeightsError:
    where = _where(*ADDRESSES)
    return WeightsError(f"{path} is no VGG: {why}", f"{where[0].upper()}{where[1:]}.")
