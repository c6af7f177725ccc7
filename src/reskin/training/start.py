"""Starting and estimating a run: what the command line and the Python interface call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from reskin.data.batches import Batches, open_batches
from reskin.data.folders import split_folder
from reskin.data.manifest import framing_of
from reskin.data.sampling import Sampling
from reskin.device import Compute, choose_compute
from reskin.errors import SettingsError
from reskin.methods.base import Method
from reskin.methods.masked import MaskedConfig
from reskin.processes import Processes, join_processes, lowest
from reskin.runs.exactness import cpu_facts, go_on_as_before
from reskin.runs.folder import RunFolder, as_group
from reskin.runs.run import Run, begun_with, check_space, check_unchanged
from reskin.runs.settings import RunSettings, gather_settings
from reskin.runs.sizes import check_can_be_built
from reskin.storage import free_bytes, lock
from reskin.training.activations import recompute_blocks
from reskin.training.compiling import Decision, check_compiler, decide, recorded
from reskin.training.estimate import Estimate, estimate, steps_in
from reskin.training.loop import seed_step, train
from reskin.training.memory import memory_is_enough
from reskin.training.parts import read_parts, take_over
from reskin.training.pretrained import load_features
from reskin.types import Domain, Split


@dataclass(frozen=True)
class Plan:
    """What a run would be, before it is begun.

    Attributes:
        settings: all of them.
        steps: length of the run.
        epoch_steps: steps in which the larger domain is gone through once.
        estimate: what the timed steps cost; None where nothing was timed.
        compute: where it would run.
        warnings: what would be left out, or what stands in the way.
    """

    settings: RunSettings
    steps: int
    epoch_steps: int
    estimate: Estimate | None
    compute: Compute
    warnings: tuple[str, ...] = ()

    @property
    def checkpoints(self) -> int:
        """Checkpoints that the run will hold at once."""
        return self.settings.train.keep + 1

    @property
    def disk_bytes(self) -> int | None:
        """What they take, bytes; None where nothing was timed."""
        return self.estimate.checkpoint_bytes * self.checkpoints if self.estimate else None

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values: seconds, bytes, and the settings in their groups."""
        cost = self.estimate
        return {
            "method": self.settings.method_class.__module__.rsplit(".", 1)[-1],
            "steps": self.steps,
            "epoch_steps": self.epoch_steps,
            "device": self.compute.describe(),
            "precision": self.compute.precision,
            "seconds_a_step": cost.seconds_a_step if cost else None,
            "seconds": cost.seconds_a_step * self.steps if cost else None,
            "memory_bytes": cost.memory_bytes if cost else None,
            "disk_bytes": self.disk_bytes,
            "checkpoints": self.checkpoints,
            "warnings": list(self.warnings),
            "settings": self.settings.to_dict(),
        }


def train_run(
    method: str,
    *,
    out: Path | str,
    preset: str | None = None,
    config: Path | str | None = None,
    allow_change: bool = False,
    **settings: Any,
) -> Path:
    """Train a method, or go on with a run that was begun.

    Args:
        method: its name, such as "cyclegan".
        out: the run folder. When a run of the same settings is in it, it is gone on with.
        preset: name of one of the method's presets.
        config: JSON file of settings; it comes before the preset, and those given here by name before both.
        allow_change: go on although settings differ from those the run was begun with.
        settings: any setting of the method, the data (`a`, `b`, `crop_size` ...) or the training (`steps`,
            `batch` ...); see `reskin train METHOD --help`.

    Returns:
        The run folder.

    Raises:
        SettingsError: an unknown or wrong setting.
        DataError: a folder of pictures cannot be used.
        RunError: the folder is in use or holds a run of other settings.
        InterruptedRunError: a signal came; everything is saved.
        NotFiniteError: training diverged; the weights are sound.
    """
    return train_settings(
        gather_settings(method, config, settings, preset=preset), out, allow_change=allow_change
    )


def train_settings(
    chosen: RunSettings,
    out: Path | str,
    *,
    allow_change: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """As `train_run`, with settings that are gathered already, and more facts of the run for config.json."""
    out = Path(out)
    if begun_with(out) is None:
        _check_outside(out, chosen)
    compute = choose_compute(chosen.train.device, chosen.train.precision)
    with join_processes(compute.device) as processes, memory_is_enough(chosen, compute):
        if processes.rank:
            _train(chosen, out, compute, processes, allow_change=allow_change, more=facts or {})
        else:
            with lock(out):
                RunFolder(out).check_own()
                _train(chosen, out, compute, processes, allow_change=allow_change, more=facts or {})
    return out


def _check_outside(out: Path, settings: RunSettings) -> None:
    """Refuse to write a run among the pictures that it learns from: its sample grids would be data next time.

    Raises:
        SettingsError: `out` is a folder of a domain's pictures, or lies in it.
    """
    domains: tuple[tuple[Domain, Path], ...] = (("a", settings.data.a), ("b", settings.data.b))
    for (domain, data), split in product(domains, get_args(Split)):
        folder = split_folder(data, domain, split) if data.is_dir() else None
        if folder is not None and out.resolve().is_relative_to(folder.resolve()):
            what = f"the run {out} would lie in {folder}, the pictures of domain {domain.upper()}"
            raise SettingsError(what, "Choose another --out, such as runs/NAME.")


def _train(
    settings: RunSettings,
    out: Path,
    compute: Compute,
    processes: Processes,
    *,
    allow_change: bool,
    more: Mapping[str, Any],
) -> None:
    config = settings.train
    before = begun_with(out)
    facts, other = cpu_facts(compute.device), ""
    if before is not None:
        facts, other = go_on_as_before(as_group(before.get("resolved")), compute.device)
    # Once there is a checkpoint it holds them, whatever became of the runs that they come from.
    parts = {} if RunFolder(out).list_checkpoints() else read_parts(settings)
    batches = _open(settings, out, compute, processes)
    run = Run(out, settings, {}, processes.rank)
    cost = None
    known_steps = _recorded_steps(out, settings)
    epoch_steps = _epoch_steps(batches, config.batch * processes.world)
    decision = _decide(
        settings, before, batches=batches, compute=compute, epoch_steps=epoch_steps, processes=processes
    )
    begun = _with_compile(settings, decision.value)
    if known_steps is None and config.minutes is not None:
        cost = _estimate(begun, batches, compute, epoch_steps)
    run.resolved = {
        "steps": known_steps or lowest(_length(settings, epoch_steps, cost), compute.device),
        "epoch_steps": epoch_steps,
        "precision": compute.precision,
        "compile": decision.value,
        "processes": processes.world,
        **facts,
    }
    check_unchanged(out, settings, run.resolved, allow_change=allow_change)
    method = build(begun, compute)
    take_over(method, parts)
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    check_space(out, 3 * weights, config.keep)
    run.describe({**more, "device": compute.describe(), "data": _data_facts(settings, batches)})
    if other:
        run.log(f"{out} {other}")
    if decision.why:
        run.log(decision.why)
    for path, reason in batches.unreadable:
        run.log(f"left out {path}: {reason}")
    epochs = run.steps / epoch_steps
    length = f"{epochs:.3g}" if epochs < 1000 else f"{epochs:.0f}"
    whole = f"{run.steps} steps of batch {config.batch} ({length} epochs)"
    run.log(f"training {whole} on {compute.describe()}")
    whole_from = config.falls_from(run.steps) if method.whole_when_rate_falls else None
    train(method, replace(batches, whole_from=whole_from), run, compute)


def _decide(
    settings: RunSettings,
    before: Mapping[str, Any] | None,
    *,
    batches: Batches,
    compute: Compute,
    epoch_steps: int,
    processes: Processes,
) -> Decision:
    """Whether the networks are compiled: as asked for, as the run was begun, or as timed steps say."""
    wanted, minutes = settings.train.compile, settings.train.minutes
    if wanted == "on":
        check_compiler(compute.device)
    if wanted != "auto":
        return Decision(wanted)
    if (known := recorded(before or {})) is not None:
        return known
    if processes.world > 1:
        return Decision("off", "not compiled: with several processes it is not tried; give --compile on")
    steps = _length(settings, epoch_steps, None)
    graphed = settings.train.cuda_graph

    def make(kind: Literal["on", "off"]) -> Method:
        return build(_with_compile(settings, kind), compute)

    return decide(make, batches, compute, steps=steps, minutes=minutes, graphed=graphed)


def _with_compile(settings: RunSettings, value: Literal["on", "off"]) -> RunSettings:
    """The settings as if this had been asked for."""
    return replace(settings, train=settings.train.model_copy(update={"compile": value}))


def _data_facts(settings: RunSettings, batches: Batches) -> dict[str, Any]:
    return {
        "pictures": batches.length,
        "left_out": len(batches.unreadable),
        "shorter_edge": batches.shorter_edge,
        "framing": _framings(settings),
    }


def _framings(settings: RunSettings) -> dict[str, Any]:
    """How the faces of each domain are framed, so that those of a film are cut out alike; None for no
    faces."""
    framings = {"a": framing_of(settings.data.a), "b": framing_of(settings.data.b)}
    return {domain: framing and asdict(framing) for domain, framing in framings.items()}


def _recorded_steps(out: Path, settings: RunSettings) -> int | None:
    """Steps that this budget of minutes was turned into when the run was begun; None if there is none."""
    files, minutes = RunFolder(out), settings.train.minutes
    if minutes is None or not files.config.exists():
        return None
    begun = files.read_config()
    steps = as_group(begun.get("resolved")).get("steps")
    budget = as_group(as_group(begun.get("settings")).get("train")).get("minutes")
    return steps if type(steps) is int and steps > 0 and budget == minutes else None


def _length(settings: RunSettings, epoch_steps: int, cost: Estimate | None) -> int:
    config = settings.train
    if cost is not None and config.minutes is not None:
        return steps_in(config.minutes, cost.seconds_a_step)
    return config.steps or config.epochs * epoch_steps


def _estimate(settings: RunSettings, batches: Batches, compute: Compute, epoch_steps: int) -> Estimate:
    """What a step of a run costs; where minutes decide its length, one of the length that epochs give."""
    steps = _length(settings, epoch_steps, None)
    graphed = settings.train.cuda_graph
    return estimate(build(settings, compute), batches, compute, steps=steps, graphed=graphed)


def _epoch_steps(batches: Batches, batch: int) -> int:
    return -(-batches.length // batch)


def _check_masks(settings: RunSettings) -> None:
    """Refuse masks that nothing would be learnt from, and the reverse (SettingsError)."""
    has_masks = settings.data.mask_a is not None or settings.data.mask_b is not None
    method = settings.method
    if has_masks and not isinstance(method, MaskedConfig):
        name = settings.method_class.title
        raise SettingsError(f"{name} does not learn from masks", "Leave them out, or train attentiongan.")
    if not isinstance(method, MaskedConfig) or has_masks == (method.mask_weight > 0):
        return
    if has_masks:
        raise SettingsError("masks are given and mask_weight is 0", "Add --mask-weight 1.")
    raise SettingsError("mask_weight is above 0 and no masks are given", "Add --mask-a FOLDER, or --mask-b.")


def _open(settings: RunSettings, out: Path, compute: Compute, processes: Processes) -> Batches:
    _check_masks(settings)
    sampling = Sampling(
        pairing=settings.method_class.pairing,
        clip_length=settings.method_class.frames_of(settings.method),
        batch=settings.train.batch,
        seed=settings.train.seed,
        rank=processes.rank,
        world=processes.world,
    )
    return open_batches(settings.data, sampling, device=compute.device, cache_folder=RunFolder(out).cache)


def build(settings: RunSettings, compute: Compute) -> Method:
    """The method with its first weights, drawn from the seed, on its device and ready to learn.

    Its networks are compiled where `compile` is "on"; "auto" is to be settled before.

    Raises:
        WeightsError: it needs pretrained weights that are not here.
        SettingsError: `checkpoint_activations` for a method without blocks, or networks larger than this
            machine's memory.
    """
    check_can_be_built(settings.method_class, settings.method)
    seed_step(settings.train.seed, 0, 0)
    method = settings.method_class(settings.method)
    compute.move(method)
    if settings.train.checkpoint_activations:
        recompute_blocks(method)
    if settings.train.compile == "on":
        for network in method.children():
            if any(True for _ in network.parameters()):
                network.compile()
    method.prepare_training(load_features)
    return method


def plan_run(
    method: str,
    *,
    out: Path | str,
    preset: str | None = None,
    config: Path | str | None = None,
    **settings: Any,
) -> Plan:
    """What `train_run` would do and cost, from a few real steps; nothing is kept.

    Raises:
        SettingsError, DataError: as `train_run`.
    """
    return plan_settings(gather_settings(method, config, settings, preset=preset), out)


def plan_settings(chosen: RunSettings, out: Path | str) -> Plan:
    """As `plan_run`, with settings that are gathered already."""
    compute = choose_compute(chosen.train.device, chosen.train.precision)
    if not RunFolder(Path(out)).list_checkpoints():
        read_parts(chosen)
    batches = _open(chosen, Path(out), compute, Processes(0, 1))
    epoch_steps = _epoch_steps(batches, chosen.train.batch)
    with memory_is_enough(chosen, compute):
        decision = _decide(
            chosen,
            begun_with(Path(out)),
            batches=batches,
            compute=compute,
            epoch_steps=epoch_steps,
            processes=Processes(0, 1),
        )
        cost = _estimate(_with_compile(chosen, decision.value), batches, compute, epoch_steps)
    plan = Plan(chosen, _length(chosen, epoch_steps, cost), epoch_steps, cost, compute)
    warnings = [f"left out {path}: {reason}" for path, reason in batches.unreadable]
    warnings += [decision.why] if decision.why else []
    free = free_bytes(Path(out))
    if plan.disk_bytes is not None and plan.disk_bytes > free:
        warnings.append(f"{free / 1e6:.0f} MB are free for {plan.disk_bytes / 1e6:.0f} MB of checkpoints")
    return replace(plan, warnings=tuple(warnings))
