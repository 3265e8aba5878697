"""The function's variables: a mapping in, one frozen value out, or every problem at once.

Rules: nothing else of the rotation reads the environment. Those that shape a password have the names and the defaults of AWS's
own rotation functions, so that a stack that moves over keeps its variables. No secret is among them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.errors import RotationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_BOOLEAN = {"true": True, "false": False}
_SHORTEST, _LONGEST = 8, 128
_FLAGS = {
    "EXCLUDE_NUMBERS": ("ExcludeNumbers", "false"),
    "EXCLUDE_PUNCTUATION": ("ExcludePunctuation", "false"),
    "EXCLUDE_UPPERCASE": ("ExcludeUppercase", "false"),
    "EXCLUDE_LOWERCASE": ("ExcludeLowercase", "false"),
    "REQUIRE_EACH_INCLUDED_TYPE": ("RequireEachIncludedType", "true"),
}
# What breaks in URLs, shells and configuration files; AWS's own list.
_EXCLUDED = ":/@\"'\\"


@dataclass(frozen=True)
class Settings:
    """How to rotate.

    Attributes:
        strategy: for secrets that name none; None: ``dual`` where there is a rotator, else ``single``.
        grace_s: for secrets that name none; None: an older password lives until the next rotation.
        hosts: patterns of hosts that may be contacted and that a rotator's credential may be sent to; empty for no such list.
        ca_file: PEM bundle for the databases' certificates, and beside the system's for those of APIs; None for the system's.
        sweep: secrets that a scheduled event looks after.
        password: parameters of GetRandomPassword.
        endpoint: of Secrets Manager; None for AWS's.
        plugin: name of the code for the strategy ``plug-in``; None for no such strategy.
    """

    strategy: str | None
    grace_s: float | None
    hosts: tuple[str, ...]
    ca_file: str | None
    sweep: tuple[str, ...]
    password: Mapping[str, Any]
    endpoint: str | None
    plugin: str | None = None


def load(environ: Mapping[str, str], strategies: Collection[str]) -> Settings:
    """Check a whole environment.

    Args:
        environ: names to texts; an empty text counts as absent.
        strategies: the valid names.

    Raises:
        RotationError: ``settings-wrong`` with all problems.
    """
    problems: list[str] = []
    strategy = environ.get("ROTATION_STRATEGY") or None
    if strategy is not None and strategy not in strategies:
        problems.append(f"ROTATION_STRATEGY={strategy!r} must be one of: {', '.join(sorted(strategies))}")
    grace = environ.get("ROTATION_GRACE_S", "")
    if grace and not re.fullmatch(r"[0-9]{1,9}", grace):
        problems.append(f"ROTATION_GRACE_S={grace!r} is not a number of seconds")
    length = environ.get("PASSWORD_LENGTH", "") or "32"
    if not re.fullmatch(r"[0-9]{1,4}", length) or not _SHORTEST <= int(length) <= _LONGEST:
        problems.append(f"PASSWORD_LENGTH={length!r} is not a number between {_SHORTEST} and {_LONGEST}")
    flags = {}
    for name, (parameter, default) in _FLAGS.items():
        given = (environ.get(name) or default).lower()
        if given not in _BOOLEAN:
            problems.append(f"{name}={given!r} must be true or false")
        flags[parameter] = _BOOLEAN.get(given, False)
    if problems:
        raise RotationError("settings-wrong", "; ".join(problems) + ".", "Correct the function's variables.")
    password = {"PasswordLength": int(length), "ExcludeCharacters": environ.get("EXCLUDE_CHARACTERS", _EXCLUDED), **flags}
    return Settings(
        strategy=strategy,
        grace_s=float(grace) if grace else None,
        hosts=_list(environ, "ROTATION_HOSTS"),
        ca_file=environ.get("ROTATION_CA_BUNDLE") or None,
        sweep=_list(environ, "ROTATION_SWEEP"),
        password=password,
        endpoint=environ.get("SECRETS_MANAGER_ENDPOINT") or None,
        plugin=environ.get("ROTATION_PLUGIN") or None,
    )


def _list(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
