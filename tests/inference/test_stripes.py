"""A network in stripes gives what it gives whole: each kind of layer, every method, any size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.contract.first_losses import draw_weights
from tests.support.small import tiny
from torch import Tensor, nn

from reskin.device import Compute
from reskin.inference import rows, stripes
from reskin.inference.budget import _Held
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.inference.stripes import striped
from reskin.methods import find, trained_names
from reskin.methods.masked import Masked
from reskin.methods.styled import Styled
from reskin.networks.adain import LayerNorm, StyledBlock
from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.attention import SelfAttention
from reskin.networks.blocks import MirroredConv2d, ResizeConv2d
from reskin.networks.concatenating import ConcatBlock
from reskin.networks.fast_style import CutTransposed2d, EdgeConv2d, StyleBlock
from reskin.networks.munit import MirroredDownsampling
from reskin.networks.normalization import InstanceNorm2d
from reskin.networks.refiner import RefinerBlock
from reskin.networks.residual import ResidualBlock
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.shared_latent import LatentBlock

CPU = Compute(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes of 3 rows and groups of 2 channels, which tiny maps have several of."""
    monkeypatch.setattr(rows, "LEAST_ROWS", 3)
    monkeypatch.setattr(stripes, "_LEAST_CHANNELS", 2)


def psnr(made: Tensor, wanted: Tensor) -> float:
    """Decibels, of values whose range is that of `wanted`."""
    error = (made.double() - wanted.double()).square().mean()
    spread = (wanted.max() - wanted.min()).double()
    return float("inf") if error == 0 else float(10 * torch.log10(spread**2 / error))


def drawn_map(*shape: int, seed: int = 0) -> Tensor:
    """Values whose mean is far from 0, so that careless statistics show."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 5


def both_ways(module: nn.Module, *inputs: Tensor) -> tuple[Any, Any]:
    """What a module gives whole and in the smallest stripes."""
    with torch.inference_mode():
        whole = module(*(values.clone() for values in inputs))
        given = [values.clone() for values in inputs]
        with striped(module, at_once=1):
            cut = module(*given)
    kept = [values.equal(before) for values, before in zip(given, inputs, strict=True)]
    assert all(kept), "the input, which others may have, was written over"
    return cut, whole


LAYERS: dict[str, Callable[[], nn.Module]] = {
    **{
        f"conv {mode} {kernel}/{stride}": lambda mode=mode, kernel=kernel, stride=stride: nn.Conv2d(
            4, 6, kernel, stride, padding=kernel // 2, padding_mode=mode
        )
        for mode in ("zeros", "reflect", "replicate", "circular")
        for kernel, stride in ((1, 1), (3, 1), (3, 2), (4, 2), (7, 1))
    },
    "conv dilated": lambda: nn.Conv2d(4, 6, 3, padding=4, dilation=4),
    "conv of groups": lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False),
    "conv uneven": lambda: nn.Conv2d(4, 6, (3, 5), (2, 1), padding=(1, 2)),
    "conv same": lambda: nn.Conv2d(4, 6, 5, padding="same", dilation=2),
    "conv valid": lambda: nn.Conv2d(4, 6, 3, padding="valid"),
    "conv wide padding": lambda: nn.Conv2d(4, 6, 1, padding=5),
    "mirrored": lambda: MirroredConv2d(4, 6, 7),
    "mirrored downsampling": lambda: MirroredDownsampling(4, 6),
    "resize nearest": lambda: ResizeConv2d(4, 6, mode="nearest"),
    "resize bilinear": lambda: ResizeConv2d(4, 6, mode="bilinear"),
    "edge pytorch": lambda: EdgeConv2d(4, 6, 9, layout="pytorch"),
    "edge tensorflow": lambda: EdgeConv2d(4, 6, 3, stride=2, layout="tensorflow"),
    "transposed 3/2": lambda: nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1),
    "transposed 4/2": lambda: nn.ConvTranspose2d(4, 6, 4, 2, padding=1),
    "transposed 5/3": lambda: nn.ConvTranspose2d(4, 6, 5, 3, padding=2, output_padding=2, bias=False),
    "transposed dilated": lambda: nn.ConvTranspose2d(4, 6, 3, 1, padding=2, dilation=2, groups=2),
    "transposed 1": lambda: nn.ConvTranspose2d(4, 6, 1),
    "transposed with gaps": lambda: nn.ConvTranspose2d(4, 6, 2, 3),
    "cut transposed": lambda: CutTransposed2d(4, 6),
    "blur down": BlurDownsample,
    "blur up": BlurUpsample,
    "upsample": lambda: nn.Upsample(scale_factor=2),
    "upsample bilinear": lambda: nn.Upsample(scale_factor=2.0, mode="bilinear"),
    "upsample threefold": lambda: nn.Upsample(scale_factor=3),
    "upsample aligned": lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "instance norm": lambda: InstanceNorm2d(4),
    "instance norm affine": lambda: InstanceNorm2d(4, affine=True, eps=1e-3),
    "layer norm": lambda: LayerNorm(4),
    "batch norm": lambda: nn.BatchNorm2d(4),
    "batch norm plain": lambda: nn.BatchNorm2d(4, affine=False),
    "attention": lambda: SelfAttention(4),
    "residual": lambda: ResidualBlock(4, norm="instance", has_dropout=True),
    "residual batch": lambda: ResidualBlock(4, norm="batch", has_dropout=False),
    "style block": lambda: StyleBlock(4, "tensorflow"),
    "latent block": lambda: LatentBlock(4),
    "refiner block": lambda: RefinerBlock(4),
    "concat block": lambda: ConcatBlock(4, 6),
    "blurred group": lambda: nn.Sequential(
        nn.Conv2d(4, 40, 3, padding=1),
        InstanceNorm2d(40, affine=True),
        nn.ReLU(inplace=True),
        BlurDownsample(),
    ),
    "activations first": lambda: nn.Sequential(
        nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), MirroredConv2d(4, 6, 5)
    ),
    "nested": lambda: nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True)), nn.PixelShuffle(2)
    ),
    "norm first": lambda: nn.Sequential(
        InstanceNorm2d(4), nn.ReLU(inplace=True), nn.Identity(), InstanceNorm2d(4)
    ),
}


@pytest.mark.parametrize("size", [(13, 9), (8, 11), (20, 16)], ids=str)
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.thinned(3)
def test_each_kind_of_layer_is_exact(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().eval()
    draw_weights(layer)
    cut, whole = both_ways(layer, drawn_map(2, 4, *size))
    assert cut.shape == whole.shape and cut.dtype == whole.dtype
    assert psnr(cut, whole) >= 120


def test_a_styled_block_is_exact() -> None:
    block = StyledBlock(4).eval()
    draw_weights(block)
    cut, whole = both_ways(block, drawn_map(2, 4, 13, 9), drawn_map(2, 2, 2, 4, seed=1))
    assert psnr(cut, whole) >= 120


def ready(name: str, **settings: object) -> Any:
    method = tiny(find(name), ready=False, **settings).eval()
    draw_weights(method)
    if name == "fast_style":  # it gives levels from 0 to 255
        with torch.no_grad():
            for parameter in list(method.parameters())[-2:]:
                parameter.mul_(40)
    return method


def through_engine(method: Any, direction: Any, images: np.ndarray) -> Tensor:
    """All parts that an engine makes of pictures."""
    styles = method.sample_styles(2, seed=0) if isinstance(method, Styled) else None
    rendering = Rendering(styles, saves_masks=isinstance(method, Masked))
    floats = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    return torch.stack(Engine(method, direction, CPU, rendering).run_parts(floats))


VARIANTS = [
    *((name, {}) for name in trained_names()),
    ("cyclegan", {"upsample": "nearest"}),
    ("cyclegan", {"upsample": "bilinear", "norm": "batch"}),
    ("cyclegan_unet", {"generator": "resnet"}),
    ("attentiongan", {"version": "v1"}),
    ("ganimorph_lite", {"layout": "add"}),
    ("fast_style", {"layout": "tensorflow"}),
    ("fast_style", {"layout": "tensorflow", "upsample": "transposed"}),
]


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)
@pytest.mark.thinned(15, first=4)
def test_every_method_is_exact_in_every_direction_at_odd_sizes(
    name: str, settings: dict[str, object]
) -> None:
    method = ready(name, **settings)
    images = np.random.default_rng(0).integers(0, 256, (2, 77, 101, 3), dtype=np.uint8)
    for direction in method.directions:
        whole = through_engine(method, direction, images)
        with striped(method, at_once=1):
            cut = through_engine(method, direction, images)
        assert whole.std() > 0.01, "a grey picture would prove nothing"
        assert psnr(cut, whole) >= 120


def test_a_picture_that_does_not_fit_is_made_in_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    method = ready("cyclegan")
    images = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    wanted = Engine(method, "a2b", CPU).run(images)
    plain, failures = torch.nn.functional.conv2d, []

    def scarce(input: Tensor, *args: Any, **settings: Any) -> Tensor:
        if input.shape[2] > 40:
            failures.append(input.shape[2])
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return plain(input, *args, **settings)

    monkeypatch.setattr(torch.nn.functional, "conv2d", scarce)
    monkeypatch.setattr("reskin.inference.engine.striped", lambda model: striped(model, at_once=1))
    engine = Engine(method, "a2b", CPU)
    assert psnr(engine.run(images), wanted) >= 120
    assert len(failures) == 1
    engine.run(images)
    assert len(failures) == 1, "the second picture of this size is not tried whole"


def test_modules_are_as_before_also_after_an_exception_and_other_threads_compute_whole() -> None:
    method = ready("cyclegan")
    before = {name: set(vars(module)) for name, module in method.named_modules()}
    images = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        wanted = method.translate(images, "a2b")
    found: list[Any] = []

    def elsewhere() -> None:
        with torch.inference_mode():
            found.append((stripes._at_once(), method.translate(images, "a2b")))

    with pytest.raises(KeyError), striped(method, at_once=1), striped(method, at_once=2):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        raise KeyError
    assert found[0][0] == 0 and found[0][1].equal(wanted)
    assert {name: set(vars(module)) for name, module in method.named_modules()} == before
    assert stripes._at_once() == 0


def test_gradients_flow_as_always_inside() -> None:
    conv = nn.Conv2d(3, 4, 3)
    with striped(conv, at_once=1):
        conv(torch.rand(1, 3, 16, 16)).sum().backward()
    assert conv.weight.grad is not None


def test_bf16_is_as_near_as_bf16_can_be() -> None:
    method = ready("cyclegan")
    images = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    engine = Engine(method, "a2b", Compute(torch.device("cpu"), "bf16"))
    whole = engine.run(images)
    with striped(method, at_once=1):
        assert psnr(engine.run(images), whole) >= 35


@pytest.mark.sweep
def test_the_largest_maps_do_not_exist() -> None:
    """Those of the full size behind the first layer and the last upsampling: 1.6 with them."""
    width, edge = 16, 192
    net = ResnetGenerator(width, 1)
    picture = torch.rand(1, 3, edge, edge, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.inference_mode():
        whole = net.eval()(picture)
        with striped(net, at_once=1), _Held() as held:
            made = net(picture)
    assert (made - whole).abs().max() < 1e-5
    assert held.most < 1.3 * picture.element_size() * width * edge * edge
