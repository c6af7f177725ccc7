"""`reskin download NAME --out FOLDER`: the standard sets of the literature, from their public addresses."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.curation.download.catalog import SETS, find_set
from reskin.curation.download.sets import Downloaded, download_set
from reskin.errors import SettingsError


@dataclass(frozen=True)
class Arguments:
    """Download a standard set into a folder; without a name, list the sets.

    What broke off goes on with the same command. The checksum of the first download is remembered, and
    another file under the same name is refused. The folder appears when all of it is there.

    Examples:
      reskin download
      reskin download horse2zebra --out data/horse2zebra
      reskin download pix2pix-maps --from maps.tar.gz --out data/maps
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """Name of the set; `reskin download` alone lists them."""
    out: Path | None = None
    """The folder to make."""
    archive: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """An archive that is on this disk already, instead of a download."""
    json: bool = False
    """Print the result, or the list, as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin download")
    if arguments.name is None:
        print(json.dumps(listing(), indent=2, ensure_ascii=False) if arguments.json else listing_text())
        return 0
    wanted = find_set(arguments.name)
    if arguments.out is None:
        raise SettingsError("missing: --out", f"Type: reskin download {wanted.name} --out data/{wanted.name}")
    if arguments.archive is None:
        print(f"from {wanted.url}\nterms: {wanted.terms}", file=sys.stderr)
    with _TwoCounters() as counters:
        done = download_set(wanted, arguments.out, archive=arguments.archive, report=counters.show)
    if arguments.json:
        print(json.dumps({**asdict(done), "folder": str(done.folder)}, indent=2))
    print(_summary(done), file=sys.stderr)
    return 0


def _summary(done: Downloaded) -> str:
    counts = ", ".join(f"{count} in {name}" for name, count in sorted(done.counts.items()))
    if done.was_there:
        return f"done: {done.folder} was there already ({counts})"
    pinned = "remembered for next time" if done.is_pinned_anew else "as before"
    return f"done: {done.folder} ({counts}; {done.size_bytes / 1e6:.1f} MB, checksum {pinned})"


def listing() -> list[dict[str, str]]:
    """What can be downloaded, as JSON shows it."""
    return [
        {
            "name": item.name,
            "kind": item.kind,
            "shows": item.shows,
            "counts": item.counts,
            "terms": item.terms,
            "url": item.url,
            "refusal": item.refusal,
        }
        for item in SETS.values()
    ]


def listing_text() -> str:
    """The same as a table; the counts are those for training, as the makers of the sets state them."""
    lines = []
    for kind in ("unpaired", "paired"):
        lines.append(f"{kind}:")
        for item in SETS.values():
            if item.kind == kind:
                note = f"  (needs a login: {item.refusal.split(' from ')[-1]})" if item.refusal else ""
                lines.append(f"  {item.name:<24}{item.counts:<22}{item.shows}{note}")
    lines.append("\nReskin holds none of these pictures; mind their terms (--json shows them).")
    return "\n".join(lines)


class _TwoCounters:
    """Shows bytes while downloading, then pictures while unpacking."""

    def __init__(self) -> None:
        self.counters: dict[str, Counter] = {}

    def __enter__(self) -> _TwoCounters:
        return self

    def __exit__(self, *error: object) -> None:
        for counter in self.counters.values():
            counter.__exit__(None, None, None)

    def show(self, what: str, done: int, total: int | None) -> None:
        """Say how far the bytes or the pictures are."""
        unit, name = (1_000_000, "MB") if what == "bytes" else (1, "pictures")
        counter = self.counters.setdefault(what, Counter(name))
        counter.show(done // unit, None if total is None else max(1, total // unit))
