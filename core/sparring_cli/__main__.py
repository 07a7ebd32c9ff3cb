"""`python -m sparring_cli`: the command line."""

from sparring_cli import main

main(prog_name="sparring")
