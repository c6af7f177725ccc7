"""Every method at batch 1 with domains of different sizes, and sizes that change from step to step."""

from __future__ import annotations

import pytest
import torch
from tests.contract.test_methods import tiny
from torch import Tensor

from reskin.errors import ShapeError
from reskin.methods import find, trained_names
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

SIZES = [((32, 64), (64, 32)), ((64, 32), (32, 32)), ((32, 32), (32, 64))]
"""Height and width of A and of B in each step."""

WITHOUT = {"ganimorph": {"matching_weight": 0.0}}
"""What cannot be had with different sizes: feature matching compares positions of A and B."""


def learn(name: str, **settings: object) -> list[dict[str, Tensor]]:
    method, losses = tiny(name, **settings), []
    source = torch.Generator().manual_seed(1)
    for number, sizes in enumerate(SIZES, start=1):
        a, b = (torch.rand(1, 3, *size, generator=source) * 2 - 1 for size in sizes)
        if method.clip_length > 1:
            a, b = (images[None].expand(-1, method.clip_length, -1, -1, -1) for images in (a, b))
        seed_step(0, number, 0)
        losses.append(method.training_step(Batch(a, b), Step(number, len(SIZES))))
    return losses


@pytest.mark.parametrize("name", [name for name in trained_names() if find(name).pairing == "unpaired"])
@pytest.mark.thinned(12)
def test_domains_may_differ_in_size(name: str) -> None:
    for losses in learn(name, **WITHOUT.get(name, {})):
        assert losses and all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *(
            (name, {"norm": "batch"})
            for name in ("cyclegan", "simgan", "bigan", "distribution_gan", "attentiongan")
        ),
        *((name, {"pool_size": 1}) for name in ("cyclegan", "feature_gan", "ganimorph_lite", "attentiongan")),
        ("attentiongan", {"version": "v1", "discriminator": "tower", "tv_weight": 1e-6, "pixel_weight": 1.0}),
        ("ganimorph_lite", {"input_l1_of": "target"}),
        ("cyclegan", {"identity_weight": 0.0}),
        ("cut", {"identity_weight": 0.0}),
        ("munit", {"cycle_weight": 10.0, "features_weight": 1.0, "scales": 2}),
        ("unit", {"sharing": "none", "features_weight": 1.0}),
        ("distribution_gan", {"source": "noise"}),
    ],
    ids=str,
)
@pytest.mark.sweep
def test_they_may_in_other_settings_too(name: str, settings: dict[str, object]) -> None:
    assert all(loss.isfinite() for losses in learn(name, **settings) for loss in losses.values())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ganimorph", {}, "--matching-weight 0"),
        ("cyclegan", {"adversarial": "wgan-gp"}, "another --adversarial"),
        ("feature_gan", {"adversarial": "wgan-gp"}, "another --adversarial"),
    ],
)
def test_what_cannot_be_done_is_one_line(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeError, match=message) as error:
        learn(name, **settings)
    assert "\n" not in str(error.value)
