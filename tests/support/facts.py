"""Whether what a method says of its discriminators is true, found out from its networks and optimizers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.methods.base import Method
from reskin.methods.styled import Styled
from reskin.types import Direction


def translated(method: Method, images: Tensor, direction: Direction) -> Tensor:
    """A translation, in the style of the seed 0 and with the style codes where there are any."""
    if not isinstance(method, Styled):
        return method.translate(images, direction)
    style = method.sample_styles(1, seed=0)[0]
    parts = method.translate(images, direction, style), method.encode_style(images, direction)
    return torch.cat([part.flatten() for part in parts])


def has_no_part(method: Method, networks: list[nn.Module], images: Tensor) -> bool:
    """Whether translations stay what they are while all weights of `networks` are NaN."""
    before = [translated(method, images, direction) for direction in method.directions]
    kept = [(p, p.detach().clone()) for network in networks for p in network.parameters()]
    with torch.no_grad():
        for parameter, _ in kept:
            parameter.fill_(torch.nan)
        after = [translated(method, images, direction) for direction in method.directions]
        for parameter, values in kept:
            parameter.copy_(values)
    return all(one.equal(other) for one, other in zip(before, after, strict=True))


@torch.no_grad()
def untrue_facts(method: Method, images: Tensor) -> list[str]:
    """What is wrong with `adversary`; empty where it is right."""
    method.eval()
    adversary = method.adversary
    judges = [method.get_submodule(name) for name in (adversary.networks if adversary else ())]
    found = [] if has_no_part(method, judges, images) else ["a discriminator translates"]
    declared = {id(p) for network in judges for p in network.parameters()}
    for name, optimizer in method.optimizers.items():
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if trained & declared and not trained <= declared:
            found.append(f"optimizer {name} trains discriminators and others")
        networks = [m for m in method.children() if trained & {id(p) for p in m.parameters()}]
        if not trained & declared and has_no_part(method, networks, images):
            found.append(f"what optimizer {name} trains does not translate: a discriminator")
    return found
