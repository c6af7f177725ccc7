"""Clips: consecutive frames, never over a cut, each whole in one split."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from tests.support.drawn_films import RATE, everything, shots_film

from reskin.curation.prepare.clips import _starts, prepare_clips
from reskin.curation.prepare.config import ClipsConfig
from reskin.data.folders import list_images
from reskin.data.manifest import Manifest, read_manifest
from reskin.errors import DataError, SettingsError
from reskin.parsing import parse


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shots_film(tmp_path_factory.mktemp("films") / "anna.mp4", [20, 15, 30, 12])


def config(**values: Any) -> ClipsConfig:
    return parse(ClipsConfig, values)


def clips_of(manifest: Manifest) -> list[list[Any]]:
    return [list(frames) for _, frames in groupby(manifest.frames, key=lambda frame: frame.clip)]


def test_clips_are_consecutive_and_within_a_shot(film: Path, tmp_path: Path) -> None:
    manifest = prepare_clips([film], tmp_path, config(length=3, split="none"))
    clips = clips_of(manifest)
    assert [clip[0].clip for clip in clips] == list(range(6 + 5 + 10 + 4))
    assert [clip[0].index for clip in clips[:7]] == [0, 3, 6, 9, 12, 15, 20]
    for clip in clips:
        first = clip[0].index
        assert [frame.index for frame in clip] == [first, first + 1, first + 2]
        assert [Fraction(frame.time) for frame in clip] == [frame.index / RATE for frame in clip]
        assert len({frame.shot for frame in clip}) == 1
        assert [frame.file for frame in clip] == [f"anna-{first:06d}/{first + i:06d}.png" for i in range(3)]
    # Without the manifest: the folders in natural order hold the same clips.
    by_folder = [list(paths) for _, paths in groupby(list_images(tmp_path), key=lambda path: path.parent)]
    found = [[path.relative_to(tmp_path).as_posix() for path in clip] for clip in by_folder]
    assert found == [[frame.file for frame in clip] for clip in clips]


@pytest.mark.sweep
def test_clips_are_not_parted_by_a_split(film: Path, tmp_path: Path) -> None:
    manifest = prepare_clips([film], tmp_path, config(length=4, stride=1, ratio="4:1"))
    used: dict[str, set[int]] = {"train": set(), "test": set()}
    for clip in clips_of(manifest):
        assert len(clip) == 4 and len({frame.split for frame in clip}) == 1
        used[clip[0].split] |= {frame.index for frame in clip}
    assert used["train"] and used["test"] and not used["train"] & used["test"]
    with pytest.raises(DataError, match="share frames"):
        prepare_clips([film], tmp_path / "b", config(length=4, stride=1, split="random"))


@pytest.mark.sweep
def test_count_stride_and_adding(film: Path, tmp_path: Path) -> None:
    asked = config(length=5, stride=10, count=3, split="none")
    first = prepare_clips([film], tmp_path, asked)
    assert len(clips_of(first)) == 3
    other = shots_film(tmp_path / "x.mp4", [25, 25], seed=2)
    both = prepare_clips([other], tmp_path, asked, add=True)
    assert [clip[0].clip for clip in clips_of(both)] == [0, 1, 2, 3, 4, 5]
    assert both.frames[:15] == first.frames and prepare_clips([other], tmp_path, asked, add=True) == both


def test_dropped_frames_end_a_clip() -> None:
    times = [Fraction(i, 25) for i in range(10)] + [Fraction(20 + i, 25) for i in range(10)]
    assert _starts(times, range(20), config(length=4)) == [0, 4, 10, 14]
    assert _starts(times, range(20), config(length=10, stride=1)) == [0, 10]
    assert _starts(times[:1], range(1), config(length=2)) == []


def test_a_clip_with_a_lost_frame_is_left_out(film: Path, tmp_path: Path) -> None:
    data = bytearray(film.read_bytes())
    start = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 2
    data[start : start + 3000] = b"\xff" * 3000
    broken = tmp_path / "anna.mp4"
    broken.write_bytes(data)
    manifest = prepare_clips([broken], tmp_path / "out", config(length=3, split="none"))
    assert manifest.damaged and all(len(clip) == 3 for clip in clips_of(manifest))
    listed = {path.relative_to(tmp_path / "out").as_posix() for path in list_images(tmp_path / "out")}
    assert listed == {frame.file for frame in manifest.frames}
    before = everything(tmp_path / "out")
    assert prepare_clips([broken], tmp_path / "out", config(length=3, split="none")) == manifest
    assert everything(tmp_path / "out") == before


def test_what_cannot_be(film: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is left"):
        prepare_clips([film], tmp_path, config(length=31))
    with pytest.raises(SettingsError):
        config(length=1)
    assert read_manifest(tmp_path) is None
