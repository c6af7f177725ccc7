"""The page about one or two datasets: one HTML file that opens from disk, with all thumbnails in it.

The text stands in the page as it is. The images are packed: each thumbnail is a small WebP, many of them
joined and written as base64 into script elements that no browser runs; the page's own script shows those that
are on the screen, so 20,000 images cost no more than 200.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from reskin.curation.inspect.card import UNITS
from reskin.curation.inspect.gap import GapReport
from reskin.curation.inspect.sets import MeasuredSet
from reskin.pages.charts import histogram
from reskin.pages.shell import render, write_page

THUMBNAIL_PIXELS = 70_000_000
"""Pixels that all thumbnails of a page have together, about."""
CHUNK_BYTES = 600_000

_SPLITS = ("train", "val", "test")
_COLUMNS = ("brightness", "contrast", "saturation", "sharpness")
_LEVEL_WORDS = {"warning": "act on this", "note": "good to know", "good": "fine"}
_PAIRS = 20


@dataclass(frozen=True)
class Inspection:
    """What the page shows.

    Attributes:
        sets: one or two measured datasets, with thumbnails.
        cards: the card of each.
        gap: what two datasets differ in; None for one.
        command: how to train on them; empty for one dataset.
    """

    sets: Sequence[MeasuredSet]
    cards: Sequence[dict[str, Any]]
    gap: GapReport | None = None
    command: str = ""


@dataclass(frozen=True)
class Pair:
    """Two images that should not both be there.

    Attributes:
        images: number of the dataset and of the row, of each.
        names: of the files.
        text: how close they are.
    """

    images: tuple[tuple[int, int], tuple[int, int]]
    names: tuple[str, str]
    text: str


def thumbnail_edge(images: int) -> int:
    """The longer edge of a thumbnail, in px, so that a page with so many stays handy.

    >>> thumbnail_edge(500), thumbnail_edge(20_000), thumbnail_edge(10**6)
    (160, 59, 40)
    """
    return int(min(160, max(40, (THUMBNAIL_PIXELS / max(1, images)) ** 0.5)))


def write_inspection(inspection: Inspection, out: Path) -> Path:
    """Write the page; returns its path.

    Raises:
        StorageError: the disk refuses the write.
    """
    return write_page(out, _render(inspection, out))


def _render(inspection: Inspection, out: Path) -> str:
    table, packs = _data(inspection, out)
    findings = inspection.gap.findings if inspection.gap else []
    groups = list(_pair_groups(inspection))
    links = [
        ("differences", "Differences", bool(findings)),
        ("measures", "Measures", True),
        ("cards", "Cards", True),
        ("near-duplicates", "Near-duplicates", bool(groups)),
        ("pictures", "Images", True),
    ]
    return render(
        "inspect.html",
        package="reskin.curation.inspect",
        assets=("shell", "inspect"),
        image_sources="data: blob: file: 'self'",
        title=" and ".join(measured.of.name for measured in inspection.sets),
        summary=_in_a_sentence(inspection),
        links=[(key, text) for key, text, is_there in links if is_there],
        cards=list(zip("ab", inspection.cards, strict=False)),
        splits_of=_splits_in_words,
        facts_of=_facts,
        findings=findings,
        level_words=_LEVEL_WORDS,
        train_command=inspection.command,
        charts=[
            histogram(name, UNITS[name], {card["name"]: card["measures"][name] for card in inspection.cards})
            for name in _COLUMNS
        ],
        pair_groups=groups,
        table=table,
        packs=packs,
    )


def _data(inspection: Inspection, out: Path) -> tuple[Markup, list[Markup]]:
    """What the script reads: a table of the images, and their thumbnails in chunks."""
    packs, sizes = [bytearray()], []
    for measured in inspection.sets:
        for look in measured.looks:
            if len(packs[-1]) + len(look.thumbnail) > CHUNK_BYTES:
                packs.append(bytearray())
            packs[-1] += look.thumbnail
            sizes.append(len(look.thumbnail))
    table = {
        "sets": [_rows(measured, out) for measured in inspection.sets],
        "thumbnails": sizes,
        "chunk_bytes": CHUNK_BYTES,
        "units": UNITS,
    }
    # JSON without "<" cannot end the element or open a comment, whatever a file is called.
    text = json.dumps(table, separators=(",", ":")).replace("<", "\\u003c")
    encoded = [base64.b64encode(bytes(pack)).decode("ascii") for pack in packs]
    return Markup(text), [Markup(one) for one in encoded]  # noqa: S704 - see above; base64 holds no markup


def _rows(measured: MeasuredSet, out: Path) -> dict[str, Any]:
    """One dataset by columns; numbers are shortened to what a page shows."""
    records, looks = measured.records, measured.looks
    reasons = sorted({why for record in records for why in record.left_out or ()})
    scores = sorted({name for record in records for name in record.scores or {}})
    return {
        "name": measured.of.name,
        "base": _address(measured.of.root, out),
        "files": [record.file for record in records],
        "splits": [_SPLITS.index(record.split) for record in records],
        "sources": [source.name for source in measured.of.manifest.sources],
        "source": [-1 if record.source is None else record.source for record in records],
        "seconds": [record.seconds for record in records],
        "reasons": reasons,
        "out": [[reasons.index(why) for why in record.left_out or ()] for record in records],
        "widths": [look.width for look in looks],
        "heights": [look.height for look in looks],
        "measures": {name: [round(getattr(look, name), 2) for look in looks] for name in _COLUMNS},
        "scores": {name: [_short((record.scores or {}).get(name)) for record in records] for name in scores},
    }


def _short(value: float | None) -> float | None:
    """Four digits."""
    return None if value is None else float(f"{value:.4g}")


def _address(root: Path, out: Path) -> str | None:
    """The folder as the page reaches it, so that a click shows the file itself; None on another drive."""
    try:
        way = os.path.relpath(root.absolute(), out.absolute().parent)
    except ValueError:
        return None
    return quote(way.replace(os.sep, "/").encode("utf-8", "surrogateescape"))


def _splits_in_words(by_split: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in by_split.items())


def _in_a_sentence(inspection: Inspection) -> str:
    if inspection.gap is None:
        return "What the dataset holds, where it is from, and every image of it."
    pressing = [finding.topic.lower() for finding in inspection.gap.findings if finding.level == "warning"]
    if not pressing:
        return "No difference stands in the way of training on these two domains."
    return (
        f"Before training, look at {', '.join(pressing[:-1])}{' and ' if pressing[1:] else ''}{pressing[-1]}."
    )


def _facts(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts of a card that are known, in words."""
    download, counts = card["download"] or {}, card["counts"]
    facts = [
        ("Licence", card["licence"] or download.get("terms") or "not stated"),
        ("Consent of the people shown", card["consent"] or "not stated"),
        ("Sizes", ", ".join(f"{size} ({count:,})" for size, count in list(card["sizes_px"].items())[:5])),
        ("Without colour", _percent(card["greyscale_share"])),
        ("With a face", _percent(card["faces_share"])),
        ("Shots", counts["shots"] and f"{counts['shots']:,}"),
        ("Clips", counts["clips"] and f"{counts['clips']:,}"),
        ("Downloaded from", download.get("url")),
        ("Unreadable files", counts["unreadable"] and f"{counts['unreadable']:,}"),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _pair_groups(inspection: Inspection) -> Iterator[tuple[str, list[Pair]]]:
    """Near-duplicates that should not be: in both domains, and across the splits of a dataset."""
    rows = [{record.file: i for i, record in enumerate(measured.records)} for measured in inspection.sets]
    if inspection.gap and inspection.gap.shared:
        yield (
            "In both domains",
            [
                Pair(((0, rows[0][a]), (1, rows[1][b])), (a, b), f"{bits} of 64 bits differ")
                for a, b, bits in inspection.gap.shared
            ],
        )
    for number, measured in enumerate(inspection.sets):
        pairs = []
        for leak in measured.leaks.worst[:_PAIRS]:
            unit = "s apart" if leak.why == "time" else "of 64 bits differ"
            names = leak.held_out, leak.other
            first, second = ((number, rows[number][name]) for name in names)
            text = f"{' and '.join(leak.splits)}, {leak.distance:.3g} {unit}"
            pairs.append(Pair((first, second), names, text))
        if pairs:
            yield f"Across the splits of {measured.of.name}", pairs
