"""A blind study as a column of the table of a comparison."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.support.blind_study import careful, make_study, take_part
from tests.workflows.study.test_study import fake

from reskin.cli.main import main
from reskin.evaluation.blind_study.answers import AnswerStore
from reskin.evaluation.blind_study.plan import read_plan
from reskin.evaluation.blind_study.results import read_results
from reskin.workflows.study.people import with_people
from reskin.workflows.study.table import differences, read_table


def asked(root: Path, kind: str, conditions: tuple[str, ...] = ("one", "two")) -> Path:
    """A blind study that three raters have finished."""
    plan = make_study(root, kind, conditions=conditions, raters=3)
    store = AnswerStore(root / "study", create=True)
    for invite in store.invite(3):
        take_part(store, plan, invite, careful(plan, lambda trial: (trial.item + trial.cell) % 3 != 0))
    store.close()
    return root / "study"


def test_rows_have_what_people_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = fake(tmp_path / "x", {"one": [1.0, 1.5, 0.5], "three": [5.0, 5.1, 4.9]})
    folder = asked(tmp_path, "real-or-fake")
    capsys.readouterr()
    assert main(["table", str(comparison), "--format", "csv", "--people", str(folder)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    said = {row["row"]: row for row in rows if row["score"] == "fooled_a2b" and row["checkpoint"] == "last"}
    store = AnswerStore(folder)
    share = read_results(read_plan(folder), store).counted.shares["one"]
    store.close()
    assert float(said["one"]["mean"]) == share.value
    assert (float(said["one"]["low"]), float(said["one"]["high"])) == (share.low, share.high)
    assert said["three"]["mean"] == "" and said["three"]["why"] == "not in the blind study"
    assert main(["table", str(comparison), "--people", str(folder), "--published", "maps"]) == 0
    shown = capsys.readouterr().out
    assert "N = 18 answers of 3 raters on 6 items" in shown and "also judged: two" in shown
    assert "fooled_a2b: one less two" in shown and "published, other data and protocol" in shown


@pytest.mark.sweep
def test_preferences_are_strengths(tmp_path: Path) -> None:
    comparison = read_table(fake(tmp_path / "x", {"one": [1.0, 1.5, 0.5], "two": [5.0, 5.1, 4.9]}))
    table = with_people(comparison, asked(tmp_path, "preference"))
    one, two = (table.cells["last"][label]["preference"] for label in ("one", "two"))
    assert one.mean == pytest.approx(-(two.mean or 0)) and one.interval is not None
    assert any(sentence.startswith("preference: one preferred to two in") for sentence in differences(table))
    assert comparison.columns.keys() == {"swd_a2b"}  # the table that was given is as it was


@pytest.mark.sweep
def test_what_cannot_be_a_column_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = str(fake(tmp_path / "x", {"cyclegan": [1.0]}))
    folder = asked(tmp_path, "preference")
    make_study(tmp_path / "y")
    capsys.readouterr()
    for people, says in (
        (folder, "no row is called as a condition of"),
        (tmp_path / "y" / "study", "nobody was asked yet"),
        (tmp_path / "none", "no study in"),
    ):
        assert main(["table", comparison, "--people", str(people)]) == 2
        error = capsys.readouterr().err
        assert says in error and len(error.splitlines()) == 1
