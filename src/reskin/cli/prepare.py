"""`reskin prepare frames VIDEO...`: frames of videos as a data set with splits that do not leak."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.data.prepare.frames import FramesConfig, prepare_frames
from reskin.errors import PartialError, SettingsError

KINDS = ("frames",)


@dataclass(frozen=True)
class Arguments:
    """Take frames out of videos and split them into train, val and test so that neighbours stay together.

    Run the same command again to go on where it stopped.

    Examples:
      reskin prepare frames film.mp4 --out data/film --every 100 --size 640x360
      reskin prepare frames ep1.mkv ep2.mkv --out data/series --count 2000 --size 256 --split source
    """

    videos: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="VIDEO")]
    """One or more videos of one side."""
    out: Path
    """The folder to make."""
    frames: FramesConfig


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if words[:1] in (["-h"], ["--help"]):
        print("usage: reskin prepare frames VIDEO... --out FOLDER [OPTIONS]\n")
        print("`reskin prepare frames --help` lists the options.")
        return 0
    if not words or words[0] not in KINDS:
        raise SettingsError(
            f"what to prepare is not known ({words[0] if words else 'nothing given'})",
            "Type: reskin prepare frames VIDEO... --out FOLDER",
        )
    arguments = parse(Arguments, words[1:], command="reskin prepare frames")
    with Counter("frames") as counter:
        manifest = prepare_frames(arguments.videos, arguments.out, arguments.frames, report=counter.show)
    for line in manifest.damaged:
        print(line, file=sys.stderr)
    if manifest.damaged:
        raise PartialError(
            f"{len(manifest.frames)} frames are in {arguments.out}, but a source is damaged",
            "Its sound frames were used; give an undamaged file for the rest.",
        )
    print(f"done: {arguments.out} ({len(manifest.frames)} frames)", file=sys.stderr)
    return 0
