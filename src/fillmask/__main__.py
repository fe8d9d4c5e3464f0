"""`python -m fillmask`: the command."""

from fillmask.cli import main

if __name__ == "__main__":
    main()
