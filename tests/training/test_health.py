"""The monitor: it fires on every planted trouble, once, with a knob; it is silent on runs that go well."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.squares import squares
from torch import Tensor

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import NotFiniteError
from reskin.images import to_image, to_tensor, write_image
from reskin.methods import find
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.runs.settings import sort_settings
from reskin.training import health
from reskin.training.health import (
    GENERAL_ADVICE,
    LEADS,
    PATIENCE,
    TROUBLES,
    Alarm,
    Finding,
    Health,
    Stopwatch,
)
from reskin.training.samples import sample_rows
from reskin.training.similarity import similarity
from reskin.training.start import train_run
from reskin.types import Batch, Direction
from reskin.worlds.footage import Footage

Differences = Callable[[Path, Path], list[str]]
CPU = Compute(torch.device("cpu"), "fp32")
STEPS = 10_000


def monitor(steps: int = STEPS, **settings: Any) -> Health:
    return Health(sort_settings("cyclegan", {"a": "x", "b": "y", **settings}), steps)


def frames(seed: int, *, is_game: bool) -> tuple[Tensor, Tensor]:
    """Four drawn frames of other scenes, (4, 3, 32, 32), and their true translations."""
    footage = Footage("game" if is_game else "film", seed=seed, frames=4, size=(32, 32), scene_frames=1)
    shown = list(footage)
    image, other = (np.stack([getattr(frame, key) for frame in shown]) for key in ("image", "other"))
    return to_tensor(image), to_tensor(other)


class Stub(Translator):
    """A model that does what `there` says in both directions."""

    def __init__(self, there: Callable[[Tensor], Tensor], directions: tuple[Direction, ...]) -> None:
        super().__init__()
        self.there, self.directions = there, directions

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.there(images)


class StyledStub(Styled, Stub):
    """The same with two numbers of style; the first style translates well, the others invert."""

    style_size = 2

    def __init__(self, there: Callable[[Tensor], Tensor], directions: tuple[Direction, ...]) -> None:
        super().__init__(there, directions)
        self.weight = torch.nn.Parameter(torch.zeros(1))  # styles are put where the weights are

    def encode_style(self, images: Tensor, direction: Direction = "a2b") -> Tensor:
        return images.mean(dim=(2, 3))[:, :2]

    def generate_styles(self, images: Tensor, direction: Direction, styles: Tensor) -> Tensor:
        return torch.stack([self.there(images), *(-images for _ in styles[1:])])


def looks(
    model: Translator, pictures: Batch, *, watch: Health | None = None, count: int = 12, first: int = 1000
) -> list[Finding]:
    """What is found in `count` looks at the same translations."""
    watch = watch or monitor()
    rows = sample_rows(model, pictures, CPU)
    found = [watch.pictures(first + 100 * number, rows, pictures) for number in range(count)]
    return list(itertools.chain.from_iterable(found))


BOTH: tuple[Direction, ...] = ("a2b", "b2a")


@functools.cache
def known() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Frames of A and of B, each with their true translations; drawn once."""
    return frames(1, is_game=True), frames(2, is_game=False)


def real() -> Batch:
    return Batch(known()[0][0], known()[1][0])


def truly(images: Tensor) -> Tensor:
    """The true translation of the drawn frames, either way."""
    (a, truth_of_a), (b, truth_of_b) = known()
    known_pairs = ((a, truth_of_a), (b, truth_of_b), (truth_of_a, a), (truth_of_b, b))
    return next(truth for shown, truth in known_pairs if shown.equal(images))


PLANTED: dict[str, Callable[[Tensor], Tensor]] = {
    "inverted": lambda images: -0.9 * images + 0.02,
    "copy": lambda images: (images + 0.002).clamp(-1, 1),
    "mode_collapse": lambda images: images[:1].expand_as(images) * 0.5 + 0.01 * images,
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("directions", [BOTH, ("a2b",)], ids=["both", "one"])
@pytest.mark.thinned(2)
def test_planted_pictures_are_found_once(kind: str, directions: tuple[Direction, ...]) -> None:
    (finding,) = looks(Stub(PLANTED[kind], directions), real())
    assert finding.kind == kind and not finding.is_over
    assert finding.step == 1000 + 100 * (PATIENCE - 1)
    assert list(finding.numbers) == ["A → B", "B → A"][: len(directions)]
    assert TROUBLES[kind] in finding.line and "--" in finding.advice and "\n" not in finding.line


@pytest.mark.parametrize("there", [lambda x: x * 0, lambda x: x * 0 - 1], ids=["grey", "black"])
@pytest.mark.thinned(2)
def test_grey_and_black_are_a_collapse(there: Callable[[Tensor], Tensor]) -> None:
    assert [finding.kind for finding in looks(Stub(there, BOTH), real())] == ["mode_collapse"]


def test_true_translations_raise_nothing() -> None:
    assert looks(Stub(truly, BOTH), real()) == []


def test_the_beginning_is_not_judged() -> None:
    assert looks(Stub(lambda x: x * 0, BOTH), real(), count=10, first=50) == []  # ends before step 1000


@pytest.mark.sweep
def test_what_comes_and_goes_is_told_twice() -> None:
    watch, bad, good = monitor(), Stub(PLANTED["inverted"], BOTH), Stub(truly, BOTH)
    found = looks(bad, real(), watch=watch) + looks(good, real(), watch=watch, first=3000)
    assert [(finding.kind, finding.is_over) for finding in found] == [("inverted", False), ("inverted", True)]
    assert found[1].line == "step 3300: this has passed: colours are inverted."
    assert looks(bad, real(), watch=watch, count=PATIENCE - 1, first=5000) == []  # a swing is no news


@pytest.mark.sweep
def test_each_style_is_judged() -> None:
    (finding,) = looks(StyledStub(truly, BOTH), real())
    assert finding.kind == "inverted"
    assert list(finding.numbers) == ["A → B (2)", "B → A (2)"]


@pytest.mark.sweep
def test_sides_that_are_negatives_of_each_other_are_translated_by_inverting() -> None:
    assert looks(Stub(lambda x: -x, BOTH), Batch(real().a, -frames(3, is_game=True)[0])) == []


@pytest.mark.sweep
def test_close_sides_may_be_translated_by_little() -> None:
    other = frames(3, is_game=True)[0]
    pictures = Batch(real().a, (other * 0.96 - 0.03).clamp(-1, 1))
    assert looks(Stub(lambda x: (x * 0.96 - 0.03).clamp(-1, 1), ("a2b",)), pictures) == []
    assert [finding.kind for finding in looks(Stub(lambda x: x, ("a2b",)), pictures)] == ["copy"]


def test_grey_inputs_have_nothing_to_invert() -> None:
    flat = Batch(torch.full((4, 3, 8, 8), 0.3), torch.full((4, 3, 8, 8), -0.3))
    assert looks(Stub(lambda x: -x, BOTH), flat) == []


def test_red_for_blue_is_no_negative() -> None:
    red, blue = (squares(4, colour=colour, seed=1) for colour in ("red", "blue"))  # type: ignore[arg-type]
    assert similarity(red, blue, squares(4, colour="blue", seed=2)).correlation == pytest.approx(
        -0.33, abs=0.08
    )
    assert looks(Stub(lambda x: x.flip(1), BOTH), Batch(red, blue)) == []


def test_one_held_out_picture_is_enough_to_look_at() -> None:
    one = Batch(real().a[:1], real().b[:1])
    assert [f.kind for f in looks(Stub(PLANTED["inverted"], BOTH), one)] == ["inverted"]
    assert looks(Stub(lambda x: x * 0.8, BOTH), one) == []


def test_facts_by_hand() -> None:
    """Two flat pictures, -1 and 1, turned into 0 and 0.5, where the other side has 0 and 1."""
    inputs, outputs, real = (
        torch.tensor(values)[:, None, None, None].expand(2, 3, 4, 4).contiguous()
        for values in ([-1.0, 1.0], [0.0, 0.5], [0.0, 1.0])
    )
    facts = similarity(inputs, outputs, real)
    assert facts.change == pytest.approx((1 + 0.5) / 2)
    assert facts.diversity == pytest.approx(0.25 / 0.5)  # the other side varies less than the inputs
    assert facts.domain_distance == 0.0  # 0.5 between the sides, but 2 and 1 between the halves of one
    assert (facts.correlation, facts.inverted_share) == (0.0, 0.0)  # each picture is flat


FAIR = {"lsgan": (0.25, 0.25), "bce": (0.69, 0.69), "hinge": (2.0, 0.0)}
LOST = {"lsgan": (0.004, 0.96), "bce": (0.01, 5.0), "hinge": (0.01, 1.4)}


def logged(
    watch: Health, curve: Callable[[int], dict[str, float]], *, last: int = 6000, first: int = 20
) -> list[Finding]:
    found = [watch.losses(step, curve(step)) for step in range(first, last + 1, 20)]
    return list(itertools.chain.from_iterable(found))


def game(disc_a: float, disc_b: float, adversarial: float) -> dict[str, float]:
    return {"adversarial": adversarial, "cycle": 0.2, "discriminator_a": disc_a, "discriminator_b": disc_b}


@pytest.mark.parametrize("kind", FAIR)
def test_a_discriminator_that_wins_is_named(kind: str) -> None:
    (fair, fooled), (won, lost) = FAIR[kind], LOST[kind]
    curve = lambda step: (  # noqa: E731
        game(fair, fair, 2 * fooled) if step < 2000 or step > 4000 else game(fair, won, fooled + lost)
    )
    begun, ended = logged(monitor(adversarial=kind), curve)
    assert begun.kind == "discriminator_won" and list(begun.numbers) == ["discriminator_b"]
    assert 2000 < begun.step <= 3000 and "discriminator_b" in begun.text
    assert re.search(r"--disc-layers \(now 3\)", begun.advice) and "--adversarial (now " in begun.advice
    assert ended.is_over and ended.step > 4000


@pytest.mark.parametrize("kind", FAIR)
def test_a_fair_game_is_no_win(kind: str) -> None:
    (fair, fooled), (won, _) = FAIR[kind], LOST[kind]
    swing = lambda step: 1 + 0.6 * (-1) ** (step // 100)  # noqa: E731
    assert logged(monitor(adversarial=kind), lambda step: game(fair * swing(step), fair, fooled)) == []
    # A short win, and one that the generator does not feel.
    assert logged(monitor(adversarial=kind), lambda step: game(won, fair, fooled), last=200) == []
    assert logged(monitor(adversarial=kind), lambda step: game(won, fair, fooled)) == []


def test_a_loss_of_zero_is_that_of_a_step_without_teaching() -> None:
    watch = monitor(adversarial="bce")
    assert logged(watch, lambda step: game(0.5 * (step % 40 == 0), 0.6, 9.0)) == []


def test_a_critic_whose_lead_only_grows_has_won() -> None:
    watch = monitor(adversarial="wgan-gp")
    (finding,) = logged(watch, lambda step: game(-0.002 * step, -3.0, 3.0), last=9000)
    assert finding.kind == "discriminator_won" and list(finding.numbers) == ["discriminator_a"]


@pytest.mark.parametrize(
    "lead", [lambda step: 8.0, lambda step: 10 * 0.9998**step, lambda step: 5 + step / 3000], ids="abc"
)
def test_a_critic_whose_lead_shrinks_or_stays_has_not(lead: Callable[[int], float]) -> None:
    assert (
        logged(monitor(adversarial="wgan-gp"), lambda step: game(-lead(step), -lead(step), 1), last=9000)
        == []
    )


def test_an_unknown_adversarial_objective_is_judged_by_the_slope() -> None:
    for end, found in ((0.96, ["discriminator_won"]), (0.2, [])):
        watch = monitor()
        watch.objective = None
        curve = lambda step, end=end: game(0.002, 0.3, 1.0 + (end - 1.0) * step / 6000)  # noqa: E731
        assert [f.kind for f in logged(watch, curve)] == found


def overfit(watch: Health, unseen: Callable[[int], float], learnt: Callable[[int], float]) -> list[Finding]:
    found = []
    for step in range(500, STEPS + 1, 500):
        watch.losses(step, {"total": learnt(step)})
        found += watch.held_out(step, {"total": unseen(step)})
    return found


def test_a_held_out_loss_that_rises_while_training_falls_is_over_fitting() -> None:
    (finding,) = overfit(monitor(), lambda s: 1 + abs(s - 4000) / 10_000, lambda s: 1 - s / 20_000)
    assert finding.kind == "overfitting" and 4000 + 5 * 500 <= finding.step <= 8000
    assert finding.numbers["total"] > 1.1 and "--keep" in finding.advice


@pytest.mark.parametrize(
    ("unseen", "learnt"),
    [
        (lambda s: 1 - s / 20_000, lambda s: 1 - s / 15_000),
        (lambda s: 1 + 0.2 * (s // 500 % 2), lambda s: 1 - s / 15_000),
        (lambda s: 1 + s / 10_000, lambda s: 1 + s / 10_000),
        (lambda s: 1 + s / 10_000, lambda s: 3 - s / 10_000),
        (lambda s: 0.4 if s < 1000 else 2 - s / 10_000, lambda s: 2 - s / 9_000),
    ],
    ids=["falls", "swings", "both rise", "below training", "low while grey"],
)
def test_other_held_out_losses_are_not(
    unseen: Callable[[int], float], learnt: Callable[[int], float]
) -> None:
    assert overfit(monitor(), unseen, learnt) == []


def test_an_alarm_waits_and_changes_once() -> None:
    alarm = Alarm(2)
    seen = [alarm.changes(is_bad) for is_bad in (True, False, True, True, True, False, True, False, False)]
    assert seen == [False, False, False, True, False, False, False, False, True]


def test_a_stopwatch_tells_waiting_from_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: Iterator[float] = iter([0.0, 3.0, 4.0, 10.0, 12.0, 15.0])
    monkeypatch.setattr(health.time, "perf_counter", lambda: next(ticks))
    watch = Stopwatch(torch.device("cpu"))
    for _ in range(6):
        watch.mark()
    assert watch.seconds() == (3.0 + 2.0, 1.0 + 3.0)
    assert watch.seconds() == (0.0, 0.0)


def test_waits_are_judged_over_long_spans() -> None:
    watch = monitor()
    found = [watch.waits(step, (2.0, 1.0)) for step in range(1, 12)]
    assert [bool(f) for f in found].index(True) == 5  # three spans of two readings
    assert sum(map(len, found)) == 1 and "67 %" in found[5][0].text
    assert [monitor().waits(step, (1.0, 2.0)) for step in range(1, 50)] == [[]] * 49


def rows_of(run: Path, name: str = "health") -> list[dict[str, Any]]:
    path = run / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.sweep
def test_slow_batches_are_told_in_the_run_folder(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stopwatch, "seconds", lambda self: (2.0, 1.0))  # of waiting, of learning
    run = train_run("toy", out=tmp_path / "run", **tiny)
    (row,) = [row for row in rows_of(run) if row["kind"] == "data_waits"]
    assert row["numbers"]["share"] > 0.5 and "--load-size (now 36)" in row["advice"]
    (line,) = [line for line in (run / "log.txt").read_text().splitlines() if "training waits" in line]
    assert f"health: step {row['step']}: {row['text']}. {row['advice']}" in line


@pytest.mark.sweep
def test_planted_pictures_are_told_in_the_run_folder(
    tiny: dict[str, Any], tmp_path: Path, differences: Differences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find("toy"), "generate", lambda self, images, direction: -0.9 * images)
    settings = tiny | {"sample_every": 1}
    train_run("toy", out=tmp_path / "unwatched", **settings)
    monkeypatch.setattr(health, "WARM_UP_LEAST", 1)
    run = train_run("toy", out=tmp_path / "run", **settings)
    (row,) = [row for row in rows_of(run) if row["kind"] == "inverted"]
    assert row["step"] == 2 + PATIENCE - 1 and row["numbers"]["A → B"] == pytest.approx(-1)
    assert (
        f"health: step {row['step']}: colours are inverted in A → B and B → A"
        in (run / "log.txt").read_text()
    )
    assert rows_of(tmp_path / "unwatched") == []
    assert differences(tmp_path / "unwatched", run) == []  # telling changes nothing


@pytest.mark.sweep
def test_a_loss_that_is_not_finite_is_told_with_its_knob_and_forgotten_on_resume(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    at = Batches.at

    def poisoned(self: Batches, step: int) -> Batch:
        batch = at(self, step)
        return Batch(batch.a, batch.b * float("nan")) if step == 9 else batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batches, "at", poisoned)
        with pytest.raises(NotFiniteError, match=r"a lower --learning-rate \(now 0\.001\)\."):
            train_run("toy", out=tmp_path / "run", **tiny)
    (row,) = rows_of(tmp_path / "run")
    assert (row["step"], row["kind"]) == (9, "not_finite") and "adversarial" in row["text"]
    assert "--precision" not in row["advice"]  # it is fp32 already
    assert "plain fp32 as --precision (now bf16)" in monitor(precision="bf16").advice("not_finite")
    train_run("toy", out=tmp_path / "run", **tiny)
    assert rows_of(tmp_path / "run") == []


@pytest.mark.sweep
def test_what_was_told_is_not_told_again_after_a_resume() -> None:
    watch, bad = monitor(), Stub(PLANTED["copy"], BOTH)
    told = [finding.to_dict() for finding in looks(bad, real(), watch=watch)]
    settings = sort_settings("cyclegan", {"a": "x", "b": "y"})
    again = Health(settings, STEPS, reported=json.loads(json.dumps(told)))
    assert looks(bad, real(), watch=again) == []
    (over,) = looks(Stub(truly, BOTH), real(), watch=again)
    assert over.kind == "copy" and over.is_over
    assert len(looks(bad, real(), watch=Health(settings, STEPS, reported=[*told, over.to_dict()]))) == 1


def test_curves_go_on_after_a_resume() -> None:
    rows = [{"step": step, "losses": game(0.004, 0.25, 1.2)} for step in range(20, 3001, 20)]
    rows += [{"step": 3000, "held_out": {"total": 1.0}}]
    again = Health(sort_settings("cyclegan", {"a": "x", "b": "y"}), STEPS, logged=rows)
    assert [f.kind for f in again.losses(3020, game(0.004, 0.25, 1.2))] == ["discriminator_won"]
    assert again.unseen == {"total": [(3000, 1.0)]}


@pytest.mark.sweep
def test_held_out_losses_are_logged_and_change_no_bit(
    tiny: dict[str, Any], tmp_path: Path, differences: Differences, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run("toy", out=tmp_path / "without", **tiny)

    def cycle(self: Any, batch: Batch) -> dict[str, Tensor]:
        torch.rand(3)  # a method may draw
        assert not self.training and len(batch.a) <= health.HELD_OUT_CHUNK
        return {"cycle": (self.gen_b2a(self.gen_a2b(batch.a)) - batch.a).abs().mean()}

    monkeypatch.setattr(find("toy"), "held_out_losses", cycle)
    train_run("toy", out=tmp_path / "with", **tiny)
    rows = [row for row in rows_of(tmp_path / "with", "losses") if "held_out" in row]
    assert [row["step"] for row in rows] == [1, 6, 12]
    assert all(set(row["held_out"]) == {"cycle"} and row["held_out"]["cycle"] > 0 for row in rows)
    assert differences(tmp_path / "without", tmp_path / "with") == ["losses.jsonl"]


def test_the_advice_of_every_kind_names_flags_of_the_run() -> None:
    assert GENERAL_ADVICE.keys() == LEADS.keys() == TROUBLES.keys()
    watch = monitor()
    for kind in TROUBLES:
        flags = re.findall(r"--([a-z0-9-]+) \(now ", watch.advice(kind))
        assert flags and all(flag.replace("-", "_") in watch.known for flag in flags), kind
    assert "--identity-weight (now 0.5)" in watch.advice("inverted")


def advice(method: str, kind: str, **settings: Any) -> str:
    return Health(sort_settings(method, {"a": "x", "b": "y", **settings}), STEPS).advice(kind)


def test_advice_asks_for_nothing_that_cannot_be_done() -> None:
    assert "--identity-weight" not in advice("cyclegan", "copy", identity_weight=0)  # lower than 0
    assert "a higher --identity-weight (now 0)" in advice("cyclegan", "inverted", identity_weight=0)
    assert "fewer --max-images (now all)" in advice("cyclegan", "data_waits")
    assert "fewer --disc-layers (now chosen by the method)" in advice("unit", "discriminator_won")
    assert "a lower --input-l1-weight (now 0.1)" in advice("ganimorph_lite", "copy")


@pytest.mark.parametrize(
    ("length", "named"),
    [({}, "epochs (now 36)"), ({"steps": 500}, "steps (now 500)"), ({"minutes": 5}, "minutes (now 5)")],
)
def test_a_shorter_run_is_asked_for_in_the_unit_that_counts(length: dict[str, Any], named: str) -> None:
    said = advice("ganimorph_lite", "overfitting", **length)
    assert f"fewer --{named}" in said
    assert sum(f"--{unit} " in said for unit in ("epochs", "steps", "minutes")) == 1


@pytest.mark.slow
def test_twenty_healthy_runs_are_silent(tmp_path: Path) -> None:
    """Short CycleGAN runs on the toy pair, looked at as often as a long run is: all tell nothing."""
    for side, colour in (("a", "red"), ("b", "blue")):
        for split, count, seed in (("train", 24, 0), ("test", 4, 50)):
            pictures = to_image(squares(count, colour=colour, seed=seed + (side == "b")))  # type: ignore[arg-type]
            for number, picture in enumerate(pictures):
                write_image(tmp_path / side / split / f"{number}.png", picture)
    small = {"width": 8, "blocks": 1, "disc_layers": 1, "load_size": 32, "crop_size": 32}
    quick = {
        "learning_rate": 2e-3,
        "identity_weight": 0.0,
        "steps": 250,
        "device": "cpu",
        "precision": "fp32",
    }
    rhythm = {"sample_every": 10, "log_every": 5}
    sides = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    starts = ({"init": "xavier", "init_gain": 1.0}, {"init": "normal", "init_gain": 0.02})
    for seed in range(20):
        chosen = {"seed": seed, "adversarial": ("lsgan", "bce", "hinge")[seed % 3], **starts[seed % 2]}
        run = train_run("cyclegan", out=tmp_path / f"{seed}", **sides, **small, **quick, **rhythm, **chosen)
        assert rows_of(run) == [], chosen
