"""Films through a run: previews of several settings of one moment, and the whole film."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reskin.errors import SettingsError
from reskin.web.studio.forms import checked_name
from reskin.web.studio.jobs import NewJob
from reskin.web.studio.orders import DEVICE_LANE, Orders
from reskin.web.studio.state import NAME

FOLDER = "films"
PREVIEW_SECONDS = 3
MOST_PREVIEWS = 6
_LONGEST = 10**6


class Films:
    """Turns what was filled in into translations of films.

    Args:
        orders: of the studio.
    """

    def __init__(self, orders: Orders) -> None:
        self.orders = orders

    def job(self, values: Mapping[str, Any]) -> NewJob:
        """The job that translates a whole film.

        Args:
            values: run and clip (ids), name (of the film) and settings, as the browser sent them.

        Raises:
            SettingsError: something is missing or not known.
            RunError: the settings of the command are not known.
        """
        out = f"{FOLDER}/{checked_name(values.get('name'))}.mp4"
        words = self._words(values, out, values.get("settings", {}))
        return NewJob("translate", out, tuple(words), DEVICE_LANE, makes=(out,))

    def previews(self, values: Mapping[str, Any]) -> list[NewJob]:
        """Jobs that translate some seconds of a film, one for each combination of the settings to compare.

        Args:
            values: run, clip and settings as for `job`; start, in seconds; vary: setting to values
                with spaces between.

        Raises:
            SettingsError: as `job`, or there are more than 6 combinations.
            RunError: the settings of the command are not known.
        """
        start, vary = values.get("start"), values.get("vary", {})
        if isinstance(start, bool) or not isinstance(start, int | float) or not 0 <= start < _LONGEST:
            raise SettingsError("this is no time in the film", "Choose where to begin.")
        if not isinstance(vary, dict) or not all(isinstance(each, str) for each in vary.values()):
            raise SettingsError("the settings to compare are no object", "Load the page again.")
        axes = [[(name, value) for value in dict.fromkeys(text.split())] for name, text in vary.items()]
        variants = [dict(each) for each in itertools.product(*(axis for axis in axes if axis))]
        if len(variants) > MOST_PREVIEWS:
            raise SettingsError(
                f"{len(variants)} previews are more than {MOST_PREVIEWS}", "Give fewer values to compare."
            )
        folder, settings = f"{NAME}/previews/{secrets.token_hex(8)}", values.get("settings", {})
        if not isinstance(settings, dict):
            raise SettingsError("the settings are no object", "Load the page again.")
        made = []
        for number, variant in enumerate(variants):
            out = f"{folder}/{number}.mp4"
            words = self._words(values, out, settings | variant)
            words += ["--start", f"{start:g}", "--seconds", str(PREVIEW_SECONDS)]
            title = ", ".join(f"{name} {value}" for name, value in variant.items()) or "as it is"
            made.append(NewJob("preview", title, tuple(words), DEVICE_LANE, makes=(out,)))
        return made

    def _words(self, values: Mapping[str, Any], out: str, settings: Any) -> list[str]:
        run = self.orders.name("runs", str(values.get("run", "")))
        clip = self.orders.name("clips", str(values.get("clip", "")))
        return ["translate", run, clip, out, *self.orders.settings("translate", settings)]


def free_name(run: str, clip: str, taken: set[str]) -> str:
    """A name for a film that is not taken.

    >>> free_name("runs/a", "footage/b.mp4", {"films/a-b.mp4"})
    'a-b-2'
    """
    first = f"{Path(run).name}-{Path(clip).stem}"[:70]
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "_ .-") else "-" for each in first)
    first = plain.strip(" .-") or "film"
    names = itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2)))
    return next(name for name in names if f"{FOLDER}/{name}.mp4" not in taken)
