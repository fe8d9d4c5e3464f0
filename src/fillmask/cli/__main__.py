"""`python -m fillmask.cli`, for launchers that start modules: torchrun, accelerate."""

from fillmask.cli import main

main()
