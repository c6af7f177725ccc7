"""What the forms beside the training form stand for: commands on footage and datasets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reskin.errors import SettingsError
from reskin.web.studio.curate_query import file_of
from reskin.web.studio.curate_sets import Curation
from reskin.web.studio.forms import checked_name, flags, tool_fields
from reskin.web.studio.jobs import NewJob
from reskin.web.studio.methods import Tools
from reskin.web.studio.scan import INSPECTIONS, Scan

LIGHT_LANE, DEVICE_LANE = "light", "device"
"""Lanes of jobs that compute on pictures alone, and of those that may need the graphics card."""
Source = Literal["clips", "sets"]
MOST_CHOSEN = 200


@dataclass(frozen=True)
class Tool:
    """A command with a form.

    Attributes:
        name: as it is typed.
        takes: what is chosen for it.
        least, most: how many of them.
        makes: the folder below which its result is, "" where it changes what was chosen.
        lane: jobs of one lane run one after the other.
    """

    name: str
    takes: Source
    least: int = 1
    most: int = MOST_CHOSEN
    makes: str = ""
    lane: str = LIGHT_LANE


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("prepare frames", "clips", makes="data"),
        Tool("prepare clips", "clips", makes="data"),
        Tool("prepare faces", "clips", makes="data", lane=DEVICE_LANE),
        Tool("prepare images", "sets", most=1, makes="data"),
        Tool("screen", "sets"),
        Tool("balance", "sets"),
        Tool("split", "sets", most=1),
        Tool("inspect", "sets", most=2, makes=INSPECTIONS),
    )
}
PREPARES = tuple(name for name in TOOLS if name.startswith("prepare "))
CURATES = tuple(name for name in TOOLS if not name.startswith("prepare "))


class Orders:
    """Turns what was filled in into commands.

    Args:
        scan: what there is to choose from.
        tools: what is known of the commands.
        curation: knows the pictures of datasets by number.
    """

    def __init__(self, scan: Scan, tools: Tools, curation: Curation) -> None:
        self.scan, self.tools, self.curation = scan, tools, curation

    def job(self, values: Mapping[str, Any]) -> NewJob:
        """The job of a form.

        Args:
            values: tool, chosen (ids), name (of what is made) and settings, as the browser sent them.

        Raises:
            SettingsError: something is missing or not known.
            RunError: the commands are not known.
        """
        tool = TOOLS.get(str(values.get("tool", "")))
        if tool is None:
            raise SettingsError("no such command", "Load the page again.")
        chosen = self._chosen(tool, values.get("chosen"))
        words = [*tool.name.split(), *chosen]
        title = ", ".join(Path(name).name for name in chosen[:3]) + (" …" if len(chosen) > 3 else "")
        makes: tuple[str, ...] = ()
        if tool.makes:
            title = f"{tool.makes}/{checked_name(values.get('name'))}"
            makes = (f"{title}.html",) if tool.name == "inspect" else ()
            words += ["--out", *(makes or [title])]
        words += self.settings(tool.name, values.get("settings", {}))
        return NewJob(tool.name, title, tuple(words), tool.lane, makes=makes)

    def settings(self, name: str, given: Any) -> list[str]:
        """Flags of a command for what was filled in.

        Raises:
            SettingsError: a setting that it does not have.
        """
        if not isinstance(given, dict):
            raise SettingsError("the settings are no object", "Load the page again.")
        return flags(tool_fields(self.tools.all()[name]), given, self.picked)

    def picked(self, kind: str, id: str) -> str:
        """What was chosen for a setting that is a file or folder, as it is typed in the studio's folder.

        Args:
            kind: of the field: folder, mask or pictures.
            id: of a dataset or clip; for a picture that of the dataset, a colon and its number.

        Raises:
            SettingsError: it is not there (any more).
        """
        if kind != "pictures":
            return self.name("clips" if kind == "mask" and id in self.scan.look().clips else "sets", id)
        of, _, number = id.partition(":")
        folder = self.name("sets", of)
        known = self.curation.of(of, self.scan.root / folder) if number.isdecimal() else None
        file = file_of(known, int(number)) if known and len(number) < 12 and known.facts() else None
        if file is None:
            raise SettingsError("what was chosen is not there any more", "Load the page again.")
        return f"{folder}/{file}"

    def _chosen(self, tool: Tool, ids: Any) -> list[str]:
        if not isinstance(ids, list) or not tool.least <= len(ids) <= tool.most:
            raise SettingsError(
                f"nothing is chosen, or too much, for `reskin {tool.name}`",
                f"Choose from {tool.least} to {tool.most}.",
            )
        return [self.name(tool.takes, one) for one in dict.fromkeys(map(str, ids))]

    def name(self, kind: Source | Literal["runs"], id: str) -> str:
        """What was chosen, as it is typed in the studio's folder.

        Raises:
            SettingsError: it is not there (any more).
        """
        found = self.scan.look()
        if kind == "sets":
            path = found.sets[id].name if id in found.sets else ""
        else:
            there = (found.clips if kind == "clips" else found.runs).get(id)
            path = self.scan.name(there) if there else ""
        if not path:
            raise SettingsError("what was chosen is not there any more", "Load the page again.")
        return f"./{path}" if path.startswith("-") else path


def is_about(words: tuple[str, ...], name: str) -> bool:
    """Whether a command names a folder or file, relative to the studio's.

    >>> is_about(("screen", "data/film"), "data/film"), is_about(("screen", "data/film2"), "data/film")
    (True, False)
    """
    return any(word.removeprefix("./").rstrip("/") == name or word.startswith(f"{name}/") for word in words)


def typed(words: tuple[str, ...] | list[str]) -> str:
    """Words as they are typed in a shell, `reskin` first."""
    return shlex.join(["reskin", *words])
