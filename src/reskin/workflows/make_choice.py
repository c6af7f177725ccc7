"""Which of what `make` has trained translates: held-out frames of both domains decide.

Candidates are the checkpoints of the grade, the last one of texture on the grade and of CycleGAN, and colour
transfer, which costs no training; all but CycleGAN at several strengths. So what is made is never farther
from the target, on frames that nothing learnt from, than colour transfer is, unless that makes a still
picture flicker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reskin.images import Picture
from reskin.storage import read_json, write_json
from reskin.workflows.make_settings import TEXTURE

if TYPE_CHECKING:
    from reskin.evaluation.footage import Closeness
    from reskin.methods.translator import Translator

STRENGTHS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Strengths at which a grade is tried, with texture or without. What draws anew is tried at full strength
alone: half of it is two pictures in one."""

TEXTURE_GAIN = 0.05
"""Share by which texture must bring a film nearer than the grade alone: it may draw what nobody asked for."""

TRANSFER = "reinhard"
"""Name of colour transfer in choice.json."""

FADING = ("grade", TEXTURE, TRANSFER)
"""What is tried at several strengths."""

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
    name, why = choose(found, _worth_it(found, candidates))
    why = _in_words(why, candidates[name], found)
    _log.info("%s", f"method    {why}")
    measured = {of: closeness.to_dict() for of, closeness in found.items()}
    chosen = candidates[name]
    facts = {"method": chosen.method, "step": chosen.step, "strength": chosen.strength, "name": name}
    write_json(path, {**facts, "why": why, "steps": steps, "measured": measured})
    return chosen


def _worth_it(found: Mapping[str, Closeness], candidates: Mapping[str, Candidate]) -> list[str]:
    """Names of the candidates, without those of texture that are not so much nearer than all others."""
    from reskin.evaluation.footage import is_sound

    others = [name for name, candidate in candidates.items() if candidate.method != TEXTURE]
    nearest = min((found[name].distance for name in others if is_sound(found, name)), default=None)
    if nearest is None:
        return list(candidates)
    most = (1 - TEXTURE_GAIN) * nearest
    return others + [name for name in candidates if name not in others and found[name].distance <= most]


def grade_for(run: Path, grade: Path, domains: Mapping[str, str], *, device: str) -> dict[str, Any]:
    """Settings by which texture is trained on the checkpoint of a grade that is nearest to the target.

    Args:
        run: folder of the run of texture; one that was begun goes on with the checkpoint that it has.
        grade: run folder of the grade.
        domains: the datasets of "a" and "b".
        device: where to compute.
    """
    from reskin.evaluation.footage import choose, compare_footage
    from reskin.runs.folder import RunFolder

    if RunFolder(run).list_checkpoints():
        begun = RunFolder(run).read_config()["settings"]["method"]
        return {name: begun.get(name) for name in ("grade", "grade_step", "grade_width")}
    steps = [int(path.stem) for path in RunFolder(grade).list_checkpoints()]
    changes = {
        str(step): _change(Candidate("grade", step), {"grade": grade}, domains, device) for step in steps
    }
    name, _ = choose(compare_footage(domains["a"], domains["b"], changes), list(changes))
    return {"grade": str(grade), "grade_step": int(name)}


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
    from reskin.runs.folder import RunFolder

    candidates = []
    for method, run in runs.items():
        trained = [int(path.stem) for path in RunFolder(run).list_checkpoints()]
        steps = trained if method == "grade" else trained[-1:]
        candidates += [Candidate(method, None if step == trained[-1] else step) for step in steps]
    candidates += [Candidate(TRANSFER)] * is_open
    for candidate in candidates:
        change = _once(_change(candidate, runs, domains, device))
        for strength in STRENGTHS if is_film and candidate.method in FADING else (1.0,):
            yield replace(candidate, strength=strength), _kept(change, strength)


def _change(
    candidate: Candidate, runs: Mapping[str, Path], domains: Mapping[str, str], device: str
) -> Callable[[Picture], Picture]:
    """What a candidate makes of a frame at full strength."""
    from reskin.inference.engine import Engine
    from reskin.translation.film import Film, FilmOptions

    options = FilmOptions(steady=0.0, has_bars=False)
    engine = Engine(model_of(candidate, runs, domains, device=device), "a2b")
    return Film(engine, options, []).single


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
    """The reason, with what it means where nothing that was trained is taken whole, and what became of the
    other methods that were trained."""
    from reskin.evaluation.footage import faults

    transfer, taken = found[TRANSFER], found[chosen.name]
    if chosen.method == TRANSFER:
        why = (
            why.replace(TRANSFER, "colour transfer", 1) + "; no trained model was as near on held-out frames"
        )
    elif transfer.distance < taken.distance:
        said = " and ".join(faults(found, TRANSFER))
        why += "; colour transfer is nearer" + (f", but {said}" if said else "")
    elif chosen.step is not None:
        why += "; later steps were not nearer on held-out frames"
    if chosen.method != TRANSFER and faults(found, chosen.name):
        why += "; more --minutes may mend that"
    others = sorted({name.split()[0] for name in found} - {chosen.method, TRANSFER, "input", "target"})
    return "; ".join([why, *(_passed_over(method, chosen, found) for method in others)])


def _passed_over(method: str, chosen: Candidate, found: Mapping[str, Closeness]) -> str:
    """Why a method that was trained is not taken: how near the best of it is, or why none of it will do."""
    from reskin.evaluation.footage import faults, is_sound

    all_of_it = [name for name in found if name.split()[0] == method]
    sound = [name for name in all_of_it if is_sound(found, name)]
    best = min(sound or all_of_it, key=lambda name: found[name].distance)
    distance = f"{best}: distance {found[best].distance:.1f}"
    if not sound:
        return f"{distance}, but {' and '.join(faults(found, best))}"
    is_nearer = method == TEXTURE and found[best].distance < found[chosen.name].distance
    return f"{distance}, which is not {TEXTURE_GAIN:.0%} nearer" if is_nearer else distance
