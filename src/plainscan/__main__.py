"""`python -m plainscan` is the command line."""

from plainscan.cli import main

if __name__ == "__main__":
    main()
