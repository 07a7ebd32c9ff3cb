from sparring.cli import main

main(prog_name="sparring")
