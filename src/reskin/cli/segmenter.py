"""`reskin segmenter train`: a network that names every pixel's class, for FCN-scores."""

from __future__ import annotations

from pathlib import Path

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say, show
from reskin.config import Settings
from reskin.errors import SettingsError
from reskin.evaluation.segmenter_config import SegmenterConfig

COMMAND = "reskin segmenter train"


class Arguments(Settings):
    """Train a segmenter on labelled photos and measure it on held-out ones.

    Its own score is printed, and stands beside every FCN-score that is made with it.

    Examples:
      reskin segmenter train --photos train/images --labels train/labels --palette camvid --out seg
    """

    photos: Path
    """Folder of photos; of one with train, val and test the first is learnt from."""
    labels: Path
    """Folder of their labels: PNG files of the same names, of class ids or of the palette's colours."""
    palette: str
    """Whose classes and colours: cityscapes, camvid, facades, street."""
    out: Path
    """The folder that it is written into."""
    test_photos: Path | None = None
    """Photos to measure it with; without them those of the split test or val, or else every fifth pair."""
    test_labels: Path | None = None
    """Their labels."""
    training: SegmenterConfig = SegmenterConfig()


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    if words[:1] in (["-h"], ["--help"], ["--help-all"]):
        words = ["train", *words]
    if words[:1] != ["train"]:
        raise SettingsError("`reskin segmenter` wants to know what to do", f"Type: {COMMAND} --help.")
    arguments = parse(Arguments, words[1:], command=COMMAND)

    from reskin.evaluation.label_pairs import find_label_pairs, part_pairs, training_pairs
    from reskin.evaluation.palettes import find_palette
    from reskin.evaluation.segmenter import save_segmenter, train_segmenter
    from reskin.progress import Progress

    palette = find_palette(arguments.palette)
    if (arguments.test_photos is None) != (arguments.test_labels is None):
        raise SettingsError("a test set is photos and labels", "Give --test-photos and --test-labels.")
    pairs = find_label_pairs(arguments.photos, arguments.labels)
    if arguments.test_photos is not None and arguments.test_labels is not None:
        held_out = find_label_pairs(arguments.test_photos, arguments.test_labels)
        training = training_pairs(pairs)
        shared = {pair.photo.resolve() for pair in training} & {pair.photo.resolve() for pair in held_out}
        if shared:
            raise SettingsError(
                f"{len(shared)} photos are to be learnt from and measured with, first {min(shared)}",
                "Give other --test-photos, or none.",
            )
    else:
        training, held_out = part_pairs(pairs)
    shown = Progress("steps")
    segmenter = train_segmenter(training, held_out, palette, arguments.training, report=shown)
    shown.end()
    facts = {"photos": str(arguments.photos), "labels": str(arguments.labels)}
    facts |= {"trained_on": str(len(training))}
    save_segmenter(arguments.out, segmenter, facts | {"settings": arguments.training.to_dict()})
    own = segmenter.own
    show(
        f"on {len(held_out)} held-out photos: pixel accuracy {own.pixel_accuracy:.3f}, "
        f"class accuracy {own.class_accuracy:.3f}, IoU {own.iou:.3f}"
    )
    progress.result("segmenter", arguments.out)
    say(f"done: {arguments.out}")
    return 0
