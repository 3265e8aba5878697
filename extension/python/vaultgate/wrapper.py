"""Environment variables without code: `vault:path#field` becomes what Vault has there, before the runtime starts.

Rules: whatever else stands in the environment is handed on as it is; all references are resolved or the start is stopped, with
the name of each variable that can't be; nothing is written anywhere. Values got so don't refresh: a process's environment is
what it was started with. Source of the hand-over: AWS Lambda Developer Guide, "Modifying the runtime environment", wrapper
scripts.
"""

from __future__ import annotations

import os
import sys
import threading

from vaultgate import client
from vaultgate.arrival import SNAP_START, kind_of
from vaultgate.clock import Clock
from vaultgate.errors import ConfigurationError, Denied, NotFound, VaultgateError
from vaultgate.log import Log
from vaultgate.rendering import explain, field_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from vaultgate.vault_secret import VaultSecret

_PREFIX = "vault:"
_NEXT = "VAULTGATE_EXEC_NEXT"
_AT_ONCE = 8
_CONFIGURATION = 2
_MISSING = 3


def references(environ: Mapping[str, str]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """What has to be resolved, path and field by the variable's name; and what begins like a reference and isn't one."""
    found: dict[str, tuple[str, str]] = {}
    wrong = []
    for name, text in sorted(environ.items()):
        if text.startswith(_PREFIX):
            path, _, field = text.removeprefix(_PREFIX).rpartition("#")
            path = path.strip("/").removeprefix("v1/")
            if path and field:
                found[name] = (path, field)
            else:
                wrong.append(f"{name}={text!r} is not a reference such as vault:secret/data/app#api_key")
    return found, wrong


def resolve(environ: Mapping[str, str], read: Callable[[str], VaultSecret]) -> dict[str, str]:
    """The environment with every reference replaced; each path is read once, several at a time.

    Raises:
        ConfigurationError: with every variable that can't be resolved, and why.
    """
    wanted, wrong = references(environ)
    if wanted and kind_of(environ) == SNAP_START:
        why = "holds a reference: with SnapStart its value would be in the snapshot of every sandbox; read it in the handler"
        raise ConfigurationError([f"{name} {why}" for name in wanted])
    outcomes = _read_all(sorted({path for path, _ in wanted.values()}), read)
    values: dict[str, str] = {}
    for name, (path, field) in wanted.items():
        outcome = outcomes[path]
        try:
            if isinstance(outcome, VaultgateError):
                raise outcome
            values[name] = field_of(outcome.document, path, field)
            if "\0" in values[name]:
                raise ConfigurationError([f"the field {field!r} of {path!r} holds a zero byte, which no variable can"])
        except VaultgateError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise ConfigurationError(wrong)
    return {**environ, **values}


def _read_all(paths: list[str], read: Callable[[str], VaultSecret]) -> dict[str, VaultSecret | VaultgateError]:
    outcomes: dict[str, VaultSecret | VaultgateError] = {}
    waiting = list(paths)

    def work() -> None:
        while waiting:
            try:
                path = waiting.pop()
            except IndexError:
                return  # another thread took the last one
            try:
                outcomes[path] = read(path)
            except (Denied, NotFound) as error:
                outcomes[path] = _explained(error, path, read)
            except VaultgateError as error:
                outcomes[path] = error
            except Exception as error:  # noqa: BLE001 - a start that is stopped must say which variables it was stopped for
                outcomes[path] = VaultgateError(f"{path} failed by our own fault: {type(error).__name__}")

    beside = [threading.Thread(target=work, name="reference", daemon=True) for _ in range(min(len(paths), _AT_ONCE))]
    for thread in beside:
        thread.start()
    for thread in beside:
        thread.join()
    return outcomes


def _explained(error: VaultgateError, path: str, read: Callable[[str], VaultSecret]) -> VaultgateError:
    """The error with what Vault tells of the mount, where it tells that."""
    try:
        return explain(error, path, read(f"sys/internal/ui/mounts/{path}").data)
    except VaultgateError:
        return error


def main(argv: Sequence[str]) -> NoReturn:
    """Resolve, then become the program that Lambda named, or the wrapper that comes before it.

    Args:
        argv: the runtime's command line, as Lambda hands it to a wrapper.
    """
    environ = dict(os.environ)
    log = Log(sys.stderr, "info", Clock())
    if not argv:
        sys.stderr.write("vaultgate-exec: Lambda starts it: set AWS_LAMBDA_EXEC_WRAPPER=/opt/vaultgate-exec\n")
        sys.exit(_CONFIGURATION)
    try:
        resolved = resolve(environ, client.read)
    except VaultgateError as error:
        log.failure(error)
        sys.exit(_CONFIGURATION)
    following = resolved.pop(_NEXT, "").strip()
    command = [following, *argv] if following else list(argv)
    try:
        os.execvpe(command[0], command, resolved)  # noqa: S606 - to become that program is what a wrapper is for
    except OSError as error:
        named = f"{_NEXT}={following}" if following else command[0]
        log.failure(ConfigurationError([f"{named} can't be started: {error.strerror}"]))
    sys.exit(_MISSING)
