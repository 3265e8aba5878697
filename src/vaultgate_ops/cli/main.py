"""`vaultgate`: one group, one module per family of verbs, one place where failures become exit codes."""

from __future__ import annotations

import importlib
import sys

import click

from vaultgate_ops.cli import speech
from vaultgate_ops.cli.listing import Listing
from vaultgate_ops.errors import OpsError

INTERRUPTED = 130
_VERBS = {
    "bootstrap": "bootstrap",
    "compare": "compare",
    "config": "config",
    "demo": "demo",
    "doctor": "doctor",
    "down": "local",
    "layer": "layer",
    "mirror": "mirror",
    "rotate": "rotate",
    "status": "local",
    "up": "local",
}
"""Each verb's module in this folder."""


class _Verbs(Listing):
    """Imports what a verb needs when it is asked for: the mirror is a daemon, and has no use for 15 MB of others' libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's shape
        if cmd_name not in _VERBS:
            return None
        verb = getattr(importlib.import_module(f"vaultgate_ops.cli.{_VERBS[cmd_name]}"), cmd_name)
        return verb if isinstance(verb, click.Command) else None


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vaultgate")
def cli() -> None:
    """HashiCorp Vault for AWS Lambda: local stack, bootstrap, layer and more.

    Exit codes: 0 fine, 1 a check failed, 2 usage or configuration, 3 something missing on this machine,
    4 unreachable, 5 denied, 130 interrupted.
    """


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
