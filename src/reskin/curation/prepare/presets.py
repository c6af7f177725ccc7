"""The settings of the reports that this project stands on, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reskin.unknown import unknown


@dataclass(frozen=True)
class Preset:
    """Named settings.

    Attributes:
        about: what it is, for the help.
        settings: fields of `FramesConfig` or `FacesConfig` and their values.
    """

    about: str
    settings: dict[str, Any]


FRAMES = {
    "got_frames": Preset(
        "Game of Thrones to Fixer Upper: every 100th frame at 640x360, 4:1",
        {"every": 100, "size": "640x360", "ratio": "4:1"},
    ),
    "face_frame_frames": Preset(
        "film to game, scenes: 1,500 frames at random, squeezed to 128x128, 8:1:1",
        {"count": 1500, "size": "128x128", "ratio": "8:1:1"},
    ),
    "recycle_frames": Preset(
        "a pair of videos for CycleGAN and Recycle-GAN: all frames in order, 14:5",
        {"every": 1, "ratio": "14:5"},
    ),
}
"""For `reskin prepare frames`."""

FACES = {
    "face_frame_faces": Preset(
        "film to game, faces: 1,000 faces at 128x128, 8:1:1",
        {"count": 1000, "size": 128, "ratio": "8:1:1"},
    ),
}
"""For `reskin prepare faces`."""


def preset_settings(presets: dict[str, Preset], name: str) -> dict[str, Any]:
    """The settings of a preset.

    Args:
        presets: `FRAMES` or `FACES`.
        name: its name.

    Raises:
        SettingsError: there is none of this name.

    >>> preset_settings(FRAMES, "got_frames")["every"]
    100
    """
    if name not in presets:
        raise unknown("preset", name, presets, what=f"there is no preset '{name}'")
    return dict(presets[name].settings)


WAYS = frozenset({"every", "count", "per_second", "per_shot"})
"""Ways of choosing frames, of which one is used."""


def with_preset(presets: dict[str, Preset], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `given` above those of the preset that they name under "preset", if they name one.

    Another way of choosing frames replaces the preset's. `None` counts as not given.

    Raises:
        SettingsError: there is no preset of this name.

    >>> with_preset(FRAMES, {"preset": "got_frames", "count": 9})["size"], len(with_preset(FRAMES, {}))
    ('640x360', 0)
    """
    given = {key: value for key, value in given.items() if value is not None}
    if "preset" not in given:
        return given
    below = preset_settings(presets, given["preset"])
    if presets is FRAMES and WAYS & given.keys():
        below = {key: value for key, value in below.items() if key not in WAYS}
    return below | given
