"""What the numbers of a comparison mean: the difference, its effect on training, and what to do about it.

The lessons are those of the projects before this one: domains that are too close barely change; subjects that
one domain has more of leak into the other; a look that is only colour is had more cheaply; what one domain is
squeezed or blurred by, the model learns as if it were style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reskin.curation.inspect.columns import DomainColumns

Level = Literal["good", "note", "warning"]

CLOSE = 0.70
"""A rule that is right less often than this can hardly tell the domains apart."""
FEW = 200
"""A domain with fewer pictures is learned by heart."""


@dataclass(frozen=True)
class Finding:
    """One thing in which the domains differ, or do not.

    Attributes:
        topic: what was compared.
        level: good, note (to know) or warning (to act on).
        difference: what the domains differ in.
        meaning: what that means for training.
        advice: what to do; empty for nothing.
    """

    topic: str
    level: Level
    difference: str
    meaning: str
    advice: str = ""


def about_shared(shared: int, a: DomainColumns, b: DomainColumns) -> Finding:
    """Pictures that are in both domains; `shared` of them."""
    if not shared:
        return Finding(
            "Shared pictures",
            "good",
            "No picture is in both domains.",
            "The domains share no content.",
        )
    count = f"{shared} picture{'s' * (shared != 1)} of {a.name}"
    return Finding(
        "Shared pictures",
        "warning",
        f"{count} {'have' if shared != 1 else 'has'} a near-duplicate in {b.name}.",
        "A picture in both domains teaches that nothing need change, and the discriminators learn noise.",
        "Leave the near-duplicates out of one domain: reskin screen with a --drop list of the pairs below.",
    )


def about_count(a: DomainColumns, b: DomainColumns) -> Finding:
    """How many pictures each domain has."""
    few = [domain for domain in (a, b) if domain.count < FEW]
    counts = f"{a.count:,} pictures against {b.count:,}."
    if few:
        return Finding(
            "Number of pictures",
            "warning",
            counts,
            f"{' and '.join(domain.name for domain in few)} with fewer than {FEW} pictures will be learned "
            "by heart: samples look good while new footage does not.",
            "Take more frames of more scenes; faces get by with fewer pictures than landscapes.",
        )
    ratio = max(a.count, b.count) / min(a.count, b.count)
    if ratio > 4:
        less = a if a.count < b.count else b
        return Finding(
            "Number of pictures",
            "note",
            counts,
            f"Each picture of {less.name} is seen {ratio:.0f} times as often as one of the other domain; its "
            "discriminator overfits first.",
            "More pictures on the small domain help more than a longer training.",
        )
    return Finding("Number of pictures", "good", counts, "The domains are of similar size.")


def about_closeness(rules: dict[str, float | None], a: DomainColumns, b: DomainColumns) -> Finding | None:
    """How far apart the domains are as a whole; None for too few pictures to say."""
    both = rules["both"]
    if both is None:
        return None
    best = max(value for value in rules.values() if value is not None)
    known = f"A simple rule knows the domain of {best:.0%} of the pictures (50% is guessing)."
    if best < CLOSE:
        return Finding(
            "Distance of the domains",
            "warning",
            known,
            f"{a.name} and {b.name} are so close that a translation may barely change anything: that is what "
            "training on two sets of similar photographs gave.",
            "Choose footage that shows the look you want more strongly, or expect a small effect.",
        )
    if best > 0.97:
        return Finding(
            "Distance of the domains",
            "note",
            known,
            "Discriminators have an easy time: they may win early and teach little afterwards.",
            "Watch the discriminators in the curves; if they fall to 0, use smaller crops or augmentation.",
        )
    return Finding("Distance of the domains", "good", known, "There is a difference to learn, and overlap.")


def about_colour(
    colour: dict[str, float], rules: dict[str, float | None], a: DomainColumns, b: DomainColumns
) -> Finding:
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
            f"Colour separates the domains ({tint:.0%}), form hardly does ({form:.0%}): the look is mostly "
            "a matter of colour.",
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
        "Part of the gap is colour. The identity term keeps colours that both domains share.",
        "Compare with Reinhard colour transfer in the scores: a model should beat it.",
    )


def about_size(a: DomainColumns, b: DomainColumns, settings: dict[str, str]) -> Finding:
    """Sizes and forms; adds to `settings` the settings of training that fit."""
    ratios = [np.median(domain.sizes[:, 0] / domain.sizes[:, 1]) for domain in (a, b)]
    shorter = [float(np.median(domain.sizes.min(axis=1))) for domain in (a, b)]
    sizes = [domain.usual_size for domain in (a, b)]
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
            "The default makes every picture square: the two domains would be squeezed differently, and the "
            "model would learn to distort.",
            "Train with --preprocess scale_width_and_crop, or prepare both domains with one --size.",
        )
    if max(shorter) / max(min(shorter), 1.0) > 1.5:
        return Finding(
            "Size and aspect",
            "warning",
            difference,
            "One domain is enlarged or shrunk more than the other: the model will learn blur.",
            "Prepare both domains with the same --size, that of the smaller one.",
        )
    if is_wide:
        settings["preprocess"] = "scale_width_and_crop"
        return Finding(
            "Size and aspect",
            "note",
            difference,
            "The default squeezes these pictures into squares, both domains alike.",
            "To keep shapes as they are, train with --preprocess scale_width_and_crop.",
        )
    return Finding("Size and aspect", "good", difference, "Both domains reach the model in the same way.")


def about_sharpness(a: DomainColumns, b: DomainColumns) -> Finding:
    """How much fine detail each domain has."""
    values = a.median("sharpness"), b.median("sharpness")
    ratio = float(np.sqrt(max(values) / max(min(values), 1e-3)))  # of amplitudes: sharpness is a power
    sharper = a.name if values[0] > values[1] else b.name
    if ratio < 1.3:
        return Finding("Sharpness", "good", "Both domains are about equally sharp.", "Detail is comparable.")
    difference = f"{sharper} holds {ratio:.1f} times as much fine detail (or noise or grain)."
    return Finding(
        "Sharpness",
        "warning" if ratio > 2 else "note",
        difference,
        "The model will add detail in one direction and take it away in the other; made-up texture lands on "
        "flat areas such as sky and floor.",
        "If it is no part of the look: prepare both domains with the same --size, and screen out blur.",
    )


def about_grey(a: DomainColumns, b: DomainColumns) -> Finding | None:
    """Pictures without colour; None where there are hardly any."""
    if max(a.grey_share, b.grey_share) < 0.01:
        return None
    difference = f"Without colour are {a.grey_share:.0%} of {a.name} and {b.grey_share:.0%} of {b.name}."
    if min(a.grey_share, b.grey_share) > 0.95:
        return Finding("Greyscale", "good", difference, "Both domains are black and white throughout.")
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


def about_faces(a: DomainColumns, b: DomainColumns) -> Finding | None:
    """How often each domain shows a face; None where nobody looked."""
    if a.faces is None or b.faces is None:
        return None
    difference = f"Faces are on {a.faces:.0%} of {a.name} and on {b.faces:.0%} of {b.name}."
    if abs(a.faces - b.faces) <= 0.1:
        return Finding("Faces", "good", difference, "The domains show people about equally often.")
    return Finding(
        "Faces",
        "warning",
        difference,
        "Subjects that one domain has more of leak: the model paints faces where there are none, or takes "
        "them away.",
        f"Match the shares: reskin balance {a.name} {b.name} --by faces --ratio 4:1.",
    )
