"""Balance: the same share of pictures with something (faces, daylight) in both domains, by leaving some out.

Where one domain shows people in most pictures and the other hardly any, a network learns to paint people
away.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reskin.config import Settings
from reskin.curation.adopt import domains_in, open_set
from reskin.curation.balance.attributes import MEASURED, measure_pictures, read_column
from reskin.curation.left_out import other_reasons, use_again
from reskin.curation.scores import unchanged_scores
from reskin.data.manifest import Manifest, write_manifest
from reskin.errors import DataError, SettingsError
from reskin.progress import Report
from reskin.storage import lock
from reskin.types import Split
from reskin.version import __version__

if TYPE_CHECKING:
    from reskin.faces.detectors import FaceDetector

BALANCE = "balance"
"""The reason in the manifest of what balancing leaves out."""

_LIMITS = {"faces": 0.0, "face-share": 0.05, "brightness": 0.3}
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


class BalanceConfig(Settings):
    """What to balance by."""

    by: str = "faces"
    """faces (their number), face-share (of the picture, the largest), brightness, or a column of --csv."""
    ratio: str | None = None
    """Pictures with to pictures without, such as 4:1; nothing is left out if it is not given."""
    above: float | None = None
    """A picture counts above this: by default more than 0 faces, a share of 0.05, a brightness of 0.3."""
    csv: Path | None = None
    """A table with a row for each picture: its path below the folder, and the column named by --by."""
    yes: str | None = None
    """The value in the column that counts, and no other; by default numbers, yes and no are understood."""
    seed: int = 0
    """Which pictures are left out."""

    @property
    def limit(self) -> float:
        """The value above which a picture counts."""
        return self.above if self.above is not None else _LIMITS.get(self.by, 0.0)


@dataclass(frozen=True)
class Count:
    """Pictures of a split with and without the attribute."""

    with_it: int
    without: int

    @property
    def share(self) -> float:
        """Share of the pictures with it, 0 to 1; 0 where there are none."""
        return self.with_it / max(1, self.with_it + self.without)


@dataclass
class DomainBalance:
    """One domain, before and after.

    Attributes:
        name: the folder's, with A or B for a half of one.
        before: by split, of the pictures that are not left out for other reasons.
        after: the same, of those that stay.
        untouched: held-out splits that lack one of the two kinds and were left as they are.
        unreadable: pictures that could not be measured; they stay as they are.
    """

    name: str
    before: dict[Split, Count] = field(default_factory=dict)
    after: dict[Split, Count] = field(default_factory=dict)
    untouched: list[Split] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "name": self.name,
            "before": {split: [count.with_it, count.without] for split, count in self.before.items()},
            "after": {split: [count.with_it, count.without] for split, count in self.after.items()},
            "untouched": list(self.untouched),
            "unreadable": self.unreadable,
        }


@dataclass
class _Set:
    root: Path
    manifest: Manifest
    values: list[float | None] = field(default_factory=list)
    left_out: set[int] = field(default_factory=set)


def parse_parts(ratio: str) -> tuple[int, int]:
    """The two whole numbers of a ratio such as 4:1.

    Raises:
        SettingsError: not of this form, or one is 0.

    >>> parse_parts("4:1")
    (4, 1)
    """
    parts = ratio.split(":")
    if len(parts) != 2 or not all(
        part.isascii() and part.isdigit() and 0 < int(part) < 10**6 for part in parts
    ):
        raise SettingsError(
            f"the ratio '{ratio}' is not of the form 4:1",
            "Give pictures with to pictures without, both above 0.",
        )
    return int(parts[0]), int(parts[1])


def most_kept(count: Count, parts: tuple[int, int]) -> Count:
    """The most pictures that can stay so that they are in a ratio, as near as whole pictures come to it.

    >>> most_kept(Count(100, 10), (4, 1)), most_kept(Count(5, 50), (1, 2))
    (Count(with_it=40, without=10), Count(with_it=5, without=10))
    """
    wanted, other = parts
    if count.with_it * other > count.without * wanted:
        return Count(max(1, round(count.without * wanted / other)), count.without)
    return Count(count.with_it, max(1, round(count.with_it * other / wanted)) if count.without else 0)


def balance_sets(
    folders: Sequence[Path],
    config: BalanceConfig,
    *,
    detector: FaceDetector | None = None,
    report: Report | None = None,
) -> list[DomainBalance]:
    """Bring each split of each domain to the same ratio, leaving out as few pictures as possible.

    What is left out has the reason "balance" in the manifest, instead of an earlier balancing; files stay
    where they are. What is measured is kept in the manifest. Without a ratio nothing is left out.

    Args:
        folders: the sets; one with trainA and trainB holds two domains.
        config: the attribute and the ratio.
        detector: finds faces; the best one that can be had by default.
        report: called with the progress.

    Raises:
        DataError: a folder is missing or empty, the table is wrong, or training lacks one of the two kinds.
        SettingsError: the ratio is wrong, a folder is given twice, or a column is asked for without a table.
        WeightsError: faces are asked for and there is no detector.
        RunError: another process is working on a folder.
        StorageError: the disk refuses a write.
    """
    parts = parse_parts(config.ratio) if config.ratio else None
    if config.by not in MEASURED and config.csv is None:
        known = ", ".join(MEASURED)
        raise SettingsError(f"'{config.by}' is not measured ({known} are)", "Give its table with --csv.")
    roots = [Path(folder) for folder in folders]
    if not roots or len({root.resolve() for root in roots}) < len(roots):
        raise SettingsError("no folder, or one twice", "Give each domain's folder once.")
    for root in roots:
        open_set(root)  # before anything is written: a name that is wrong must not leave a lock or a folder
    with ExitStack() as stack:
        for root in roots:
            stack.enter_context(lock(root))
        sets = [_Set(root, open_set(root)) for root in roots]
        _find_values(sets, config, detector, report)
        domains = [domain for one in sets for domain in _balance(one, config, parts)]
        for one in sets:
            _store(one, domains, config)
    return domains


def undo_balance(folders: Sequence[Path]) -> int:
    """Use again all that balancing left out; returns how many pictures came back.

    Raises:
        DataError: a folder is missing, holds no pictures, or its manifest is damaged.
        RunError: another process is working on a folder.
        StorageError: the disk refuses a write.
    """
    return use_again(folders, (BALANCE,), "balance")


def _find_values(
    sets: Sequence[_Set], config: BalanceConfig, detector: FaceDetector | None, report: Report | None
) -> None:
    """The attribute of each picture that no other reason leaves out."""
    for one in sets:
        frames = one.manifest.frames
        asked = [place for place, frame in enumerate(frames) if not other_reasons(frame, (BALANCE,))]
        one.values = [None] * len(frames)
        if config.by in MEASURED:
            scores = _measured(one, asked, config.by, detector, report)
            found = [scores[place].get(config.by) for place in asked]
        else:
            assert config.csv is not None
            found = [
                *read_column(config.csv, config.by, [frames[place].file for place in asked], yes=config.yes)
            ]
        for place, value in zip(asked, found, strict=True):
            one.values[place] = value


def _measured(
    one: _Set, asked: list[int], by: str, detector: FaceDetector | None, report: Report | None
) -> list[dict[str, float]]:
    """The scores of all pictures, of those asked for with the attribute; kept even if it is broken off."""
    frames = one.manifest.frames
    scores = unchanged_scores(one.root, [frame.file for frame in frames], [frame.scores for frame in frames])
    missing = [place for place in asked if by not in scores[place]]
    paths = [one.root / frames[place].file for place in missing]
    try:
        found = measure_pictures(paths, by, detector=detector, report=report) if missing else iter(())
        for place, path, new in zip(missing, paths, found, strict=True):
            if new:
                scores[place] |= {**new, "bytes": float(path.stat().st_size)}
    except BaseException:
        _keep_scores(one, scores)
        write_manifest(one.root, one.manifest)
        raise
    _keep_scores(one, scores)
    return scores


def _keep_scores(one: _Set, scores: Sequence[dict[str, float]]) -> None:
    pairs = zip(one.manifest.frames, scores, strict=True)
    frames = [frame.model_copy(update={"scores": mine or None}) for frame, mine in pairs]
    one.manifest = one.manifest.model_copy(update={"frames": frames})


def _balance(one: _Set, config: BalanceConfig, parts: tuple[int, int] | None) -> list[DomainBalance]:
    """Choose what goes of each domain in a folder."""
    frames = one.manifest.frames
    is_b = [domain == "b" for domain in domains_in(one.manifest)]
    halves = sorted(set(is_b))
    domains = []
    for half in halves:
        letter = f" {'B' if half else 'A'}" if True in halves else ""
        domain = DomainBalance(f"{one.root.absolute().name}{letter}")
        mine = [place for place in range(len(frames)) if is_b[place] == half]
        domain.unreadable = [
            frames[place].file
            for place in mine
            if one.values[place] is None and not other_reasons(frames[place], (BALANCE,))
        ]
        for split in _SPLITS:
            places = [place for place in mine if frames[place].split == split]
            _balance_split(one, domain, split, places, config, parts)
        domains.append(domain)
    return domains


def _balance_split(
    one: _Set,
    domain: DomainBalance,
    split: Split,
    places: Sequence[int],
    config: BalanceConfig,
    parts: tuple[int, int] | None,
) -> None:
    known = [(place, value) for place in places if (value := one.values[place]) is not None]
    with_it = [place for place, value in known if value > config.limit]
    without = [place for place, value in known if value <= config.limit]
    if not known:
        return
    before = after = Count(len(with_it), len(without))
    if parts is not None:
        if with_it and without:
            after = most_kept(before, parts)
        elif split == "train":
            lacking = "with" if without else "without"
            what = (
                f"no training picture of {domain.name} is one {lacking} ({config.by} above {config.limit:g})"
            )
            raise DataError(what, "Choose another --by or --above, or add such pictures.")
        else:
            domain.untouched.append(split)
    domain.before[split], domain.after[split] = before, after
    rng = np.random.default_rng([config.seed % 2**64, _SPLITS.index(split)])
    for group, kept in ((with_it, after.with_it), (without, after.without)):
        one.left_out.update(group[int(at)] for at in rng.permutation(len(group))[kept:])


def _store(one: _Set, domains: Sequence[DomainBalance], config: BalanceConfig) -> None:
    frames = []
    for place, frame in enumerate(one.manifest.frames):
        reasons = frame.left_out
        if config.ratio is not None:
            reasons = (
                *(other_reasons(frame, (BALANCE,)) or ()),
                *((BALANCE,) if place in one.left_out else ()),
            ) or None
        frames.append(frame.model_copy(update={"left_out": reasons}))
    asked = config.model_dump(mode="json", exclude_none=True) | {"above": config.limit}
    if config.csv is not None:
        asked["csv"] = config.csv.name  # a path would tell others about this machine
    balance = {"reskin": __version__, "settings": asked, "domains": [domain.to_dict() for domain in domains]}
    update: dict[str, Any] = {"frames": frames}
    if config.ratio is not None:
        update["balance"] = balance
    write_manifest(one.root, one.manifest.model_copy(update=update))
