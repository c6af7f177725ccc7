"""How much memory a network takes for a picture, before it is tried, and how much there is."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reskin.inference.stripes import striped as in_stripes

SAMPLE_PX = 128
"""Edge of the picture on which the memory of a network is measured."""

MOST_BYTES_PER_PIXEL = 4096
"""No network of the package takes more for a pixel: where so much is free, nothing need be measured."""

USED_SHARE = 0.8
"""Share of the free memory that a picture may take: allocators keep some, and other programs grow."""

_WORKSPACE = 2.0
"""Libraries that compute convolutions take about as much again as the maps that they read and write:
a CycleGAN of width 64 needs 315 values a pixel on a CPU, and its maps are 147."""

_STRIPED_WORKSPACE = 1.5
"""In stripes they take less beside the maps, for they see little at a time: a CycleGAN of width 64 holds 76
values a pixel, and the process grew by 98."""

_SAMPLE_AT_ONCE = 1 << 14
"""Values of a stripe of the sample, which is so small that stripes of the usual size would be most of it."""

_CGROUP = Path("/sys/fs/cgroup")


def bytes_per_pixel(
    translate: Callable[[Tensor], object], device: torch.device, *, striped: nn.Module | None = None
) -> float:
    """The most memory that `translate` holds at a time for each pixel of a picture, measured on a small one.

    The picture itself and everything that is made of it counts, weights do not. Networks whose memory grows
    faster than the picture (attention over all pairs of pixels) take more than this for large ones.

    Args:
        translate: makes something of pictures (N, 3, H, W) in [-1, 1].
        device: where to.
        striped: the network that `translate` asks, for what it takes in stripes.
    """
    picture = torch.zeros(1, 3, SAMPLE_PX, SAMPLE_PX, device=device)
    with in_stripes(striped, at_once=_SAMPLE_AT_ONCE) if striped else nullcontext(), _Held() as held:
        translate(picture)
    workspace = _STRIPED_WORKSPACE if striped else _WORKSPACE
    return workspace * (held.most + picture.nbytes) / SAMPLE_PX**2


def room(device: torch.device, memory: int | None) -> float:
    """Bytes that the maps of a picture may take; infinity where this system does not say.

    Args:
        device: where they are made.
        memory: what the user allows; None for what is free.
    """
    if memory is not None:
        return float(memory)
    free = free_bytes(device)
    return math.inf if free is None else USED_SHARE * free


def stripes_in_words(
    size: tuple[int, int], needed: float, free: float, *, is_allowed: bool
) -> tuple[str, bool]:
    """What to say of a picture that is made in stripes, and whether its memory will hardly do.

    Args:
        size: its width and height in px.
        needed: bytes that it takes in stripes.
        free: bytes that it may take, as `room` says.
        is_allowed: whether the user said how many.

    >>> stripes_in_words((4000, 3000), 5.5e9, 8e9, is_allowed=False)[0]
    '4000x3000: made in stripes to fit the memory, in a little more time; about 5.5 GB are needed'
    >>> stripes_in_words((4000, 3000), 5.5e9, 4e9, is_allowed=True)[0]
    '4000x3000: even in stripes about 5.5 GB of memory are needed, more than --memory allows (4.0 GB)'
    """
    name, wanted = "{}x{}".format(*size), f"about {_gigabytes(needed)}"
    if needed <= free:
        return f"{name}: made in stripes to fit the memory, in a little more time; {wanted} are needed", False
    limit = f"--memory allows ({_gigabytes(free)})" if is_allowed else f"is free ({_gigabytes(free)})"
    return f"{name}: even in stripes {wanted} of memory are needed, more than {limit}", True


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{max(1, size / 1e6):.0f} MB"


class _Held(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside and still in use.

    Attributes:
        most: the largest number so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if _holds(leaf)}
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if _holds(leaf) and id(leaf.untyped_storage()) not in before:
                self._add(leaf.untyped_storage())
        return made

    def _add(self, storage: Any) -> None:
        key = id(storage)
        if key in self._known:
            return
        size = storage.nbytes()
        self._known[key] = weakref.ref(storage, lambda _: self._drop(key, size))
        self._now += size
        self.most = max(self.most, self._now)

    def _drop(self, key: int, size: int) -> None:
        if self._known.pop(key, None) is not None:
            self._now -= size


def _holds(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout is torch.strided


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None where this system does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + held)
    if device.type != "cpu":
        return None
    known = [size for size in (_free_of_machine(), _free_of_group()) if size is not None]
    return min(known, default=None)


def _free_of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return 1024 * sizes[0] if sizes else None


def _free_of_group() -> int | None:
    """What a container may still take; None outside of one."""
    try:
        limit, used = (
            (_CGROUP / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current")
        )
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):  # no such files, or "max": there is no limit
        return None
