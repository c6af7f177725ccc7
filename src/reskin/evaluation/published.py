"""Numbers of the papers, with their sources: they stand beside ours and are never compared with them.

Other data, other sizes, other segmenters, other budgets, one seed, and often the best of many checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CYCLEGAN = "CycleGAN, ICCV 2017, arXiv 1703.10593"
_PIX2PIX = "pix2pix, CVPR 2017, arXiv 1611.07004"


@dataclass(frozen=True)
class Published:
    """A row of a published table.

    Attributes:
        table: name of the table here, such as "cityscapes".
        method: as the paper calls it.
        source: paper and table.
        values: name of our score to the published number.
    """

    table: str
    method: str
    source: str
    values: Mapping[str, float]


def _fcn(table: str, method: str, source: str, photo: str, labels: str = "") -> Published:
    """A row of FCN-scores: labels to photo (A to B) and photo to labels, "pixel/class/IoU" each."""
    values: dict[str, float] = {}
    for kind, direction, text in (("fcn", "a2b", photo), ("label", "b2a", labels)):
        for part, value in zip(("pixel", "class", "iou"), filter(None, text.split("/")), strict=False):
            values[f"{kind}_{part}_{direction}"] = float(value)
    return Published(table, method, source, values)


PUBLISHED: tuple[Published, ...] = (
    *(
        _fcn("cityscapes", method, f"{_CYCLEGAN}, Tables 2 and 3", photo, labels)
        for method, photo, labels in (
            ("CoGAN", ".40/.10/.06", ".45/.11/.08"),
            ("BiGAN/ALI", ".19/.06/.02", ".41/.13/.07"),
            ("SimGAN", ".20/.10/.04", ".47/.11/.07"),
            ("Feature loss + GAN", ".06/.04/.01", ".50/.10/.06"),
            ("CycleGAN", ".52/.17/.11", ".58/.22/.16"),
            ("pix2pix", ".71/.25/.18", ".85/.40/.32"),
        )
    ),
    *(
        _fcn("cityscapes_ablation", method, f"{_CYCLEGAN}, Tables 4 and 5", photo, labels)
        for method, photo, labels in (
            ("Cycle alone", ".22/.07/.02", ".10/.05/.02"),
            ("GAN alone", ".51/.11/.08", ".53/.11/.07"),
            ("GAN + forward cycle", ".55/.18/.12", ".49/.11/.07"),
            ("GAN + backward cycle", ".39/.14/.06", ".01/.06/.01"),
            ("CycleGAN", ".52/.17/.11", ".58/.22/.16"),
        )
    ),
    *(
        _fcn("cityscapes_pix2pix", method, f"{_PIX2PIX}, Table 1", photo, labels)
        for method, photo, labels in (
            ("L1", ".42/.15/.11", ".86/.42/.35"),
            ("GAN", ".22/.05/.01", ""),
            ("cGAN", ".57/.22/.16", ".74/.28/.22"),
            ("L1 + GAN", ".64/.20/.15", ""),
            ("L1 + cGAN", ".66/.23/.17", ".83/.36/.29"),
            ("real photos", ".80/.26/.21", ""),
        )
    ),
)
"""What is shipped; numbers that were never checked against the papers themselves are left out."""

TABLES = tuple(dict.fromkeys(row.table for row in PUBLISHED))


def published_rows(table: str) -> list[Published]:
    """The rows of a published table; empty for a name that there is not."""
    return [row for row in PUBLISHED if row.table == table]
