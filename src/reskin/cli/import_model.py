"""`reskin import FILE`: a generator of the CycleGAN or CUT repository as a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.config import Settings
from reskin.parsing import Spelled
from reskin.types import Direction


class Arguments(Settings):
    """Turn a generator of the CycleGAN, pix2pix or CUT repository (latest_net_G_A.pth) into a model folder.

    A network of fast style transfer (painting.pth) is taken too. Kind of network, blocks, normalisation,
    dropout and width are read off the file; nothing has to be typed again.

    Examples:
      reskin import latest_net_G_A.pth --out models/horse2zebra
      reskin translate models/horse2zebra horse.jpg zebra.jpg
      reskin import painting.pth --out models/painting
    """

    file: Annotated[Path, Spelled(position="FILE")]
    """The .pth file of one generator."""
    out: Path
    """The model folder to make."""
    direction: Direction | None = None
    """Which way it translates; by default b2a where the file is called ..._G_B.pth, else a2b."""
    has_test_noise: bool = False
    """Have a network with batch norm or dropout translate as its repository tests: by the statistics of each
    picture and with dropout, a little different every time; else by the statistics of training."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin import")

    from reskin.runs.imports.model_folder import has_noise, import_model

    direction = arguments.direction or ("b2a" if arguments.file.stem.endswith("_B") else "a2b")
    settings = import_model(arguments.file, arguments.out, direction, has_test_noise=arguments.has_test_noise)
    found = ", ".join(f"{key} {value}" for key, value in settings.items())
    if has_noise(settings) and not arguments.has_test_noise:
        say(
            "it translates by the statistics of training and without dropout; with --has-test-noise as the"
            " test of its repository does (without --eval)"
        )
    progress.result("model", arguments.out)
    say(f"done: {arguments.out} ({found})", f"next: reskin translate {arguments.out} IN OUT")
    return 0
