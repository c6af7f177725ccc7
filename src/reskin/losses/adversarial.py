"""Adversarial losses of a generator and a discriminator."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from reskin.errors import SettingsError
from reskin.precision import at_least_float32

Adversarial = Literal["lsgan", "bce", "hinge", "wgan-gp"]
"""The adversarial objective."""


def adversarial_generator(kind: Adversarial, fake_logits: Tensor) -> Tensor:
    """The adversarial loss of the generator; lower is better for it.

    Args:
        kind: "lsgan" (Mao et al. 2017), "bce" (Goodfellow et al. 2014, non-saturating), "hinge" (Lim and Ye
            2017) or "wgan-gp" (Gulrajani et al. 2017).
        fake_logits: what the discriminator says of fakes, any shape, raw (no sigmoid).

    Returns:
        A scalar, float32.

    Raises:
        SettingsError: `kind` is unknown.

    >>> import torch
    >>> adversarial_generator("lsgan", torch.tensor([0.0, 1.0]))
    tensor(0.5000)
    """
    fake = at_least_float32(fake_logits)
    if kind == "lsgan":
        return (fake - 1).square().mean()
    if kind == "bce":
        return F.softplus(-fake).mean()
    if kind in ("hinge", "wgan-gp"):
        return -fake.mean()
    raise _unknown(kind)


def adversarial_discriminator(kind: Adversarial, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """The adversarial loss of the discriminator; lower is better for it.

    "lsgan" and "bce" carry the factor 1/2 of pix2pix and CycleGAN. "wgan-gp" leaves out the penalty: add
    `losses.gradient_penalty`.

    Args:
        kind: as in `adversarial_generator`.
        real_logits: what the discriminator says of real pictures, any shape, raw.
        fake_logits: what it says of fakes; detach them from the generator first.

    Returns:
        A scalar, float32.

    Raises:
        SettingsError: `kind` is unknown.

    >>> import torch
    >>> adversarial_discriminator("bce", torch.zeros(1), torch.zeros(1))
    tensor(0.6931)
    """
    real, fake = at_least_float32(real_logits), at_least_float32(fake_logits)
    if kind == "lsgan":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if kind == "bce":
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if kind == "wgan-gp":
        return fake.mean() - real.mean()
    raise _unknown(kind)


def _unknown(kind: str) -> SettingsError:
    return SettingsError(f"unknown adversarial loss '{kind}'", "Known: bce, hinge, lsgan, wgan-gp.")
