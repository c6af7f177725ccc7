"""Names and patterns given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from reskin.curation.screen.manual import (
    ByHand,
    Patterns,
    Verdict,
    check_encoded,
    in_set,
    read_patterns,
    read_verdicts,
)
from reskin.errors import SettingsError


def test_lists_are_read_from_files_and_words(tmp_path: Path) -> None:
    names = tmp_path / "bad.txt"
    names.write_text("\ufeffa.png\n\n# seen by Ann\n  ep1-*  \n", encoding="utf-8")
    picture = tmp_path / "x.png"
    picture.write_bytes(b"")
    found = read_patterns([str(names), "ep2\\*", "./b.png", str(picture), "a.png"])
    assert found == ("a.png", "ep1-*", "ep2/*", "b.png", picture.as_posix())


def test_lists_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    names = tmp_path / "bad.txt"
    names.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_patterns([str(names)])
    with pytest.raises(SettingsError, match="empty"):
        read_patterns([" "])


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("a1.png", ["train/a1.png", "test/deep/a1.png"]),
        ("train/a1.png", ["train/a1.png"]),
        ("train", ["train/a1.png", "train/b[1].png"]),
        ("train/", ["train/a1.png", "train/b[1].png"]),
        ("*/a?.png", ["train/a1.png", "test/deep/a1.png"]),
        ("b[1].png", ["train/b[1].png"]),
        ("A1.png", []),
    ],
)
def test_patterns_fit_paths_names_and_folders(pattern: str, fitting: list[str]) -> None:
    patterns = Patterns([pattern])
    files = ["train/a1.png", "train/b[1].png", "test/deep/a1.png"]
    assert [file for file in files if patterns.fits(file)] == fitting
    assert patterns.unused() == ([] if fitting else [pattern])


def test_the_newest_list_counts() -> None:
    stored = ByHand.stored({"keep": ["a"], "drop": ["b", "c"], "verdicts": {"a": "drop", "d": "keep"}})
    assert stored.with_newer(["b"], ["a"]) == ByHand(("b",), ("c", "a"), {"d": "keep"})
    assert ByHand.stored(None).with_newer([], []) == ByHand()
    assert ByHand.stored(stored.to_dict()) == stored


def test_many_names_are_looked_up_not_tried_one_by_one() -> None:
    """10,000 names and 20,000 pictures: no pattern is compiled for a name, so none is tried."""
    patterns = Patterns([f"train/{number:05d}.png" for number in range(10_000)] + ["a[1].png"])
    assert list(patterns._patterns) == ["a[1].png"]
    assert sum(patterns.fits(f"train/{number:05d}.png") for number in range(20_000)) == 10_000
    assert patterns.fits("val/a[1].png") and patterns.fits("a1.png") and patterns.unused() == []


def test_verdicts_are_read_by_exact_name(tmp_path: Path) -> None:
    table = tmp_path / "verdicts.csv"
    table.write_text(
        "\ufefffile,why,verdict\r\ntrain/a[1].png,,drop\r\n./b.png,,KEEP\r\nc.png,,none\r\nd.png,,\r\n",
        encoding="utf-8",
    )
    found = read_verdicts(table)
    assert in_set(found, ["b.png", "train/a[1].png"], "data/") == {"train/a[1].png": "drop", "b.png": "keep"}


def test_a_name_that_a_picture_has_is_taken_as_it_is() -> None:
    files = [" a.png", "b\\c.png", "e\udcff.png", "f.png"]
    written: dict[str, Verdict] = {
        " a.png": "drop",
        "b\\c.png": "keep",
        "e\udcff.png": "drop",
        "data\\f.png ": "keep",
    }
    assert in_set(written, files, "data/") == dict(zip(files, written.values(), strict=True))
    with pytest.raises(SettingsError, match="two verdicts"):
        in_set({"f.png": "keep", "./f.png": "drop"}, files, "data/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,verdict\na.png,maybe\n", "row 2.*maybe"),
        ("file,verdict\na.png,\nb.png,drop,more\n,drop\n", "row 4"),
        ("file,verdict\na.png,drop\nb.png\n", "row 3: no verdict"),
        ('file,verdict\na.png,drop\n"b.png,drop\nc.png,drop\n', "cannot be read"),  # it took both rows
        ("file,verdict\na.png,keep\na.png,drop\n", "row 3.*two verdicts"),
        ("a.png,drop\n", "columns file and verdict"),
        ("", "columns file and verdict"),
    ],
)
def test_tables_of_verdicts_that_say_nothing_clear_are_refused(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "verdicts.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        read_verdicts(table)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_verdicts(tmp_path / "missing.csv")
    with pytest.raises(SettingsError, match="no UTF-8"):
        check_encoded(["a.png", "\udcff"], table)
