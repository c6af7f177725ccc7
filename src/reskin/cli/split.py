"""`reskin split FOLDER`: move the pictures of a dataset between train, val and test."""

from __future__ import annotations

import json
from collections import Counter as Counts
from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show_text
from reskin.config import Settings
from reskin.curation.split.resplit import BETWEEN, SplitConfig, resplit
from reskin.parsing import Spelled


class Arguments(Settings):
    """Split a folder of pictures into train, val and test by moving its files.

    A split is made once: a folder that is split already is refused without --again. Killed in the middle, the
    same command brings it to its end.

    Examples:
      reskin split data/got --ratio 8:1:1 --by shot
      reskin split data/castles --ratio 4:1 --by random --seed 7 --again
    """

    folder: Annotated[Path, Spelled(position="FOLDER")]
    """A folder that `reskin prepare` made, or any folder of pictures."""
    split: SplitConfig
    again: bool = False
    """Also move the pictures of a folder that is split already."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print a summary as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin split")
    manifest = resplit(arguments.folder, arguments.split, again=arguments.again)
    splits = Counts(frame.split for frame in manifest.used())
    counts = {split: splits[split] for split in ("train", "val", "test") if splits[split]}
    between = sum(BETWEEN in (frame.left_out or ()) for frame in manifest.frames)
    if arguments.as_json:
        show_text(json.dumps({"folder": str(arguments.folder), "splits": counts, "between_splits": between}))
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    left = f"; {between} between splits are left out" if between else ""
    progress.result("dataset", arguments.folder)
    say(f"done: {arguments.folder} ({said}{left})")
    return 0
