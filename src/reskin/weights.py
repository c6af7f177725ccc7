"""Named pretrained weights: where they come from, under which licence, and where they are found.

A file is looked for in the folder that RESKIN_WEIGHTS names, then in the cache (RESKIN_CACHE, or `reskin` in
the user's cache folder), and then fetched from its public address. Whatever is found is used only if its
SHA-256 is the one that is written here, so it does not matter who brought it or what it is called.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from reskin import fetching
from reskin.errors import RunError, WeightsError
from reskin.fetching import Source
from reskin.progress import Report
from reskin.storage import file_digest, lock

FOLDER_VARIABLE = "RESKIN_WEIGHTS"

ORIGINS = frozenset(
    f"https://{host}"
    for host in ("raw.githubusercontent.com", "media.githubusercontent.com", "download.pytorch.org")
)
"""The only addresses that anything is fetched from, redirects included."""

_log = logging.getLogger("reskin")


@dataclass(frozen=True)
class Weights:
    """One file of pretrained weights.

    Attributes:
        name: what it is called in this package.
        file: what the file is called in a folder.
        address: where it is public.
        sha256: digest in hexadecimal; its first digits where its publisher states no more.
        size_bytes: size of the file; never more than this is fetched. 0 where its publisher states none: then
            it is never fetched, only found.
        licence: what it may be used for.
        purpose: what it does.
    """

    name: str
    file: str
    address: str
    sha256: str
    size_bytes: int
    licence: str
    purpose: str


_YUNET = "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/0047ac24afb1/onnx"
_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights"

KNOWN: dict[str, Weights] = {
    entry.name: entry
    for entry in (
        Weights(
            name="yunet",
            file="face_yunet_n_dynamic.onnx",
            address=f"{_YUNET}/yunet_n_dynamic.onnx",
            sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
            size_bytes=322_906,
            licence="Apache-2.0 (its repository's LICENSE)",
            purpose="finds faces and five landmarks (YuNet n, any picture size)",
        ),
        Weights(
            name="yunet-640",
            file="face_yunet_n_640.onnx",
            address=f"{_YUNET}/yunet_n_640_640.onnx",
            sha256="25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
            size_bytes=317_466,
            licence="Apache-2.0 (its repository's LICENSE)",
            purpose="finds faces and five landmarks (YuNet n, exported for 640x640)",
        ),
        Weights(
            name="vgg16",
            file="vgg16-397923af.pth",
            address="https://download.pytorch.org/models/vgg16-397923af.pth",
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            size_bytes=553_433_881,
            licence="CC BY 4.0 (the network, Oxford VGG); BSD-3-Clause (torchvision); trained on ImageNet",
            purpose="features for perceptual and style losses (torchvision's VGG-16)",
        ),
        Weights(
            name="vgg19",
            file="vgg19-dcbb9e9d.pth",
            address="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
            sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
            size_bytes=574_673_361,
            licence="CC BY 4.0 (the network, Oxford VGG); BSD-3-Clause (torchvision); trained on ImageNet",
            purpose="features for perceptual and style losses (torchvision's VGG-19)",
        ),
        Weights(
            name="inception-fid",
            file="pt_inception-2015-12-05-6726825d.pth",
            address=f"{_FID}/pt_inception-2015-12-05-6726825d.pth",
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            size_bytes=0,
            licence="Apache-2.0 (pytorch-fid, TensorFlow); trained on ImageNet",
            purpose="features of FID and KID (TensorFlow's Inception of 2015)",
        ),
        Weights(
            name="alexnet",
            file="alexnet-owt-7be5be79.pth",
            address="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            size_bytes=0,
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            purpose="features of LPIPS (torchvision's AlexNet)",
        ),
        Weights(
            name="squeezenet1_1",
            file="squeezenet1_1-b8a52dc0.pth",
            address="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
            sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            size_bytes=0,
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            purpose="features for measures (torchvision's SqueezeNet 1.1)",
        ),
    )
}
"""Every file of weights that this package uses, by name."""


def find_weights(name: str, *, report: Report | None = None) -> Path:
    """The file of these weights, fetched into the cache if it is nowhere yet.

    Args:
        name: a name in `KNOWN`.
        report: called with the progress of a download.

    Raises:
        WeightsError: the name is not known, the file cannot be fetched, or it is not what its checksum says.
        StorageError: the cache cannot be written.
    """
    entry = _entry(name)
    found = local_weights(name)
    return found if found is not None else fetch(entry, cache_folder(), report=report)


def local_weights(name: str) -> Path | None:
    """The file of these weights if it is on this machine; None where it would have to be fetched.

    Raises:
        WeightsError: the name is not known, or a file has the right name and the wrong contents.
    """
    entry = _entry(name)
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        if not Path(folder).is_dir():
            raise WeightsError(
                f"{FOLDER_VARIABLE} names {folder}, which is no folder", "Correct or unset it."
            )
        if found := _in_folder(entry, Path(folder)):
            return found
    cached = cache_folder() / entry.file
    if cached.is_file():
        _check(entry, cached)
        return cached
    return None


def cache_folder() -> Path:
    """The folder that fetched weights are kept in; it need not exist."""
    return fetching.cache_folder() / "weights"


def _entry(name: str) -> Weights:
    if name not in KNOWN:
        raise WeightsError(f"no weights are called '{name}'", f"Known: {', '.join(sorted(KNOWN))}.")
    return KNOWN[name]


def _in_folder(entry: Weights, folder: Path) -> Path | None:
    """The file by its name, or else whichever has its size and its digest."""
    named = folder / entry.file
    if named.is_file():
        _check(entry, named)
        return named
    for path in sorted(folder.iterdir()):
        right_size = entry.size_bytes > 0 and path.is_file() and path.stat().st_size == entry.size_bytes
        if right_size and file_digest(path).startswith(entry.sha256):
            return path
    return None


def _check(entry: Weights, path: Path) -> None:
    found = file_digest(path)
    if not found.startswith(entry.sha256):
        what = f"{path} is not {entry.name}: its SHA-256 is {found}, wanted {entry.sha256}"
        raise WeightsError(what, "It is damaged or another version: remove it and start again.")


def fetch(
    entry: Weights, folder: Path, *, origins: frozenset[str] = ORIGINS, report: Report | None = None
) -> Path:
    """Fetch the file into `folder`; a download that was broken off goes on where it stopped.

    Args:
        entry: what to fetch.
        folder: where to put it; made if missing.
        origins: scheme and host, such as "https://example.org", of every address that may be asked.
        report: called with the progress.

    Raises:
        WeightsError: no connection, an address outside of `origins`, too many bytes, or another checksum.
        StorageError: the disk is too full for it, or refuses the write.
    """
    by_hand = (
        f"Get {entry.address} elsewhere (SHA-256 {entry.sha256}), put it into a folder and set "
        f"{FOLDER_VARIABLE} to that "
        f"folder, or put it at {cache_folder() / entry.file}."
    )
    if not entry.size_bytes:
        raise WeightsError(f"{entry.file} is not here, and is never fetched", by_hand)
    source = Source(entry.address, origins, by_hand, entry.size_bytes, entry.sha256, error=WeightsError)
    try:
        with lock(folder / f".fetch-{entry.name}"):
            _log.info("fetching %s (%.1f MB, %s)", entry.address, entry.size_bytes / 1e6, entry.licence)
            return fetching.fetch(source, folder / entry.file, report=report)
    except RunError:
        what = f"another process is fetching {entry.file} into {folder}"
        raise WeightsError(what, "Wait for it, then run the same command again.") from None
