"""`python -m potable` is `potable`."""

from potable.cli.app import main

if __name__ == "__main__":
    main()
