"""Splitting what lies on the disk: right shares, nothing lost, and a kill at any moment does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskin.curation.moves import JOURNAL, finish_moves, move_files
from reskin.curation.split.resplit import BETWEEN, SplitConfig, resplit
from reskin.data.folders import list_images, split_images
from reskin.data.manifest import FrameRecord, Manifest, read_manifest, write_manifest
from reskin.errors import DataError, RunError
from reskin.images import write_image
from reskin.parsing import parse
from reskin.storage import lock


def dataset(root: Path, *, sources: int = 4, frames: int = 25, flat: bool = True, **more: Any) -> Manifest:
    """Pictures at one a second, five to a shot, each of its own colour."""
    records = []
    for source in range(sources):
        for index in range(frames):
            file = f"{'' if flat else 'train/'}film{source}-{index:06d}.png"
            write_image(root / file, np.full((2, 2, 3), (source, index, 0), np.uint8))
            records.append(
                FrameRecord(
                    file=file,
                    source=source,
                    index=index,
                    time=str(index),
                    seconds=index,
                    shot=index // 5,
                    **more,
                )
            )
    manifest = Manifest(reskin="0", settings={}, sources=[], frames=records, damaged=[])
    write_manifest(root, manifest)
    return manifest


def contents(root: Path) -> dict[tuple[int, int], str]:
    """Which picture lies in which file, told by its colour."""
    from reskin.images import read_image

    found = {}
    for path in list_images(root):
        pixel = read_image(path)[0, 0]
        found[int(pixel[0]), int(pixel[1])] = path.relative_to(root).as_posix()
    return found


def check(root: Path, manifest: Manifest) -> None:
    """Every picture lies where the manifest says, and it is the right one."""
    where = {(frame.source, frame.index): frame.file for frame in manifest.frames}
    assert contents(root) == where and read_manifest(root) == manifest
    assert all(frame.file.split("/")[0] == frame.split for frame in manifest.frames)
    assert not (root / JOURNAL).exists()


def config(**values: Any) -> SplitConfig:
    return parse(SplitConfig, values)


@pytest.mark.parametrize("by", ["source", "shot", "block", "random"])
@pytest.mark.thinned(2)
def test_each_way(tmp_path: Path, by: Any) -> None:
    dataset(tmp_path)
    manifest = resplit(tmp_path, config(by=by, ratio="2:1:1", seed=3))
    check(tmp_path, manifest)
    counts = Counter(frame.split for frame in manifest.used())
    if by == "random":
        assert counts == {"train": 50, "val": 25, "test": 25}
    elif by == "source":
        assert counts == {"train": 50, "val": 25, "test": 25}
        assert all(len({f.split for f in manifest.frames if f.source == s}) == 1 for s in range(4))
    elif by == "shot":
        assert counts == {"train": 50, "val": 25, "test": 25}
        shots = {(f.source, f.shot) for f in manifest.frames}
        together = {(f.source, f.shot, f.split) for f in manifest.frames}
        assert len(shots) == len(together) == 20
    else:
        between = [frame for frame in manifest.frames if frame.left_out]
        assert between and {frame.left_out for frame in between} == {(BETWEEN,)}
        assert len(split_images(tmp_path, "a", "train")) == counts["train"]
    assert resplit(tmp_path, config(by=by, ratio="2:1:1", seed=3)) == manifest  # nothing to do


def test_a_second_split_has_to_be_asked_for(tmp_path: Path) -> None:
    dataset(tmp_path)
    first = resplit(tmp_path, config(by="block"))
    with pytest.raises(DataError, match=r"split already \(by block: .* train.*--again"):
        resplit(tmp_path, config(by="random"))
    check(tmp_path, first)
    second = resplit(tmp_path, config(by="random"), again=True)
    check(tmp_path, second)
    assert not any(frame.left_out for frame in second.frames)  # what was left out between splits is back
    assert second.splitting == {"by": "random", "ratio": "8:1:1", "seed": 0, "segments": None}


@pytest.mark.sweep
def test_seeds_differ_and_repeat(tmp_path: Path) -> None:
    kinds = set()
    for number, seed in enumerate([0, 0, 1]):
        dataset(tmp_path / str(number))
        made = resplit(tmp_path / str(number), config(by="random", seed=seed))
        kinds.add(tuple(frame.split for frame in made.frames))
    assert len(kinds) == 2


def test_what_is_left_out_moves_with_its_neighbours_and_does_not_count(tmp_path: Path) -> None:
    manifest = dataset(tmp_path)
    frames = [
        frame.model_copy(update={"left_out": ("blur",)}) if frame.index % 2 else frame
        for frame in manifest.frames
    ]
    write_manifest(tmp_path, manifest.model_copy(update={"frames": frames}))
    made = resplit(tmp_path, config(by="shot", ratio="1:1"))
    check(tmp_path, made)
    assert {frame.left_out for frame in made.frames} == {None, ("blur",)}
    assert len({(frame.source, frame.shot, frame.split) for frame in made.frames}) == 20
    counts = Counter(frame.split for frame in made.used())
    assert abs(counts["train"] - counts["test"]) <= 6


@pytest.mark.sweep
def test_clips_stay_whole(tmp_path: Path) -> None:
    records = []
    for clip in range(30):
        for index in range(3 * clip, 3 * clip + 3):
            file = f"film-{3 * clip:06d}/{index:06d}.png"
            write_image(tmp_path / file, np.full((2, 2, 3), (0, index, 0), np.uint8))
            records.append(FrameRecord(file=file, source=0, index=index, seconds=index, clip=clip, shot=0))
    write_manifest(tmp_path, Manifest(reskin="0", settings={}, sources=[], frames=records, damaged=[]))
    for by in ("random", "block"):
        made = resplit(tmp_path, config(by=by), again=True)
        check(tmp_path, made)
        assert len({(frame.clip, frame.split) for frame in made.frames}) == 30


def test_pictures_of_a_crawl_go_by_their_folder(tmp_path: Path) -> None:
    records = []
    for number in range(30):
        file = f"p{number}.png"
        write_image(tmp_path / file, np.full((2, 2, 3), number, np.uint8))
        records.append(FrameRecord(file=file, source=0, origin=f"site{number % 3}/{number}.png"))
    write_manifest(tmp_path, Manifest(reskin="0", settings={}, sources=[], frames=records, damaged=[]))
    with pytest.raises(DataError, match="no time"):
        resplit(tmp_path, config(by="block"))
    with pytest.raises(DataError, match="--shots"):
        resplit(tmp_path, config(by="shot"))
    made = resplit(tmp_path, config(by="source", ratio="1:1:1"))
    assert len({(frame.origin.split("/")[0], frame.split) for frame in made.frames}) == 3


def test_equal_names_in_train_and_test_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """Every train picture has a namesake in test; whichever way they go, none may be lost."""
    records = []
    for split in ("trainA", "testA"):
        for number in range(20):
            file = f"{split}/{number}.png"
            write_image(tmp_path / file, np.full((2, 2, 3), (split == "testA", number, 0), np.uint8))
            record = FrameRecord(file=file, split="train" if split == "trainA" else "test")
            records.append(record.model_copy(update={"source": int(split == "testA"), "index": number}))
    write_manifest(tmp_path, Manifest(reskin="0", settings={}, sources=[], frames=records, damaged=[]))
    for seed in range(3):
        made = resplit(tmp_path, config(by="random", ratio="1:1", seed=seed), again=True)
        assert contents(tmp_path) == {(f.source, f.index): f.file for f in made.frames}
        assert {frame.file.split("/")[0] for frame in made.frames} == {"trainA", "testA"}
        assert len(made.frames) == len({frame.file.casefold() for frame in made.frames}) == 40


@pytest.mark.parametrize("point", range(0, 20))
@pytest.mark.thinned(5)
def test_stopped_at_any_move_and_gone_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: int) -> None:
    dataset(tmp_path, sources=1, frames=15)
    left = [point]

    def counted(real: Any) -> Any:
        def stopping(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            real(*arguments)

        return stopping

    monkeypatch.setattr(os, "rename", counted(os.rename))
    monkeypatch.setattr(os, "replace", counted(os.replace))
    has_stopped = False
    try:
        resplit(tmp_path, config(by="random", ratio="1:1"))
    except KeyboardInterrupt:
        has_stopped = True
    monkeypatch.undo()
    assert len(contents(tmp_path)) == 15 and has_stopped == (point < 17)
    made = resplit(tmp_path, config(by="random", ratio="1:1"))
    check(tmp_path, made)
    assert Counter(frame.split for frame in made.frames) == {"train": 8, "test": 7} or len(made.frames) == 15


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from reskin.curation.split.resplit import *\n"
        "print('go', flush=True)\n"
        "resplit(Path(sys.argv[1]), SplitConfig(by='random'))"
    )
    for number in range(15):
        root = tmp_path / str(number)
        dataset(root, sources=8)
        with subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline() == b"go\n"
            try:
                process.wait(0.002 * number)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        made = resplit(root, config(by="random"))
        check(root, made)
        assert Counter(frame.split for frame in made.frames) == {"train": 160, "val": 20, "test": 20}


def test_moving_refuses_to_overwrite_and_finishing_is_repeatable(tmp_path: Path) -> None:
    manifest = dataset(tmp_path, sources=1, frames=3)
    with pytest.raises(DataError, match="exists already"):
        move_files(tmp_path, {"film0-000000.png": "film0-000001.png"}, manifest)
    assert not finish_moves(tmp_path) and len(contents(tmp_path)) == 3
    (tmp_path / JOURNAL).write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="damaged"):
        finish_moves(tmp_path)


def test_a_plain_folder_is_split_too(tmp_path: Path) -> None:
    for number in range(30):
        write_image(
            tmp_path / f"site{number % 2}" / f"{number}.png", np.full((2, 2, 3), (0, number, 0), np.uint8)
        )
    made = resplit(tmp_path, config(by="random", ratio="1:1"))
    where = {number: path for (_, number), path in contents(tmp_path).items()}
    assert len(where) == 30 and sorted(where.values()) == sorted(frame.file for frame in made.frames)
    assert all(f"/site{number % 2}/" in path for number, path in where.items())
    assert len(split_images(tmp_path, "a", "test")) == 15


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        resplit(tmp_path / "none", config())
    dataset(tmp_path, sources=1)
    with pytest.raises(DataError, match="1 source cannot"):
        resplit(tmp_path, config(by="source"))
    with lock(tmp_path), pytest.raises(RunError, match="in use"):
        resplit(tmp_path, config())


def where(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in list_images(root)}


def drawn(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        write_image(root / name, np.full((2, 2, 3), number, np.uint8))


LAID = {
    "plain": [f"{number}.png" for number in range(12)],
    "folders": [f"film{number % 3}/{number}.png" for number in range(12)],
    "split already": [f"{'test' if number % 4 else 'train'}/{number}.png" for number in range(12)],
    "names twice": [
        f"{split}/{number}.png" for split in ("train", "test") for number in (1, 2, 10, "1-1", "1-2")
    ],
    "endings": [f"{number}.{end}" for number in range(6) for end in ("png", "bmp")],
    "two domains": [f"train{side}/{number}.png" for side in "AB" for number in range(8)],
    "below domains": [f"{side}/train/{number}.png" for side in "AB" for number in range(8)],
    "domains alone": [f"{side}/{number}.png" for side in "AB" for number in range(8)],
}


@pytest.mark.parametrize("name", list(LAID))
@pytest.mark.thinned(4)
def test_the_same_split_again_changes_nothing(tmp_path: Path, name: str) -> None:
    drawn(tmp_path, *LAID[name])
    config = SplitConfig(by="random", seed=5)
    before = sorted(where(tmp_path).values())
    resplit(tmp_path, SplitConfig(by="random", seed=1), again=True)
    first = resplit(tmp_path, config, again=True)
    lying = where(tmp_path)
    assert sorted(lying.values()) == before and {frame.split for frame in first.frames} >= {"train", "test"}
    for _ in range(2):
        assert resplit(tmp_path, config, again=True) == first
        assert where(tmp_path) == lying


@pytest.mark.sweep
def test_a_split_does_not_depend_on_the_one_before(tmp_path: Path) -> None:
    made = []
    for number, seeds in enumerate([(), (1,), (2, 3)]):
        root = tmp_path / str(number)
        drawn(root, *(f"{i}.png" for i in range(30)))
        for seed in seeds:
            resplit(root, SplitConfig(by="random", seed=seed), again=True)
        resplit(root, SplitConfig(by="random", seed=9), again=True)
        made.append(where(root))
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("stop_after", range(0, 14, 3))
@pytest.mark.thinned(5, first=2)
def test_split_again_killed_at_any_move_ends_in_the_same(
    tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SplitConfig(by="random", seed=5, ratio="1:1")
    roots = [tmp_path / "whole", tmp_path / "killed"]
    for root in roots:
        drawn(root, *(f"{i}.png" for i in range(30)))
        resplit(root, SplitConfig(by="random", seed=1))
    resplit(roots[0], config, again=True)
    real, left = os.rename, stop_after

    def rename(old: Path, new: Path) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            resplit(roots[1], config, again=True)
    resplit(roots[1], config, again=True)
    assert where(roots[0]) == where(roots[1])
    assert read_manifest(roots[0]) == read_manifest(roots[1])
