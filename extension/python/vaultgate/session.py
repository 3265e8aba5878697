"""Our standing with Vault: the token, how it is got, kept alive, healed, replaced and given back.

Rules: one login at a time, everybody else waits for it; a token is renewed while that buys time, and replaced before its
end otherwise; the one that was replaced lives until its last lease is over, because Vault ends a token's leases with it;
a token counts as dead only when Vault proves it. The lock is held while deciding, never across I/O.
"""

from __future__ import annotations

import threading

from vaultgate.errors import Closing, DeadlineExceeded, Unreachable, VaultgateError
from vaultgate.flight import Flight
from vaultgate.guard import redact
from vaultgate.handback import Handback
from vaultgate.leases import due
from vaultgate.ledger import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vaultgate.auth import Login, Token
    from vaultgate.clock import Clock, Instant
    from vaultgate.leases import Lifetime
    from vaultgate.log import Log
    from vaultgate.model import Answer

_HEAL_EVERY_S = 30.0
_REVOKE_S = 1.0
# Longer than a call to Vault usually may take.
_LINGER_S = 60.0
# A renewal that gives less than this share of the first life says that the token's max TTL is near.
_WORTHWHILE = 0.5
# What a killed sandbox leaves behind stays for a lease's TTL. A longer one than this buys nothing: a lease is seen to at an
# INVOKE once a third of its life is left, so three times Lambda's longest invocation, 15 minutes, outlasts every invocation.
_LONG_S = 3600.0


class Session:
    """Holds the token. Safe for threads.

    Args:
        forget: called when a token is proven dead, so that nothing of it is handed out again.
        role: for the log.
    """

    def __init__(self, login: Login, clock: Clock, log: Log, *, role: str, forget: Callable[[Token], None]) -> None:
        self._login = login
        self._clock = clock
        self._log = log
        self._role = role
        self._forget = forget
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._retired: list[Token] = []
        self._retired_at: dict[str, Instant] = {}
        self._handback = Handback(clock, log)
        self._ledger = Ledger()
        self._long: set[str] = set()  # where leases come from that were said to be long
        self._flight: Flight | None = None
        self._healed: Instant | None = None
        self._closing = False

    def token(self, deadline: float) -> Token:
        """The live token; logs in, or waits for a login under way, if there is none.

        Raises:
            VaultgateError: what the login raised, or DeadlineExceeded, or Closing.
        """
        while True:
            with self._lock:
                if self._closing:
                    raise Closing("the sandbox is shutting down")
                token = self._live()
                if token is not None:
                    return token
                flight = self._flight
                leads = flight is None
                if flight is None:
                    flight = self._flight = Flight()
            if leads:
                return self._log_in(flight, deadline)
            try:
                flight.wait(deadline - self._clock.steady())
            except DeadlineExceeded:
                # Either our time is up, or only that of whoever made the call.
                if self._clock.steady() >= deadline:
                    raise

    def needs_care(self) -> bool:
        """Whether `attend` would do something now."""
        now = self._clock.now()
        with self._lock:
            if self._closing:
                return False
            token = self._live()
            return token is None or self._flight is not None or due(token.lifetime, now) or bool(self._spent(now))

    def attend(self, deadline: float) -> None:
        """Wait for a login under way; log in, renew or replace, as is due; give back what was replaced and isn't needed.

        Failures are logged, not raised: whoever asks for the token next tries again.
        """
        with self._lock:
            flight = self._flight
        if flight is not None:
            # Somebody else's login: a freeze in the middle of it would be as bad as in one of ours.
            try:
                flight.wait(deadline - self._clock.steady())
            except VaultgateError:
                return  # logged where it happened; whoever asks for the token next tries again
        now = self._clock.now()
        with self._lock:
            token = self._live()
            over = token is None and self._token is not None
            spent = self._spent(now)
            self._retired = [one for one in self._retired if one not in spent]
        if over:
            self._log.info("token-over", "the token's life is over by our clocks; logging in anew")
        try:
            if token is None:
                self.token(deadline)
            elif due(token.lifetime, now) and not self._went_home(token, deadline) and not self._renew(token, deadline):
                self._replace(token, deadline)
        except VaultgateError:
            pass  # logged where it happened
        for one in spent:
            self._give_back(one, min(deadline, self._clock.steady() + _REVOKE_S))

    def leased(self, token: Token, lease_id: str, lifetime: Lifetime) -> None:
        """Take note of a lease that was got, or renewed, with a token; warn, once for each place, if it is a long one."""
        now = self._clock.now()
        role = lease_id.rpartition("/")[0]
        with self._lock:
            self._ledger.note(token, lease_id, lifetime, now)
            long = lifetime.ttl_s > _LONG_S and role not in self._long
            if long:
                self._long.add(role)
        if long:
            words = "a sandbox that is killed leaves its leases behind for this long; an hour is enough for any invocation"
            self._log.warn("lease-long", words, path=role, ttl_s=int(lifetime.ttl_s))

    def heal(self, token: Token, deadline: float) -> bool:
        """After Vault refused a token: True if it was dead, and another can be had."""
        now = self._clock.now()
        with self._lock:
            if not self._is_current(token):
                return True  # somebody else healed or replaced it meanwhile
            if self._healed is not None and now.since(self._healed) < _HEAL_EVERY_S:
                return False
        try:
            if not token.vault.token_is_dead(token.secret, deadline):
                return False
        except VaultgateError:
            return False  # not proven, so the refusal stands as it is
        with self._lock:
            if self._is_current(token):
                self._token = None
                self._healed = now
                self._ledger.close(token)
        self._forget(token)
        self._log.warn("token-dead", "Vault no longer knows our token; logging in anew", accessor=token.accessor)
        return True

    def has_choice(self, token: Token) -> bool:
        """Whether there is another Vault to go to than a token's."""
        return self._login.elsewhere(token)

    def move(self, token: Token, deadline: float) -> bool:
        """After a token's Vault gave no answer: True if a token of another one is in use now, or can be had.

        The old one is kept until nothing depends on it, and given back like any that was replaced.
        """
        if not self._login.elsewhere(token):
            return False
        try:
            self._replace(token, deadline)
            moved = self.token(deadline)
        except VaultgateError:
            return False  # logged where it happened
        return moved.vault is not token.vault

    def renounce(self, deadline: float) -> None:
        """Revoke the token at a caller's wish, so that the next use logs in anew; fine where there is none.

        Raises:
            VaultgateError: Vault didn't say that it did; the token is no longer used all the same.
        """
        with self._lock:
            token, self._token = self._token, None
        if token is None:
            return
        self._forget(token)
        if token.batch:
            self._give_back(token, deadline)
            return
        token.vault.revoke_self(token.secret, deadline)
        self._log.info("token-renounced", "the token was revoked at a caller's wish", accessor=token.accessor)

    def home(self, token: Token, deadline: float) -> Token:
        """A token of the first Vault, for what is done at no other; this one, unless it is another Vault's.

        Raises:
            VaultgateError: the first Vault gave none.
        """
        if token.vault is not self._login.vault:
            self._replace(token, deadline, self._login.logins[0])
            token = self.token(deadline)
            if token.vault is not self._login.vault:
                raise Unreachable(f"{self._login.vault.origin} can't be logged in to now, and this is done at no other cluster")
        return token

    def circuits(self) -> dict[str, str]:
        """How each Vault's circuit stands, by its first address."""
        return {repr(one.vault.origin): one.vault.circuit for one in self._login.logins}

    def current(self) -> Token | None:
        """The live token, if there is one; nobody logs in for it."""
        with self._lock:
            return self._live()

    def remaining_s(self) -> float | None:
        """Seconds that the live token may be used; None where there is none."""
        token = self.current()
        return None if token is None else token.lifetime.remaining_s(self._clock.now())

    def conceal(self, answer: Answer) -> Answer:
        """An answer with the ids of our tokens taken out, whoever asked for it.

        Vault shows a token to itself, and whatever was wrapped to whoever unwraps it.
        """
        with self._lock:
            tokens = [*([self._token] if self._token is not None else []), *self._retired]
        for token in tokens:
            answer = redact(answer, token.secret)
        return answer

    def close(self, held: int) -> None:
        """Give every token back, within a second; Vault ends their leases by itself. No more logins after this.

        Args:
            held: how many leases were kept, for the log.
        """
        deadline = self._clock.steady() + _REVOKE_S
        with self._lock:
            self._closing = True
            flight = self._flight
        if flight is not None:
            try:
                flight.wait(deadline - self._clock.steady())
            except VaultgateError as error:
                self._log.warn("login-unfinished", "a login was under way at the end", code=error.code)
        with self._lock:
            tokens = [*([self._token] if self._token is not None else []), *self._retired]
            self._token, self._retired = None, []
        for token in tokens:
            self._give_back(token, deadline, held)

    def _live(self) -> Token | None:
        token = self._token
        return None if token is None or token.lifetime.over(self._clock.now()) else token

    def _is_current(self, token: Token) -> bool:
        """Whether a token, perhaps renewed since, is the one in use."""
        return self._token is not None and self._token.name == token.name

    def _spent(self, now: Instant) -> list[Token]:
        """Replaced tokens that nothing handed out depends on any more."""
        spent = []
        for token in self._retired:
            # A read that took it before it was replaced may still be on its way, and bring a lease.
            lingers = now.since(self._retired_at[token.name]) < _LINGER_S
            if not lingers and not self._ledger.in_use(token, now):
                spent.append(token)
        return spent

    def _log_in(self, flight: Flight, deadline: float, login: Login | None = None) -> Token:
        """Log in for all who wait for the flight; the token that this replaces is retired at the same moment.

        So is one that is over only by our clocks: a freeze or somebody who sets the time doesn't end it in Vault.
        """
        started = self._clock.steady()
        try:
            token = (login or self._login).login(deadline)
        except VaultgateError as error:
            self._take_off(flight, error)
            self._log.error("login-failed", error.message, code=error.code, hint=error.hint)
            raise
        except BaseException:
            self._take_off(flight, VaultgateError("the login broke off"))
            raise
        with self._lock:
            if self._token is not None:
                self._retired.append(self._token)
                self._retired_at[self._token.name] = self._clock.now()
            self._token = token
            self._flight = None
        flight.land()
        ms = round((self._clock.steady() - started) * 1000, 1)
        ttl_s = token.lifetime.ttl_s if token.lifetime.ttl_s < float("inf") else None
        self._log.info("login", "logged in to Vault", role=self._role, accessor=token.accessor, ms=ms, ttl_s=ttl_s)
        return token

    def _take_off(self, flight: Flight, error: VaultgateError) -> None:
        with self._lock:
            self._flight = None
        flight.fail(error)

    def _renew(self, token: Token, deadline: float) -> bool:
        """Ask for more time; False where that doesn't buy enough."""
        if not token.renewable:
            return False
        sent = self._clock.now()
        try:
            ttl_s = token.vault.renew_self(token.secret, deadline)
        except VaultgateError as error:
            self._log.warn("renew-failed", error.message, code=error.code)
            return False
        if ttl_s < token.first_ttl_s * _WORTHWHILE:
            return False
        renewed = token.renewed(sent, ttl_s)
        with self._lock:
            if self._is_current(token):
                self._token = renewed
        self._log.info("token-renewed", "the token lives on", accessor=token.accessor, ttl_s=ttl_s)
        return True

    def _went_home(self, token: Token, deadline: float) -> bool:
        """Go back to the first Vault, if that gives a token by half of the time; False where we are there, or it doesn't."""
        if token.vault is self._login.vault:
            return False
        try:
            self.home(token, (self._clock.steady() + deadline) / 2)
        except VaultgateError:
            return False  # logged where it happened; we stay where we are
        return True

    def _replace(self, token: Token, deadline: float, login: Login | None = None) -> None:
        """Log in beside a token that still lives, and retire that; or wait for a login under way, which does the same."""
        with self._lock:
            if self._closing or not self._is_current(token):
                return
            flight = self._flight
            leads = flight is None
            if flight is None:
                flight = self._flight = Flight()
        if leads:
            self._log_in(flight, deadline, login)
        else:
            flight.wait(deadline - self._clock.steady())

    def _give_back(self, token: Token, deadline: float, held: int = 0) -> None:
        with self._lock:
            leases = self._ledger.living(token, self._clock.now())
            self._ledger.close(token)
            self._retired_at.pop(token.name, None)
        self._handback.give_back(token, leases, deadline, held)
