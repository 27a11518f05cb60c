"""Train one run: ``python run.py key=value …``. See conf/ for the keys, ``--help`` for a list."""

from ninja.app import main

if __name__ == "__main__":
    main()
