"""Inception score and conditional inception score: do outputs show clear classes, and different ones?

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, https://arxiv.org/abs/1606.03498; the
conditional score is of Huang et al., "Multimodal Unsupervised Image-to-Image Translation", ECCV 2018,
https://arxiv.org/abs/1804.04732, section 5.2: 100 inputs with 100 outputs each, by a classifier of the target
domain's categories. MUNIT's table holds the mean divergence in nats; Salimans takes its exponential.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("inception_score", "numbers", better="higher", best=math.inf, symmetric=False)


@dataclass(frozen=True)
class InceptionScore:
    """Mean divergences, in nats; higher is better.

    Attributes:
        score: of the classes of each output from those of all outputs.
        conditional: of the classes of each output from those of its own input's outputs; 0 for one output.
    """

    score: float
    conditional: float

    @property
    def exponential(self) -> tuple[float, float]:
        """Both as Salimans et al. print them: exp of the mean divergence, 1 at least."""
        return math.exp(self.score), math.exp(self.conditional)


def inception_score(probabilities: Tensor) -> InceptionScore:
    """Both scores of the classes of several outputs of each input; higher is better.

    Args:
        probabilities: (N inputs, S outputs, C classes), each row adding up to 1.

    Raises:
        ShapeError: another shape, or rows that are no probabilities.

    >>> one, two = [1.0, 0.0], [0.0, 1.0]
    >>> found = inception_score(torch.tensor([[one, two], [one, one]]))
    >>> round(found.score, 6), round(found.conditional, 6)
    (0.562335, 0.346574)
    """
    rows = probabilities.double()
    if rows.ndim != 3 or 0 in rows.shape or bool((rows < 0).any()):
        raise ShapeError(
            f"probabilities of {tuple(rows.shape)}", "Wanted (inputs, outputs, classes), 0 to 1."
        )
    if not torch.allclose(rows.sum(-1), torch.ones(1, dtype=torch.float64), atol=1e-4):
        raise ShapeError("probabilities that do not add up to 1", "Give the softmax of the scores.")
    of_all, of_input = rows.mean(dim=(0, 1), keepdim=True), rows.mean(dim=1, keepdim=True)
    return InceptionScore(_divergence(rows, of_all), _divergence(rows, of_input))


def _divergence(rows: Tensor, others: Tensor) -> float:
    """Mean Kullback-Leibler divergence of the rows from others; 0 log 0 is 0."""
    parts = torch.special.xlogy(rows, rows) - torch.special.xlogy(rows, others.expand_as(rows))
    return parts.sum(-1).mean().item()
