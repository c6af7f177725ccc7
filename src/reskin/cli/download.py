"""`reskin download NAME --out FOLDER`: the standard sets of the literature, from their public addresses."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show_text
from reskin.config import Settings
from reskin.curation.download.catalog import SETS, find_set
from reskin.curation.download.sets import Downloaded, download_set
from reskin.errors import SettingsError
from reskin.parsing import Spelled
from reskin.progress import Progress


class Arguments(Settings):
    """Download a standard set into a folder; without a name, list the sets.

    What broke off goes on with the same command. The checksum of the first download is remembered, and
    another file under the same name is refused. The folder appears when all of it is there.

    Examples:
      reskin download
      reskin download horse2zebra --out data/horse2zebra
      reskin download pix2pix-maps --from maps.tar.gz --out data/maps
    """

    name: Annotated[str | None, Spelled(position="NAME")] = None
    """Name of the set; `reskin download` alone lists them."""
    out: Path | None = None
    """The folder to make."""
    archive: Annotated[Path | None, Spelled("from")] = None
    """An archive that is on this disk already, instead of a download."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the result, or the list, as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin download")
    if arguments.name is None:
        show_text(json.dumps(listing(), indent=2) if arguments.as_json else listing_text())
        return 0
    wanted = find_set(arguments.name)
    if arguments.out is None:
        raise SettingsError("missing: --out", f"Type: reskin download {wanted.name} --out data/{wanted.name}")
    if arguments.archive is None:
        say(f"from {wanted.url}", f"terms: {wanted.terms}")
    with Progress() as shown:
        done = download_set(wanted, arguments.out, archive=arguments.archive, report=shown)
    if arguments.as_json:
        show_text(json.dumps({**asdict(done), "folder": str(done.folder)}, indent=2))
    progress.result("dataset", done.folder)
    say(_summary(done))
    return 0


def _summary(done: Downloaded) -> str:
    counts = ", ".join(f"{count} in {name}" for name, count in sorted(done.counts.items()))
    if done.was_there:
        return f"done: {done.folder} was there already ({counts})"
    known = (
        "not verified, since its makers state none; remembered for next time"
        if done.is_pinned_anew
        else "as before"
    )
    return f"done: {done.folder} ({counts}; {done.size_bytes / 1e6:.1f} MB, SHA-256 {done.sha256} {known})"


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
