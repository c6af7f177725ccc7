"""A grade as a 3-D look-up table for grading programs.

The .cube format is Adobe's, "Cube LUT Specification Version 1.0", 2013: one line for each node, red fastest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from reskin.errors import DataError, SettingsError
from reskin.images import Picture, to_tensor
from reskin.methods.translator import Translator
from reskin.networks.bilateral_grid import Grade, apply_grade
from reskin.storage import commit
from reskin.translation.film import Grader
from reskin.types import Direction

SIZES = range(2, 66)
"""Nodes of each edge that grading programs read."""


def mean_grade(model: Translator, frames: Iterable[Picture], direction: Direction) -> Grade:
    """The mean over frames and positions of what a model does to colours: one grade for every pixel.

    Args:
        model: one that grades.
        frames: RGB, uint8, (H, W, 3), of any size.
        direction: one of the model's.

    Returns:
        A grade with a grid of one cell.

    Raises:
        SettingsError: the model does not grade.
        DataError: there are no frames.
    """
    if not isinstance(model, Grader):
        raise SettingsError(
            "only a grade can be written as a look-up table: this model changes more than colours",
            "Train one: reskin train grade --a A --b B --out runs/NAME.",
        )
    device = next(model.parameters()).device
    total: Grade | None = None
    count = 0
    with torch.inference_mode():
        for frame in frames:
            grade = model.grade(to_tensor(frame).to(device), direction)
            curves = grade.curves.mean(dim=(3, 4), keepdim=True)
            if total is not None:
                curves, matrix = total.curves + curves, total.matrix + grade.matrix
            else:
                matrix = grade.matrix
            total, count = Grade(curves, matrix, grade.weights), count + 1
    if total is None:
        raise DataError("no frames to take the mean grade of", "Give a film or a folder of pictures.")
    return Grade((total.curves / count).cpu(), (total.matrix / count).cpu(), total.weights.cpu())


def lattice(grade: Grade, size: int) -> Tensor:
    """What a grade of one cell makes of every node: (size³, 3) in [0, 1], red fastest.

    Raises:
        SettingsError: a size that grading programs do not read.
    """
    if size not in SIZES:
        raise SettingsError(
            f"a look-up table of {size} nodes", f"Give {SIZES[0]} to {SIZES[-1]}, such as 33."
        )
    steps = torch.linspace(-1, 1, size)
    blue, green, red = torch.meshgrid(steps, steps, steps, indexing="ij")
    nodes = torch.stack([red, green, blue]).flatten(1)  # (3, size³)
    with torch.inference_mode():
        made = apply_grade(nodes[None, :, None], grade)[0, :, 0]  # (3, size³)
    return ((made + 1) / 2).clamp(0, 1).T.contiguous()


def write_cube(path: Path, grade: Grade, *, size: int = 33, title: str = "reskin") -> None:
    """Write a grade of one cell as a .cube file.

    Raises:
        SettingsError: a size that grading programs do not read, or another ending than .cube.
        StorageError: the disk refuses the write.
    """
    if path.suffix.lower() != ".cube":
        raise SettingsError(f"{path.name} is no name of a look-up table", "Give a name that ends in .cube.")
    rows = lattice(grade, size).tolist()
    plain = "".join(letter for letter in title if letter.isprintable() and letter not in '"\\')
    head = f'TITLE "{plain}"\nLUT_3D_SIZE {size}\nDOMAIN_MIN 0.0 0.0 0.0\nDOMAIN_MAX 1.0 1.0 1.0\n'
    with commit(path) as temporary:
        text = head + "".join(f"{red:.6f} {green:.6f} {blue:.6f}\n" for red, green, blue in rows)
        temporary.write_text(text, encoding="utf-8")
