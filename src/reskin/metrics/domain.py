"""Domain-classifier score: which share of outputs a classifier of real images takes for the target domain.

A logistic regression on features of real images of both domains. It reaches a certain share of held-out
real images itself; that share always stands beside, since it bounds the number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("domain_share", "numbers", better="higher", best=1.0, symmetric=False, needs_features=True)

PENALTY = 1e-2
"""Of the squared weights, so that domains that can be distinguished perfectly give finite weights."""


@dataclass(frozen=True)
class DomainClassifier:
    """A logistic regression on standardised features.

    Attributes:
        mean: (D,) of the training features.
        deviation: (D,) of the training features.
        weight: (D,).
        bias: ().
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """(N,): above 0 for domain B."""
        return ((features.double() - self.mean) / self.deviation) @ self.weight + self.bias


def fit_domains(of_a: Tensor, of_b: Tensor) -> DomainClassifier:
    """The classifier of two sets of training features, (N, D) and (M, D); both domains count alike.

    Raises:
        ShapeError: features of different lengths, or fewer than two of a domain.
    """
    if of_a.ndim != 2 or of_b.ndim != 2 or of_a.shape[1] != of_b.shape[1] or min(len(of_a), len(of_b)) < 2:
        raise ShapeError(
            f"features of {tuple(of_a.shape)} and {tuple(of_b.shape)}", "Both must be (2 or more, D)."
        )
    every = torch.cat([of_a, of_b]).double()
    mean, deviation = every.mean(0), every.std(0).clamp_min(1e-6)
    x = (every - mean) / deviation
    y = torch.cat([torch.zeros(len(of_a)), torch.ones(len(of_b))]).double()
    share = torch.where(y > 0, 0.5 / len(of_b), 0.5 / len(of_a)).double()
    weight = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.binary_cross_entropy_with_logits(x @ weight + bias, y, weight=share, reduction="sum")
        value = value + PENALTY * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    return DomainClassifier(mean, deviation, weight.detach(), bias.detach())


def domain_share(found: Tensor, classifier: DomainClassifier, *, domain: str = "b") -> float:
    """Share of images that the classifier takes for a domain; higher is better.

    Args:
        found: (N, D) features of outputs.
        classifier: of `fit_domains`.
        domain: "a" or "b", the target.

    >>> left, right = torch.tensor([[-1.0], [-2.0]]), torch.tensor([[1.0], [2.0]])
    >>> domain_share(torch.tensor([[3.0], [-3.0]]), fit_domains(left, right))
    0.5
    """
    is_b = classifier.logits(found) > 0
    return (is_b if domain == "b" else ~is_b).double().mean().item()
