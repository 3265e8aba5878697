"""What the containers of docker-compose.yml run: ``python -m vaultgate_ops.local.compose.steps STEP``.

Rules: every path and address here is one of docker-compose.yml; a step is one word and a function; what a step has to
report is one line of JSON, its last; a failure is the two lines that the command line would print, and its exit code.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pymysql

from vaultgate_ops import bootstrap, layer
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError, Unreachable, UsageProblem
from vaultgate_ops.local import database, mirror, paths
from vaultgate_ops.local.aws import REGION, SET_UP_CALLS, EmulatedAws
from vaultgate_ops.local.certificates import write_private
from vaultgate_ops.local.compose import unseal
from vaultgate_ops.local.compose.prepare import CA, ROOT_PASSWORD, ROOT_TOKEN, VAULT_PASSWORD, prepare
from vaultgate_ops.local.vault_cluster import welcome_soon
from vaultgate_ops.local.wiring import ROLE, SERVER_ID
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VAULT, AWS, MYSQL = "https://vault:8200", "http://aws:5000", ("mysql", 3306)

_VOLUMES = Path("/volumes")
_KEYS, _CA_FILE = _VOLUMES / "keys", _VOLUMES / "trust" / CA
_CREDENTIALS = _VOLUMES / "credentials/function.sh"
_MIRROR = _VOLUMES / "mirror/credentials"
_READY_S, _POLL_S = 60.0, 0.1
_MYSQL_UID = 999


def _layer() -> None:
    """While the image is built."""
    built = layer.build(paths.checkout(), os.environ, Silent())
    (paths.build_folder() / "layer.json").write_text(json.dumps({"layer_bytes": built.size}), encoding="ascii")


def _prepare() -> None:
    prepare(_VOLUMES, paths.build_folder(), int(os.environ.get("MYSQL_UID") or _MYSQL_UID), ha=len(_vaults()) > 1)
    _report(json.loads((paths.build_folder() / "layer.json").read_text(encoding="ascii")))


def _vaults() -> list[str]:
    """Addresses of Vault's nodes."""
    return [VAULT, *(address for address in os.environ.get("VAULT_ADDRESSES", "").split(",") if address)]


def _unseal() -> None:
    unseal.attend_for_ever(_vaults(), _CA_FILE, _KEYS, Clock())


def _unsealed() -> None:
    if not unseal.whole(_vaults(), _CA_FILE, _KEYS):
        raise Unreachable("Vault is not active, or a node has no vote yet.")


def _aws() -> None:
    """The emulated AWS, with the function's role in it and the role's credentials in a file for the function."""
    # What an earlier life left would look like a set-up that is done.
    _CREDENTIALS.unlink(missing_ok=True)
    clock, aws = Clock(), EmulatedAws(Path("/tmp"), Clock(), port=5000)  # noqa: S108 - the container's own
    aws.administrator_file.parent.mkdir(mode=0o700, exist_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "0.0.0.0", "--port", str(aws.port)],  # noqa: S104 - published on loopback
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP_CALLS)},
    )
    with server:
        deadline = clock.steady() + _READY_S
        while not aws.healthy():
            if server.poll() is not None or clock.steady() > deadline:
                server.kill()
                raise Unreachable("The emulated AWS did not start.", "Read the lines above.")
            clock.sleep(_POLL_S)
        aws.set_up(ROLE)
        keys = aws.assume(ROLE)
        variables = {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.session_token,
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        mirror.give_role(aws, _MIRROR)
        write_private(_CREDENTIALS, "".join(lines).encode())


def _emulated() -> None:
    if not _CREDENTIALS.exists() or not EmulatedAws(Path("/tmp"), Clock(), port=5000).healthy():  # noqa: S108 - as above
        raise Unreachable("The emulated AWS is not set up.")


def _bootstrap() -> None:
    """The demo's table, then what vault-config/ says Vault must be."""
    _fill()
    with unseal.client(VAULT, _CA_FILE, (_KEYS / ROOT_TOKEN).read_text(encoding="ascii")) as vault:
        if len(_vaults()) > 1:
            welcome_soon(vault)
        desired = bootstrap.load(paths.checkout() / "vault-config/vault.yaml", variables())
        changes = bootstrap.plan(vault, desired)
        bootstrap.apply(vault, changes, Silent())
    sys.stdout.writelines(f"{line}\n" for line in bootstrap.plan_lines(changes))
    _report({"changes": len(changes)})


def variables() -> Mapping[str, str]:
    """The values that vault.yaml asks for, as they are among the containers."""
    return {
        "FUNCTION_ROLE_ARN": EmulatedAws(Path("/tmp"), Clock()).role_arn(ROLE),  # noqa: S108 - nothing is written
        "VAULT_SERVER_ID": SERVER_ID,
        "AWS_REGION": REGION,
        "STS_ENDPOINT": AWS,
        "AWS_UNIQUE_IDS": "false",
        "DATABASE_HOST": MYSQL[0],
        "DATABASE_PORT": str(MYSQL[1]),
        "DATABASE_NAME": database.SCHEMA,
        "DATABASE_TABLE": database.TABLE,
        "DATABASE_ADMIN_USER": database.VAULT_USER,
        "DATABASE_ADMIN_PASSWORD_FILE": str(_KEYS / VAULT_PASSWORD),
        "DATABASE_CA_FILE": str(_CA_FILE),
        "AUDIT_FILE": "/srv/vault/audit/audit.log",
    }


def _fill() -> None:
    """Fill the database unless that is done; a fill that was cut off is begun anew."""
    root, admin = ((_KEYS / name).read_text(encoding="ascii") for name in (ROOT_PASSWORD, VAULT_PASSWORD))
    with _connect("root", root) as connection, connection.cursor() as cursor:
        # fill() grants this last.
        found = cursor.execute(
            "SELECT 1 FROM mysql.user WHERE user = %s AND create_user_priv = 'Y'",
            (database.VAULT_USER,),
        )
        if found:
            return
        cursor.execute(f"DROP DATABASE IF EXISTS {database.SCHEMA}")
        for user in (database.VAULT_USER, database.STATIC_USER):
            cursor.execute("DROP USER IF EXISTS %s@'%%'", (user,))
        database.fill(cursor, admin)


def _connect(user: str, password: str) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
    try:
        return pymysql.connect(
            host=MYSQL[0],
            port=MYSQL[1],
            user=user,
            password=password,
            ssl={"ca": str(_CA_FILE)},
            connect_timeout=5,
            autocommit=True,
        )
    except pymysql.OperationalError as error:
        raise Unreachable(
            f"MySQL doesn't let {user} in ({error.args[0]}).",
            "If its volume is from another stack: docker compose down --volumes.",
        ) from error


def _report(facts: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")


_STEPS: Mapping[str, Callable[[], None]] = {
    "layer": _layer,
    "prepare": _prepare,
    "unseal": _unseal,
    "unsealed": _unsealed,
    "aws": _aws,
    "emulated": _emulated,
    "bootstrap": _bootstrap,
}


def main(argv: list[str]) -> int:
    """Run one step; its exit code."""
    try:
        if len(argv) != 1 or argv[0] not in _STEPS:
            raise UsageProblem(f"There is no step {' '.join(argv)!r}.", f"Steps: {', '.join(_STEPS)}.")
        _STEPS[argv[0]]()
    except OpsError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"fix: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
