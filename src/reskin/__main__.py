"""`python -m reskin` is `reskin`."""

import sys

from reskin.cli.main import main

sys.exit(main())
