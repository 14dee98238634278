"""``python -m lior``: the command line."""

import sys

from lior_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
