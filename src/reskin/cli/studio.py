"""`reskin studio [FOLDER]`: runs, jobs and training in a browser, on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from reskin.cli.options import parse
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.parsing import Spelled


class Arguments(Settings):
    """Open the studio of a folder in the browser: what lies there, training with live curves, the queue.

    It answers on this machine alone (127.0.0.1), to whoever has the link that is printed; a link works once.
    Jobs go on when the browser or the studio is closed. All that it keeps is in FOLDER/.reskin.

    Examples:
      reskin studio
      reskin studio /mnt/films --port 9000
      ssh -L 8765:127.0.0.1:8765 USER@MACHINE reskin studio films --no-browser
    """

    folder: Annotated[Path, Spelled(position="FOLDER")] = Path(".")
    """Where datasets and runs are; by default here."""
    port: Annotated[int, BASIC] = Field(default=8765, ge=1024, le=65535)
    """Port to listen on; if it is in use, the next free one."""
    browser: Annotated[bool, BASIC] = True
    """Open the browser; --no-browser prints the link only."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin studio")
    try:
        from reskin.web.studio.serve import serve_studio
    except ImportError as error:
        if error.name and error.name.partition(".")[0] in ("starlette", "uvicorn"):
            raise SettingsError(
                "the studio needs Starlette and uvicorn", "Type: pip install 'reskin[studio]'"
            ) from None
        raise
    return serve_studio(arguments.folder, port=arguments.port, is_opened=arguments.browser)
