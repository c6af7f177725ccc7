"""From answers to results: sides, exclusion, repeats, drop-outs, exports."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.blind_study import careful, make_study, take_part

from reskin.cli.main import main
from reskin.errors import DataError, RunError
from reskin.evaluation.blind_study import answers
from reskin.evaluation.blind_study.answers import Answer, AnswerStore, checked_answer
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.exports import amt_csv, answers_csv, jspsych_csv
from reskin.evaluation.blind_study.plan import read_plan
from reskin.evaluation.blind_study.report import summary_lines, write_report
from reskin.evaluation.blind_study.results import again_trials, read_results, with_repeats


@pytest.mark.sweep
def test_who_prefers_the_first_condition_is_counted_so_on_both_sides(tmp_path: Path) -> None:
    plan = make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    for invite in store.invite(3):
        take_part(store, plan, invite, careful(plan, lambda trial: trial.item != 0))
    results = read_results(plan, store)
    (row,) = results.counted.comparisons
    assert (row.first, row.second) == ("one", "two")
    assert row.estimate.value == pytest.approx(5 / 6) and row.estimate.count == 18
    assert results.agreement == 1.0 and not results.excluded
    assert results.items[0] == (0.0, 3) and results.items[1] == (1.0, 3)
    store.close()


@pytest.mark.sweep
def test_real_or_fake_counts_who_was_fooled(tmp_path: Path) -> None:
    plan = make_study(tmp_path, "real-or-fake")
    store = AnswerStore(tmp_path / "study", create=True)
    for invite in store.invite(4):  # taking the real image for the fake where condition 0 stands against it
        take_part(store, plan, invite, careful(plan, lambda trial: trial.cell == 0))
    results = read_results(plan, store)
    assert results.counted.shares["one"].value == 1.0
    assert results.counted.shares["two"].value == 0.0
    (row,) = results.counted.comparisons
    assert row.estimate.value == 1.0 and row.differs
    assert results.exposures is not None
    assert (results.exposures.near, results.exposures.median) == (1.0, 1000.0)
    assert results.leader == "" and results.items[0] == (0.5, 4)
    store.close()


@pytest.mark.sweep
def test_raters_and_items_are_about_the_condition_that_won_most(tmp_path: Path) -> None:
    """Of three, the last always wins, but for item 0: no mean over pairs that calls the first one better."""
    plan = make_study(tmp_path, conditions=("one", "two", "three"), raters=3)
    store = AnswerStore(tmp_path / "study", create=True)
    last = [2 in cell for cell in plan.cells()]

    def prefers(trial: Trial) -> bool:
        return not last[trial.cell] or trial.item == 0

    for invite in store.invite(3):
        take_part(store, plan, invite, careful(plan, prefers))
    results = read_results(plan, store)
    assert results.leader == "three"
    assert results.items[0] == (0.0, 2) and all(results.items[item] == (1.0, 2) for item in range(1, 6))
    assert sorted(results.per_rater) == [3 / 4, 3 / 4, 1.0]  # one of them met item 0 without the third
    page = write_report(tmp_path / "r.html", tmp_path / "study", results).read_text(encoding="utf-8")
    assert "three: most often preferred" in page and "How often each rater preferred three" in page
    assert page.count("<li><img src=") == 6 * 4  # the input and three outputs
    store.close()


@pytest.mark.sweep
def test_the_report_says_what_the_study_is_for_and_whether_it_is_complete(tmp_path: Path) -> None:
    plan = make_study(tmp_path, raters=3, primary="one / two, for <realism>")
    store = AnswerStore(tmp_path / "study", create=True)
    one, two, three = store.invite(3)

    def page() -> str:
        found = read_results(plan, store)
        return write_report(tmp_path / "r.html", tmp_path / "study", found).read_text(encoding="utf-8")

    take_part(store, plan, one, careful(plan, lambda trial: True))
    take_part(store, plan, two, lambda trial: "first")  # is left out, and has finished
    assert "2 raters" not in page() and "1 of the 3 raters planned have not finished" in page()
    take_part(store, plan, three, careful(plan, lambda trial: True))
    assert "It is complete: 3 raters finished, and 1 of them were left out" in page()
    assert "<strong>one / two, for &lt;realism&gt;</strong>" in page()
    store.close()


@pytest.mark.sweep
def test_who_always_clicks_one_side_is_left_out_and_said(tmp_path: Path) -> None:
    plan = make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    good, bad = store.invite(2)
    take_part(store, plan, good, careful(plan, lambda trial: True))
    take_part(store, plan, bad, lambda trial: "first")
    results = read_results(plan, store)
    assert list(results.excluded) == [bad[:6]] and "checks wrong" in results.excluded[bad[:6]][0]
    assert results.counted.raters == 1 and results.everyone.raters == 2
    assert any("1 of them left out" in line for line in summary_lines(results))
    page = write_report(tmp_path / "r.html", tmp_path / "study", results).read_text(encoding="utf-8")
    assert bad[:6] in page and plan.digest() in page and "one preferred to two" in page
    store.close()


def test_marked_exposures_are_shown_again_and_the_second_answer_counts(tmp_path: Path) -> None:
    plan = make_study(tmp_path, "real-or-fake")
    trials = plan.slots()[0]
    main = next(n for n, t in enumerate(trials) if t.part == "main" and t.role == "item")
    given = [
        Answer(n, f"{n:016d}", "first", (1000.0,), 800.0, "off" if n in (0, main) else "")
        for n in range(len(trials))
    ]
    assert again_trials(plan, trials, given) == [main]
    given.append(Answer(len(trials), "x" * 16, "second", (1000.0,), 800.0, ""))
    assert with_repeats(trials, given)[main].choice == "second"
    assert len(with_repeats(trials, given)) == len(trials)


def test_an_answer_is_stored_once_and_another_for_the_trial_is_refused(tmp_path: Path) -> None:
    make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    (invite,) = store.invite(1)
    store.begin(invite, "en", 4)
    first = Answer(0, "n" * 16, "first", (), 500.0, "")
    assert store.answer(invite, first) and store.answer(invite, first)
    assert not store.answer(invite, Answer(0, "m" * 16, "second", (), 500.0, ""))
    assert [answer.choice for answer in store.answers(invite)] == ["first"]
    store.close()


def test_a_place_left_for_half_an_hour_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    invites = store.invite(4)
    now = 1_000_000.0
    monkeypatch.setattr(answers.time, "time", lambda: now)
    one = store.begin(invites[0], "en", 2)
    two = store.begin(invites[1], "en", 2)
    assert one is not None and two is not None and {one.slot, two.slot} == {0, 1}
    assert store.begin(invites[2], "en", 2) is None
    now += 31 * 60
    store.answer(invites[1], Answer(0, "n" * 16, "first", (), 1.0, ""))  # this one is still at it
    three = store.begin(invites[2], "en", 2)
    assert three is not None and three.slot == one.slot
    gone = store.rater(invites[0])
    assert gone is not None and gone.replaced == now
    store.close()


def test_withdrawing_deletes_the_answers_and_frees_the_place(tmp_path: Path) -> None:
    plan = make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    invites = store.invite(2)
    take_part(store, plan, invites[0], careful(plan, lambda trial: True))
    rater = store.rater(invites[0])
    assert rater is not None and rater.deletion
    assert not store.withdraw(invites[0], "WRONG")
    assert store.withdraw(invites[0], rater.deletion)
    assert store.answers(invites[0]) == []
    again = store.begin(invites[1], "en", 1)
    assert again is not None and again.slot == 0
    assert read_results(plan, store).withdrawn == 1
    store.close()


def test_results_before_the_study_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, folder = make_study(tmp_path), tmp_path / "study"

    def shown(*more: str) -> tuple[int, str, str]:
        code, said = main(["study", "results", str(folder), *more]), capsys.readouterr()
        return code, said.out, said.err

    capsys.readouterr()
    code, _, error = shown()
    assert code == 2 and error.startswith("reskin: nobody was asked yet") and len(error.splitlines()) == 1
    store = AnswerStore(folder, create=True)
    one, two = store.invite(2)
    store.begin(one, "en", plan.raters)
    store.answer(one, Answer(0, "n" * 16, "first", (), 500.0, ""))
    code, out, error = shown("--csv", "--html")
    assert code == 2 and out == "" and len(error.splitlines()) == 1
    assert "no rater has finished" in error and "(1 began)" in error
    assert not (folder / "results.html").exists() and not (folder / "answers.csv").exists()
    take_part(store, plan, two, careful(plan, lambda trial: True))
    code, out, error = shown("--html")
    assert code == 0 and "2 invited, 2 began, 1 finished; 6 answers count" in out
    assert "warning: 1 of 4 raters so far; the study is not complete" in error
    assert (folder / "results.html").exists()
    store.close()


def test_answers_that_are_no_database_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path)
    (tmp_path / "study" / answers.DATABASE).write_bytes(
        b"no database, but long enough to be taken for one" * 20
    )
    capsys.readouterr()
    assert main(["study", "results", str(tmp_path / "study")]) == 2
    error = capsys.readouterr().err
    assert "answers.sqlite cannot be used" in error and len(error.splitlines()) == 1


CHANGES = [
    "UPDATE answers SET shown = 'x'",
    "UPDATE answers SET shown = '[1e999]'",
    "UPDATE answers SET rt = 'abc'",
    "UPDATE answers SET choice = x'ff'",
    "UPDATE answers SET flags = 'zz'",
    "UPDATE answers SET trial = trial - 1000",
    "UPDATE raters SET slot = 999999999",
    "UPDATE raters SET slot = -1",
    "UPDATE raters SET slot = 'x'",
    "UPDATE raters SET began = 'x'",
    "ALTER TABLE answers RENAME COLUMN choice TO chose",
    "ALTER TABLE raters ADD COLUMN more TEXT",
]


@pytest.mark.thinned(4)
@pytest.mark.parametrize("change", CHANGES)
def test_answers_that_no_rater_gave_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    plan = make_study(tmp_path)
    store = AnswerStore(tmp_path / "study", create=True)
    take_part(store, plan, store.invite(1)[0], careful(plan, lambda trial: True))
    store.close()
    with closing(sqlite3.connect(tmp_path / "study" / answers.DATABASE)) as base, base:
        base.execute(change)
    capsys.readouterr()
    assert main(["study", "results", str(tmp_path / "study"), "--csv", "--html"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reskin: ") and "Put back" in line


@pytest.mark.thinned(3)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and links")
@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_sqlite_keeps_beside_the_answers_is_no_pipe_or_link(tmp_path: Path, end: str, kind: str) -> None:
    plan = make_study(tmp_path)
    AnswerStore(tmp_path / "study", create=True).close()
    beside = tmp_path / "study" / f"{answers.DATABASE}{end}"
    beside.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(beside)
    else:
        (tmp_path / "mine").write_text("mine")
        beside.symlink_to(tmp_path / "mine")
    with pytest.raises(DataError, match=r"is a link|no plain file"):
        AnswerStore(tmp_path / "study")
    assert plan.items and (kind == "pipe" or (tmp_path / "mine").read_text() == "mine")


def test_formulas_in_the_csv_are_no_formulas(tmp_path: Path) -> None:
    plan = make_study(tmp_path)
    plan = plan.model_copy(update={"items": ("=1+1", *plan.items[1:])})
    store = AnswerStore(tmp_path / "study", create=True)
    (invite,) = store.invite(1)
    take_part(store, plan, invite, careful(plan, lambda trial: True))
    rows = list(csv.DictReader(io.StringIO(answers_csv(plan, store))))
    assert "'=1+1" in {row["item"] for row in rows} and "=1+1" not in {row["item"] for row in rows}
    assert {row["right"] for row in rows if row["role"] == "check"} == {"1"}
    assert {row["shown_first"] for row in rows if row["role"] == "item" and row["part"] == "main"} == {
        "one",
        "two",
    }
    store.close()


def test_nobody_asked_yet_is_one_line(tmp_path: Path) -> None:
    make_study(tmp_path)
    assert read_plan(tmp_path / "study").raters == 4
    with pytest.raises(RunError, match="nobody was asked yet"):
        AnswerStore(tmp_path / "study")
    with pytest.raises(RunError, match="no study in"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"trial": -1},
        {"trial": True, "nonce": "n" * 16, "choice": "first", "rt": 1},
        {"trial": 0, "nonce": "n", "choice": "first", "rt": 1},
        {"trial": 0, "nonce": "n" * 16, "choice": "left", "rt": 1},
        {"trial": 0, "nonce": "n" * 16, "choice": "first", "rt": float("nan")},
        {"trial": 0, "nonce": "n" * 16, "choice": "first", "rt": 1, "shown": ["x"]},
        {"trial": 0, "nonce": "n" * 16, "choice": "first", "rt": 1, "flags": ["<b>"]},
        {"trial": 9, "nonce": "n" * 16, "choice": "first", "rt": 1},
    ],
)
def test_answers_that_are_none_are_refused(values: object) -> None:
    with pytest.raises(ValueError):
        checked_answer(values, 9)


def amt_means(text: str, trials: int) -> dict[str, float]:
    """The fooling rates after AMT_Real_vs_Fake's process_csv.py, with its 1e-6 in the denominator."""
    rows = list(csv.DictReader(io.StringIO(text)))
    right: dict[str, list[bool]] = {}
    for row in rows:
        for turn in range(trials):
            sides = [row[f"Input.images_{side}{turn}"].rpartition("/")[0] for side in ("left", "right")]
            assert sides[row[f"Input.gt_side{turn}"] == "right"] == "real"
            (method,) = set(sides) - {"real"}
            # The selection is the image that was taken for made: wrong where it is the real one.
            right.setdefault(method, []).append(row[f"Answer.selection{turn}"] != row[f"Input.gt_side{turn}"])
    count = len(rows) * trials
    return {name: 1 - sum(each) / count / (len(each) / count + 1e-6) for name, each in right.items()}


def test_the_table_of_amt_has_the_same_means(tmp_path: Path) -> None:
    plan = make_study(tmp_path, "real-or-fake", raters=4)
    store = AnswerStore(tmp_path / "study", create=True)
    for invite in store.invite(4):
        take_part(store, plan, invite, careful(plan, lambda trial: (trial.item + 2 * trial.cell) % 3 == 0))
    found = read_results(plan, store).counted
    text = amt_csv(plan, store)
    store.close()
    means = amt_means(text, plan.trials)
    assert set(means) == set(plan.conditions) and len(text.splitlines()) == 5
    for name, estimate in found.shares.items():
        assert 0 < estimate.value < 1 and means[name] == pytest.approx(estimate.value, abs=1e-5)


@pytest.mark.sweep
def test_the_table_of_amt_leaves_out_who_is_excluded(tmp_path: Path) -> None:
    plan = make_study(tmp_path, "real-or-fake", raters=2)
    store = AnswerStore(tmp_path / "study", create=True)
    one, two = store.invite(2)
    take_part(store, plan, one, careful(plan, lambda trial: trial.item % 2 == 0))
    take_part(store, plan, two, lambda trial: "second")
    assert [row["WorkerId"] for row in csv.DictReader(io.StringIO(amt_csv(plan, store)))] == [one[:6]]
    store.close()


@pytest.mark.parametrize("kind", ["preference", "real-or-fake"])
@pytest.mark.thinned(2)
def test_rows_of_jspsych(tmp_path: Path, kind: str) -> None:
    plan = make_study(tmp_path, kind, raters=1 + 1)
    store = AnswerStore(tmp_path / "study", create=True)
    (invite,) = store.invite(1)
    take_part(store, plan, invite, careful(plan, lambda trial: True))
    rows = list(csv.DictReader(io.StringIO(jspsych_csv(plan, store))))
    trials, given = plan.slots()[0], store.answers(invite)
    store.close()
    assert [int(row["trial_index"]) for row in rows] == list(range(len(trials)))
    for row, trial, answer in zip(rows, trials, given, strict=True):
        assert row["choices"].split()[int(row["response"])] == answer.choice and row["rt"] == "900"
        assert row["correct"] == ("" if plan.right_choice(trial) is None else "true")
        shown = row["stimulus"].split()
        if trial.part == "main" and trial.role != "check":
            assert all(each.rpartition("/")[0] in (*plan.conditions, "real") for each in shown)
        if kind == "real-or-fake" and trial.role == "item" and trial.part == "main":
            assert shown.index(f"real/{trial.item}") == int(trial.swapped)
    if kind == "preference":
        with pytest.raises(ValueError, match="real-or-fake alone"):
            amt_csv(plan, store)
