"""Reads generators that the CycleGAN and pix2pix repository or the CUT repository trained.

As everywhere, `torch.load` is used with `weights_only=True` alone. What a network looks like
is recognised by the names and shapes of its tensors; nothing is asked of the user.
"""

from __future__ import annotations

import os
import pickle  # for the name of an error only
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reskin.errors import CheckpointError
from reskin.networks.cut import CutGenerator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.unet import UnetGenerator
from reskin.paths import in_utf8, open_plain
from reskin.storage import file_digest

_WANTED = "Give a generator such as latest_net_G_A.pth or latest_net_G.pth."
_DAMAGED = "Copy or download it again."
MOST_BYTES = 8 << 30
"""No generator that we read comes near this size."""
_WRAPPERS = ("module.", "_orig_mod.")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_BLURS = {3: (1.0, 2.0, 1.0), 4: (1.0, 3.0, 3.0, 1.0)}
"""The only blurs we have, by the size of the kernel: one row of it, in quarters."""


@dataclass(frozen=True)
class ImportedGenerator:
    """A generator in our own form.

    Attributes:
        settings: "generator" ("resnet" or "unet"), "blocks" or "downsamplings", "width", "norm",
            "has_dropout", "in_channels" and "out_channels"; one of CUT also "antialias" ("both", "down" or
            "up"). A U-Net file does not say whether it was trained with dropout: `has_dropout` is False.
        state: the state_dict of `ResnetGenerator`, `CutGenerator` or `UnetGenerator` with those settings,
            float32.
        sha256: of the file, in hexadecimal.
    """

    settings: dict[str, Any]
    state: dict[str, Tensor]
    sha256: str


def read_generator(path: Path) -> ImportedGenerator:
    """Read a ResNet or U-Net generator, with instance or batch norm, of any width, depth and channels.

    Args:
        path: a .pth file of the CycleGAN and pix2pix or of the CUT repository, or the same tensors as
            safetensors; distinguished by content.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, holds another kind of network, has
            weights that are not finite, or blurs in another way than we do.
    """
    path = Path(path)
    sha256 = checksum(path)
    state = _without_old_statistics(without_wrappers(read_tensors(path), path))
    check_weights(state, path)
    _refuse_others(state, path)
    if any(".conv_block." in key for key in state):
        settings, network, names = _resnet(state, path)
    else:
        settings, network, names = _unet(state, path)
    return ImportedGenerator(settings, _renamed(state, network, names, path), sha256)


def build_generator(settings: Mapping[str, Any]) -> nn.Module:
    """The network that `settings` of an `ImportedGenerator` describe, with weights still to be loaded.

    >>> build_generator({"generator": "resnet", "width": 4, "blocks": 1}).size_multiple
    4
    """
    shared: dict[str, Any] = {
        "channels": (settings.get("in_channels", 3), settings.get("out_channels", 3)),
        "norm": settings.get("norm", "instance"),
        "has_dropout": settings.get("has_dropout", False),
    }
    if settings["generator"] == "unet":
        return UnetGenerator(settings["width"], settings["downsamplings"], **shared)
    if antialias := settings.get("antialias"):
        return CutGenerator(settings["width"], settings["blocks"], antialias=antialias, **shared)
    return ResnetGenerator(settings["width"], settings["blocks"], **shared)


def checksum(path: Path) -> str:
    """The SHA-256 of a file that may be a generator.

    Raises:
        CheckpointError: it is not there, no plain file, too large or not to be read.
    """
    with _opened(path):
        return file_digest(path)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """A plain file of a size that a generator may have; no pipe is waited for."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder", _WANTED)
    try:
        with open(open_plain(path, follow=True), "rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise CheckpointError(f"{path} is larger than {MOST_BYTES / 1e9:.0f} GB", _WANTED)
            yield file
    except FileNotFoundError:
        raise CheckpointError(f"no file {path}", "Check the name.") from None
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise CheckpointError(what, "Check its kind and its permissions.") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Name to tensor, from either kind of file."""
    try:
        if _is_safetensors(path):
            from safetensors.torch import load_file

            with in_utf8(path) as name:
                found: object = load_file(name)
        else:
            _check_archive(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of what the checks below refuse in any case
                found = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can raise anything, from EOFError to UnicodeDecodeError
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise CheckpointError(
                f"{path} holds Python objects besides weights; they could run code, so it is not opened",
                "Save only the state_dict, or ask for the weights as safetensors.",
            ) from error
        what = f"{path} is no checkpoint or is damaged ({type(error).__name__})"
        raise CheckpointError(what, f"{_WANTED} If it is one, copy or download it again.") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    return _checked_table(found, path)


def _is_safetensors(path: Path) -> bool:
    """A length of eight bytes, then a JSON object."""
    with _opened(path) as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _check_archive(path: Path) -> None:
    """Refuse zip files that `torch.save` did not write: archives to be unpacked, programs, zip bombs."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is a zip archive, not a checkpoint", "Unpack it and give the .pth file inside."
        )
    if any(name.endswith("constants.pkl") for name in names):
        raise CheckpointError(f"{path} is a TorchScript program, not a checkpoint", _WANTED)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(f"{path} was packed again after it was saved", "Give the file as it was saved.")


def _checked_table(found: object, path: Path) -> dict[str, Tensor]:
    """`found` if it is a flat table of plain tensors."""
    if not isinstance(found, dict) or not found:
        raise CheckpointError(f"{path} holds no table of weights", _WANTED)
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path} holds more than a table of weights ({key!r:.80})", _WANTED)
        plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
        # A few bytes can claim to be a huge tensor by repeating themselves.
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{key!r:.80} in {path} is no plain tensor", _WANTED)
    return found


def without_wrappers(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Names as they are without DataParallel and torch.compile."""
    state: dict[str, Tensor] = {}
    for key, value in tensors.items():
        name = key
        while name.startswith(_WRAPPERS):
            name = name.split(".", 1)[1]
        if name in state:
            raise CheckpointError(f"{path} holds {name!r:.80} twice", _DAMAGED)
        state[name] = value
    return state


def _without_old_statistics(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the statistics that instance norm once saved; batch norm, with weights, keeps its own."""
    kept = {}
    for key, value in state.items():
        layer, _, name = key.rpartition(".")
        if name not in STATISTICS or f"{layer}.weight" in state:
            kept[key] = value
    return kept


def check_weights(state: dict[str, Tensor], path: Path) -> None:
    """Refuse weights that are no finite real numbers."""
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        if not value.is_floating_point():
            raise CheckpointError(f"{key!r:.80} in {path} is {value.dtype}, not a float", _WANTED)
        if not value.float().isfinite().all():
            raise CheckpointError(
                f"{key!r:.80} in {path} holds NaN or infinity", "Use an earlier checkpoint of that run."
            )


def _refuse_others(state: dict[str, Tensor], path: Path) -> None:
    """Say what a file is that holds no generator we can read."""
    if any(".conv_block." in key for key in state) or "model.model.0.weight" in state:
        return
    if any(key.startswith("mlp_") for key in state):
        raise CheckpointError(
            f"{path} is CUT's network for comparing patches, not its generator", "Give latest_net_G.pth."
        )
    first = state.get("model.0.weight", state.get("net.0.weight"))
    if first is not None and first.dim() == 4 and first.shape[-1] in (1, 4):
        raise CheckpointError(f"{path} is a discriminator", _WANTED)
    raise CheckpointError(
        f"{path} is of no known kind (its first weight is {next(iter(state), '')!r:.80})", _WANTED
    )


def shape_of(state: dict[str, Tensor], key: str, path: Path) -> torch.Size:
    """The shape of a convolution's weight."""
    if key not in state or state[key].dim() != 4:
        raise CheckpointError(f"{path} has no convolution '{key}'", _WANTED)
    return state[key].shape


Described = tuple[dict[str, Any], nn.Module, dict[str, str]]
"""Settings, the network on no device, and for each of its layers the name of that layer in the file."""


def _resnet(state: dict[str, Tensor], path: Path) -> Described:
    """What a ResNet file holds."""
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    # A blur lies behind each downsampling convolution and before each upsampling one.
    blurs = {int(found[1]) for key in state if (found := re.fullmatch(r"model\.([0-9]{1,6})\.filt", key))}
    blurs_down = not any(key.startswith("model.10.conv_block.") for key in state)
    first = 12 if blurs_down else 10
    blurs_up = any(layer >= first for layer in blurs)
    down = (0, 1, 4, 5) if blurs_down else (0, 1, 3, 4)
    up = (1, 2, 5, 6) if blurs_up else (0, 1, 3, 4)
    shifted = state.get(f"model.{first}.conv_block.6.weight")  # Dropout moves a convolution from 5 to 6.
    has_dropout = shifted is not None and shifted.dim() == 4
    end = first + blocks
    last = f"model.{end + (9 if blurs_up else 7)}"
    stem, head = shape_of(state, "model.1.weight", path), shape_of(state, f"{last}.weight", path)
    w = stem[0]
    sizes = {7: (2 * w, 3), 11: (4 * w, 3)} if blurs_down else {}
    sizes |= {end: (4 * w, 4), end + 4: (2 * w, 4)} if blurs_up else {}
    _take_blurs(state, {f"model.{layer}.filt": size for layer, size in sizes.items()}, path)
    settings = {
        "generator": "resnet",
        "blocks": blocks,
        "width": stem[0],
        "norm": "batch" if "model.2.weight" in state else "instance",
        "has_dropout": has_dropout,
        "in_channels": stem[1],
        "out_channels": head[0],
    }
    if blurs:
        settings["antialias"] = "both" if blurs_down and blurs_up else "down" if blurs_down else "up"
    names = {"stem.0": "model.1", "stem.1": "model.2", "head": last}
    names |= {f"down.{i}": f"model.{4 + i}" for i in down}
    names |= {f"up.{i}": f"model.{end + i}" for i in up}
    inside = {"conv1": 1, "norm1": 2, "conv2": 6 if has_dropout else 5, "norm2": 7 if has_dropout else 6}
    for block in range(blocks):
        names |= {
            f"blocks.{block}.{ours}": f"model.{first + block}.conv_block.{i}" for ours, i in inside.items()
        }
    return settings, _empty(settings, path), names


def _take_blurs(state: dict[str, Tensor], sizes: Mapping[str, tuple[int, int]], path: Path) -> None:
    """Take the blurs out of `state` once they are known to be those that our layers compute.

    They are no weights: nothing taught them, and our network has none. `sizes` holds channels and size of
    each kernel that must be there.
    """
    for key, (channels, side) in sizes.items():
        found = state.pop(key, None)
        if found is None:
            raise CheckpointError(
                f"'{key}' is missing in {path}",
                "It changes size without a blur there, a variant we do not know.",
            )
        row = torch.tensor(_BLURS[side])
        wanted = (torch.outer(row, row) / 16).expand(channels, 1, side, side)
        if found.shape != wanted.shape or not torch.allclose(found.float(), wanted, atol=1e-3):
            raise CheckpointError(
                f"'{key}' in {path} is another blur than CUT's", "We cannot read that variant."
            )


def _unet(state: dict[str, Tensor], path: Path) -> Described:
    """What a U-Net file holds: blocks within blocks, each the fourth layer of the one around it."""
    level = "model.model.1"
    levels = [level]
    while f"{level}.model.5.weight" in state:
        level = f"{level}.model.3"
        levels.append(level)
    outer = shape_of(state, "model.model.0.weight", path)
    settings = {
        "generator": "unet",
        "downsamplings": 1 + len(levels),
        "width": outer[0],
        "norm": "batch" if f"{level}.model.4.weight" in state else "instance",
        "has_dropout": False,
        "in_channels": outer[1],
        "out_channels": shape_of(state, "model.model.3.weight", path)[1],
    }
    names = {"down.0": "model.model.0", "up.0.1": "model.model.3"}
    for depth, level in enumerate(levels, start=1):
        up = (
            3 if depth == len(levels) else 5
        )  # The innermost block has neither a norm on its way down nor a block.
        names |= {f"down.{depth}.1": f"{level}.model.1", f"down.{depth}.2": f"{level}.model.2"}
        names |= {f"up.{depth}.1": f"{level}.model.{up}", f"up.{depth}.2": f"{level}.model.{up + 1}"}
    return settings, _empty(settings, path), names


def _empty(settings: dict[str, Any], path: Path) -> nn.Module:
    """The network of `settings` without memory for its weights."""
    if min(value for value in settings.values() if isinstance(value, int) and value is not False) < 1:
        raise CheckpointError(f"{path} describes a network without channels", _DAMAGED)
    with torch.device("meta"):
        return build_generator(settings)


def _renamed(
    state: dict[str, Tensor], network: nn.Module, names: dict[str, str], path: Path
) -> dict[str, Tensor]:
    """The weights under our names; every one of the file must be used."""
    left = dict(state)
    ours: dict[str, Tensor] = {}
    for key, theirs, wanted in _places(network, names):
        value = left.pop(theirs, None)
        if value is None and key.endswith("num_batches_tracked"):  # torch before 0.4.1 did not save it
            value = torch.zeros((), dtype=torch.int64)
        if value is None:
            raise CheckpointError(
                f"'{theirs}' is missing in {path}, or it is a variant we do not know", _WANTED
            )
        if value.shape != wanted.shape:
            got = f"'{theirs}' in {path} is {tuple(value.shape)}, not {tuple(wanted.shape)}"
            raise CheckpointError(got, "It is a variant we do not know, or damaged.")
        ours[key] = value.to(wanted.dtype).contiguous().clone()
    if left:
        raise CheckpointError(f"{next(iter(left))!r:.80} in {path} belongs to no generator we know", _WANTED)
    return ours


def _places(network: nn.Module, names: dict[str, str]) -> Iterator[tuple[str, str, Tensor]]:
    """For each weight of ours: its name, its name in the file, and a tensor of its shape and type."""
    for key, wanted in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        yield key, f"{names[layer]}.{kind}", wanted
