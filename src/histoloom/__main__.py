"""``python -m histoloom``: the command line."""

import sys

from histoloom.cli import main

if __name__ == "__main__":
    sys.exit(main())
