"""The network that LPIPS is measured with: the first of those whose weights are here, and its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from reskin.errors import WeightsError
from reskin.evaluation.features import squeezenet_file
from reskin.metrics.lpips import Taps, read_weights
from reskin.networks.alexnet import read_alexnet
from reskin.networks.squeezenet import read_squeezenet
from reskin.networks.vgg import read_vgg
from reskin.storage import file_digest
from reskin.unknown import unknown
from reskin.weights import FOLDER_VARIABLE, KNOWN, local_weights

NETWORKS = ("auto", "alex", "vgg", "squeeze")

_VGG_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


@dataclass
class Perceptual:
    """A network and its learnt weights.

    Attributes:
        note: what it is, for every number made with it.
        network: to be moved to a device.
        taps: images in [-1, 1] to features of several layers.
        weights: of each layer; None counts all channels alike.
    """

    note: str
    network: nn.Module
    taps: Taps
    weights: list[Tensor] | None


def find_perceptual(name: str = "auto") -> Perceptual:
    """The network of this name; "auto" takes AlexNet, VGG-16 or SqueezeNet, the first that is here.

    Only torchvision's own weights go with the learnt weights of LPIPS; of another training run, layers are
    weighted alike and the numbers are no LPIPS of the literature: the note says so.

    Raises:
        SettingsError: an unknown name.
        WeightsError: its weights are not here.
    """
    if name not in NETWORKS:
        raise unknown("network of LPIPS", name, NETWORKS)
    if name == "alex" or (name == "auto" and local_weights("alexnet")):
        path = _needed("alexnet")
        alexnet = read_alexnet(path)
        return Perceptual(_note("AlexNet", path), alexnet, alexnet.taps, read_weights(_linear("alex")))
    if name == "vgg" or (name == "auto" and local_weights("vgg16") and _has_linear("vgg")):
        path = _needed("vgg16")
        vgg = read_vgg(path, _VGG_LAYERS, convention="torchvision")
        taps = lambda images: list(vgg(images).values())  # noqa: E731
        return Perceptual(_note("VGG-16", path), vgg, taps, read_weights(_linear("vgg")))
    path = squeezenet_file()
    squeezenet = read_squeezenet(path)
    is_own = file_digest(path).startswith(KNOWN["squeezenet1_1"].sha256) and _has_linear("squeeze")
    weights = read_weights(_linear("squeeze")) if is_own else None
    note = _note("SqueezeNet 1.1", path) + ("" if is_own else ", layers weighted alike: no published LPIPS")
    return Perceptual(note, squeezenet, squeezenet.taps, weights)


def _note(name: str, path: Path) -> str:
    return f"features of {name} ({file_digest(path)[:8]})"


def _needed(name: str) -> Path:
    path = local_weights(name)
    if path is None:
        entry = KNOWN[name]
        raise WeightsError(
            f"{entry.file}, which LPIPS is to be measured with, is not here",
            f"Put it into the folder that {FOLDER_VARIABLE} names; it is public at {entry.address}.",
        )
    return path


def _linear_files(name: str) -> list[Path]:
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    names = (f"lpips_lin_{name}.pth", f"{name}.pth")
    return [folder / each for each in names if folder != Path() and (folder / each).is_file()]


def _has_linear(name: str) -> bool:
    return bool(_linear_files(name))


def _linear(name: str) -> Path:
    found = _linear_files(name)
    if not found:
        raise WeightsError(
            f"no learnt weights of LPIPS for {name}",
            f"Put weights/v0.1/{name}.pth of PerceptualSimilarity as lpips_lin_{name}.pth into the folder "
            f"that {FOLDER_VARIABLE} names.",
        )
    return found[0]
