"""Writes docs/results/parity.md: how far a training step is from the papers' equations.

python -m benchmarks.parity
"""

from __future__ import annotations

from pathlib import Path

import torch
from tests.parity.compare import METHODS, compare

PAGE = Path(__file__).parents[1] / "docs" / "results" / "parity.md"
TEXT = """# Parity of a training step

Seven methods take one training step from the same weights and pictures twice: as they are here, and from
the papers' equations in plain torch (`tests/parity/`), with networks, losses and Adam written out apart from
this package. In float64, small networks, batches of 1 and 2 at 32 px. Made by `make parity`.

- **gradients**: for each optimizer the worst relative L2 difference of a weight's gradient. Biases in
  front of a norm, whose gradient is 0 in theory, are left out.
- **weights**: the largest absolute difference of a weight after the step, which moves weights by 1e-4 (MUNIT,
  UNIT) or 2e-4.

| method | batch | gradients, generators | gradients, discriminators | weights |
|---|---|---|---|---|
"""


def main() -> None:
    """Compare every method and write the page."""
    torch.set_num_threads(1)
    rows = []
    for name in METHODS:
        for count in (1, 2):
            found = compare(name, count=count)
            disc = next(value for key, value in found.gradients.items() if key.startswith("disc"))
            gen = next(value for key, value in found.gradients.items() if not key.startswith("disc"))
            rows.append(f"| {name} | {count} | {gen:.0e} | {disc:.0e} | {found.weights:.0e} |")
            print(rows[-1])
    PAGE.write_text(TEXT + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
