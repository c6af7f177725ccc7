"""Batches from real folders of drawn pictures."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reskin.data.batches import Batches, DataConfig, open_batches
from reskin.data.sampling import Pairing, Sampling
from reskin.errors import DataError
from reskin.images import to_image, write_image
from reskin.types import Batch

CPU = torch.device("cpu")


def paint(folder: Path, count: int, size: tuple[int, int] = (20, 24), start: int = 0) -> None:
    """Pictures whose every pixel tells which picture, row and column it is."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    for number in range(count):
        picture = np.dstack([np.full(size, start + number), rows, columns]).astype(np.uint8)
        write_image(folder / f"{number}.png", picture)


def opened(root: Path, *, pairing: Pairing = "unpaired", batch: int = 4, **settings: Any) -> Batches:
    ranks = {name: settings.pop(name) for name in ("rank", "world", "seed", "device") if name in settings}
    values = {"preprocess": "crop", "crop_size": 16, "a": root / "a", "b": root / "b", **settings}
    device = ranks.pop("device", CPU)
    config = DataConfig(**values)
    sampling = Sampling(pairing=pairing, batch=batch, **ranks)
    return open_batches(config, sampling, device=device, cache_folder=root / "cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    paint(tmp_path / "a", 7)
    paint(tmp_path / "b", 5, start=100)
    return tmp_path


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.a, other.a) and torch.equal(one.b, other.b)


def test_shape_range_and_sides(root: Path) -> None:
    batches = opened(root)
    batch = batches.at(1)
    assert batches.length == 7 and batches.unreadable == []
    for images, lowest, highest in ((batch.a, 0, 6), (batch.b, 100, 104)):
        assert images.shape == (4, 3, 16, 16) and images.dtype == torch.float32 and images.is_contiguous()
        numbers = to_image(images)[..., 0]
        assert lowest <= numbers.min() and numbers.max() <= highest
        assert (numbers == numbers[:, :1, :1]).all()


def test_crops_are_windows_of_the_picture_and_flips_are_mirrored(root: Path) -> None:
    batches = opened(root)
    mirrored, tops, lefts = [], set(), set()
    for step in range(1, 60):
        pictures = to_image(batches.at(step).a).astype(int)
        rows, columns = pictures[..., 1], pictures[..., 2]
        assert (np.diff(rows, axis=1) == 1).all()
        steps = np.diff(columns, axis=2)
        assert (steps == steps[:, :1, :1]).all() and set(steps.flat) <= {-1, 1}
        mirrored += (steps[:, 0, 0] == -1).tolist()
        tops |= set(rows[:, 0, 0].tolist())
        lefts |= set(columns.min(axis=(1, 2)).tolist())
    assert tops == set(range(5)) and lefts == set(range(9))  # every place of 20x24 for 16x16
    assert abs(np.mean(mirrored) - 0.5) < 0.13  # 236 flips: four standard deviations


def test_no_flip_when_off(root: Path) -> None:
    batches = opened(root, flip=False)
    for step in range(1, 9):
        assert (np.diff(to_image(batches.at(step).a)[..., 2].astype(int), axis=2) == 1).all()


@pytest.mark.sweep
def test_one_of_five_is_drawn_for_each_picture_from_seed_and_step(root: Path) -> None:
    settings = {"flip": False, "augment": "one_of_five", "brightness": 0.2, "hue": 0.05}
    batches = opened(root, **settings)
    seen = {"none": 0, "mirrored": 0, "upside down": 0, "other": 0}
    for step in range(1, 101):
        for picture in to_image(batches.at(step).a).astype(int):
            down, across = np.diff(picture[..., 1], axis=0), np.diff(picture[..., 2], axis=1)
            ways = {(1, 1): "none", (1, -1): "mirrored", (-1, 1): "upside down"}
            is_plain = (down == down[0, 0]).all() and (across == across[0, 0]).all()
            kind = ways.get((down[0, 0], across[0, 0]), "other") if is_plain else "other"
            seen[kind] += 1
    assert same(opened(root, **settings).at(7), batches.at(7))
    for kind, share in (("mirrored", 0.2), ("upside down", 0.2)):
        assert abs(seen[kind] / 400 - share) < 0.08  # four standard deviations
    assert 0.5 < (seen["none"] + seen["other"]) / 400 < 0.7
    only_flips = opened(root, **{**settings, "augment_probabilities": (0, 1, 0, 0, 0)}).at(1).a
    assert (np.diff(to_image(only_flips)[..., 2].astype(int), axis=2) == -1).all()


def test_a_step_is_the_same_whoever_asks_when(root: Path) -> None:
    colours = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3}
    first = opened(root, **colours).at(7)
    batches = opened(root, **colours)
    torch.manual_seed(99)
    for step in (3, 8, 1):
        batches.at(step)
    assert same(first, batches.at(7)) and not same(first, batches.at(8))
    with ThreadPoolExecutor(3) as pool:
        asked = list(pool.map(batches.at, [9, 7, 8, 7]))
    assert same(asked[1], first) and same(asked[3], first)
    assert not same(opened(root, seed=1, **colours).at(7), first)


def test_two_processes_see_what_one_sees(root: Path) -> None:
    whole = opened(root, batch=4)
    parts = [opened(root, batch=2, rank=rank, world=2) for rank in (0, 1)]
    for step in (1, 2, 5):
        halves = [part.at(step) for part in parts]
        joined = Batch(torch.cat([half.a for half in halves]), torch.cat([half.b for half in halves]))
        assert same(joined, whole.at(step))


def test_a_cache_in_a_file_gives_the_same_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = opened(root).at(3)
    monkeypatch.setattr("reskin.data.batches.default_memory_limit", lambda: 0)
    batches = opened(root)
    assert isinstance(batches.cache_a.pixels, np.memmap) and same(batches.at(3), in_memory)


def test_colour_is_changed_but_stays_in_range(root: Path) -> None:
    plain, coloured = opened(root).at(1), opened(root, brightness=0.5, contrast=0.5, saturation=0.5).at(1)
    assert not same(plain, coloured) and coloured.a.abs().max() <= 1


def test_default_preprocessing_is_the_papers(tmp_path: Path) -> None:
    paint(tmp_path / "a", 1, (30, 40))
    paint(tmp_path / "b", 1, (50, 20))
    batches = opened(tmp_path, preprocess="resize_and_crop", load_size=286, crop_size=256)
    assert batches.cache_a.picture(0).shape == (286, 286, 3) and batches.at(1).b.shape == (4, 3, 256, 256)


def test_unequal_sizes_cannot_share_a_batch(tmp_path: Path) -> None:
    paint(tmp_path / "a", 2)
    paint(tmp_path / "b", 2)
    write_image(tmp_path / "b" / "9.png", np.zeros((33, 42, 3), np.uint8))
    with pytest.raises(DataError, match=r"unequal size.*24x20 and .*9\.png 40x32.*batch of 1"):
        opened(tmp_path, preprocess="none", batch=2)
    batches = opened(tmp_path, preprocess="none", batch=1)
    assert {tuple(batches.at(step).b.shape) for step in range(1, 20)} == {(1, 3, 20, 24), (1, 3, 32, 40)}
    assert batches.at(1).a.shape == (1, 3, 20, 24)


def test_unreadable_pictures_are_named_and_left_out(root: Path) -> None:
    (root / "a" / "broken.png").write_bytes(b"nothing")
    batches = opened(root)
    assert [path.name for path, _ in batches.unreadable] == ["broken.png"] and batches.length == 7
    for path in (root / "b").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of 5 pictures"):
        opened(root)


def test_missing_and_empty_folders_say_what_to_do(root: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        opened(root, a=root / "c")
    (root / "c").mkdir()
    with pytest.raises(DataError, match="no pictures for domain B"):
        opened(root, b=root / "c")


def test_max_images_takes_them_evenly(root: Path) -> None:
    batches = opened(root, max_images=3)
    assert [source[0].stem for source in batches.cache_a.sources] == ["0", "2", "4"] and batches.length == 3


def test_pairs_in_two_folders_share_everything(root: Path) -> None:
    batches = opened(root, pairing="paired", brightness=0.2)
    assert batches.length == 5
    assert [path.name for path, reason in batches.unreadable if "no partner" in reason] == ["5.png", "6.png"]
    plain = opened(root, pairing="paired")
    for step in range(1, 10):
        a, b = to_image(plain.at(step).a), to_image(plain.at(step).b)
        assert np.array_equal(a[..., 1:], b[..., 1:]) and (b[..., 0] - a[..., 0] == 100).all()


def test_pairs_side_by_side(tmp_path: Path) -> None:
    for number in range(3):
        left, right = np.full((16, 16, 3), number, np.uint8), np.full((16, 16, 3), 50 + number, np.uint8)
        write_image(tmp_path / "train" / f"{number}.png", np.concatenate([left, right], axis=1))
    batches = opened(tmp_path, pairing="paired", a=tmp_path, b=tmp_path)
    a, b = to_image(batches.at(1).a), to_image(batches.at(1).b)
    assert batches.length == 3 and (b.astype(int) - a == 50).all()


def test_pairs_without_partners_are_an_error(tmp_path: Path) -> None:
    paint(tmp_path / "a", 1)
    write_image(tmp_path / "b" / "other.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"no pairs.*0\.png has no partner"):
        opened(tmp_path, pairing="paired")
    write_image(tmp_path / "a" / "0.bmp", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match="same name"):
        opened(tmp_path, pairing="paired")


def test_held_out_pictures_are_fixed_and_from_the_test_split(tmp_path: Path) -> None:
    for side, start in (("A", 0), ("B", 100)):
        paint(tmp_path / f"train{side}", 3, start=start)
        paint(tmp_path / f"test{side}", 9 if side == "A" else 2, start=start + 50)
    batches = opened(tmp_path, a=tmp_path, b=tmp_path)
    held = batches.held_out(4)
    assert same(held, batches.held_out(4)) and held.a.shape == held.b.shape == (4, 3, 16, 16)
    assert to_image(held.a)[:, 0, 0].tolist() == [
        [50, 2, 4],
        [52, 2, 4],
        [54, 2, 4],
        [56, 2, 4],
    ]  # the middle
    assert to_image(held.b)[:, 0, 0, 0].tolist() == [150, 151, 150, 151]


def test_held_out_without_a_test_split_or_with_a_broken_picture(root: Path) -> None:
    batches = opened(root)
    (root / "a" / "0.png").write_bytes(b"nothing")
    held = batches.held_out(3)
    assert to_image(held.a)[:, 0, 0, 0].tolist() == [1, 2, 4]  # 0, 2, 4 were asked for
    assert to_image(held.b)[:, 0, 0, 0].tolist() == [100, 101, 103]


def test_held_out_pairs(root: Path) -> None:
    held = opened(root, pairing="paired").held_out(2)
    assert (to_image(held.b)[..., 0] - to_image(held.a)[..., 0] == 100).all() and held.a.shape[0] == 2


@pytest.mark.slow  # it looks at the clock
def test_a_batch_costs_little(tmp_path: Path) -> None:
    """The goal is 3 ms on a free core; the bound allows for a busy one."""
    for side in ("a", "b"):
        noise = np.random.default_rng(0).integers(0, 256, (286, 286, 3)).astype(np.uint8)
        for number in range(4):
            write_image(tmp_path / side / f"{number}.bmp", noise)
    batches = opened(tmp_path, preprocess="resize_and_crop", crop_size=256)
    seconds = []
    for step in range(1, 30):
        start = time.perf_counter()
        batches.at(step)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.010


@pytest.mark.gpu
def test_cuda_gives_the_same_batches(root: Path) -> None:
    on_cpu, on_gpu = opened(root).at(3), opened(root, device=torch.device("cuda")).at(3)
    assert (
        on_gpu.a.is_cuda and torch.equal(on_gpu.a.cpu(), on_cpu.a) and torch.equal(on_gpu.b.cpu(), on_cpu.b)
    )


def test_rotated_batches_are_functions_of_the_step(root: Path) -> None:
    settings: dict[str, Any] = {"preprocess": "resize_and_crop", "load_size": 24}
    turned = {"rotate": 30.0, "rescale": 0.1}
    third = opened(root, **settings, **turned).at(3)
    assert third.a.shape == (4, 3, 16, 16)
    assert same(third, opened(root, **settings, **turned).at(3))
    assert not same(third, opened(root, **settings).at(3))


@pytest.mark.parametrize("pairing", ["unpaired", "paired"])
def test_from_a_step_on_pictures_are_whole(tmp_path: Path, pairing: Pairing) -> None:
    """As with a load_size of crop_size, whatever was asked for before; earlier steps stay as they are."""
    rows = np.linspace(0, 255, 32, dtype=np.uint8)
    for side in ("a", "b"):
        picture = np.ascontiguousarray(np.broadcast_to(rows[:, None, None], (32, 32, 3)))
        write_image(tmp_path / side / "0.png", picture)
    settings: dict[str, Any] = {
        "preprocess": "resize_and_crop",
        "load_size": 32,
        "crop_size": 16,
        "flip": False,
    }
    cropped = opened(tmp_path, pairing=pairing, batch=1, **settings)
    whole = opened(tmp_path, pairing=pairing, batch=1, **settings | {"load_size": 16})
    batches = replace(cropped, whole_from=5)
    for step in (6, 4, 5):
        assert same(batches.at(step), cropped.at(step)) == (step < 5)
    torch.testing.assert_close(batches.at(5).a, whole.at(5).a, rtol=0, atol=0.05)
    torch.testing.assert_close(batches.at(6).b, whole.at(6).b, rtol=0, atol=0.05)


@pytest.mark.parametrize("more", [{}, {"rotate": 20.0}, {"augment": "one_of_five", "flip": False}])
def test_masks_are_cropped_and_flipped_as_their_pictures(root: Path, more: dict[str, Any]) -> None:
    """Each mask is its picture in grey, so that where they differ they were treated differently."""
    for number in range(7):
        grey = np.random.default_rng(number).integers(0, 256, (20, 24, 1)).astype(np.uint8)
        write_image(root / "a" / f"{number}.png", np.repeat(grey, 3, axis=2))
        write_image(root / "masks" / "trainA" / f"{number}.png", np.repeat(grey, 3, axis=2))
    plain, coloured = (
        opened(root, mask_a=root / "masks", batch=32, brightness=strength, **more) for strength in (0.0, 0.5)
    )
    batch = plain.at(1)
    assert batch.mask_a is not None and batch.mask_b is None
    assert batch.mask_a.shape == (32, 1, 16, 16)
    assert torch.allclose(batch.mask_a, (batch.a[:, :1] + 1) / 2, atol=1e-5)
    assert same(plain.at(1), Batch(batch.a, opened(root, batch=32, **more).at(1).b))
    brighter = coloured.at(1)
    assert brighter.mask_a is not None and brighter.mask_a.equal(batch.mask_a)
    assert not brighter.a.equal(batch.a)
    assert plain.shorter_edge == 20 and plain.held_out(2).a.shape == (2, 3, 16, 16)


def test_a_picture_without_a_mask_is_named(root: Path) -> None:
    paint(root / "masks", 4)
    with pytest.raises(DataError, match=r"1 of 5 pictures have no mask in .*masks, first .*4\.png") as raised:
        opened(root, mask_b=root / "masks")
    assert "4.png, white where" in str(raised.value)
    with pytest.raises(DataError, match="does not exist"):
        opened(root, mask_a=root / "none")
