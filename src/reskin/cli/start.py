"""The first lines of the program: an interrupt while modules are loaded ends it without a word.

And how PyTorch's threads wait for each other, which has to be said before it is loaded.
"""

from __future__ import annotations

import os
import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

SPINS = "10000"
"""Rounds that an OpenMP thread spins before it sleeps: GOMP_SPINCOUNT of libgomp, which would take 300,000.
Beside another program the waiting thread then holds the very core that the other one needs."""


def main() -> int:
    """`reskin`, as it is typed."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    from reskin.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
