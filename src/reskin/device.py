"""The only module where device, precision and memory format are chosen."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from reskin.engine_names import EngineName
from reskin.errors import SettingsError

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class Compute:
    """Where and how networks are run.

    Attributes:
        device: the device.
        precision: "fp32", or "bf16" for convolutions in bfloat16 with losses and weights in float32.
        memory: bytes that the maps of a translation may take; None for what is free.
        engine: what computes translations; "auto" for the one with which a job is done soonest.
        is_precision_free: whether `engine="auto"` may take another precision than this one.
    """

    device: torch.device
    precision: Literal["fp32", "bf16"]
    memory: int | None = None
    engine: EngineName = "torch"
    is_precision_free: bool = False

    def autocast(self) -> AbstractContextManager[None]:
        """The context to run networks in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def move(self, network: nn.Module) -> None:
        """Move a network to the device. Weights stay channels first: measured, last costs on both kinds
        of device (docs/decisions/0003-speed.md)."""
        network.to(self.device)

    def describe(self) -> str:
        """One phrase for people, such as "CPU (2 threads), bf16"."""
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)}, {self.precision}"
        if self.device.type == "cpu":
            count = torch.get_num_threads()
            return f"CPU ({count} thread{'' if count == 1 else 's'}), {self.precision}"
        return f"{self.device}, {self.precision}"


_NAME = re.compile(r"(cpu|cuda|mps)(:[0-9]{1,3})?")
"""Devices that are known to work; torch knows the names of more, which fail in the middle of the work."""
_KNOWN = "cpu, cuda, cuda:1 or mps"

_UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}


def bytes_of(text: str) -> int:
    """An amount of memory as people write it.

    Raises:
        SettingsError: it is not of the form 4GB, or less than a megabyte.

    >>> bytes_of("4GB"), bytes_of("1.5 gib")
    (4000000000, 1610612736)
    """
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([MG]I?B)", text.strip().upper())
    size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if size < _UNITS["MB"]:
        raise SettingsError(f"--memory {text}", "Give a size such as 4GB or 500MB.")
    return size


def choose_compute(
    device: str = "auto",
    precision: Precision = "auto",
    *,
    memory: str | None = None,
    engine: EngineName = "torch",
) -> Compute:
    """The device and the way to use it.

    Args:
        device: "auto" (CUDA, else Apple's MPS, else the CPU) or one of cpu, cuda, cuda:1 ... and mps.
        precision: "auto" takes bf16 where the device computes in it, else fp32.
        memory: such as "4GB": what a translation may take, larger pictures are made in stripes.
        engine: what computes translations; see `reskin.inference.engines`.

    Raises:
        SettingsError: the device is not there, or `memory` is no amount.
    """
    chosen = _find_device(device)
    is_free = precision == "auto"
    if precision == "auto":
        precision = "bf16" if computes_bf16(chosen) else "fp32"
    _keep_memory()
    return Compute(chosen, precision, None if memory is None else bytes_of(memory), engine, is_free)


def _keep_memory() -> None:
    """Let the process keep the memory of large arrays instead of giving it back to the system each time.

    A training step at 256 px in fp32 makes hundreds of tensors of over 32 MB; glibc maps each anew, and the
    system clears every page of it (docs/decisions/0003-speed.md). Guided upsampling of a film's frames, which
    the processor does whatever computes the model, takes about half the time so.
    """
    mallopt = _of_the_allocator("mallopt")
    if mallopt is not None:
        most_mapped_blocks, trim_threshold = -4, -1  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h
        mallopt(most_mapped_blocks, 0)
        mallopt(trim_threshold, 2**31 - 1)


def give_back_memory() -> None:
    """Give the system the pages of blocks that were freed, wherever in the heap they lie (Linux).

    With what `_keep_memory` asks for nothing else gives them back: of a 1080p film without enlarging 964 MB
    were held after 2,400 frames, and 778 with this; the call takes 0.05 s.
    """
    trim = _of_the_allocator("malloc_trim")
    if trim is not None:
        trim(0)


def _of_the_allocator(name: str) -> Any:
    """A function of glibc; None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _find_device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not _NAME.fullmatch(name):
        raise SettingsError(f"no device {name[:60]!r}", f"Leave --device out, or give {_KNOWN}.")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = f" ({str(error).splitlines()[0]})" if _is_built(name) else ""
        what = f"no device '{name}' in this machine{reason}"
        raise SettingsError(what, f"Leave --device out, or give {_KNOWN}.") from None
    return torch.device("cpu") if device.type == "cpu" else device


def _is_built(name: str) -> bool:
    """Whether this torch was built for a kind of device; where it was not, its errors are long and vague."""
    kind = name.partition(":")[0]
    return kind == "cpu" or (
        torch.backends.mps.is_built() if kind == "mps" else torch.version.cuda is not None
    )


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 arithmetic of its own, so that using it saves time."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


_MEMORY_WORDS = (
    "DefaultCPUAllocator",
    "std::bad_alloc",
    "out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What allocators without an exception of their own say: the CPU's, Apple's and those of CUDA's libraries."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that the device has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _MEMORY_WORDS)
