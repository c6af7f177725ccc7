"""What the studio keeps, in the folder `.reskin` of the footage's folder: secret, jobs, and who serves now.

    .reskin/  secret  queue.json  running.json  methods.json  tools.json
              jobs/<id>/  lanes/  uploads/<id>/  trash/<id>/  previews/<id>/
              sets/<dataset>.sqlite (verdicts)  .index.sqlite  .csv  thumbs/<dataset>.sqlite

Only its owner may read it. Nothing of the studio's is written anywhere else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskin.errors import ReskinError
from reskin.paths import inside, read_plain
from reskin.storage import commit, read_json, to_json

NAME = ".reskin"
SECRET_BYTES = 32


@dataclass(frozen=True)
class StateFolder:
    """Names in the studio's folder, and what is kept there.

    Args:
        root: the folder that the studio was opened on.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """The studio's own folder."""
        return self.root / NAME

    @property
    def jobs(self) -> Path:
        """A folder for each job."""
        return self.folder / "jobs"

    @property
    def queue(self) -> Path:
        """The order of the jobs that wait."""
        return self.folder / "queue.json"

    @property
    def running(self) -> Path:
        """Who serves now: port and key."""
        return self.folder / "running.json"

    @property
    def methods(self) -> Path:
        """What is known of the methods, written by a child process."""
        return self.folder / "methods.json"

    @property
    def tools(self) -> Path:
        """What is known of the commands with a form, written by a child process."""
        return self.folder / "tools.json"

    @property
    def uploads(self) -> Path:
        """A folder for each file that is being sent."""
        return self.folder / "uploads"

    @property
    def trash(self) -> Path:
        """A folder for each thing that was put away."""
        return self.folder / "trash"

    @property
    def previews(self) -> Path:
        """Clips that were translated for a look."""
        return self.folder / "previews"

    def make(self) -> None:
        """Make the folder, for its owner alone.

        Raises:
            DataError: the name is taken by a link or a file.
        """
        inside(self.root, NAME, kind="folder", writes=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        for folder in (self.jobs, self.folder / "lanes", self.uploads, self.trash, self.previews):
            inside(self.root, f"{NAME}/{folder.name}", kind="folder", writes=True)
            folder.mkdir(mode=0o700, exist_ok=True)

    def secret(self) -> bytes:
        """The bytes that sign sessions, the same after a restart; made the first time, or where damaged."""
        path = self.folder / "secret"
        try:
            known = read_plain(path, most_bytes=SECRET_BYTES + 1)
        except (OSError, ReskinError):
            known = b""
        if len(known) == SECRET_BYTES:
            return known
        fresh = secrets.token_bytes(SECRET_BYTES)
        self._write(path, fresh)
        return fresh

    def say_running(self, port: int, key: str) -> None:
        """Write down who serves now."""
        self._write(self.running, to_json({"port": port, "key": key}))

    def who_runs(self) -> dict[str, Any] | None:
        """Port and key of who serves, as written down; None where nobody has."""
        try:
            found = read_json(self.running, most_bytes=1000)
        except ReskinError:
            return None
        return found if type(found.get("port")) is int and isinstance(found.get("key"), str) else None

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with commit(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(content)
