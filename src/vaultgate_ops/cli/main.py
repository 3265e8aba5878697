"""`vaultgate`: one group, one module per family of verbs, one place where failures become exit codes."""

from __future__ import annotations

import sys

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.bootstrap import bootstrap
from vaultgate_ops.cli.config import config
from vaultgate_ops.cli.demo import demo
from vaultgate_ops.cli.layer import layer
from vaultgate_ops.cli.local import down, status, up
from vaultgate_ops.cli.mirror import mirror
from vaultgate_ops.cli.rotate import rotate
from vaultgate_ops.errors import OpsError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vaultgate")
def cli() -> None:
    """HashiCorp Vault for AWS Lambda: local stack, bootstrap, layer and more.

    Exit codes: 0 fine, 1 a check failed, 2 usage or configuration, 3 something missing on this machine,
    4 unreachable, 5 denied, 130 interrupted.
    """


cli.add_command(bootstrap)
cli.add_command(config)
cli.add_command(demo)
cli.add_command(layer)
cli.add_command(mirror)
cli.add_command(rotate)
cli.add_command(up)
cli.add_command(down)
cli.add_command(status)


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OpsError as error:
        speech.failure(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        speech.stderr.print("interrupted", markup=False)
        sys.exit(INTERRUPTED)
