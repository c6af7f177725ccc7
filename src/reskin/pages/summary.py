"""What happened in a run, in plain words: the head of its report."""

from __future__ import annotations

from reskin.errors import ReskinError
from reskin.methods import find_trained
from reskin.pages.scores import verdict
from reskin.runs.record import RunRecord


def method_facts(run: RunRecord) -> tuple[str, bool]:
    """The method's name as its paper writes it, and whether it is known to learn without pairs."""
    try:
        method = find_trained(run.method)
    except ReskinError:
        return run.method, False
    return method.title or run.method, method.pairing == "unpaired"


def tiles(run: RunRecord) -> dict[str, str]:
    """The main facts, by what they are."""
    found = {
        "Method": method_facts(run)[0],
        "Steps": f"{run.last_step:,}" + (f" of {run.steps:,}" if run.steps else ""),
        "Time": duration(run.seconds) if run.seconds is not None else "not recorded",
        "Device": str(run.config.get("device", "not recorded")),
    }
    if run.seconds and run.last_step:
        found["Speed"] = f"{run.last_step / run.seconds:.3g} steps/s"
    if images := _images(run):
        found["Images"] = images
    return found


def summary(run: RunRecord) -> str:
    """What was trained on what, for how long, and how good it is: a few plain sentences."""
    a, b = (str(run.setting("data", domain) or f"domain {domain.upper()}") for domain in ("a", "b"))
    title, is_unpaired = method_facts(run)
    way = "in both directions" if run.directions != 1 else "in one direction"
    pairs = ", without paired examples" if is_unpaired else ""
    text = [f"{title} learned to translate A ({a}) to B ({b}), {way}{pairs}."]
    if not run.last_step:
        text.append("No step has been logged yet.")
    elif run.steps and run.last_step < run.steps:
        share = 100 * run.last_step / run.steps
        text.append(f"It is {share:.0f} % done; the command at the end of this page resumes it.")
    else:
        took = f" in {duration(run.seconds)}" if run.seconds is not None else ""
        text.append(f"All {run.last_step:,} steps are done{took}.")
    if run.scores:
        text.append(verdict(run.scores[-1]["scores"]))
    return " ".join(filter(None, text))


def _images(run: RunRecord) -> str:
    """Images of each domain, as far as the run says."""
    data = run.config.get("data")
    if isinstance(data, str):
        return data
    found = data.get("pictures") if isinstance(data, dict) else None
    if isinstance(found, dict):
        return ", ".join(f"{domain.upper()} {count}" for domain, count in found.items())
    return f"{found:,}" if isinstance(found, int) else ""


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(42.3), duration(312), duration(93_600)
    ('42 s', '5 min 12 s', '26 h 0 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
