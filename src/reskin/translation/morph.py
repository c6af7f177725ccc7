"""One picture on its way from one style to another, as a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.images import read_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.methods.translator import Translator
from reskin.progress import Report
from reskin.translation.targets import check_target
from reskin.types import Direction
from reskin.video.writer import VideoWriter

_STYLES_AT_ONCE = 8


def interpolate(  # noqa: PLR0913 - each is a choice of the caller
    model: Translator,
    picture: Path,
    out: Path,
    direction: Direction,
    ends: tuple[Tensor, Tensor],
    *,
    frames: int = 48,
    frame_rate: int = 24,
    compute: Compute | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> None:
    """Write a video in which the picture goes from the first style to the second in equal steps.

    Args:
        model: one that has styles.
        picture: the content, at its own size in every frame.
        out: the video to write.
        direction: one of the model's.
        ends: the styles of the first and the last frame, (style_size,) each.
        frames: of the video, 2 or more.
        frame_rate: frames a second.
        compute: where and how.
        overwrite: replace `out` if it is there.
        report: called with how many of how many frames are made.

    Raises:
        SettingsError: fewer than 2 frames, or `out` is there already.
        ImageError: the picture cannot be read.
        VideoError: the video cannot be written; the ending of its name says why.
    """
    if frames < 2 or frame_rate < 1:
        raise SettingsError(
            f"{frames} frames, {frame_rate} a second",
            "Give --frames of 2 or more and a --frame-rate of 1 or more.",
        )
    check_target(picture, out, overwrite=overwrite)
    image = read_image(picture)
    styles = path_of_styles(*ends, frames)
    done = 0
    size = (image.shape[1], image.shape[0])
    with VideoWriter(out, size=size, frame_rate=Fraction(frame_rate)) as writer:
        for part in torch.split(styles, _STYLES_AT_ONCE):
            engine = Engine(model, direction, compute, Rendering(part))
            for frame in engine.translate_parts(image[None])[:, 0]:
                writer.write(frame, Fraction(done, frame_rate))
                done += 1
            if report is not None:
                report(done, frames)


def path_of_styles(first: Tensor, last: Tensor, count: int) -> Tensor:
    """`count` styles on the straight line from `first` to `last`, both ends included.

    >>> path_of_styles(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), 3).tolist()
    [[0.0, 1.0], [0.5, 1.0], [1.0, 1.0]]
    """
    shares = torch.linspace(0, 1, count, device=first.device)[:, None]
    return torch.lerp(first[None], last[None], shares)
