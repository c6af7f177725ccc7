"""What a container states about its own end: how many packets, how many seconds, how many bytes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def stated_packets(container: Any, stream: Any) -> int:
    """How many packets the index of an MP4 or MOV file promises; 0 where there is no such index."""
    if "mp4" not in container.format.name:
        return 0
    return min(int(stream.frames), len(stream.index_entries))


def stated_end(container: Any, stream: Any) -> Fraction | None:
    """Seconds at which a file says that its pictures end, None where it does not say.

    Matroska states it for each track and for the file: the earlier one counts, since programs that cut a file
    often leave the other as it was. MP4 states the length of the track.
    """
    if "matroska" in container.format.name:
        of_track, of_file = _duration_tag(stream), container.duration
        if of_track is None or not of_file:
            return None
        return min(of_track, Fraction(of_file, 1_000_000) + Fraction(1, 1000))
    if "mp4" in container.format.name and stream.duration and stream.start_time is not None:
        return Fraction((stream.start_time + stream.duration) * stream.time_base)
    return None


def _duration_tag(stream: Any) -> Fraction | None:
    text = next((value for name, value in stream.metadata.items() if name.upper().startswith("DURATION")), "")
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


def is_cut_matroska(path: Path) -> bool:
    """Whether a Matroska file is shorter than its segment says; False for other files and unknown sizes."""
    with open(path, "rb") as file:
        if file.read(4) != _EBML:
            return False
        header = _size(file)
        if header is None:
            return False
        file.seek(header, 1)
        if file.read(4) != _SEGMENT:
            return False
        segment = _size(file)
        return segment is not None and file.tell() + segment > path.stat().st_size


def _size(file: Any) -> int | None:
    """An EBML size (RFC 8794, section 4); None where it is unknown or missing."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    mark = 1 << (7 * (more + 1))
    value = int.from_bytes(first + file.read(more)) & (mark - 1)
    return None if value == mark - 1 else value
