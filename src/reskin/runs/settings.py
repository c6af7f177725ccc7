"""Settings of a training run, and how one flat list of names is sorted into their three groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reskin.config import BASIC, Settings
from reskin.data.batches import DataConfig
from reskin.device import Precision
from reskin.errors import SettingsError
from reskin.methods import find_trained, trained_names
from reskin.methods.base import Method, MethodConfig, Preset
from reskin.parsing import Spelled, parse
from reskin.runs.former import FORMER_PRESETS, present_method, without_retired
from reskin.runs.schedule import epoch_of, linear_multiplier, step_multiplier
from reskin.storage import read_json
from reskin.unknown import unknown, unknown_key

_MOST_BYTES = 10_000_000


class TrainConfig(Settings):
    """How long, how often and where; the defaults are the CycleGAN paper's."""

    renamed = {"halve_steps": "decay_steps"}
    renamed_values = {"schedule": {"halving": "step"}, "compile": {True: "on", False: "off"}}

    batch: Annotated[int, BASIC] = Field(default=1, ge=1, le=100_000)
    """Pictures of each domain in a step (of each process, if there are several)."""
    epochs: Annotated[int, BASIC] = Field(default=200, ge=1)
    """Times the larger domain is gone through."""
    decay_epochs: int | None = Field(default=None, ge=0)
    """Last epochs, over which the learning rate falls in a straight line to 0; half of all by default."""
    schedule: Literal["linear", "step", "constant"] = "linear"
    """Learning rate: linear falls over decay_epochs, step is halved every decay_steps, constant stays."""
    decay_steps: int | None = Field(default=None, ge=1)
    """Steps between two step decays of the learning rate (schedule step); a tenth of the run by default."""
    steps: Annotated[int | None, BASIC] = Field(default=None, ge=1)
    """Length in steps instead of epochs; every schedule keeps its shares of the run."""
    minutes: Annotated[float | None, BASIC] = Field(default=None, gt=0)
    """Length in minutes: turned into steps once, from the time that the first steps take here."""
    seed: Annotated[int, BASIC] = Field(default=0, ge=0)
    """Everything random follows from this number and the step."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the running mean of generator weights that translation uses; 0 for none, try 0.999."""
    device: Annotated[str, BASIC] = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Precision = "auto"
    """fp32, or bf16 (convolutions in bfloat16, the rest in float32); auto: bf16 where it is faster."""
    compile: Annotated[Literal["auto", "on", "off"], Spelled(alone="on", negated="off")] = "off"
    """Compile the networks with torch.compile: minutes at the start, faster steps after; auto: where a few
    timed steps say that the run is long enough. `--compile` alone is on."""
    cuda_graph: bool = False
    """Capture the whole step as one CUDA graph: faster at small batches, one GPU only."""
    checkpoint_activations: bool = False
    """Compute the residual blocks of the generators again for the gradient instead of keeping what they gave:
    less memory for large crops, a slower step, the same weights."""
    save_every: int = Field(default=5, ge=1)
    """Epochs between checkpoints that are kept; in between, the last state is saved every ten minutes."""
    keep: int = Field(default=3, ge=1)
    """Checkpoints to keep beside the last one."""
    sample_every: int = Field(default=500, ge=1)
    """Steps between sample grids."""
    log_every: int = Field(default=20, ge=1)
    """Steps between lines in losses.jsonl."""
    eval_every: int | None = Field(default=None, ge=1)
    """Steps between scores on the validation split, by which the best checkpoint is kept; none by default."""
    eval_share: float = Field(default=0.05, gt=0, le=1)
    """Largest share of the training time that eval_every may take: scores wait where it would be more, but
    the last is made in any case."""
    tensorboard: bool = False
    """Write losses and sample grids for TensorBoard too (needs `pip install reskin[logs]`)."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes, not both")
        if self.cuda_graph and self.checkpoint_activations:
            raise ValueError("give cuda_graph or checkpoint_activations, not both")
        if self.decay_epochs is not None and self.decay_epochs > self.epochs:
            raise ValueError(f"decay_epochs ({self.decay_epochs}) is more than epochs ({self.epochs})")
        return self

    def multiplier(self, step: int, steps: int) -> float:
        """Factor of the learning rate in `step` (1-based) of a run of `steps`."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "step":
            return step_multiplier(step, decay_steps=self.decay_steps or -(-steps // 10))
        decay = self.epochs // 2 if self.decay_epochs is None else self.decay_epochs
        epoch = epoch_of(step, steps=steps, epochs=self.epochs)
        return linear_multiplier(epoch, epochs=self.epochs, decay_epochs=decay)

    def falls_from(self, steps: int) -> int | None:
        """The step of a run of `steps` in which a linear schedule begins to fall; None where it does not."""
        decay = self.epochs // 2 if self.decay_epochs is None else self.decay_epochs
        if self.schedule != "linear" or not decay:
            return None
        return 1 + -(-(self.epochs - decay) * steps // self.epochs)


# A change of one of these leaves every number of the training as it is.
FREE_TO_CHANGE = {
    "save_every",
    "keep",
    "sample_every",
    "log_every",
    "eval_every",
    "eval_share",
    "tensorboard",
    "device",
    "predictor_share",
    "checkpoint_activations",
}


@dataclass(frozen=True)
class RunSettings:
    """All settings of a run, in their groups."""

    method_class: type[Method]
    method: MethodConfig
    data: DataConfig
    train: TrainConfig

    def to_dict(self) -> dict[str, Any]:
        """The three groups as JSON-ready values."""
        return {
            "method": self.method.to_dict(),
            "data": self.data.to_dict(),
            "train": self.train.to_dict(),
        }

    def defaults(self) -> dict[str, Any]:
        """What `to_dict` gives where nothing but the two folders is set."""
        values = {"a": self.data.a, "b": self.data.b, **self.method_class.defaults}
        return _sorted(self.method_class, values, dict.fromkeys(values, "defaults")).to_dict()


def gather_settings(
    method: str,
    config: Path | str | None,
    given: Mapping[str, Any],
    *,
    preset: str | None = None,
    source: str = "settings",
) -> RunSettings:
    """All settings of a run; the only code where they are merged, for the command line and for Python.

    What comes later counts: the defaults of the models, the method's own defaults, the preset, the file, what
    is given. `None` counts as not given. Every value is checked once, after that.

    Args:
        method: name of the method, such as "cyclegan".
        config: JSON file of settings, such as another run's config.json.
        given: setting name to value, of any group.
        preset: name of one of the method's presets.
        source: where `given` comes from, named in errors.

    Raises:
        SettingsError: unknown method, preset or setting (with the nearest known one), a value out of range,
            or a domain without a folder; where the value comes from is named.
    """
    method_class = find_trained(method)
    layers: list[tuple[str, Mapping[str, Any]]] = [(f"the defaults of {method}", method_class.defaults)]
    if preset is not None:
        layers.append((f"preset {preset}", find_preset(method, preset).settings))
    if config is not None:
        layers.append((str(config), read_settings_file(Path(config))))
    layers.append((source, given))
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, layer in layers:
        values = overruled(values, layer)
        sources |= {key: name for key, value in layer.items() if value is not None}
    if (present := present_method(method, values)) != method:
        what = f"{method} has no other networks, attention or spectral norm any more"
        raise SettingsError(what, f"They are in a method of their own: reskin train {present} ...")
    values = without_retired(method, values)
    missing = [f"--{domain}" for domain in ("a", "b") if values.get(domain) is None]
    if missing:
        raise SettingsError(
            f"missing: {', '.join(missing)}", f"Add {' and '.join(missing)} with a folder of pictures."
        )
    return _sorted(method_class, values, sources)


def sort_settings(method: str, values: dict[str, Any], *, source: str = "settings") -> RunSettings:
    """The settings of a run from flat `values` alone, as `gather_settings` without preset and file.

    Raises:
        SettingsError: as `gather_settings`.
    """
    return gather_settings(method, None, values, source=source)


def overruled(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `before` with those `given` instead; `None` counts as not given.

    A length that is given, in steps, minutes or epochs, replaces any other; the epochs in which the
    learning rate falls keep their share of all.

    >>> overruled({"epochs": 200, "decay_epochs": 50, "steps": 9}, {"epochs": 8})
    {'epochs': 8, 'decay_epochs': 2}
    """
    merged, new = dict(before), {key: value for key, value in given.items() if value is not None}
    if {"steps", "minutes", "epochs"} & new.keys():
        merged.pop("steps", None)
        merged.pop("minutes", None)
    if "epochs" in new and "decay_epochs" in before and "decay_epochs" not in new:
        all_epochs = before.get("epochs", TrainConfig.model_fields["epochs"].default)
        merged["decay_epochs"] = round(int(new["epochs"]) * before["decay_epochs"] / all_epochs)
    return merged | new


def _sorted(method_class: type[Method], values: dict[str, Any], sources: Mapping[str, str]) -> RunSettings:
    groups: dict[type[Settings], dict[str, Any]] = {method_class.Config: {}, DataConfig: {}, TrainConfig: {}}
    known = {name: group for group in groups for name in (*group.model_fields, *group.renamed)}
    for name, value in values.items():
        if name not in known:
            raise unknown_key(name, known, sources[name], elsewhere=methods_with(name))
        groups[known[name]][name] = value
    return RunSettings(
        method_class,
        parse(method_class.Config, groups[method_class.Config], source=sources),
        parse(DataConfig, groups[DataConfig], source=sources),
        parse(TrainConfig, groups[TrainConfig], source=sources),
    )


def methods_with(setting: str) -> str:
    """What to type for a setting that other methods have, by its name of today or a former one.

    Returns:
        A sentence; "" where no method has it.

    >>> methods_with("self_attention")
    'It is a setting of cyclegan_attention: reskin train cyclegan_attention --self-attention ...'
    """
    present: dict[str, str] = {}
    for method in trained_names():
        config = find_trained(method).Config
        name = config.renamed.get(setting, setting)
        if name in config.model_fields:
            present[method] = name
    if not present:
        return ""
    flag = f"--{next(iter(present.values())).replace('_', '-')}"
    one = next(iter(present)) if len(present) == 1 else "METHOD"
    return f"It is a setting of {', '.join(present)}: reskin train {one} {flag} ..."


def find_preset(method: str, name: str) -> Preset:
    """The preset `name` of a method.

    Raises:
        SettingsError: unknown method or preset; the known presets are listed.
    """
    presets, former = find_trained(method).presets, FORMER_PRESETS.get(method, {})
    if name in former:
        raise SettingsError(f"{method} has no preset '{name}' any more", former[name])
    if name not in presets:
        fix = "" if presets else "It has none: leave --preset out."
        raise unknown("preset", name, presets, what=f"{method} has no preset '{name}'", fix=fix)
    return presets[name]


def read_settings_file(path: Path) -> dict[str, Any]:
    """The settings in a JSON file: a flat object, or a run's config.json with its groups.

    Raises:
        SettingsError: the file is missing or no JSON object.
    """
    values = read_json(path, follow=True, most_bytes=_MOST_BYTES)
    groups = values.get("settings")
    if isinstance(groups, dict):
        return {key: value for group in groups.values() for key, value in group.items()}
    return values
