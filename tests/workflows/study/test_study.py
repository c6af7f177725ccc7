"""Studies: each cell once, known again, honest about what is missing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.reach import PACKAGE, reach

from reskin.cli.main import main
from reskin.errors import DataError, RunError, SettingsError, StorageError
from reskin.evaluation.labelled import LabelRequest
from reskin.evaluation.published import PUBLISHED, TABLES
from reskin.evaluation.request import Request
from reskin.exits import InterruptedRunError
from reskin.images import write_image
from reskin.methods import names
from reskin.runs.run import Run
from reskin.storage import read_json, write_json
from reskin.workflows.study import cells as cells_module
from reskin.workflows.study import plan
from reskin.workflows.study.compare import compare
from reskin.workflows.study.formats import FORMATS, MARK, rows_of
from reskin.workflows.study.plan import Row, Study, measuring_key, training_key
from reskin.workflows.study.table import differences, read_table

COMMON = {
    "width": 4,
    "blocks": 1,
    "disc_layers": 1,
    "crop_size": 32,
    "load_size": 32,
    "device": "cpu",
    "precision": "fp32",
    "sample_every": 100,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two domains with three splits."""
    folder, draw = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    for domain in "AB":
        for split, count in (("train", 3), ("val", 2), ("test", 9)):
            for index in range(count):
                image = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                write_image(folder / f"{split}{domain}" / f"{index}.png", image)
    return folder


def study(data: Path, out: Path, *labels: str, **changes: Any) -> Study:
    rows = {
        "cyclegan": Row("cyclegan", "cyclegan"),
        "gan alone": Row("gan alone", "cyclegan", "gan_alone"),
        "no weights": Row("no weights", "feature_gan"),
    }
    chosen = tuple(rows[label] for label in labels or ("cyclegan", "gan alone"))
    request = Request(a=data, b=data, metrics=("cycle_l1",), max_images=9)
    return replace(Study(out, chosen, 2, {"steps": 4}, request, COMMON, 2), **changes)


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that is done: two rows, two seeds."""
    out = tmp_path_factory.mktemp("studies") / "x"
    compare(study(data, out))
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "x"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The run folders that are trained into from now on."""
    seen: list[Path] = []
    train = cells_module.train_settings

    def note(settings: Any, out: Path, **named: Any) -> Path:
        seen.append(out)
        return train(settings, out, **named)

    monkeypatch.setattr(cells_module, "train_settings", note)
    return seen


def test_a_finished_study_has_every_number_and_its_interval(finished: Path) -> None:
    table = read_table(finished)
    assert table.labels == ["cyclegan", "gan alone"] and not table.missing
    cell = table.cells["last"]["cyclegan"]["cycle_l1_a"]
    assert cell.mean == pytest.approx(sum(cell.seeds) / 2) and len(cell.seeds) == 2 and cell.why == ""
    assert cell.interval is not None and cell.interval[0] < cell.mean < cell.interval[1]
    half = (cell.interval[1] - cell.interval[0]) / 2
    assert half == pytest.approx(12.7062 * abs(cell.seeds[0] - cell.seeds[1]) / 2, rel=1e-4)
    assert cell.of_images is not None and cell.of_images[0] < cell.mean < cell.of_images[1]
    assert table.cells["best"]["gan alone"]["cycle_l1_a"].mean is not None
    assert table.costs["cyclegan"]["steps"] == 4 and (table.costs["cyclegan"]["weights"] or 0) > 1000
    page = (finished / "report.html").read_text(encoding="utf-8")
    for part in (
        "gan alone",
        "A → cyclegan",
        "What the numbers can and cannot say",
        "Settings that differ",
        "cycle_weight",
    ):
        assert part in page, part


@pytest.mark.sweep
def test_a_finished_study_is_not_done_again(copied: Path, data: Path, trained: list[Path]) -> None:
    compare(study(data, copied))
    assert trained == []
    shutil.rmtree(next(copied.glob("cells/gan-alone*/1")))
    before = read_table(copied)
    assert before.missing == [("gan alone", 1, "not trained yet")]
    compare(study(data, copied))
    assert [path.parent.name for path in trained] == ["1"] and "gan-alone" in str(trained[0])
    assert not read_table(copied).missing


@pytest.mark.sweep
def test_only_what_changed_is_done_again(
    copied: Path, data: Path, trained: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []
    measure = cells_module._measured
    monkeypatch.setattr(
        cells_module, "_measured", lambda run, request: measured.append(run) or measure(run, request)
    )
    other = study(data, copied)
    compare(replace(other, request=replace(other.request, metrics=("cycle_l1", "noise_probe"))))
    assert trained != [] and len(measured) == 4  # trained as far as runs that are complete are looked into
    assert "noise_probe_a" in read_table(copied).columns
    trained.clear()
    rows = (other.rows[0], replace(other.rows[1], settings={"learning_rate": 1e-3}))
    compare(replace(other, rows=rows, request=replace(other.request, metrics=("cycle_l1", "noise_probe"))))
    assert len(trained) == 2 and all("gan-alone" in str(path) for path in trained)


@pytest.mark.sweep
def test_a_study_goes_on_where_its_data_were_moved(
    copied: Path, data: Path, tmp_path: Path, trained: list[Path]
) -> None:
    moved = Path(shutil.copytree(data, tmp_path / "elsewhere"))
    compare(study(moved, copied))
    assert trained == []
    begun = next(copied.glob("cells/gan-alone*/1"))
    facts = read_json(begun / "cell.json")
    write_json(begun / "cell.json", {name: facts[name] for name in ("label", "seed", "training")})
    newest = max((begun / "run").glob("checkpoints/*.safetensors"))
    compare(study(moved, copied))
    assert trained == [begun / "run"] and not read_table(copied).missing
    assert newest.exists() and read_json(begun / "cell.json")["scores"] == facts["scores"]
    (moved / "testA" / "0.png").unlink()
    with pytest.raises(RunError, match="other images"):
        compare(study(moved, copied))


def test_scores_are_of_what_was_asked_and_not_of_where_it_lies(tmp_path: Path) -> None:
    labels = LabelRequest("street", "a", tmp_path / "labels")
    asked = Request(a=tmp_path / "a", b=tmp_path / "b", labels=labels)
    there = Request(a=tmp_path / "x", b=tmp_path / "y", labels=LabelRequest("street", "a", tmp_path / "z"))
    key = measuring_key(asked, "data")
    assert measuring_key(there, "data") == key != measuring_key(there, "other")
    for other in (
        replace(asked, truth_a2b=tmp_path / "truth"),
        replace(asked, max_images=3),
        replace(asked, labels=None),
        replace(asked, labels=LabelRequest("camvid", "a", tmp_path / "labels")),
        replace(asked, labels=LabelRequest("street", "b", tmp_path / "labels")),
        replace(asked, labels=LabelRequest("street", "a")),
        replace(asked, labels=LabelRequest("street", "a", tmp_path / "labels", tmp_path / "segmenter")),
    ):
        assert measuring_key(other, "data") != key


def test_a_file_of_a_setting_counts_by_what_is_in_it(tmp_path: Path) -> None:
    weights, masks, run = tmp_path / "vgg.pth", tmp_path / "masks", tmp_path / "run"

    def key(method: str, **paths: Path) -> str:
        row = Row("x", method, settings=paths | ({"mask_weight": 1.0} if "mask_a" in paths else {}))
        asked = Study(tmp_path, (row,), 1, {"steps": 1}, Request(tmp_path / "a", tmp_path / "b"))
        return training_key(asked.settings(row, 0), "data")

    for method, setting, path, file in (
        ("feature_gan", "feature_weights", weights, weights),
        ("attentiongan", "mask_a", masks, masks / "0.png"),
        ("grade_texture", "grade", run, run / "checkpoints" / "00000010.safetensors"),
    ):
        missing = key(method, **{setting: path})
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"one")
        there = key(method, **{setting: path})
        copy = tmp_path / f"copy_of_{path.name}"
        (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)
        assert key(method, **{setting: copy}) == there != missing
        file.write_bytes(b"two")
        assert key(method, **{setting: path}) != there


def test_an_image_that_changes_its_domain_is_noticed(tmp_path: Path) -> None:
    for name in ("a/0.png", "a/1.png", "b/2.png", "b/3.png"):
        write_image(tmp_path / name, np.full((8, 8, 3), int(Path(name).stem), np.uint8))
    before = plan.data_digest(Request(tmp_path / "a", tmp_path / "b"))
    (tmp_path / "b" / "2.png").rename(tmp_path / "a" / "2.png")
    assert plan.data_digest(Request(tmp_path / "a", tmp_path / "b")) != before


def test_a_study_of_an_earlier_version_is_known_by_its_paths(
    copied: Path, data: Path, tmp_path: Path, trained: list[Path]
) -> None:
    facts = read_json(copied / "study.json")
    write_json(copied / "study.json", {name: facts[name] for name in facts.keys() - {"images"}})
    moved = Path(shutil.copytree(data, tmp_path / "elsewhere"))
    with pytest.raises(RunError, match="other images"):
        compare(study(moved, copied))
    compare(study(data, copied))
    assert trained == [] and read_json(copied / "study.json") == facts


def test_a_changed_method_is_trained_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = study(data, tmp_path).settings(Row("x", "cyclegan"), 0)
    key = training_key(settings, "data")
    assert training_key(settings, "other") != key
    monkeypatch.setattr(plan, "_code", lambda folders, method: "changed")
    assert training_key(settings, "data") != key
    files = {path.name for path in plan._files(("methods",), "cut")}
    assert "cut.py" in files and "base.py" in files and "munit.py" not in files


@pytest.mark.sweep
def test_a_method_is_trained_again_after_a_change_of_anything_of_methods_that_it_imports() -> None:
    for method in names():
        hashed = {path.resolve() for path in plan._files(("methods",), method)}
        assert {
            file for file in reach(PACKAGE / "methods" / f"{method}.py") if file.parent.name == "methods"
        } <= hashed, method


@pytest.mark.sweep
def test_a_cell_that_cannot_be_done_says_why_and_the_others_go_on(data: Path, tmp_path: Path) -> None:
    compare(study(data, tmp_path / "x", "no weights", "cyclegan", seeds=1))
    table = read_table(tmp_path / "x")
    assert [(label, seed) for label, seed, _ in table.missing] == [("no weights", 0)]
    cell = table.cells["last"]["no weights"]["cycle_l1_a"]
    assert cell.mean is None and cell.why.startswith("seed 0: ") and "weights" in cell.why
    assert table.cells["last"]["cyclegan"]["cycle_l1_a"].interval is None  # one seed has none
    assert "(one seed)" in FORMATS["md"](table, rows_of(table))


def compare_words(data: Path, out: Path, methods: str) -> list[str]:
    """`reskin compare` of small networks, one seed."""
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in COMMON.items())
    words = ["compare", "--methods", methods, "--a", str(data), "--b", str(data), "--out", str(out)]
    words += ["--steps", "2", "--seeds", "1", "--eval-every", "2", "--common", flags]
    return [*words, "--metrics", "cycle_l1"]


@pytest.mark.sweep
def test_the_command_is_not_done_where_a_cell_has_no_scores(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = compare_words(data, tmp_path / "x", "cyclegan")
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise StorageError("no space left")

        patch.setattr(Run, "write_losses", refuse)
        assert main(words) == 3
    said = capsys.readouterr().err.splitlines()
    (line,) = [line for line in said if line.startswith("reskin: ")]
    assert "cells without scores: 1 of 1, the first cyclegan, seed 0: no space left. The same" in line
    assert "no space left" in (tmp_path / "x" / "report.html").read_text(encoding="utf-8")
    assert main(words) == 0 and not read_table(tmp_path / "x").missing
    assert main(words) == 0


@pytest.mark.sweep
def test_pictures_that_cannot_be_measured_are_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = Path(shutil.copytree(data, tmp_path / "damaged"))
    picture = damaged / "testA" / "3.png"
    picture.write_bytes(picture.read_bytes()[:60])
    for _ in range(2):  # what was measured before has left it out as well
        assert main(compare_words(damaged, tmp_path / "x", "cyclegan")) == 3
        said = capsys.readouterr().err.splitlines()
        (line,) = [line for line in said if line.startswith("reskin: ")]
        assert f"pictures left out: 1, the first {picture}" in line
    assert f"left out {picture}" in (tmp_path / "x" / "report.html").read_text(encoding="utf-8")


@pytest.mark.sweep
def test_a_study_that_was_stopped_goes_on_to_the_same_numbers(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    write, calls = Run.write_losses, []

    def signalling(run: Run, step: int, losses: dict[str, float]) -> None:
        write(run, step, losses)
        calls.append(step)
        if len(calls) in (1, 3):  # the first step of the first and of the second cell
            signal.raise_signal(signal.SIGTERM)

    out = tmp_path / "x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "write_losses", signalling)
        for _ in range(2):
            with pytest.raises(InterruptedRunError):
                compare(study(data, out))
        compare(study(data, out))
    one, two = read_table(finished), read_table(out)
    for label in one.labels:
        for column in one.columns:
            assert one.cells["last"][label][column].seeds == two.cells["last"][label][column].seeds


def test_one_set_of_pictures_as_both_domains_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for number in range(2):
        write_image(tmp_path / "d" / "train" / f"{number}.png", np.full((32, 32, 3), number, np.uint8))
    out = tmp_path / "study"
    one = Study(out, (Row("cyclegan", "cyclegan"),), 1, {"steps": 1}, Request(tmp_path / "d", tmp_path / "d"))
    with pytest.raises(DataError, match="A and B come down to the same 2 pictures"):
        compare(one)
    assert not out.exists()


def test_another_study_in_the_folder_is_refused(copied: Path, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    write_image(other / "testA" / "0.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(RunError, match="study of other images"):
        compare(study(other, copied))
    (copied / "study.json").write_text("no json", encoding="utf-8")
    with pytest.raises(RunError, match="readable JSON"):
        compare(study(data, copied))
    with pytest.raises(RunError, match="holds no study"):
        read_table(copied)


def test_scores_that_are_no_numbers_are_said_to_be_none(copied: Path) -> None:
    path = next(copied.glob("cells/cyclegan*/1/cell.json"))
    cell = read_json(path)
    cell["scores"]["last"]["scores"]["cycle_l1_a"]["value"] = None
    write_json(path, cell)
    found = read_table(copied).cells["last"]["cyclegan"]["cycle_l1_a"]
    assert len(found.seeds) == 1 and found.interval is None and "no finite number" in found.why
    path.write_text("damaged", encoding="utf-8")
    assert "JSON" in read_table(copied).missing[0][2]


@pytest.mark.sweep
def test_a_run_of_another_method_in_a_cell_is_no_run_of_it(copied: Path, data: Path) -> None:
    one, other = (next(copied.glob(f"cells/{label}*/0/run")) for label in ("cyclegan", "gan-alone"))
    shutil.rmtree(one)
    shutil.copytree(other, one)
    cell = read_json(one.parent / "cell.json")
    write_json(one.parent / "cell.json", {name: cell[name] for name in ("label", "seed", "training")})
    compare(study(data, copied))
    ((label, seed, why),) = read_table(copied).missing
    assert (label, seed) == ("cyclegan", 0) and "cycle_weight" in why and "\n" not in why


@pytest.mark.sweep
def test_without_a_validation_split_there_is_no_best(data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "other"))
    shutil.rmtree(other / "valA")
    compare(study(other, tmp_path / "x", "cyclegan", seeds=1))
    cell = read_table(tmp_path / "x").cells["best"]["cyclegan"]["cycle_l1_a"]
    assert cell.mean is None and "no validation split" in cell.why


def fake(folder: Path, values: dict[str, list[float]]) -> Path:
    """A study of made-up numbers."""
    rows = [{"label": label, "folder": label} for label in values]
    facts = {"a": "a", "b": "b", "seeds": 3, "length": {"steps": 5}, "rows": rows}
    write_json(folder / "study.json", facts)
    for label, seeds in values.items():
        for seed, value in enumerate(seeds):
            score = {"value": value, "better": "lower", "count": 7, "note": "n", "metric": "swd"}
            score |= {"direction": "a2b", "subject": "output"}
            scores = {"last": {"scores": {"swd_a2b": score}}}
            write_json(folder / "cells" / label / str(seed) / "cell.json", {"scores": scores})
    return folder


def test_what_differs_is_said_in_words(tmp_path: Path) -> None:
    values = {"one_&": [1.0, 1.1, 0.9], "two": [5.0, 5.1, 4.9], "three": [1.05, 0.95, 1.0]}
    table = read_table(fake(tmp_path / "x", values))
    (sentence,) = differences(table)
    assert "one_& and two (p = " in sentence and "two and three (p = " in sentence
    assert "The other 1 of 3 pairs do not." in sentence
    same = read_table(fake(tmp_path / "y", {"one": [1.0, 2.0, 3.0], "two": [1.1, 2.1, 2.9]}))
    assert "none of the 1 pairs" in differences(same)[0]
    alone = read_table(fake(tmp_path / "z", {"one": [1.0], "two": [2.0]}))
    assert "nothing can be said" in differences(alone)[0]


def test_formats(tmp_path: Path) -> None:
    table = read_table(fake(tmp_path / "x", {"one_&<": [1.0, 1.5, 0.5], "two": [5.0, 5.1, 4.9]}))
    rows = rows_of(table)
    assert "| one_&&lt; | 1 [-0.2421, 2.242]" in FORMATS["md"](table, rows)
    assert '<th scope="row">one_&amp;&lt;</th>' in FORMATS["html"](table, rows)
    assert "one\\_\\&< &" in FORMATS["latex"](table, rows) and "\\bottomrule" in FORMATS["latex"](table, rows)
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](table, rows))))
    last = [line for line in lines if line["row"] == "one_&<" and line["checkpoint"] == "last"]
    assert [float(value) for value in last[0]["seeds"].split()] == [1.0, 1.5, 0.5]


def test_published_numbers_are_marked_and_have_their_source(tmp_path: Path) -> None:
    assert {"cityscapes", "cityscapes_ablation", "cityscapes_pix2pix", "maps", "edges2shoes"} <= set(TABLES)
    assert all(row.source and row.values for row in PUBLISHED)
    shares = ("fcn", "label", "fooled", "preferred", "diversity")
    for row in PUBLISHED:
        assert all(0 <= v <= 1 for name, v in row.values.items() if name.startswith(shares)), row
        assert row.spreads.keys() <= row.values.keys()
    (cyclegan,) = [r for r in PUBLISHED if r.table == "cityscapes" and r.method == "CycleGAN"]
    assert cyclegan.values["fcn_iou_a2b"] == 0.11 and cyclegan.values["label_pixel_b2a"] == 0.58
    folder = fake(tmp_path / "x", {"one": [0.5, 0.6, 0.4]})
    for path in folder.glob("cells/one/*/cell.json"):
        text = path.read_text(encoding="utf-8").replace("swd_a2b", "fcn_iou_a2b")
        path.write_text(text, encoding="utf-8")
    rows = rows_of(read_table(folder), published=PUBLISHED)
    assert len([row for row in rows if MARK in row[0]]) == len(
        [r for r in PUBLISHED if "fcn_iou_a2b" in r.values]
    )


def test_published_numbers_of_every_paper() -> None:
    known = {(row.table, row.method): row for row in PUBLISHED}
    assert len(known) == len(PUBLISHED)  # no row stands twice
    night = known["viper_night", "Recycle-GAN"].values
    assert night["label_pixel_b2a"] == 0.452 and night["label_iou_b2a"] == 0.041
    assert known["viper_all", "CycleGAN"].values["fcn_normalised_a2b"] == 0.30
    maps = known["maps", "CycleGAN"]
    assert maps.values == {"fooled_a2b": 0.268, "fooled_b2a": 0.232} and maps.spreads["fooled_b2a"] == 0.034
    assert known["maps_pix2pix", "L1"].values["fooled_b2a"] == 0.028
    assert known["colours_pix2pix", "L1 + cGAN"].values == {"fooled_a2b": 0.225}
    assert known["cityscapes_fields", "pix2pix with a field of 286 px"].values["fcn_iou_a2b"] == 0.11
    assert known["edges2handbags", "MUNIT"].values == {"preferred_a2b": 0.5, "diversity_a2b": 0.175}
    assert known["edges2shoes", "real images"].values == {"diversity_a2b": 0.293}
    assert known["animals", "MUNIT"].values == {"cis_nats_a2b": 1.039, "is_nats_a2b": 1.050}
    assert (
        known["horse2zebra_fid", "CUT"].values == {"fid_a2b": 45.5}
        and not known["animals", "UNIT"].is_checked
    )
    assert {row.table for row in PUBLISHED} == set(TABLES)
    quoted = {row.source.partition(",")[0] for row in PUBLISHED if not row.is_checked}
    assert quoted == {"Recycle-GAN", "MUNIT", "CUT"}  # their tables were in no text that could be read


def test_bad_studies_are_one_line(data: Path, tmp_path: Path) -> None:
    good = study(data, tmp_path / "x")
    bad = {
        "nothing is compared": replace(good, rows=()),
        "called 'cyclegan'": replace(good, rows=(good.rows[0], good.rows[0])),
        "one length": replace(good, length={"steps": 3, "minutes": 1}),
        "Did you mean 'cyclegan'": replace(good, rows=(Row("x", "cyclgan"),)),
        "no preset": replace(good, rows=(Row("x", "cyclegan", "gan_alon"),)),
        "unknown metric": replace(good, request=replace(good.request, metrics=("kidd",))),
        "no classes|classes and none": replace(good, request=replace(good.request, metrics=("fcn",))),
    }
    for message, each in bad.items():
        with pytest.raises(SettingsError, match=message):
            compare(each)
    assert not (tmp_path / "x").exists()
    labels = LabelRequest("camvid", "a", tmp_path / "none")
    with pytest.raises(Exception, match="does not exist"):
        compare(replace(good, request=replace(good.request, metrics=("fcn",), labels=labels)))


@pytest.mark.sweep
def test_commands(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = compare_words(data, tmp_path / "x", "cyclegan")
    words += ["--variants", "cyclegan:--preset gan_alone --pool-size 2"]
    assert main(words) == 0
    assert (tmp_path / "x" / "report.html").is_file()
    config = read_json(next((tmp_path / "x").glob("cells/cyclegan---preset*/0/run/config.json")))
    assert (
        config["settings"]["method"]["pool_size"] == 2 and config["settings"]["method"]["cycle_weight"] == 0
    )
    capsys.readouterr()
    assert main(["table", str(tmp_path / "x"), "--format", "csv"]) == 0
    assert "cyclegan --preset gan_alone --pool-size 2,last,cycle_l1_a" in capsys.readouterr().out
    for wrong, message in (
        (["table", str(tmp_path)], "holds no study"),
        (["table", str(tmp_path / "x"), "--published", "citiscapes"], "Did you mean 'cityscapes'"),
        ([*words, "--variants", "cyclegan"], "has no flags"),
        ([*words, "--variants", "cyclegan:--presett x"], "unknown option"),
        ([*words, "--minutes", "2"], "one length"),
        ([*words, "--labels", str(data)], "want a palette"),
    ):
        assert main(wrong) == 2
        said = capsys.readouterr().err
        assert re.search(message, said) and said.count("\n") == 1, said
    json.dumps(config)
