"""`python -m potable` is `potable`."""

from potable.cli.app import main

main()
