"""What `make` trains, for how long and in which order, by the footage and the machine."""

from __future__ import annotations

from typing import Any

SHORT_MINUTES = 45.0
"""Up to this budget a CPU trains the grade alone: CycleGAN would learn outlines, and no textures, in the
time."""

GRADE_SHARE, GRADE_MINUTES = 0.2, 10.0
"""Share of a longer budget that the grade takes, and the most it can use."""


def choose_methods(asked: str, minutes: float | None, *, is_gpu: bool) -> list[str]:
    """The methods to train, in order; where there are two, held-out frames decide.

    Args:
        asked: "auto" or a method's name.
        minutes: of training; None where steps are given.
        is_gpu: whether it trains on a GPU.

    >>> choose_methods("auto", 6, is_gpu=False), choose_methods("auto", 600, is_gpu=False)
    (['grade'], ['grade', 'cyclegan'])
    """
    if asked != "auto":
        return [asked]
    is_short = minutes is None or minutes <= (SHORT_MINUTES / 10 if is_gpu else SHORT_MINUTES)
    return ["grade"] if is_short else ["grade", "cyclegan"]


def lengths(methods: list[str], minutes: float | None, steps: int | None) -> dict[str, dict[str, Any]]:
    """Steps or minutes of each method.

    >>> lengths(["grade", "cyclegan"], 100.0, None)
    {'grade': {'minutes': 10.0}, 'cyclegan': {'minutes': 90.0}}
    """
    if minutes is None:
        return {method: {"steps": steps} for method in methods}
    if len(methods) == 1:
        most = min(minutes, GRADE_MINUTES) if methods == ["grade"] else minutes
        return {methods[0]: {"minutes": most}}
    first = min(GRADE_SHARE * minutes, GRADE_MINUTES)
    return {methods[0]: {"minutes": first}, methods[1]: {"minutes": minutes - first}}


def choose_settings(method: str, short_edge: int, *, is_gpu: bool) -> dict[str, Any]:
    """Training settings of a method for frames whose shorter edge is `short_edge` px.

    CycleGAN takes the paper's networks at 256 px on a GPU, and the small ones of docs/decisions/0004-make.md
    on
    a CPU. The grade sees whole frames, small and squeezed to a square.

    >>> [choose_settings("cyclegan", 160, is_gpu=gpu)["crop_size"] for gpu in (True, False)]
    [160, 96]
    """
    if method == "grade":
        load = max(32, min(128, short_edge)) // 4 * 4
        # Whole frames: crops show the borders less often, and other colours would be matched.
        sizes = {"load_size": load, "crop_size": load}
        # Earlier checkpoints are candidates too when held-out frames decide what translates.
        return sizes | {"sample_every": 100, "save_every": 1, "keep": 4}
    crop = max(32, min(256 if is_gpu else 96, short_edge // 16 * 16))
    train: dict[str, Any] = {"preprocess": "crop", "crop_size": crop, "load_size": crop, "batch": 4}
    train |= {"upsample": "nearest"}
    if is_gpu:
        return train | {"width": 64, "blocks": 9, "ema": 0.999, "sample_every": 500}
    train |= {"width": 24, "blocks": 4, "ema": 0.995, "sample_every": 100}
    return train | {"learning_rate": 4e-4, "identity_weight": 0.1}


def short_edge(footage_edge: int, *, is_gpu: bool) -> int:
    """Shorter edge in px of the frames that are taken out of footage of this shorter edge."""
    return min(footage_edge, 384 if is_gpu else 160)
