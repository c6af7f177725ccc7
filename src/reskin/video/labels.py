"""What a container says about its tracks and itself: languages, titles, flags, chapters, timecode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reskin.video.source import find_pictures, open_container

_TECHNICAL = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name", "vendor_id"}
    | {"bps", "number_of_frames", "number_of_bytes", "source_id", "alpha_mode", "rotate"}
    | {"timecode", "language", "is_avc", "hw", "maxrate", "bitrate", "software", "wm/mediaprimary"}
)
"""What a muxer writes anew or what describes the old bytes; the rest is the user's."""

_KEPT_FLAGS = ("default", "forced", "original", "dub", "comment", "hearing_impaired", "visual_impaired")


def copy_labels(source: Any, target: Any) -> None:
    """Give an output stream the language, title and flags of a source's stream."""
    for key, value in source.metadata.items():
        if key.lower() in ("language", "title"):
            target.metadata[key.lower()] = value
    target.disposition = _flags(source)


def _flags(stream: Any) -> Any:
    flags = av.stream.Disposition(0)
    for name in _KEPT_FLAGS:
        flags |= stream.disposition & av.stream.Disposition[name]
    return flags


def copy_file_labels(
    source: Any,
    output: Any,
    target: Any,
    *,
    shift: Fraction,
    part: tuple[Fraction | None, Fraction | None] = (None, None),
) -> None:
    """Give an output file the title and other words, the chapters and the timecode of a source.

    Where a film was made is not copied: that is a fact about people which a translation need not carry.

    Args:
        source: the opened source.
        output: the PyAV output container, nothing written yet.
        target: its video stream.
        shift: seconds by which everything is moved to later times.
        part: seconds of the source at which a part of it begins and ends; chapters outside are left out, and
            a part that begins later has no timecode.
    """
    since, until = part
    output.metadata.update(_words(source.metadata))
    pictures = find_pictures(source)
    if pictures is not None:
        copy_labels(pictures, target)
    timecode = timecode_of(source)
    if timecode and since is None:
        target.metadata["timecode"] = timecode
    moved = []
    for chapter in source.chapters():
        begins, ends = chapter["start"] * chapter["time_base"], chapter["end"] * chapter["time_base"]
        if (since is not None and ends <= since) or (until is not None and begins >= until):
            continue
        by = round(shift / chapter["time_base"])
        start = max(0, chapter["start"] + by)
        moved.append({**chapter, "start": start, "end": max(start, chapter["end"] + by)})
    if moved:
        output.set_chapters(moved)


def _words(metadata: Any) -> dict[str, str]:
    """The labels of a file that a user wrote, by lower-case name."""
    return {
        key.lower(): value
        for key, value in metadata.items()
        if not key.startswith("_") and key.lower() not in _TECHNICAL and not _is_location(key)
    }


def _is_location(key: str) -> bool:
    return "location" in key.lower() or key.lower().startswith(("gps", "xyz"))


def timecode_of(container: Any) -> str | None:
    """The time of day or of the tape at which the first frame was taken, such as "10:00:00:00"."""
    streams = [*container.streams.video, *container.streams.data]
    found = [stream.metadata.get("timecode") for stream in streams]
    return next((code for code in [*found, container.metadata.get("timecode")] if code), None)


def lost_labels(source: Path, written: Path, suffix: str, *, is_part: bool = False) -> list[str]:
    """What of a source's labels is not in the file that was written, as lines for people.

    Args:
        source: the source.
        written: the finished file.
        suffix: the ending it will have.
        is_part: whether only a part of the source was written, so that chapters and timecode may be missing.
    """
    with open_container(source) as before, open_container(written) as after:
        pairs = [("the pictures", find_pictures(before), find_pictures(after))]
        if None in pairs[0]:
            pairs = []
        if len(before.streams.audio) == len(after.streams.audio):
            sounds = zip(before.streams.audio, after.streams.audio, strict=True)
            pairs += [(f"sound track {number}", *pair) for number, pair in enumerate(sounds, 1)]
        notes = [note for name, old, new in pairs for note in _lost_of_track(name, old, new)]
        missing = set(_words(before.metadata)) - {key.lower() for key in after.metadata}
        places = {key for key in before.metadata if _is_location(key)}
        if missing:
            notes.append(f"labels of the file left out, {suffix} holds none: {_listed(missing)}")
        if places:
            notes.append("the location where the film was made is not written into the copy")
        if not is_part and len(after.chapters()) < len(before.chapters()):
            notes.append(f"{len(before.chapters()) - len(after.chapters())} chapters are left out")
        if not is_part and timecode_of(before) and timecode_of(before) != timecode_of(after):
            notes.append(f"the timecode {timecode_of(before)} is left out")
        return notes


def _lost_of_track(name: str, old: Any, new: Any) -> list[str]:
    notes = []
    for word in ("language", "title"):
        stated = old.metadata.get(word)
        if stated and not (word == "language" and stated == "und") and new.metadata.get(word) != stated:
            notes.append(f"the {word} of {name} ({stated}) is left out")
    before, after = int(_flags(old)), int(_flags(new))
    lost = [flag for flag in _KEPT_FLAGS if (before & ~after) & int(av.stream.Disposition[flag])]
    return notes + [f"the flag '{flag}' of {name} is left out" for flag in lost]


def _listed(names: set[str]) -> str:
    few = sorted(names)[:8]
    return ", ".join(few) + (f" and {len(names) - len(few)} more" if len(names) > len(few) else "")
