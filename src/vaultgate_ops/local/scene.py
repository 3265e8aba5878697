"""The embedded stack as the demo's story sees it.

Rule: what the story checks is asked of Vault's and the database's own administrators, never of the function or the extension.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import hvac
import requests

from vaultgate_ops.errors import Unreachable
from vaultgate_ops.layer import build
from vaultgate_ops.local import paths
from vaultgate_ops.local.database import SCHEMA, TABLE
from vaultgate_ops.local.mirror import DESTINATION

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pymysql
    from pymysql.cursors import Cursor

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.reporting import Reporter

ROLE = "database/creds/records"
_VAULTS_USERS = "v-%"  # Vault's default user names: v-<who>-<role>-<random>-<time>
_REQUEST_S = 60


class Backstage:
    """Looks at Vault and the database with their administrators' eyes.

    Args:
        vault: opens a client with an administrator's token.
        database: opens a connection as the database's administrator.
        table: the demo's, with its schema.
    """

    def __init__(
        self,
        vault: Callable[[], AbstractContextManager[hvac.Client]],
        database: Callable[[], pymysql.connections.Connection[Cursor]],
        table: tuple[str, str],
    ) -> None:
        self._vault = vault
        self._database = database
        self._table = table

    def leases(self) -> frozenset[str]:
        """Ids of the leases under the demo's database role."""
        with self._vault() as client:
            try:
                listed = client.sys.list_leases(prefix=ROLE)
            except hvac.exceptions.InvalidPath:
                return frozenset()
        return frozenset(f"{ROLE}/{key}" for key in listed["data"]["keys"])

    def revoke(self, lease_id: str) -> None:
        """Revoke a lease."""
        with self._vault() as client:
            client.sys.revoke_lease(lease_id)

    def tokens(self) -> frozenset[str]:
        """Accessors of all tokens."""
        with self._vault() as client:
            return frozenset(client.auth.token.list_accessors()["data"]["keys"])

    def database_users(self) -> frozenset[str]:
        """Users that Vault made."""
        return frozenset(row[0] for row in self._query("SELECT user FROM mysql.user WHERE user LIKE %s", _VAULTS_USERS))

    def ask_vault(self) -> str:
        """Look the administrator's own token up; the id that Vault gave this request."""
        with self._vault() as client:
            return str(client.auth.token.lookup_self()["request_id"])

    def rows(self) -> int:
        """Rows in the demo's table."""
        schema, table = self._table
        count = self._query(f"SELECT COUNT(*) FROM `{schema}`.`{table}`")[0][0]  # noqa: S608 - our own names
        return int(count)

    def _query(self, statement: str, *parameters: str) -> tuple[tuple[Any, ...], ...]:
        connection = self._database()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return tuple(cursor.fetchall())
        finally:
            connection.close()


class EmbeddedScene(Backstage):
    """The story's scene on an embedded stack.

    Args:
        stack: a running one.
    """

    def __init__(self, stack: Stack, reporter: Reporter) -> None:
        super().__init__(stack.vault.client, stack.database.connect, (SCHEMA, TABLE))
        self._stack = stack
        self._reporter = reporter
        self._url = ""

    def configure(self) -> int:
        """Start the mirror, then bootstrap Vault, whose audit device comes first; the number of changes."""
        self._stack.mirror_audit()
        return len(self._stack.bootstrap())

    def pending_changes(self) -> int:
        """What a bootstrap would change now."""
        return len(self._stack.pending())

    def build_layer(self) -> int:
        """Build the layer; bytes of the zip."""
        return build(paths.checkout(), os.environ, self._reporter).size

    def start_function(self) -> None:
        """Start a sandbox and the HTTP front before it."""
        self._url = self._stack.serve()

    def init_ms(self) -> float | None:
        """What the emulator reported."""
        return self._stack.served.init_ms

    def stop_function(self) -> None:
        """End the sandbox as Lambda does."""
        self._stack.served.shutdown()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET from the front."""
        return get_json(self._url + path)

    def mirrored(self, request_id: str) -> list[str]:
        """Asked of the emulated CloudWatch Logs."""
        with self._stack.aws.client("logs") as logs:
            return entry_types(logs, request_id)


def entry_types(logs: Any, request_id: str) -> list[str]:
    """Types of the mirrored audit entries with this request id.

    Args:
        logs: botocore's client for CloudWatch Logs.
        request_id: as Vault answered it.
    """
    try:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=DESTINATION.group, logStreamNames=[DESTINATION.stream], filterPattern=f'"{request_id}"'
        )
        entries = [json.loads(event["message"]) for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [entry["type"] for entry in entries if entry["request"]["id"] == request_id]


def get_json(url: str) -> tuple[int, dict[str, Any]]:
    """GET a JSON object: status and object.

    Raises:
        Unreachable: no answer, or none in JSON.
    """
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the user's has no business on loopback
        try:
            response = session.get(url, timeout=_REQUEST_S)
            return response.status_code, response.json()
        except requests.RequestException as error:
            raise Unreachable(f"{url} gave no JSON ({type(error).__name__})") from error
