"""The languages of the studio: every sentence, and every error of its own, in each of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.studio_case import BASE, JSON, Case

import reskin.storage
from reskin.errors import ReskinError
from reskin.web.studio import app, jobs
from reskin.web.studio.app import WORDS
from reskin.web.studio.jobs import State
from reskin.web.words import Words, catalogue

HERE = Path(app.__file__).parent
LANGUAGES = ("zh-TW", "zh-CN")
CHARACTERS = {"zh-TW": "big5", "zh-CN": "gb2312"}
"""Sets that have no character of the other script."""
ERRORS = {
    *("SettingsError", "RunError", "StorageError", "DataError", "VersionError", "Refused"),
    *("TooLargeError", "OutOfTurnError"),
}
COMMANDS = {  # what is said by our own commands, and is English everywhere
    ("methods.py", "(last[-1] if last else f'`reskin {name}` failed').removeprefix('reskin: ')"),
    ("studio.py", "fault"),
    ("curate_api.py", "fault['what']"),
    ("curate_api.py", "fault['fix']"),
}


def test_languages(case: Case) -> None:
    assert 'lang="zh-TW"' in case.client.get("/", headers={"accept-language": "zh-HK"}).text
    case.client.cookies.set("reskin-language", "zh-CN")
    text = case.client.get("/").text
    assert 'lang="zh-CN"' in text and "首页" in text
    case.client.cookies.set("reskin-language", "<x>")
    assert 'lang="en"' in case.client.get("/").text


def sentences() -> set[str]:
    """Every text that the templates and scripts show."""
    found = {*State.__args__, "complete", "unreadable"}  # type: ignore[attr-defined]
    for file in (*HERE.glob("templates/*.html"), *HERE.glob("static/*.js")):
        quoted = r"""\bt\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
        found |= {ast.literal_eval(text) for text in re.findall(quoted, file.read_text(encoding="utf-8"))}
    return found


def templates(node: ast.expr, scope: ast.AST) -> Iterator[str]:
    """What a text may be, with {0}, {1} ... for its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        values = iter(range(10))
        yield "".join(
            str(one.value) if isinstance(one, ast.Constant) else f"{{{next(values)}}}" for one in node.values
        )
    elif isinstance(node, ast.IfExp):
        yield from templates(node.body, scope)
        yield from templates(node.orelse, scope)
    elif isinstance(node, ast.Name):
        for one in ast.walk(scope):
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == node.id:
                yield from templates(one.value, scope)


def texts_in(scope: ast.AST) -> Iterator[ast.expr]:
    """The arguments of errors, and the values of `what` and `fix`."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            yield from (
                one for one in node.args if not (isinstance(one, ast.Constant) and isinstance(one.value, int))
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_said":
            yield from (one for one in node.args if isinstance(one, ast.JoinedStr))
            yield from (
                one
                for one in node.args
                if isinstance(one, ast.Constant) and str(one.value).strip("0123456789")
            )
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if (
                    isinstance(key, ast.Constant)
                    and key.value in ("what", "fix")
                    and not isinstance(value, ast.Attribute)
                ):
                    yield value


def errors() -> set[str]:
    """Every error that the server itself makes, as the catalogues have it."""
    found, unknown = set(WORDS.values()), set()
    for file in sorted(HERE.glob("*.py")):
        for scope in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or scope.name in (
                "error_facts",
                "fields",
            ):
                continue
            for text in texts_in(scope):
                made = set(templates(text, scope))
                found |= made
                if not made and ast.unparse(text) not in ("what", "fix", "said"):
                    unknown.add((file.name, ast.unparse(text)))
    assert unknown == COMMANDS
    tree = ast.parse(Path(reskin.storage.__file__).read_text(encoding="utf-8"))
    refused = next(
        one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "storage_error"
    )
    found |= {made for text in texts_in(refused) for made in templates(text, refused)}
    return found


def check(words: dict[str, str], wanted: set[str], language: str) -> None:
    """All there, none left over, the same values, and no character of the other script."""
    assert set(words) == wanted
    for english, text in words.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", english)), english
        "".join(re.findall(r"[\u4e00-\u9fff]", text)).encode(CHARACTERS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    check(catalogue(HERE / "words", language), sentences(), language)


@pytest.mark.sweep
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_of_the_server_is_there_in_every_language(language: str) -> None:
    check(catalogue(HERE / "words" / "errors", language), errors(), language)


def test_an_error_is_found_by_its_words_and_keeps_its_values() -> None:
    words = Words(HERE / "words" / "errors", "zh-TW")
    assert words.said("film (1).mp4 is there already") == "已經有film (1).mp4了".replace(
        "有film", "有 film"
    ).replace("4了", "4 了")
    assert words.said("data/a is wanted by the job data/b is empty") == "工作 data/b is empty 需要 data/a"
    assert words.said("--batch 0: Input should be greater than or equal to 1") is None
    assert Words(HERE, "en").said("any text") == "any text"


def test_errors_are_in_the_language_of_the_page_and_say_in_which_they_are(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.client.cookies.set("reskin-language", "zh-TW")
    refused = case.post("/api/jobs", **case.form(name="a/b")).json()["error"]
    assert refused["what"] == "這不能當資料夾名稱" and refused["lang"] == "zh-TW" and "字母" in refused["fix"]
    gone = case.client.get("/nothing")
    assert gone.status_code == 404 and '<h1 lang="zh-TW">這裡沒有任何內容。</h1>' in gone.text

    def refuses(*_: Any) -> None:
        raise ReskinError("--batch 0: too small", "Give more.")

    monkeypatch.setattr(case.studio.checker, "fault", refuses)
    own = case.post("/api/jobs", **case.form()).json()["error"]
    assert own == {"what": "--batch 0: too small", "fix": "Give more.", "lang": "en"}
    wrong = case.client.post("/login", headers=JSON | {"origin": BASE}, json={"token": "x"}).json()["error"]
    assert wrong["lang"] == "zh-TW" and "連結" in wrong["what"]


def test_states_have_words() -> None:
    assert set(jobs._STATES.values()) <= set(State.__args__)  # type: ignore[attr-defined]
