"""Numbers of the papers, with their sources: they stand beside ours and are never compared with them.

Other data, other sizes, other segmenters, other budgets, one seed, and often the best of many checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_CYCLEGAN = "CycleGAN, ICCV 2017, arXiv 1703.10593"
_PIX2PIX = "pix2pix, CVPR 2017, arXiv 1611.07004v3"
_RECYCLE = "Recycle-GAN, ECCV 2018, arXiv 1808.05174"
_MUNIT = "MUNIT, ECCV 2018, arXiv 1804.04732"
_CUT = "CUT, ECCV 2020, arXiv 2007.15651"


@dataclass(frozen=True)
class Published:
    """A row of a published table.

    Attributes:
        table: name of the table here, such as "cityscapes".
        method: as the paper calls it.
        source: paper and table.
        values: name of our score to the published number; shares are 0 to 1, also where a paper has percent.
            Names that no metric here has: `fooled` (share taken for real by people), `preferred` (over the
            paper's own method), `fcn_normalised` (FCN-score as a share of that of real images).
        spreads: the paper's own ± of some of them.
        is_checked: whether the number was read in the text of the source itself; otherwise in what others
            quote.
    """

    table: str
    method: str
    source: str
    values: Mapping[str, float]
    spreads: Mapping[str, float] = field(default_factory=dict)
    is_checked: bool = True


def _fcn(table: str, method: str, source: str, photo: str, labels: str = "") -> Published:
    """A row of FCN-scores: labels to photo (A to B) and photo to labels, "pixel/class/IoU" each."""
    values: dict[str, float] = {}
    for kind, direction, text in (("fcn", "a2b", photo), ("label", "b2a", labels)):
        for part, value in zip(("pixel", "class", "iou"), filter(None, text.split("/")), strict=False):
            values[f"{kind}_{part}_{direction}"] = float(value)
    return Published(table, method, source, values)


def _fooled(
    table: str, method: str, source: str, there: tuple[float, float], back: tuple[float, float] | None = None
) -> Published:
    """A row of a study with people: percent of fakes that were taken for real, and its ±."""
    both = {"fooled_a2b": there} | ({} if back is None else {"fooled_b2a": back})
    values, spreads = ({name: round(pair[i] / 100, 4) for name, pair in both.items()} for i in (0, 1))
    return Published(table, method, source, values, spreads)


def _viper(condition: str, method: str, numbers: tuple[float, ...]) -> Published:
    """A row of Recycle-GAN's tables of Viper: percent of image to labels, and the normalised FCN-score."""
    pixel, per_class, iou, normalised = numbers
    values = {"label_pixel_b2a": pixel, "label_class_b2a": per_class, "label_iou_b2a": iou}
    shares = {name: round(value / 100, 4) for name, value in values.items()}
    source = f"{_RECYCLE}, Tables 2 and 3"
    values = shares | {"fcn_normalised_a2b": normalised}
    return Published(f"viper_{condition}", method, source, values, is_checked=False)


_CONDITIONS = ("day", "sunset", "rain", "snow", "night", "all")
_VIPER = {
    "CycleGAN": (
        (35.8, 38.9, 51.2, 31.8, 27.4, 35.5),
        (7.8, 6.7, 7.4, 7.0, 4.7, 7.1),
        (4.9, 3.9, 4.9, 4.0, 2.2, 4.2),
        (0.33, 0.27, 0.39, 0.29, 0.37, 0.30),
    ),
    "Recycle-GAN": (
        (48.7, 71.0, 60.9, 57.1, 45.2, 56.0),
        (11.9, 12.2, 10.5, 11.1, 6.5, 11.3),
        (7.9, 9.6, 7.1, 8.2, 4.1, 8.2),
        (0.33, 0.51, 0.37, 0.43, 0.40, 0.39),
    ),
}
"""Pixel accuracy, class accuracy, IoU (percent) and the normalised FCN-score, by condition."""

_EDGES = (
    ("UNIT", (0.374, 0.011), (0.373, 0.023)),
    ("CycleGAN", (0.360, 0.010), (0.408, 0.012)),
    ("CycleGAN + noise", (0.295, 0.016), (0.451, 0.011)),
    ("MUNIT without image reconstruction", (0.060, 0.213), (0.290, 0.191)),
    ("MUNIT without content reconstruction", (0.207, 0.172), (0.093, 0.185)),
    ("MUNIT without style reconstruction", (0.286, 0.070), (0.246, 0.139)),
    ("MUNIT", (0.500, 0.109), (0.500, 0.175)),
    ("BicycleGAN (from pairs)", (0.567, 0.104), (0.512, 0.140)),
    ("real images", (0.0, 0.293), (0.0, 0.371)),
)
"""Share of people who prefer it to MUNIT (0 where none is published), and LPIPS diversity."""

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
        _fcn("cityscapes_pix2pix", method, f"{_PIX2PIX}, Tables 1 and 6", photo, labels)
        for method, photo, labels in (
            ("L1", ".42/.15/.11", ".86/.42/.35"),
            ("GAN", ".22/.05/.01", ""),
            ("cGAN", ".57/.22/.16", ".74/.28/.22"),
            ("L1 + GAN", ".64/.20/.15", ""),
            ("L1 + cGAN", ".66/.23/.17", ".83/.36/.29"),
            ("real photos", ".80/.26/.21", ""),
        )
    ),
    _fcn(
        "cityscapes",
        "a re-run of the authors' PyTorch code, which does not say of which method",
        "issue 424 of junyanz/pytorch-CycleGAN-and-pix2pix",
        ".537/.136/.089",
    ),
    *(
        _fcn("cityscapes_fields", f"pix2pix with a field of {px} px", f"{_PIX2PIX}, Table 3", photo)
        for px, photo in ((1, ".39/.15/.10"), (16, ".65/.21/.17"), (70, ".66/.23/.17"), (286, ".42/.16/.11"))
    ),
    *(
        _fooled("maps", method, f"{_CYCLEGAN}, Table 1", there, back)
        for method, there, back in (
            ("CoGAN", (0.6, 0.5), (0.9, 0.5)),
            ("BiGAN/ALI", (2.1, 1.0), (1.9, 0.9)),
            ("SimGAN", (0.7, 0.5), (2.6, 1.1)),
            ("Feature loss + GAN", (1.2, 0.6), (0.3, 0.2)),
            ("CycleGAN", (26.8, 2.8), (23.2, 3.4)),
        )
    ),
    *(
        _fooled("maps_pix2pix", method, f"{_PIX2PIX}, Table 4", there, back)
        for method, there, back in (("L1", (0.8, 0.3), (2.8, 1.0)), ("L1 + cGAN", (18.9, 2.5), (6.1, 1.3)))
    ),
    _fooled("colours_pix2pix", "L1 + cGAN", f"{_PIX2PIX}, Table 5", (22.5, 1.6)),
    *(
        _viper(condition, method, numbers)
        for method, rows in _VIPER.items()
        for condition, numbers in zip(_CONDITIONS, zip(*rows, strict=True), strict=True)
    ),
    *(
        Published(
            f"edges2{objects}",
            method,
            f"{_MUNIT}, Table 1",
            {
                f"{name}_a2b": value
                for name, value in zip(("preferred", "diversity"), pair, strict=True)
                if value
            },
            is_checked=False,
        )
        for method, *pairs in _EDGES
        for objects, pair in zip(("shoes", "handbags"), pairs, strict=True)
    ),
    *(
        Published(
            "animals",
            method,
            f"{_MUNIT}, Table 2",
            {"cis_nats_a2b": conditional, "is_nats_a2b": score},
            is_checked=False,
        )
        for method, conditional, score in (
            ("CycleGAN", 0.076, 0.813),
            ("UNIT", 0.082, 0.864),
            ("MUNIT", 1.039, 1.050),
        )
    ),
    *(
        Published(f"{data}_fid", method, f"{_CUT}, Table 1", {"fid_a2b": value}, is_checked=False)
        for method, *values in (
            ("CycleGAN", 76.3, 85.9, 77.2),
            ("MUNIT", 91.4, 104.4, 133.8),
            ("CUT", 56.4, 76.2, 45.5),
            ("FastCUT", 68.8, 94.0, 73.4),
        )
        for data, value in zip(("cityscapes", "cat2dog", "horse2zebra"), values, strict=True)
    ),
)
"""All that is known here; `is_checked` says which numbers were read in the papers themselves."""

TABLES = tuple(dict.fromkeys(row.table for row in PUBLISHED))


def published_rows(table: str) -> list[Published]:
    """The rows of a published table; empty for a name that there is not."""
    return [row for row in PUBLISHED if row.table == table]
