"""`reskin split FOLDER`: move the pictures of a data set between train, val and test."""

from __future__ import annotations

import json
import sys
from collections import Counter as Counts
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reskin.cli.arguments import parse
from reskin.curation.split.resplit import BETWEEN, SplitConfig, resplit


@dataclass(frozen=True)
class Arguments:
    """Split a folder of pictures into train, val and test by moving its files.

    A split is made once: a folder that is split already is refused without --again. Killed in the middle, the
    same command brings it to its end.

    Examples:
      reskin split data/got --ratio 8:1:1 --by shot
      reskin split data/castles --ratio 4:1 --by random --seed 7 --again
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """A folder that `reskin prepare` made, or any folder of pictures."""
    split: SplitConfig
    again: bool = False
    """Also move the pictures of a folder that is split already."""
    json: bool = False
    """Print a summary as JSON."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin split")
    manifest = resplit(arguments.folder, arguments.split, again=arguments.again)
    splits = Counts(frame.split for frame in manifest.used())
    counts = {split: splits[split] for split in ("train", "val", "test") if splits[split]}
    between = sum(BETWEEN in (frame.left_out or ()) for frame in manifest.frames)
    if arguments.json:
        print(json.dumps({"folder": str(arguments.folder), "splits": counts, "between_splits": between}))
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    left = f"; {between} between splits are left out" if between else ""
    print(f"done: {arguments.folder} ({said}{left})", file=sys.stderr)
    return 0
