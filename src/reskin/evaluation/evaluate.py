"""How good a model is on images it has not seen, always beside what costs nothing.

Every score comes with references: the input itself, colour transfer (`reinhard`), and two sets of real
images. Images are measured as they would be saved: rounded to 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reskin.data.folders import check_domains_differ
from reskin.evaluation.networks import Networks
from reskin.evaluation.pictures import find_held_out
from reskin.evaluation.request import CYCLES, METRICS, STYLED, Request
from reskin.evaluation.scores import Scores
from reskin.evaluation.scoring import Evaluation
from reskin.evaluation.styles import style_scores
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator

__all__ = ["METRICS", "Request", "evaluate", "evaluate_request"]


def evaluate(
    model: Translator,
    *,
    a: Path | str,
    b: Path | str,
    truth_a2b: Path | str | None = None,
    truth_b2a: Path | str | None = None,
    metrics: Sequence[str] | None = None,
    size: int | None = None,
    max_images: int | None = None,
) -> Scores:
    """Scores of a model on the held-out images of two folders; `evaluate_request` has more to choose from.

    With a truth: `psnr_a2b`, `ssim_a2b`, and the same of the untouched input (`psnr_input_a2b`) and of colour
    transfer (`psnr_reinhard_a2b`). Always: `swd_a2b` (translated A against real B), `swd_input_a2b`,
    `swd_reinhard_a2b`, `swd_real_b` (one half of B against the other), and, where the model goes both ways,
    `cycle_l1_a` and `cycle_l1_8bit_a`. The other direction is named likewise.

    Args:
        model: on the device where it is to run; it is left as it was. One with styles is measured in the
            first style of seed 0; it has no cycle error, since the reconstruction would need the input's
            style.
        a: folder of domain A in any layout that `data.folders` reads; test images, else val, else all.
        b: folder of domain B; may be the same folder as `a` where it holds testA and testB.
        truth_a2b: folder with the true translations of A, under the same file names.
        truth_b2a: folder with the true translations of B.
        metrics: some of `METRICS`; None for those that need no weights and no labels.
        size: shorter edge in px to bring the images to first; None leaves them as they are.
        max_images: of each domain, evenly spread; None for all.

    Returns:
        Name to score; images that could not be read are in `left_out`.

    Raises:
        WeightsError: a metric needs weights that are not at hand.
        SettingsError: an unknown metric, a truth metric without truth, a size or number below 1.
        DataError: a folder without readable images, the same images for both domains, or truth that does not
            match.
        ShapeError: images too small for a metric.
    """
    request = Request(
        a=Path(a),
        b=Path(b),
        truth_a2b=Path(truth_a2b) if truth_a2b else None,
        truth_b2a=Path(truth_b2a) if truth_b2a else None,
        metrics=None if metrics is None else tuple(metrics),
        size=size,
        max_images=max_images,
    )
    return evaluate_request(model, request)


def evaluate_request(model: Translator, request: Request) -> Scores:
    """As `evaluate`, with everything that can be asked for.

    Raises:
        WeightsError, SettingsError, DataError, ShapeError: as `evaluate`.
        CheckpointError: the segmenter is damaged.
    """
    chosen = request.chosen()
    if isinstance(model, Styled):
        chosen = [name for name in chosen if name not in CYCLES]  # a reconstruction needs the input's style
    limit, size = request.max_images, request.size
    domains = {
        "a": find_held_out(request.a, "a", truth=request.truth_a2b, size=size, limit=limit),
        "b": find_held_out(request.b, "b", truth=request.truth_b2a, size=size, limit=limit),
    }
    check_domains_differ(request.a, request.b, domains["a"].paths, domains["b"].paths)
    networks = Networks.find(request, chosen)
    try:
        scores = Evaluation(model, domains, chosen, networks, request).run()
        if set(STYLED) & set(chosen):
            perceptual = networks.perceptual if "diversity" in chosen else None
            classifier = networks.classifier if "inception_score" in chosen else None
            scores |= style_scores(model, domains, perceptual, classifier)
    finally:
        networks.cache.save()
    return Scores(scores, left_out=[each for images in domains.values() for each in images.left_out])
