"""The extension's settings as people want to see them: what is in force here, and the table for the documentation.

Rule: nothing is listed here; everything comes from `vaultgate.config`, which is what the extension itself obeys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaultgate import config
from vaultgate.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

INTRODUCTION = """\
# Configuration

Every variable of the extension. The table is made from the code (`make docs`), and a test compares them.

An empty value counts as absent. Durations are Go durations (`10s`, `5m`, `1h30m`) or plain seconds; sizes are bytes or
`500KB`, `8MiB`; booleans are `true`, `false`, `1`, `0` and the like. An unknown `VAULTGATE_*` name is an error that names
the nearest one, and all problems are reported at once, before anything starts: they fail the function's init with their text.

`vaultgate config` shows what is in force in the current environment, and where each value comes from.

| name | default | meaning |
|---|---|---|
"""
LATER = """

## Not served yet

These names are planned, and refused until they do what they say:

"""


@dataclass(frozen=True)
class Effective:
    """One setting as it is in force.

    Args:
        name: the variable.
        value: its text; empty where it is neither set nor has a default.
        origin: `environment` or `default`.
    """

    name: str
    value: str
    origin: str


def effective(environ: Mapping[str, str]) -> tuple[list[Effective], list[str]]:
    """What the extension would obey, and every problem it would refuse to start with."""
    rows = []
    for setting in config.SETTINGS:
        text = environ.get(setting.name, "").strip()
        rows.append(Effective(setting.name, text or setting.default or "", "environment" if text else "default"))
    try:
        config.load(environ)
    except ConfigurationError as error:
        return rows, list(error.problems)
    return rows, []


def markdown() -> str:
    """docs/configuration.md, whole."""
    lines = []
    for setting in config.SETTINGS:
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.name}` | {default} | {setting.meaning} |")
    later = [*sorted(config.NOT_YET), "VAULT_SECRET_PATH*", "VAULT_SECRET_FILE*", "VAULTGATE_FILE*_FORMAT, _TEMPLATE, _MODE"]
    return INTRODUCTION + "\n".join(lines) + LATER + "".join(f"- `{name}`\n" for name in later)
