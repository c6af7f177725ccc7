"""What the numbers of a comparison mean: the difference, its effect on training, and what to do about it.

The lessons are those of the projects before this one: sides that are too close barely change; subjects that
one side has more of leak into the other; a look that is only colour is had more cheaply; what one side is
squeezed or blurred by, the model learns as if it were style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reskin.curation.inspect.side import Side

Level = Literal["good", "note", "warning"]

CLOSE = 0.70
"""A rule that is right less often than this can hardly tell the sides apart."""
FEW = 200
"""A side with fewer pictures is learned by heart."""


@dataclass(frozen=True)
class Finding:
    """One thing in which the sides differ, or do not.

    Attributes:
        topic: what was compared.
        level: good, note (to know) or warning (to act on).
        difference: what the sides differ in.
        meaning: what that means for training.
        advice: what to do; empty for nothing.
    """

    topic: str
    level: Level
    difference: str
    meaning: str
    advice: str = ""


def about_shared(shared: int, a: Side, b: Side) -> Finding:
    """Pictures that stand on both sides; `shared` of them."""
    if not shared:
        return Finding(
            "Shared pictures",
            "good",
            "No picture stands on both sides.",
            "Each side shows its own world only.",
        )
    count = f"{shared} picture{'s' * (shared != 1)} of {a.name}"
    return Finding(
        "Shared pictures",
        "warning",
        f"{count} {'have' if shared != 1 else 'has'} a twin in {b.name}.",
        "A picture on both sides teaches that nothing need change, and the discriminators learn noise.",
        "Leave the twins out of one side: reskin screen with a --drop list of the pairs below.",
    )


def about_count(a: Side, b: Side) -> Finding:
    """How many pictures each side has."""
    few = [side for side in (a, b) if side.count < FEW]
    counts = f"{a.count:,} pictures against {b.count:,}."
    if few:
        return Finding(
            "Number of pictures",
            "warning",
            counts,
            f"{' and '.join(side.name for side in few)} with fewer than {FEW} pictures will be learned by "
            "heart: samples look good while new footage does not.",
            "Take more frames of more scenes; faces get by with fewer pictures than landscapes.",
        )
    ratio = max(a.count, b.count) / min(a.count, b.count)
    if ratio > 4:
        less = a if a.count < b.count else b
        return Finding(
            "Number of pictures",
            "note",
            counts,
            f"Each picture of {less.name} is seen {ratio:.0f} times as often as one of the other side; its "
            "discriminator overfits first.",
            "More pictures on the small side help more than a longer training.",
        )
    return Finding("Number of pictures", "good", counts, "The sides are of similar size.")


def about_closeness(rules: dict[str, float | None], a: Side, b: Side) -> Finding | None:
    """How far apart the sides are as a whole; None for too few pictures to say."""
    both = rules["both"]
    if both is None:
        return None
    best = max(value for value in rules.values() if value is not None)
    told = f"A simple rule knows the side of {best:.0%} of the pictures (50% is guessing)."
    if best < CLOSE:
        return Finding(
            "Distance of the sides",
            "warning",
            told,
            f"{a.name} and {b.name} are so close that a translation may barely change anything: that is what "
            "training on two sets of similar photographs gave.",
            "Choose footage that shows the look you want more strongly, or expect a small effect.",
        )
    if best > 0.97:
        return Finding(
            "Distance of the sides",
            "note",
            told,
            "Discriminators have an easy time: they may win early and teach little afterwards.",
            "Watch the discriminators in the curves; if they fall to 0, use smaller crops or augmentation.",
        )
    return Finding("Distance of the sides", "good", told, "There is a difference to learn, and overlap.")


def about_colour(colour: dict[str, float], rules: dict[str, float | None], a: Side, b: Side) -> Finding:
    """Brightness and colours, and whether the look is more than that."""
    shift = b.median("brightness") - a.median("brightness")
    words = [f"{b.name} is {abs(shift):.0f} of 100 steps {'brighter' if shift > 0 else 'darker'}"]
    vivid = b.median("saturation") - a.median("saturation")
    if abs(vivid) >= 3:
        words.append(f"{'more' if vivid > 0 else 'less'} colourful by {abs(vivid):.0f} steps")
    words = words if abs(shift) >= 3 else [f"{a.name} and {b.name} are about equally bright", *words[1:]]
    difference = f"{', '.join(words)}; colours lie {colour['all']:.1f} CIELAB steps apart in all."
    form, tint = rules["form"], rules["colour"]
    if colour["all"] < 4:
        return Finding(
            "Colour and brightness",
            "good",
            difference,
            "Colours need hardly change; an identity term keeps them.",
            "",
        )
    if form is not None and tint is not None and form < CLOSE and tint - form > 0.12:
        return Finding(
            "Colour and brightness",
            "warning",
            difference,
            f"Colour tells the sides apart ({tint:.0%}), form hardly does ({form:.0%}): the look is mostly a "
            "matter of colour.",
            "Try Reinhard colour transfer first (reskin evaluate scores it beside the model); train with a "
            "lower --identity-weight, which otherwise holds the colours back.",
        )
    if abs(shift) > 20:
        return Finding(
            "Colour and brightness",
            "note",
            difference,
            "If night and day, or two exposures, are the look you want, that is the task; if not, the model "
            "spends its effort on brightness, and shadows become texture.",
            "To make it part of the look, lower --identity-weight; otherwise leave out the dark or bright "
            "pictures with reskin screen.",
        )
    return Finding(
        "Colour and brightness",
        "note",
        difference,
        "Part of the gap is colour. The identity term keeps colours that both sides share.",
        "Compare with Reinhard colour transfer in the scores: a model should beat it.",
    )


def about_size(a: Side, b: Side, settings: dict[str, str]) -> Finding:
    """Sizes and forms; adds to `settings` what training should be told."""
    ratios = [np.median(side.sizes[:, 0] / side.sizes[:, 1]) for side in (a, b)]
    shorter = [float(np.median(side.sizes.min(axis=1))) for side in (a, b)]
    sizes = [side.usual_size for side in (a, b)]
    difference = (
        f"{a.name} is mostly {sizes[0][0]}x{sizes[0][1]} px, {b.name} {sizes[1][0]}x{sizes[1][1]} px."
    )
    is_wide = any(abs(np.log(ratio)) > 0.05 for ratio in ratios)
    if abs(np.log(ratios[0] / ratios[1])) > 0.05:
        settings["preprocess"] = "scale_width_and_crop"
        return Finding(
            "Size and aspect",
            "warning",
            difference,
            "The default makes every picture square: the two sides would be squeezed differently, and the "
            "model would learn to stretch.",
            "Train with --preprocess scale_width_and_crop, or prepare both sides with one --size.",
        )
    if max(shorter) / max(min(shorter), 1.0) > 1.5:
        return Finding(
            "Size and aspect",
            "warning",
            difference,
            "One side is enlarged or shrunk more than the other: blur becomes part of what the model learns.",
            "Prepare both sides with the same --size, that of the smaller one.",
        )
    if is_wide:
        settings["preprocess"] = "scale_width_and_crop"
        return Finding(
            "Size and aspect",
            "note",
            difference,
            "The default squeezes these pictures into squares, both sides alike.",
            "To keep shapes as they are, train with --preprocess scale_width_and_crop.",
        )
    return Finding("Size and aspect", "good", difference, "Both sides reach the model in the same way.")


def about_sharpness(a: Side, b: Side) -> Finding:
    """How much fine detail each side has."""
    values = a.median("sharpness"), b.median("sharpness")
    ratio = float(np.sqrt(max(values) / max(min(values), 1e-3)))  # of amplitudes: sharpness is a power
    sharper = a.name if values[0] > values[1] else b.name
    if ratio < 1.3:
        return Finding("Sharpness", "good", "Both sides are about equally sharp.", "Detail is comparable.")
    difference = f"{sharper} holds {ratio:.1f} times as much fine detail (or noise or grain)."
    return Finding(
        "Sharpness",
        "warning" if ratio > 2 else "note",
        difference,
        "The model will add detail in one direction and take it away in the other; made-up texture lands on "
        "flat areas such as sky and floor.",
        "If it is no part of the look: prepare both sides with the same --size, and screen out blur.",
    )


def about_grey(a: Side, b: Side) -> Finding | None:
    """Pictures without colour; None where there are hardly any."""
    if max(a.grey_share, b.grey_share) < 0.01:
        return None
    difference = f"Without colour are {a.grey_share:.0%} of {a.name} and {b.grey_share:.0%} of {b.name}."
    if min(a.grey_share, b.grey_share) > 0.95:
        return Finding("Greyscale", "good", difference, "Both sides are black and white throughout.")
    if max(a.grey_share, b.grey_share) > 0.95:
        return Finding(
            "Greyscale",
            "note",
            difference,
            "One direction must invent colours: they will be plausible, not true, and may flicker in video.",
            "Judge that direction by eye; the other one is easy.",
        )
    return Finding(
        "Greyscale",
        "warning",
        difference,
        "Some grey pictures in a colour set teach the model to fade colours now and then.",
        "Leave them out with reskin screen.",
    )


def about_faces(a: Side, b: Side) -> Finding | None:
    """How often each side shows a face; None where nobody looked."""
    if a.faces is None or b.faces is None:
        return None
    difference = f"Faces are on {a.faces:.0%} of {a.name} and on {b.faces:.0%} of {b.name}."
    if abs(a.faces - b.faces) <= 0.1:
        return Finding("Faces", "good", difference, "The sides show people about equally often.")
    return Finding(
        "Faces",
        "warning",
        difference,
        "Subjects that one side has more of leak: the model paints faces where there are none, or takes "
        "them away.",
        f"Match the shares: reskin balance {a.name} {b.name} --by faces --ratio 4:1.",
    )
