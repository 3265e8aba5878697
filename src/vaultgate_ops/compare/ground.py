"""What the contenders stand on: one stack, every store filled with a login of one database, and a function for each way.

Rules: each store holds a user of its own, so that a rotation of one is nobody else's; a store's contenders share it, so that
one rotation, one outage is seen by all of them side by side. Functions run in AWS's emulator, with the layer where their way
needs it and with an empty one where it doesn't. Passwords are random and in memory, but for those that are the contender's
own: an environment variable's.
"""

from __future__ import annotations

import json
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.contenders import KEEP_S, VAULTS, entry
from vaultgate_ops.compare.gate import Gate
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local import paths, processes
from vaultgate_ops.local.database import SCHEMA, STATIC_USER, TABLE
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.sandbox import Sandbox
from vaultgate_ops.reporting import Silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vaultgate_ops.clock import Clock
    from vaultgate_ops.compare.access import Access
    from vaultgate_ops.compare.cloud import Cloud
    from vaultgate_ops.compare.contenders import Entry
    from vaultgate_ops.local.stack import Stack

HANDLER = "vaultgate_ops.compare.function.handler"
PATHS = {
    "vault-dynamic": "database/creds/records",
    "vault-static": "database/static-creds/records-static",
    "vault-kv": "secret/data/records",
}
USERS = {store: f"compare_{store.replace('-', '_')}" for store in ("vault-kv", "secretsmanager", "ssm", "ssm-reference", "env")}
"""Of the stores that hold a login which somebody made; Vault has one of its own for the static role."""
AGENT_TOKEN_FILE = "/var/run/awssmatoken"  # noqa: S105 - a path, AWS's default


class Ground:
    """A prepared stack.

    Args:
        stack: a bootstrapped one, which is the comparison's alone.
        access: to AWS.
        cloud: what is made there.
        agent: host:port of a local agent of AWS's.
        clock: for waiting.

    Attributes:
        vault_gate: before Vault.
    """

    def __init__(self, stack: Stack, access: Access, cloud: Cloud, agent: str, clock: Clock) -> None:
        self.stack, self.access, self.cloud, self.clock = stack, access, cloud, clock
        self._agent = agent
        self._passwords = {store: secrets.token_urlsafe() for store in USERS}
        self._emulator = find_emulator(Silent())
        self._sandboxes: dict[str, Sandbox] = {}
        self._number = 0
        self._counted_to = self._counted = 0  # of Vault's audit file: a byte, and the requests before it
        self._sealed = ""
        self._empty, self._layer = stack.folder / "layer-none", stack.folder / "layer-ours"
        self.vault_gate = Gate("127.0.0.1", stack.vault.port)

    def prepare(self, stores: Iterable[str]) -> None:
        """Fill these stores, and copy the layer, so that a new build doesn't get into the run.

        Raises:
            Denied: AWS lets something not be made.
        """
        shutil.copytree(paths.build_folder() / "layer", self._layer)
        # The record-count function's pool comes out of the package in the layer, whoever fills it.
        shutil.copytree(self._layer / "python", self._empty / "python")
        for store in set(stores) & set(USERS):
            with self.stack.database.connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL", (USERS[store], self._passwords[store]))
                cursor.execute(f"GRANT SELECT ON {SCHEMA}.{TABLE} TO %s@'%%'", (USERS[store],))
            self._store(store, made=False)

    def environment(self, one: Entry) -> dict[str, str]:
        """A function's variables."""
        port = processes.free_port()
        variables = {
            **self.stack.function_environment(port),
            "VAULT_ADDR": f"https://127.0.0.1:{self.vault_gate.port}",
            "COMPARE_STORE": one.store,
            "COMPARE_WAY": one.way,
            "COMPARE_SECRET": PATHS.get(one.store) or self.cloud.name(one.store),
            "COMPARE_KEEP_S": str(KEEP_S),
            "COMPARE_AGENT": self._agent,
            "COMPARE_AGENT_TOKEN": AGENT_TOKEN_FILE,
        }
        if one.store not in VAULTS:
            # Vault knows the identities of the stack's own AWS alone; keys that last come without a token.
            if "AWS_ACCESS_KEY_ID" in self.access.variables:
                del variables["AWS_SESSION_TOKEN"]
            variables |= self.access.variables
        if one.way in ("layer", "proxy"):
            variables |= {"VAULT_DEFAULT_CACHE_ENABLED": "true", "VAULT_DEFAULT_CACHE_TTL": f"{KEEP_S}s"}
        else:
            del variables["VAULTGATE_LISTEN"]
        if one.store == "env":
            variables["RDS_USERNAME"] = USERS["env"]
            variables |= {"COMPARE_SEALED": self._sealed} if one.way == "kms" else {"RDS_PASSWORD": self._passwords["env"]}
        return variables

    def sandbox(self, contender: str) -> Sandbox:
        """A new sandbox of a contender's function, not started yet."""
        one = entry(contender)
        self._number += 1
        layer = self._layer if one.way in ("layer", "proxy") else self._empty
        name = f"{contender}-{self._number}"
        return Sandbox(self._emulator, layer, self.environment(one), HANDLER, self.stack.folder, name=name, clock=self.clock)

    def warm(self, contender: str) -> Sandbox:
        """A sandbox of it that has read once; the same one each time.

        Raises:
            CheckFailed, Unreachable: it could not read.
        """
        if contender not in self._sandboxes:
            sandbox = self.sandbox(contender)
            try:
                sandbox.start()
                ask(sandbox, do="read")
            except BaseException:
                sandbox.kill()
                raise
            self._sandboxes[contender] = sandbox
        return self._sandboxes[contender]

    def adopt(self, contender: str, sandbox: Sandbox) -> None:
        """Keep a sandbox that has read as the contender's warm one."""
        self.drop(contender)
        self._sandboxes[contender] = sandbox

    def drop(self, contender: str) -> None:
        """End the contender's warm sandbox."""
        sandbox = self._sandboxes.pop(contender, None)
        if sandbox is not None:
            sandbox.kill()

    def gates(self, store: str) -> tuple[Gate, ...]:
        """What to shut for a store to be down; none where nothing can be."""
        if store in VAULTS:
            return (self.vault_gate,)
        services = {"secretsmanager": ("secretsmanager",), "ssm": ("ssm",), "ssm-reference": ("ssm",), "env": ("kms",)}[store]
        return tuple(gate for service, gate in self.access.gates.items() if service in services)

    def calls(self, store: str) -> int | None:
        """How often a store has been asked by everybody until now; None where nobody counts.

        Vault's own audit file counts for Vault, a gate for AWS. Looking is no call.
        """
        if store in VAULTS:
            with self.stack.vault.audit_file.open("rb") as file:
                file.seek(self._counted_to)
                whole = file.read().rpartition(b"\n")
            self._counted_to += len(whole[0]) + len(whole[1])
            self._counted += sum(b'"type":"request"' in line for line in whole[0].splitlines())
            return self._counted
        gates = self.gates(store)
        return sum(gate.total for gate in gates) if gates else None

    def rotate(self, store: str) -> None:
        """End what a store has handed out, put another in its place, and end the sessions: the rudest rotation there is.

        For an environment variable only the first half can be done while a sandbox lives.
        """
        if store == "vault-dynamic":
            with self.stack.vault.client() as vault:
                vault.sys.revoke_prefix(PATHS[store])
            self._kill("v-%")
        elif store == "vault-static":
            with self.stack.vault.client() as vault:
                vault.secrets.database.rotate_static_role_credentials(name="records-static", mount_point="database")
            self._kill(STATIC_USER)
        else:
            self._passwords[store] = secrets.token_urlsafe()
            with self.stack.database.connect() as connection, connection.cursor() as cursor:
                cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (USERS[store], self._passwords[store]))
            if store != "env":
                self._store(store, made=True)
            self._kill(USERS[store])

    def begin_anew(self, store: str) -> None:
        """End the leases that reads have left behind, hundreds of them, and the functions that hold some."""
        if store == "vault-dynamic":
            for contender in [name for name in self._sandboxes if entry(name).store == store]:
                self.drop(contender)
            with self.stack.vault.client() as vault:
                vault.sys.revoke_prefix(PATHS[store])

    def restore(self, store: str) -> None:
        """After a rotation that its functions could not follow, begin anew with functions that know the new value."""
        if store == "env":
            for contender in [name for name in self._sandboxes if entry(name).store == store]:
                self.drop(contender)
            self._sealed = self.cloud.seal(self._passwords[store])

    def close(self) -> None:
        """End the sandboxes and shut the gate; what was made in AWS is `Cloud`'s to remove."""
        for contender in list(self._sandboxes):
            self.drop(contender)
        self.vault_gate.shut()

    def _store(self, store: str, *, made: bool) -> None:
        """Put a store's login where its readers look."""
        text = json.dumps({"username": USERS[store], "password": self._passwords[store]})
        if store == "vault-kv":
            with self.stack.vault.client() as vault:
                vault.secrets.kv.v2.create_or_update_secret(path="records", secret=json.loads(text), mount_point="secret")
        elif store in ("secretsmanager", "ssm-reference"):
            (self.cloud.change_secret if made else self.cloud.secret)(store, text)
        elif store == "ssm":
            (self.cloud.change_parameter if made else self.cloud.parameter)(store, text)
        else:
            self._sealed = self.cloud.seal(self._passwords[store])

    def _kill(self, users: str) -> None:
        """End the sessions of users by a pattern of LIKE."""
        with self.stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT user FROM information_schema.processlist WHERE user LIKE %s", (users,))
            for (user,) in cursor.fetchall():
                cursor.execute("KILL USER %s", (user,))


def ask(sandbox: Sandbox, **event: Any) -> dict[str, Any]:
    """Invoke a contender's function.

    Raises:
        CheckFailed: it could not read, or failed; by the error's kind.
    """
    said = sandbox.invoke(event)
    if not isinstance(said, dict) or "errorMessage" in said:
        what = said.get("errorType") if isinstance(said, dict) else type(said).__name__
        raise CheckFailed(f"The function failed: {what}.")
    if "failed" in said:
        raise CheckFailed(f"The secret could not be read: {said['failed']}.")
    return said
