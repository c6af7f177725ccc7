"""The languages of our pages: English sentences are the keys, other languages are JSON catalogues."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh-TW", "zh-CN")
NAMES = {"en": "English", "zh-TW": "繁體中文", "zh-CN": "简体中文"}


@cache
def catalogue(folder: Path, language: str) -> dict[str, str]:
    """English sentence to the sentence in a language; empty for English.

    Args:
        folder: with a file for each language but English.
        language: one of `LANGUAGES`.
    """
    if language == "en":
        return {}
    return dict(json.loads((folder / f"{language}.json").read_text(encoding="utf-8")))


def preferred_language(header: str) -> str:
    """The language that a browser asks for, of those that there are.

    >>> preferred_language("zh-HK,zh;q=0.9"), preferred_language("zh"), preferred_language("fr")
    ('zh-TW', 'zh-CN', 'en')
    """
    for part in header.split(","):
        tag = part.partition(";")[0].strip().lower()
        if tag.startswith(("zh-tw", "zh-hk", "zh-mo", "zh-hant")):
            return "zh-TW"
        if tag == "zh" or tag.startswith("zh-"):
            return "zh-CN"
        if tag == "en" or tag.startswith("en-"):
            return "en"
    return "en"


class Words:
    """Sentences of a page in one language.

    Args:
        folder: of the catalogues.
        language: one of `LANGUAGES`.
    """

    def __init__(self, folder: Path, language: str) -> None:
        self.language, self.table = language, catalogue(folder, language)

    def __call__(self, text: str, **values: Any) -> str:
        """A sentence, with `{name}` replaced by a value and `{name|one|many}` by the form for a number.

        >>> Words(Path(), "en")("{count|run|runs} of {count}", count=1)
        'run of 1'
        """
        return filled(self.table.get(text, text), values)

    def said(self, text: str) -> str | None:
        """An error in this language; None where it is one that the catalogue does not have.

        What an error says of this moment (names, counts) stands in the catalogue as `{0}`, `{1}` ...

        Args:
            text: what it says in English, whole.

        >>> words = Words(Path(), "en")
        >>> words.table = {"{0} is there already": "已經有{0}了"}
        >>> words.said("clip.mp4 is there already")
        '已經有clip.mp4了'
        """
        if self.language == "en" and not self.table:
            return text
        if text in self.table:
            return self.table[text]
        for pattern, sentence in _patterns(tuple(self.table.items())):
            if found := pattern.fullmatch(text):
                return filled(sentence, {str(at): value for at, value in enumerate(found.groups())})
        return None


@cache
def _patterns(table: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    """What finds the errors that have values, the one with the most words of its own first."""
    having = [(key, sentence) for key, sentence in table if "{0}" in key]
    having.sort(key=lambda item: -len(re.sub(r"\{\d\}", "", item[0])))
    return [
        (re.compile("(.+?)".join(map(re.escape, re.split(r"\{\d\}", key))), re.DOTALL), sentence)
        for key, sentence in having
    ]


def filled(text: str, values: dict[str, Any]) -> str:
    """The text with its `{name}` and `{name|one|many}` replaced; other names stay.

    >>> filled("{n} {n|file|files} in {where}", {"n": 3, "where": "a"})
    '3 files in a'
    """

    def value(found: re.Match[str]) -> str:
        name, one, many = found[1], found[2], found[3]
        if name not in values:
            return found[0]
        return str(values[name]) if one is None else one if values[name] == 1 else many

    return re.sub(r"\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}", value, text)
