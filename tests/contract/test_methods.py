"""What every method in `methods/` must do, whoever wrote it; a new file is found by itself."""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file
from tests.contract.first_losses import double_precision
from tests.support import small
from tests.support.facts import untrue_facts
from tests.support.methods.clip_gan import ClipGAN
from tests.support.methods.critic_gan import CriticGAN
from torch import Tensor, nn

from reskin.cli.main import main
from reskin.data.batches import DataConfig
from reskin.errors import SettingsError
from reskin.losses.adversarial import Adversarial
from reskin.methods import SHARED, find, find_trained, trained_names
from reskin.methods.base import Method, MethodConfig
from reskin.methods.styled import Styled, styled
from reskin.methods.translator import Stream, Translator
from reskin.networks.attention import SelfAttention
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.former import FORMER_PRESETS
from reskin.runs.schedule import set_learning_rate
from reskin.runs.settings import TrainConfig, find_preset, sort_settings
from reskin.training import health
from reskin.training.loop import seed_step
from reskin.training.pretrained import load_features
from reskin.types import Batch, Direction, Step

SAME_FOR_EVERYONE = {
    "feature_weight": 0.01,
    "content_weight": 1.0,
    "style_weight": 1.0,
    "norm": "instance",  # under batch norm two processes have other statistics than one
}
"""Settings that the comparisons here need, whichever method has them."""


TOYS: dict[str, type[Method]] = {"critic_gan": CriticGAN, "clip_gan": ClipGAN}
"""Methods of the tests alone, with what no method in `methods/` has yet: other names, clips, memory."""

with_toys = pytest.mark.parametrize("name", [*trained_names(), *TOYS])


def kind_of(name: str) -> type[Method]:
    return TOYS[name] if name in TOYS else find_trained(name)


def tiny(name: str, **settings: object) -> Method:
    """The method of a name, of few channels, its weights drawn from a fixed seed."""
    kind = kind_of(name)
    chosen = {key: value for key, value in SAME_FOR_EVERYONE.items() if key in kind.Config.model_fields}
    return small.tiny(kind, **chosen | settings)


def translate(method: Translator, images: Tensor, direction: Direction) -> Tensor:
    """A translation in the first style that the seed 0 gives, where there are styles."""
    return in_one_style(method).translate(images, direction)


def in_one_style(method: Translator) -> Translator:
    """The method in the first style that the seed 0 gives, where there are styles."""
    return method.with_style(method.sample_styles(1, seed=0)[0]) if isinstance(method, Styled) else method


def drawn(method: Method, step: int, count: int = 2) -> Batch:
    """Smooth random pictures of 32 px, or clips of them."""
    frames = () if method.clip_length == 1 else (method.clip_length,)
    source = torch.Generator().manual_seed(step)
    a, b = torch.rand((2, count, *frames, 3, 32, 32), generator=source) * 2 - 1
    return Batch(a, b)


def learn(method: Method, steps: range) -> list[dict[str, Tensor]]:
    losses = []
    for step in steps:
        seed_step(0, step, 0)
        losses.append(method.training_step(drawn(method, step), Step(step, 100)))
    return losses


@dataclass(frozen=True)
class Learnt:
    """What the first three steps of a small method gave, its running mean with it.

    Attributes:
        losses: of each step.
        config: of the method.
        learning: its weights that are to learn, before the first step.
        without_optimizer: names of those that no optimizer has.
        states: what a checkpoint holds after each step.
    """

    losses: list[dict[str, Tensor]]
    config: MethodConfig
    learning: dict[str, Tensor]
    without_optimizer: list[str]
    states: list[dict[str, Tensor]]


@functools.cache  # several tests look at the same steps
def learnt(name: str) -> Learnt:
    method = tiny(name)
    taught = {
        id(p) for opt in method.optimizers.values() for group in opt.param_groups for p in group["params"]
    }
    learning = {key: p for key, p in method.named_parameters() if p.requires_grad}
    without_optimizer = [key for key, p in learning.items() if id(p) not in taught]
    before = {key: p.detach().clone() for key, p in learning.items()}
    ema, losses, states = Ema(method, 0.9), [], []
    for step in (1, 2, 3):
        losses += learn(method, range(step, step + 1))
        ema.update(step)
        states.append({key: value.clone() for key, value in checkpoint.state_of(method, ema).items()})
    return Learnt(losses, method.config, before, without_optimizer, states)


def weights_in(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The method's own tensors of a checkpoint, by their names in the method."""
    return {key.removeprefix("method."): v for key, v in state.items() if key.startswith("method.")}


@pytest.fixture(params=trained_names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@with_toys
@pytest.mark.thinned(2)
def test_a_translation_has_the_shape_and_range_of_its_input(name: str) -> None:
    method = tiny(name).eval()
    images = torch.rand(2, 3, 32, 32 + method.size_multiple) * 2 - 1
    assert method.directions
    for direction in method.directions:
        with torch.no_grad():
            translated = translate(method, images, direction)
            again = translate(method, images, direction)
            clip = torch.cat([translate(method, image[None], direction) for image in images])
        assert translated.shape == clip.shape == images.shape
        assert translated.dtype == clip.dtype == torch.float32
        assert translated.abs().max() <= 1 and translated.isfinite().all()
        assert translated.equal(again)
        assert not translated.equal(images)


@with_toys
@pytest.mark.thinned(4)
def test_a_direction_that_is_not_offered_is_refused(name: str) -> None:
    method = tiny(name)
    method.directions = ("a2b",)
    with pytest.raises(SettingsError, match="does not translate b2a"):
        method.translate(torch.zeros(1, 3, 32, 32), "b2a")


@with_toys
@pytest.mark.thinned(6)
def test_losses_are_finite_detached_scalars(name: str) -> None:
    losses = learnt(name).losses[0]
    assert losses
    for loss in losses.values():
        assert loss.shape == () and loss.isfinite() and not loss.requires_grad and loss.dtype == torch.float32


@with_toys
@pytest.mark.thinned(3)
def test_everything_that_is_to_learn_moves_within_two_steps(name: str) -> None:
    known = learnt(name)
    assert known.learning and known.without_optimizer == []
    after = weights_in(known.states[1])  # of two steps, for a part that is taught in every second step
    for key, before in known.learning.items():
        # A constant before an instance norm is taken out again by it, so it need not move.
        assert before.dim() < 2 or not before.equal(after[key]), f"{key} did not move"


@with_toys
@pytest.mark.sweep
def test_the_same_seed_gives_the_same_losses(name: str) -> None:
    known, second = learnt(name), tiny(name)
    # Two steps, for a part that is taught in every second step.
    assert learn(second, range(1, 3)) == known.losses[:2]
    after = weights_in(known.states[1])
    assert all(p.equal(after[key]) for key, p in second.named_parameters())
    other = tiny(name)
    seed_step(1, 1, 0)
    assert other.training_step(drawn(other, 9, count=1), Step(1, 100)) != known.losses[0]


@with_toys
@pytest.mark.thinned(3)
def test_going_on_from_a_checkpoint_equals_never_stopping(name: str, tmp_path: Path) -> None:
    known = learnt(name)
    checkpoint.save(tmp_path / "two.safetensors", known.states[1], {"step": 2})
    torch.manual_seed(123)
    rest = kind_of(name)(known.config)  # other first weights, nothing in its pools
    rest.prepare_training(load_features)
    ema = Ema(rest, 0.9)
    checkpoint.restore(rest, ema, checkpoint.load(tmp_path / "two.safetensors")[0])
    assert learn(rest, range(3, 4)) == known.losses[2:]
    ema.update(3)
    expected, got = known.states[2], checkpoint.state_of(rest, ema)
    assert expected.keys() == got.keys()
    assert [key for key in expected if not expected[key].equal(got[key])] == []


@pytest.mark.thinned(4, first=1)
def test_settings_survive_json(name: str) -> None:
    config = tiny(name).config
    assert parse(type(config), json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_setting_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(SettingsError, match=r"'learning_rat'.*Did you mean 'learning_rate'"):
        parse(find(name).Config, {"learning_rat": 1})


def test_every_setting_is_explained_and_its_default_is_in_range(name: str) -> None:
    config = find(name).Config
    for key, field in config.model_fields.items():
        assert field.description and field.description.strip().endswith("."), f"{key} has no docstring"
    parse(config, config().to_dict())  # pydantic does not check defaults by itself
    shared = set(config.model_fields) & (set(DataConfig.model_fields) | set(TrainConfig.model_fields))
    assert not shared, "the three groups of settings share a name"


def test_the_file_is_short_and_names_its_paper(name: str) -> None:
    module = importlib.import_module(f"reskin.methods.{name}")
    assert module.__file__ and module.__doc__
    lines = len(Path(module.__file__).read_text(encoding="utf-8").splitlines())
    assert lines <= 250
    assert re.search(r"https://\S+", module.__doc__)
    imported = re.findall(r"from reskin\.methods\.(\w+)", Path(module.__file__).read_text(encoding="utf-8"))
    assert set(imported) <= set(SHARED), "a method imports no other method"


@pytest.mark.thinned(5, first=3)
def test_its_help_names_every_flag(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main(["train", name, "--help-all"])
    said = capsys.readouterr().out
    assert end.value.code == 0
    for group in (find(name).Config, DataConfig, TrainConfig):
        for key in group.model_fields:
            flag = key.replace("_", "-")
            assert f" --{flag}" in said or f" --no-{flag}" in said


def weights_of_terms() -> list[tuple[str, str]]:
    return [
        (name, key)
        for name in trained_names()
        for key in find(name).Config.model_fields
        if key.endswith("_weight")
    ]


@functools.cache  # most weights are on by default
def terms_with(method_name: str, settings: tuple[tuple[str, float], ...]) -> set[str]:
    """The terms of a method's second step, in which each part of every method is taught."""
    if not settings:
        return set(learnt(method_name).losses[1])
    method = tiny(method_name, **dict(settings))
    seed_step(0, 2, 0)
    return set(method.training_step(drawn(method, 2, count=1), Step(2, 100)))


@pytest.mark.parametrize(("method_name", "weight"), weights_of_terms())
@pytest.mark.thinned(16)
def test_a_weight_of_zero_removes_its_term(method_name: str, weight: str) -> None:
    term = weight.removesuffix("_weight")
    defaults = {
        key: field.default
        for key, field in find(method_name).Config.model_fields.items()
        if key.endswith("_weight")
    }
    used = defaults[weight] or 1.0
    rest = sum(value for key, value in defaults.items() if key != weight)
    # The others grow so that the sum stays, since some papers want it to be 1.
    without = {key: value * (1 + used / rest) if rest else value for key, value in defaults.items()}
    is_on = () if defaults[weight] else ((weight, used),)
    assert term in terms_with(method_name, is_on)
    assert term not in terms_with(method_name, tuple({**without, weight: 0.0}.items()))


def test_every_preset_is_a_run_that_could_begin(name: str) -> None:
    for key, preset in find_trained(name).presets.items():
        assert preset.about.endswith("."), key
        settings = sort_settings(name, {"a": "a", "b": "b", **preset.settings}, source=key)
        chosen = {name: value for group in settings.to_dict().values() for name, value in group.items()}
        assert {name: chosen[name] for name in preset.settings} == dict(preset.settings)


def test_no_preset_is_the_defaults_or_another_preset_again(name: str) -> None:
    kind = find_trained(name)
    sides = {"a": "a", "b": "b"}
    whole = {key: sort_settings(name, {**sides, **preset.settings}) for key, preset in kind.presets.items()}
    seen = [sort_settings(name, sides).to_dict()]
    for key, settings in whole.items():
        assert settings.to_dict() not in seen, f"preset {key} changes nothing"
        seen.append(settings.to_dict())


@pytest.mark.thinned(5, first=4)
def test_a_former_preset_says_what_to_type_instead(name: str) -> None:
    kind = find_trained(name)
    for key, advice in FORMER_PRESETS.get(name, {}).items():
        instead = ["Leave --preset out", *kind.presets, *(f"Train {other}" for other in trained_names())]
        assert advice.endswith(".") and any(words in advice for words in instead)
        with pytest.raises(SettingsError, match="any more") as error:
            find_preset(name, key)
        assert "\n" not in str(error.value)


def test_it_states_its_facts(name: str) -> None:
    kind = find_trained(name)
    assert re.fullmatch(r".+ \d{4}.*", kind.paper) and kind.good_for and kind.title
    assert kind.pairing in ("unpaired", "paired") and kind.clip_length >= 1
    sort_settings(name, {"a": "a", "b": "b"})  # its defaults are settings that exist


@with_toys
def test_its_advice_is_about_its_own_settings(name: str) -> None:
    kind = kind_of(name)
    assert kind.advice.keys() <= health.TROUBLES.keys()
    for advice in kind.advice.values():
        for how, setting in (each.split() for each in advice):
            assert how in health.HOW and setting in kind.Config.model_fields


@with_toys
@pytest.mark.thinned(3)
def test_its_discriminators_are_those_it_states(name: str) -> None:
    assert hasattr(kind_of(name), "adversary"), "say which networks are discriminators, or None"
    method = tiny(name)
    assert untrue_facts(method, torch.rand(1, 3, 32, 32 + method.size_multiple) * 2 - 1) == []
    adversary = method.adversary
    losses = set().union(*learnt(name).losses[:2])
    if adversary is None:
        return
    assert {*adversary.losses, *adversary.generator_losses} <= losses
    known = get_args(Adversarial)
    assert adversary.objective is None or adversary.setting is None
    assert adversary.objective in (None, *known)
    assert adversary.setting is None or getattr(method.config, adversary.setting) in known


def test_discriminators_may_have_any_name() -> None:
    """Their networks are not averaged, their losses ring the alarm; left unstated, they are found."""
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    method = CriticGAN(MethodConfig())
    assert untrue_facts(method, images) == []
    assert Ema(method, 0.9).names == ["gen_a2b.weight", "gen_a2b.bias"]
    settings = replace(sort_settings("cyclegan", {"a": "a", "b": "b"}), method_class=CriticGAN)
    watch = health.Health(settings, 10_000)
    rows = [watch.losses(step, {"judgement": 0.001, "deceit": 0.99}) for step in range(1, 1000, 20)]
    assert [finding.kind for row in rows for finding in row] == ["discriminator_won"]

    class Forgetful(CriticGAN):
        adversary = None

    (fault,) = untrue_facts(Forgetful(MethodConfig()), images)
    assert fault == "what optimizer critic trains does not translate: a discriminator"


@with_toys
@pytest.mark.thinned(24, first=2)
def test_a_stream_without_memory_equals_translating_each_frame(name: str) -> None:
    method = tiny(name).eval()
    model = in_one_style(method)
    if type(model.stream(model.directions[0])) is not Stream:
        pytest.skip("it remembers earlier frames")
    frames = torch.rand(3, 1, 3, 32, 32 + method.size_multiple) * 2 - 1
    for direction in model.directions:
        stream = model.stream(direction)
        with torch.no_grad():
            for number, frame in enumerate(frames):
                assert stream.step(frame).equal(model.translate(frame, direction))
                if number == 1:
                    stream.reset()


@with_toys
@pytest.mark.thinned(4, first=3)
def test_a_stream_of_a_direction_that_is_not_offered_is_refused(name: str) -> None:
    method = tiny(name)
    method.directions = ("a2b",)
    with pytest.raises(SettingsError, match="does not translate b2a"):
        method.stream("b2a")


@pytest.mark.thinned(5)
def test_only_a_model_with_styles_takes_one(name: str) -> None:
    method = tiny(name).eval()
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    way = method.directions[0]
    if not isinstance(method, Styled):
        with pytest.raises(SettingsError, match="has no styles"):
            styled(method)
        return
    assert styled(method) is method
    with pytest.raises(SettingsError, match="none was chosen"):
        method.translate(images, way)
    with pytest.raises(SettingsError, match="styles of shape"):
        method.translate(images, way, torch.zeros(method.style_size + 1))
    with pytest.raises(SettingsError, match="0 styles"):
        method.sample_styles(0, seed=0)
    styles = method.sample_styles(3, seed=1)
    assert styles.equal(method.sample_styles(3, seed=1)) and styles.shape == (3, method.style_size)
    assert method.encode_style(images, way).shape == (1, method.style_size)
    with torch.no_grad():
        together = method.translate_styles(images, way, styles)
        apart = [method.translate(images, way, style) for style in styles]
    torch.testing.assert_close(together, torch.stack(apart))


@with_toys
@pytest.mark.thinned(23)
def test_nothing_is_kept_from_step_to_step_but_the_state(name: str) -> None:
    method = tiny(name)
    counts = []
    gc.collect()
    gc.freeze()  # what is there already need not be gone through again and again
    for step in (1, 3):
        learn(method, range(step, step + 2))
        assert not any(b.requires_grad or b.grad_fn is not None for b in method.buffers())
        gc.collect()
        counts.append(sum(issubclass(type(thing), Tensor) for thing in gc.get_objects()))
    assert len(set(counts)) == 1, counts


def comparable(name: str) -> Method:
    """A method whose gradients in two processes can be compared with those in one.

    Its pool is never full and so gives back what comes. It hardly moves: Adam makes a whole step of a
    gradient that is rounding noise, from which the next gradients would differ by more than rounding. What
    its self-attention adds has a size, as at its first size of 0 queries and keys have no gradient.
    """
    has_pool = "pool_size" in find(name).Config.model_fields
    method = tiny(name, **({"pool_size": 50} if has_pool else {}))
    for part in method.modules():
        if isinstance(part, SelfAttention):
            nn.init.constant_(part.gamma, 0.5)
    set_learning_rate(method, 1e-9)
    return method


TWO_PROCESSES = "test_two_processes_learn_what_one_learns_from_both_batches"
PROCESS = """
import sys, warnings
warnings.simplefilter("ignore")
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from tests.contract.test_methods import comparable, drawn, seed_step
from tests.support.small import doubled
from reskin.types import Batch, Step
torch.set_num_threads(1)
torch.backends.mkldnn.enabled = False
torch.set_default_dtype(torch.float64)
dist.init_process_group("gloo")
mine = dist.get_rank()
for name in sys.argv[2:]:
    method = doubled(comparable(name))
    for step in (1, 2):
        seed_step(0, step, mine)
        both = drawn(method, step)
        method.training_step(Batch(both.a[mine : mine + 1], both.b[mine : mine + 1]), Step(step, 100))
    save_file(
        {
            f"{key}.{index}": entry["exp_avg"]
            for key, optimizer in method.optimizers.items()
            for index, entry in optimizer.state_dict()["state"].items()
        },
        f"{sys.argv[1]}/{name}-{mine}.safetensors",
    )
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def of_two_processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean gradients that each of two processes had after two steps, one file per method and process.

    Of the methods whose tests are run; starting one process for each would take most of the time.
    """
    wanted = [
        item.callspec.params["method_name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == TWO_PROCESSES
    ]
    out = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parents[2]
    env = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(out), *wanted],
            env=env | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=180)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], said
    return out


def draws_noise(name: str) -> bool:
    """Whether what a step learns hangs on numbers that it draws, such as codes or dropout."""
    losses = []
    for seed in (0, 1):
        method = comparable(name)
        seed_step(seed, 1, 0)
        losses.append(method.training_step(drawn(method, 1), Step(1, 100)))
    return losses[0] != losses[1]


@pytest.mark.parametrize(
    "method_name",
    [pytest.param(name, marks=pytest.mark.slow) for name in trained_names()],
)
def test_two_processes_learn_what_one_learns_from_both_batches(
    method_name: str, of_two_processes: Path
) -> None:
    """Compared by mean gradients of two steps, in float64.

    In float32 rounding alone is up to 2e-4 of a gradient, behind many instance norms on a few pixels.
    """
    noisy = draws_noise(method_name)
    with double_precision():
        method = small.doubled(comparable(method_name))
        learn(method, range(1, 3))
    first, second = (load_file(of_two_processes / f"{method_name}-{rank}.safetensors") for rank in (0, 1))
    for key, optimizer in method.optimizers.items():
        state = optimizer.state_dict()["state"]
        largest = max(entry["exp_avg"].abs().max().item() for entry in state.values())
        for index, entry in state.items():
            part = f"{key}.{index}"
            assert first[part].equal(second[part]) and first[part].isfinite().all()
            if noisy:  # each process draws its own, as it must, and one process draws yet others
                continue
            expected = entry["exp_avg"]
            tolerance = 1e-9 * largest  # before a norm a bias has a gradient of 0, but for rounding
            assert torch.allclose(first[part], expected, rtol=0, atol=tolerance), part
            assert expected.dim() < 2 or expected.abs().max() > 100 * tolerance, f"{part} says nothing"
