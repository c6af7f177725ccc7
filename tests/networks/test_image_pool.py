"""The image pool against a plain list, and what a checkpoint and a CUDA graph need of it."""

from __future__ import annotations

import io
import random

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from reskin.errors import SettingsError, ShapeError
from reskin.networks.image_pool import ImagePool


def numbered(first: int, count: int = 1) -> Tensor:
    """Pictures that are told apart by their value."""
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1).expand(-1, 3, 2, 2).contiguous()


def numbers(images: Tensor) -> list[int]:
    assert (images == images[:, :1, :1, :1]).all()  # no picture is a mixture
    return [int(value) for value in images[:, 0, 0, 0]]


def test_the_first_pictures_pass_and_are_kept() -> None:
    pool = ImagePool(50)
    for i in range(50):
        assert numbers(pool(numbered(i))) == [i]
    assert numbers(pool.images) == list(range(50))
    assert int(pool.count) == 50


def test_size_zero_gives_everything_back() -> None:
    pool, images = ImagePool(0), numbered(0, 3).requires_grad_()
    assert pool(images).equal(images)
    assert not pool(images).requires_grad


def test_behaves_like_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same draws, the same pictures come out as from the rule written with a list and plain ifs."""
    draws = random.Random(1)
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.tensor([draws.random() for _ in range(n)]))
    monkeypatch.setattr(
        torch,
        "randint",
        lambda high, shape, **_: torch.tensor([draws.randrange(high) for _ in range(*shape)]),
    )
    pool, listed, replay = ImagePool(5), [], random.Random(1)
    for step in range(200):
        batch = 1 + step % 4
        coins = [replay.random() for _ in range(batch)]
        slots = [replay.randrange(5) for _ in range(batch)]
        expected = []
        for i, number in enumerate(range(10 * step, 10 * step + batch)):
            if len(listed) < 5:
                listed.append(number)
                expected.append(number)
            elif coins[i] < 0.5:
                expected.append(listed[slots[i]])
                listed[slots[i]] = number
            else:
                expected.append(number)
        assert numbers(pool(numbered(10 * step, batch))) == expected
        assert numbers(pool.images)[: len(listed)] == listed


@pytest.mark.sweep
def test_half_of_the_pictures_are_exchanged_and_evenly() -> None:
    pool = ImagePool(8)
    pool(numbered(0, 8))
    kept, chosen = numbers(pool.images), [0] * 8
    for i in range(8, 4008):
        out = numbers(pool(numbered(i)))[0]
        if out != i:
            slot = kept.index(out)
            chosen[slot] += 1
            kept[slot] = i
    assert 1900 < sum(chosen) < 2100  # 3.2 standard deviations about 2000
    assert all(190 < count < 310 for count in chosen)  # 4 about 250


def test_what_comes_out_is_detached_and_a_copy() -> None:
    pool = ImagePool(2)
    images = numbered(1, 2).requires_grad_()
    out = pool(images)
    assert not out.requires_grad
    assert not pool.images.requires_grad
    out.zero_()
    with torch.no_grad():
        images.zero_()
    assert numbers(pool.images) == [1, 2]


def test_memory_stays_in_place_and_the_host_is_never_asked() -> None:
    class NoHost(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            assert func.overloadpacket.__name__ not in {"_local_scalar_dense", "nonzero", "is_nonzero"}, func
            return func(*args, **(kwargs or {}))

    pool = ImagePool(2)
    pool(numbered(0))
    places = pool.images.data_ptr(), pool.count.data_ptr()
    with NoHost():
        for i in range(6):
            pool(numbered(i, 2))
    assert (pool.images.data_ptr(), pool.count.data_ptr()) == places


@pytest.mark.parametrize("seen", [0, 3, 9])
@pytest.mark.parametrize("seen_by_other", [0, 2])
def test_a_saved_pool_goes_on_bit_for_bit(seen: int, seen_by_other: int) -> None:
    pool, other = ImagePool(4), ImagePool(4)
    for _ in range(seen):
        pool(torch.randn(1, 3, 4, 4))
    for _ in range(seen_by_other):
        other(torch.randn(1, 3, 4, 4))
    other.load_state_dict(load(save(pool.state_dict())))
    made = []
    for each in (pool, other):
        torch.manual_seed(7)
        made.append(torch.cat([each(torch.randn(2, 3, 4, 4)) for _ in range(5)]))
    assert made[0].equal(made[1])
    assert pool.images.equal(other.images)
    assert pool.count.equal(other.count)


def test_loads_as_part_of_a_module_and_through_torch_save() -> None:
    parent, fresh = torch.nn.ModuleDict({"pool": ImagePool(2)}), torch.nn.ModuleDict({"pool": ImagePool(2)})
    parent["pool"](numbered(1, 3))
    file = io.BytesIO()
    torch.save(parent.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh["pool"].images.equal(parent["pool"].images)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(SettingsError, match="pool"):
        ImagePool(-1)
    pool = ImagePool(2)
    pool(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ShapeError, match="keeps"):
        pool(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ShapeError, match="keeps 2 pictures, this one 3"):
        ImagePool(3).load_state_dict(pool.state_dict())


def test_pictures_of_several_sizes_come_back_in_their_own() -> None:
    pool, sizes = ImagePool(3), [(8, 8), (4, 12), (8, 8), (16, 4)]
    given = []
    for number in range(60):
        torch.manual_seed(number)
        height, width = sizes[number % 4]
        given.append(pool(torch.full((1, 3, height, width), float(number))))
    first = given[:3]
    assert [int(image[0, 0, 0, 0]) for image in first] == [0, 1, 2]
    for number, image in enumerate(given):
        shown = int(image[0, 0, 0, 0])
        assert image.eq(shown).all() and image.shape[2:] == sizes[shown % 4] and shown <= number
    older = sum(int(image[0, 0, 0, 0]) < number for number, image in enumerate(given[3:], start=3))
    assert 15 < older < 42  # about half of 57


def test_a_pool_of_several_sizes_goes_on_from_its_state() -> None:
    pool = ImagePool(2)
    for number in range(5):
        pool(torch.full((1, 3, 4 + 4 * (number % 2), 8), float(number)))
    again = ImagePool(2)
    again.load_state_dict({key: value.clone() for key, value in pool.state_dict().items()})
    for number in range(5, 15):
        torch.manual_seed(number)
        wanted = pool(torch.full((1, 3, 8, 8 + 4 * (number % 2)), float(number)))
        torch.manual_seed(number)
        assert again(torch.full((1, 3, 8, 8 + 4 * (number % 2)), float(number))).equal(wanted)
    assert all(value.equal(again.state_dict()[key]) for key, value in pool.state_dict().items())


def test_the_state_of_an_earlier_version_is_read() -> None:
    pool = ImagePool(2)
    pool(torch.ones(1, 3, 4, 4))
    before = {key: value for key, value in pool.state_dict().items() if key != "edges"}
    again = ImagePool(2)
    again.load_state_dict(before)
    assert again.images.equal(pool.images) and not again.edges.numel()


@pytest.mark.parametrize("sizes", [[(4, 4)], [(4, 6), (6, 4), (2, 2)]], ids=["one", "several"])
def test_clips_come_back_whole(sizes: list[tuple[int, int]]) -> None:
    pool, given = ImagePool(3), []
    clips = [
        torch.full((1, 2, 3, *sizes[n % len(sizes)]), float(n)) + torch.tensor([0.0, 0.5]).view(1, 2, 1, 1, 1)
        for n in range(40)
    ]
    for clip in clips:
        back = pool(clip)
        given.append(int(back[0, 0, 0, 0, 0]))
        assert back.equal(clips[given[-1]])  # both of its frames, at its own size
    assert given != list(range(40))
