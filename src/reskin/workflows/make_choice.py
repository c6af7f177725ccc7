"""Which of what `make` has trained translates: held-out frames of both domains decide.

Candidates are the checkpoints of every method, the grade at several strengths as well, and colour transfer,
which costs no training. So what is made is never farther from the target, on frames that nothing learnt from,
than colour transfer is, unless that makes a still picture flicker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reskin.images import Picture
from reskin.storage import read_json, write_json

if TYPE_CHECKING:
    from reskin.evaluation.footage import Closeness
    from reskin.methods.translator import Translator

STRENGTHS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Strengths at which a grade is tried. What draws anew is tried at full strength alone: half of it is two
pictures in one."""

TRANSFER = "reinhard"
"""Name of colour transfer in choice.json."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """One way to translate the clip.

    Attributes:
        method: name of a method, or `TRANSFER`.
        step: which checkpoint; None for the last, and where nothing was trained.
        strength: share of the change that is kept.
    """

    method: str
    step: int | None = None
    strength: float = 1.0

    @property
    def name(self) -> str:
        """As choice.json and the report name it.

        >>> Candidate("grade").name, Candidate("grade", 60, 0.7).name
        ('grade', 'grade of step 60 at strength 0.7')
        """
        step = f" of step {self.step}" if self.step is not None else ""
        return self.method + step + (f" at strength {self.strength:g}" if self.strength != 1 else "")


def choose_candidate(
    out: Path,
    runs: Mapping[str, Path],
    domains: Mapping[str, str],
    *,
    device: str,
    is_open: bool,
    is_film: bool,
) -> Candidate:
    """Score the trained models, once, and say what translates.

    What was found is kept in `out`/choice.json, by which a later call goes on.

    Args:
        out: folder of `make`.
        runs: the run folder of each method.
        domains: the datasets of "a" and "b".
        device: where to compute.
        is_open: whether colour transfer may be taken, as it may where no method was asked for.
        is_film: whether the clip is a film, of which a part of the change can be kept.
    """
    from reskin.evaluation.evaluate import evaluate
    from reskin.evaluation.footage import choose, compare_footage
    from reskin.evaluation.scores import record_scores
    from reskin.runs.folder import RunFolder
    from reskin.runs.load import load

    path = out / "choice.json"
    steps = {method: RunFolder(run).last_step for method, run in runs.items()}
    known = _known(path, steps)
    if known is not None:
        return known
    for method, run in runs.items():
        scores = evaluate(load(run, device=device), a=domains["a"], b=domains["b"], max_images=100)
        record_scores(run, steps[method], scores, dict(domains))
    changes = dict(_changes(runs, domains, device=device, is_open=is_open, is_film=is_film))
    ways = {candidate.name: change for candidate, change in changes.items() if candidate.name != TRANSFER}
    found = compare_footage(domains["a"], domains["b"], ways)
    candidates = {candidate.name: candidate for candidate in changes}
    name, why = choose(found, list(candidates))
    why = _in_words(why, candidates[name], found)
    _log.info("%s", f"method    {why}")
    measured = {of: closeness.to_dict() for of, closeness in found.items()}
    chosen = candidates[name]
    facts = {"method": chosen.method, "step": chosen.step, "strength": chosen.strength, "name": name}
    write_json(path, {**facts, "why": why, "steps": steps, "measured": measured})
    return chosen


def model_of(
    candidate: Candidate, runs: Mapping[str, Path], domains: Mapping[str, str], *, device: str
) -> Translator:
    """What translates, ready to do so."""
    if candidate.method == TRANSFER:
        from reskin.evaluation.colour_transfer import ColourTransfer
        from reskin.evaluation.footage import fitted_reinhard

        return ColourTransfer(fitted_reinhard(domains["a"], domains["b"]))
    from reskin.runs.load import load

    return load(runs[candidate.method], device=device, step=candidate.step)


def _known(path: Path, steps: Mapping[str, int]) -> Candidate | None:
    """What was chosen before from models of these steps; None where nothing was."""
    if not path.exists():
        return None
    known = read_json(path)
    method, step, strength = known.get("method"), known.get("step"), known.get("strength", 1.0)
    is_whole = isinstance(strength, (int, float)) and 0 <= strength <= 1 and type(step) in (int, type(None))
    if known.get("steps") != steps or method not in (*steps, TRANSFER) or not is_whole:
        return None
    _log.info("%s", f"method    {known.get('why')}")
    return Candidate(str(method), step, float(strength))


def _changes(
    runs: Mapping[str, Path], domains: Mapping[str, str], *, device: str, is_open: bool, is_film: bool
) -> Iterator[tuple[Candidate, Callable[[Picture], Picture]]]:
    """The candidates, each with what it makes of a frame."""
    from reskin.inference.engine import Engine
    from reskin.runs.folder import RunFolder
    from reskin.translation.film import Film, FilmOptions

    options = FilmOptions(steady=0.0, has_bars=False)
    for method, run in runs.items():
        trained = [int(path.stem) for path in RunFolder(run).list_checkpoints()]
        for step in trained if method == "grade" else trained[-1:]:
            candidate = Candidate(method, None if step == trained[-1] else step)
            model = model_of(candidate, runs, domains, device=device)
            change = _once(Film(Engine(model, "a2b"), options, []).single)
            for strength in STRENGTHS if method == "grade" and is_film else (1.0,):
                yield Candidate(method, candidate.step, strength), _kept(change, strength)
    if is_open:
        change = _once(
            Film(
                Engine(model_of(Candidate(TRANSFER), runs, domains, device=device), "a2b"), options, []
            ).single
        )
        for strength in STRENGTHS if is_film else (1.0,):
            yield Candidate(TRANSFER, None, strength), _kept(change, strength)


def _once(change: Callable[[Picture], Picture]) -> Callable[[Picture], Picture]:
    """The same, computed once for each frame."""
    made: dict[bytes, Picture] = {}

    def kept(frame: Picture) -> Picture:
        key = frame.tobytes()
        if key not in made:
            made[key] = change(frame)
        return made[key]

    return kept


def _kept(change: Callable[[Picture], Picture], strength: float) -> Callable[[Picture], Picture]:
    from reskin.translation.film import towards

    return lambda frame: towards(frame, change(frame), strength)


def _in_words(why: str, chosen: Candidate, found: Mapping[str, Closeness]) -> str:
    """The reason, with what it means where nothing that was trained is taken whole."""
    transfer, taken = found[TRANSFER], found[chosen.name]
    if chosen.method == TRANSFER:
        why = why.replace(TRANSFER, "colour transfer", 1)
        return f"{why}; no trained model was as near on held-out frames"
    if transfer.distance < taken.distance:
        return f"{why}; colour transfer is nearer, but makes fine noise {transfer.noise:.1f} times as strong"
    if chosen.step is not None:
        return f"{why}; later steps were not nearer on held-out frames"
    return why
