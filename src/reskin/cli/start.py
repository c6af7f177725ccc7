"""The first lines of the program: an interrupt while modules are loaded ends it without a word."""

from __future__ import annotations

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """`reskin`, as it is typed."""
    from reskin.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
