"""The plain GAN: its two sources, and what it cannot do."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn
from tests.support.squares import place_error, recoloured, squares, train
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.losses.adversarial import adversarial_generator
from reskin.methods.distribution_gan import DistributionGAN, DistributionGANConfig, noise_of
from reskin.parsing import parse
from reskin.types import Batch, Step

tiny = partial(small.tiny, DistributionGAN)


def test_the_networks_are_as_published() -> None:
    with torch.device("meta"):
        noise = DistributionGAN(DistributionGANConfig(source="noise"))
        picture = DistributionGAN(DistributionGANConfig())
    assert (count(noise.gen_a2b), count(noise.disc_b)) == (3_576_704, 2_765_568)
    assert (count(picture.gen_a2b), count(picture.disc_b)) == (11_378_179, 2_764_737)
    assert (noise.size_multiple, picture.size_multiple) == (1, 4)
    assert (noise.config.learning_rate, noise.config.beta1, noise.config.adversarial) == (2e-4, 0.5, "bce")


@pytest.mark.parametrize("source", ["picture", "noise"])
def test_the_discriminator_learns_first_and_each_update_teaches_its_own_network(source: str) -> None:
    method, seen = tiny(source=source), list[str]()
    update = method.update
    networks = {"generator": method.gen_a2b, "discriminator": method.disc_b}

    def spy(name: str, **terms: Tensor) -> None:
        seen.append(name)
        before = {
            key: [p.detach().clone() for p in network.parameters()] for key, network in networks.items()
        }
        update(name, **terms)
        for key, network in networks.items():
            equal = all(p.equal(q) for p, q in zip(network.parameters(), before[key], strict=True))
            assert equal == (key != name)

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn(), Step(1, 1))
    assert seen == ["discriminator", "generator"]


def test_pictures_are_made_once_and_noise_is_drawn_for_each_of_the_two() -> None:
    for source, passes in (("picture", 1), ("noise", 2)):
        method, seen = tiny(source=source), list[Tensor]()
        method.gen_a2b.register_forward_hook(lambda _, x, __, seen=seen: seen.append(x[0].detach()))
        method.training_step(drawn(), Step(1, 1))
        assert len(seen) == passes
        assert passes == 1 or not seen[0].equal(seen[1])


def test_from_noise_real_pictures_are_brought_to_64_px() -> None:
    method, seen = tiny(source="noise"), list[Tensor]()
    method.disc_b.register_forward_hook(lambda _, x, __: seen.append(x[0].detach()))
    method.training_step(drawn(edge=128), Step(1, 1))
    assert [tuple(images.shape) for images in seen] == 3 * [(2, 3, 64, 64)]
    seen.clear()
    batch = drawn(edge=64)
    method.training_step(batch, Step(1, 1))
    assert seen[0].equal(batch.b)


def test_exchanging_the_inputs_leaves_every_loss_as_it_is() -> None:
    """The point of the counter-example: no loss asks which output belongs to which input."""
    batch, method, other = drawn(6), tiny(), tiny()
    turned = Batch(batch.a[torch.tensor([3, 5, 0, 4, 2, 1])], batch.b)
    torch.testing.assert_close(
        method.training_step(batch, Step(1, 1)), other.training_step(turned, Step(1, 1))
    )


def test_a_discriminator_without_opinion_costs_ln_2() -> None:
    class NoOpinion(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.zeros(()))

        def forward(self, images: Tensor) -> Tensor:
            return self.value + 0 * images[:, :1]

    method = tiny()
    method.disc_b = NoOpinion()
    assert method.training_step(drawn(), Step(1, 1))["discriminator"].item() == pytest.approx(
        0.693147, abs=1e-6
    )


def test_from_noise_a_picture_always_has_the_same_output_and_another_one_another() -> None:
    method, images = tiny(source="noise").eval(), drawn(edge=40).a
    with torch.no_grad():
        together = method.translate(images, "a2b")
        torch.manual_seed(7)
        apart = torch.cat([method.translate(image[None], "a2b") for image in images])
    assert together.shape == images.shape and together.abs().max() <= 1
    torch.testing.assert_close(together, apart)
    assert not together[0].equal(together[1])
    assert noise_of(images[0], 100).std().item() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    "settings", [{"adversarial": "hinge"}, {"norm": "batch"}, {"source": "noise", "adversarial": "lsgan"}]
)
def test_the_variants_run(settings: dict[str, Any]) -> None:
    losses = tiny(**settings).training_step(drawn(), Step(1, 1))
    assert set(losses) == {"discriminator", "adversarial"}
    assert all(loss.isfinite() for loss in losses.values())


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(SettingsError, match="'source'"):
        parse(DistributionGANConfig, {"source": "text"})


def shuffled(images: Tensor) -> Tensor:
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(1))]


def areas(images: Tensor) -> tuple[float, float]:
    """Shares of red and of blue pixels."""
    red, blue = images[:, 0], images[:, 2]
    return (red > blue + 0.5).float().mean().item(), (blue > red + 0.5).float().mean().item()


@pytest.mark.slow
def test_from_noise_the_look_is_matched_and_the_place_is_chance() -> None:
    """Reached: 0.09 of blue (0.10 in B), no red; 11.0 px off, where shuffled truths are 12.1 px off."""
    method = tiny(source="noise", width=8, noise_size=16, learning_rate=1e-3)
    train(method, 300, batch=16)
    a = squares(64, colour="red", seed=999)
    truth = recoloured(a)
    with torch.no_grad():
        made = method.eval().translate(a, "a2b")
    red, blue = areas(made)
    assert red < 0.02 and 0.05 < blue < 0.16
    chance = place_error(shuffled(truth), truth)
    assert chance > 9 and place_error(made, truth) > 0.7 * chance
    assert abs(place_error(made, truth) - place_error(shuffled(made), truth)) < 2.5


@pytest.mark.slow
def test_from_pictures_the_place_is_kept_by_the_networks_build_and_not_by_the_loss() -> None:
    """A convolutional generator kept the place (0.7 px here; 1.4 to 5 px with other seeds and settings).

    So the honest demonstration is that the loss hardly cares: the same outputs turned by half, their squares
    17 px away, cost the generator 0.96 in place of 0.83, where pictures that are left red cost 1.52.
    """
    method = tiny(width=8, disc_layers=2, learning_rate=1e-3)
    train(method, 300)
    a = squares(256, colour="red", seed=999)
    truth = recoloured(a)
    with torch.no_grad():
        made = method.eval().translate(a, "a2b")
        turned = made.flip(2, 3)
        losses = [adversarial_generator("bce", method.disc_b(images)).item() for images in (made, turned, a)]
    red, blue = areas(made)
    assert red < 0.02 and 0.05 < blue < 0.16
    assert place_error(turned, truth) > 2 * place_error(made, truth) + 4
    assert losses[1] - losses[0] < 0.5 * (losses[2] - losses[0])
