"""Train one run: ``python run.py key=value …``. See conf/ for the keys, ``--help`` for a list."""

import sys

try:
    from ninja.app import main
except KeyboardInterrupt:  # while Hydra is loaded
    sys.exit(130)

if __name__ == "__main__":
    main()
