"""A generator that grades a picture: local tone curves and saturation, held in a bilateral grid.

A small network looks at the picture at 64x64 px and predicts, for each cell of a coarse grid over position
and brightness, what becomes of a pixel there; every pixel of the full-size picture then looks its values up
by trilinear interpolation ("slicing").

Gharbi et al., "Deep Bilateral Learning for Real-Time Image Enhancement", SIGGRAPH 2017,
https://arxiv.org/abs/1707.02880, whose grid holds affine colour matrices. Here it holds tone curves with
bounded slopes, so that whatever the weights are, brightness keeps its order, and no edge can move, appear or
vanish.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.networks.blocks import check_input
from reskin.precision import at_least_float32

LOOK_PX = 64
"""Height and width at which the network sees a picture; a cell of the grid is 8 px of it."""

BINS = 8
"""Knots of the tone curves, from black to white."""

LEAST_SLOPE, MOST_SLOPE = 0.35, 2.8
"""Bounds of the slopes of a tone curve before it is fitted between its ends: at most 1 to 8."""

MOST_LIFTED, MOST_SUNK = 0.12, 0.05
"""How far the black end of a curve may move up and down, where black to white is 2: a black frame stays dark,
and shadows are not lost."""

MOST_GAIN = 2.2
"""How many times as strong a difference of brightness may become. A dark film in the look of a bright one is
brightened no further: noise and blocks of its shadows would show, and skin would have no tones left."""

EASED_GAIN = 1.2
"""Slopes of tone curves from which on they are eased towards `MOST_GAIN`."""

FORMER_MOST_LIFTED = 0.25
"""`MOST_LIFTED` of weights that earlier versions trained, which know no `MOST_GAIN`."""

MOST_BRIGHTER, MOST_DARKER = 0.4, 0.9
"""How far the white end may move up and down: a bright film may become a night."""

MOST_SATURATION = 2.0
"""Bound of the factor of the saturation; its least is 1 / 2."""

MOST_TURN = 0.35
"""Bound of each entry by which the colour matrix differs from the identity."""

KNEE = 0.85
"""Where values begin to be compressed towards black and white (1), so that they are not clipped."""


class Grade(NamedTuple):
    """What is done to the colours of N pictures.

    Attributes:
        curves: (N, 4, BINS, h, w): at each knot of brightness, the red, green and blue of a grey pixel, and
            the factor of the saturation.
        matrix: (N, 3, 3), applied to a pixel's difference from grey.
        weights: (3,), summing to 1: brightness is this mean of red, green and blue.
    """

    curves: Tensor
    matrix: Tensor
    weights: Tensor


class GradeGenerator(nn.Module):
    """Predicts a `Grade` for each picture and applies it.

    Its bounds are kept beside its weights, so that weights of earlier versions grade as they did.

    Args:
        width: channels of the first layer; later ones have 2 and 4 times as many.
    """

    limits: Tensor | None
    """`MOST_GAIN` and `MOST_LIFTED` of these weights; None for weights of earlier versions."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width]
        down: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(widths):
            down += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1, padding_mode="replicate"), nn.ReLU()]
        self.features = nn.Sequential(*down)
        last = widths[-1]
        self.local = nn.Sequential(
            nn.Conv2d(last, last, 3, padding=1, padding_mode="replicate"), nn.ReLU(), nn.Conv2d(last, last, 1)
        )
        self.overall = nn.Sequential(nn.Linear(2 * last, last), nn.ReLU(), nn.Linear(last, last))
        self.head = nn.Conv2d(last, 3 * (BINS + 1) + BINS, 1)
        self.turn = nn.Linear(last, 9)
        for parameter in (*self.head.parameters(), *self.turn.parameters()):
            nn.init.zeros_(parameter)  # so that the first grade is the identity
        self.guide = nn.Parameter(torch.tensor([0.299, 0.587, 0.114]).log())
        self.register_buffer("limits", torch.tensor([MOST_GAIN, MOST_LIFTED]))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take over bounds too, or none, where the weights are of a version before there were any."""
        known = state_dict.get(f"{prefix}limits")
        if known is None or self.limits is None:
            self.limits = None if known is None else torch.empty_like(known, device=self.guide.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def grade(self, images: Tensor) -> Grade:
        """What to do to the colours of these pictures.

        Args:
            images: (N, 3, H, W) in [-1, 1], of any size.
        """
        check_input(images, channels=3, multiple=1, smallest=1)
        features = self.features(seen(images))  # (N, C, h, w)
        mean, spread = features.mean(dim=(2, 3)), features.std(dim=(2, 3), unbiased=False)
        overall = self.overall(torch.cat([mean, spread], dim=1))  # (N, C)
        codes = F.relu(self.local(features) + overall[:, :, None, None])
        return self._grade(self.head(codes), self.turn(F.relu(overall)))

    def common(self) -> list[nn.Parameter]:
        """The weights that grade all pictures alike: the biases of the last layers, and the guide."""
        return [self.head.bias, self.turn.bias, self.guide]  # type: ignore[list-item]

    def common_grade(self) -> Grade:
        """What these weights alone do to any picture; N, h and w are 1."""
        assert self.head.bias is not None
        return self._grade(self.head.bias.view(1, -1, 1, 1), self.turn.bias.view(1, -1))

    def _grade(self, head: Tensor, turn: Tensor) -> Grade:
        """The grade of free numbers, (N, 3 * (BINS + 1) + BINS, h, w) and (N, 9)."""
        raw = at_least_float32(head)
        tones = raw[:, : 3 * (BINS + 1)].unflatten(1, (3, BINS + 1))  # (N, 3, BINS + 1, h, w)
        saturation = raw[:, None, 3 * (BINS + 1) :]  # (N, 1, BINS, h, w)
        turned = torch.tanh(at_least_float32(turn).view(-1, 3, 3))
        matrix = torch.eye(3, device=head.device) + MOST_TURN * turned
        curves = torch.cat([self._tone_curves(tones), _saturation(saturation)], dim=1)
        return Grade(curves, matrix, at_least_float32(self.guide).softmax(0))

    def _tone_curves(self, raw: Tensor) -> Tensor:
        """Free numbers (N, 3, BINS + 1, h, w) to curves (N, 3, BINS, h, w) that rise; 0 gives the identity.

        The first and last number move the black and the white end, the others are the slopes between the
        knots.
        """
        middle = 0.5 * math.log(MOST_SLOPE * LEAST_SLOPE)
        reach = 0.5 * math.log(MOST_SLOPE / LEAST_SLOPE)
        slopes = torch.exp(middle + reach * torch.tanh(raw[:, :, 1:-1]))  # (N, 3, BINS - 1, h, w)
        rises = F.pad(slopes.cumsum(2), (0, 0, 0, 0, 1, 0))
        share = rises / rises[:, :, -1:]
        low, high = torch.tanh(raw[:, :, :1]), torch.tanh(raw[:, :, -1:])
        lifted = FORMER_MOST_LIFTED if self.limits is None else self.limits[1]
        black = -1 + torch.where(low > 0, lifted, MOST_SUNK) * low
        white = 1 + torch.where(high > 0, MOST_BRIGHTER, MOST_DARKER) * high
        curves = black + (white - black) * share
        if self.limits is None:
            return curves
        knots_apart = 2 / (BINS - 1)
        eased = _eased(curves.diff(dim=2) / knots_apart, self.limits[0])
        return black + F.pad(eased.cumsum(2) * knots_apart, (0, 0, 0, 0, 1, 0))

    def forward(self, images: Tensor) -> Tensor:
        """The pictures, graded.

        Args:
            images: (N, 3, H, W) in [-1, 1], of any size.

        Returns:
            The same shape, float32, in (-1, 1).
        """
        return apply_grade(images, self.grade(images))


def seen(images: Tensor) -> Tensor:
    """Pictures of any size as the network sees them, (N, 3, LOOK_PX, LOOK_PX).

    The shape is squashed: cells lie evenly over the picture, and colours do not mind.
    """
    if torch.compiler.is_exporting():
        return _seen_by_products(images)
    return F.interpolate(images, (LOOK_PX, LOOK_PX), mode="bilinear", align_corners=False, antialias=True)


def _eased(slopes: Tensor, most: Tensor) -> Tensor:
    """Slopes that are never above `most`, in order; up to `EASED_GAIN` nothing changes."""
    room = most - EASED_GAIN
    return torch.where(
        slopes > EASED_GAIN, EASED_GAIN + room * torch.tanh((slopes - EASED_GAIN) / room), slopes
    )


def _seen_by_products(images: Tensor) -> Tensor:
    """The same as `seen` in operators that every engine has: few know antialiased resizing."""
    down, across = (_shares(images.new_ones(edge)) for edge in images.shape[-2:])
    return torch.matmul(torch.matmul(down, images), across.transpose(0, 1))


def _shares(ones: Tensor) -> Tensor:
    """How much each of the pixels of an edge counts for each of those that the network sees, (LOOK_PX, edge).

    Each share falls linearly from 1 at the centre of the latter to 0 at a pixel of the larger picture away.

    Args:
        ones: (edge,), all of them 1: with tensors alone a graph holds for every size.
    """
    step = LOOK_PX / ones.sum()
    places = (ones.cumsum(0) - 0.5) * step
    centres = torch.arange(LOOK_PX, device=ones.device)[:, None] + 0.5
    shares = (1 - (places - centres).abs() / step.clamp_min(1)).clamp_min(0)
    return shares / shares.sum(1, keepdim=True)


def _saturation(raw: Tensor) -> Tensor:
    """Free numbers to factors between 1 / MOST_SATURATION and MOST_SATURATION; 0 gives 1."""
    return torch.exp(math.log(MOST_SATURATION) * torch.tanh(raw))


def roughness(grade: Grade) -> Tensor:
    """Mean squared difference of neighbouring cells, a scalar: a smooth grid has no visible cells."""
    across, down = grade.curves.diff(dim=4), grade.curves.diff(dim=3)
    return across.square().mean() + down.square().mean()


def bend(grade: Grade) -> Tensor:
    """Mean squared change of a curve's slope, and of the saturation, from one knot to the next, each as a
    logarithm; a scalar, 0 for straight curves."""
    slopes = grade.curves[:, :3].diff(dim=2).log()
    saturation = grade.curves[:, 3:].log()
    return slopes.diff(dim=2).square().mean() + saturation.diff(dim=2).square().mean()


def apply_grade(images: Tensor, grade: Grade, *, first_row: int = 0, height: int | None = None) -> Tensor:
    """Grade pictures: slice the grid at every pixel and apply what it holds.

    Args:
        images: (N, 3, H, W) in [-1, 1].
        grade: for the same N.
        first_row: where `images` is a stripe of larger pictures, its upper row in them.
        height: rows of the larger pictures; by default H.

    Returns:
        (N, 3, H, W), float32, in (-1, 1).
    """
    images = at_least_float32(images)
    brightness = torch.einsum("c,nchw->nhw", grade.weights, images)
    sliced = slice_grid(grade.curves, brightness, first_row=first_row, height=height)  # (N, 4, H, W)
    colour = torch.einsum("nij,njhw->nihw", grade.matrix, images - brightness[:, None])
    return compress(sliced[:, :3] + sliced[:, 3:] * colour)


def slice_grid(grid: Tensor, brightness: Tensor, *, first_row: int = 0, height: int | None = None) -> Tensor:
    """Trilinear interpolation of a grid at every pixel of a picture.

    Args:
        grid: (N, C, BINS, h, w); cells lie evenly over the picture, knots evenly over [-1, 1].
        brightness: (N, H, W) in [-1, 1].
        first_row, height: as in `apply_grade`.

    Returns:
        (N, C, H, W).
    """
    count, rows, width = brightness.shape
    if torch.compiler.is_exporting() and first_row == 0 and height is None:
        return _sliced_by_knots(grid, brightness)
    device = brightness.device
    down = (torch.arange(first_row, first_row + rows, device=device) + 0.5) * (2 / (height or rows)) - 1
    across = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    # Positions follow the centres of cells; the ends of the brightness axis are the centres of the end knots.
    knots = brightness * ((BINS - 1) / BINS)
    where = torch.stack(
        [across.expand(count, rows, width), down[:, None].expand(count, rows, width), knots], dim=-1
    )
    sliced = F.grid_sample(grid, where[:, None], align_corners=False, padding_mode="border")
    return sliced[:, :, 0]


def _sliced_by_knots(grid: Tensor, brightness: Tensor) -> Tensor:
    """The same as `slice_grid` in operators that every engine has: few can sample in three dimensions."""
    places = (brightness.clamp(-1, 1) + 1) * ((BINS - 1) / 2)  # from 0 to BINS - 1
    sliced = torch.zeros((), device=grid.device)
    for knot in range(BINS):
        share = (1 - (places - knot).abs()).clamp_min(0)
        plane = F.interpolate(grid[:, :, knot], brightness.shape[1:], mode="bilinear")
        sliced = sliced + share[:, None] * plane
    return sliced


def compress(values: Tensor) -> Tensor:
    """Bring any value into (-1, 1), in order; up to `KNEE` nothing changes, beyond it less and less
    passes."""
    room = 1 - KNEE
    over = (values.abs() - KNEE).clamp_min(0)
    return values.clamp(-KNEE, KNEE) + values.sign() * room * torch.tanh(over / room)
