"""`python -m reskin` is `reskin`."""

import sys

from reskin.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
