"""Where the speakers of a sound track stand, also where a file lists them in an order of its own.

PyAV frees the memory of such a list once for itself and once for FFmpeg, which ends the process. Whatever
holds one goes through this module, which sees to it that PyAV never frees it.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import av

_ORDER = [channel.name for channel in av.AudioLayout("22.2").channels]
"""FFmpeg's names of speakers, in the order in which encoders take their samples."""

_LISTED = re.compile(r"[0-9]+ channels? \((.+)\)")


@dataclass(frozen=True)
class Speakers:
    """The speakers of a sound track.

    Attributes:
        layout: FFmpeg's name of their layout, such as "5.1(side)", or "2 channels" where none is stated.
        count: how many there are.
    """

    layout: str
    count: int


def speakers_of(context: Any) -> Speakers:
    """The speakers of a track, by the codec context of its stream.

    >>> speakers_of(av.CodecContext.create("pcm_s16le", "r"))
    Speakers(layout='0 channels', count=0)
    """
    layout = context.layout
    name, count = layout.name, layout.nb_channels
    if (listed := _LISTED.fullmatch(name)) is None:
        return Speakers(name, count)
    _keep(layout)
    names = set(listed[1].split("+"))
    if not names <= set(_ORDER) or len(names) != count:
        return Speakers(f"{count} channels", count)
    return Speakers(av.AudioLayout("+".join(sorted(names, key=_ORDER.index))).name, count)


def kept(frames: Iterable[Any]) -> list[Any]:
    """Decoded frames of sound whose lists of speakers PyAV does not free."""
    found = list(frames)
    for frame in found:
        if _LISTED.fullmatch(frame.layout.name):
            _keep(frame.layout)
    return found


def _keep(layout: Any) -> None:
    """Have Python never free a layout: its list belongs to FFmpeg, which does."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
