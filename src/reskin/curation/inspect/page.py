"""The page about one or two data sets: one HTML file that opens from disk, with all thumbnails in it.

The text stands in the page as it is. The pictures are packed: each thumbnail is a small WebP, many of them
joined and written as base64 into script elements that no browser runs; the page's own script shows those that
are on the screen, so 20,000 pictures cost no more than 200.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reskin.curation.inspect.card import UNITS
from reskin.curation.inspect.gap import GapReport
from reskin.curation.inspect.sets import MeasuredSet
from reskin.pages.markup import Child, Markup, group, tag
from reskin.storage import commit
from reskin.version import __version__

THUMBNAIL_PIXELS = 70_000_000
"""Pixels that all thumbnails of a page have together, about."""
CHUNK_BYTES = 600_000

_SPLITS = ("train", "val", "test")
_COLUMNS = ("brightness", "contrast", "saturation", "sharpness")
_WORDS = {"warning": "act on this", "note": "good to know", "good": "fine"}


@dataclass(frozen=True)
class Inspection:
    """What the page shows.

    Attributes:
        sets: one or two measured sets, with thumbnails.
        cards: the card of each.
        gap: what two sets differ in; None for one.
        command: how to train on them; empty for one set.
    """

    sets: Sequence[MeasuredSet]
    cards: Sequence[dict[str, Any]]
    gap: GapReport | None = None
    command: str = ""


def thumbnail_side(pictures: int) -> int:
    """The longest side of a thumbnail, in px, so that a page with so many stays handy.

    >>> thumbnail_side(500), thumbnail_side(20_000), thumbnail_side(10**6)
    (160, 59, 40)
    """
    return int(min(160, max(40, (THUMBNAIL_PIXELS / max(1, pictures)) ** 0.5)))


def write_page(inspection: Inspection, out: Path) -> Path:
    """Write the page; returns its path.

    Raises:
        StorageError: the disk refuses the write.
    """
    with commit(out) as temporary:
        # A name that is no valid text on this system shows a question mark.
        temporary.write_text(_render(inspection, out), encoding="utf-8", errors="replace")
    return out


def _render(inspection: Inspection, out: Path) -> str:
    names = [measured.of.name for measured in inspection.sets]
    title = " and ".join(names)
    parts: list[tuple[str, str, Markup | None]] = [
        ("differences", "Differences", _gap_section(inspection)),
        ("measures", "Measures", _measures_section(inspection)),
        ("cards", "Cards", _cards_section(inspection)),
        ("twins", "Twins", _twins_section(inspection)),
        ("pictures", "Pictures", _pictures_section(inspection)),
    ]
    links = [tag("a", text, href=f"#{key}") for key, text, part in parts if part]
    button = tag("button", "Light / dark", type="button", class_="theme")
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("nav", tag("div", *links, button), aria_label="Parts of the page"),
        tag("main", _heading(inspection, title), *[part for _, _, part in parts], id="content"),
        tag("footer", f"Written by reskin {__version__}."),
        *_data(inspection, out),
        tag("script", _asset("page.js")),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", f"{title} · reskin"),
        tag("style", _asset("page.css")),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _asset(name: str) -> Markup:
    """A file that comes with the package; it must not end the element that it stands in."""
    text = files("reskin.curation.inspect").joinpath(name).read_text(encoding="utf-8")
    assert "</" not in text, f"{name} would end its element"
    return Markup(text)


def _policy() -> str:
    """What the page may load: its one script, what is written into it, and pictures of its own disk."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data: blob: file: 'self'; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def _data(inspection: Inspection, out: Path) -> list[Markup]:
    """What the script reads: a table of the pictures, and their thumbnails in chunks."""
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
    scripts = [tag("script", Markup(text), type="application/json", id="table")]
    for pack in packs:
        encoded = base64.b64encode(bytes(pack)).decode("ascii")
        scripts.append(tag("script", Markup(encoded), type="text/plain", class_="pack"))
    return scripts


def _rows(measured: MeasuredSet, out: Path) -> dict[str, Any]:
    """One set by columns; numbers are shortened to what a page shows."""
    records, looks = measured.records, measured.looks
    reasons = sorted({why for record in records for why in record.left_out or ()})
    scores = sorted({name for record in records for name in record.scores or {}})
    return {
        "name": measured.of.name,
        "base": _way_to(measured.of.root, out),
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
    """Four digits; what is not finite has no place in JSON."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def _way_to(root: Path, out: Path) -> str | None:
    """The folder as the page reaches it, so that a click shows the file itself; None on another drive."""
    try:
        way = os.path.relpath(root.absolute(), out.absolute().parent)
    except ValueError:
        return None
    return quote(way.replace(os.sep, "/").encode("utf-8", "surrogateescape"))


def _section(key: str, title: str, lead: str, *children: Child) -> Markup:
    return tag("section", tag("h2", title), tag("p", lead, class_="lead"), *children, id=key)


def _heading(inspection: Inspection, title: str) -> Markup:
    tiles = []
    for letter, card in zip("ab", inspection.cards, strict=False):
        counts = card["counts"]
        splits = ", ".join(f"{count:,} {split}" for split, count in counts["by_split"].items())
        tiles.append(
            tag("div", tag("dt", card["name"]), tag("dd", f"{counts['used']:,} pictures"), class_=letter)
        )
        tiles.append(tag("div", tag("dt", "of which"), tag("dd", splits or "none")))
        tiles.append(tag("div", tag("dt", "left out"), tag("dd", f"{counts['left_out']:,}")))
        leaks = card["leakage"]
        tiles.append(
            tag(
                "div", tag("dt", "held-out twins"), tag("dd", f"{leaks['leaked']:,} of {leaks['held_out']:,}")
            )
        )
    return tag(
        "header",
        tag("p", "reskin · data sets", class_="brand"),
        tag("h1", title),
        tag("p", _in_a_sentence(inspection), class_="summary"),
        tag("dl", *tiles, class_="tiles"),
    )


def _in_a_sentence(inspection: Inspection) -> str:
    if inspection.gap is None:
        return "What the set holds, where it is from, and every picture of it."
    pressing = [finding.topic.lower() for finding in inspection.gap.findings if finding.level == "warning"]
    if not pressing:
        return "Nothing stands in the way of training on these two sides."
    return (
        f"Before training, look at {', '.join(pressing[:-1])}{' and ' if pressing[1:] else ''}{pressing[-1]}."
    )


def _gap_section(inspection: Inspection) -> Markup | None:
    gap = inspection.gap
    if gap is None:
        return None
    findings = [
        tag(
            "article",
            tag("h3", finding.topic, tag("span", _WORDS[finding.level], class_="badge")),
            tag("p", finding.difference, class_="difference"),
            tag("p", finding.meaning),
            tag("p", finding.advice, class_="advice") if finding.advice else None,
            class_=f"finding {finding.level}",
        )
        for finding in gap.findings
    ]
    command = tag(
        "div",
        tag("code", inspection.command),
        tag("button", "Copy", type="button", class_="copy"),
        class_="command",
    )
    lead = "What the two sides differ in, and what that means for training. The most pressing comes first."
    return _section(
        "differences",
        "Differences",
        lead,
        tag("div", *findings, class_="findings"),
        tag("h3", "Then train"),
        command,
    )


def _measures_section(inspection: Inspection) -> Markup:
    charts = [_chart(name, [card["measures"][name] for card in inspection.cards]) for name in _COLUMNS]
    names = [
        tag("span", card["name"], class_=f"key {letter}")
        for letter, card in zip("ab", inspection.cards, strict=False)
    ]
    lead = "Share of the pictures in use, by value. Measured with the shorter side at most 256 px."
    return _section(
        "measures", "Measures", lead, tag("p", *names, class_="keys"), tag("div", *charts, class_="charts")
    )


def _chart(name: str, measures: Sequence[dict[str, Any]]) -> Markup:
    """Histograms of one measure, one over the other."""
    width, height, ground = 420, 130, 108
    shapes: list[Child] = []
    known = [measure["histogram"] for measure in measures if measure["histogram"]]
    shares = [[count / max(1, sum(one["counts"])) for count in one["counts"]] for one in known]
    top = max((max(share) for share in shares), default=1.0) or 1.0
    for letter, share in zip("ab", shares, strict=False):
        step = width / len(share)
        points = [f"0,{ground}"]
        for i, value in enumerate(share):
            y = ground - (ground - 8) * value / top
            points += [f"{i * step:.1f},{y:.1f}", f"{(i + 1) * step:.1f},{y:.1f}"]
        shapes.append(
            tag("polygon", points=" ".join([*points, f"{width},{ground}"]), class_=f"area {letter}")
        )
    high = known[0]["to"] if known else 1.0
    for share_of, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = share_of * width
        shapes.append(tag("text", f"{share_of * high:g}", x=x, y=height - 4, text_anchor=anchor))
    medians = " and ".join(
        f"{measure['median']:.3g}" for measure in measures if measure["median"] is not None
    )
    label = f"{name}: median {medians}"
    svg = tag("svg", *shapes, viewBox=f"0 0 {width} {height}", role="img", aria_label=label)
    caption = tag("figcaption", tag("b", name), tag("span", UNITS[name]), tag("output", f"median {medians}"))
    return tag("figure", caption, svg, class_="chart")


def _cards_section(inspection: Inspection) -> Markup:
    lead = "Where the pictures are from and what was left out. The same is in dataset_card.md in each folder."
    cards = [
        tag("article", *_card(card), class_=f"card {letter}")
        for letter, card in zip("ab", inspection.cards, strict=False)
    ]
    return _section("cards", "Cards", lead, tag("div", *cards, class_="cards"))


def _card(card: dict[str, Any]) -> list[Child]:
    download = card["download"] or {}
    facts = [
        ("Licence", card["licence"] or download.get("terms") or "not stated"),
        ("Consent of the people shown", card["consent"] or "not stated"),
        ("Sizes", ", ".join(f"{size} ({count:,})" for size, count in list(card["sizes_px"].items())[:5])),
        ("Without colour", _percent(card["greyscale_share"])),
        ("With a face", _percent(card["faces_share"])),
        ("Shots", card["counts"]["shots"] and f"{card['counts']['shots']:,}"),
        ("Clips", card["counts"]["clips"] and f"{card['counts']['clips']:,}"),
        ("Downloaded from", download.get("url")),
        ("Unreadable files", card["counts"]["unreadable"] and f"{card['counts']['unreadable']:,}"),
    ]
    rows = [tag("tr", tag("th", key, scope="row"), tag("td", str(value))) for key, value in facts if value]
    left = [
        tag("tr", tag("td", why), tag("td", f"{count:,}", class_="number"))
        for why, count in card["left_out"].items()
    ]
    settings = [(key, value) for key, value in card["settings"].items() if value is not None]
    return [
        tag("h3", card["name"]),
        _table(rows),
        tag("h4", "Left out") if left else None,
        _table(left) if left else None,
        _more("Sources", _sources_table(card["sources"]), len(card["sources"])),
        _more("Damage", tag("ul", *[tag("li", line) for line in card["damaged"]]), len(card["damaged"])),
        _more(
            "Settings",
            _table([tag("tr", tag("th", k), tag("td", str(v)[:300])) for k, v in settings]),
            len(settings),
        ),
    ]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _table(rows: Sequence[Child], head: Sequence[str] = ()) -> Markup:
    top = tag("thead", tag("tr", *[tag("th", text, scope="col") for text in head])) if head else None
    return tag("div", tag("table", top, tag("tbody", *rows)), class_="scroll")


def _more(title: str, inside: Markup, count: int) -> Markup | None:
    if not count:
        return None
    return tag("details", tag("summary", f"{title} ({count:,})"), inside)


def _sources_table(sources: Sequence[dict[str, Any]]) -> Markup:
    rows = [
        tag(
            "tr",
            tag("td", source["name"]),
            tag("td", f"{source['used']:,}", class_="number"),
            tag("td", ", ".join(f"{count:,} {split}" for split, count in source["by_split"].items())),
            tag("td", tag("code", source["sha256"][:16]), title=source["sha256"]),
        )
        for source in sources
    ]
    return _table(rows, ("file", "used", "split", "sha256"))


def _twins_section(inspection: Inspection) -> Markup | None:
    """Pairs that should not be: across splits of a set, and across the two sets."""
    places = [{record.file: i for i, record in enumerate(measured.records)} for measured in inspection.sets]
    blocks: list[Child] = []
    if inspection.gap and inspection.gap.shared:
        pairs = [
            _pair((0, places[0][a]), (1, places[1][b]), f"{bits} of 64 bits differ", (a, b))
            for a, b, bits in inspection.gap.shared
        ]
        blocks += [tag("h3", "On both sides"), tag("div", *pairs, class_="pairs")]
    for number, measured in enumerate(inspection.sets):
        pairs = []
        for leak in measured.leaks.worst[:20]:
            unit = "s apart" if leak.why == "time" else "of 64 bits differ"
            text = f"{' and '.join(leak.splits)}, {leak.distance:.3g} {unit}"
            left, right = places[number][leak.held_out], places[number][leak.twin]
            pairs.append(_pair((number, left), (number, right), text, (leak.held_out, leak.twin)))
        if pairs:
            blocks += [
                tag("h3", f"Across the splits of {measured.of.name}"),
                tag("div", *pairs, class_="pairs"),
            ]
    if not blocks:
        return None
    lead = "Pictures that are held out and also trained on, or that stand on both sides: the closest pairs."
    return _section("twins", "Twins", lead, *blocks)


def _pair(left: tuple[int, int], right: tuple[int, int], text: str, names: tuple[str, str]) -> Markup:
    return tag(
        "figure",
        *[tag("span", class_="thumb", data_set=place[0], data_row=place[1]) for place in (left, right)],
        tag("figcaption", text),
        class_="pair",
        title=f"{names[0]}\n{names[1]}",
    )


def _pictures_section(inspection: Inspection) -> Markup:
    """The controls and the place where the script draws the grid."""
    search = tag("input", type="search", id="search", placeholder="part of a name", aria_label="Search names")
    bar = [
        _select("set", "Set"),
        _select("split", "Split"),
        _select("source", "Source"),
        _select("state", "Use"),
        tag("label", "Name ", search),
        _select("sort", "Sort by"),
        tag("button", "↑", type="button", id="turn", aria_label="Lowest first", aria_pressed="false"),
        tag("label", "Size ", tag("input", type="range", id="size", min=48, max=240, value=112)),
    ]
    marks = tag(
        "span",
        tag("button", "Copy marked names", type="button", id="copy-marks"),
        tag("button", "Clear marks", type="button", id="clear-marks"),
        class_="marks",
        hidden=True,
    )
    count = tag("output", id="count", aria_live="polite")
    hint = (
        "Arrows move, Enter opens, X marks, / searches. The names of marked pictures make a list for "
        "`reskin screen --drop`."
    )
    return _section(
        "pictures",
        "Pictures",
        hint,
        tag("noscript", tag("p", "The grid needs JavaScript; the text above does not.")),
        tag(
            "div",
            tag("div", *bar, class_="bar"),
            tag("div", count, marks, class_="bar second"),
            class_="tools",
        ),
        tag("div", id="grid", role="group", aria_label="Pictures"),
        tag("p", "No picture fits these choices.", id="none", class_="empty", hidden=True),
        _dialog(),
    )


def _select(key: str, label: str) -> Markup:
    return tag("label", f"{label} ", tag("select", id=key))


def _dialog() -> Markup:
    buttons = group(
        tag("button", "Previous", type="button", class_="back"),
        tag("button", "Next", type="button", class_="on"),
        tag("button", "Mark", type="button", class_="mark", aria_pressed="false"),
        tag("button", "Close", type="button", class_="close"),
    )
    return tag(
        "dialog",
        tag("div", tag("img", alt=""), class_="large"),
        tag("div", tag("h3"), tag("dl"), tag("div", buttons, class_="bar"), class_="facts"),
        id="look",
        aria_label="One picture",
    )
