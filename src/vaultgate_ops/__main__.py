"""``python -m vaultgate_ops``: the command line, where its program is not installed."""

from vaultgate_ops.cli.main import main

main()
