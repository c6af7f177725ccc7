"""The model in a run folder, ready to translate, whatever its config.json asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from reskin.device import choose_compute
from reskin.errors import CheckpointError, ReskinError, RunError
from reskin.faces.framing import read_framing
from reskin.framing import Framing
from reskin.methods import find_trained
from reskin.methods.base import Method, MethodConfig
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder
from reskin.runs.sizes import measured
from reskin.types import Direction, Domain

_SLACK_PARTS, _SLACK_NUMBERS = 2000, 10_000_000
"""Building stops at so many more tensors, and numbers in them, than eight times those of the file.

A file of one generator lacks the rest of its method, and some layers register a weight twice.
"""

_FIX = "Its config.json and its weights must come from the same run."


def load(folder: Path | str, *, device: str = "auto", step: int | None = None) -> Method:
    """The trained model in a run folder, ready to translate.

    Where the run kept a running mean of its weights, that is what translates. Nothing is built that is larger
    than the weights in the checkpoint.

    Args:
        folder: a run folder, or a model folder that `reskin import` made.
        device: "auto" takes the best there is.
        step: which checkpoint; the last by default.

    Raises:
        RunError: the folder is no run, its config.json is not of a run, or there is no checkpoint yet.
        CheckpointError: the checkpoint is damaged or of other networks than config.json asks for.
        SettingsError: config.json names an unknown method, or a setting out of range.
    """
    files = RunFolder(Path(folder))
    config = files.read_config()
    method_class, settings, directions = _model_of(files, config)
    is_part = "source" in config
    path = _checkpoint(files, step)
    shapes = checkpoint.shapes(path)
    own = {key.removeprefix("method."): shape for key, shape in shapes.items() if key.startswith("method.")}
    for direction in directions if is_part else ():
        if not any(name.startswith(f"gen_{direction}.") for name in own):
            raise RunError(f"{path} has no generator of {direction}, which {files.config} names", _FIX)
    _check_networks(method_class, settings, own, is_part=is_part)
    state, _ = checkpoint.load(path, only=("method.", "ema."))
    state |= {f"method.{key.removeprefix('ema.')}": v for key, v in state.items() if key.startswith("ema.")}
    method = method_class(settings)
    method.directions, method.trained_edge = directions, trained_edge(config)
    method.framings = framings(config, str(files.config))
    checkpoint.load_networks(method, state, "method.", partly=is_part)
    choose_compute(device).move(method)
    method.eval()
    return method


def trained_edge(config: Mapping[str, Any]) -> int | None:
    """Shorter edge in px of the images that a run learnt from, before any crop; None where it does not say.

    Args:
        config: of the run. One of an earlier version says it only where images were resized to a square.
    """
    data = config.get("data")
    edge = data.get("shorter_edge") if isinstance(data, dict) else None
    if edge is None:
        groups = config.get("settings")
        settings = groups.get("data") if isinstance(groups, dict) else None
        if isinstance(settings, dict) and settings.get("preprocess") == "resize_and_crop":
            edge = settings.get("load_size")
    return edge if type(edge) is int and edge > 0 else None


def crop_size(folder: Path | str) -> int | None:
    """Edge in px of the crops that a run learnt from; None where it does not say."""
    settings = RunFolder(Path(folder)).read_config().get("settings")
    data = settings.get("data") if isinstance(settings, dict) else None
    size = data.get("crop_size") if isinstance(data, dict) else None
    return size if type(size) is int and size > 0 else None


def framings(config: Mapping[str, Any], source: str) -> dict[Domain, Framing]:
    """How the faces that a run learnt from are framed, by domain; empty where it learnt from something else.

    Args:
        config: of the run.
        source: the file it comes from, for errors.

    Raises:
        SettingsError: it states a framing that there is not.
    """
    data = config.get("data")
    stated = data.get("framing") if isinstance(data, dict) else None
    found: dict[Domain, Framing] = {}
    for domain in get_args(Domain):
        values = stated.get(domain) if isinstance(stated, dict) else None
        if isinstance(values, dict):
            found[domain] = read_framing(values, source)
    return found


def _model_of(
    files: RunFolder, config: Mapping[str, Any]
) -> tuple[type[Method], MethodConfig, tuple[Direction, ...]]:
    """Method, its settings and directions as config.json has them, each checked."""
    name, groups = config.get("method"), config.get("settings")
    values = groups.get("method") if isinstance(groups, dict) else None
    if not isinstance(name, str) or not isinstance(values, dict):
        raise RunError(
            f"{files.config} is not of a run (it names no method and settings)",
            "Give the --out of a training.",
        )
    method_class = find_trained(name)
    directions = config.get("directions")
    known = get_args(Direction)
    if not isinstance(directions, list) or not directions or any(each not in known for each in directions):
        raise RunError(
            f"'directions' in {files.config} is {directions!r:.60}",
            'It must be ["a2b", "b2a"] or one of both.',
        )
    settings = parse(method_class.Config, values, source=str(files.config))
    return method_class, settings, tuple(dict.fromkeys(directions))


def _checkpoint(files: RunFolder, step: int | None) -> Path:
    """The checkpoint of `step`, or the last one."""
    there = files.list_checkpoints()
    found = [path for path in there if step is None or int(path.stem) == step]
    if found:
        return found[-1]
    wanted = "no checkpoint yet" if step is None else f"no checkpoint of step {step}"
    steps = ", ".join(str(int(path.stem)) for path in there)
    raise RunError(f"{files.folder} has {wanted}", f"There are: {steps}." if steps else "Train it first.")


def _check_networks(
    method_class: type[Method],
    settings: MethodConfig,
    wanted: Mapping[str, tuple[int, ...]],
    *,
    is_part: bool,
) -> None:
    """Compare the networks that the settings ask for with the weights there are, before they take memory.

    Raises:
        CheckpointError: they are others, or larger than these weights can fill.
    """
    parts = 8 * len(wanted) + _SLACK_PARTS
    numbers = 8 * sum(_count(shape) for shape in wanted.values()) + _SLACK_NUMBERS
    larger = CheckpointError("config.json asks for larger networks than its weights can fill", _FIX)
    try:
        with measured(parts, numbers, larger):
            built = method_class(settings)
    except ReskinError:
        raise
    except (RuntimeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CheckpointError(f"the networks of config.json cannot be built ({reason})", _FIX) from None
    networks = {name.split(".")[0] for name in wanted}
    for name, parameter in built.named_parameters():
        if is_part and name.split(".")[0] not in networks:  # an imported model is one generator and no more
            continue
        if wanted.get(name) != tuple(parameter.shape):
            got = wanted.get(name, "nothing")
            raise CheckpointError(
                f"the checkpoint is of other networks (size mismatch: {name} is {got}, "
                f"config.json asks for {tuple(parameter.shape)})",
                _FIX,
            )


def _count(shape: tuple[int, ...]) -> int:
    """Numbers in a tensor of this shape."""
    total = 1
    for length in shape:
        total *= length
    return total
