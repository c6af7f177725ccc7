"""CUT: the facts of the paper, and that it learns."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from tests.support import small
from tests.support.small import count, drawn, terms_of
from tests.support.squares import colour_share, place_error, recoloured, squares, train_until
from torch import Tensor, nn

from reskin.errors import SettingsError
from reskin.losses.contrastive import patch_nce
from reskin.losses.equivariance import add_noise, equivariance, random_warp
from reskin.methods.cut import CUT, CUTConfig
from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.patch_projection import draw_locations
from reskin.parsing import parse
from reskin.types import Step

tiny = partial(small.tiny, CUT)


def test_the_networks_are_the_papers() -> None:
    with torch.device("meta"):
        method = CUT(CUTConfig())
    assert count(method.gen_a2b) == 11_378_179
    assert count(method.disc_b) == 2_764_737
    assert count(method.projection) == 560_384
    for network, halvings, doublings in ((method.gen_a2b, 2, 2), (method.disc_b, 3, 0)):
        layers = [
            layer for module in network.modules() if isinstance(module, nn.Sequential) for layer in module
        ]
        assert sum(isinstance(layer, BlurDownsample) for layer in layers) == halvings
        assert sum(isinstance(layer, BlurUpsample) for layer in layers) == doublings
        strides = {m.stride for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))}
        assert strides == {(1, 1)}
    learning = [p for opt in method.optimizers.values() for g in opt.param_groups for p in g["params"]]
    assert sum(p.numel() for p in learning) == 11_378_179 + 2_764_737 + 560_384


def test_the_settings_are_the_papers() -> None:
    c = CUTConfig()
    assert (c.adversarial_weight, c.nce_weight, c.identity_weight) == (1.0, 1.0, 1.0)
    assert (c.temperature, c.num_patches, c.adversarial) == (0.07, 256, "lsgan")
    assert (c.learning_rate, c.beta1, c.beta2) == (2e-4, 0.5, 0.999)
    assert CUT.defaults == {"epochs": 400, "decay_epochs": 200} and CUT.directions == ("a2b",)


def test_all_networks_start_from_xavier_with_gain_002() -> None:
    method = CUT(parse(CUTConfig, {"width": 32, "blocks": 1}))
    for weight, fans in (
        (method.gen_a2b.blocks[0].conv1.weight, 2 * 128 * 9),
        (method.disc_b.layers[3].weight, (32 + 64) * 16),
        (method.projection.layers["down1"][2].weight, 2 * 256),
    ):
        assert weight.std().item() == pytest.approx(0.02 * (2 / fans) ** 0.5, rel=0.05)


def test_everything_is_there_before_the_first_step() -> None:
    method = tiny()
    before = {key: value.shape for key, value in method.state_dict().items()}
    method.training_step(drawn(1), Step(1, 1))
    assert {key: value.shape for key, value in method.state_dict().items()} == before


@pytest.mark.sweep
def test_the_contrast_is_the_mean_of_translation_and_identity() -> None:
    method, batch = (
        tiny(adversarial_weight=0.0, num_patches=2000),
        drawn(2),
    )  # all places, so that none is drawn
    with torch.no_grad():
        expected = []
        for pictures in (batch.a, batch.b):
            taps = method.gen_a2b.tap(pictures)
            places = draw_locations(taps, 2000)
            of_fakes = method.gen_a2b.tap(method.gen_a2b(pictures))
            queries, keys = method.projection(of_fakes, places), method.projection(taps, places)
            expected.append(patch_nce(queries, keys).item())
    terms = terms_of(method, batch)
    assert terms["generator"]["nce"] == pytest.approx(expected[0] / 2, rel=1e-4)
    assert terms["generator"]["identity"] == pytest.approx(expected[1] / 2, rel=1e-4)
    assert "discriminator" not in terms
    without = terms_of(tiny(adversarial_weight=0.0, num_patches=2000, identity_weight=0.0), batch)
    assert without["generator"] == {"nce": pytest.approx(expected[0], rel=1e-4)}


def test_a_share_of_a_half_counts_the_identity_half_as_much() -> None:
    method = tiny(nce_weight=3.0, identity_weight=0.5)
    torch.manual_seed(5)
    terms = terms_of(method, drawn(1))["generator"]
    method = tiny(nce_weight=3.0, identity_weight=0.5)
    torch.manual_seed(5)
    losses = method.training_step(drawn(1), Step(1, 1))
    assert terms["nce"] == pytest.approx(2 * losses["nce"].item())
    assert terms["identity"] == pytest.approx(losses["identity"].item())


def test_each_step_teaches_the_discriminator_first_and_each_network_by_its_own_loss() -> None:
    method, seen = tiny(), []
    update = method.update

    def weights(network: nn.Module) -> list[Tensor]:
        return [p.detach().clone() for p in network.parameters()]

    def gradients(network: nn.Module) -> list[Tensor]:
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    def equal(first: list[Tensor], second: list[Tensor]) -> bool:
        return len(first) == len(second) and all(x.equal(y) for x, y in zip(first, second, strict=True))

    def spy(name: str, **terms: Tensor) -> None:
        seen.append(name)
        others = [method.disc_b] if name == "generator" else [method.gen_a2b, method.projection]
        before = [(weights(network), gradients(network)) for network in others]
        update(name, **terms)
        for network, (weights_before, gradients_before) in zip(others, before, strict=True):
            assert equal(weights(network), weights_before)
            assert equal(gradients(network), gradients_before)
        if name == "discriminator":
            assert gradients(method.gen_a2b) == []

    method.update = spy  # type: ignore[method-assign]
    method.training_step(drawn(1), Step(1, 1))
    assert seen == ["discriminator", "generator"]
    assert all(p.requires_grad for p in method.parameters())  # thawed again


def test_no_network_sees_the_same_pictures_twice() -> None:
    method, batch = tiny(), drawn(1)
    seen: list[Tensor] = []
    method.gen_a2b.stem.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    method.training_step(batch, Step(1, 1))
    assert [len(pictures) for pictures in seen] == [2, 2]  # a and b; their translations
    assert seen[0].equal(torch.cat([batch.a, batch.b])) and not seen[1].equal(seen[0])
    seen.clear()
    tiny_without = tiny(nce_weight=0.0)
    tiny_without.gen_a2b.stem.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    assert "nce" not in tiny_without.training_step(batch, Step(1, 1))
    assert len(seen) == 1 and seen[0].equal(batch.a)


def test_keys_teach_nothing() -> None:
    """With the translation cut off from the generator, nothing is left that could teach it."""
    method = tiny(adversarial_weight=0.0, identity_weight=0.0)
    made, taps = method.gen_a2b.translate_and_tap(drawn(1).a)
    seen: list[list[Tensor]] = []
    method.projection.register_forward_hook(lambda _, __, vectors: seen.append(vectors))
    method._nce(method.gen_a2b.tap(made), taps)
    keys, queries = seen
    assert all(query.requires_grad for query in queries)
    assert not any(key.requires_grad for key in keys)


def test_places_are_drawn_anew_and_the_same_for_queries_and_keys() -> None:
    method = tiny()
    seen = []
    method.projection.register_forward_hook(lambda _, inputs, __: seen.append(inputs[1]))
    method.training_step(drawn(2), Step(1, 1))
    method.training_step(drawn(2), Step(1, 1))
    assert len(seen) == 8  # two steps, translations and identity images, keys and queries
    for keys, queries in zip(seen[::2], seen[1::2], strict=True):
        assert all(keys[name].equal(queries[name]) for name in keys)
        assert keys["down1"].shape == (2, 16)
    for i in (2, 4, 6):
        assert not seen[0]["down1"].equal(seen[i]["down1"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adversarial_weight": 0, "nce_weight": 0}, "nothing would be learnt"),
        ({"adversarial": "wgan-gp"}, "'lsgan', 'bce' or 'hinge'"),
        ({"num_patches": 1}, "num_patches"),
        ({"temperature": 0}, "temperature"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        parse(CUTConfig, settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_the_other_games_run(adversarial: str) -> None:
    losses = tiny(adversarial=adversarial).training_step(drawn(1), Step(1, 1))
    assert set(losses) == {"discriminator", "adversarial", "nce", "identity"}
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.sweep
def test_a_step_in_bf16_is_close_to_one_in_fp32() -> None:
    exact, rough = tiny(init="kaiming"), tiny(init="kaiming")
    torch.manual_seed(3)
    expected = exact.training_step(drawn(2), Step(1, 1))
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        losses = rough.training_step(drawn(2), Step(1, 1))
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    assert all(p.dtype == torch.float32 for p in rough.parameters())
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.05)


@pytest.mark.slow
def test_red_squares_become_blue_squares_where_they_are() -> None:
    torch.manual_seed(2)
    settings = {"width": 8, "blocks": 1, "disc_layers": 2, "num_patches": 64, "learning_rate": 1e-3}
    method = CUT(parse(CUTConfig, settings))
    red = squares(64, colour="red", seed=7)

    def is_learnt() -> bool:  # left as it was the share is 0.902
        with torch.no_grad():
            blue = method.eval().translate(red, "a2b")
        return colour_share(blue, recoloured(red)) > 0.93 and place_error(blue, recoloured(red)) < 1.5  # px

    assert train_until(method, is_learnt, 200)


@pytest.mark.parametrize("identity_weight", [1.0, 0.0])
def test_the_equivariance_loss_is_that_of_the_one_direction(identity_weight: float) -> None:
    settings = {"equivariance_weight": 5.0, "identity_weight": identity_weight, "adversarial_weight": 0.0}
    method, batch = tiny(**settings), drawn(1)
    torch.manual_seed(5)
    found = terms_of(method, batch)["generator"]
    fresh = tiny(**settings)
    torch.manual_seed(5)
    warp = random_warp(batch.a)
    expected = equivariance(fresh.gen_a2b(batch.a), fresh.gen_a2b(add_noise(warp(batch.a))), warp).item()
    assert expected > 1e-4
    assert found["equivariance"] == pytest.approx(5 * expected, rel=1e-3)
    assert set(found) == {"nce", "equivariance"} | ({"identity"} if identity_weight else set())
