"""`reskin study new|plan|serve|results`: blind studies with people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show, show_text
from reskin.config import BASIC, Settings
from reskin.errors import RunError, SettingsError
from reskin.parsing import Spelled
from reskin.progress import Progress
from reskin.workflows.blind_study import StudyConfig

HELP = """\
usage: reskin study new|plan|serve|results STUDY [options]

Ask people which outputs look real, or which of two is better, without their knowing which run made what.

  new        make a study of trained runs: outputs on the same inputs, encoded alike, and a plan that stays
  plan       how many raters and items it takes to find a difference
  serve      the page for raters, and the invites to send them
  results    what was found, with intervals over raters and items

examples:
  reskin study new studies/castle --runs runs/cyclegan runs/munit --a test/
  reskin study plan studies/castle --difference 5
  reskin study serve studies/castle
  reskin study results studies/castle --html

`reskin study new --help` and so on explain each.
"""


class PlanArguments(Settings):
    """Say how many raters and items a study needs to find a difference, and whether it has them.

    Examples:
      reskin study plan studies/castle --difference 5
    """

    folder: Annotated[Path, Spelled(position="STUDY")]
    """The study."""
    difference: float = Field(default=10.0, gt=0, lt=50)
    """Points away from 50 % that are to be found with 80 % power."""


class ServeArguments(Settings):
    """Serve the page for raters until it is stopped, and print the invites.

    Examples:
      reskin study serve studies/castle
      reskin study serve studies/castle --host 192.168.1.5 --port 8770
    """

    folder: Annotated[Path, Spelled(position="STUDY")]
    """The study."""
    host: str = "127.0.0.1"
    """Address to listen on; by default this machine alone can reach it."""
    port: int = Field(default=8770, ge=1, le=65535)
    """Port to listen on."""
    behind: str = ""
    """Address of a server in front of this one, such as https://study.example.org."""
    invites: int | None = Field(default=None, ge=1, le=100_000)
    """How many invites there are; by default half more than raters."""


class ResultsArguments(Settings):
    """Print what a study found so far, with intervals over raters and items.

    Examples:
      reskin study results studies/castle
      reskin study results studies/castle --csv --html
    """

    folder: Annotated[Path, Spelled(position="STUDY")]
    """The study."""
    as_csv: Annotated[bool, Spelled("csv"), BASIC] = False
    """Write answers.csv, jspsych.csv and, of real-or-fake, AMT_Real_vs_Fake's amt.csv in the study."""
    as_html: Annotated[bool, Spelled("html"), BASIC] = False
    """Write results.html in the study."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if not words or words[0] in ("-h", "--help", "--help-all"):
        show_text(HELP)
        return 0
    kinds = {"new": _new, "plan": _plan, "serve": _serve, "results": _results}
    if words[0] not in kinds:
        raise SettingsError(f"`reskin study {words[0]}` is not known", f"Known: {', '.join(kinds)}.")
    return kinds[words[0]](words[1:])


def _new(words: list[str]) -> int:
    config = parse(StudyConfig, words, command="reskin study new")

    from reskin.workflows.blind_study import new_study

    with Progress("stimuli") as shown:
        plan = new_study(config, shown)
    names = ", ".join(plan.conditions)
    show(f"study     {plan.kind} of {names}: {len(plan.items)} items, {plan.raters} raters")
    show(f"plan      {plan.digest()[:16]} in {config.folder / 'plan.json'}; it is not changed from here on")
    _show_power(config.folder, 10.0)
    progress.result("study", config.folder)
    say(f"next: reskin study serve {config.folder}")
    return 0


def _plan(words: list[str]) -> int:
    arguments = parse(PlanArguments, words, command="reskin study plan")
    _show_power(arguments.folder, arguments.difference)
    return 0


def _show_power(folder: Path, difference: float) -> None:
    from reskin.evaluation.blind_study.plan import read_plan
    from reskin.evaluation.blind_study.power import Spread, power, raters_needed, smallest_difference

    plan = read_plan(folder)
    spread = Spread() if plan.kind == "real-or-fake" else Spread().halved()
    mean, items = 0.5 + difference / 100, len(plan.items)
    # A rater's trials are dealt over all cells: each cell has its share of them.
    cells = len(plan.cells())
    trials = max(1, plan.trials // cells)
    now = power(mean, plan.raters, items, trials, spread)
    show(
        f"power     {plan.raters} raters, {items} items, {trials} trials of each of {cells} "
        f"{'condition' if plan.kind == 'real-or-fake' else 'pair'}{'s' if cells > 1 else ''} a rater: "
        f"{difference:g} points are found with {100 * now:.0f} % power"
    )
    least = smallest_difference(plan.raters, items, trials, spread)
    reach = "no difference is found" if least is None else f"{least:.1f} points and more are found"
    show(f"          {reach} with 80 % power")
    for more in (items, 2 * items, 5 * items):
        needed = raters_needed(mean, more, trials, spread)
        said = f"{needed} raters" if needed else "no number of raters"
        show(f"          {difference:g} points with {more} items: {said}")
    if now < 0.8:
        say("warning: this design will probably not find it. More items help more than more raters.")


def _serve(words: list[str]) -> int:
    arguments = parse(ServeArguments, words, command="reskin study serve")
    try:
        from reskin.web.participant.serve import serve_study
    except ImportError as error:
        if error.name and error.name.partition(".")[0] in ("starlette", "uvicorn"):
            fix = "Type: pip install 'reskin[studio]'"
            raise SettingsError("serving a study needs Starlette and uvicorn", fix) from None
        raise
    return serve_study(
        arguments.folder,
        host=arguments.host,
        port=arguments.port,
        behind=arguments.behind,
        invites=arguments.invites,
    )


def _results(words: list[str]) -> int:
    arguments = parse(ResultsArguments, words, command="reskin study results")

    from reskin.evaluation.blind_study.answers import AnswerStore
    from reskin.evaluation.blind_study.exports import amt_csv, answers_csv, jspsych_csv
    from reskin.evaluation.blind_study.plan import read_plan
    from reskin.evaluation.blind_study.report import summary_lines, write_report
    from reskin.evaluation.blind_study.results import read_results
    from reskin.storage import commit

    plan = read_plan(arguments.folder)
    store = AnswerStore(arguments.folder)
    try:
        results = read_results(plan, store)
        tables = {}
        if arguments.as_csv:
            tables = {"answers.csv": answers_csv(plan, store), "jspsych.csv": jspsych_csv(plan, store)}
        if arguments.as_csv and plan.kind == "real-or-fake":
            tables["amt.csv"] = amt_csv(plan, store)
    finally:
        store.close()
    if not results.finished:
        fix = "Wait for raters, or send more invites: reskin study serve"
        raise RunError(f"no rater has finished {arguments.folder} yet ({results.begun} began)", fix)
    for line in summary_lines(results):
        show(line)
    if results.finished < plan.raters:
        say(f"warning: {results.finished} of {plan.raters} raters so far; the study is not complete")
    for name, text in tables.items():
        with commit(arguments.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        progress.result("table", arguments.folder / name)
        say(f"answers: {arguments.folder / name}")
    if arguments.as_html:
        page = write_report(arguments.folder / "results.html", arguments.folder, results)
        progress.result("page", page)
        say(f"report: {page}")
    return 0
