"""What `make` trains, for how long and in which order, by the footage and the machine."""

from __future__ import annotations

from typing import Any

from reskin.errors import SettingsError

SHORT_MINUTES = 45.0
"""Up to this budget a CPU trains the grade alone: CycleGAN would learn outlines, and no textures, in the
time."""

GRADE_SHARE, GRADE_MINUTES = 0.2, 10.0
"""Share of a longer budget that the grade takes, and the most it can use."""


TEXTURE = "grade_texture"
"""Method whose texture is drawn on the grade of the run before it."""

TEXTURE_LEAST_MINUTES = 15.0
"""From this budget on texture is tried as well, unless that is said otherwise: the grade has all that it can
use then."""

STEADY_LEAST_MINUTES = 30.0
"""From this length on CycleGAN learns with the equivariance loss: at equal time its films were steadier and
nearer to the truth after a few hundred steps of small networks (docs/results/video.md), and far behind after
316 steps of these (docs/decisions/0004-make.md). A tenth of it on a GPU."""

TEXTURE_SHARE, TEXTURE_MINUTES = 0.3, 10.0
"""Share of the budget, beside CycleGAN of the grade's, that texture takes, and the most it can use."""


def choose_methods(
    asked: str, minutes: float | None, *, is_gpu: bool, texture: bool | None = False
) -> list[str]:
    """The methods to train, in order; where there are several, held-out frames decide.

    Args:
        asked: "auto" or a method's name.
        minutes: of training; None where steps are given.
        is_gpu: whether it trains on a GPU.
        texture: whether texture is tried on the grade; None to decide by the budget, where the method is
            open.

    Raises:
        SettingsError: texture is asked for or refused where the method that is asked for says otherwise.

    >>> choose_methods("auto", 6, is_gpu=False), choose_methods("auto", 600, is_gpu=False)
    (['grade'], ['grade', 'cyclegan'])
    >>> choose_methods("auto", 600, is_gpu=False, texture=True)
    ['grade', 'grade_texture', 'cyclegan']
    """
    if asked == TEXTURE and texture is not False:
        return ["grade", TEXTURE]
    if (asked == "cyclegan" and texture) or asked == TEXTURE:
        flag = "--texture" if texture else "--no-texture"
        raise SettingsError(f"--method {asked} with {flag}", "Leave one of them out.")
    if asked not in ("auto", "grade"):
        return [asked]
    on_cpu = 0.0 if minutes is None else _minutes_on_cpu(minutes, is_gpu=is_gpu)
    if texture is None:
        texture = asked == "auto" and on_cpu >= TEXTURE_LEAST_MINUTES
    has_cyclegan = asked == "auto" and on_cpu > SHORT_MINUTES
    return ["grade"] + [TEXTURE] * texture + ["cyclegan"] * has_cyclegan


def _minutes_on_cpu(minutes: float, *, is_gpu: bool) -> float:
    """What takes a GPU so many minutes takes a CPU ten times as long, or longer."""
    return 10 * minutes if is_gpu else minutes


def lengths(methods: list[str], minutes: float | None, steps: int | None) -> dict[str, dict[str, Any]]:
    """Steps or minutes of each method.

    >>> lengths(["grade", "cyclegan"], 100.0, None)
    {'grade': {'minutes': 10.0}, 'cyclegan': {'minutes': 90.0}}
    >>> lengths(["grade", "grade_texture"], 10.0, None)
    {'grade': {'minutes': 7.0}, 'grade_texture': {'minutes': 3.0}}
    """
    if minutes is None:
        return {method: {"steps": steps} for method in methods}
    if len(methods) == 1:
        most = min(minutes, GRADE_MINUTES) if methods == ["grade"] else minutes
        return {methods[0]: {"minutes": most}}
    for_grade = minutes if "cyclegan" not in methods else min(GRADE_SHARE * minutes, GRADE_MINUTES)
    spent: dict[str, dict[str, Any]] = {}
    if TEXTURE in methods:
        spent[TEXTURE] = {"minutes": min(TEXTURE_SHARE * for_grade, TEXTURE_MINUTES)}
        for_grade -= spent[TEXTURE]["minutes"]
    spent["grade"] = {"minutes": min(for_grade, GRADE_MINUTES)}
    if "cyclegan" in methods:
        spent["cyclegan"] = {"minutes": minutes - sum(one["minutes"] for one in spent.values())}
    return {method: spent[method] for method in methods}


def choose_settings(
    method: str,
    short_edge: int,
    *,
    is_gpu: bool,
    has_pictures: bool = False,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Training settings of a method for frames whose shorter edge is `short_edge` px.

    CycleGAN takes the paper's networks at 256 px on a GPU, and the small ones of docs/decisions/0004-make.md
    on a CPU; of the `minutes` that it has depends whether it learns with the equivariance loss. The grade
    sees whole frames, small and squeezed to a square; texture is learnt on whole frames as they are or, where
    a folder of pictures of any size `has_pictures`, brought to one width.

    >>> [choose_settings("cyclegan", 160, is_gpu=gpu)["crop_size"] for gpu in (True, False)]
    [160, 96]
    >>> choose_settings("cyclegan", 160, is_gpu=False, minutes=30.0)["equivariance_weight"]
    5.0
    """
    if method == "grade":
        load = max(32, min(128, short_edge)) // 4 * 4
        # Whole frames: crops show the borders less often, and other colours would be matched.
        sizes = {"load_size": load, "crop_size": load}
        # Earlier checkpoints are candidates too when held-out frames decide what translates.
        return sizes | {"sample_every": 100, "save_every": 1, "keep": 4}
    if method == TEXTURE:
        width = {"preprocess": "scale_width", "load_size": 16 * short_edge // 9} if has_pictures else {}
        return {"preprocess": "none"} | width | {"sample_every": 100, "save_every": 1, "keep": 2}
    crop = max(32, min(256 if is_gpu else 96, short_edge // 16 * 16))
    train: dict[str, Any] = {"preprocess": "crop", "crop_size": crop, "load_size": crop, "batch": 4}
    train |= {"upsample": "nearest"}
    if minutes is not None and _minutes_on_cpu(minutes, is_gpu=is_gpu) >= STEADY_LEAST_MINUTES:
        train["equivariance_weight"] = 5.0
    if is_gpu:
        return train | {"width": 64, "blocks": 9, "ema": 0.999, "sample_every": 500}
    train |= {"width": 24, "blocks": 4, "ema": 0.995, "sample_every": 100}
    return train | {"learning_rate": 4e-4, "identity_weight": 0.1}


def short_edge(footage_edge: int, *, is_gpu: bool) -> int:
    """Shorter edge in px of the frames that are taken out of footage of this shorter edge."""
    return min(footage_edge, 384 if is_gpu else 160)
