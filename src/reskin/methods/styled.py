"""The half of a method that translates in one of several styles."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from reskin.errors import SettingsError
from reskin.methods.translator import Translator
from reskin.types import Direction


class Styled(Translator):
    """A translator with many translations of an image, one for each style code.

    A method inherits it before `Method` and overrides `generate_styles` and `encode_style`.

    Attributes:
        style_size: dimension of the style code.
    """

    style_size: int

    def translate(self, images: Tensor, direction: Direction, style: Tensor | None = None) -> Tensor:
        """The same images in the look of the other domain, all in one style.

        Args:
            images: as in `Translator.translate`.
            direction: one of `directions`.
            style: (style_size,), from `sample_styles` or `encode_style`.

        Raises:
            SettingsError: the direction is not offered, or the style is missing or of another model.
        """
        self.check_direction(direction)
        if style is None:
            raise SettingsError(
                "this model has many looks and none was chosen",
                "Choose some with --styles or --style (in Python: style=model.sample_styles(1, seed=0)[0]).",
            )
        return self.translate_styles(images, direction, style[None])[0]

    def translate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        """The same images in each of several styles; what styles share is computed once.

        Args:
            images: (N, 3, H, W), as in `Translator.translate`.
            direction: one of `directions`.
            styles: (K, style_size).

        Returns:
            (K, N, 3, H, W).

        Raises:
            SettingsError: the direction is not offered, there are no styles, or they are of another model.
        """
        self.check_direction(direction)
        if styles.dim() != 2 or styles.shape[1] != self.style_size or not len(styles):
            raise SettingsError(
                f"styles of shape {tuple(styles.shape)}, wanted (count, {self.style_size})",
                "Take them from this model's sample_styles or encode_style.",
            )
        return self.generate_styles(images, direction, styles)

    @abstractmethod
    def generate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        """What `translate_styles` returns, for styles and a direction that fit."""

    @abstractmethod
    def encode_style(self, images: Tensor, direction: Direction = "a2b") -> Tensor:
        """The style codes of example images of the domain that `direction` leads to.

        Args:
            images: (N, 3, H, W), float32, in [-1, 1].
            direction: the translation in which the styles will be used.

        Returns:
            (N, style_size).
        """

    def sample_styles(self, count: int, seed: int) -> Tensor:
        """Random style codes, (count, style_size), the same for the same seed on every device.

        Raises:
            SettingsError: `count` is below 1.
        """
        if count < 1:
            raise SettingsError(f"{count} styles asked for", "Ask for 1 or more.")
        source = torch.Generator().manual_seed(seed)
        return torch.randn(count, self.style_size, generator=source).to(next(self.parameters()).device)

    def with_style(self, style: Tensor) -> Translator:
        """This model with one style, (style_size,), for everything; it translates as one without styles."""
        return InStyle(self, style)


class InStyle(Translator):
    """A model with styles, one of which is chosen for good."""

    def __init__(self, model: Styled, style: Tensor) -> None:
        super().__init__()
        self.model = model
        self.style: Tensor
        self.register_buffer("style", style)
        self.directions, self.size_multiple = model.directions, model.size_multiple

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.model.translate(images, direction, self.style)


def styled(model: Translator) -> Styled:
    """The model, as one that has styles.

    Raises:
        SettingsError: it has none.
    """
    if not isinstance(model, Styled):
        raise SettingsError(
            "this model has no styles: each picture has one translation",
            "Leave the style out, or train a method with styles such as munit.",
        )
    return model
