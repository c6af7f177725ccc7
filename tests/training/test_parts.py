"""A part of a method that comes from a finished run: taken over once, and refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.saved_run import save_run
from tests.support.small import SIZES

from reskin.errors import ReskinError
from reskin.images import write_image
from reskin.methods.grade import GradeMethod
from reskin.methods.grade_texture import GradeTexture
from reskin.runs.load import load
from reskin.training.start import plan_run, train_run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for number in range(4):
        picture = random.integers(0, 255, (32, 40, 3), dtype=np.uint8)
        write_image(tmp_path / "pictures" / ("trainA", "trainB")[number % 2] / f"{number}.png", picture)
    return tmp_path / "pictures"


def settings(pictures: Path, **more: object) -> dict[str, object]:
    known = {key: SIZES[key] for key in ("width", "disc_width", "disc_layers", "blocks")}
    given = {"a": str(pictures), "b": str(pictures), "steps": 2, "device": "cpu", "grade_width": 4}
    return known | given | {"max_images": 2} | more


def grade_in(folder: Path) -> GradeMethod:
    """A run of a grade that changes something."""
    model = save_run(folder, "grade")
    with torch.no_grad():
        model.gen_a2b.head.bias.uniform_(-1, 1)
    from reskin.runs import checkpoint
    from reskin.runs.ema import Ema
    from reskin.runs.folder import RunFolder

    checkpoint.save(RunFolder(folder).checkpoint(2), checkpoint.state_of(model, Ema(model, 0.0)), {"step": 2})
    return model


@pytest.mark.sweep
def test_the_grade_is_taken_over_and_stays_as_it_is(tmp_path: Path, pictures: Path) -> None:
    grade = grade_in(tmp_path / "grade")
    run = train_run("grade_texture", out=tmp_path / "run", **settings(pictures, grade=tmp_path / "grade"))
    model = load(run, device="cpu")
    assert isinstance(model, GradeTexture)
    made = model.gen_a2b.state_dict()
    assert all(value.equal(made[name]) for name, value in grade.gen_a2b.state_dict().items())
    first = settings(pictures, grade=tmp_path / "grade", grade_step=1)
    other = load(train_run("grade_texture", out=tmp_path / "other", **first), device="cpu")
    assert not other.gen_a2b.head.bias.equal(model.gen_a2b.head.bias)


@pytest.mark.sweep
def test_a_run_that_is_gone_on_with_needs_the_grade_no_more(tmp_path: Path, pictures: Path) -> None:
    grade_in(tmp_path / "grade")
    given = settings(pictures, grade=tmp_path / "grade", save_every=1)
    whole = load(train_run("grade_texture", out=tmp_path / "whole", **given | {"steps": 4}), device="cpu")
    run = tmp_path / "run"
    train_run("grade_texture", out=run, **given | {"steps": 4})
    later = [path for path in (run / "checkpoints").iterdir() if path.stem > f"{2:08}"]
    assert later, "there is something to do again"
    for path in later:
        path.unlink()
    shutil.rmtree(tmp_path / "grade")
    train_run("grade_texture", out=run, **given | {"steps": 4})
    again = load(run, device="cpu").state_dict()
    assert all(value.equal(again[name]) for name, value in whole.state_dict().items())


@pytest.mark.thinned(3)
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("missing", r"nowhere"),
        ("other method", r"other is a run of cut, and --grade wants one of grade\. Give the --out of reskin"),
        ("other width", r"the grade in .*wide has another width\. Give --grade-width"),
        ("no such step", r"no checkpoint of step 7\. There are: 1, 2"),
    ],
)
@pytest.mark.parametrize("is_plan", [True, False])
def test_what_is_no_finished_grade_is_refused(
    tmp_path: Path, pictures: Path, case: str, said: str, is_plan: bool
) -> None:
    more: dict[str, object] = {"grade": tmp_path / "nowhere"}
    if case == "other method":
        save_run(tmp_path / "other", "cut")
        more = {"grade": tmp_path / "other"}
    elif case == "other width":
        save_run(tmp_path / "wide", "grade", width=6)
        more = {"grade": tmp_path / "wide"}
    elif case == "no such step":
        grade_in(tmp_path / "grade")
        more = {"grade": tmp_path / "grade", "grade_step": 7}
    begin = plan_run if is_plan else train_run
    with pytest.raises(ReskinError, match=said) as raised:
        begin("grade_texture", out=tmp_path / "run", **settings(pictures, **more))
    assert raised.value.exit_code == 2 and "\n" not in str(raised.value)
    assert not (tmp_path / "run" / "checkpoints").exists()
