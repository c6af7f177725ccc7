"""Adversarial losses of a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import SettingsError, ShapeError
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
    `gradient_penalty`.

    Args:
        kind: as in `adversarial_generator`.
        real_logits: what the discriminator says of real pictures, any shape, raw.
        fake_logits: what it says of fakes; detach them from the generator first.

    Returns:
        A scalar, float32.

    Raises:
        SettingsError: `kind` is unknown.

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


def multiscale_generator(kind: Adversarial, fake_logits: Sequence[Tensor]) -> Tensor:
    """The adversarial loss of the generator, summed over the scales of a discriminator (MUNIT, pix2pixHD).

    >>> multiscale_generator("lsgan", [torch.zeros(1), torch.zeros(1)])
    tensor(2.)
    """
    return torch.stack([adversarial_generator(kind, logits) for logits in fake_logits]).sum()


def multiscale_discriminator(
    kind: Adversarial, real_logits: Sequence[Tensor], fake_logits: Sequence[Tensor]
) -> Tensor:
    """The adversarial loss of a discriminator, summed over its scales; real and fake without the factor 1/2.

    >>> multiscale_discriminator("lsgan", [torch.zeros(1)], [torch.ones(1)])
    tensor(2.)
    """
    pairs = zip(real_logits, fake_logits, strict=True)
    return 2 * torch.stack([adversarial_discriminator(kind, *pair) for pair in pairs]).sum()


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, *, weight: float = 10.0
) -> Tensor:
    """Gradient penalty: keeps the discriminator's gradient norm near 1 between real and fake.

    WGAN-GP, Gulrajani et al. 2017, eq. 3.

    The slope is that of a picture's mean logit, which is the value that the "wgan-gp" loss compares, so the
    number of patches does not change it. The points are drawn with torch's default random numbers, one for
    each pair of pictures.

    Args:
        discriminator: (N, C, H, W) to (N, ...) logits; each picture is judged on its own.
        real: (N, C, H, W).
        fake: same shape as `real`; no gradient flows into it.
        weight: the factor of the penalty.

    Returns:
        A scalar, float32: weight * mean((|slope| - 1)^2).

    Raises:
        ShapeError: the shapes differ.

    >>> gradient_penalty(lambda x: 3 * x.flatten(1)[:, :1], torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))
    tensor(40.)
    """
    if real.shape != fake.shape:
        raise ShapeError(
            f"wgan-gp mixes real pictures and fakes of one size: {tuple(real.shape)}, {tuple(fake.shape)}",
            "Use a --preprocess that crops, or another --adversarial.",
        )
    real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
    share = torch.rand((len(real), *[1] * (real.dim() - 1)), device=real.device)
    with torch.enable_grad():
        between = (share * real + (1 - share) * fake).requires_grad_()
        judged = at_least_float32(discriminator(between)).mean() * len(real)
        (slopes,) = torch.autograd.grad(judged, between, create_graph=True)
        return weight * (slopes.flatten(1).norm(dim=1) - 1).square().mean()


def _unknown(kind: str) -> SettingsError:
    return SettingsError(f"unknown adversarial loss '{kind}'", "Known: bce, hinge, lsgan, wgan-gp.")
