"""Whether a run that goes on can end in the same bits: threads and instruction set of a CPU decide about it.

The order in which a sum is taken depends on how many threads share it and on how wide the registers are, and
a float's last bits depend on the order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that keep oneDNN from instructions which the CPU has."""


def cpu_facts(device: torch.device) -> dict[str, Any]:
    """Threads and instruction set in use, for a run's `resolved`; empty for another device than a CPU."""
    if device.type != "cpu":
        return {}
    found = torch.cpu.get_capabilities()
    words = [
        torch.backends.cpu.get_cpu_capability(),
        str(found.get("cpu_name", found.get("architecture", ""))),
    ]
    words += [f"{name}={os.environ[name]}" for name in _LIMITS if os.environ.get(name)]
    return {"threads": torch.get_num_threads(), "cpu": ", ".join(filter(None, words))}


def go_on_as_before(before: Mapping[str, Any], device: torch.device) -> tuple[dict[str, Any], str]:
    """Take the number of threads that a run was begun with.

    Args:
        before: its `resolved`; what it does not hold, as in runs of version 0.1.0, stays as it is here.
        device: where it goes on.

    Returns:
        The facts to keep as the run's own, and a line for the user: empty where the run goes on as exactly as
        it can.
    """
    here = cpu_facts(device)
    if not here:
        return {}, ""
    notes = []
    threads = before.get("threads")
    if type(threads) is int and 1 <= threads <= _MOST_THREADS and threads != here["threads"]:
        torch.set_num_threads(threads)
        notes.append(f"uses {threads} threads as it was begun with, not {here['threads']}")
        here["threads"] = threads
    kind = before.get("cpu")
    if isinstance(kind, str) and kind != here["cpu"]:
        notes.append(
            f"was begun on another kind of CPU ({kind}, here {here['cpu']}), so its last bits will not be "
            "those of a run that was never stopped"
        )
        here["cpu"] = kind
    return here, " and ".join(notes)


_MOST_THREADS = 1024
