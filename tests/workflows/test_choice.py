"""How the choice of `make` becomes a table of its report."""

from __future__ import annotations

from pathlib import Path

from reskin.evaluation.footage import Closeness
from reskin.storage import write_json
from reskin.workflows.choice import choice_tables


def test_methods_stand_first_and_the_chosen_one_is_marked(tmp_path: Path) -> None:
    assert choice_tables(tmp_path) == []
    numbers = {"distance": 2.0444, "structure": 0.5, "clipped": 1.0, "noise": 1.5}
    measured = dict.fromkeys(("target", "input", "reinhard", "grade", "cyclegan"), numbers)
    choice = {"method": "cyclegan", "why": "it is nearest", "measured": measured}
    write_json(tmp_path / "choice.json", choice)
    (table,) = choice_tables(tmp_path)
    titles = [row["On held-out frames"] for row in table.rows]
    assert titles == ["Grade", "CycleGAN (chosen)", "Colour transfer", "Input as it is", "B itself"]
    assert table.note == "it is nearest" and list(table.rows[0].values())[1:] == [
        "2.0",
        "0.50",
        "1.0",
        "1.50",
    ]


def test_of_many_candidates_the_chosen_one_is_shown_in_words(tmp_path: Path) -> None:
    name = "grade of step 60 at strength 0.7"
    measured = {key: {"distance": 2.0} for key in ("input", "reinhard", "grade", "grade of step 60", name)}
    choice = {"method": "grade", "step": 60, "strength": 0.7, "name": name, "measured": measured}
    write_json(tmp_path / "choice.json", choice | {"why": "it is nearest"})
    (table,) = choice_tables(tmp_path)
    titles = [row["On held-out frames"] for row in table.rows]
    assert titles == [
        "Grade",
        "Grade of step 60 at strength 0.7 (chosen)",
        "Colour transfer",
        "Input as it is",
    ]


def test_every_measure_by_which_candidates_fall_is_shown(tmp_path: Path) -> None:
    of_input = Closeness(2.0, 0.5, 1.0, 1.5, 3.2, 0.25, 7).to_dict()
    write_json(tmp_path / "choice.json", {"method": "grade", "measured": {"grade": of_input, "target": "?"}})
    (table,) = choice_tables(tmp_path)
    assert list(table.rows[0].values())[1:] == ["2.0", "0.50", "1.0", "1.50", "3", "0.25", "7.0"]
    assert len(table.rows[0]) == 1 + len(of_input)
