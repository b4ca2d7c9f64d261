"""`python -m harness.cli`: the command line without an installed script."""

from harness.cli import main

if __name__ == "__main__":
    main()
