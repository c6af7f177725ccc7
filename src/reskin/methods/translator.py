"""What every model is that turns images into images, trained or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.methods.description import Preset
from reskin.types import Direction, Domain


class Translator(nn.Module):
    """Something that turns images of one domain into images of the other; a subclass overrides `generate`.

    Attributes:
        Config: the class of its settings.
        title: its name as its paper writes it.
        paper: who published it and when.
        good_for: in a few words, what to use it for.
        presets: settings that belong together, by name.
        directions: the ways it can translate.
        size_multiple: the edges of its input must be multiples of this, in px.
        trained_edge: shorter edge of the images that it was trained on, in px; set by who loads it, None
            where it is not known.
        framings: how the faces that it was trained on are framed (`framing.Framing`), by domain; set by who
            loads it, empty where it learnt from something else.
    """

    Config: ClassVar[type[Settings]]
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    good_for: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Preset]] = {}
    directions: tuple[Direction, ...] = ("a2b", "b2a")
    size_multiple: int = 1
    trained_edge: int | None = None
    framings: Mapping[Domain, Any] = {}

    def translate(self, images: Tensor, direction: Direction) -> Tensor:
        """The same images in the look of the other domain.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1]; H and W multiples of `size_multiple`.
            direction: one of `directions`.

        Returns:
            The same shape, type and range.

        Raises:
            SettingsError: the direction is not offered.
        """
        self.check_direction(direction)
        return self.generate(images, direction)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        """What `translate` returns, for a direction that is offered."""
        raise NotImplementedError

    def stream(self, direction: Direction) -> Stream:
        """What translates the frames of a video one after the other; by default each on its own."""
        return Stream(self, direction)

    def check_direction(self, direction: Direction) -> None:
        """Refuse a direction that this model was not made for (SettingsError)."""
        if direction not in self.directions:
            what = f"this model does not translate {direction}"
            raise SettingsError(what, f"It translates {' and '.join(self.directions)}.")


class Stream:
    """A video through a model, frame by frame; one that remembers earlier frames overrides both methods."""

    def __init__(self, model: Translator, direction: Direction) -> None:
        model.check_direction(direction)
        self.model, self.direction = model, direction

    def step(self, frame: Tensor) -> Tensor:
        """The translation of the next frame, (1, 3, H, W), as `Translator.translate`."""
        return self.model.translate(frame, self.direction)

    def reset(self) -> None:
        """Forget the frames so far: the next one does not continue them."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers of the frames so far; a stream that cannot say it does not override this."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on as the stream did that gave this state."""
