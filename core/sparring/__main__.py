"""`python -m sparring`: the command line, which is a package of its own. Nothing else here knows of it."""

from sparring_cli import main

main(prog_name="sparring")
