"""The one way from a model to pixels: device, precision, padding, memory and finite values in one module."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reskin.config import Settings
from reskin.device import Compute, choose_compute, is_out_of_memory
from reskin.errors import ImageError, NotFiniteError, ShapeError
from reskin.images import bytes_to_floats, to_image
from reskin.inference.budget import MOST_BYTES_PER_PIXEL, bytes_per_pixel, room, stripes_in_words
from reskin.inference.engines.backend import Used
from reskin.inference.engines.look import Look
from reskin.inference.engines.settle import Settled, Subject, by_torch, check_engine, settle
from reskin.inference.rendering import Rendering, blend, check_rendering
from reskin.inference.stripes import striped
from reskin.methods.masked import Masked
from reskin.methods.styled import Styled
from reskin.methods.translator import Stream, Translator
from reskin.networks.padding import crop_to, pad_to_multiple
from reskin.types import Direction
from reskin.version import __version__

_log = logging.getLogger("reskin")

_MIN_EDGE_PX = 32
"""Smaller pictures are padded to this: networks reflect and normalise inside, which needs some pixels."""


class Engine:
    """A model, a direction and the way to compute.

    The model is moved to the device of `compute` and stays there.

    Args:
        model: any translator; its kind, size multiple and directions are taken from it.
        direction: one of the model's.
        compute: where and how; by default the model's own device in the precision that is fast there.
        rendering: styles and masks; by default neither.

    Attributes:
        used: what computes, once it is settled; what remembers earlier frames, or saves masks, is computed by
            PyTorch.
        expected: how many pictures will come, for `auto`, where nobody calls `settle`.

    Raises:
        SettingsError: the model does not translate this way, or cannot make what `rendering` asks for; the
            engine that was asked for is not installed or does not compute there.
    """

    def __init__(
        self,
        model: Translator,
        direction: Direction,
        compute: Compute | None = None,
        rendering: Rendering | None = None,
    ) -> None:
        model.check_direction(direction)
        self.rendering = rendering or Rendering()
        check_rendering(model, self.rendering)
        self.model, self.direction = model, direction
        self.compute = check_engine(compute or choose_compute(str(_device_of(model))))
        self.compute.move(model)
        self._stream = model.stream(direction)
        # A model with the default stream sees each frame for itself, so frames may share a call.
        self.remembers = type(self._stream) is not Stream
        self._least_striped: int | None = None  # pixels for which the memory was too little
        self._most_whole = 0  # pixels that are known to fit
        self._bytes_per_pixel: float | None = None
        self._has_said_stripes = False
        self.expected: float = 1
        self.used = by_torch(self.compute)
        self._asked: str | None = None
        self._settled = Settled(self.used)
        self.is_settled = self.compute.engine == "torch"
        if not self.is_settled and (self.remembers or self.rendering.saves_masks):
            self.asked()
            reason = "it remembers the frames before" if self.remembers else "its masks are saved too"
            self.stay_with_torch(reason)

    def stay_with_torch(self, reason: str) -> None:
        """Have PyTorch compute, whatever was asked for; where another engine was, the reason is logged."""
        if self.compute.engine not in ("auto", "torch"):
            name = self.model.title or type(self.model).__name__
            _log.info("%s is translated by PyTorch, not by %s: %s", name, self.compute.engine, reason)
        self._take(Settled(by_torch(self.compute)))

    def asked(self) -> str:
        """64 hex digits of the model and of what was asked for, whichever engine `auto` takes."""
        if self._asked is None:
            digest = hashlib.sha256(f"{self._digest()} {self.compute}".encode())
            self._asked = digest.hexdigest()
        return self._asked

    def settle(
        self, picture: NDArray[np.uint8], *, number: float | None = None, earlier: Used | None = None
    ) -> None:
        """Find the engine that computes from now on, if that is still open.

        Args:
            picture: one of the job as the model sees it, RGB, uint8, (H, W, 3).
            number: how many such pictures the job has; None for `expected`.
            earlier: what computed the first part of the same job, which `auto` takes again.

        Raises:
            ImageError: the picture does not fit the memory.
        """
        self.asked()
        if self.is_settled:
            return
        pictures = bytes_to_floats(torch.from_numpy(picture[None].copy()).to(self.compute.device))
        self._settle(pictures, self.expected if number is None else number, earlier)

    def _settle(self, pictures: Tensor, number: float, earlier: Used | None = None) -> None:
        height, width = pictures.shape[-2:]
        if not self._fits(height * width):
            self.stay_with_torch(f"pictures of {width}x{height} are made in stripes to fit the memory")
            return
        styles = None if self.rendering.styles is None else self.rendering.styles.to(pictures.device)
        look = Look(self.model, self.direction, styles, key=self.asked())
        padded = pad_to_multiple(pictures[:1].float(), self._multiple(height, width))
        with self._guard(1, height, width):
            self._take(settle(Subject(look, self.compute, padded, number, self.asked()), earlier))

    def _take(self, settled: Settled) -> None:
        self._settled, self.used, self.is_settled = settled, settled.used, True
        self.compute = replace(self.compute, precision=settled.used.precision, engine=settled.used.engine)

    def run(self, images: Tensor) -> Tensor:
        """The translations of pictures that have nothing to do with each other, each at its own size.

        Args:
            images: (N, 3, H, W), floating point, in [-1, 1], on any device; any H and W from 1.

        Returns:
            The same shape, float32, on the device of `compute`; values may pass [-1, 1] a little. Nothing in
            it takes a gradient.

        Raises:
            ShapeError: `images` has another shape or type, or the model changed it.
            NotFiniteError: the model gave NaN or infinite values.
            ImageError: the pictures do not fit the device's memory.
        """
        return self.run_parts(images)[0]

    def run_clips(self, clips: Tensor) -> Tensor:
        """The translations of clips, (N, T, 3, H, W), each seen from its first frame on; as `run`."""
        made = []
        for clip in clips:
            self.reset()
            with self._guard(*clip.shape[:1], *clip.shape[-2:]), torch.no_grad():
                made.append(self._parts(clip.to(self.compute.device, torch.float32), is_video=True)[0])
        self.reset()
        return torch.stack(made)

    def run_parts(self, images: Tensor) -> list[Tensor]:
        """Everything that the rendering makes of the pictures: a tensor as `run` returns for each part.

        Args:
            images: as in `run`.

        Returns:
            For each part of the rendering (N, 3, H, W); masks as grey pictures in [-1, 1].

        Raises:
            ShapeError, NotFiniteError, ImageError: as `run`.
        """
        if not images.is_floating_point() or images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ShapeError(
                f"pictures must be (N, 3, H, W) of floats, not {tuple(images.shape)} {images.dtype}"
            )
        if not self.is_settled:
            self._settle(images.to(self.compute.device, torch.float32), self.expected)
        with self._guard(len(images), *images.shape[-2:]), torch.no_grad():
            return self._parts(images.to(self.compute.device, torch.float32), is_video=False)

    def translate(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pictures in the look of the other domain, at their own size.

        Args:
            images: RGB, uint8, (N, H, W, 3), any H and W from 1.

        Returns:
            The same shape and type.

        Raises:
            ShapeError: `images` has another shape or type, or the model changed it.
            NotFiniteError: the model gave NaN or infinite values.
            ImageError: the pictures do not fit the device's memory.
        """
        return self.translate_parts(images)[0]

    @property
    def can_resume(self) -> bool:
        """Whether what the model remembers of a video can be kept in a file."""
        return not self.remembers or type(self._stream).state is not Stream.state

    def state(self) -> dict[str, Tensor]:
        """What the model remembers of the frames so far, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self._stream.state().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on behind the frames after which `state` was given."""
        self._stream.restore({name: value.to(self.compute.device) for name, value in state.items()})

    def reset(self) -> None:
        """Forget the frames of a video so far: those that come next do not continue them."""
        self._stream.reset()

    def translate_parts(
        self,
        images: NDArray[np.uint8],
        mask: NDArray[np.float32] | None = None,
        *,
        is_video: bool = False,
    ) -> NDArray[np.uint8]:
        """Everything that the rendering makes of the pictures, in the order of its parts.

        Args:
            images: as in `translate`.
            mask: (H, W), 0 to 1: how much of the new look each pixel takes.
            is_video: the images are consecutive frames and continue those of the last such call, until
                `reset`.

        Returns:
            (P, N, H, W, 3), uint8: each style, then the masks as grey pictures.

        Raises:
            ShapeError, NotFiniteError, ImageError: as `translate`.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
            raise ShapeError(f"pictures must be (N, H, W, 3) uint8, not {images.shape} {images.dtype}")
        if not self.is_settled:
            self.settle(images[0])
        with self._guard(*images.shape[:3]), torch.inference_mode():
            # torch wants memory that it could write to; pictures from Pillow are read-only.
            levels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
            made = self._parts(bytes_to_floats(levels.to(self.compute.device)), is_video=is_video)
            parts = np.stack([to_image(part) for part in made])
            if mask is not None:
                looks = len(parts) - self.rendering.saves_masks
                parts[:looks] = blend(images, parts[:looks], mask)
            return parts

    @contextmanager
    def _guard(self, number: int, height: int, width: int) -> Iterator[None]:
        """The model does not learn inside the block; where memory runs out, the error says what helps."""
        try:
            with _evaluating(self.model):
                yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            device = self.compute.device
            fix = "Make them smaller, or close other programs that take memory."
            if device.type != "cpu":
                fix = "Make them smaller, or use the CPU, which has more memory: --device cpu."
            raise ImageError(
                f"{number} picture(s) of {width}x{height} do not fit the memory of {device}",
                fix,
            ) from None

    def _parts(self, images: Tensor, *, is_video: bool) -> list[Tensor]:
        """Each part of the pictures, computed whole or, where memory does not do, in stripes."""
        pixels = len(images) * images.shape[-2] * images.shape[-1]
        if self._fits(pixels):
            try:
                return self._made(images, self._settled, is_video=is_video)
            except (RuntimeError, MemoryError) as error:
                # A step of a model that remembers frames cannot be taken twice.
                if not is_out_of_memory(error) or (is_video and self.remembers):
                    raise
            # Behind the handler, for the error holds what was computed so far.
            self._least_striped = pixels
            if self.compute.device.type == "cuda":
                torch.cuda.empty_cache()
        self._say_stripes(len(images), *images.shape[-2:])
        with striped(self.model):
            return self._made(images, Settled(by_torch(self.compute)), is_video=is_video)

    def _say_stripes(self, number: int, height: int, width: int) -> None:
        """Say once that pictures are made in stripes, and whether the memory will do."""
        if self._has_said_stripes:
            return
        self._has_said_stripes = True
        with self.compute.autocast():
            each = bytes_per_pixel(self._looked_once, self.compute.device, striped=self.model)
        free = room(self.compute.device, self.compute.memory)
        needed = number * height * width * each
        said, is_short = stripes_in_words(
            (width, height), needed, free, is_allowed=self.compute.memory is not None
        )
        _log.log(logging.WARNING if is_short else logging.INFO, "%s", said)

    def _fits(self, pixels: int) -> bool:
        """Whether the maps of so many pixels are expected to fit the memory; asked once for a size."""
        if self._least_striped is not None and pixels >= self._least_striped:
            return False
        if pixels <= self._most_whole:
            return True
        device = self.compute.device
        free = room(device, self.compute.memory)
        if pixels * MOST_BYTES_PER_PIXEL > free:
            if self._bytes_per_pixel is None:
                with self.compute.autocast():
                    self._bytes_per_pixel = bytes_per_pixel(self._looked_once, device)
            if pixels * self._bytes_per_pixel > free:
                self._least_striped = pixels
                return False
        self._most_whole = pixels
        return True

    def _looked_once(self, pictures: Tensor) -> object:
        """What is made of pictures by themselves, whatever the model remembers."""
        return self._looks(pictures, Settled(by_torch(self.compute)), is_video=False)

    def _made(self, images: Tensor, settled: Settled, *, is_video: bool) -> list[Tensor]:
        """Each part for pictures (N, 3, H, W) that are on the device, float32, at their own size."""
        height, width = images.shape[-2:]
        pictures = pad_to_multiple(images, self._multiple(height, width))
        with self.compute.autocast():
            if self.rendering.saves_masks:
                assert isinstance(self.model, Masked), "check_rendering lets no other model pass"
                assert self.rendering.styles is None, "no model has both styles and masks"
                look, masks = self.model.generate_with_masks(pictures, self.direction)
                made = [self._checked(look, pictures), masks.float().expand_as(pictures) * 2 - 1]
            else:
                looks = self._looks(pictures, settled, is_video=is_video)
                made = [self._checked(look, pictures) for look in looks]
        return [crop_to(part.float(), height, width) for part in made]

    def _looks(self, pictures: Tensor, settled: Settled, *, is_video: bool) -> Tensor | list[Tensor]:
        """The pictures in each style, or in the one look that there is."""
        if settled.program is not None:
            made = settled.program(pictures)
            return [made] if self.rendering.styles is None else made
        if self.rendering.styles is not None:
            assert isinstance(self.model, Styled), "check_rendering lets no other model pass"
            styles = self.rendering.styles.to(pictures.device)
            return self.model.translate_styles(pictures, self.direction, styles)
        if is_video and self.remembers:
            return [torch.cat([self._stream.step(frame[None]) for frame in pictures])]
        return [self.model.translate(pictures, self.direction)]

    def _checked(self, translated: Tensor, pictures: Tensor) -> Tensor:
        """What the model made, if it is a picture at all."""
        if translated.shape != pictures.shape:
            raise ShapeError(f"the model made {tuple(translated.shape)} of {tuple(pictures.shape)}")
        if not torch.isfinite(translated).all():
            raise NotFiniteError(
                "the model's picture holds values that are not finite", "Use an earlier checkpoint."
            )
        return translated

    def _multiple(self, height: int, width: int) -> int:
        """What both edges are padded to a multiple of, px."""
        multiple = self.model.size_multiple
        return multiple if min(height, width) >= _MIN_EDGE_PX else -(-_MIN_EDGE_PX // multiple) * multiple

    def identity(self) -> str:
        """64 hex digits that change with everything but the picture that could change the result."""
        assert self.is_settled, "what computes is part of it: settle first"
        return self._digest()

    def _digest(self) -> str:
        """The identity with what computes as far as that is known."""
        digest = hashlib.sha256()
        kind = type(self.model)
        config = getattr(self.model, "config", None)
        settings = config.to_dict() if isinstance(config, Settings) else None
        facts: list[Any] = [__version__, f"{kind.__module__}.{kind.__qualname__}", settings, self.direction]
        facts += [self.compute.device.type, self.compute.precision, *self.rendering.parts]
        facts.append([str(self.rendering.mask), self.rendering.feather] if self.rendering.mask else None)
        if self.compute.memory is not None:  # stripes add up in another order
            facts.append(self.compute.memory)
        if self.used.engine != "torch":  # folders of earlier versions stay up to date
            facts.append(self.used.facts())
        if self.rendering.styles is not None:
            facts.append(self.rendering.styles.tolist())
        digest.update(json.dumps(facts, sort_keys=True).encode())
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            if isinstance(value, Tensor):
                digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
                digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def _device_of(model: nn.Module) -> torch.device:
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout and the like are off inside the block, and as they were behind it."""
    learning = [module for module in model.modules() if module.training]
    if learning:  # a model that is only used is not touched, so that threads may share it
        model.eval()
    try:
        yield
    finally:
        for module in learning:
            module.training = True
