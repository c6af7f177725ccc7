"""What only a GPU can show; `make gpu` runs it on a machine with CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reskin.data.batches import Batches
from reskin.device import Compute, Precision, choose_compute
from reskin.errors import NotFiniteError, SettingsError
from reskin.inference.engine import Engine
from reskin.methods.cyclegan import CycleGAN
from reskin.methods.cyclegan_unet import CycleGANUnet
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.load import load
from reskin.runs.schedule import set_learning_rate
from reskin.runs.settings import sort_settings
from reskin.storage import read_lines
from reskin.training.graph import GraphedStep
from reskin.training.loop import PlainStep, seed_step
from reskin.training.start import build, train_run
from reskin.types import Batch, Step
from reskin.video.encoding import NVENC, Codec
from reskin.video.nvenc import missing
from reskin.video.reader import VideoReader
from reskin.video.writer import Encoding, VideoWriter

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

TINY = {"width": 8, "blocks": 2, "disc_layers": 2, "pool_size": 2}
# Without mirrored edges, whose gradient CUDA sums in any order: every step is the same to the last bit.
REPEATABLE = {"downsamplings": 5, "has_dropout": True, "width": 8, "pool_size": 2}


@pytest.fixture(autouse=True)
def _plain_fp32() -> Iterator[None]:
    """Convolutions in full float32, by the same algorithm each time."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def compute(device: str = "cuda", precision: Precision = "fp32") -> Compute:
    return choose_compute(device, precision)


def made(where: Compute, **settings: Any) -> CycleGAN | CycleGANUnet:
    torch.manual_seed(0)
    kind = CycleGANUnet if "downsamplings" in settings else CycleGAN
    method = kind(parse(kind.Config, settings or TINY))
    where.move(method)
    return method


def drawn(step: int = 1, device: str = "cuda", side: int = 32) -> Batch:
    a, b = torch.rand((2, 1, 3, side, side), generator=torch.Generator().manual_seed(step)) * 2 - 1
    return Batch(a.to(device), b.to(device))


def taught(teach: PlainStep | GraphedStep, first: int, last: int) -> list[dict[str, float]]:
    """The losses of the steps `first` to `last`, learned with a falling rate."""
    rows = []
    for step in range(first, last + 1):
        seed_step(0, step, 0)
        set_learning_rate(teach.method, 1 - step / 20)
        rows.append({name: loss.item() for name, loss in teach(drawn(step), Step(step, 100)).items()})
    teach.method.raise_if_broken()
    return rows


def equal_states(one: CycleGAN, other: CycleGAN) -> list[str]:
    """Names of what differs between two methods, optimizers and pools included."""
    first, second = (checkpoint.state_of(method, Ema(method, 0.0)) for method in (one, other))
    assert first.keys() == second.keys()
    return [name for name, value in first.items() if not value.equal(second[name])]


def moments(method: CycleGAN, name: str) -> torch.Tensor:
    entries = method.optimizers[name].state.values()
    return torch.cat([entry["exp_avg"].flatten().cpu() for entry in entries])


def test_a_step_is_that_of_the_cpu() -> None:
    on_cpu, on_gpu = made(compute("cpu")), made(compute())
    expected = PlainStep(on_cpu, compute("cpu"))(drawn(device="cpu"), Step(1, 1))
    losses = PlainStep(on_gpu, compute())(drawn(), Step(1, 1))
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=1e-4)
    for name in ("generators", "discriminators"):
        one, other = moments(on_cpu, name), moments(on_gpu, name)
        assert (one - other).norm() < 1e-3 * one.norm()


def test_a_step_in_bf16_is_close_to_one_in_fp32() -> None:
    exact, rough = made(compute()), made(compute())
    expected = PlainStep(exact, compute())(drawn(), Step(1, 1))
    losses = PlainStep(rough, compute(precision="bf16"))(drawn(), Step(1, 1))
    assert all(p.dtype == torch.float32 for p in rough.parameters())
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=0.02)
        assert loss != expected[name]  # it did compute in bfloat16
    for name in ("generators", "discriminators"):
        # 0.946 was seen on an H200: tiny networks on tiny pictures average little out.
        assert torch.cosine_similarity(moments(exact, name), moments(rough, name), dim=0) > 0.9


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("settings", [TINY, TINY | {"adversarial": "wgan-gp"}, REPEATABLE], ids=str)
def test_a_step_never_waits_for_the_gpu(settings: dict[str, Any]) -> None:
    teach = PlainStep(made(compute(), **settings), compute(precision="bf16"))
    batch = drawn()
    teach(batch, Step(1, 1))
    torch.cuda.set_sync_debug_mode(2)
    try:
        teach(batch, Step(1, 1))
    finally:
        torch.cuda.set_sync_debug_mode(0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_graph_teaches_what_plain_steps_teach(precision: Precision) -> None:
    where = compute(precision=precision)
    plain, graphed = made(where, **REPEATABLE), made(where, **REPEATABLE)
    expected = taught(PlainStep(plain, where), 1, 8)  # the pools are full after two
    assert taught(GraphedStep(graphed, where), 1, 8) == expected
    assert int(graphed.pool_a.count) == 2
    assert equal_states(plain, graphed) == []


def test_a_graph_goes_on_from_a_checkpoint() -> None:
    where = compute()
    plain, resumed = made(where, **REPEATABLE), made(where, **REPEATABLE)
    taught(PlainStep(plain, where), 1, 4)
    state = {k: v.cpu().clone() for k, v in checkpoint.state_of(plain, Ema(plain, 0.0)).items()}
    expected = taught(PlainStep(plain, where), 5, 8)
    checkpoint.restore(resumed, Ema(resumed, 0.0), state)
    assert taught(GraphedStep(resumed, where), 5, 8) == expected
    assert equal_states(plain, resumed) == []


@pytest.mark.parametrize("adversarial", ["lsgan", "wgan-gp"])
def test_a_graph_of_the_papers_networks_is_close_to_plain_steps(adversarial: str) -> None:
    where, settings = compute(), TINY | {"adversarial": adversarial}
    plain, graphed = made(where, **settings), made(where, **settings)
    before = {name: p.detach().clone() for name, p in plain.named_parameters() if p.dim() > 1}
    expected = taught(PlainStep(plain, where), 1, 6)
    for row, wanted in zip(taught(GraphedStep(graphed, where), 1, 6), expected, strict=True):
        assert row == pytest.approx(wanted, rel=2e-2, abs=1e-3)
    others = dict(graphed.named_parameters())
    apart = torch.cat([(p - others[n]).flatten() for n, p in plain.named_parameters() if p.dim() > 1])
    moved = torch.cat([(p - before[n]).flatten() for n, p in plain.named_parameters() if p.dim() > 1])
    assert apart.norm() < 0.05 * moved.norm()


@pytest.mark.parametrize("is_graphed", [False, True], ids=["plain", "graph"])
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(is_graphed: bool) -> None:
    where = compute()
    method = made(where)
    teach = GraphedStep(method, where) if is_graphed else PlainStep(method, where)
    taught(teach, 1, 3)
    before = {name: value.clone() for name, value in method.named_parameters()}
    good = drawn()
    teach(Batch(torch.full_like(good.a, torch.nan), good.b), Step(1, 1))
    teach(good, Step(1, 1))  # what is learned later must not hide it
    assert all(value.equal(before[name]) for name, value in method.named_parameters())
    with pytest.raises(NotFiniteError, match="loss"):
        method.raise_if_broken()


def test_a_graph_refuses_pictures_of_another_size() -> None:
    where = compute()
    teach = GraphedStep(made(where), where)
    teach(drawn(), Step(1, 1))
    with pytest.raises(SettingsError, match="one size, got 1 of 32x32 and 1 of 48x48"):
        teach(drawn(side=48), Step(1, 1))


@pytest.mark.filterwarnings("default")  # the compiler has much to say
@pytest.mark.parametrize("is_graphed", [False, True], ids=["plain", "graph"])
def test_compiled_networks_learn_the_same(is_graphed: bool) -> None:
    values = {**TINY, "a": "a", "b": "b", "device": "cuda", "precision": "fp32"}
    methods = [
        build(sort_settings("cyclegan", {**values, "compile": compiled}), compute())
        for compiled in (False, True)
    ]
    expected = taught(PlainStep(methods[0], compute()), 1, 3)
    teach = GraphedStep(methods[1], compute()) if is_graphed else PlainStep(methods[1], compute())
    for row, wanted in zip(taught(teach, 1, 3), expected, strict=True):
        assert row == pytest.approx(wanted, rel=2e-2, abs=1e-3)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three drawn pictures of each side, in the layout trainA, trainB."""
    chance = np.random.default_rng(0)
    for side in "AB":
        (tmp_path / f"train{side}").mkdir()
        for number in range(3):
            levels = chance.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(levels).save(tmp_path / f"train{side}" / f"{number}.png")
    return tmp_path


def trained(pictures: Path, name: str, **settings: Any) -> Path:
    small: dict[str, Any] = {**REPEATABLE, "crop_size": 32, "load_size": 36, "ema": 0.9}
    length = {"steps": 6, "log_every": 1, "device": "cuda", "precision": "bf16", "cuda_graph": True}
    return train_run(
        "cyclegan_unet", out=pictures / name, a=pictures, b=pictures, **(small | length | settings)
    )


def test_a_run_with_a_graph_stopped_and_gone_on_with_ends_the_same(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(pictures, "whole", save_every=1)
    original = Batches.at

    def cut(batches: Batches, step: int) -> Batch:
        if step == 5:
            raise RuntimeError("the machine went away")
        return original(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "at", cut)
        with pytest.raises(RuntimeError, match="went away"):
            trained(pictures, "cut", save_every=1)
    resumed = trained(pictures, "cut", save_every=1)
    rows = [[row["losses"] for row in read_lines(run / "losses.jsonl")] for run in (whole, resumed)]
    assert len(rows[0]) == 6 and rows[0] == rows[1]
    assert load(whole).gen_a2b.down[0].weight.equal(load(resumed).gen_a2b.down[0].weight)  # type: ignore[union-attr,index]


def test_a_run_without_a_graph_ends_the_same(pictures: Path) -> None:
    runs = [trained(pictures, str(graph), cuda_graph=graph) for graph in (True, False)]
    rows = [[row["losses"] for row in read_lines(run / "losses.jsonl")] for run in runs]
    assert rows[0] == rows[1]


def test_translation_is_that_of_the_cpu() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), dtype=np.uint8)
    results = []
    for device in ("cpu", "cuda"):
        where = compute(device)
        results.append(Engine(made(where), "a2b", where).translate(levels).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert results[0].std() > 1  # there is something to compare


@pytest.mark.parametrize("codec", NVENC)
@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (321, 181)])
def test_nvidia_encodes_what_it_is_given(codec: Codec, size: tuple[int, int], tmp_path: Path) -> None:
    """At the default quality a smooth picture comes back within two levels on average."""
    if reason := missing(codec):
        pytest.skip(f"{codec}: {reason}")
    width, height = size
    ramp = np.linspace(40, 200, width, dtype=np.float32)[None, :, None]
    frames = [np.broadcast_to(ramp + 4 * i, (height, width, 3)).astype(np.uint8) for i in range(10)]
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=size, frame_rate=Fraction(25), encoding=Encoding(codec)) as writer:
        for number, frame in enumerate(frames):
            writer.write(np.ascontiguousarray(frame), Fraction(number, 25))
            if number == 4:
                writer.end_segment(number)
    with VideoReader(path) as reader:
        found = list(reader)
    assert [frame.time for frame in found] == [Fraction(number, 25) for number in range(10)]
    for made, frame in zip(found, frames, strict=True):
        assert np.abs(made.image.astype(int) - frame).mean() < 2
