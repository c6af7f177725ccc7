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
