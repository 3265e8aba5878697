"""Leaks to try on a prepared ground: what is copied, and what people do about it.

Rules: each case has a credential of its own, so that all run side by side; the copy is what a thief would have: user and
password, and a session that he opened. Where a store doesn't know the database, deleting there ends nothing, and the password
must be changed where it is checked.
"""

from __future__ import annotations

import json
import math
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import pymysql

from vaultgate_ops.compare.contenders import entry
from vaultgate_ops.compare.experiments import TROUBLES
from vaultgate_ops.compare.experiments.leak import Case
from vaultgate_ops.compare.ground import PATHS
from vaultgate_ops.compare.ways.vault_hvac import log_in
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.database import HOST, SCHEMA, STATIC_USER, TABLE
from vaultgate_ops.rotation.by_hand import ByHand
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.server import tls_context
from vaultgate_ops.rotation.parameter_store import pending_name
from vaultgate_ops.rotation.parameters import Parameters
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from vaultgate_ops.compare.ground import Ground

    Copied = tuple[Callable[[], object], Mapping[str, Callable[[], bool]]]
    Act = Callable[[], object]

# 1045 at the door; 1044, 1142, 1143, 1227 inside for whose privileges are gone.
REFUSED = frozenset({1044, 1045, 1142, 1143, 1227})
# Of a session that was ended, 0 being PyMySQL's own for one that it knows to be; at a login these are the database's failures.
ENDED = frozenset({0, 1927, 2006, 2013, 4031})


class Leaks:
    """The cases of a ground.

    Args:
        ground: a prepared one.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stack, self._cloud, self._clock = ground.stack, ground.cloud, ground.clock
        self._tls = tls_context(str(ground.stack.database.ca_file))
        self._settings = load({"ROTATION_CA_BUNDLE": str(ground.stack.database.ca_file)}, STRATEGIES)

    def cases(self) -> list[Case]:
        """All of them."""
        change = "The password is changed in the database by hand."
        return [
            Case("vault-dynamic", "revoke_lease", "Its lease is revoked.", self._told(self._lease)),
            Case("vault-dynamic", "revoke_token", "The token that read it is revoked.", self._told(self._token)),
            Case("vault-static", "rotate", "The static role is rotated.", self._told(self._static)),
            Case("vault-kv", "delete", "The secret is deleted in Vault.", self._told(self._kv)),
            Case("secretsmanager", "delete", "The secret is deleted at once.", self._told(self._deleted_secret)),
            *self._rotations("secretsmanager", "vaultgate rotate now", self._rotated),
            *self._rotations("ssm", "vaultgate rotate parameter now", self._rotated_parameter),
            Case("ssm", "delete", "The parameter is deleted.", self._told(self._deleted_parameter)),
            Case("env", "delete", "The variable is removed and every sandbox ended.", self._told(self._unset)),
            *(Case(store, "change", change, self._told(self._changed)) for store in ("vault-kv", "ssm", "env")),
        ]

    def _rotations(self, store: str, command: str, rotated: Callable[..., Copied]) -> list[Case]:
        return [
            Case(store, "rotate_single", "One rotation by 'single'.", self._told(partial(rotated, "single"))),
            Case(
                store,
                "rotate_dual",
                "One rotation by 'dual': the older password works until the next.",
                self._told(partial(rotated, "dual")),
            ),
            Case(
                store,
                "drop_previous",
                f"One rotation by 'dual', then: {command} --drop-previous.",
                self._told(partial(rotated, "dual", drop=True)),
            ),
        ]

    def _told(self, copied: Callable[[], Copied]) -> Callable[[], Copied]:
        """Failures of others' libraries in our words."""

        def translated(do: Callable[[], Any]) -> Any:
            try:
                return do()
            except (*TROUBLES, RotationError) as error:
                raise CheckFailed(f"The leak can't be tried here ({type(error).__name__}).") from error

        def told() -> Copied:
            act, probes = translated(copied)
            return (lambda: translated(act)), probes

        return told

    def _lease(self) -> Copied:
        with self._stack.vault.client() as vault:
            made = vault.read(PATHS["vault-dynamic"])
        lease, login = made["lease_id"], made["data"]

        def revoke() -> None:
            with self._stack.vault.client() as vault:
                vault.sys.revoke_lease(lease)

        return revoke, self._probes(login["username"], login["password"])

    def _token(self) -> Copied:
        """Leaked by a function that logged in with its role, as every sandbox does; it is found by its accessor."""
        with self._stack.vault.client("") as own:
            accessor = str(log_in(own, self._ground.environment(entry("vault-dynamic.hvac")))["accessor"])
            login = own.read(PATHS["vault-dynamic"])["data"]

        def revoke() -> None:
            with self._stack.vault.client() as vault:
                vault.auth.token.revoke_accessor(accessor)

        return revoke, self._probes(login["username"], login["password"])

    def _static(self) -> Copied:
        with self._stack.vault.client() as vault:
            login = vault.read(PATHS["vault-static"])["data"]

        def rotate() -> None:
            with self._stack.vault.client() as vault:
                vault.secrets.database.rotate_static_role_credentials(name="records-static", mount_point="database")

        return rotate, self._probes(STATIC_USER, login["password"])

    def _kv(self) -> Copied:
        user, password = self._user()
        with self._stack.vault.client() as vault:
            kept = {"username": user, "password": password}
            vault.secrets.kv.v2.create_or_update_secret(path=f"leak/{user}", secret=kept, mount_point="secret")

        def delete() -> None:
            with self._stack.vault.client() as vault:
                vault.secrets.kv.v2.delete_metadata_and_all_versions(path=f"leak/{user}", mount_point="secret")

        return delete, self._probes(user, password)

    def _deleted_secret(self) -> Copied:
        user, password = self._user()
        self._cloud.secret(user, json.dumps({"username": user, "password": password}))

        def delete() -> None:
            with self._ground.access.clients("secretsmanager") as client:
                client.delete_secret(SecretId=self._cloud.name(user), ForceDeleteWithoutRecovery=True)

        return delete, self._probes(user, password)

    def _rotated(self, strategy: str, *, drop: bool = False) -> Copied:
        user, password, value = self._rotatable(strategy)
        self._cloud.secret(user, value)

        def rotate() -> None:
            with self._ground.access.clients("secretsmanager") as client:
                hand = ByHand(client, lambda store: build(self._settings, store, self._clock), self._clock)
                hand.rotate_here(self._cloud.name(user))
                if drop:
                    hand.drop_previous(self._cloud.name(user))

        return rotate, self._probes(user, password)

    def _rotated_parameter(self, strategy: str, *, drop: bool = False) -> Copied:
        if self._ground.access.place != "loopback":
            raise CheckFailed("It is tried on the local stack alone: a rotation makes a parameter that does not bear our tag.")
        user, password, value = self._rotatable(strategy)
        self._cloud.parameter(user, value)
        name = self._cloud.name(user)

        def rotate() -> None:
            with self._ground.access.clients("ssm") as client, self._ground.access.clients("secretsmanager") as rotators:
                keeps = SecretsManager(rotators, self._clock)
                hand = Parameters(client, lambda store: build(self._settings, keeps, self._clock, values=store), self._clock)
                version = hand.rotate(name, math.inf)
                if drop:
                    hand.drop_previous(name)
                client.delete_parameter(Name=pending_name(name, version))

        return rotate, self._probes(user, password)

    def _rotatable(self, strategy: str) -> tuple[str, str, str]:
        """A user of its own, its password, and the JSON by which it can be rotated."""
        user, password = self._user()
        value = {"engine": "mariadb", "host": HOST, "port": self._stack.database.port, "dbname": SCHEMA, "strategy": strategy}
        value |= {"username": user, "password": password}
        if strategy != "single":
            value["masterarn"] = self._rotator(user)
        return user, password, json.dumps(value)

    def _deleted_parameter(self) -> Copied:
        user, password = self._user()
        self._cloud.parameter(user, json.dumps({"username": user, "password": password}))

        def delete() -> None:
            with self._ground.access.clients("ssm") as client:
                client.delete_parameter(Name=self._cloud.name(user))

        return delete, self._probes(user, password)

    def _unset(self) -> Copied:
        self._ground.warm("env.plain")
        variables = self._ground.environment(entry("env.plain"))

        def end() -> None:
            for contender in ("env.plain", "env.kms"):
                self._ground.drop(contender)

        return end, self._probes(variables["RDS_USERNAME"], variables["RDS_PASSWORD"])

    def _changed(self) -> Copied:
        user, password = self._user()
        return (lambda: self._execute("ALTER USER %s@'%%' IDENTIFIED BY %s", user, secrets.token_urlsafe())), self._probes(
            user, password
        )

    def _user(self) -> tuple[str, str]:
        user, password = f"leak_{secrets.token_hex(6)}", secrets.token_urlsafe()
        self._execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", user, password)
        self._execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%'", user)
        return user, password

    def _rotator(self, user: str) -> str:
        """A secret with a rotator's login, as docs/rotation.md grants it; its ARN."""
        name, password = f"rotator_{user[-12:]}", secrets.token_urlsafe()
        self._execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", name, password)
        self._execute("GRANT CREATE USER ON *.* TO %s@'%%'", name)
        self._execute("GRANT SELECT ON mysql.* TO %s@'%%'", name)
        self._execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%' WITH GRANT OPTION", name)
        value = {"engine": "mariadb", "host": HOST, "port": self._stack.database.port, "username": name, "password": password}
        return self._cloud.secret(name, json.dumps(value))

    def _execute(self, statement: str, *arguments: str) -> None:
        with self._stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def _probes(self, user: str, password: str) -> dict[str, Callable[[], bool]]:
        def connected() -> pymysql.connections.Connection[Any]:
            port = self._stack.database.port
            return pymysql.connect(host=HOST, port=port, user=user, password=password, ssl=self._tls, connect_timeout=5)

        session = connected()

        def login() -> bool:
            return let_in(lambda: connected().close(), REFUSED)

        def statement() -> bool:
            def count() -> None:
                with session.cursor() as cursor:
                    cursor.execute(f"SELECT COUNT(*) FROM {SCHEMA}.{TABLE}")  # noqa: S608 - our own names

            return let_in(count, REFUSED | ENDED)

        return {"login": login, "session": statement}


def let_in(knock: Callable[[], object], refusals: Container[int]) -> bool:
    """Whether it is let in.

    Args:
        knock: raises PyMySQL's errors.
        refusals: codes of errors that say no; any other is no answer.

    Raises:
        CheckFailed: the database fails for another reason.
    """
    try:
        knock()
    except pymysql.MySQLError as error:
        if error.args and error.args[0] in refusals:
            return False
        raise CheckFailed(f"The database failed while it was asked ({error.args[:1]}).") from error
    return True
