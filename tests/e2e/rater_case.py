"""A study that is served, and a rater who goes through it by keys in a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.blind_study import make_study
from tests.web.test_serving import Server, free_port

from reskin.evaluation.blind_study.answers import Answer, AnswerStore, Rater
from reskin.evaluation.blind_study.design import Trial
from reskin.evaluation.blind_study.plan import StudyPlan
from reskin.evaluation.blind_study.results import read_results
from reskin.video.encoding import Encoding
from reskin.video.writer import VideoWriter
from reskin.workflows.blind_study import StudyConfig, new_study

SMALL_TARGETS = """() => [...document.querySelectorAll('button, summary, input')]
  .filter((one) => one.offsetParent).map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 24 || box.height < 24)).map(([text]) => text)"""
SCREEN = """() => document.querySelector('#completion') ? 'end'
  : document.querySelector('.choices:not([data-answered])') ? 'asked'
  : document.querySelector('p.good, p.bad') ? 'feedback'
  : document.querySelector('button.primary[autofocus]') ? 'how' : ''"""
KEYS = {"first": "ArrowLeft", "second": "ArrowRight", "same": "ArrowDown"}


def write_clips(folder: Path, count: int, shift: int) -> Path:
    """So many clips of a square that moves, 10 frames each."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"p{number:02d}.mp4"
        with VideoWriter(path, size=(64, 48), frame_rate=25, encoding=Encoding(codec="h264")) as writer:
            for frame in range(10):
                image = np.full((48, 64, 3), 40 + 20 * shift, np.uint8)
                image[10:30, frame * 3 + number : frame * 3 + number + 20] = 200 - 30 * shift
                writer.write(image, frame / 25)
    return folder


def make(root: Path, kind: str, items: int = 6) -> StudyPlan:
    """A study of two raters."""
    if kind != "preference-video":
        return make_study(root, kind, items=items, raters=2, trials=items)
    inputs = write_clips(root / "a", items + 6, 0)
    runs = (write_clips(root / "one", items + 6, 1), write_clips(root / "two", items + 6, 2))
    return new_study(
        StudyConfig(folder=root / "study", runs=runs, a=inputs, kind=kind, seconds=0.4, items=items, raters=2)
    )


class Served:
    """A study that is served, and what is stored of its raters."""

    def __init__(self, root: Path, kind: str, items: int = 6) -> None:
        self.plan = make(root, kind, items)
        self.folder = root / "study"
        self.server = Server(self.folder, free_port())
        self.links = (self.folder / "invites.txt").read_text(encoding="utf-8").split()

    def stored(self, turn: int = 0) -> tuple[Rater, list[Answer]]:
        """The rater of an invite and the answers so far."""
        store = AnswerStore(self.folder)
        rater = store.rater(self.links[turn].rpartition("/")[2])
        assert rater is not None
        answers = store.answers(rater.invite)
        store.close()
        return rater, answers

    def trials(self) -> list[Trial]:
        """The list of the first invite's rater."""
        return self.plan.slots()[self.stored()[0].slot or 0]


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(30):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {selector}")


def consent(page: Any, link: str) -> None:
    """From the invite to the practice, by keys."""
    page.goto(link)
    page.wait_for_selector("#agreed")
    check_screen(page)
    tab_to(page, "#agreed")
    page.keyboard.press("Space")
    tab_to(page, "button.primary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".example figure")
    check_screen(page)
    page.keyboard.press("Enter")


def check_screen(page: Any) -> None:
    """Nothing is wider than the window, every target is large enough, and axe finds nothing."""
    width = page.viewport_size["width"]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALL_TARGETS) == []
    source = Path(os.environ.get("RESKIN_AXE", "build/axe.min.js"))
    assert source.exists(), "no axe: `make e2e` fetches it"
    page.evaluate(source.read_text(encoding="utf-8") + "; null")
    rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
    found = page.evaluate(
        f"async () => (await axe.run(document, {{runOnly: {rules}}})).violations"
        ".map((one) => [one.id, one.nodes[0].html])"
    )
    assert found == []


def answer_all(
    page: Any, served: Served, *, at: dict[int, Callable[[], None]] | None = None, looks: bool = True
) -> dict[str, str]:
    """Answer to the end by keys, right wherever there is a right answer.

    Args:
        page: after the instructions.
        served: the study.
        at: what is done instead of the answer, once, when so many answers are stored.
        looks: whether each kind of screen is checked.

    Returns:
        screen to its text, of the first of each kind.
    """
    waiting, seen, trials = dict(at or {}), {}, served.trials()
    while True:
        now = page.wait_for_function(SCREEN).json_value()
        if now not in seen:
            seen[now] = page.text_content("#screen")
            if looks:
                check_screen(page)
        if now == "end":
            return seen
        if now != "asked":
            page.keyboard.press("Enter")
            page.wait_for_function(f"() => ({SCREEN})() !== '{now}'")
            continue
        number = len(served.stored()[1])
        if number in waiting:
            waiting.pop(number)()
            continue
        page.evaluate("() => { document.querySelector('.choices').dataset.answered = ''; }")
        right = served.plan.right_choice(trials[number]) if number < len(trials) else "first"
        page.keyboard.press(KEYS[right or ("first" if number % 2 else "second")])
        page.wait_for_selector(".choices[data-answered]", state="detached")


def check_finished(served: Served) -> list[Answer]:
    """Every trial is answered once, and the rater counts."""
    rater, answers = served.stored()
    assert rater.finished is not None
    assert [answer.trial for answer in answers] == list(range(len(answers)))
    assert len(answers) >= len(served.trials())
    store = AnswerStore(served.folder)
    results = read_results(served.plan, store)
    store.close()
    assert results.finished == 1 and len(results.counted.votes) + len(results.excluded) > 0
    return answers
