"""The card of a dataset: what it holds and where it is from, for programs and for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from reskin.curation.inspect.columns import faces_share
from reskin.curation.inspect.sets import MeasuredSet
from reskin.storage import commit, read_json, write_json
from reskin.version import __version__

BINS = 20
MEASURES = {"brightness": 100.0, "contrast": 50.0, "saturation": 80.0, "sharpness": 1.0}
"""What has a histogram, and the upper end of its range; larger values count in the last bin."""
UNITS = {
    "brightness": "mean L*, 0 black to 100 white",
    "contrast": "standard deviation of L*",
    "saturation": "mean chroma, 0 grey, 30 colourful",
    "sharpness": "fine detail for its contrast, 0 blurred to about 1",
}
MOST_SIZES = 12
_BLOCKS = " ▁▂▃▄▅▆▇█"


def dataset_card(measured: MeasuredSet) -> dict[str, Any]:
    """All that is known of a set, JSON-ready; equal sets give equal cards.

    Sizes, histograms and shares are of the used pictures; `counts` says how many were left out.
    """
    manifest, records = measured.of.manifest, measured.records
    used = measured.used
    looks = [measured.looks[place] for place in used]
    sizes = Counter(f"{look.width}x{look.height}" for look in looks)
    faces = faces_share([records[place] for place in used])
    card: dict[str, Any] = {
        "reskin": __version__,
        "name": measured.of.name,
        "licence": manifest.licence,
        "consent": manifest.consent,
        "counts": _counts(measured),
        "sources": _sources(measured),
        "download": _download(measured),
        "sizes_px": dict(sizes.most_common(MOST_SIZES)),
        "sizes_in_all": len(sizes),
        "measures": {
            name: summary([getattr(look, name) for look in looks], MEASURES[name]) for name in MEASURES
        },
        "greyscale_share": _rounded(sum(look.is_grey for look in looks) / len(looks)) if looks else None,
        "faces_share": None if faces is None else _rounded(faces),
        "left_out": dict(Counter(why for record in records for why in record.left_out or ()).most_common()),
        "unreadable": [{"file": file, "why": why} for file, why in measured.unreadable[:100]],
        "leakage": measured.leaks.to_dict(),
        "screening": manifest.screening,
        "balance": manifest.balance,
        "damaged": manifest.damaged,
        "settings": manifest.settings,
    }
    return card


def _counts(measured: MeasuredSet) -> dict[str, Any]:
    records, used = measured.records, measured.used
    splits = Counter(records[place].split for place in used)
    shots = {(record.source, record.shot) for record in records if record.shot is not None}
    clips = {record.clip for record in records if record.clip is not None}
    return {
        "pictures": len(measured.of.manifest.frames),
        "used": len(used),
        "left_out": len(records) - len(used),
        "unreadable": len(measured.unreadable),
        "by_split": {split: splits[split] for split in ("train", "val", "test") if splits[split]},
        "shots": len(shots) or None,
        "clips": len(clips) or None,
    }


def _sources(measured: MeasuredSet) -> list[dict[str, Any]]:
    """Every source with the splits that its used pictures went to."""
    splits: dict[int | None, Counter[str]] = {}
    for place in measured.used:
        record = measured.records[place]
        splits.setdefault(record.source, Counter())[record.split] += 1
    rows = []
    for number, origin in enumerate(measured.of.manifest.sources):
        counts = splits.get(number, Counter())
        rows.append(
            {
                "name": origin.name,
                "sha256": origin.sha256,
                "size_bytes": origin.size_bytes,
                "duration_seconds": origin.duration_seconds,
                "frames": origin.frames,
                "used": sum(counts.values()),
                "by_split": {split: counts[split] for split in ("train", "val", "test") if counts[split]},
            }
        )
    return rows


def _download(measured: MeasuredSet) -> dict[str, Any] | None:
    """Where a standard set was downloaded from, by the record that the download left."""
    record = measured.of.root / "download.json"
    return read_json(record) if record.is_file() else None


def summary(values: Sequence[float], top: float) -> dict[str, Any]:
    """Mean, quantiles and a histogram of numbers from 0 to `top`; larger ones fall into the last bin.

    >>> summary([1.0, 3.0], 4.0)["mean"], sum(summary([1.0, 9.0], 4.0)["histogram"]["counts"])
    (2.0, 2)
    """
    if not values:
        return {"mean": None, "p05": None, "median": None, "p95": None, "histogram": None}
    numbers = np.asarray(values, dtype=np.float64)
    counts = np.histogram(np.clip(numbers, 0, top), bins=BINS, range=(0, top))[0]
    low, middle, high = np.quantile(numbers, [0.05, 0.5, 0.95])
    return {
        "mean": _rounded(float(numbers.mean())),
        "p05": _rounded(float(low)),
        "median": _rounded(float(middle)),
        "p95": _rounded(float(high)),
        "histogram": {"from": 0.0, "to": top, "counts": counts.tolist()},
    }


def _rounded(value: float) -> float:
    return round(value, 4)


def write_card(measured: MeasuredSet, card: dict[str, Any]) -> None:
    """Write dataset_card.json and dataset_card.md into the folder of the set, each whole or not at all.

    Raises:
        StorageError: the folder may not be written.
    """
    name = measured.of.card_name
    write_json(measured.of.root / f"{name}.json", card)
    with commit(measured.of.root / f"{name}.md") as temporary:
        temporary.write_text(card_markdown(card), encoding="utf-8")


def card_markdown(card: dict[str, Any]) -> str:
    """The card as a person reads it."""
    counts = card["counts"]
    left = ", ".join(
        f"{counts[key]:,} {word}"
        for key, word in (("left_out", "left out"), ("unreadable", "unreadable"))
        if counts[key]
    )
    lines = [
        f"# {plain(card['name'])}",
        "",
        f"{counts['used']:,} pictures in use{f' ({left})' if left else ''}: "
        + ", ".join(f"{count:,} {split}" for split, count in counts["by_split"].items())
        + ".",
        "",
        *_terms_lines(card),
        *_source_lines(card),
        *_picture_lines(card),
        *_left_out_lines(card),
        *_leak_lines(card["leakage"]),
        "",
        "## Settings",
        "",
        *_settings_lines(card),
        "",
        f"Written by reskin {card['reskin']}.",
        "",
    ]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    one_line = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", one_line)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(plain(str(cell)) for cell in row)} |" for row in rows]
    return lines


def _terms_lines(card: dict[str, Any]) -> list[str]:
    unknown = "not stated"
    download = card["download"] or {}
    lines = [f"- Licence: {plain(card['licence'] or download.get('terms') or unknown)}"]
    lines.append(f"- Consent of the people shown: {plain(card['consent'] or unknown)}")
    return [*lines, ""]


def _source_lines(card: dict[str, Any]) -> list[str]:
    lines = []
    if download := card["download"]:
        digest = plain(download.get("sha256", "?"))
        lines += [f"Downloaded from {plain(download.get('url', '?'))} (sha256 `{digest}`).", ""]
    if not card["sources"]:
        return lines
    rows = [
        (
            source["name"],
            f"{source['used']:,}",
            ", ".join(f"{count:,} {split}" for split, count in source["by_split"].items()) or "none",
            "" if source["duration_seconds"] is None else f"{source['duration_seconds']:.1f} s",
            f"{source['sha256'][:16]}…" if source["sha256"] else "",
        )
        for source in card["sources"]
    ]
    return [*lines, "## Sources", "", *_table(("file", "used", "split", "length", "sha256"), rows), ""]


def _picture_lines(card: dict[str, Any]) -> list[str]:
    sizes = ", ".join(f"{size} ({count:,})" for size, count in list(card["sizes_px"].items())[:6])
    more = f" and {card['sizes_in_all'] - 6} more" if card["sizes_in_all"] > 6 else ""
    rows = []
    for name, values in card["measures"].items():
        if values["histogram"]:
            bars = sparkline(values["histogram"]["counts"])
            rows.append((name, values["median"], f"{values['p05']} to {values['p95']}", bars, UNITS[name]))
    lines = ["## Pictures", "", f"Sizes: {sizes}{more}.", ""]
    lines += [*_table(("measure", "median", "90% lie in", "histogram", "unit"), rows), ""]
    if card["greyscale_share"] is not None:
        lines.append(f"Without colour: {card['greyscale_share']:.1%}.")
    if card["faces_share"] is not None:
        lines.append(f"With a face: {card['faces_share']:.1%}.")
    return [*lines, ""]


def sparkline(counts: Sequence[int]) -> str:
    """A histogram in one line of text.

    >>> sparkline([0, 4, 8])
    ' ▄█'
    """
    top = max([*counts, 1])
    # What is not empty must be seen, so it is rounded up.
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // top)] for count in counts)


def _left_out_lines(card: dict[str, Any]) -> list[str]:
    lines = ["## Left out", ""]
    if card["left_out"]:
        lines += _table(("why", "pictures"), [(why, f"{n:,}") for why, n in card["left_out"].items()])
        lines += ["", "A picture may be left out for several reasons; nothing was deleted."]
    else:
        lines.append("Nothing was left out.")
    if card["unreadable"]:
        first = plain(card["unreadable"][0]["file"])
        lines += ["", f"{card['counts']['unreadable']} files cannot be read, first {first}."]
    if card["damaged"]:
        lines += ["", "Damaged sources:", "", *[f"- {plain(line)}" for line in card["damaged"][:20]]]
    return [*lines, ""]


def _leak_lines(leaks: dict[str, Any]) -> list[str]:
    lines = ["## Leakage", ""]
    if not leaks["held_out"]:
        return [*lines, "Nothing is held out."]
    lines.append(
        f"{leaks['leaked']:,} of {leaks['held_out']:,} held-out pictures ({leaks['share']:.1%}) have a "
        f"near-duplicate in another split: {leaks['by_picture']:,} look the same, "
        f"{leaks['by_time']:,} are less than {leaks['seconds']} s apart."
    )
    if leaks["worst"]:
        rows = [(pair["held_out"], pair["twin"], pair["why"], pair["distance"]) for pair in leaks["worst"]]
        lines += ["", *_table(("held out", "twin", "by", "bits or seconds"), rows)]
    return lines


def _settings_lines(card: dict[str, Any]) -> list[str]:
    rows = [(key, "" if value is None else value) for key, value in card["settings"].items()]
    for group in ("screening", "balance"):
        rows += [(f"{group}: {key}", value) for key, value in (card[group] or {}).items()]
    short = [(key, text if len(text := str(value)) <= 160 else f"{text[:157]}...") for key, value in rows]
    return _table(("setting", "value"), short) if short else ["None are recorded."]
