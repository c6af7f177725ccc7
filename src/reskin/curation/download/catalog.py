"""The standard sets: their names, addresses, sizes as published, and what is known of their terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reskin.errors import SettingsError
from reskin.unknown import unknown

_HOST = "efrosgans.eecs.berkeley.edu"
_HOSTS = frozenset({_HOST, "people.eecs.berkeley.edu"})
_IMAGENET = "ImageNet photographs: non-commercial research"
_FLICKR = "Flickr photographs, which belong to their authors: research"
_ART = "paintings from Wikiart, photographs from Flickr: research"
_CITYSCAPES = "Cityscapes needs an account: download it from https://www.cityscapes-dataset.com"


_DIGESTS = {
    "apple2orange": "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    "cezanne2photo": "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
    "facades": "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
    "horse2zebra": "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    "iphone2dslr_flower": "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
    "maps": "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
    "monet2photo": "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    "summer2winter_yosemite": "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
    "ukiyoe2photo": "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
    "vangogh2photo": "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
}
"""SHA-256 of archives as TensorFlow Datasets recorded them (url_checksums/cycle_gan.txt), where their makers
state none."""


@dataclass(frozen=True)
class StandardSet:
    """A set that papers compare on.

    Attributes:
        name: what a user types.
        kind: unpaired (folders trainA, trainB ...) or paired (train, val; each picture is A|B side by side).
        shows: what is in it, in a few words.
        counts: pictures for training, as its makers state.
        terms: what is known of its terms of use.
        url: address of the archive; empty where there is no free one.
        hosts: hosts that a redirection may lead to, the address's own one included.
        sha256: digest of the archive, in hexadecimal, where one is known.
        refusal: why it cannot be downloaded, empty if it can.
    """

    name: str
    kind: Literal["unpaired", "paired"]
    shows: str
    counts: str
    terms: str
    url: str = ""
    hosts: frozenset[str] = _HOSTS
    sha256: str = ""
    refusal: str = ""


def _unpaired(name: str, shows: str, counts: str, terms: str) -> StandardSet:
    url = f"http://{_HOST}/cyclegan/datasets/{name}.zip"
    return StandardSet(name, "unpaired", shows, counts, terms, url, sha256=_DIGESTS.get(name, ""))


def _paired(name: str, shows: str, counts: str, terms: str) -> StandardSet:
    archive = name.removeprefix("pix2pix-")
    url = f"http://{_HOST}/pix2pix/datasets/{archive}.tar.gz"
    return StandardSet(name, "paired", shows, counts, terms, url)


SETS: dict[str, StandardSet] = {
    item.name: item
    for item in (
        _unpaired("apple2orange", "apples, oranges", "996 + 1,020", _IMAGENET),
        _unpaired("summer2winter_yosemite", "Yosemite in summer, winter", "1,273 + 854", _FLICKR),
        _unpaired("horse2zebra", "horses, zebras", "939 + 1,177", _IMAGENET),
        _unpaired("monet2photo", "paintings by Monet, landscape photographs", "1,074 + 6,853", _ART),
        _unpaired("cezanne2photo", "paintings by Cézanne, landscape photographs", "584 + 6,853", _ART),
        _unpaired("ukiyoe2photo", "Ukiyo-e prints, landscape photographs", "1,433 + 6,853", _ART),
        _unpaired("vangogh2photo", "paintings by Van Gogh, landscape photographs", "401 + 6,853", _ART),
        _unpaired("maps", "aerial photographs, maps", "1,096 + 1,096", "Google Maps: research"),
        _unpaired("facades", "photographs, labels of facades", "400 + 400", "CMP Facade Database: research"),
        _unpaired("iphone2dslr_flower", "flowers by telephone, by camera", "1,813 + 3,316", _FLICKR),
        _unpaired("ae_photos", "photographs for the painters' models", "tests only", _FLICKR),
        StandardSet(
            "cityscapes",
            "unpaired",
            "street scenes, labels",
            "2,975 + 2,975",
            "Cityscapes: by account",
            refusal=_CITYSCAPES,
        ),
        _paired("edges2handbags", "edges | photographs of handbags", "137,000 pairs", "research"),
        _paired("edges2shoes", "edges | photographs of shoes", "50,000 pairs", "UT Zappos50K: research"),
        _paired(
            "pix2pix-facades", "photographs | labels of facades", "400 pairs", "CMP Facade Database: research"
        ),
        _paired("pix2pix-maps", "aerial photographs | maps", "1,096 pairs", "Google Maps: research"),
        _paired("night2day", "night | day of one location", "about 20,000 pairs", "research"),
        StandardSet(
            "pix2pix-cityscapes",
            "paired",
            "labels | street scenes",
            "2,975 pairs",
            "Cityscapes: by account",
            refusal=_CITYSCAPES,
        ),
    )
}
"""Every standard set by name."""


def find_set(name: str) -> StandardSet:
    """The set of this name.

    Raises:
        SettingsError: there is none (the nearest name is given), or it cannot be downloaded by us.
    """
    if name not in SETS:
        raise unknown("dataset", name, SETS)
    found = SETS[name]
    if found.refusal:
        raise SettingsError(f"{name} cannot be downloaded without a login", f"{found.refusal}.")
    return found
