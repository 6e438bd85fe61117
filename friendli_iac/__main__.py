"""`python -m friendli_iac`."""

from friendli_iac.cli.main import main

main()
