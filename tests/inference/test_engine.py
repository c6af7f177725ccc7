"""The one way from a model to pixels: shapes, values, modes, memory and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reskin.device import Compute
from reskin.errors import ImageError, NotFiniteError, SettingsError, ShapeError
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.methods.translator import Stream, Translator
from reskin.types import Direction

CPU = Compute(torch.device("cpu"), "fp32")


class Halves(Translator):
    """Halves every value; notes what it is given."""

    directions = ("a2b",)
    size_multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.seen: list[tuple[int, ...]] = []

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.seen.append(tuple(images.shape))
        return self.dropout(images * self.weight)


class Raises(Translator):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        raise self.error


class Filled(Translator):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return torch.full_like(images, self.value)


class Averaging(Stream):
    """A frame becomes the mean of all frames so far."""

    def __init__(self, model: Translator, direction: Direction) -> None:
        super().__init__(model, direction)
        self.seen: list[Tensor] = []

    def step(self, frame: Tensor) -> Tensor:
        self.seen.append(frame)
        return torch.stack(self.seen).mean(dim=0)

    def reset(self) -> None:
        self.seen = []


class Remembering(Translator):
    """Images are left as they are; frames of a video become the mean of those so far."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return images

    def stream(self, direction: Direction) -> Averaging:
        return Averaging(self, direction)


@pytest.mark.parametrize("size", [(1, 1), (31, 40), (33, 47), (40, 64)])
def test_floats_keep_their_size_and_values(size: tuple[int, int]) -> None:
    model, images = Halves(), torch.rand(2, 3, *size) * 2 - 1
    made = Engine(model, "a2b", CPU).run(images)
    assert made.dtype == torch.float32 and not made.requires_grad
    torch.testing.assert_close(made, images / 2)
    assert all(edge % 8 == 0 and edge >= 32 for edge in model.seen[0][-2:])


def test_bytes_and_floats_are_the_same_pictures() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 33, 40, 3), dtype=np.uint8)
    images.flags.writeable = False
    engine = Engine(Halves(), "a2b", CPU)
    floats = torch.from_numpy(images.copy()).permute(0, 3, 1, 2) / 127.5 - 1
    wanted = (engine.run(floats) + 1).mul(127.5).round().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(engine.translate(images), wanted)


def test_the_model_is_left_as_it_was() -> None:
    model = Halves()
    model.train()
    model.dropout.eval()
    Engine(model, "a2b", CPU).run(torch.zeros(1, 3, 32, 32))
    assert model.training and not model.dropout.training
    with pytest.raises(RuntimeError):
        Engine(Raises(RuntimeError("other")).train(), "a2b", CPU).run(torch.zeros(1, 3, 32, 32))


def test_what_is_run_can_be_used_where_gradients_flow() -> None:
    made = Engine(Halves(), "a2b", CPU).run(torch.ones(1, 3, 32, 32))
    weight = torch.ones(1, requires_grad=True)
    (made * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_no_picture(value: float) -> None:
    engine = Engine(Filled(value), "a2b", CPU)
    with pytest.raises(NotFiniteError, match="not finite"):
        engine.run(torch.zeros(1, 3, 32, 32))
    with pytest.raises(NotFiniteError, match="not finite"):
        engine.translate(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
    ],
    ids=str,
)
def test_too_little_memory_is_said_with_what_helps_here(error: Exception) -> None:
    engine = Engine(Raises(error), "a2b", CPU)
    for call in (
        lambda: engine.run(torch.zeros(2, 3, 32, 40)),
        lambda: engine.translate(np.zeros((2, 32, 40, 3), np.uint8)),
    ):
        with pytest.raises(ImageError, match=r"2 picture\(s\) of 40x32 do") as caught:
            call()
        assert "memory of cpu" in str(caught.value)
        assert "--device cpu" not in str(caught.value)  # it is the CPU that has too little
    engine.compute = Compute(torch.device("cuda"), "fp32")
    with pytest.raises(ImageError, match="--device cpu"), engine._guard(2, 32, 40):
        raise error


def test_other_errors_of_the_model_are_not_called_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Engine(Raises(RuntimeError("shapes cannot be multiplied")), "a2b", CPU).run(torch.zeros(1, 3, 32, 32))


def test_a_model_that_remembers_sees_a_video_in_order_and_images_for_themselves() -> None:
    engine = Engine(Remembering(), "a2b", CPU)
    images = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 32, 32)
    assert engine.run(images).equal(images)
    frames = np.full((4, 32, 32, 3), np.array([0, 100, 200, 100])[:, None, None, None], np.uint8)
    assert (engine.translate(frames) == frames).all()

    def levels(images: np.ndarray) -> list[int]:
        made = engine.translate_parts(images, is_video=True)[0]
        assert all(len(np.unique(image)) == 1 for image in made)
        return [int(image[0, 0, 0]) for image in made]

    assert levels(frames[:2]) == [0, 50]
    assert (engine.translate(frames[:1]) == frames[:1]).all()  # an image between does not disturb the video
    assert levels(frames[2:]) == [100, 100]  # goes on from the call before
    engine.reset()
    assert levels(frames[2:]) == [200, 150]


def test_a_model_without_memory_sees_frames_of_a_video_in_one_call() -> None:
    model = Halves()
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    Engine(model, "a2b", CPU).translate_parts(frames, is_video=True)
    assert [shape[0] for shape in model.seen] == [3]


@pytest.mark.parametrize(
    "images",
    [torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8), torch.zeros(0, 3, 8, 8), torch.zeros(1, 3, 8, 8).int()],
)
def test_other_shapes_are_refused(images: Tensor) -> None:
    with pytest.raises(ShapeError, match="pictures must be"):
        Engine(Halves(), "a2b", CPU).run(images)


def test_a_direction_or_part_that_the_model_has_not_is_refused() -> None:
    with pytest.raises(SettingsError, match="b2a"):
        Engine(Halves(), "b2a", CPU)
    with pytest.raises(SettingsError, match="masks"):
        Engine(Halves(), "a2b", CPU, Rendering(saves_masks=True))
