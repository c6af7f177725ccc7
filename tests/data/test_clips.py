"""Clips: which frames follow each other, what of them a sample holds, and what is no clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.drawn_films import shots_film

from reskin.curation.prepare.clips import prepare_clips
from reskin.curation.prepare.config import ClipsConfig
from reskin.data.batches import Batches, DataConfig, open_batches
from reskin.data.clips import positions, starts_of_windows, whole_clips
from reskin.data.sampling import Sampling
from reskin.errors import DataError
from reskin.images import to_image, write_image
from reskin.storage import write_json

CPU = torch.device("cpu")


def frame(clip: int, number: int, size: tuple[int, int] = (20, 24)) -> np.ndarray:
    """A frame whose red says which clip and frame it is, green which row and blue which column."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.dstack([np.full(size, 20 * clip + number), rows, columns]).astype(np.uint8)


def write_clips(folder: Path, lengths: dict[int, int], *, size: tuple[int, int] = (20, 24)) -> None:
    """A folder for each clip, as `reskin prepare clips` lays them out, the first frame being number 7."""
    for clip, length in lengths.items():
        for number in range(length):
            write_image(folder / f"film-{clip:06d}" / f"{7 + number:06d}.png", frame(clip, number, size))


def opened(root: Path, *, batch: int = 4, length: int = 3, seed: int = 0, **settings: Any) -> Batches:
    values = {"preprocess": "crop", "crop_size": 16, "a": root / "a", "b": root / "b", **settings}
    pairing = values.pop("pairing", "unpaired")
    sampling = Sampling(pairing=pairing, clip_length=length, batch=batch, seed=seed)
    return open_batches(DataConfig(**values), sampling, device=CPU, cache_folder=root / "cache")


def reds(clips: torch.Tensor) -> list[list[int]]:
    """(N, T) red values of clips, each frame having one."""
    levels = to_image(clips.flatten(0, 1))[..., 0].reshape(*clips.shape[:2], -1)
    assert (levels == levels[..., :1]).all()
    return levels[..., 0].tolist()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_clips(tmp_path / "a" / "train", {0: 5, 1: 3, 2: 2})
    write_clips(tmp_path / "b" / "train", {5: 4, 6: 3})
    return tmp_path


def test_a_sample_is_a_window_of_one_clip(root: Path) -> None:
    batches = opened(root)
    assert batches.length == 4  # 3 of the first clip of A, 1 of the second; the third is too short
    seen_a, seen_b = set(), set()
    for step in range(1, 30):
        batch = batches.at(step)
        assert batch.a.shape == batch.b.shape == (4, 3, 3, 16, 16)
        seen_a |= {tuple(red) for red in reds(batch.a)}
        seen_b |= {tuple(red) for red in reds(batch.b)}
    assert seen_a == {(0, 1, 2), (1, 2, 3), (2, 3, 4), (20, 21, 22)}
    assert seen_b == {(100, 101, 102), (101, 102, 103), (120, 121, 122)}


def test_every_window_comes_up_once_in_an_epoch(root: Path) -> None:
    epoch = [tuple(red) for red in reds(opened(root).at(1).a)]
    assert len(set(epoch)) == 4


def test_frames_of_a_sample_may_lie_apart(root: Path) -> None:
    write_clips(root / "b" / "train", {7: 5})
    batches = opened(root, frame_step=2)
    seen = {tuple(red) for step in range(1, 9) for red in reds(batches.at(step).a)}
    assert seen == {(0, 2, 4)}  # the other clips are shorter than five frames


def test_held_out_samples_lie_apart_as_those_of_training(root: Path) -> None:
    write_clips(root / "a" / "test", {4: 6})
    write_clips(root / "b" / "train", {7: 5})
    held_out = opened(root, frame_step=2).held_out(2)
    assert reds(held_out.a) == [[80, 82, 84], [81, 83, 85]] and reds(held_out.b) == [[140, 142, 144]] * 2


def test_frames_of_a_sample_share_crop_and_flip_and_samples_and_domains_do_not(root: Path) -> None:
    batches = opened(root)
    seen: dict[str, set[tuple[int, ...]]] = {"a": set(), "b": set()}
    differs = 0
    for step in range(1, 20):
        batch = batches.at(step)
        draws = {}
        for domain, clips in (("a", batch.a), ("b", batch.b)):
            levels = to_image(clips.flatten(0, 1)).reshape(4, 3, 16, 16, 3).astype(int)
            assert (levels[..., 1:] == levels[:, :1, ..., 1:]).all()
            draws[domain] = [(x[0, 0, 0, 1], x[0, 0, 0, 2], x[0, 0, 1, 2]) for x in levels]
            seen[domain] |= set(draws[domain])
        differs += sum(one != other for one, other in zip(draws["a"], draws["b"], strict=True))
    assert min(map(len, seen.values())) > 30 and differs > 60


def test_frames_of_a_sample_share_their_colours(root: Path) -> None:
    plain = opened(root, flip=False, crop_size=16, preprocess="resize_and_crop", load_size=16)
    strong = {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.3}
    jittered = opened(root, flip=False, preprocess="resize_and_crop", load_size=16, **strong)
    before, after = plain.at(3).a, jittered.at(3).a
    assert not before.equal(after)
    # The same pixel of two frames of a clip has the same green and blue before; if one draw and one mean grey
    # served both frames, equal pixels would be equal after. Red differs by 1 of 255 from frame to frame.
    assert (after[:, 1:] - after[:, :1]).abs().max() < 0.1


def test_a_contrast_takes_the_mean_grey_of_the_clip(tmp_path: Path) -> None:
    for side in "ab":
        for number, level in enumerate((0, 120, 240)):
            picture = np.full((16, 16, 3), level, np.uint8)
            write_image(tmp_path / side / "clip" / f"{number}.png", picture)
    batches = opened(tmp_path, batch=1, contrast=0.5)
    levels = [to_image(batches.at(step).a[0])[:, 0, 0, 0].astype(int) for step in range(1, 12)]
    assert all(abs(middle - 120) <= 1 for _, middle, _ in levels)  # the mean of the clip stays in its place
    assert len({low for low, *_ in levels}) > 1


def test_clips_are_a_function_of_seed_and_step(root: Path) -> None:
    one, other = opened(root).at(7), opened(root).at(7)
    assert one.a.equal(other.a) and one.b.equal(other.b)
    assert not opened(root, seed=1).at(7).a.equal(one.a)


def test_no_window_goes_over_a_frame_that_is_missing_or_cannot_be_read(root: Path) -> None:
    (root / "a" / "train" / "film-000000" / "000008.png").write_bytes(b"no picture")
    (root / "b" / "train" / "film-000005" / "000009.png").unlink()
    batches = opened(root)
    assert [len(windows.starts) for windows in (batches.windows_a, batches.windows_b)] == [2, 1]
    seen = {tuple(red) for step in range(1, 9) for red in reds(batches.at(step).a)}
    assert seen == {(2, 3, 4), (20, 21, 22)}


def test_no_window_goes_over_a_change_of_size(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    for number in range(6):
        write_image(folder / f"{number}.png", frame(0, number, (20, 24) if number < 4 else (24, 20)))
    sizes = np.array([[20, 24]] * 4 + [[24, 20]] * 2)
    places = positions(sorted(folder.iterdir()), tmp_path)
    assert starts_of_windows(places, 3, sizes) == [0, 1]
    assert starts_of_windows(places, 3) == [0, 1, 2, 3]


def test_the_manifest_says_where_a_cut_is(tmp_path: Path) -> None:
    """Frames of one folder, numbered through, of two shots; and every second frame of another video."""
    records = [
        {"file": f"train/{n}.png", "source": 0, "index": n, "shot": int(n >= 3), "split": "train"}
        for n in range(7)
    ]
    records += [
        {"file": f"train/{n}.png", "source": 1, "index": 2 * n, "shot": 0, "split": "train"}
        for n in range(7, 12)
    ]
    facts = {"reskin": "0", "settings": {}, "sources": [], "frames": records, "damaged": []}
    for record in records:
        write_image(tmp_path / record["file"], frame(0, 0))
    sources = [{"name": name, "sha256": "", "size_bytes": 1} for name in ("x.mp4", "y.mp4")]
    write_json(tmp_path / "manifest.json", facts | {"sources": sources})
    places = positions([tmp_path / record["file"] for record in records], tmp_path)
    assert starts_of_windows(places, 3) == [0, 3, 4]


def test_what_prepare_clips_makes_is_read(tmp_path: Path) -> None:
    for side in "ab":
        shots_film(tmp_path / f"{side}.mp4", [12])
        prepare_clips([tmp_path / f"{side}.mp4"], tmp_path / side, ClipsConfig(length=4, split="none"))
    batches = opened(tmp_path, length=4)
    assert batches.at(1).a.shape == (4, 4, 3, 16, 16) and batches.length == 3
    assert opened(tmp_path, length=2).length == 9  # three windows in each of three clips


def test_strips_of_three_frames_are_clips(tmp_path: Path) -> None:
    """The layout of the authors of Recycle-GAN: three square frames side by side."""
    for side, first in (("trainA", 0), ("trainB", 5)):
        for clip in range(3):
            strip = np.concatenate([frame(first + clip, number, (24, 24)) for number in range(3)], axis=1)
            write_image(tmp_path / side / f"{clip}.png", strip)
    batches = opened(tmp_path, a=tmp_path, b=tmp_path)
    assert batches.length == 3
    assert {tuple(red) for red in reds(batches.at(1).a)} == {(0, 1, 2), (20, 21, 22), (40, 41, 42)}
    held_out = batches.held_out(2)
    assert held_out.b.shape == (2, 3, 3, 16, 16) and reds(held_out.b) == [[100, 101, 102], [120, 121, 122]]


def test_what_is_no_strip_among_strips_is_left_out(tmp_path: Path) -> None:
    for side in ("trainA", "trainB"):
        strip = np.concatenate([frame(0, number, (24, 24)) for number in range(3)], axis=1)
        write_image(tmp_path / side / "0.png", strip)
    write_image(tmp_path / "trainA" / "1.png", frame(9, 0, (24, 24)))
    batches = opened(tmp_path, a=tmp_path, b=tmp_path)
    assert [path.name for path, _ in batches.unreadable] == ["1.png"]
    assert "no strip of 3 square frames" in batches.unreadable[0][1]


def test_pairs_of_clips_stay_pairs(tmp_path: Path) -> None:
    for side, first in (("a", 0), ("b", 5)):
        write_clips(tmp_path / side, {0: 4, 1: 3})
        for path in (tmp_path / side).rglob("*.png"):
            clip, number = int(path.parent.name[-6:]), int(path.stem) - 7
            write_image(path, frame(first + clip, number))
    batches = opened(tmp_path, pairing="paired")
    batch = batches.at(1)
    assert batch.a.shape == (4, 3, 3, 16, 16) and batches.length == 3
    assert [[red - 100 for red in clip] for clip in reds(batch.b)] == reds(batch.a)
    assert batch.a[..., 1:, :, :].equal(
        batch.b[..., 1:, :, :]
    )  # rows and columns: one crop and flip for both
    held_out = batches.held_out(2)
    assert [[red - 100 for red in clip] for clip in reds(held_out.b)] == reds(held_out.a)


def test_held_out_clips_come_from_the_test_split_if_it_has_any(root: Path) -> None:
    assert reds(opened(root).held_out(2).a) == [[0, 1, 2], [2, 3, 4]]
    write_clips(root / "a" / "test", {3: 2})  # too short
    assert reds(opened(root).held_out(2).a) == [[0, 1, 2], [2, 3, 4]]
    write_clips(root / "a" / "test", {4: 3})
    held_out = opened(root).held_out(2)
    assert reds(held_out.a) == [[80, 81, 82], [80, 81, 82]] and held_out.b.shape == (2, 3, 3, 16, 16)


@pytest.mark.parametrize(
    ("write", "holds"),
    [
        (lambda a: write_clips(a, {0: 2, 1: 2}), "clips of 2 at most"),
        (
            lambda a: [write_image(a / f"{name}.png", frame(0, 0)) for name in ("x", "y")],
            "only single images",
        ),
        (lambda a: [write_image(a / f"{n}.png", frame(0, 0)) for n in (10, 20, 30)], "only single images"),
    ],
    ids=["short", "no numbers", "every tenth"],
)
def test_where_no_clip_is_the_error_says_how_to_make_them(root: Path, write: Any, holds: str) -> None:
    write(root / "c")
    with pytest.raises(
        DataError, match=f"no 3 consecutive frames.*{holds}.*reskin prepare clips .* --length 3"
    ):
        opened(root, a=root / "c")


def test_frames_that_lie_too_far_apart_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"no 7 consecutive frames \(3 of them, 3 apart\).*--length 7"):
        opened(root, frame_step=3)


def test_fewer_images_are_fewer_whole_clips(tmp_path: Path) -> None:
    places = [(tmp_path / f"film-{clip}" / f"{number}.png",) for clip in range(4) for number in range(3)]
    chosen = whole_clips(places, tmp_path, 7)
    assert [path.parent.name for (path,) in chosen] == ["film-0"] * 3 + ["film-2"] * 3
    assert len(whole_clips(places, tmp_path, 2)) == 2
