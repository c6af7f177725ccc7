"""A look as one graph of operators, which other engines read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reskin.inference.engines.backend import NotExportableError, first_line, undisturbed
from reskin.inference.engines.look import Look
from reskin.methods.searching import Searching

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_EXAMPLE_PX = (64, 96)
"""Height and width of the picture that the graph is taken with; it holds for all others."""


def exported(look: Look, *, size: tuple[int, int] | None = None) -> ExportedProgram:
    """The graph of a look for one picture at a time, on the CPU.

    One at a time, because what is made of a picture must not depend on its neighbours in a batch, and a graph
    for any number has shapes that converters get wrong.

    Args:
        look: the model is not learning.
        size: (height, width) of the only pictures that it takes; None for all that are multiples of the
            model's `size_multiple`.

    Raises:
        NotExportableError: what the model computes depends on the values of a picture, or on its size in a
            way that no graph holds.
    """
    model = look.model
    if isinstance(model, Searching):
        raise NotExportableError(
            f"{look.name} searches for each translation with gradients, which no graph of operators holds",
            "Use --engine torch.",
        )
    multiple = model.size_multiple
    height, width = size or (
        -(-_EXAMPLE_PX[0] // multiple) * multiple,
        -(-_EXAMPLE_PX[1] // multiple) * multiple,
    )
    weights = next(model.parameters(), None)
    picture = torch.zeros(1, 3, height, width, device=None if weights is None else weights.device)
    free = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO} if size is None else {}
    try:
        with undisturbed(), torch.inference_mode(False), torch.no_grad():
            program = torch.export.export(look, (picture,), dynamic_shapes=(free or None,))
    except Exception as error:  # whatever a tracer meets in a model is a reason, not a fault of ours
        raise NotExportableError(
            f"{look.name} cannot be exported: {first_line(error)}", "Use --engine torch."
        ) from error
    if size is None and not _is_free(program):
        raise NotExportableError(
            f"the graph of {look.name} holds for one size of picture alone", "Use --engine torch."
        )
    return program


def _is_free(program: ExportedProgram) -> bool:
    """Whether height and width of the input are left open."""
    inputs = [node for node in program.graph.nodes if node.op == "placeholder" and "val" in node.meta]
    shape = inputs[-1].meta["val"].shape
    return all(isinstance(length, torch.SymInt) for length in shape[2:])


def one_by_one(program: object, pictures: Tensor) -> Tensor:
    """What a program for one picture makes of several, joined along the pictures."""
    assert callable(program), "a program is called with a picture"
    made = [program(picture[None]) for picture in pictures]
    return torch.cat(made, dim=-4)
