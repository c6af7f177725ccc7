"""The table of all methods on drawn worlds: the same search for each, resumable cells, an honest page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from benchmarks import toy, toy_cells
from benchmarks.toy_cells import Budget, cell_file, trials_of

from reskin.methods import find_trained, trained_names
from reskin.parsing import parse


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Worlds of a few frames, tiny networks."""
    counts = {"TRAINING_FRAMES": 20, "VALIDATION_FRAMES": 3, "TEST_FRAMES": 36, "BATCH": 1}
    for name, value in counts.items():
        monkeypatch.setattr(toy_cells, name, value)
    monkeypatch.setattr(toy_cells, "FOLDER", tmp_path / "kept")
    monkeypatch.setitem(toy_cells.SMALL, "width", 4)
    monkeypatch.setitem(toy_cells.SMALL, "blocks", 1)
    toy_cells.world.cache_clear()
    yield tmp_path
    toy_cells.world.cache_clear()


def test_each_row_has_the_same_number_of_trials_and_settings_that_its_method_takes() -> None:
    for name in [*trained_names(), *toy.ABLATIONS]:
        trials = trials_of(name)
        assert len(trials) == 4 and len({str(trial) for trial in trials}) == 4, name
        kind = find_trained(name.partition(":")[0])
        for trial in trials:
            parse(kind.Config, toy_cells.settings_of(name, trial))


@pytest.mark.parametrize(
    ("layers", "name"), [(2, "cyclegan"), (3, "cyclegan"), (3, "munit"), (4, "unit"), (5, "unit")]
)
@pytest.mark.thinned(3)
def test_the_fields_on_the_page_are_those_of_the_discriminators(layers: int, name: str) -> None:
    """The pixels that a logit in the middle depends on, counted by its gradient, norms left out."""
    kind = find_trained(name)
    settings = toy_cells.settings_of(name, {"disc_layers": layers}) | {"width": 2}
    if "disc_width" in kind.Config.model_fields:
        settings["disc_width"] = 2
    disc = kind(parse(kind.Config, settings)).disc_b
    for module in disc.modules():
        if "Norm" in type(module).__name__:
            module.forward = lambda features: features  # type: ignore[method-assign]
    for weight in disc.parameters():
        torch.nn.init.constant_(weight, 0.1)
    images = torch.rand(1, 3, 192, 192, requires_grad=True)
    judged = disc(images)
    logits = judged[0] if isinstance(judged, list) else judged
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert images.grad is not None
    seen = (images.grad.abs().sum(dim=(0, 1, 2)) > 0).nonzero().flatten()
    field = int(seen.max() - seen.min()) + 1
    assert str(field) == toy_cells.fields_of(name)[layers].split(" and ")[0]


def test_changed_edges_of_the_truth_are_1_and_of_the_input_0() -> None:
    draw = torch.Generator().manual_seed(0)
    inputs, truth = (torch.rand(3, 3, 8, 8, generator=draw) for _ in range(2))
    assert toy_cells.changed_edges(truth, inputs, truth) == pytest.approx(1.0, abs=1e-6)
    assert toy_cells.changed_edges(inputs, inputs, truth) == 0.0
    assert toy_cells.changed_edges(2 * inputs - truth, inputs, truth) < 0.5


def test_a_budget_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Budget("steps", 4).share(3, 0.0) == 0.75 and Budget("steps", 4).share(4, 0.0) == 1
    monkeypatch.setattr(toy_cells.time, "process_time", lambda: 13.0)
    assert Budget("seconds", 6.0).share(1, 10.0) == 0.5


@pytest.mark.sweep
def test_a_table_goes_on_where_it_was_stopped_and_says_what_is_missing(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = toy.Plan(("distribution_gan", "munit"), steps=2, seconds=0.01, seeds=2)
    trained: list[str] = []
    learn = toy_cells.learn

    def stopping(name, settings, budget, seed):  # type: ignore[no-untyped-def]
        if len(trained) == 11:
            raise KeyboardInterrupt
        trained.append(name)
        return learn(name, settings, budget, seed)

    monkeypatch.setattr(toy_cells, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        toy.run(plan)
    partial = toy.run(toy.Plan(plan.names, 2, 0.01, 2, only_read=True))
    text = toy.page(plan, partial, {"vid2vid": "learns from clips"})
    assert "**Not complete:** 3 of 8" in text and "No row: vid2vid (learns from clips)" in text
    trained.append("")  # never stops again
    whole = toy.run(plan)
    assert all(len(whole.cells[name][kind]) == 2 for name in plan.names for kind in ("steps", "seconds"))
    count = len(trained)
    assert toy.run(plan).cells == whole.cells and len(trained) == count
    text = toy.page(plan, whole, {})
    assert "Not complete" not in text and "of scale" not in text
    for name in plan.names:
        assert len(re.findall(rf"\| \[{name}\]", text)) == 2 and f"| {name} |" in text
    assert "mean style of 16" in text and "| *untouched input* |" in text
    (shown,) = (cell_file("munit", whole.chosen["munit"], plan.budgets[0], 0).with_suffix(".png"),)
    assert shown.is_file()
    toy.draw_outputs(plan, small / "toy.jpg")
    assert (small / "toy.jpg").is_file()


def test_terms_are_left_out_one_by_one_of_rows_below_what_needs_no_training() -> None:
    terms = dict(toy.terms_of("unit", {"learning_rate": 5e-4}))
    assert terms[""] == {"learning_rate": 5e-4}
    wanted = {"adversarial_weight", "image_weight", "kl_weight", "cycle_weight", "cycle_kl_weight"}
    assert wanted <= set(terms) and all(terms[term][term] == 0 for term in wanted)
    found = toy.Found({}, {}, {}, {"unit": {"": [8.0, 9.0], "image_weight": [10.0, 11.0]}})
    assert "| unit | image_weight | 10.00, 11.00 | +2.00 dB |" in toy.explanations(found)
    assert "No row" in toy.explanations(toy.Found({}, {}, {}, {}))[0]
