"""Every metric keeps the same promises: it says which way is better, and it is right about that."""

from __future__ import annotations

import functools
import importlib
import math
import pkgutil
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

import reskin.metrics
from reskin.errors import ShapeError
from reskin.metrics.facts import Facts
from reskin.networks.init import initialise
from reskin.networks.squeezenet import SqueezeNet

EVERY = [info.name for info in pkgutil.iter_modules(reskin.metrics.__path__) if info.name != "facts"]
Measure = Callable[[Tensor, Tensor], float]


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"reskin.metrics.{name}")


def facts_of(name: str) -> Facts:
    facts = module_of(name).FACTS
    assert isinstance(facts, Facts)
    return facts


NAMES = [name for name in EVERY if facts_of(name).kind != "numbers"]
"""Those that measure images; what measures features, probabilities or labels has tests of its own."""


@functools.cache  # the network of a metric need not be drawn again for each test
def measure_of(name: str) -> Measure:
    """The metric as a number for pictures (N, 3, H, W) and what they should be."""
    facts = facts_of(name)
    function = getattr(module_of(name), facts.name)
    if facts.needs_features:
        with torch.random.fork_rng([]):  # whichever test asks first, the seed of each stays as it is
            torch.manual_seed(0)
            network = SqueezeNet().eval().requires_grad_(False)
            initialise(network, "kaiming")
        given = {"taps": network.taps} if facts.kind == "pair" else {"features": network}
        function = functools.partial(function, **given)
    if facts.kind == "set":
        return lambda images, wanted: float(function(images, wanted).mean)
    if facts.kind == "cycle":
        return lambda images, wanted: float(function(wanted, lambda x: x, lambda _: images).mean())
    return lambda images, wanted: float(function(images, wanted).mean())


@pytest.fixture
def pictures() -> Tensor:
    smooth = torch.nn.functional.interpolate(torch.rand(6, 3, 6, 6), (32, 40), mode="bilinear")
    return smooth * 1.6 - 0.8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.thinned(4, first=2)
def test_nothing_beats_the_truth(name: str, pictures: Tensor) -> None:
    facts, measure = facts_of(name), measure_of(name)
    if facts.is_unbiased:
        assert measure(pictures, pictures) <= facts.best
    else:
        assert measure(pictures, pictures) == pytest.approx(facts.best, abs=1e-6)
    worse = measure(pictures.flip(1) * 0.5, pictures)
    assert worse < facts.best if facts.better == "higher" else worse > facts.best


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.sweep
def test_more_noise_is_worse(name: str, pictures: Tensor) -> None:
    measure, noise = measure_of(name), torch.randn(pictures.shape)
    values = [measure(pictures + share * noise, pictures) for share in (0.02, 0.08, 0.3)]
    assert all(math.isfinite(value) for value in values)
    assert values == sorted(values, reverse=facts_of(name).better == "higher")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.thinned(4, first=3)
def test_symmetric_where_it_says_so(name: str, pictures: Tensor) -> None:
    measure, other = measure_of(name), pictures.flip(3) * 0.7
    if facts_of(name).symmetric:
        assert measure(pictures, other) == pytest.approx(measure(other, pictures), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.thinned(4)
def test_order_of_the_batch_does_not_matter(name: str, pictures: Tensor) -> None:
    measure, order = measure_of(name), torch.tensor([3, 0, 5, 1, 4, 2])
    other = pictures.flip(3) * 0.7
    assert measure(pictures[order], other[order]) == pytest.approx(measure(pictures, other), rel=1e-4)
    if facts_of(name).kind == "set":  # its pictures do not belong together one by one
        assert measure(pictures[order], other) == pytest.approx(measure(pictures, other), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.thinned(4, first=2)
def test_inputs_stay_as_they_are(name: str, pictures: Tensor) -> None:
    before, other = pictures.clone(), pictures.flip(3)
    measure_of(name)(pictures, other)
    assert torch.equal(pictures, before) and torch.equal(other, before.flip(3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(6, 3, 32, 39), (6, 1, 32, 40), (3, 32, 40)])
@pytest.mark.thinned(3, first=2)
def test_other_shapes_are_refused(name: str, shape: tuple[int, ...], pictures: Tensor) -> None:
    with pytest.raises(ShapeError):
        measure_of(name)(torch.zeros(shape), pictures)
    with pytest.raises(ShapeError):
        measure_of(name)(torch.zeros(shape), torch.zeros(shape[1:]))


@pytest.mark.parametrize("name", EVERY)
def test_docstring_says_which_way_is_better(name: str) -> None:
    facts = facts_of(name)
    first = getattr(module_of(name), facts.name).__doc__.splitlines()[0]
    assert "higher is" in first or "lower is" in first
    assert f"{facts.better} is" in first
