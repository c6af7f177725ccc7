"""Several training processes, as `torchrun` starts them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from reskin.errors import RunError

_LOST = re.compile("(?i)gloo|connection (closed|reset) by peer|broken pipe|socket timeout")


@dataclass(frozen=True)
class Processes:
    """Which process this is.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
    """

    rank: int
    world: int


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """Meet the other processes that `torchrun` started, if it did.

    Raises:
        RunError: another of them has ended, and this one waited for it.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), world)
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise RunError(
            f"process {dist.get_rank()} of {world} stopped, since another process of this training has ended",
            "What ended it stands above. Run the same command again: it goes on from the last checkpoint.",
        ) from None
    finally:
        dist.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone; Gloo has no type of its own for it."""
    if isinstance(error, dist.DistBackendError | dist.DistNetworkError):
        return True
    return bool(_LOST.search(str(error)))


def lowest(number: int, device: torch.device) -> int:
    """The lowest of all processes' numbers; `number` itself where there is one process."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return number
    lowest_so_far = torch.tensor(number, device=device)
    dist.all_reduce(lowest_so_far, op=dist.ReduceOp.MIN)
    return int(lowest_so_far.item())
