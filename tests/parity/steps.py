"""One training step of each method from the papers' equations, in plain torch, and Adam by hand.

Each function takes the weights and returns for each optimizer the loss as a function of the weights at that
time, in the order of the authors' code. What a later loss needs of an earlier moment, such as
the fakes before the generators' update, is computed by the outer function.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from tests.parity import networks as nets
from tests.parity.networks import Weights
from torch import Tensor

Losses = list[tuple[str, Callable[[Weights], Tensor]]]
"""Optimizer and its loss, in order."""


def l1(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean()


def ls(logits: Tensor, target: float) -> Tensor:
    """Least squares against a target of 0 or 1."""
    return (logits - target).square().mean()


def bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def _two_generators(
    w: Weights, a: Tensor, b: Tensor, gen: Callable[[Weights, str, Tensor], Tensor]
) -> Losses:
    """CycleGAN's step: generators, then discriminators on the fakes from before; cycle 10, identity 5."""
    with torch.no_grad():
        old_b, old_a = gen(w, "gen_a2b", a), gen(w, "gen_b2a", b)

    def generators(w: Weights) -> Tensor:
        fake_b, fake_a = gen(w, "gen_a2b", a), gen(w, "gen_b2a", b)
        adversarial = ls(nets.patchgan(w, "disc_b", fake_b), 1) + ls(nets.patchgan(w, "disc_a", fake_a), 1)
        cycle = l1(gen(w, "gen_b2a", fake_b), a) + l1(gen(w, "gen_a2b", fake_a), b)
        identity = l1(gen(w, "gen_a2b", b), b) + l1(gen(w, "gen_b2a", a), a)
        return adversarial + 10 * cycle + 5 * identity

    def discriminators(w: Weights) -> Tensor:
        of_a = ls(nets.patchgan(w, "disc_a", a), 1) + ls(nets.patchgan(w, "disc_a", old_a), 0)
        of_b = ls(nets.patchgan(w, "disc_b", b), 1) + ls(nets.patchgan(w, "disc_b", old_b), 0)
        return (of_a + of_b) / 2

    return [("generators", generators), ("discriminators", discriminators)]


def cyclegan(w: Weights, a: Tensor, b: Tensor) -> Losses:
    return _two_generators(w, a, b, nets.resnet)


def attentiongan(w: Weights, a: Tensor, b: Tensor) -> Losses:
    return _two_generators(w, a, b, nets.attention)


def pix2pix(w: Weights, a: Tensor, b: Tensor) -> Losses:
    """The discriminator first, then the generator against the new one; L1 x 100."""
    with torch.no_grad():
        old = nets.unet(w, "gen_a2b", a, 5)

    def discriminator(w: Weights) -> Tensor:
        real = nets.batch_norm_patchgan(w, "disc_b", torch.cat([a, b], 1))
        return (bce(real, 1) + bce(nets.batch_norm_patchgan(w, "disc_b", torch.cat([a, old], 1)), 0)) / 2

    def generator(w: Weights) -> Tensor:
        fake = nets.unet(w, "gen_a2b", a, 5)
        judged = nets.batch_norm_patchgan(w, "disc_b", torch.cat([a, fake], 1))
        return bce(judged, 1) + 100 * l1(fake, b)

    return [("discriminator", discriminator), ("generator", generator)]


def _vectors(w: Weights, tap: Tensor, number: int) -> Tensor:
    """Vectors of all positions of a map, (N, H * W, 256), by a layer of the projection, of length near 1."""
    first, second = nets.layers(w, "projection.layers")[2 * number : 2 * number + 2]
    flat = tap.flatten(2).transpose(1, 2)
    out = (flat @ first["weight"].T + first["bias"]).relu() @ second["weight"].T + second["bias"]
    return out / (out.square().sum(2, keepdim=True).sqrt() + 1e-7)


def _nce(w: Weights, made: list[Tensor], given: list[Tensor]) -> Tensor:
    """PatchNCE over all positions: the mean over maps, pictures and positions, temperature 0.07."""
    total = torch.zeros((), dtype=torch.float64)
    for number, (query_map, key_map) in enumerate(zip(made, given, strict=True)):
        queries, keys = _vectors(w, query_map, number), _vectors(w, key_map, number).detach()
        logits = queries @ keys.transpose(1, 2) / 0.07
        positives = logits.diagonal(dim1=1, dim2=2)
        total = total + (logits.logsumexp(2) - positives).mean() / len(made)
    return total


def _cut(
    w: Weights, a: Tensor, b: Tensor, contrast: Callable[[Weights, Tensor], Tensor], seen: Tensor
) -> Losses:
    """The discriminator first, then generator and projection together."""
    with torch.no_grad():
        old = nets.resnet(w, "gen_a2b", seen, antialias=True)

    def discriminator(w: Weights) -> Tensor:
        real = nets.patchgan(w, "disc_b", b, antialias=True)
        return (ls(real, 1) + ls(nets.patchgan(w, "disc_b", old, antialias=True), 0)) / 2

    def generator(w: Weights) -> Tensor:
        fake = nets.resnet(w, "gen_a2b", seen, antialias=True)
        return ls(nets.patchgan(w, "disc_b", fake, antialias=True), 1) + contrast(w, fake)

    return [("discriminator", discriminator), ("generator", generator)]


def cut(w: Weights, a: Tensor, b: Tensor) -> Losses:
    """(NCE(a) + NCE(b)) / 2: translations, and the identity images of b."""

    def contrast(w: Weights, fake: Tensor) -> Tensor:
        def taps(x: Tensor) -> list[Tensor]:
            return nets.trunk(w, "gen_a2b", x, antialias=True)[1]

        same = nets.resnet(w, "gen_a2b", b, antialias=True)
        return (_nce(w, taps(fake), taps(a)) + _nce(w, taps(same), taps(b))) / 2

    return _cut(w, a, b, contrast, a)


def fastcut(w: Weights, a: Tensor, b: Tensor) -> Losses:
    """Every picture mirrored; the features of its translation are mirrored back; NCE x 10."""

    def contrast(w: Weights, fake: Tensor) -> Tensor:
        made = nets.trunk(w, "gen_a2b", fake, antialias=True)[1]
        return 10 * _nce(w, [tap.flip(3) for tap in made], nets.trunk(w, "gen_a2b", a, antialias=True)[1])

    return _cut(w, a, b, contrast, a.flip(3))


def munit(w: Weights, a: Tensor, b: Tensor) -> Losses:
    """Random styles for the discriminators, new ones for the generators; cycle 10."""
    style = (len(a), 8)
    content_a, content_b = (
        nets.content_code(w, f"enc_content_{k}", x).detach() for k, x in zip("ab", (a, b), strict=True)
    )
    with torch.no_grad():
        old_a = nets.styled(w, "dec_a", content_b, torch.randn(style))
        old_b = nets.styled(w, "dec_b", content_a, torch.randn(style))
    drawn_a, drawn_b = torch.randn(style), torch.randn(style)

    def discriminators(w: Weights) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for name, real, fake in (("disc_a", a, old_a), ("disc_b", b, old_b)):
            for of_real, of_fake in zip(
                nets.multiscale(w, name, real, 2), nets.multiscale(w, name, fake, 2), strict=True
            ):
                total = total + ls(of_real, 1) + ls(of_fake, 0)
        return total

    def generators(w: Weights) -> Tensor:
        code_a, code_b = nets.content_code(w, "enc_content_a", a), nets.content_code(w, "enc_content_b", b)
        own_a, own_b = nets.style_code(w, "enc_style_a", a), nets.style_code(w, "enc_style_b", b)
        fake_a, fake_b = nets.styled(w, "dec_a", code_b, drawn_a), nets.styled(w, "dec_b", code_a, drawn_b)
        image = l1(nets.styled(w, "dec_a", code_a, own_a), a) + l1(nets.styled(w, "dec_b", code_b, own_b), b)
        again_b = nets.content_code(w, "enc_content_a", fake_a)
        again_a = nets.content_code(w, "enc_content_b", fake_b)
        styles = l1(nets.style_code(w, "enc_style_a", fake_a), drawn_a)
        styles = styles + l1(nets.style_code(w, "enc_style_b", fake_b), drawn_b)
        contents = l1(again_a, code_a) + l1(again_b, code_b)
        cycle = l1(nets.styled(w, "dec_a", again_a, own_a), a) + l1(
            nets.styled(w, "dec_b", again_b, own_b), b
        )
        judged = [*nets.multiscale(w, "disc_a", fake_a, 2), *nets.multiscale(w, "disc_b", fake_b, 2)]
        adversarial = torch.stack([ls(logits, 1) for logits in judged]).sum()
        return 10 * image + styles + contents + 10 * cycle + adversarial

    return [("discriminators", discriminators), ("generators", generators)]


def unit(w: Weights, a: Tensor, b: Tensor) -> Losses:
    """The paper's form with shared blocks: GAN 10 (cross-entropy), L1 100, KL 0.1 on the means."""
    with torch.no_grad():
        code_a, code_b = nets.unit_encoder(w, "enc_a", a), nets.unit_encoder(w, "enc_b", b)
        noisy_a, noisy_b = code_a + torch.randn(code_a.shape), code_b + torch.randn(code_b.shape)
        old_a, old_b = nets.unit_decoder(w, "dec_a", noisy_b), nets.unit_decoder(w, "dec_b", noisy_a)
    noise = [torch.randn(code_a.shape) for _ in range(4)]

    def discriminators(w: Weights) -> Tensor:
        of_a = bce(nets.unit_discriminator(w, "disc_a", a), 1) + bce(
            nets.unit_discriminator(w, "disc_a", old_a), 0
        )
        of_b = bce(nets.unit_discriminator(w, "disc_b", b), 1) + bce(
            nets.unit_discriminator(w, "disc_b", old_b), 0
        )
        return 10 * (of_a + of_b)

    def generators(w: Weights) -> Tensor:
        mean_a, mean_b = nets.unit_encoder(w, "enc_a", a), nets.unit_encoder(w, "enc_b", b)
        z_a, z_b = mean_a + noise[0], mean_b + noise[1]
        fake_b, fake_a = nets.unit_decoder(w, "dec_b", z_a), nets.unit_decoder(w, "dec_a", z_b)
        image = l1(nets.unit_decoder(w, "dec_a", z_a), a) + l1(nets.unit_decoder(w, "dec_b", z_b), b)
        again_b, again_a = nets.unit_encoder(w, "enc_a", fake_a), nets.unit_encoder(w, "enc_b", fake_b)
        cycle = l1(nets.unit_decoder(w, "dec_a", again_a + noise[3]), a)
        cycle = cycle + l1(nets.unit_decoder(w, "dec_b", again_b + noise[2]), b)
        kl = sum(code.square().mean() for code in (mean_a, mean_b, again_a, again_b))
        fooled = bce(nets.unit_discriminator(w, "disc_a", fake_a), 1)
        fooled = fooled + bce(nets.unit_discriminator(w, "disc_b", fake_b), 1)
        return 10 * fooled + 100 * (image + cycle) + 0.1 * kl

    return [("discriminators", discriminators), ("generators", generators)]


def adam(weight: Tensor, gradient: Tensor, *, rate: float, decay: float) -> Tensor:
    """The first step of Adam, whose means are then the gradient itself; `decay` is L2."""
    gradient = gradient + decay * weight
    return weight - rate * gradient / (gradient.abs() + 1e-8)
