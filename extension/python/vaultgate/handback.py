"""The end of a token of ours: how it, or what hangs on it, is given back to Vault.

Rules: no longer than the deadline, whatever is left; a service token takes its leases with it; a batch token can't be revoked,
so its leases are, one by one and several at a time, if its policy grants sys/leases/revoke; what is left is said in one line.
Source: HashiCorp, "Tokens", section Batch tokens; "/sys/leases", section Revoke lease.
"""

from __future__ import annotations

import threading

from vaultgate.errors import DeadlineExceeded, Denied, VaultgateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate.auth import Token
    from vaultgate.clock import Clock, Instant
    from vaultgate.log import Log

# As many connections to Vault are kept for the next call.
_AT_A_TIME = 8


class Handback:
    """Gives tokens back. Failures are logged."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log

    def give_back(self, token: Token, leases: Sequence[str], deadline: float, held: int = 0) -> None:
        """End a token, or the leases of one that can't be ended.

        Args:
            token: not to be used any more.
            leases: ids of what hangs on a batch token.
            deadline: steady seconds.
            held: how many leases were kept, for the log.
        """
        now = self._clock.now()
        if token.lifetime.ended(now):
            return
        if token.batch:
            self._end_leases(token, leases, deadline)
            return
        try:
            token.vault.revoke_self(token.secret, deadline)
        except VaultgateError as error:
            if isinstance(error, Denied) and token.lifetime.over(now):
                return  # one clock says that it is over, and Vault says so too
            ends_in_s = _ends_in_s(token, now)
            self._log.warn("revoke-failed", str(error), code=error.code, accessor=token.accessor, ends_in_s=ends_in_s)
        else:
            self._log.info("token-revoked", "the token was given back", accessor=token.accessor, leases=held)

    def _end_leases(self, token: Token, leases: Sequence[str], deadline: float) -> None:
        waiting, failures, ended = list(leases), list[VaultgateError](), list[str]()

        def work() -> None:
            # Lists take and give one at a time; who was refused once would be refused again.
            while waiting and not failures:
                try:
                    lease_id = waiting.pop()
                    token.vault.revoke_lease(lease_id, token.secret, deadline)
                except IndexError:
                    return  # another thread was quicker
                except VaultgateError as error:
                    failures.append(error)
                else:
                    ended.append(lease_id)

        threads = [threading.Thread(target=work, name="revoke", daemon=True) for _ in leases[:_AT_A_TIME]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock.steady()))
        ends_in_s = _ends_in_s(token, self._clock.now())
        left = len(leases) - len(ended)
        if not left:
            words = "the leases of a batch token were revoked; it can't be revoked itself and ends by its TTL"
            self._log.info("leases-revoked", words, leases=len(ended), token_ends_in_s=ends_in_s)
            return
        why = failures[0] if failures else DeadlineExceeded("there was no more time")
        words = f"leases of a batch token could not be revoked and end by their TTL: {why.message}"
        hint = "grant update on sys/leases/revoke, or let the role give service tokens"
        self._log.warn("leases-left", words, code=why.code, hint=hint, leases=left, revoked=len(ended), token_ends_in_s=ends_in_s)


def _ends_in_s(token: Token, now: Instant) -> int | None:
    """Whole seconds until Vault ends a token by itself; None for never."""
    left_s = token.lifetime.ttl_s - now.since(token.lifetime.sent)
    return max(0, int(left_s)) if left_s < float("inf") else None
