"""Says of lines of words what their command would refuse in them: for programs that ask while one types.

Each line of standard input is a JSON list, such as train, method and flags; each line of the answer is
`{"fault": ""}` or the sentence. Nothing is read or written but this.
"""

from __future__ import annotations

import json
import sys
from typing import TextIO

from reskin.cli.forms import read
from reskin.errors import ReskinError


def answer(lines: TextIO, out: TextIO) -> None:
    """Answer every line until there are no more."""
    for line in lines:
        words = json.loads(line)
        out.write(json.dumps({"fault": fault(words)}) + "\n")
        out.flush()


def fault(words: list[str]) -> str:
    """What is wrong with the words after `reskin`, in the command's own sentence; "" for nothing.

    >>> fault(["train", "cyclegan", "--a", "x", "--b", "y", "--out", "run", "--batch", "0"])
    '--batch 0: Input should be greater than or equal to 1. See: reskin train cyclegan --help'
    """
    try:
        read(words)
    except ReskinError as error:
        return str(error)
    except SystemExit:  # a value that asks for the help
        return "Help is shown in a terminal."
    return ""


if __name__ == "__main__":
    answer(sys.stdin, sys.stdout)
