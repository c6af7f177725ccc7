"""What two domains differ in, in numbers and in words, and what that means for training.

Colour is compared by the Wasserstein distance of each CIELAB channel: how far, in steps of lightness or of
colour, one domain's pixels would have to be moved to look like the other's. How far apart the domains are as
a whole is asked of a simple rule (Fisher's linear discriminant): shown a picture that it was not fitted on,
how often does it know the domain? Once it sees colour only, once form only (edges and fineness of detail,
free of colour and contrast). What it cannot tell apart, a discriminator has little to teach about either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reskin.curation.inspect import findings
from reskin.curation.inspect.columns import columns_of
from reskin.curation.inspect.findings import Finding
from reskin.curation.inspect.measure import LIGHT_BINS, LIGHT_RANGE, OPPONENT_BINS, OPPONENT_RANGE
from reskin.curation.inspect.sets import MeasuredSet
from reskin.curation.leakage import DISTANCE, nearest_hashes

FOLDS = 5
FEWEST_TO_COMPARE = 60
"""With fewer pictures in a domain, no rule is fitted."""
SHARED_PAIRS = 20


@dataclass(frozen=True)
class GapReport:
    """What two domains differ in.

    Attributes:
        names: of the two domains.
        numbers: every number that the findings speak of, JSON-ready.
        findings: the most pressing first.
        settings: of `reskin train` that fit, by flag; empty where the defaults do.
        shared: (picture of the first domain, near-duplicate in the second, bits in which they differ), the
            closest first.
    """

    names: tuple[str, str]
    numbers: dict[str, Any]
    findings: list[Finding]
    settings: dict[str, str]
    shared: list[tuple[str, str, int]]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON shows it."""
        shared = [{"a": a, "b": b, "bits": bits} for a, b, bits in self.shared]
        return {
            "domains": list(self.names),
            "numbers": self.numbers,
            "findings": [asdict(finding) for finding in self.findings],
            "settings": self.settings,
            "shared": shared,
        }


def compare_domains(first: MeasuredSet, second: MeasuredSet) -> GapReport:
    """What the used pictures of two domains differ in.

    Args:
        first: domain A.
        second: domain B.

    Raises:
        DataError: all pictures of a domain are left out.
    """
    a, b = columns_of(first), columns_of(second)
    colour = colour_distances(a.histograms, b.histograms)
    rules = {
        "colour": accuracy(a.style, b.style),
        "form": accuracy(a.form, b.form),
        "both": accuracy(np.hstack([a.style, a.form]), np.hstack([b.style, b.form])),
    }
    shared = shared_pictures(first, second)
    numbers: dict[str, Any] = {
        "pictures": [a.count, b.count],
        "domain_accuracy": {
            name: None if value is None else round(value, 3) for name, value in rules.items()
        },
        "colour_distance": {name: round(value, 2) for name, value in colour.items()},
        "median": {name: [round(a.median(name), 3), round(b.median(name), 3)] for name in a.columns},
        "size_px": [list(domain.usual_size) for domain in (a, b)],
        "sizes": [len(np.unique(domain.sizes, axis=0)) for domain in (a, b)],
        "greyscale_share": [round(domain.grey_share, 4) for domain in (a, b)],
        "faces_share": [None if domain.faces is None else round(domain.faces, 4) for domain in (a, b)],
        "shared": len(shared),
    }
    settings: dict[str, str] = {}
    found = [
        findings.about_shared(len(shared), a, b),
        findings.about_count(a, b),
        findings.about_closeness(rules, a, b),
        findings.about_colour(colour, rules, a, b),
        findings.about_size(a, b, settings),
        findings.about_sharpness(a, b),
        findings.about_grey(a, b),
        findings.about_faces(a, b),
    ]
    order = {"warning": 0, "note": 1, "good": 2}
    kept = sorted((finding for finding in found if finding), key=lambda finding: order[finding.level])
    return GapReport((a.name, b.name), numbers, kept, settings, shared[:SHARED_PAIRS])


def colour_distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> dict[str, float]:
    """Wasserstein distance of lightness (L) and the colour axes (a: green to red, b: blue to yellow).

    Args:
        first: mean histogram of a domain, (356,): shares over L*, a* and b*.
        second: of the other domain.

    Returns:
        Distances in CIELAB steps, and their length as "all"; 0 where the domains are equal.
    """
    widths = {
        "L": (LIGHT_BINS, LIGHT_RANGE[1] - LIGHT_RANGE[0]),
        "a": (OPPONENT_BINS, OPPONENT_RANGE[1] - OPPONENT_RANGE[0]),
        "b": (OPPONENT_BINS, OPPONENT_RANGE[1] - OPPONENT_RANGE[0]),
    }
    found, start = {}, 0
    for name, (bins, width) in widths.items():
        difference = np.cumsum(first[start : start + bins] - second[start : start + bins])
        found[name] = float(np.abs(difference).sum() * width / bins)
        start += bins
    return {**found, "all": float(np.sqrt(sum(value**2 for value in found.values())))}


def accuracy(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """How often a linear rule knows the domain of a picture that it was not fitted on: 0.5 guesses, 1 knows.

    Pictures are held out in segments, in the order given, so that frames of one scene stay together.

    Args:
        first: (N, F) numbers of each picture of a domain.
        second: (M, F) of the other.

    Returns:
        The mean of both domains' shares of right answers; None for fewer than `FEWEST_TO_COMPARE` in a
        domain.
    """
    if min(len(first), len(second)) < FEWEST_TO_COMPARE:
        return None
    folds_a, folds_b = (np.arange(len(domain)) * FOLDS // len(domain) for domain in (first, second))
    right: list[tuple[float, float]] = []
    for fold in range(FOLDS):
        known_a, known_b = first[folds_a != fold], second[folds_b != fold]
        mean_a, mean_b = known_a.mean(axis=0), known_b.mean(axis=0)
        spread = np.atleast_2d(np.cov(known_a.T) + np.cov(known_b.T)) / 2
        # A little of the diagonal keeps the inverse sane where two numbers say the same.
        spread = spread + np.diag(0.01 * np.diag(spread) + 1e-6)
        way = np.linalg.solve(spread, mean_b - mean_a)
        border = float(way @ (mean_a + mean_b) / 2)
        right.append(
            (
                float(np.mean(first[folds_a == fold] @ way < border)),
                float(np.mean(second[folds_b == fold] @ way > border)),
            )
        )
    return float(np.mean(right))


def shared_pictures(first: MeasuredSet, second: MeasuredSet) -> list[tuple[str, str, int]]:
    """Pictures of one domain that are also on the other, used ones only, the closest first."""
    used_a, used_b = first.used, second.used
    places, bits = nearest_hashes(first.hashes()[used_a], second.hashes()[used_b])
    found = [
        (first.records[used_a[i]].file, second.records[used_b[int(places[i])]].file, int(bits[i]))
        for i in np.flatnonzero(bits <= DISTANCE)
    ]
    return sorted(found, key=lambda pair: (pair[2], pair[0]))


def suggested_command(report: GapReport, folders: Sequence[Path]) -> str:
    """The training command that fits the two domains."""
    a, b = (folders[0], folders[-1])
    flags = "".join(f" --{name.replace('_', '-')} {value}" for name, value in report.settings.items())
    return f"reskin train cyclegan --a {a} --b {b} --out runs/{a.name}-{b.name}{flags}"
