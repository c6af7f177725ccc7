"""Every command line is built from settings: short help, long help, and each way of typing an option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from reskin.cli.main import COMMANDS, KINDS, main
from reskin.cli.options import parse
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.methods import trained_names
from reskin.parsing import Spelled

WORDS = [
    *([command] for command in COMMANDS if command != "train" and command not in KINDS),
    *([command, kind] for command, kinds in KINDS.items() for kind in kinds),
    *(["train", method] for method in trained_names()),
]


def printed_help(words: list[str], flag: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*words, flag])
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
@pytest.mark.thinned(5)
def test_short_help_has_at_most_twelve_options_and_long_help_all(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    short, long = (printed_help(words, flag, capsys) for flag in ("--help", "--help-all"))
    shown, all_of_them = (re.findall(r"^  (--[a-z0-9-]+)", text, re.MULTILINE) for text in (short, long))
    assert len(shown) <= 12 and set(shown) <= set(all_of_them)
    assert len(set(all_of_them)) == len(all_of_them)
    left = len(all_of_them) - len(shown)
    assert (f"{left} more options: reskin {' '.join(words)} --help-all" in short) == bool(left)
    assert "None}" not in long and "(default: )" not in long and "(default: None)" not in long


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
@pytest.mark.thinned(5, first=1)
def test_every_option_says_what_it_does(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = printed_help(words, "--help-all", capsys).split("\nExamples:")[0]
    entries = re.split(r"^  (?=--)", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        meaning = re.sub(
            r"\(default: .*?\)|\(required\)|^--\S+( \{\S+\}| [A-Z|. ]+(?=\s))?", "", entry, flags=re.S
        )
        assert len(" ".join(meaning.split())) >= 15, entry


class Inner(Settings):
    """How much."""

    weight: float = Field(default=1.0, ge=0)
    """Weight of something."""
    flip: bool = True
    """Mirror half of it."""
    chances: tuple[float, float] = (0.5, 0.5)
    """Two chances."""
    size: Literal[32, 64] = 32
    """One of two sizes."""


class Example(Settings):
    """Try everything.

    Examples:
      reskin try a b --out c
    """

    sources: Annotated[tuple[Path, ...], Spelled(position="SOURCE")]
    """Some sources."""
    out: Path
    """Where to."""
    begin: Annotated[int | None, Spelled("from")] = None
    """Where to begin."""
    names: tuple[str, ...] = ()
    """Some names."""
    compile: Annotated[bool, BASIC] = False
    """Compile it first."""
    inner: Inner = Inner()
    """The rest."""


def typed(*words: str) -> Example:
    return parse(Example, list(words), command="reskin try")


def test_every_way_of_typing() -> None:
    made = typed(
        "a",
        "--out=c",
        "b",
        "--from",
        "3",
        "--no-flip",
        "--weight=-0",
        "--chances",
        "0.1",
        "0.9",
        "--size",
        "64",
    )
    assert made.sources == (Path("a"), Path("b")) and made.out == Path("c") and made.begin == 3
    assert made.inner == Inner(flip=False, weight=0.0, chances=(0.1, 0.9), size=64)
    made = typed(
        "a", "--out", "b", "--out", "c", "--compile", "--no-compile", "--names", "x", "y", "--names", "z"
    )
    assert made.out == Path("c") and made.compile is False and made.names == ("z",)  # the last one counts
    assert typed("--out", "c", "--", "--from", "a").sources == (Path("--from"), Path("a"))
    assert typed("a", "--out", "c").inner.weight == 1.0
    made = typed("a", "--out", "c", "--names")
    assert made.names == ()


def test_underscores_are_understood() -> None:
    class Long(Settings):
        """Long names."""

        long_name: str = "x_y"
        """A name."""

    assert parse(Long, ["--long_name", "a_b"], command="reskin try").long_name == "a_b"
    assert parse(Long, ["--long_name=a_b"], command="reskin try").long_name == "a_b"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], "missing: --out. See: reskin try --help"),
        ([], "missing: SOURCE, --out."),
        (["a", "--out", "c", "--wieght", "3"], "unknown option '--wieght'. Did you mean '--weight'?"),
        (["a", "--out", "c", "--wieght=3"], "unknown option '--wieght'. Did you mean '--weight'?"),
        (["a", "--out", "c", "--no-flpi"], "unknown option '--no-flpi'. Did you mean"),
        (["a", "--out", "c", "-x"], "unknown option '-x'."),
        (["a", "--out", "c", "--weight", "-1"], "--weight -1: Input should be greater than or equal to 0."),
        (["a", "--out", "c", "--weight", "nan"], "--weight nan: Input should be a finite number"),
        (["a", "--out", "c", "--weight", "inf"], "--weight inf: Input should be a finite number"),
        (["a", "--out", "c", "--from", "two"], "--from two: Input should be a valid integer"),
        (["a", "--out", "c", "--size", "33"], "--size 33: Input should be 32 or 64"),
        (["a", "--out", "c", "--weight"], "--weight: expected one argument"),
        (["a", "--out", "c", "--chances", "1"], "--chances: expected 2 arguments"),
        (["a", "--out", "c", "--chances", "1", "x"], "--chances x: Input should be a valid number"),
        (["a", "--out", "c", "--flip=no"], "--flip or --no-flip: ignored explicit argument 'no'"),
        (["a", "--out", ""], "--out is empty"),
    ],
)
def test_mistakes_are_one_line(words: list[str], expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        typed(*words)
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert "reskin try --help" in str(error.value)


def test_one_word_too_many_is_named() -> None:
    class Two(Settings):
        """Two words."""

        first: Annotated[str, Spelled(position="FIRST")]
        """The first."""
        second: Annotated[str, Spelled(position="SECOND")] = "x"
        """The second."""

    assert parse(Two, ["a"], command="reskin try").second == "x"
    with pytest.raises(SettingsError, match="one word too many: 'c'"):
        parse(Two, ["a", "b", "c"], command="reskin try")


def test_the_help_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--help")
    text = capsys.readouterr().out
    assert text.startswith("usage: reskin try SOURCE... --out PATH [OPTIONS]\n\nTry everything.\n")
    for line in (
        "--out PATH",
        "--from INT",
        "--names TEXT...",
        "--no-flip",
        "--size {32,64}",
        "(default: 32)",
    ):
        assert line in text
    assert text.rstrip().endswith("Examples:\n  reskin try a b --out c")


def test_a_value_of_a_file_or_preset_is_named_with_where_it_stands(tmp_path: Path) -> None:
    from reskin.runs.settings import gather_settings

    def fault(given: dict[str, Any], **more: Any) -> str:
        with pytest.raises(SettingsError) as error:
            gather_settings("cyclegan", more.get("config"), {"a": "a", "b": "b", **given})
        return str(error.value)

    config = tmp_path / "c.json"
    config.write_text('{"batch": 0, "seed": null}', encoding="utf-8")
    assert f"'batch' in {config}: Input should be greater than or equal to 1 (got 0)" in fault(
        {}, config=config
    )
    assert "'seed' in settings: Input should be greater" in fault({"seed": -1, "batch": 1}, config=config)
    assert gather_settings("cyclegan", config, {"a": "a", "b": "b", "batch": 2}).train.batch == 2
    assert "missing: --b" in fault({"b": None})
