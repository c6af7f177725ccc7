"""A model as a file for other programs: ONNX, or the two files of OpenVINO; checked before it is kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.errors import ReskinError, SettingsError
from reskin.inference.engine import Engine
from reskin.inference.engines.backend import Backend, NotExportableError
from reskin.inference.engines.look import Look
from reskin.inference.engines.measured import MOST_LEVELS, difference
from reskin.inference.engines.onnx_runtime import INPUT, OUTPUT, OnnxRuntime, session_of, to_onnx
from reskin.inference.engines.openvino import Compiled, OpenVino, convert
from reskin.networks.padding import crop_to, pad_to_multiple
from reskin.storage import commit
from reskin.version import __version__

ENDINGS: dict[str, Backend] = {".onnx": OnnxRuntime(), ".xml": OpenVino()}
"""Endings of files, and the engine that a file of it is checked with."""

RANGE = "RGB, float32, (1, 3, height, width), -1 (black) to 1"
"""What input and output are, in the file's own facts."""

LEAST_PX = 32
"""Smaller edges are not in a file: networks reflect and normalise inside, which needs some pixels."""

CHECKED_PX = ((75, 101), (130, 97))
"""Height and width of the drawn pictures that a file for any size is checked with, brought to the model's
multiple."""

_EXACT = Compute(torch.device("cpu"), "fp32")


class DifferentError(ReskinError):
    """A converted model gives other pictures than the model."""


class Standalone(Look):
    """A look in one style at most, with values in [-1, 1]: (1, 3, H, W) to the same.

    Args:
        look: of which model, in which direction and style.
        pads: whether edges are brought to the model's multiple and cut off again. A graph for pictures of any
            size cannot hold that.
    """

    def __init__(self, look: Look, *, pads: bool) -> None:
        super().__init__(look.model, look.direction, look.styles)
        self.pads = pads

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        padded = pad_to_multiple(pictures, self.model.size_multiple) if self.pads else pictures
        made = super().forward(padded)
        made = made if self.styles is None else made[0]
        return (crop_to(made, *pictures.shape[2:]) if self.pads else made).clamp(-1, 1)


def check_ending(out: Path) -> Backend:
    """The engine that a file of this name is for.

    Raises:
        SettingsError: no file of that ending is written, or its engine is not installed.
    """
    backend = ENDINGS.get(out.suffix.lower())
    if backend is None:
        raise SettingsError(
            f"{out.name} ends in neither .onnx nor .xml",
            "Give a name such as model.onnx, or look.cube for a grade.",
        )
    if backend.version() is None:
        raise SettingsError(
            f"{out.name}: {backend.name}, which it is checked with, is not installed",
            f"Type: pip install '{backend.extra}'.",
        )
    return backend


def files_of(out: Path) -> tuple[Path, ...]:
    """Every file that is written for `out`: OpenVINO keeps the weights in one of their own."""
    return (out.with_suffix(".bin"), out) if out.suffix.lower() == ".xml" else (out,)


def write_model(engine: Engine, out: Path, *, size: tuple[int, int] | None = None) -> dict[str, str]:
    """Write a model in one direction as a file for other programs.

    Args:
        engine: model, direction and at most one style.
        out: the file; its ending is .onnx or .xml.
        size: (height, width) of the only pictures that it takes, px; None for all from 32 px whose edges are
            multiples of the model's `size_multiple`.

    Returns:
        What the file says of itself: `facts_of`.

    Raises:
        SettingsError: as `check_ending`, several styles or masks were asked for, or the size is too small.
        NotExportableError: the model has no such form.
        DifferentError: the file gave other pictures than the model; it is not kept.
        StorageError: the disk refuses the write.
    """
    check_ending(out)
    if engine.rendering.parts != ("",):
        raise SettingsError("a file holds one look", "Give one --style, or --styles 1.")
    if size is not None and min(size) < LEAST_PX:
        raise SettingsError(f"--size {size[1]}x{size[0]}", f"Give {LEAST_PX} px or more.")
    exact = Engine(engine.model, engine.direction, _EXACT, engine.rendering)
    look = Standalone(Look(exact.model, exact.direction, exact.rendering.styles), pads=size is not None)
    facts = facts_of(exact, size)
    write = _write_onnx if out.suffix.lower() == ".onnx" else _write_openvino
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"model{out.suffix.lower()}"
        try:
            program = write(look, size, facts, made)
        except NotExportableError as error:
            raise NotExportableError(error.what, "Translate with reskin translate instead.") from error
        _check(program, exact, out, size)
        if len(files_of(out)) > 1:
            out.unlink(missing_ok=True)  # a graph never lies beside weights that are not its own
        for target, source in zip(files_of(out), files_of(made), strict=True):
            with commit(target) as temporary:
                shutil.copyfile(source, temporary)
    return facts


def facts_of(engine: Engine, size: tuple[int, int] | None) -> dict[str, str]:
    """What a file says of itself: method, direction, training size, range of values, digest of the model."""
    model = engine.model
    edge = model.trained_edge
    return {
        "method": type(model).__module__.rpartition(".")[2],
        "direction": engine.direction,
        "trained_edge_px": "unknown" if edge is None else str(edge),
        "size": f"any from {LEAST_PX}" if size is None else f"{size[1]}x{size[0]}",
        "multiple_px": str(model.size_multiple if size is None else 1),
        "range": RANGE,
        "digest": engine.identity(),
        "reskin": __version__,
    }


def _write_onnx(
    look: Look, size: tuple[int, int] | None, facts: dict[str, str], path: Path
) -> Callable[[Tensor], Tensor]:
    model = to_onnx(look, size=size)
    model.producer_name, model.producer_version = "reskin", __version__
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"reskin.{name}", value
    path.write_bytes(model.SerializeToString())
    session = session_of(path.read_bytes(), _EXACT)
    return lambda picture: torch.from_numpy(session.run([OUTPUT], {INPUT: picture.numpy()})[0])


def _write_openvino(
    look: Look, size: tuple[int, int] | None, facts: dict[str, str], path: Path
) -> Callable[[Tensor], Tensor]:
    import openvino

    model: Any = convert(look, size=size)
    model.inputs[0].tensor.set_names({INPUT})
    model.outputs[0].tensor.set_names({OUTPUT})
    for name, value in facts.items():
        model.set_rt_info(value, ["reskin", name])
    openvino.save_model(model, path, compress_to_fp16=False)
    return Compiled(openvino.Core().read_model(path), _EXACT).run


def _check(
    program: Callable[[Tensor], Tensor], exact: Engine, out: Path, size: tuple[int, int] | None
) -> None:
    """Compare what was written with the model (DifferentError)."""
    multiple = exact.model.size_multiple
    rounded = [
        (-(-height // multiple) * multiple, -(-width // multiple) * multiple) for height, width in CHECKED_PX
    ]
    for height, width in rounded if size is None else (size,):
        picture = drawn_picture(height, width)
        wanted = exact.run(picture)
        with torch.no_grad():
            off = difference(program(picture), wanted, "fp32")
        if not off <= MOST_LEVELS["fp32"]:
            raise DifferentError(
                f"{out} is not written: at {width}x{height} px its pictures differ from the model's by "
                f"{off:g} levels of 255",
                "Report it, with the versions that reskin doctor shows.",
            )


def drawn_picture(height: int, width: int) -> Tensor:
    """Soft colours with edges in them, (1, 3, H, W) in [-1, 1], the same each time."""
    source = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 5, 7, generator=source) * 2 - 1
    soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    soft[..., height // 3 : height // 2, width // 4 : width // 2] *= -1
    return soft
