"""Features tapped inside a generator, and the vectors made of single places of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.cut import CutGenerator, TappedGenerator
from reskin.networks.patch_projection import PatchProjection, draw_locations, mirror_locations


@pytest.mark.parametrize("kind", [TappedGenerator, CutGenerator])
def test_taps_are_what_the_layers_give(kind: type[TappedGenerator]) -> None:
    """Seen from outside, by hooks on the layers themselves."""
    network, seen = kind(2, 6), {}
    layers = {
        "down1": network.down[0],
        "down2": network.down[4 if kind is CutGenerator else 3],
        "block1": network.blocks[0],
        "block5": network.blocks[4],
    }

    def remember(name: str):
        return lambda _, __, made: seen.__setitem__(name, made.clone())

    for name, layer in layers.items():
        layer.register_forward_hook(remember(name))
    images = torch.rand(2, 3, 16, 20) * 2 - 1
    expected = network(images)
    seen["padded"] = nn.functional.pad(images, (3, 3, 3, 3), mode="reflect")
    first = dict(seen)
    alone = network.tap(images)
    made, beside = network.translate_and_tap(images)
    assert made.equal(expected)
    assert list(alone) == list(beside) == list(network.tap_channels) == ["padded", *layers]
    for name in alone:
        assert alone[name].equal(first[name]) and beside[name].equal(first[name])
        assert alone[name].shape[1] == network.tap_channels[name]


def test_nothing_behind_the_last_tap_is_run() -> None:
    network = CutGenerator(2, 6)
    for layer in (network.blocks[5], network.up, network.head):
        layer.register_forward_hook(lambda *_: pytest.fail("it was run"))
    network.tap(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("blocks", "names"), [(0, []), (1, ["block1"]), (3, ["block1", "block3"]), (9, ["block1", "block5"])]
)
def test_the_last_block_stands_in_where_there_is_no_fifth(blocks: int, names: list[str]) -> None:
    network = CutGenerator(2, blocks)
    assert list(network.tap_channels) == ["padded", "down1", "down2", *names]
    made, taps = network.translate_and_tap(torch.zeros(1, 3, 16, 16))
    assert taps.keys() == network.tap_channels.keys() and made.shape == (1, 3, 16, 16)


def test_wrong_pictures_are_refused_before_they_are_tapped() -> None:
    for way in (CutGenerator(2, 1).tap, CutGenerator(2, 1).translate_and_tap):
        with pytest.raises(ShapeError, match="multiples of 4"):
            way(torch.zeros(1, 3, 18, 16))


def drawn_taps() -> dict[str, Tensor]:
    return {"down1": torch.randn(3, 4, 8, 6), "block1": torch.randn(3, 5, 3, 2)}


def test_the_projection_has_the_published_size() -> None:
    with torch.device("meta"):
        projection = PatchProjection(CutGenerator().tap_channels)
    assert sum(p.numel() for p in projection.parameters()) == 560_384


def test_places_differ_within_a_picture_and_between_pictures() -> None:
    taps = {"down1": torch.zeros(3, 1, 20, 20)}
    torch.manual_seed(0)
    places = draw_locations(taps, 50)["down1"]
    assert places.shape == (3, 50) and places.dtype == torch.int64
    assert places.min() >= 0 and places.max() < 400
    assert all(len(set(row)) == 50 for row in places.tolist())
    assert set(places[0].tolist()) != set(places[1].tolist())
    assert not draw_locations(taps, 50)["down1"].equal(places)  # anew in every step
    torch.manual_seed(0)
    assert draw_locations(taps, 50)["down1"].equal(places)


def test_places_are_drawn_evenly() -> None:
    torch.manual_seed(0)
    chosen = torch.zeros(16)
    for _ in range(400):
        places = draw_locations({"x": torch.zeros(1, 1, 4, 4)}, 4)["x"].flatten()
        chosen += torch.bincount(places, minlength=16)
    assert chosen.sum() == 1600
    assert (chosen - 100).abs().max() < 40  # standard deviation 8.7


def test_a_small_map_gives_all_its_places() -> None:
    places = draw_locations(drawn_taps(), 256)
    assert places["block1"].sort().values.tolist() == [list(range(6))] * 3
    assert places["down1"].shape == (3, 48)
    with pytest.raises(SettingsError, match="0 locations"):
        draw_locations(drawn_taps(), 0)


def test_vectors_are_of_length_one_and_of_their_place_alone() -> None:
    taps = drawn_taps()
    projection = PatchProjection({"down1": 4, "block1": 5}, size=16)
    places = draw_locations(taps, 7)
    vectors = projection(taps, places)
    assert [tuple(v.shape) for v in vectors] == [(3, 7, 16), (3, 6, 16)]
    for vector in vectors:
        torch.testing.assert_close(vector.norm(dim=2), torch.ones(vector.shape[:2]))
    state = projection.state_dict()
    for n, place in ((0, 0), (2, 6)):
        row, column = divmod(int(places["down1"][n, place]), 6)
        x = taps["down1"][n, :, row, column]
        x = (state["layers.down1.0.weight"] @ x + state["layers.down1.0.bias"]).relu()
        x = state["layers.down1.2.weight"] @ x + state["layers.down1.2.bias"]
        torch.testing.assert_close(vectors[0][n, place], x / x.norm())


def test_mirrored_places_show_the_same_in_the_mirrored_map() -> None:
    taps, projection = drawn_taps(), PatchProjection({"down1": 4, "block1": 5}, size=16)
    places, is_mirrored = draw_locations(taps, 7), torch.tensor([True, False, True])
    turned = {
        name: torch.where(is_mirrored[:, None, None, None], tap.flip(3), tap) for name, tap in taps.items()
    }
    expected = projection(taps, places)
    for made, wanted in zip(
        projection(turned, mirror_locations(places, taps, is_mirrored)), expected, strict=True
    ):
        torch.testing.assert_close(made, wanted)
    assert not torch.allclose(projection(turned, places)[0], expected[0])


def test_wrong_maps_and_sizes_are_refused() -> None:
    projection = PatchProjection({"down1": 4})
    with pytest.raises(ShapeError, match="Give down1"):
        projection(drawn_taps(), draw_locations(drawn_taps(), 2))
    for wrong in ({"channels": {"x": 0}}, {"channels": {"x": 1}, "size": 0}):
        with pytest.raises(SettingsError, match="numbers from"):
            PatchProjection(**wrong)


def test_vectors_are_float32_under_autocast() -> None:
    taps, projection = drawn_taps(), PatchProjection({"down1": 4, "block1": 5}, size=16)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = projection(taps, draw_locations(taps, 4))
    assert all(vector.dtype == torch.float32 for vector in vectors)


def test_short_vectors_are_divided_by_a_little_more_than_their_length() -> None:
    """x / (|x| + 1e-7), as in the paper's code: what begins at a length of 2e-5 is 0.4 % shorter than 1."""
    projection = PatchProjection({"down1": 4}, size=4)
    torch.nn.init.zeros_(projection.layers["down1"][2].weight)
    torch.nn.init.constant_(projection.layers["down1"][2].bias, 1e-7)  # of length 2e-7
    taps = {"down1": torch.randn(1, 4, 3, 3)}
    (vectors,) = projection(taps, draw_locations(taps, 2))
    torch.testing.assert_close(vectors, torch.full((1, 2, 4), 1 / 3))
