"""Asks a command of ours for facts, and keeps its answer in a file, also where the studio was killed.

    python -P -m reskin.web.studio.asking FILE VERSION WORD ...

The words are a command that prints JSON. While it is asked, the folder `asking/` beside the file says so: a
studio that starts then waits for the answer instead of asking once more.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from reskin.errors import ReskinError
from reskin.storage import from_json, lock, write_json

SECONDS = 300.0
"""How long a command may take: machines are busy at times."""


def folder_of(path: Path) -> Path:
    """The folder that is held while the answer for a file is asked for."""
    return path.parent / "asking" / path.stem


def main(words: list[str]) -> int:
    """Ask, keep and print the answer; the command's exit code, 1 where its answer is none."""
    path, version, line = Path(words[0]), words[1], words[2:]
    try:
        with lock(folder_of(path)):
            done = subprocess.run(  # noqa: S603 - our own command line
                line, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False
            )
            facts = from_json(done.stdout) if done.returncode == 0 else None
            if isinstance(facts, dict):
                write_json(path, {"of": version, "facts": facts})
    except subprocess.TimeoutExpired:
        return _failed(f"it took more than {SECONDS:.0f} s", 1)
    except ValueError:
        return _failed("it failed: what it printed is no JSON", 1)
    except ReskinError as error:  # another process asks, or the disk refuses
        return _failed(str(error), 1)
    if not isinstance(facts, dict):
        return _failed(done.stderr.decode("utf-8", "replace"), done.returncode or 1)
    with suppress(OSError):  # the studio that asked may be gone
        sys.stdout.buffer.write(done.stdout)
        sys.stdout.flush()
    return 0


def _failed(text: str, code: int) -> int:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
