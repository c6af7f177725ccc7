"""Command lines from settings: every field is an option, its docstring the help, checked by its model."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shutil
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from reskin.cli.streams import show_text
from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.parsing import FLAGS, Spelled, group_of, is_basic, parse_flat, spelling
from reskin.unknown import unknown

T = TypeVar("T", bound=Settings)

MOST_IN_SHORT_HELP = 12
_HELP = ("-h", "--help", "--help-all")


@dataclass(frozen=True)
class Option:
    """One field of a command's settings.

    Attributes:
        name: of the field.
        info: its type, default and help.
        group: the model that it belongs to.
        is_inside: whether that is a group inside the command's own settings.
    """

    name: str
    info: FieldInfo
    group: type[Settings]
    is_inside: bool = False

    @property
    def typed(self) -> str:
        """How it is typed: "--cycle-weight", or "RUN" for a word without a flag."""
        return spelling(self.name, self.info)

    @property
    def has_flag(self) -> bool:
        """Whether it is typed after a flag; otherwise its position says what it is."""
        return self.typed.startswith("--")

    @property
    def kind(self) -> Any:
        """Its type, without "or None"."""
        kind = self.info.annotation
        if get_origin(kind) in (Union, types.UnionType):
            kinds = [each for each in get_args(kind) if each is not type(None)]
            return kinds[0] if len(kinds) == 1 else kind
        return kind

    @property
    def switch(self) -> Spelled | None:
        """What it stands for without a word behind it, where it may be typed so."""
        return next((item for item in self.info.metadata if isinstance(item, Spelled) and item.alone), None)

    @property
    def takes_many(self) -> bool:
        """Whether any number of words may follow."""
        return get_origin(self.kind) is tuple and get_args(self.kind)[-1] is Ellipsis

    @property
    def length(self) -> int:
        """Words that follow, where the number is fixed; 0 for a switch."""
        if self.kind is bool:
            return 0
        return len(get_args(self.kind)) if get_origin(self.kind) is tuple else 1


def options_of(kind: type[Settings], *, is_inside: bool = False) -> list[Option]:
    """The options of a command, those of the groups inside it too."""
    found = []
    for name, info in kind.model_fields.items():
        group = group_of(info)
        found += options_of(group, is_inside=True) if group else [Option(name, info, kind, is_inside)]
    return found


def parse(
    kind: type[T],
    words: list[str],
    *,
    command: str,
    merge: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> T:
    """The settings that were typed.

    Args:
        kind: the settings of the command; their docstrings are the help.
        words: what was typed after the command.
        command: such as "reskin translate", for the help and errors.
        merge: gives all values for those that were typed, where a preset may stand below them.

    Raises:
        SettingsError: one line that says what is wrong and what to do.
        SystemExit: the help was asked for and has been printed.
    """
    options = options_of(kind)
    about = inspect.getdoc(kind) or ""
    given = read_words(options, words, command=command, about=about)
    with see_help(command):
        values = merge(given) if merge else given
        check_missing(options, values)
        return parse_flat(kind, values, source=FLAGS)


def read_words(
    options: Sequence[Option],
    words: list[str],
    *,
    command: str,
    about: str,
    defaults: Mapping[str, Any] | None = None,
    elsewhere: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """What was typed, by field name, as text: how many words is checked, what they say is not.

    Args:
        options: of the command.
        words: what was typed after the command.
        command: for the help and errors.
        about: what the command does, with its examples.
        defaults: values instead of the models' own, for the help.
        elsewhere: for the name of a field that this command does not have, what to type instead; "" where
            nothing is known.

    Raises:
        SettingsError: an unknown option (with the nearest known one) or a word too few or too many.
        SystemExit: the help was asked for and has been printed.
    """
    before, after = _parted(words)
    if asked := [word for word in before if word in _HELP]:
        show_text(help_text(options, command, about, defaults or {}, everything="--help-all" in asked))
        raise SystemExit(0)
    before = [re.sub(r"^--[a-z0-9_-]+", lambda found: found[0].replace("_", "-"), word) for word in before]
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for option in options:
        if option.has_flag:
            _add(parser, option)
    with see_help(command):
        found, rest = parser.parse_known_args(before)
        for word in rest:
            if re.match(r"-+[A-Za-z]", word):
                raise _unknown_option(word.partition("=")[0], options, command, elsewhere)
        given = vars(found)
        _take_positions([option for option in options if not option.has_flag], [*rest, *after], given)
        for option in options:
            if option.kind is Path and given.get(option.name) == "":
                raise SettingsError(f"{option.typed} is empty")
            if option.name in given and Path in (option.kind, *get_args(option.kind)):
                given[option.name] = _at_home(given[option.name])
            choices = {str(choice): choice for choice in _choices(option.kind)}
            if option.name in given:
                given[option.name] = choices.get(str(given[option.name]), given[option.name])
    return given


def _unknown_option(
    flag: str, options: Sequence[Option], command: str, elsewhere: Callable[[str], str] | None
) -> SettingsError:
    """The error for a flag that the command does not have: its name today, who has it, or the nearest."""
    name = flag.lstrip("-").removeprefix("no-").replace("-", "_")
    for option in options:
        if option.group.renamed.get(name) == option.name:
            return SettingsError(f"unknown option '{flag}'", f"It is called {option.typed} today.")
    fix = elsewhere(name) if elsewhere else ""
    if fix:
        return SettingsError(f"unknown option '{flag}'", fix)
    flags = [option.typed for option in options if option.has_flag]
    return unknown("option", flag, flags, fix=f"See: {command} --help-all")


def _at_home(typed: Any) -> Any:
    """A path, or several, with ~ as the home folder: a shell leaves it in --out=~/runs and in quotes."""
    if isinstance(typed, list):
        return [_at_home(each) for each in typed]
    return os.path.expanduser(typed) if str(typed).startswith("~") else typed


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values that a type allows by name; some are numbers, which words are not."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def picture_size(text: str) -> tuple[int, int]:
    """Height and width, px, of what was typed after --size.

    Raises:
        SettingsError: it is no width and height.

    >>> picture_size("1280x720")
    (720, 1280)
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if found is None:
        raise SettingsError(f"--size {text}", "Give WIDTHxHEIGHT, such as 1280x720.")
    return int(found[2]), int(found[1])


def check_missing(options: Sequence[Option], values: Mapping[str, Any]) -> None:
    """Refuse to go on without what a command needs.

    Raises:
        SettingsError: all that is missing, by name.
    """
    missing = [
        option.typed for option in options if option.info.is_required() and values.get(option.name) is None
    ]
    if missing:
        raise SettingsError(f"missing: {', '.join(missing)}")


@contextmanager
def see_help(command: str) -> Iterator[None]:
    """Send whoever typed something wrong to the help, where the error itself says nothing better."""
    try:
        yield
    except SettingsError as error:
        if error.fix:
            raise
        raise SettingsError(error.what, f"See: {command} --help") from None


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message.removeprefix("argument ").replace("/--no-", " or --no-"))


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before and after "--", behind which nothing is an option."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    if option.kind is bool:
        parser.add_argument(option.typed, dest=option.name, action=argparse.BooleanOptionalAction)
    elif option.switch:
        alone, opposite = option.switch.alone, f"--no-{option.typed.removeprefix('--')}"
        parser.add_argument(option.typed, dest=option.name, nargs="?", const=alone)
        parser.add_argument(opposite, dest=option.name, action="store_const", const=option.switch.negated)
    elif option.takes_many:
        parser.add_argument(option.typed, dest=option.name, nargs="*")
    elif get_origin(option.kind) is tuple:
        parser.add_argument(option.typed, dest=option.name, nargs=option.length)
    else:
        parser.add_argument(option.typed, dest=option.name)


def _take_positions(options: list[Option], words: list[str], given: dict[str, Any]) -> None:
    """Give the words without a flag to the fields, in order; one that takes many takes all the rest."""
    left = list(words)
    for option in options:
        if option.takes_many and left:
            given[option.name], left = left, []
        elif left:
            given[option.name] = left.pop(0)
    if left:
        raise SettingsError(f"one word too many: '{left[0]}'")


def help_text(
    options: Sequence[Option], command: str, about: str, defaults: Mapping[str, Any], *, everything: bool
) -> str:
    """The help: what the command does, its words, its options, examples.

    Args:
        options: of the command.
        command: its name.
        about: its docstring.
        defaults: values instead of the models' own.
        everything: all options, by group, instead of the few that people turn.
    """
    width = max(60, min(110, shutil.get_terminal_size((100, 24)).columns))
    text, examples = _without_examples(about)
    positions = [option for option in options if not option.has_flag]
    flags = [option for option in options if option.has_flag]
    shown = (
        flags if everything or len(flags) <= MOST_IN_SHORT_HELP else [o for o in flags if is_basic(o.info)]
    )
    needed = [_with_value(option) for option in flags if option.info.is_required()]
    usage = " ".join(["usage:", command, *(_position(option) for option in positions), *needed, "[OPTIONS]"])
    parts = [usage, *(textwrap.fill(each, width) for each in text.split("\n\n"))]
    sections = [("arguments", positions), *_sections(shown, everything=everything)]
    for title, of_section in sections:
        if of_section:
            lines = [line for option in of_section for line in _described(option, defaults, width)]
            parts.append("\n".join([f"{title}:", *lines]))
    if len(shown) < len(flags):
        parts.append(f"{len(flags) - len(shown)} more options: {command} --help-all")
    return "\n\n".join([*parts, *([examples] if examples else [])])


def _sections(options: list[Option], *, everything: bool) -> list[tuple[str, list[Option]]]:
    """Options under headings: all under one in the short help, else by the model that they belong to."""
    if not everything:
        return [("options", options)]
    groups = {option.group: [each for each in options if each.group is option.group] for option in options}
    titles = [_title(group) if option.is_inside else "options" for group, (option, *_) in groups.items()]
    return list(zip(titles, groups.values(), strict=True))


def _title(group: type[Settings]) -> str:
    """The heading of a group: the first sentence of its docstring."""
    text = " ".join((inspect.getdoc(group) or group.__name__).split("\n\n")[0].split())
    return re.split(r"[.;:]( |$)", text)[0]


def _without_examples(about: str) -> tuple[str, str]:
    """A docstring's prose, and its examples with their heading."""
    found = re.search(r"^examples:$", about, re.MULTILINE | re.IGNORECASE)
    if not found:
        return about.strip(), ""
    return about[: found.start()].strip(), f"Examples:{about[found.end() :]}".rstrip()


def _position(option: Option) -> str:
    name = option.typed + ("..." if option.takes_many else "")
    return name if option.info.is_required() else f"[{name}]"


def _with_value(option: Option, default: Any = None) -> str:
    """An option and what follows it, as the help shows it."""
    if option.kind is bool:
        return option.typed if default is not True else f"--no-{option.typed.removeprefix('--')}"
    if not option.has_flag:
        return option.typed
    return f"{option.typed} {_value_name(option.kind)}"


def _value_name(kind: Any) -> str:
    """What stands for a value: INT, PATH, {a2b,b2a}, FLOAT FLOAT, PATH..."""
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if items[-1] is Ellipsis:
            return f"{_value_name(items[0])}..."
        return " ".join(map(_value_name, items))
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join(_value_name(each) for each in get_args(kind) if each is not type(None))
    names = {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH"}
    return names.get(kind, str(getattr(kind, "__name__", "VALUE")).upper())


def _described(option: Option, defaults: Mapping[str, Any], width: int) -> list[str]:
    """The lines of one option: its name, and beside or below it what it does and its default."""
    default = defaults.get(option.name, option.info.get_default(call_default_factory=True))
    text = " ".join((option.info.description or "").split())
    if option.info.is_required():
        text += " (required)" if option.has_flag else ""
    elif option.kind is not bool and default not in (None, (), ""):
        words = " ".join(map(str, default)) if isinstance(default, tuple) else default
        text += f" (default: {words})"
    name, indent = f"  {_with_value(option, default)}", 24
    lines = textwrap.wrap(text, width - indent, break_on_hyphens=False, break_long_words=False)
    beside = lines.pop(0) if lines and len(name) < indent - 1 else ""
    return [f"{name:<{indent}}{beside}".rstrip(), *(" " * indent + line for line in lines)]
