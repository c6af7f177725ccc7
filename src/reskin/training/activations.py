"""Less memory for large crops: what residual blocks gave is thrown away, and computed again for the gradient.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, https://arxiv.org/abs/1604.06174.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from reskin.errors import SettingsError
from reskin.methods.base import Method

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d, nn.Conv3d)


def recompute_blocks(method: Method) -> int:
    """Let the blocks of a method's generators keep their inputs alone until the gradient is computed.

    Weights, losses and gradients stay the same, bit for bit: the random state is put back before a block
    is computed again. Discriminators stay as they are.

    Args:
        method: on its device.

    Returns:
        The number of blocks.

    Raises:
        SettingsError: it has no such blocks.
    """
    judges = method.adversary.networks if method.adversary else ()
    found = [
        block
        for name, network in method.named_children()
        if name not in judges
        for block in blocks_of(network)
    ]
    for block in found:
        block.forward = types.MethodType(_recomputed, block)  # deepcopy binds it to the copy
    if not found:
        raise SettingsError(
            f"--checkpoint-activations: the generators of {method.title} have no residual blocks",
            "Leave it out, or train on smaller crops (--crop-size).",
        )
    return len(found)


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """The smallest parts in a row of parts that have two convolutions or more, and that remember nothing.

    A part with buffers, such as the running statistics of batch norm or the vector of spectral norm, would
    change them twice in a step.
    """
    for child in network.children():
        inside = list(blocks_of(child))
        yield from inside
        if not inside and isinstance(network, nn.Sequential | nn.ModuleList) and _is_block(child):
            yield child


def _is_block(part: nn.Module) -> bool:
    convolutions = sum(isinstance(each, _CONVOLUTIONS) for each in part.modules())
    return convolutions >= 2 and not any(True for _ in part.buffers())


def _recomputed(block: nn.Module, *inputs: Any) -> Any:
    """`forward` of a block's class, whose results are computed twice where gradients are asked for."""
    forward = type(block).forward
    if not torch.is_grad_enabled():
        return forward(block, *inputs)
    return checkpoint(forward, block, *inputs, use_reentrant=False)
