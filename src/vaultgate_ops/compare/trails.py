"""Following one read of Vault through its audit log, as an investigator would.

Rules: the read is a function's own, past everything that is kept; its entry is found in the audit file by its path, then
in CloudWatch Logs by its request id. A database session is followed backwards: from its user, which the database's list of
sessions has, to Vault's entry, by the user's HMAC, which Vault computes on request (``sys/audit-hash``), and to the
invocation, by the function's own log. What doesn't come in time is a failure, not a zero.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.applications import CAREFUL
from vaultgate_ops.compare.experiments.audit import Trail
from vaultgate_ops.compare.ground import PATHS, ask
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.mirror import DESTINATION
from vaultgate_ops.local.scene import entry_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.compare.ground import Ground
    from vaultgate_ops.local.sandbox import Sandbox

_OK = 200
_PATIENCE_S = 30.0
_POLL_S = 0.01


class Trails:
    """Follows reads.

    Args:
        ground: a prepared one, whose audit log is mirrored.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground, self._clock = ground, ground.clock

    def follow(self, store: str) -> Trail:
        """One read of a store of Vault, by the layer.

        Raises:
            CheckFailed: its entry didn't come in time.
        """
        sandbox, file = self._ground.warm(f"{store}.layer"), self._ground.stack.vault.audit_file
        seen = file.stat().st_size
        begin = self._clock.steady()
        ask(sandbox, do="read", anew=True)

        def entry() -> dict[str, Any] | None:
            with file.open("rb") as lines:
                lines.seek(seen)
                entries = [json.loads(line) for line in lines if line.endswith(b"\n")]
            responses = (one for one in entries if one["type"] == "response" and one["request"]["path"] == PATHS[store])
            return next(responses, None)

        found = self._await(entry, "the audit file")
        file_ms = (self._clock.steady() - begin) * 1000
        with self._ground.stack.aws.client("logs") as logs:
            self._await(lambda: "response" in entry_types(logs, found["request"]["id"]), "CloudWatch Logs")
        searchable_ms = (self._clock.steady() - begin) * 1000
        return Trail(found, file_ms, searchable_ms, self.led_back(sandbox) if store == "vault-dynamic" else None)

    def led_back(self, sandbox: Sandbox) -> bool:
        """Whether the session of one GET /records leads to one read of a credential in Vault's log, and to one invocation.

        Args:
            sandbox: of the layer's way of reading dynamic credentials; no other has a session open.

        Raises:
            CheckFailed: there is no session, or Vault's log knows nothing of it.
        """
        said = sandbox.invoke({"do": "records", "application": CAREFUL})
        if not isinstance(said, dict) or said.get("statusCode") != _OK:
            raise CheckFailed("GET /records did not answer: there is no session to be traced.")
        with self._ground.stack.database.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT user FROM information_schema.processlist WHERE user LIKE 'v-%'")
            users = [user for (user,) in cursor.fetchall()]
        if not users:
            raise CheckFailed("The database lists no session of a user that Vault made.")
        reads = [self._reads_of(user) for user in users]
        invocations = [invocations_of(user, sandbox.log()) for user in users]
        return all(len(found) == 1 for found in (*reads, *invocations))

    def _reads_of(self, user: str) -> set[str]:
        """Request ids of what Vault answered with this user in it, as CloudWatch Logs finds them."""
        hashed = self._hashed(user)
        with self._ground.stack.aws.client("logs") as logs:
            pages = logs.get_paginator("filter_log_events")

            def search() -> list[dict[str, Any]]:
                found = pages.paginate(
                    logGroupName=DESTINATION.group, logStreamNames=[DESTINATION.stream], filterPattern=f'"{hashed}"'
                )
                return [json.loads(event["message"]) for page in found for event in page["events"]]

            entries = self._await(search, "CloudWatch Logs")
        return {one["request"]["id"] for one in entries if (one.get("response") or {}).get("data", {}).get("username") == hashed}

    def _hashed(self, text: str) -> str:
        with self._ground.stack.vault.client() as vault:
            answer: Any = vault.sys.calculate_hash(path="file", input_to_hash=text)
        return str(answer["data"]["hash"])

    def _await(self, look: Callable[[], Any], where: str) -> Any:
        deadline = self._clock.steady() + _PATIENCE_S
        while not (found := look()):
            if self._clock.steady() >= deadline:
                raise CheckFailed(f"The read's entry did not arrive in {where} within {_PATIENCE_S:.0f} s.")
            self._clock.sleep(_POLL_S)
        return found


def invocations_of(user: str, log: str) -> set[str]:
    """Request ids of the invocations that a function's log names beside a database user.

    Args:
        user: of the database.
        log: of the sandbox; lines that are not JSON objects are others'.
    """
    found = set()
    for line in log.splitlines():
        if user in line and line.startswith("{"):
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if entry.get("user") == user and "function_request_id" in entry:
                    found.add(str(entry["function_request_id"]))
    return found
