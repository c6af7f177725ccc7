"""Initial weights of the CycleGAN family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from reskin.errors import SettingsError

Init = Literal["normal", "xavier", "kaiming", "orthogonal"]
"""How the weights of convolutions and linear layers are drawn."""


def initialise(network: nn.Module, kind: Init = "normal", gain: float = 0.02) -> nn.Module:
    """Draw all weights of `network` anew, from torch's default random numbers.

    Convolutions and linear layers are drawn as `kind` says, their biases are 0; the scale of a norm with
    parameters is drawn from N(1, gain), its shift is 0.

    Args:
        network: changed in place, with everything inside it.
        kind: "normal" is N(0, gain), the paper's; "xavier" and "orthogonal" are scaled by `gain`; "kaiming"
            is for ReLU and ignores it.
        gain: standard deviation or scale.

    Returns:
        The network.

    Raises:
        SettingsError: `kind` is unknown.

    >>> layer = initialise(nn.Conv2d(8, 8, 3))
    >>> bool(layer.bias.eq(0).all()), round(layer.weight.std().item(), 2)
    (True, 0.02)
    """
    if kind not in _DRAW:
        raise SettingsError(f"unknown init '{kind}'", "Known: kaiming, normal, orthogonal, xavier.")
    for module in network.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            _DRAW[kind](module.weight, gain)
        elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)) and module.affine:
            nn.init.normal_(module.weight, 1.0, gain)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


_DRAW: dict[str, Callable[[Tensor, float], object]] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": nn.init.xavier_normal_,
    "kaiming": lambda weight, _: nn.init.kaiming_normal_(weight, a=0.0, mode="fan_in"),
    "orthogonal": nn.init.orthogonal_,
}
"""What fills one weight, given the gain."""
