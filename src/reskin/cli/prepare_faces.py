"""`reskin prepare faces VIDEO...`: aligned faces out of videos, with the way back into the frame."""

from __future__ import annotations

import json
import sys
from collections import Counter as Tally
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.prepare import show_dry_run
from reskin.cli.streams import say, show_text
from reskin.config import BASIC, Settings
from reskin.curation.prepare.dry_run import dry_run_faces
from reskin.curation.prepare.faces import NOT_STATED, FacesConfig, prepare_faces
from reskin.curation.prepare.presets import FACES, with_preset
from reskin.data.manifest import FrameRecord, Manifest, read_manifest
from reskin.exits import PartialError
from reskin.parsing import Spelled
from reskin.progress import Progress
from reskin.ray_cluster import RayAddress

COMMAND = "reskin prepare faces"

_MOST_PEOPLE = 5


class Arguments(Settings):
    """Find faces in videos and write them as square pictures, turned upright and split without leaks.

    Run the same command again to go on where it stopped. Faces belong to people: --licence and --consent
    keep what you may do with them beside the pictures.

    examples:
      reskin prepare faces film/*.mp4 --out data/film-faces --count 1000 --size 128
      reskin prepare faces talk.mp4 --out data/anna --align box --consent "Anna agreed in writing"
      reskin prepare faces film.mp4 --out data/anna --only anna.png
      reskin prepare faces ep1.mkv ep2.mkv --out data/series --per-shot 20 --split source
    """

    videos: Annotated[tuple[Path, ...], Spelled(position="VIDEO")]
    """One or more videos of one domain."""
    out: Path
    """The folder to make."""
    faces: FacesConfig
    preset: Annotated[str | None, BASIC] = None
    """Start from the settings of a report (face_frame_faces: 1,000 faces at 128x128, 8:1:1); other options
    still count."""
    ray: str | None = None
    """Search the videos and cut the faces out on a Ray cluster, HOST:PORT, or auto for that of this machine
    or a new one. Videos and folder lie on a disk that all machines see."""
    dry_run: Annotated[bool, BASIC] = False
    """Only say what would come of it: frames to search, room on the disk, time; nothing is written."""
    as_json: Annotated[bool, Spelled("json")] = False
    """Print the result as one JSON object on standard output."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command=COMMAND, merge=lambda given: with_preset(FACES, given))
    workers = None if arguments.ray is None else RayAddress(arguments.ray)
    if arguments.dry_run:
        with Progress() as looking:
            found = dry_run_faces(
                arguments.videos, arguments.out, arguments.faces, report=looking, workers=workers
            )
        return show_dry_run(found, arguments.out, as_json=arguments.as_json)
    config = _asked(arguments.faces, arguments.out, asks=not arguments.as_json)
    with Progress() as shown:
        manifest = prepare_faces(
            arguments.videos,
            arguments.out,
            config,
            report=shown,
            workers=workers,
        )
    if arguments.as_json:
        show_text(json.dumps(summary(manifest, arguments.out)))
    else:
        for line in in_words(manifest, arguments.out):
            say(line)
    progress.result("dataset", arguments.out)
    for line in manifest.damaged:
        say(line)
    said = ", ".join(f"{count} {split}" for split, count in _splits(manifest).items())
    if manifest.damaged:
        raise PartialError(
            f"{len(manifest.frames)} faces are in {arguments.out} ({said}), but {len(manifest.damaged)} "
            "sources or segments could not be read",
            "They are named above; what is sound was used.",
        )
    say(f"done: {arguments.out} ({len(manifest.frames)} faces: {said})")
    return 0


def _splits(manifest: Manifest) -> dict[str, int]:
    count = Tally(frame.split for frame in manifest.frames)
    return {split: count[split] for split in ("train", "val", "test") if count[split]}


def _asked(config: FacesConfig, out: Path, *, asks: bool) -> FacesConfig:
    """The settings with the words about licence and consent, asked for where there is somebody to ask."""
    before = read_manifest(out)
    if before is not None and before.licence and before.consent:
        return config
    if asks and sys.stdin.isatty() and sys.stderr.isatty():
        questions = {"licence": "What may these videos be used for", "consent": "Did the people shown agree"}
        said = {name: getattr(config, name) or _answer(text) for name, text in questions.items()}
        return config.model_copy(update=said)
    silent = [f"--{name}" for name in ("licence", "consent") if getattr(config, name) is None]
    if silent:
        say(
            f"note: {' and '.join(silent)} {NOT_STATED}: faces are personal data, and whoever gets this "
            "folder cannot know what is allowed",
        )
    return config


def _answer(question: str) -> str | None:
    say(f"{question}? (Enter: {NOT_STATED})")
    return sys.stdin.readline().strip() or None


def summary(manifest: Manifest, out: Path) -> dict[str, object]:
    """What came of it, JSON-ready: counts per split, source and reason."""
    settings = manifest.settings
    return {
        "out": str(out),
        "pictures": len(manifest.frames),
        "splits": _splits(manifest),
        "detector": settings["detector"],
        "every_used": settings["every_used"],
        "not_taken": dict(_reasons(manifest).most_common()),
        "people": _people(manifest),
        "tracks_in_several_splits": _parted_tracks(manifest),
        "per_source": settings["per_source"],
        "damaged": manifest.damaged,
        "licence": manifest.licence,
        "consent": manifest.consent,
    }


def in_words(manifest: Manifest, out: Path) -> list[str]:
    """The same for people, one line each."""
    sources = manifest.settings["per_source"]
    lines = [
        f"{source['name']}: {source['looked_at']} frames searched, {source['found']} faces found, "
        f"{source['taken']} taken"
        for source in sources
    ]
    reasons = _reasons(manifest)
    if reasons:
        lines.append(
            "not taken: " + ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
        )
    wanted, got = manifest.settings["count"], len(manifest.frames)
    if got < wanted and not reasons["more than asked for"] and manifest.settings["every_used"] > 1:
        lines.append(f"{got} of {wanted}: --every 1 looks at all frames and may find more")
    if parted := _parted_tracks(manifest):
        lines.append(
            f"{parted} faces that are followed without a break lie in several splits, a second of film apart;"
            " --split shot keeps each in one"
        )
    return lines + _people_in_words(_people(manifest), out)


def _people(manifest: Manifest) -> list[dict[str, Any]]:
    """Who is shown, as far as looks can say, the most frequent first: faces, tracks and an example."""
    of_person: dict[int, list[FrameRecord]] = defaultdict(list)
    for frame in manifest.frames:
        if frame.crop is not None and frame.crop.person is not None:
            of_person[frame.crop.person].append(frame)
    return [
        {
            "person": number,
            "faces": len(frames),
            "tracks": len({(frame.source, frame.crop and frame.crop.track) for frame in frames}),
            "example": frames[len(frames) // 2].file,
        }
        for number, frames in sorted(of_person.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _people_in_words(people: list[dict[str, Any]], out: Path) -> list[str]:
    if len(people) < 2:
        return []
    shown = "; ".join(
        f"person {one['person']}: {one['faces']} faces, such as {one['example']}"
        for one in people[:_MOST_PEOPLE]
    )
    more = f"; and {len(people) - _MOST_PEOPLE} more" if len(people) > _MOST_PEOPLE else ""
    return [
        f"{len(people)} people by how they look, which is a guess (under other light one may count as two): "
        f"{shown}{more}",
        f"for one of them alone: --only {out / str(people[0]['example'])}, with another --out",
    ]


def _parted_tracks(manifest: Manifest) -> int:
    """How many faces that are followed without a break lie in more than one split."""
    splits: dict[tuple[int | None, int | None], set[str]] = defaultdict(set)
    for frame in manifest.frames:
        if frame.crop is not None:
            splits[frame.source, frame.crop.track].add(frame.split)
    return sum(len(of_track) > 1 for of_track in splits.values())


def _reasons(manifest: Manifest) -> Tally[str]:
    total: Tally[str] = Tally()
    for source in manifest.settings["per_source"]:
        total.update(source["not_taken"])
    return total
