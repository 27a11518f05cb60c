"""Train one run: ``python run.py key=value …``. See conf/ for the keys, ``--help`` for a list."""

from ninja.loading import loading

if __name__ == "__main__":
    with loading():
        from ninja.app import main
    main()
