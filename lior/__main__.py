"""``python -m lior``: the command line."""

import sys

from lior_cli.main import main

sys.exit(main())
