"""``python -m ninja``."""

import sys

from ninja.loading import loading

if __name__ == "__main__":
    with loading():
        from ninja.cli import main
    sys.exit(main())
