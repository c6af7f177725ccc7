"""`reskin inspect SET [SET]`: cards of datasets, what two of them differ in, every picture in one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show, show_text
from reskin.config import Settings
from reskin.curation.inspect.card import dataset_card, write_card
from reskin.curation.inspect.contact_sheet import write_contact_sheet
from reskin.curation.inspect.gap import GapReport, compare_domains, suggested_command
from reskin.curation.inspect.page import Inspection, thumbnail_edge, write_inspection
from reskin.curation.inspect.sets import MeasuredSet, PictureSet, measure_set, open_sets
from reskin.errors import SettingsError, StorageError
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.progress import Progress


class Arguments(Settings):
    """Look at one dataset, or compare two: cards, gap report, contact sheets and a page with every picture.

    A folder with trainA and trainB holds both domains. A set needs no manifest. Nothing in it is changed; its
    card (dataset_card.json and .md) is written beside its pictures, all else beside the page.

    Examples:
      reskin inspect data/got data/fixers
      reskin inspect data/horse2zebra --out horse2zebra.html
      reskin inspect data/got data/fixers --json
    """

    sets: Annotated[tuple[Path, ...], Spelled(position="SET")]
    """One folder, or two to compare."""
    out: Path = Path("inspect.html")
    """Name of the page; the contact sheets get its name and that of their set."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print cards and gap report as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin inspect")
    domains = open_sets(arguments.sets)
    _check_out(arguments.out, domains)
    measured = _measure(domains)
    cards = [dataset_card(one) for one in measured]
    gap = compare_domains(*measured) if len(measured) == 2 else None
    command = suggested_command(gap, [one.of.root for one in measured]) if gap else ""
    missed = [missed for one, card in zip(measured, cards, strict=True) if (missed := _write_card(one, card))]
    sheets = [_sheet(one, arguments.out) for one in measured]
    write_inspection(Inspection(measured, cards, gap, command), arguments.out)
    if arguments.as_json:
        show_text(json.dumps(_as_json(cards, gap, command, [arguments.out, *sheets]), indent=2))
    else:
        show(*_in_words(cards, gap, command))
    progress.result("page", arguments.out)
    progress.result("picture", *sheets)
    say(f"done: {arguments.out} and {', '.join(map(str, sheets))}")
    return _finish(measured, missed)


def _check_out(out: Path, domains: list[PictureSet]) -> None:
    """A contact sheet inside a set would be one of its pictures the next time."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"the page {out} must end in .html", "Type for example --out inspect.html.")
    for domain in domains:
        if out.resolve().is_relative_to(domain.root.resolve()):
            raise SettingsError(
                f"{out} lies inside the set {domain.root}, where its contact sheet would become a picture",
                "Choose another folder with --out.",
            )


def _measure(domains: list[PictureSet]) -> list[MeasuredSet]:
    """Every picture of all domains, under one counter."""
    total = sum(len(domain.manifest.frames) for domain in domains)
    before, measured = 0, []
    with Progress("pictures") as progress:

        def report(done: int, of_domain: int | None, /, what: str = "", unit: str = "") -> None:
            progress(before + done, total)

        for domain in domains:
            measured.append(measure_set(domain, thumbnail_px=thumbnail_edge(total), report=report))
            before += len(domain.manifest.frames)
    return measured


def _write_card(measured: MeasuredSet, card: dict[str, Any]) -> str | None:
    """Write the card, or say why not: a set on a read-only disk can be looked at all the same."""
    try:
        write_card(measured, card)
    except StorageError as error:
        return str(error.what)
    return None


def _sheet(measured: MeasuredSet, out: Path) -> Path:
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in measured.of.name)
    sheet = out.with_name(f"{out.stem}-{safe}.png")
    write_contact_sheet(measured, sheet)
    return sheet


def _as_json(
    cards: list[dict[str, Any]], gap: GapReport | None, command: str, written: list[Path]
) -> dict[str, Any]:
    return {
        "cards": cards,
        "gap": gap.to_dict() if gap else None,
        "command": command or None,
        "written": [str(path) for path in written],
    }


def _in_words(cards: list[dict[str, Any]], gap: GapReport | None, command: str) -> list[str]:
    """What a terminal shows: counts with reasons, leakage, and the findings."""
    lines = []
    for card in cards:
        counts, leaks = card["counts"], card["leakage"]
        splits = ", ".join(f"{count} {split}" for split, count in counts["by_split"].items())
        lines.append(f"{card['name']}: {counts['used']} pictures in use ({splits or 'none'})")
        lines += [f"  left out: {count} {why}" for why, count in card["left_out"].items()]
        lines += [f"  unreadable: {counts['unreadable']}"] if counts["unreadable"] else []
        lines.append(
            f"  held out with a near-duplicate in another split: {leaks['leaked']} of {leaks['held_out']}"
        )
    if gap is None:
        return lines
    marks = {"warning": "!", "note": "-", "good": "+"}
    for finding in gap.findings:
        lines += [
            "",
            f"{marks[finding.level]} {finding.topic}: {finding.difference}",
            f"    {finding.meaning}",
        ]
        lines += [f"    → {finding.advice}"] if finding.advice else []
    return [*lines, "", f"next: {command}"]


def _finish(measured: list[MeasuredSet], missed: list[str]) -> int:
    """Exit code 0, or the error that says what was left out.

    Raises:
        PartialError: pictures cannot be read, or a card could not be written.
    """
    unreadable = [(one.of.root / file, why) for one in measured for file, why in one.unreadable]
    for _, why in unreadable[:20]:
        say(f"unreadable: {why}")
    if unreadable:
        raise PartialError(
            f"{len(unreadable)} pictures cannot be read, first {unreadable[0][0]}", "Mend or remove them."
        )
    if missed:
        raise PartialError(f"no card was written: {missed[0]}", "Page and contact sheets are complete.")
    return 0
