"""`python -m gateway.cli`, for children that must run under this very interpreter."""

from gateway.cli import main

main(prog_name="gateway")
