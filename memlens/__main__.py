"""``python -m memlens``."""

import sys

from memlens.cli import main

# a process that this one starts imports this file too
if __name__ == "__main__":
    sys.exit(main())
