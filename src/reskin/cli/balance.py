"""`reskin balance FOLDER...`: the same share of pictures with faces, or the like, in both domains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show, show_text
from reskin.config import Settings
from reskin.curation.balance.balance import BalanceConfig, Count, DomainBalance, balance_sets, undo_balance
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.progress import Progress


class Arguments(Settings):
    """Bring domains to the same share of pictures with faces, in daylight, or of your own table.

    Without --ratio it only says what the shares are. With it, as few pictures as possible are left out of
    each split, chosen by --seed. Nothing is deleted; --undo brings everything back.

    Examples:
      reskin balance data/got data/fixers --by faces
      reskin balance data/got data/fixers --by faces --ratio 4:1
      reskin balance data/got data/fixers --by brightness --above 0.25 --ratio 1:1
      reskin balance data/got --by people --csv people.csv --ratio 4:1
      reskin balance data/got data/fixers --undo
    """

    folders: Annotated[tuple[Path, ...], Spelled(position="FOLDER")]
    """One or more sets."""
    balance: BalanceConfig
    undo: bool = False
    """Use everything again that balancing left out."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the counts as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin balance")
    if arguments.undo:
        return _undo(arguments)
    with Progress("pictures") as shown:
        domains = balance_sets(arguments.folders, arguments.balance, report=shown)
    if arguments.as_json:
        show_text(json.dumps([domain.to_dict() for domain in domains], indent=2))
    else:
        show(*_table(domains, arguments.balance))
    progress.result("dataset", *arguments.folders)
    unreadable = [file for domain in domains for file in domain.unreadable]
    if unreadable:
        raise PartialError(
            f"{len(unreadable)} pictures cannot be read and were not counted, the first is {unreadable[0]}",
            "Find them with `reskin screen`.",
        )
    return 0


def _undo(arguments: Arguments) -> int:
    if arguments.balance.ratio is not None:
        raise SettingsError("--ratio and --undo contradict each other", "Give one of them.")
    back = undo_balance(arguments.folders)
    if arguments.as_json:
        show_text(json.dumps({"back": back}))
    progress.result("dataset", *arguments.folders)
    say(f"done: {back} picture{'s' * (back != 1)} used again")
    return 0


def _table(domains: list[DomainBalance], config: BalanceConfig) -> list[str]:
    lines = [f"pictures with and without: {config.by} above {config.limit:g}"]
    for domain in domains:
        for split, before in domain.before.items():
            line = f"  {domain.name:<20} {split:<6} {_count(before)}"
            after = domain.after[split]
            if config.ratio is not None:
                line += f"  ->  {_count(after)}"
            if split in domain.untouched:
                line += "  (left as it is: one kind is lacking)"
            lines.append(line)
    if config.ratio is None:
        lines.append("Nothing is left out: give --ratio, such as 4:1.")
    return lines


def _count(count: Count) -> str:
    return f"{count.with_it:>5} : {count.without:<5} ({count.share:.0%} with)"
