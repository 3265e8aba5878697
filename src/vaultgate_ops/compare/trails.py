"""Following one read of Vault through its audit log, as an investigator would.

Rules: the read is a function's own, past everything that is kept; its entry is found in the audit file by its path, then
in CloudWatch Logs by its request id, then once more by the database user's HMAC, which Vault computes on request
(``sys/audit-hash``). What doesn't come in time is a failure, not a zero.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vaultgate_ops.compare.experiments.audit import Trail
from vaultgate_ops.compare.ground import PATHS, ask
from vaultgate_ops.errors import CheckFailed
from vaultgate_ops.local.scene import entry_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate_ops.compare.ground import Ground

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
        answer = ask(sandbox, do="read", anew=True)

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
        by_user = self._hashed(answer["user"]) == found["response"]["data"].get("username") if store == "vault-dynamic" else None
        return Trail(found, file_ms, searchable_ms, by_user)

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
