"""``python -m experiments``."""

import sys

from ninja.loading import loading

if __name__ == "__main__":
    with loading():
        from experiments.cli import main
    sys.exit(main())
