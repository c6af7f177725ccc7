"""Losses against values worked out by hand and against the formulas written out in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.losses.adversarial import adversarial_discriminator, adversarial_generator
from reskin.losses.gradient_penalty import gradient_penalty
from reskin.losses.reconstruction import l1
from reskin.networks.patchgan import patch_discriminator

KINDS = ["lsgan", "bce", "hinge", "wgan-gp"]


def close(value: Tensor, expected: float) -> None:
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, abs=1e-6)


def test_l1_by_hand() -> None:
    close(l1(torch.tensor([[1.0, -1.0], [0.5, 0.0]]), torch.tensor([[0.0, 1.0], [0.5, 1.0]])), 1.0)
    close(l1(torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.1)), 0.1)


def test_l1_broadcasts_nothing() -> None:
    with pytest.raises(ShapeError, match="compared"):
        l1(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize(
    ("kind", "real", "fake", "disc", "gen"),
    [
        ("lsgan", [0.8, 1.2], [0.1, -0.3], 0.045, 1.25),
        ("bce", [0.0, 0.0], [0.0, 0.0], math.log(2), math.log(2)),
        ("bce", [2.0], [-1.0], 0.5 * (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))), 1.3132617),
        ("hinge", [2.0, 0.5], [-2.0, 0.5], 1.0, 0.75),
        ("wgan-gp", [3.0, 1.0], [0.5, -1.5], -2.5, 0.5),
    ],
)
def test_adversarial_by_hand(kind: str, real: list, fake: list, disc: float, gen: float) -> None:
    close(adversarial_discriminator(kind, torch.tensor(real), torch.tensor(fake)), disc)  # type: ignore[arg-type]
    close(adversarial_generator(kind, torch.tensor(fake)), gen)  # type: ignore[arg-type]


def test_bce_is_torchs() -> None:
    real, fake = torch.randn(2, 1, 5, 5) * 30, torch.randn(3, 1, 4, 4) * 30
    bce = nn.BCEWithLogitsLoss()
    expected = 0.5 * (bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)))
    torch.testing.assert_close(adversarial_discriminator("bce", real, fake), expected)
    torch.testing.assert_close(adversarial_generator("bce", fake), bce(fake, torch.ones_like(fake)))


@pytest.mark.parametrize("kind", KINDS)
def test_signs(kind: str) -> None:
    """A discriminator does better when it is right; a generator does better with higher logits."""
    high, low = torch.full((4,), 0.9), torch.full((4,), -0.2)
    right = adversarial_discriminator(kind, high, low)  # type: ignore[arg-type]
    assert right < adversarial_discriminator(kind, low, high)  # type: ignore[arg-type]
    logits = low.clone().requires_grad_()
    adversarial_generator(kind, logits).backward()  # type: ignore[arg-type]
    assert (logits.grad < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_logits_are_averaged_in_float32(kind: str) -> None:
    """In bf16 the sum of a few thousand equal numbers stops growing; the mean must not notice."""
    logits = torch.full((1, 1, 64, 64), 0.3, dtype=torch.bfloat16, requires_grad=True)
    exact = logits.detach().double()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = adversarial_generator(kind, logits), adversarial_discriminator(kind, logits, logits)  # type: ignore[arg-type]
        difference = l1(logits, torch.zeros_like(logits))
    close(difference, exact.mean().item())
    close(
        l1(logits, torch.zeros_like(logits)), exact.mean().item()
    )  # autocast widens l1 itself; this does not
    for loss, again in zip(
        losses,
        (adversarial_generator(kind, exact), adversarial_discriminator(kind, exact, exact)),  # type: ignore[arg-type]
        strict=True,
    ):
        close(loss, again.item())
        loss.backward(retain_graph=True)
    assert logits.grad is not None


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="vanilla"):
        adversarial_generator("vanilla", torch.zeros(1))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="vanilla"):
        adversarial_discriminator("vanilla", torch.zeros(1), torch.zeros(1))  # type: ignore[arg-type]


def test_gradient_penalty_of_a_plane() -> None:
    """The slope of w . x is |w| everywhere: (3, 4, 0) gives 5 and 10 (5 - 1)^2, for any number of patches."""
    slope = torch.tensor([3.0, 4.0, 0.0]).view(1, 3, 1, 1)

    def plane(x: Tensor) -> Tensor:
        return (x * slope).sum((1, 2, 3)).view(-1, 1, 1, 1).expand(-1, 1, 7, 7)

    close(gradient_penalty(plane, torch.randn(2, 3, 1, 1), torch.randn(2, 3, 1, 1)), 160.0)
    close(gradient_penalty(plane, torch.randn(2, 3, 1, 1), torch.randn(2, 3, 1, 1), weight=0.5), 8.0)


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    """The slope of x^2/2 is |x|: between real 2 and fake 4 it is 2 to 4, another one for each picture."""
    slopes = []

    def bowl(x: Tensor) -> Tensor:
        slopes.append(x.detach().abs().flatten())
        return x.square().flatten(1).sum(1) / 2

    value = gradient_penalty(bowl, torch.full((64, 1, 1, 1), 2.0), torch.full((64, 1, 1, 1), 4.0), weight=1.0)
    assert slopes[0].min() > 2
    assert slopes[0].max() < 4
    assert slopes[0].std() > 0.3
    close(value, (slopes[0] - 1).square().mean().item())


def test_gradient_penalty_teaches_the_discriminator_and_only_it() -> None:
    network = patch_discriminator(2, 2)
    real, fake = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = gradient_penalty(network, real, fake)
    loss.backward()
    assert fake.grad is None
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in weights)


def test_gradient_penalty_matches_finite_differences() -> None:
    """The double backward: the slope of the penalty along one weight, against two evaluations beside it."""
    weight = torch.tensor(0.7, requires_grad=True)
    real, fake = torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)

    def penalty(at: Tensor) -> Tensor:
        torch.manual_seed(2)
        return gradient_penalty(lambda x: (at * x).tanh().flatten(1), real, fake)

    (slope,) = torch.autograd.grad(penalty(weight), weight)
    around = [penalty(torch.tensor(0.7 + step)).item() for step in (1e-2, -1e-2)]
    assert slope.item() == pytest.approx((around[0] - around[1]) / 2e-2, rel=1e-2)


def test_gradient_penalty_refuses_different_shapes() -> None:
    with pytest.raises(ShapeError, match="fakes"):
        gradient_penalty(lambda x: x, torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))
