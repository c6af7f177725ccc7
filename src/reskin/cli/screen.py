"""`reskin screen FOLDER...`: what looks wrong in sets of pictures, and why, before anything is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show, show_text
from reskin.config import BASIC, Settings
from reskin.curation.screen.result import DomainResult, Finding, ScreenResult
from reskin.curation.screen.screen import ScreenConfig, screen_sets, undo_screening
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.progress import Progress

_EXAMPLES = 3
_MOST_FAULTS = 5
_REPORTED_OF_MOST = "only reported, since it is most of the set: change it, or make the set anew without"
_REPORTED = {
    "bars": "only reported, since it is most of the set: make it anew; `reskin prepare` cuts bars",
    "combed": "only reported, since it is most of the set: prepare it anew with --deinterlace on",
    "overlay": "only reported: make the set anew and crop it away, or add --leave-out-overlay",
}


class Arguments(Settings):
    """Say what looks wrong in sets of pictures; with --apply, leave it out.

    Each folder is one domain. Without --apply nothing is left out. Nothing is ever deleted or moved: reasons
    and scores stand in the folder's manifest, and --undo brings everything back. Scores are measured once.

    Examples:
      reskin screen data/got
      reskin screen data/got data/fixers --apply
      reskin screen data/got --blur 0.05 --off text --apply
      reskin screen data/got --drop 'ep1-0000*' bad.txt --keep train/ep1-000900.png --apply
      reskin screen data/got --by-hand verdicts.csv --apply
      reskin screen data/got --undo
    """

    folders: Annotated[tuple[Path, ...], Spelled(position="FOLDER")]
    """One or more sets; the first keeps what it shares with another."""
    screen: ScreenConfig
    apply: Annotated[bool, BASIC] = False
    """Leave out what was found, instead of what an earlier screening left out."""
    undo: Annotated[bool, BASIC] = False
    """Use everything again that screening left out, and forget what was kept or dropped by hand."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the findings as JSON, all pictures by name."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin screen")
    if arguments.undo:
        return _undo(arguments)
    with Progress("pictures") as shown:
        result = screen_sets(arguments.folders, arguments.screen, apply=arguments.apply, report=shown)
    if arguments.as_json:
        show_text(json.dumps(result.to_dict(), indent=2))
    else:
        show(*_table(result))
    for name in result.unused:
        say(f"fits no picture: {name}")
    if result.is_applied:
        progress.result("dataset", *arguments.folders)
    damaged = [f"{domain.name}/{file}" for domain in result.domains for file in domain.faults]
    if damaged:
        raise PartialError(
            f"{_pictures(len(damaged))} cannot be read, the first is {damaged[0]}; the others were screened",
            "Replace or remove them, or run with --apply to leave them out."
            if not arguments.apply
            else "They are left out; replace or remove them.",
        )
    return 0


def _undo(arguments: Arguments) -> int:
    if arguments.apply:
        raise SettingsError("--apply and --undo contradict each other", "Give one of them.")
    back = undo_screening(arguments.folders)
    if arguments.as_json:
        show_text(json.dumps({"back": back}))
    progress.result("dataset", *arguments.folders)
    say(f"done: {_pictures(back)} {'is' if back == 1 else 'are'} used again")
    return 0


def _table(result: ScreenResult) -> list[str]:
    lines: list[str] = []
    for domain in result.domains:
        lines += [*_domain(domain, is_applied=result.is_applied), ""]
    if not result.is_applied and any(domain.left_out for domain in result.domains):
        lines.append("Nothing is left out yet: look at the examples, then run the same with --apply.")
    return lines


def _domain(domain: DomainResult, *, is_applied: bool) -> list[str]:
    verb = "left out" if is_applied else "to leave out"
    stay = domain.pictures - domain.left_out
    lines = [f"{domain.name}: {_pictures(domain.pictures)}, {domain.left_out} {verb}, {stay} stay"]
    for name, finding in domain.findings.items():
        count = f"{len(finding)} ({len(finding) / domain.pictures:.1%})"
        lines.append(f"  {name:<16} {count:>13}  {finding.rule.why}{_limit(finding)}")
        examples = [f"{file} ({_score(finding, score)})" for file, score in finding.pictures[:_EXAMPLES]]
        if name.startswith("duplicate"):
            examples = [f"{file} = {domain.duplicates[file]}" for file, _ in finding.pictures[:_EXAMPLES]]
        lines.append(f"  {'':<16} {'':>13}  e.g. {', '.join(examples)}")
        if finding.only_reported:
            lines.append(f"  {'':<16} {'':>13}  ({_REPORTED.get(name, _REPORTED_OF_MOST)})")
    for source, overlay in domain.overlays.items():
        boxes = "; ".join(f"{w:.0%} x {h:.0%} at {x:.0%}, {y:.0%}" for x, y, w, h in overlay.boxes)
        lines.append(
            f"  {'overlay in':<16} {'':>13}  {source}: {boxes} of the picture, from its left and top"
        )
    if domain.dropped:
        lines.append(f"  {'by hand':<16} {len(domain.dropped):>13}  dropped, e.g. {domain.dropped[0]}")
    if domain.kept:
        lines.append(f"  {'by hand':<16} {len(domain.kept):>13}  kept against a rule, e.g. {domain.kept[0]}")
    faults = list(domain.faults.values())
    lines += [f"  {fault}" for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        lines.append(f"  and {len(faults) - _MOST_FAULTS} more that cannot be read")
    return lines


def _limit(finding: Finding) -> str:
    if finding.rule.name == "damaged":
        return ""
    if finding.rule.name.startswith("duplicate"):
        return f" ({finding.threshold:g} bits or less)"
    return f" ({finding.rule.bad} {finding.threshold:g})"


def _score(finding: Finding, score: float) -> str:
    return "damaged" if finding.rule.name == "damaged" else f"{score:.3g}"


def _pictures(count: int) -> str:
    return f"{count} picture{'s' * (count != 1)}"
