"""Screening: what looks wrong in sets of pictures, reported first and left out only when asked for.

Nothing is deleted or moved: a picture that is left out has its reasons in the manifest, and whoever reads the
set passes it over. The scores stay in the manifest too, so that other thresholds cost no second look.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from reskin.curation.adopt import domains_in, open_set
from reskin.curation.left_out import other_reasons, use_again
from reskin.curation.screen.colour import GREY, MOST_GREY
from reskin.curation.screen.config import DAMAGED, DROPPED, RULES, ScreenConfig
from reskin.curation.screen.duplicates import DUPLICATE, Candidate, Duplicate, find_duplicates
from reskin.curation.screen.light import DARK
from reskin.curation.screen.manual import (
    ByHand,
    Patterns,
    Verdict,
    check_encoded,
    in_set,
    read_patterns,
    read_verdicts,
)
from reskin.curation.screen.measure import Measured, Scores, hash_of, measure_missing
from reskin.curation.screen.overlay import MOST_PICTURES, OVERLAY, Overlay, find_overlay, small_grey
from reskin.curation.screen.result import DomainResult, Finding, ScreenResult
from reskin.curation.screen.size import ASPECT, SMALL, size_scores
from reskin.data.manifest import FrameRecord, Manifest, write_manifest
from reskin.errors import ImageError, SettingsError
from reskin.images import read_image
from reskin.progress import Report
from reskin.spread import spread
from reskin.storage import lock
from reskin.version import __version__

__all__ = ["ScreenConfig", "ScreenResult", "screen_set", "screen_sets", "undo_screening"]

MOST_LEFT_OUT = 0.5
"""A rule that speaks for a larger share of a domain is reported, and leaves nothing out."""
FEWEST_FOR_MOST = 10
"""In a domain with fewer pictures a majority says nothing."""

_OURS = frozenset([*RULES, DROPPED])
_log = logging.getLogger("reskin")


@dataclass
class _Set:
    """A folder while it is screened."""

    root: Path
    manifest: Manifest
    measured: Measured
    by_hand: ByHand


@dataclass
class _Picture:
    """A picture while it is judged: the score of each rule that speaks, and which are only reported."""

    of: _Set
    index: int
    domain: int
    reasons: dict[str, float] = field(default_factory=dict)
    only_reported: set[str] = field(default_factory=set)
    is_kept: bool = False
    is_dropped: bool = False
    duplicate: _Picture | None = None

    @property
    def record(self) -> FrameRecord:
        return self.of.manifest.frames[self.index]

    @property
    def scores(self) -> Scores:
        return self.of.measured.scores[self.index]

    @property
    def is_readable(self) -> bool:
        return DAMAGED.name not in self.scores

    def left_out(self) -> tuple[str, ...]:
        """Why it goes; empty where it stays."""
        if self.is_kept:
            return ()
        by_rule = [name for name in self.reasons if name not in self.only_reported]
        return (*by_rule, *([DROPPED] if self.is_dropped else []))


def screen_set(
    folder: Path, config: ScreenConfig, *, apply: bool = False, report: Report | None = None
) -> ScreenResult:
    """Screen one folder; see `screen_sets`."""
    return screen_sets([folder], config, apply=apply, report=report)


def screen_sets(
    folders: Sequence[Path], config: ScreenConfig, *, apply: bool = False, report: Report | None = None
) -> ScreenResult:
    """Say what looks wrong in sets, and leave it out if `apply` is set.

    Each folder is a domain (one with trainA and trainB makes two). What is measured is kept in each folder's
    manifest, which is made for a folder without; pictures are never changed. Run again, only new and changed
    pictures are looked at, and what was kept or dropped by hand before stays so. What a rule says of more
    than half of a domain, such as black bars in all of a film, is reported but leaves nothing out.

    Args:
        folders: the sets.
        config: thresholds and lists by hand.
        apply: write the reasons into the manifests, so that the pictures are not used any more, instead of
            those of an earlier screening; otherwise only the scores are written.
        report: called with the progress.

    Raises:
        DataError: a folder is missing, holds no pictures, or its manifest is damaged.
        SettingsError: a folder is given twice, or a list or table of what to keep and drop cannot be read.
        RunError: another process is working on a folder.
        StorageError: the disk refuses a write.
    """
    roots = [Path(folder) for folder in folders]
    if not roots:
        raise SettingsError("no folder was given", "Type: reskin screen FOLDER...")
    if len({root.resolve() for root in roots}) < len(roots):
        raise SettingsError("a folder is given twice", "Give each domain's folder once.")
    verdicts = None if config.by_hand is None else read_verdicts(config.by_hand)
    lists = read_patterns(config.keep), read_patterns(config.drop)
    for root in roots:
        open_set(root)  # before anything is written: a name that is wrong must not leave a lock or a folder
    with ExitStack() as stack:
        for root in roots:
            stack.enter_context(lock(root))
        sets = [_open(root, verdicts, *lists) for root in roots]
        if config.by_hand is not None:
            check_encoded(_in_no_set(sets), config.by_hand)
        try:
            measure_missing([one.measured for one in sets], report=report)
        except BaseException:
            for one in sets:
                _write(one, one.manifest.screening)  # so that what was measured need not be measured again
            raise
        pictures, domains = _domains(sets)
        unused = _mark_by_hand(sets, pictures)
        for number, domain in enumerate(domains):
            mine = [picture for picture in pictures if picture.domain == number]
            domain.overlays = _find_overlays(mine)
            _judge(mine, config)
        if "duplicate" not in config.off:
            _mark_duplicates(pictures, config)
        _sum_up(pictures, domains, config)
        for one in sets:
            mine = [picture for picture in pictures if picture.of is one]
            _store(one, mine, domains, config, apply=apply)
    return ScreenResult(domains, apply, unused)


def undo_screening(folders: Sequence[Path]) -> int:
    """Use again all that screening left out, and forget the lists by hand; scores stay.

    Returns:
        How many pictures came back.

    Raises:
        DataError: a folder is missing, holds no pictures, or its manifest is damaged.
        RunError: another process is working on a folder.
        StorageError: the disk refuses a write.
    """
    return use_again(folders, _OURS, "screening")


def _open(
    root: Path, verdicts: dict[str, Verdict] | None, keep: tuple[str, ...], drop: tuple[str, ...]
) -> _Set:
    manifest = open_set(root)
    files = [frame.file for frame in manifest.frames]
    measured = Measured.known(root, files, [frame.scores for frame in manifest.frames])
    here = f"{root.as_posix()}/"  # names may be given as the shell completes them
    by_hand = ByHand.stored(manifest.screening)
    if verdicts is not None:
        by_hand = ByHand(verdicts=in_set(verdicts, files, here))
    mine = [[name.removeprefix(here) for name in names] for names in (keep, drop)]
    return _Set(root, manifest, measured, by_hand.with_newer(*mine))


def _in_no_set(sets: Sequence[_Set]) -> set[str]:
    """Exact names that no set has."""
    files = {frame.file for one in sets for frame in one.manifest.frames}
    return {file for one in sets for file in one.by_hand.verdicts} - files


def _domains(sets: Sequence[_Set]) -> tuple[list[_Picture], list[DomainResult]]:
    pictures: list[_Picture] = []
    domains: list[DomainResult] = []
    for one in sets:
        halves = [domain == "b" for domain in domains_in(one.manifest)]
        name = one.root.absolute().name
        parted = any(halves)
        numbers = {half: len(domains) + index for index, half in enumerate(sorted(set(halves)))}
        domains += [
            DomainResult(f"{name} {'B' if half else 'A'}" if parted else name, one.root) for half in numbers
        ]
        pictures += [_Picture(one, index, numbers[half]) for index, half in enumerate(halves)]
    for picture in pictures:
        domain = domains[picture.domain]
        domain.pictures += 1
        fault = picture.of.measured.faults.get(picture.index)
        if fault:
            domain.faults[picture.record.file] = fault
    return pictures, domains


def _mark_by_hand(sets: Sequence[_Set], pictures: Sequence[_Picture]) -> list[str]:
    """Mark what is kept and dropped by hand; returns the names that fit nothing in any folder."""
    lists = {id(one): (Patterns(one.by_hand.keep), Patterns(one.by_hand.drop)) for one in sets}
    for picture in pictures:
        keep, drop = lists[id(picture.of)]
        file = picture.record.file
        verdict = picture.of.by_hand.verdicts.get(file)
        # Both are asked, so that both know which of their names fit something.
        kept, dropped = keep.fits(file), drop.fits(file)
        picture.is_kept = kept or verdict == "keep"
        picture.is_dropped = (dropped or verdict == "drop") and not picture.is_kept
    unused = []
    for one in sets:
        keep, drop = lists[id(one)]
        files = {frame.file for frame in one.manifest.frames}
        unused.append({*keep.unused(), *drop.unused(), *(one.by_hand.verdicts.keys() - files)})
    return sorted(set.intersection(*unused))


def _find_overlays(pictures: Sequence[_Picture]) -> dict[str, Overlay]:
    """What stays in each source of a domain; its strength becomes a score of each of its pictures."""
    sources: dict[str, list[_Picture]] = {}
    for picture in pictures:
        if picture.is_readable:
            sources.setdefault(_source_name(picture), []).append(picture)
    found: dict[str, Overlay] = {}
    for name, mine in sources.items():
        known = (mine[0].of.manifest.screening or {}).get("overlays", {}).get(name)
        if all(OVERLAY.name in picture.scores for picture in mine):
            scores = mine[0].scores[OVERLAY.name]
            overlay = Overlay(scores, tuple(tuple(box) for box in known["boxes"]) if known else ())
        else:
            overlay = find_overlay(list(_greys(mine)))
        for picture in mine:
            picture.scores[OVERLAY.name] = overlay.score
        if overlay.score:
            found[name] = overlay
    return found


def _greys(pictures: Sequence[_Picture]) -> Iterator[Any]:
    for index in spread(len(pictures), MOST_PICTURES):
        picture = pictures[index]
        try:
            yield small_grey(read_image(picture.of.root / picture.record.file))
        except ImageError as error:  # it could be read a moment ago
            _log.warning("%s", error)


def _source_name(picture: _Picture) -> str:
    """The video a picture is from, or what its name begins with."""
    record, manifest = picture.record, picture.of.manifest
    if record.source is not None and record.source < len(manifest.sources):
        return manifest.sources[record.source].name
    path = PurePosixPath(record.file)
    stem = re.sub(r"[\W_]*\d+$", "", path.stem)
    return (path.parent / stem).as_posix() if stem else path.parent.as_posix()


def _judge(pictures: Sequence[_Picture], config: ScreenConfig) -> None:
    """Mark the pictures of a domain for which a rule speaks."""
    for picture in pictures:
        if not picture.is_readable:
            picture.reasons[DAMAGED.name] = 1.0
    readable = [picture for picture in pictures if picture.is_readable]
    sizes = [(picture.scores["width"], picture.scores["height"]) for picture in readable]
    for picture, aspect, small in zip(readable, *size_scores(sizes), strict=True):
        picture.scores[ASPECT.name], picture.scores[SMALL.name] = (
            round(float(aspect), 3),
            round(float(small), 3),
        )
    off: set[str] = set(config.off)
    # What is too dark to have a colour says nothing about whether the set is in colour.
    lit = [picture for picture in readable if not _is_bad(picture, DARK.name, config)]
    grey = {id(picture) for picture in lit if _is_bad(picture, GREY.name, config)}
    if len(grey) > MOST_GREY * len(lit):
        off.add(GREY.name)
    for picture in readable:
        for name in RULES:
            if name in off or name not in picture.scores or not _is_bad(picture, name, config):
                continue
            if name != GREY.name or id(picture) in grey:
                picture.reasons[name] = picture.scores[name]
    _mark_only_reported(readable, config)


def _mark_only_reported(pictures: Sequence[_Picture], config: ScreenConfig) -> None:
    """Mark what is no reason to leave pictures out, because then hardly any would be left."""
    only = set() if config.leave_out_overlay else {OVERLAY.name}
    if len(pictures) >= FEWEST_FOR_MOST:
        counts = Counter(name for picture in pictures for name in picture.reasons if name != OVERLAY.name)
        only |= {name for name, count in counts.items() if count > MOST_LEFT_OUT * len(pictures)}
    for picture in pictures:
        picture.only_reported = only & picture.reasons.keys()


def _is_bad(picture: _Picture, name: str, config: ScreenConfig) -> bool:
    rule = RULES[name]
    return name in picture.scores and rule.is_bad(picture.scores[name], config.threshold(rule))


def _mark_duplicates(pictures: Sequence[_Picture], config: ScreenConfig) -> None:
    """Among the pictures that stay otherwise: a blurred first one must not cost its sharp near-duplicate."""
    good = [one for one in pictures if one.is_readable and (one.is_kept or not one.left_out())]
    candidates = [
        Candidate(hash_of(picture.scores), picture.domain, picture.record.split, picture.is_kept)
        for picture in good
    ]
    found: dict[int, Duplicate] = find_duplicates(candidates, config.duplicate)
    for index, duplicate in found.items():
        if duplicate.rule is DUPLICATE and good[index].record.clip is not None:
            continue  # frames in order resemble each other, and are wanted for it
        good[index].reasons[duplicate.rule.name] = float(duplicate.bits)
        good[index].duplicate = good[duplicate.of]


def _sum_up(pictures: Sequence[_Picture], domains: Sequence[DomainResult], config: ScreenConfig) -> None:
    for picture in pictures:
        domain, file = domains[picture.domain], picture.record.file
        for name, score in picture.reasons.items():
            threshold = config.duplicate if name.startswith("duplicate") else config.threshold(RULES[name])
            new = Finding(RULES[name], threshold, only_reported=name in picture.only_reported)
            domain.findings.setdefault(name, new).pictures.append((file, score))
        if picture.is_dropped:
            domain.dropped.append(file)
        if picture.is_kept and picture.reasons:
            domain.kept.append(file)
        if picture.duplicate is not None:
            same = picture.duplicate.of is picture.of
            domain.duplicates[file] = picture.duplicate.record.file if same else _shown(picture.duplicate)
        domain.left_out += bool(picture.left_out())
    for domain in domains:
        domain.findings = {name: domain.findings[name] for name in RULES if name in domain.findings}
        for finding in domain.findings.values():
            finding.pictures.sort(key=lambda pair: pair[1], reverse=finding.rule.bad == "above")


def _shown(picture: _Picture) -> str:
    return (picture.of.root / picture.record.file).as_posix()


def _store(
    one: _Set,
    pictures: Sequence[_Picture],
    domains: Sequence[DomainResult],
    config: ScreenConfig,
    *,
    apply: bool,
) -> None:
    """Write the manifest of one folder: scores always, reasons if asked for."""
    mine = [domain for number, domain in enumerate(domains) if any(p.domain == number for p in pictures)]
    overlays = {
        name: {"score": overlay.score, "boxes": [list(box) for box in overlay.boxes]}
        for domain in mine
        for name, overlay in domain.overlays.items()
    }
    screening = one.manifest.screening
    if apply:
        frames = [
            picture.record.model_copy(
                update={
                    "left_out": (
                        (*(other_reasons(picture.record, _OURS) or ()), *picture.left_out()) or None
                    ),
                }
            )
            for picture in pictures
        ]
        one.manifest = one.manifest.model_copy(update={"frames": frames})
        duplicates = {file: other for domain in mine for file, other in domain.duplicates.items()}
        screening = {
            "reskin": __version__,
            "settings": config.model_dump(mode="json", exclude={"keep", "drop", "by_hand"}),
            **one.by_hand.to_dict(),
            "duplicate_of": duplicates,
        }
        if one.manifest.balance is not None:
            _log.info("%s was balanced before; run `reskin balance` again for the same shares", one.root)
    if overlays or screening:
        screening = {**(screening or {}), "overlays": overlays}
    _write(one, screening)


def _write(one: _Set, screening: dict[str, Any] | None) -> None:
    pairs = zip(one.manifest.frames, one.measured.scores, strict=True)
    frames = [frame.model_copy(update={"scores": dict(scores) or None}) for frame, scores in pairs]
    write_manifest(one.root, one.manifest.model_copy(update={"frames": frames, "screening": screening}))
