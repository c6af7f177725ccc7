"""Networks are measured before they take memory: settings out of a file can ask for any size."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules import module as registry

from reskin.errors import ReskinError, SettingsError
from reskin.methods.base import Method, MethodConfig

_MOST_PARTS = 10_000
"""Tensors; the largest networks here have some hundred."""
_FALLBACK_BYTES = 64 * 1024**3


def check_can_be_built(method_class: type[Method], settings: MethodConfig) -> None:
    """Build the networks without memory, to see whether it would be enough.

    Raises:
        SettingsError: they would not fit the memory of this machine, or cannot be built.
    """
    bytes_there = _memory_bytes()
    fix = "Make them smaller: fewer channels or blocks."
    what = f"the networks of these settings do not fit this machine's memory ({bytes_there / 1e9:.0f} GB)"
    try:
        with measured(_MOST_PARTS, bytes_there // 4, SettingsError(what, fix)):
            method_class(settings)
    except ReskinError:
        raise
    except (RuntimeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise SettingsError(f"the networks of these settings cannot be built ({reason})", fix) from None


@contextmanager
def measured(parts: int, numbers: int, error: ReskinError) -> Iterator[None]:
    """Networks inside the block are built on torch's meta device, where a tensor has a shape and no memory.

    Args:
        parts: tensors that they may have.
        numbers: and numbers in these.
        error: what is raised where they have more.

    Raises:
        ReskinError: `error`.
    """
    with _at_most(parts, numbers, error), torch.device("meta"):
        yield


@contextmanager
def _at_most(parts: int, numbers: int, error: ReskinError) -> Iterator[None]:
    """Stop building networks inside the block that have more tensors, or numbers in them, than this.

    Raises:
        ReskinError: `error`, where they have.
    """
    left, thread = [parts, numbers], threading.get_ident()

    def count(owner: nn.Module, name: str, parameter: torch.Tensor | None) -> None:
        if threading.get_ident() != thread:  # the hooks see every module that this process builds
            return
        left[0] -= 1
        left[1] -= 0 if parameter is None else parameter.numel()
        if min(left) < 0:
            raise error

    hooks = [
        registry.register_module_parameter_registration_hook(count),
        registry.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _memory_bytes() -> int:
    """All memory of this machine, as far as the system says."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _FALLBACK_BYTES
