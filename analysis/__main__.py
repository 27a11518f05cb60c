"""``python -m analysis``."""

import sys

from ninja.loading import loading

if __name__ == "__main__":
    with loading():
        from analysis.cli import main
    sys.exit(main())
