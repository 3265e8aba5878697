"""The extension's settings as people want to see them: what is in force here, and the table for the documentation.

Rule: nothing is listed here; everything comes from `vaultgate.settings`, which the extension itself obeys.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vaultgate import config
from vaultgate.errors import ConfigurationError
from vaultgate.settings import SETTINGS
from vaultgate.values import secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CONCEALED = "***"
INTRODUCTION = """\
# Configuration

Every variable of the extension. The table is made from the code (`make docs`), and a test compares them.

An empty value counts as absent. Durations are Go durations (`10s`, `5m`, `1h30m`) or plain seconds; sizes are bytes or
`500KB`, `8MiB`; booleans are `true`, `false`, `1`, `0` and the like. An unknown `VAULTGATE_*` name is an error that names
the nearest one, and all problems are reported at once, before anything starts: they fail the function's init with their text.

Where a name holds `[_X]`, each file may have one of its own: `VAULT_SECRET_PATH_APP`, `VAULT_SECRET_FILE_APP` and
`VAULTGATE_FILE_APP_FORMAT` speak of one file ([files.md](files.md)). X may be anything but FORMAT, TEMPLATE and MODE.

`vaultgate config` shows what is in force in the current environment, and where each value comes from.

| name | default | meaning |
|---|---|---|
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
    problems: list[str] = []
    defaults = {setting.name: setting.default or "" for setting in SETTINGS}
    try:
        # The two defaults that hang on other settings.
        obeyed = config.load(environ, lambda file: Path(file).read_text(encoding="utf-8"))
        defaults |= {"VAULTGATE_START": obeyed.start, "VAULT_AUTH_PROVIDER": obeyed.auth_mount}
    except ConfigurationError as error:
        problems = list(error.problems)
    rows = []
    for setting in SETTINGS:
        for name in [setting.name, *sorted(name for name in environ if setting.ending(name))]:
            text = environ.get(name, "").strip()
            if text or name == setting.name:
                shown = CONCEALED if text and setting.parse is secret else text
                rows.append(Effective(name, shown or defaults[name], "environment" if text else "default"))
    return rows, problems


def markdown() -> str:
    """docs/configuration.md, whole."""
    lines = []
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.shown}` | {default} | {setting.meaning} |")
    return INTRODUCTION + "\n".join(lines) + "\n"
