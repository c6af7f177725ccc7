"""Held-out frames decide what translates the clip of `make`."""

from __future__ import annotations

import json
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reskin.evaluation import evaluate, scores
from reskin.evaluation.colour_transfer import ColourTransfer
from reskin.evaluation.footage import Closeness, fitted_reinhard, is_sound
from reskin.evaluation.reinhard import Reinhard
from reskin.images import to_image, to_tensor, write_image
from reskin.inference.engine import Engine
from reskin.translation.clips import translate_video
from reskin.translation.film import Film, FilmOptions
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.workflows.make_choice import (
    Candidate,
    _in_words,
    _worth_it,
    choose_candidate,
    grade_for,
    model_of,
)


def picture(seed: int, low: int, high: int) -> np.ndarray:
    """Soft patches of colour, 48x72."""
    import cv2

    small = np.random.default_rng(seed).integers(low, high, (6, 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (72, 48), interpolation=cv2.INTER_CUBIC), np.uint8)


def dataset(folder: Path, low: int, high: int, *, first: int = 0) -> Path:
    """Eight frames to learn from and four held out."""
    for number in range(12):
        split = "train" if number < 8 else "test"
        write_image(folder / split / f"{number}.png", picture(first + number, low, high))
    return folder


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        "a": str(dataset(folder / "a", 90, 160)),
        "b": str(dataset(folder / "b", 20, 120, first=50)),
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, domains: dict[str, str]) -> dict[str, Path]:
    """A grade of one step, which has learnt nothing, and its checkpoint."""
    from reskin.training.start import train_run

    run = tmp_path_factory.mktemp("runs") / "run"
    settings: dict[str, Any] = {"width": 2, "disc_width": 2, "start_steps": 0, "steps": 1, "batch": 1}
    settings |= {"load_size": 32, "crop_size": 28, "device": "cpu"}
    train_run("grade", out=run, **domains, **settings)
    return {"grade": run}


@pytest.fixture(scope="module")
def choice(
    tmp_path_factory: pytest.TempPathFactory, runs: dict[str, Path], domains: dict[str, str]
) -> tuple[Candidate, dict[str, Any]]:
    """What was chosen, and what choice.json says of it."""
    folder = tmp_path_factory.mktemp("choice")
    chosen = chosen_of(folder, runs, domains)
    return chosen, json.loads((folder / "choice.json").read_text())


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scores that a run keeps, which the choice does not use, are not measured."""
    monkeypatch.setattr(evaluate, "evaluate", lambda *_, **__: None)
    monkeypatch.setattr(scores, "record_scores", lambda *_: None)


def chosen_of(out: Path, runs: dict[str, Path], domains: dict[str, str], **given: bool) -> Candidate:
    settings = {"is_open": True, "is_film": True} | given
    return choose_candidate(out, runs, domains, device="cpu", **settings)


@pytest.mark.sweep
def test_colour_transfer_is_taken_where_nothing_learnt_comes_as_near(
    choice: tuple[Candidate, dict[str, Any]],
) -> None:
    chosen, said = choice
    assert chosen.method == "reinhard" and chosen.step is None
    assert said["why"].startswith("colour transfer") and "no trained model was as near" in said["why"]
    measured = said["measured"]
    sound = [Closeness(**measured[name]).distance for name in ("reinhard", "grade", "grade at strength 0.4")]
    assert measured[said["name"]]["distance"] <= min(sound)


@pytest.mark.usefixtures("unscored")
@pytest.mark.sweep
def test_a_method_that_was_asked_for_is_kept(
    tmp_path: Path, runs: dict[str, Path], domains: dict[str, str]
) -> None:
    assert chosen_of(tmp_path, runs, domains, is_open=False).method == "grade"


@pytest.mark.usefixtures("unscored")
@pytest.mark.sweep
def test_pictures_in_a_folder_are_changed_at_full_strength(
    tmp_path: Path, runs: dict[str, Path], domains: dict[str, str]
) -> None:
    assert chosen_of(tmp_path, runs, domains, is_film=False).strength == 1
    names = json.loads((tmp_path / "choice.json").read_text())["measured"]
    assert set(names) == {"input", "target", "reinhard", "grade"}


class MeasuredError(Exception):
    """The candidates would be measured now."""


@pytest.mark.parametrize(
    "damage", [{}, {"method": "grade "}, {"strength": 7}, {"step": "1"}, {"steps": {"grade": 9}}]
)
def test_what_was_chosen_is_not_measured_again_unless_no_version_wrote_it(
    tmp_path: Path,
    runs: dict[str, Path],
    domains: dict[str, str],
    choice: tuple[Candidate, dict[str, Any]],
    damage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(*_: Any, **__: Any) -> None:
        raise MeasuredError

    monkeypatch.setattr(evaluate, "evaluate", measure)
    chosen, said = choice
    (tmp_path / "choice.json").write_text(json.dumps(said | damage))
    with pytest.raises(MeasuredError) if damage else nullcontext():
        assert chosen_of(tmp_path, runs, domains) == chosen


def test_the_translator_of_colour_transfer_does_what_it_does(domains: dict[str, str], tmp_path: Path) -> None:
    reinhard = fitted_reinhard(domains["a"], domains["b"])
    model = model_of(Candidate("reinhard"), {}, domains, device="cpu")
    frame = picture(99, 90, 160)
    assert np.array_equal(to_image(model.translate(to_tensor(frame), "a2b"))[0], reinhard.transfer(frame))
    with VideoWriter(tmp_path / "a.mkv", size=(72, 48), frame_rate=Fraction(25)) as writer:
        for number in range(4):
            writer.write(frame, Fraction(number, 25))
    film = FilmOptions(strength=0.5, steady=0.0, has_bars=False)
    translate_video(model, tmp_path / "a.mkv", tmp_path / "made.mkv", "a2b", film=film)
    with VideoReader(tmp_path / "a.mkv") as before, VideoReader(tmp_path / "made.mkv") as after:
        source, made = next(iter(before)).image, next(iter(after)).image
    wanted = (source.astype(float) + reinhard.transfer(source)) / 2
    assert np.abs(made - wanted).mean() < 3


def test_colour_transfer_that_knows_one_domain_only_is_no_translator() -> None:
    with pytest.raises(ValueError, match="both domains"):
        ColourTransfer(Reinhard().fit([picture(0, 10, 90)]))


@pytest.mark.parametrize(("strength", "wanted"), [(1.0, 155), (0.5, 128), (0.0, 100)])
def test_a_share_of_the_change_is_kept(strength: float, wanted: int) -> None:
    class Negative(ColourTransfer):
        def generate(self, images: torch.Tensor, direction: str) -> torch.Tensor:
            return -images

    model = Negative(Reinhard().fit([picture(0, 10, 90)], [picture(1, 10, 90)]))
    film = Film(Engine(model, "a2b"), FilmOptions(steady=0.0, strength=strength), [])
    made = film.single(np.full((40, 40, 3), 100, np.uint8))
    assert set(made.ravel().tolist()) == {wanted}


@pytest.mark.usefixtures("unscored")
@pytest.mark.sweep
def test_texture_is_learnt_on_the_grade_and_chosen_where_it_pays(
    tmp_path: Path, runs: dict[str, Path], domains: dict[str, str]
) -> None:
    from reskin.training.start import train_run

    with pytest.MonkeyPatch.context() as patch:  # the grade changes nothing yet, and this looks less alike
        patch.setattr("reskin.workflows.make_choice.STRENGTHS", (1.0, 0.4))
        settings = grade_for(tmp_path / "run", runs["grade"], domains, device="cpu")
        assert settings == {"grade": str(runs["grade"]), "grade_step": 1}
        small = {"width": 2, "disc_width": 2, "blocks": 0, "steps": 1, "grade_width": 2, "device": "cpu"}
        run = train_run("grade_texture", out=tmp_path / "run", **domains, **settings, **small)
        again = grade_for(run, tmp_path / "gone", domains, device="cpu")
        assert again == {**settings, "grade_width": 2}
        both = {**runs, "grade_texture": run}
        chosen = chosen_of(tmp_path, both, domains)
        said = json.loads((tmp_path / "choice.json").read_text())
        assert chosen.method != "grade_texture" and "grade_texture" in said["why"]
        assert {"grade_texture", "grade_texture at strength 0.4"} <= set(said["measured"])
        alone = chosen_of(tmp_path / "alone", {"grade_texture": run}, domains, is_open=False)
        assert alone.method == "grade_texture"


@pytest.mark.parametrize(("distance", "is_taken"), [(9.4, True), (9.6, False)])
def test_texture_must_bring_the_film_so_much_nearer(distance: float, is_taken: bool) -> None:
    found = {name: Closeness(30, 1, 0) for name in ("input", "target", "reinhard")}
    found |= {"grade": Closeness(10, 1, 0), "grade_texture": Closeness(distance, 1, 0)}
    candidates = {name: Candidate(name) for name in ("grade", "grade_texture", "reinhard")}
    assert ("grade_texture" in _worth_it(found, candidates)) == is_taken
    found["grade"] = found["reinhard"] = Closeness(10, 0.1, 0)  # nothing else will do
    found["target"] = found["input"] = Closeness(10, 1, 0)
    found["reinhard"] = Closeness(10, 0.5, 0, 9)
    assert "grade_texture" in _worth_it(found, candidates)


def test_why_texture_or_another_method_was_passed_over_is_said() -> None:
    found = {name: Closeness(30, 1, 0) for name in ("input", "target", "reinhard")}
    found |= {"grade": Closeness(10, 1, 0), "grade_texture": Closeness(9.9, 1, 0)}
    found |= {"cyclegan": Closeness(5, 0.4, 0), "grade_texture at strength 0.7": Closeness(12, 1, 0)}
    why = _in_words("grade: nearest", Candidate("grade"), found)
    assert why == (
        "grade: nearest; cyclegan: distance 5.0, but it keeps 0.40 of the structure (0.95 is wanted); "
        "grade_texture: distance 9.9, which is not 5% nearer"
    )


def test_what_was_asked_for_and_keeps_too_little_wants_more_time() -> None:
    found = {name: Closeness(30, 1, 0) for name in ("input", "target", "reinhard")}
    found |= {"cyclegan": Closeness(39, 0.53, 0)}
    why = _in_words("cyclegan: none kept enough", Candidate("cyclegan"), found)
    assert why == "cyclegan: none kept enough; colour transfer is nearer; more --minutes may mend that"


def test_what_flickers_is_not_sound() -> None:
    found = dict.fromkeys(("input", "target", "reinhard"), Closeness(9, 1, 0))
    found |= {"calm": Closeness(9, 1, 0, 2.0), "flickers": Closeness(1, 1, 0, 2.1)}
    assert is_sound(found, "calm") and not is_sound(found, "flickers")
