"""The only mutable state of the extension: the token, the kept answers, and who is waiting for what.

Rules: the lock is held while deciding, never across I/O; one flight per key, everybody else waits for its landing; a
token counts as dead only when Vault proves it, and a denial by policy never causes a login. Nobody is waited for
longer than a deadline.
"""

from __future__ import annotations

import json
import threading

from vaultgate import guard
from vaultgate.cache import Entry, Shelf, key_of
from vaultgate.errors import Closing, DeadlineExceeded, VaultgateError
from vaultgate.leases import Lifetime, margin_s
from vaultgate.model import Answer
from vaultgate.secret import Secret
from vaultgate.vault import READS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.auth import AwsLogin, Token
    from vaultgate.cache import Key
    from vaultgate.clock import Clock, Instant
    from vaultgate.config import Config
    from vaultgate.log import Log
    from vaultgate.model import Request
    from vaultgate.vault import Vault

_HEAL_EVERY_S = 30.0
# What is kept back of an invocation's time, so that our answer still reaches the function.
_RESERVE_S = 0.1
_REVOKE_S = 1.0
_FORBIDDEN = 403
_BAD_REQUEST = 400


class _Flight:
    """One call under way, and those who wait for it."""

    def __init__(self) -> None:
        self._landed = threading.Event()
        self._error: VaultgateError | None = None
        self.entry: Entry | None = None
        self.answer: Answer | None = None

    def land(self) -> None:
        self._landed.set()

    def fail(self, error: VaultgateError) -> None:
        self._error = error
        self._landed.set()

    def wait(self, seconds: float) -> None:
        """Wait for the landing; raises what the call raised, or DeadlineExceeded."""
        if not self._landed.wait(max(0.0, seconds)):
            raise DeadlineExceeded("another request for the same thing did not end in time")
        if self._error is not None:
            raise self._error


class Broker:
    """Answers requests with the extension's token, and looks after that token.

    Safe for threads.
    """

    def __init__(self, vault: Vault, login: AwsLogin, config: Config, clock: Clock, log: Log) -> None:
        self._vault = vault
        self._login = login
        self._config = config
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._shelf = Shelf(config.cache_bytes)
        self._flights: dict[Key, _Flight] = {}
        self._login_flight: _Flight | None = None
        self._healed: Instant | None = None
        self._invocation_ends: float | None = None
        self._closing = False

    # --- time ---

    def invocation(self, deadline_ms: int) -> None:
        """Take note of an invocation: it must be over at this wall time, milliseconds since 1970; 0 for unknown."""
        now = self._clock.now()
        left = deadline_ms / 1000 - now.wall - _RESERVE_S
        self._invocation_ends = now.steady + left if left > 0 else None

    def deadline(self) -> float:
        """Steady seconds by which a call that starts now must be over."""
        now = self._clock.steady()
        longest = now + self._config.timeout_s
        ends = self._invocation_ends
        return longest if ends is None or ends <= now else min(ends, longest)

    # --- the token ---

    def begin(self) -> threading.Thread | None:
        """Log in beside whatever else happens; the thread, or None where there is nothing to do."""
        with self._lock:
            if self._closing or self._login_flight is not None or self._live_token() is not None:
                return None
        thread = threading.Thread(target=self._log_in_quietly, name="login", daemon=True)
        thread.start()
        return thread

    def token(self, deadline: float) -> Token:
        """The live token; logs in, or waits for a login under way, if there is none.

        Raises:
            VaultgateError: what the login raised, or DeadlineExceeded, or Closing.
        """
        while True:
            with self._lock:
                if self._closing:
                    raise Closing("the sandbox is shutting down")
                token = self._live_token()
                if token is not None:
                    return token
                flight = self._login_flight
                leads = flight is None
                if flight is None:
                    flight = self._login_flight = _Flight()
            if leads:
                return self._log_in(flight, deadline)
            try:
                flight.wait(deadline - self._clock.steady())
            except DeadlineExceeded:
                # Either our time is up, or only that of whoever made the call.
                if self._clock.steady() >= deadline:
                    raise

    def tick(self) -> threading.Thread | None:
        """Judge what is held, at an INVOKE; the thread that is busy with the consequences, or None."""
        with self._lock:
            over = self._token is not None and self._live_token() is None
        if over:
            self._log.info("token-over", "the token's life is over; logging in anew")
        return self.begin()

    def close(self) -> None:
        """Give the token back, within a second; Vault ends its leases by itself. No more logins after this."""
        deadline = self._clock.steady() + _REVOKE_S
        with self._lock:
            self._closing = True
            flight = self._login_flight
        if flight is not None:
            try:
                flight.wait(deadline - self._clock.steady())
            except VaultgateError as error:
                self._log.warn("login-unfinished", "a login was under way at the end", code=error.code)
        with self._lock:
            token, self._token = self._token, None
            held = len(self._shelf)
            self._shelf.clear()
        if token is None:
            return
        if token.batch:
            self._log.warn("token-left", "a batch token can't be revoked; its leases end by their TTL", leases=held)
            return
        try:
            self._vault.revoke_self(token.secret, deadline)
        except VaultgateError as error:
            ends = int(token.lifetime.remaining_s(self._clock.now()))
            self._log.warn("revoke-failed", str(error), code=error.code, accessor=token.accessor, ends_in_s=ends)
        else:
            self._log.info("token-revoked", "the token was given back", accessor=token.accessor, leases=held)

    def _live_token(self) -> Token | None:
        token = self._token
        return None if token is None or token.lifetime.over(self._clock.now()) else token

    def _log_in_quietly(self) -> None:
        try:
            self.token(self.deadline())
        except VaultgateError:
            return  # logged where it happened; whoever asks next tries again

    def _log_in(self, flight: _Flight, deadline: float) -> Token:
        started = self._clock.steady()
        try:
            token = self._login.login(deadline)
        except VaultgateError as error:
            with self._lock:
                self._login_flight = None
            flight.fail(error)
            self._log.error("login-failed", error.message, code=error.code, hint=error.hint)
            raise
        except BaseException:
            with self._lock:
                self._login_flight = None
            flight.fail(VaultgateError("the login broke off"))
            raise
        with self._lock:
            self._token = token
            self._shelf.clear()  # whatever is there belongs to a token that is over
            self._login_flight = None
        flight.land()
        took = round((self._clock.steady() - started) * 1000, 1)
        ttl = token.lifetime.ttl_s
        self._log.info(
            "login",
            "logged in to Vault",
            role=self._config.auth_role,
            accessor=token.accessor,
            ms=took,
            ttl_s=ttl if ttl < float("inf") else None,
        )
        return token

    # --- requests ---

    def answer(self, request: Request, deadline: float) -> Answer:
        """Answer a request that the guard let pass.

        Args:
            request: with our token or its caller's, as its X-Vault-Token says.
            deadline: steady seconds.

        Returns:
            Vault's answer with Age, X-Vaultgate-Cache and, for a leased secret, X-Vaultgate-Lease-Remaining.

        Raises:
            VaultgateError: there is no answer of Vault's.
        """
        if not guard.uses_our_token(request):
            token = Secret((request.header("X-Vault-Token") or "").strip())
            return self._labelled(self._vault.forward(request, token, deadline), "bypass", None)
        key = key_of(request, self._config.namespace)
        control = (request.header("X-Vault-Cache-Control") or "cache").strip().lower()
        if key is None or control == "nocache":
            answer, entry = self._fetch(request, deadline)
            self._learn_from(request, answer)
            return self._labelled(answer, "bypass", entry)
        return self._shared(key, request, deadline, anew=control == "recache")

    def _shared(self, key: Key, request: Request, deadline: float, *, anew: bool) -> Answer:
        """Answer from the shelf, by a flight of our own, or by somebody else's."""
        while True:
            with self._lock:
                entry = None if anew else self._kept(key)
                flight = self._flights.get(key)
                leads = entry is None and flight is None
                if leads:
                    flight = self._flights[key] = _Flight()
            if entry is not None:
                return self._labelled(entry.answer, "hit", entry)
            if flight is None:
                raise AssertionError("without an entry there is a flight")
            if leads:
                return self._lead(flight, key, request, deadline)
            try:
                flight.wait(deadline - self._clock.steady())
            except DeadlineExceeded:
                if self._clock.steady() >= deadline:
                    raise
                continue
            if flight.answer is not None:
                return self._labelled(flight.answer, "hit" if flight.entry else "miss", flight.entry)

    def _kept(self, key: Key) -> Entry | None:
        """A fresh entry; with the token gone, or over, nothing is fresh."""
        return None if self._live_token() is None else self._shelf.look(key, self._clock.now())

    def _lead(self, flight: _Flight, key: Key, request: Request, deadline: float) -> Answer:
        try:
            answer, entry = self._fetch(request, deadline)
        except BaseException as error:
            self._land(key, flight)
            flight.fail(error if isinstance(error, VaultgateError) else VaultgateError("the call broke off"))
            raise
        with self._lock:
            if entry is not None and not self._closing:
                self._shelf.put(key, entry)
        flight.answer, flight.entry = answer, entry
        self._land(key, flight)
        flight.land()
        return self._labelled(answer, "miss", entry)

    def _land(self, key: Key, flight: _Flight) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _fetch(self, request: Request, deadline: float) -> tuple[Answer, Entry | None]:
        """Ask Vault with our token; an entry comes along if the answer is leased."""
        token = self.token(deadline)
        sent = self._clock.now()
        answer = self._vault.forward(request, token.secret, deadline)
        if answer.status == _FORBIDDEN and self._heal(token, deadline) and request.method in READS:
            token = self.token(deadline)
            sent = self._clock.now()
            answer = self._vault.forward(request, token.secret, deadline)
        if request.method in READS and self._clock.now().jumped_since(sent):
            # What arrived may be older than its own lease.
            token = self.token(deadline)
            sent = self._clock.now()
            answer = self._vault.forward(request, token.secret, deadline)
        answer = Answer(answer.status, answer.headers, guard.redact(answer, token.secret))
        return answer, self._leased(answer, sent, token)

    def _leased(self, answer: Answer, sent: Instant, token: Token) -> Entry | None:
        """The entry for an answer that holds a lease and is not for one reader alone."""
        if not answer.ok or b'"lease_id"' not in answer.body:
            return None
        try:
            document = json.loads(answer.body)
            lease_id, ttl_s = document["lease_id"], float(document["lease_duration"])
        except (ValueError, KeyError, TypeError):
            return None
        if not lease_id or ttl_s <= 0 or document.get("wrap_info") or document.get("auth"):
            return None
        own = Lifetime(sent, ttl_s, margin_s(ttl_s, self._config.lease_margin_s))
        return Entry(answer, lease_id, own.within(token.lifetime, self._clock.now()))

    def _heal(self, token: Token, deadline: float) -> bool:
        """After a 403: True if the token was dead and a new login may follow."""
        now = self._clock.now()
        with self._lock:
            if self._token is not token:
                return self._token is not None  # somebody else healed it meanwhile
            if self._healed is not None and now.since(self._healed) < _HEAL_EVERY_S:
                return False
        if not self._vault.token_is_dead(token.secret, deadline):
            return False
        with self._lock:
            if self._token is token:
                self._token = None
                self._healed = now
                self._shelf.clear()
        self._log.warn("token-dead", "Vault no longer knows our token; logging in anew", accessor=token.accessor)
        return True

    def _learn_from(self, request: Request, answer: Answer) -> None:
        """Draw the consequences of what went through: a write makes flights stale, a failed look-up tells of a dead lease."""
        if request.method in READS:
            return
        with self._lock:
            self._flights.clear()  # whoever asks from now on must see what was written
        if request.path == "/v1/sys/leases/lookup" and answer.status == _BAD_REQUEST:
            try:
                lease_id = json.loads(request.body)["lease_id"]
            except (ValueError, KeyError, TypeError):
                return
            with self._lock:
                dropped = self._shelf.drop_lease(lease_id)
            if dropped:
                self._log.info("lease-dead", "a lease was revoked behind our back; its secret was dropped")

    def _labelled(self, answer: Answer, cache: str, entry: Entry | None) -> Answer:
        headers = [*answer.headers, ("X-Vaultgate-Cache", cache)]
        age = 0.0
        if entry is not None:
            now = self._clock.now()
            age = now.since(entry.lifetime.sent) if cache == "hit" else 0.0
            headers.append(("X-Vaultgate-Lease-Remaining", str(max(0, int(entry.lifetime.remaining_s(now))))))
        headers.append(("Age", str(max(0, int(age)))))
        return Answer(answer.status, tuple(headers), answer.body)
