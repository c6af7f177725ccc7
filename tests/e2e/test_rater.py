"""A rater in a real Chromium: by keys alone, in every language and kind, through reloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.rater_case import SCREEN, Served, answer_all, check_finished, check_screen, consent, tab_to

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("kind", "language", "scheme"),
    [
        ("preference", "en", "light"),
        ("preference", "zh-TW", "dark"),
        ("preference-video", "zh-CN", "light"),
        ("preference-video", "en", "dark"),
        ("real-or-fake", "zh-TW", "light"),
    ],
)
def test_a_rater_finishes_on_a_phone_by_keys(
    serve: Callable[..., Served], browse: Callable[..., Any], kind: str, language: str, scheme: str
) -> None:
    served, page = serve(kind), browse(locale=language, color_scheme=scheme)
    consent(page, served.links[0])
    assert page.eval_on_selector("html", "one => one.lang") == language
    seen = answer_all(page, served)
    rater, _ = served.stored()
    assert rater.completion and rater.completion in seen["end"] and rater.language == language
    assert seen["feedback"].startswith("✓")
    check_finished(served)
    if language != "en":
        for text in seen.values():
            words = text.replace(rater.completion, "").replace(str(rater.deletion), "")
            assert not re.search("[A-Za-z]{3,}", words), text
    assert page.complaints == []


def test_a_practice_that_is_started_twice_runs_once(
    serve: Callable[..., Served], browse: Callable[..., Any]
) -> None:
    """By two clicks, or by Enter again: frames are timed before the first trial stands there."""
    served, page = serve("real-or-fake"), browse(locale="en")
    page.goto(served.links[0])
    page.check("#agreed")
    page.click("button.primary")
    page.wait_for_selector(".example figure")
    page.evaluate("() => { const go = document.querySelector('button.primary'); go.click(); go.click(); }")
    page.wait_for_selector(".choices")
    page.wait_for_timeout(3000)
    assert len(page.query_selector_all(".choices")) == 1
    answer_all(page, served, looks=False)
    check_finished(served)


def test_a_wide_window_at_twice_the_size(serve: Callable[..., Served], browse: Callable[..., Any]) -> None:
    served = serve("preference")
    page = browse(640, 360, device_scale_factor=2, locale="en")  # 1280 × 720 at 200 %
    consent(page, served.links[0])
    answer_all(page, served)
    check_finished(served)
    assert page.complaints == []


def test_reloads_anywhere_lose_and_double_nothing(
    serve: Callable[..., Served], browse: Callable[..., Any]
) -> None:
    served, page = serve("real-or-fake"), browse(locale="en")

    def in_exposure() -> None:
        page.reload()
        page.wait_for_selector(".stage img:not(.hidden)")
        page.reload()

    def before_sending() -> None:
        """The answer cannot be sent, the page is loaded anew: it is kept and sent then."""
        page.route("**/answers", lambda route: route.abort())
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("() => document.getElementById('status').textContent !== ''")
        page.unroute("**/answers")
        before = len(served.stored()[1])
        page.reload()
        page.wait_for_function(SCREEN)
        assert len(served.stored()[1]) == before + 1

    def server_gone() -> None:
        served.server.kill()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => document.getElementById('status').textContent !== ''")
        served.server.start()
        page.wait_for_function("() => document.getElementById('status').textContent === ''")

    consent(page, served.links[0])
    answer_all(
        page, served, at={2: page.reload, 5: in_exposure, 12: before_sending, 15: server_gone}, looks=False
    )
    check_finished(served)
    page.go_back(wait_until="commit")
    page.goto(served.links[0])
    page.wait_for_selector("#completion")  # and a month later it still says so


def test_withdrawing_and_a_second_browser(serve: Callable[..., Served], browse: Callable[..., Any]) -> None:
    served, page, other = serve("preference"), browse(locale="en"), browse(locale="zh-CN")
    consent(page, served.links[0])
    other.goto(served.links[0])
    other.wait_for_selector("h1")
    assert not re.search("[A-Za-z]{3,}", other.text_content("#screen"))
    check_screen(other)
    assert other.query_selector("button") is None
    answer_all(page, served, looks=False)
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#code", state="visible")
    tab_to(page, "#code")
    page.keyboard.type("WRONG")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('details [role=status]').textContent !== ''")
    check_screen(page)
    page.fill("#code", served.stored()[0].deletion)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('details') === null")
    assert served.stored()[1] == [] and served.stored()[0].withdrawn is not None
    page.reload()
    page.wait_for_selector("h1")
    assert "deleted" in page.text_content("h1")
    assert [text for text in page.complaints if "403" not in text] == []


@pytest.mark.parametrize("kind", ["preference", "preference-video"])
def test_stimuli_that_a_browser_cannot_show_are_not_judged(
    serve: Callable[..., Served], browse: Callable[..., Any], kind: str
) -> None:
    served, page = serve(kind), browse(locale="en")
    page.route("**/stimuli/*", lambda route: route.fulfill(body=b"neither an image nor a clip"))
    page.goto(served.links[0])
    page.check("#agreed")
    page.click("button.primary")
    page.wait_for_function("() => document.querySelector('h1').textContent.includes('cannot show')")
    check_screen(page)
    assert page.query_selector("button") is None and served.stored()[1] == []


def test_a_lost_answer_to_begin_shuts_nobody_out(
    serve: Callable[..., Served], browse: Callable[..., Any]
) -> None:
    """The server gave the place, and the network lost the answer: the same browser begins again."""
    served, page = serve("preference"), browse(locale="en")

    def lose(route: Any) -> None:
        route.fetch()
        route.abort()

    page.goto(served.links[0])
    page.route("**/begin", lose)
    page.check("#agreed")
    page.click("button.primary")
    page.wait_for_function("() => document.getElementById('status').textContent !== ''")
    assert served.stored()[0].token is not None
    page.unroute("**/begin")
    page.context.clear_cookies()
    page.reload()
    page.wait_for_selector("#agreed")
    page.check("#agreed")
    page.click("button.primary")
    page.wait_for_selector("button.primary[autofocus]")
