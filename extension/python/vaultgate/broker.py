"""The mutable state behind the door: what is kept, who waits for what, and until when.

Rules: the lock is held while deciding, never across I/O; one flight per key, everybody else waits for its landing; nobody
is waited for longer than a deadline; a denial by policy never causes a login. The token is the `Session`'s business.
"""

from __future__ import annotations

import threading

from vaultgate import guard
from vaultgate.asking import Asking, document_in
from vaultgate.cache import Entry, Shelf, ended_lease, for_one_reader, key_of, path_below, path_of, touches
from vaultgate.errors import DeadlineExceeded, Unreachable, VaultgateError
from vaultgate.flight import Flight
from vaultgate.model import Answer, Request
from vaultgate.secret import Secret
from vaultgate.session import Session
from vaultgate.vault import READS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vaultgate.auth import Login, Token
    from vaultgate.cache import Key
    from vaultgate.clock import Clock
    from vaultgate.config import Config
    from vaultgate.log import Log
    from vaultgate.vault import Vault

# What is kept back of an invocation's time, so that our answer still reaches the function and it can do something about it: a
# tenth, but at least and at most this much. A function with little memory has a small share of a core for that.
_RESERVE_SHARE = 0.1
_RESERVE_S, _LARGEST_RESERVE_S = 0.1, 0.5
# A function's first read may be here before Lambda's word of the invocation that it belongs to.
_WORD_S = 0.25
# A renewal that gives less than this share of what was asked for says that the lease's max TTL is near.
_WORTHWHILE = 0.5
# How long Vault is waited for by somebody who could have a value that is past its time.
_STALE_AFTER_S = 2.0
_SERVER_ERROR = 500
# Vault is limiting rates, or a standby or replica that can't serve.
_NOT_NOW = frozenset({429, 472, 473})


class Broker:
    """Answers requests with the extension's token, and looks after what it hands out.

    Safe for threads.

    Args:
        vault: answers what isn't kept.
        login: gets tokens.
        config: what is kept, how long a call may take, whose namespace.
        clock: judges lives.
        log: hears of refreshes that failed and of leases that died.
        invalidated: called, without a lock, when copies of what was handed out may no longer be true.
    """

    def __init__(
        self,
        vault: Vault,
        login: Login,
        config: Config,
        clock: Clock,
        log: Log,
        *,
        invalidated: Callable[[], None] = lambda: None,
    ) -> None:
        self._vault = vault
        self._invalidated = invalidated
        self._config = config
        self._clock = clock
        self._log = log
        self._session = Session(login, clock, log, role=config.auth_role or config.auth_method, forget=self._forget)
        self._asking = Asking(self._session, config, clock)
        self._lock = threading.Lock()
        self._shelf = Shelf(config.cache_bytes)
        self._flights: dict[Key, Flight] = {}
        self._told = 0  # the shelf's revision that `_invalidated` last heard of
        self._dead: set[str] = set()  # names of tokens whose answers may still be on their way
        self._invoked = threading.Condition()
        self._invocation_ends: float | None = None
        self._care: threading.Thread | None = None  # only `tick` looks at it, which one thread calls
        self._closing = False

    # --- time ---

    def invocation(self, deadline_ms: int) -> None:
        """Take note of an invocation: it must be over at this wall time, milliseconds since 1970; 0 for unknown."""
        now = self._clock.now()
        whole = deadline_ms / 1000 - now.wall
        left = whole - min(_LARGEST_RESERVE_S, max(_RESERVE_S, whole * _RESERVE_SHARE))
        with self._invoked:
            self._invocation_ends = now.steady + left if left > 0 else None
            self._invoked.notify_all()

    def deadline(self) -> float:
        """Steady seconds by which a call that starts now must be over.

        Where the last invocation that is known of must be over, another one has begun, of which Lambda is about to tell.
        """
        now = self._clock.steady()
        with self._invoked:
            past = self._invocation_ends
            if past is not None and past <= now:
                self._invoked.wait_for(lambda: self._invocation_ends != past, _WORD_S)
            ends = self._invocation_ends
        longest = now + self._config.timeout_s
        return longest if ends is None or ends <= now else min(ends, longest)

    # --- a sandbox's life ---

    def token(self, deadline: float) -> Token:
        """The live token; see `Session.token`."""
        return self._session.token(deadline)

    def current_token(self) -> Token | None:
        """The live token, if there is one; see `Session.current`."""
        return self._session.current()

    def tick(self) -> threading.Thread | None:
        """See to what is due now: the token, and the leases that are in use.

        Returns:
            The thread that is busy with it, perhaps since an earlier call, or None where nothing is due.
        """
        if self._care is not None and self._care.is_alive():
            return self._care
        with self._lock:
            due = [] if self._closing else self._shelf.due(self._clock.now())
        if not due and not self._session.needs_care():
            return None
        self._care = threading.Thread(target=self._see_to, args=(due,), name="care", daemon=True)
        self._care.start()
        return self._care

    def keep(self, targets: Iterable[str]) -> None:
        """Count what is kept of these requests as in use, so that `tick` sees to it: somebody stands on it unasked."""
        with self._lock:
            for target in targets:
                entry = self._shelf.peek(("GET", target, self._config.namespace or ""))
                if entry is not None:
                    entry.used = True

    def changed(self) -> frozenset[str]:
        """The targets of those reads that would be answered otherwise than when this was last asked, but for their age."""
        with self._lock:
            return frozenset(target for method, target, _ in self._shelf.changes() if method == "GET")

    def close(self) -> None:
        """Give the token back, within a second; Vault ends its leases by itself. Nothing is handed out after this."""
        with self._lock:
            self._closing = True
            held = sum(1 for entry in self._shelf if entry.lease_id)
            self._shelf.clear()
        self._invalidated()
        self._session.close(held)

    def _see_to(self, due: list[tuple[Key, Entry]]) -> None:
        deadline = self.deadline()
        self._session.attend(deadline)
        began = self._clock.steady()
        for key, entry in due:
            try:
                if not self._renew(key, entry, deadline):
                    method, target, namespace = key
                    headers = () if namespace == (self._config.namespace or "") else (("X-Vault-Namespace", namespace),)
                    self._shared(key, Request(method, target, headers), deadline, anew=True)
            except VaultgateError as error:
                # What is on the shelf stays good until its end; the next invocation tries again.
                self._log.warn("refresh-failed", error.message, code=error.code, path=key[1])
        if due:
            ms = round((self._clock.steady() - began) * 1000, 1)
            self._log.debug("refresh", "the leases that were due were seen to", leases=len(due), ms=ms)

    def _renew(self, key: Key, entry: Entry, deadline: float) -> bool:
        """Keep a lease alive, which is cheaper than another; False where that doesn't buy enough."""
        token = self._session.token(deadline)
        if not entry.renewable or entry.owner != token.name:
            return False
        sent = self._clock.now()
        try:
            ttl_s = token.vault.renew_lease(entry.lease_id, entry.first_ttl_s, token.secret, deadline)
        except VaultgateError as error:
            self._log.info("renew-failed", error.message, code=error.code, path=key[1])
            return False
        if ttl_s < entry.first_ttl_s * _WORTHWHILE:
            return False
        renewed = entry.renewed(self._asking.life(sent, ttl_s, token))
        with self._lock:
            if not self._closing and self._shelf.peek(key) is entry:
                self._shelf.put(key, renewed)
        self._session.leased(token, entry.lease_id, renewed.lifetime)
        return True

    def _forget(self, token: Token) -> None:
        with self._lock:
            self._dead.add(token.name)
            self._shelf.drop_owner(token.name)
        self._tell(anyway=True)

    def _tell(self, *, anyway: bool = False) -> None:
        """Let those who keep copies know, if the shelf has taken something back; or anyway, for copies outlive what is here."""
        with self._lock:
            revision, told = self._shelf.revision, self._told
            self._told = revision
        if anyway or revision != told:
            self._invalidated()

    def health(self) -> dict[str, object]:
        """How things stand, without a secret: for a person, or a probe."""
        token_s = self._session.remaining_s()
        with self._lock:
            kept, leases = len(self._shelf), sum(1 for entry in self._shelf if entry.lease_id)
        circuits = self._session.circuits()
        remaining = None if token_s is None or token_s == float("inf") else int(token_s)
        return {
            "logged_in": token_s is not None,
            "token_remaining_s": remaining,
            "answers_kept": kept,
            "leases_held": leases,
            # The alphabet puts `closed` before `half-open` before `open`: of several clusters the worst.
            "circuit": max(circuits.values()),
            **({"circuits": circuits} if len(circuits) > 1 else {}),
        }

    # --- requests ---

    def answer(self, request: Request, deadline: float) -> Answer:
        """Answer a request that the guard let pass.

        Args:
            request: with our token or its caller's, as its X-Vault-Token says.
            deadline: steady seconds.

        Returns:
            Vault's answer with Age, X-Vaultgate-Cache and, for a leased secret, X-Vaultgate-Lease-Remaining; for another one that
            is kept, X-Vaultgate-Fresh-For. Both are whole seconds.

        Raises:
            VaultgateError: there is no answer of Vault's.
        """
        try:
            return self._answer(request, deadline)
        except VaultgateError as error:
            if request.method not in READS and (not isinstance(error, Unreachable) or error.sent):
                self._take_back_written(request)  # what nobody answered may have been carried out
            raise

    def _answer(self, request: Request, deadline: float) -> Answer:
        if not guard.uses_our_token(request):
            token = Secret((request.header("X-Vault-Token") or "").strip())
            answer = self._session.conceal(self._vault.forward(request, token, deadline))
            self._learn_from(request, answer)
            return self._labelled(answer, "bypass", None)
        if (request.header("X-Vault-Token-Options") or "").strip().lower() == "revoke":
            self._session.renounce(deadline)
        key = key_of(request, self._config.namespace)
        control = (request.header("X-Vault-Cache-Control") or "cache").strip().lower()
        if key is None or control == "nocache":
            answer, entry = self._asking.ask(request, deadline)
            self._learn_from(request, answer)
            return self._labelled(answer, "bypass", entry)
        return self._shared(key, request, deadline, anew=control == "recache")

    def _shared(self, key: Key, request: Request, deadline: float, *, anew: bool) -> Answer:
        """Answer from the shelf, by a flight of our own, or by somebody else's; for `anew` by none that began before."""
        with self._lock:
            older = self._flights.get(key) if anew else None
        while True:
            with self._lock:
                flight = self._flights.get(key)
                past = self._past(key) if flight is None and not anew else None
                entry = None if anew else self._shelf.look(key, self._clock.now())
                leads = entry is None and flight is None
                if leads:
                    flight = self._flights[key] = Flight()
            if entry is not None:
                return self._labelled(entry.answer, "hit", entry)
            if flight is None:
                raise AssertionError("without an entry there is a flight")
            if leads:
                return self._lead(flight, key, request, deadline, past)
            try:
                flight.wait(deadline - self._clock.steady())
            except DeadlineExceeded:
                if self._clock.steady() >= deadline:
                    raise
                continue
            if flight.answer is not None and flight is not older:
                return self._labelled(flight.answer, "hit" if flight.entry else "miss", flight.entry)

    def _past(self, key: Key) -> Entry | None:
        """What may be served past its time, if need be; it is taken off the shelf."""
        now = self._clock.now()
        entry = self._shelf.take_past(key, now)
        return entry if entry is not None and -entry.lifetime.remaining_s(now) < self._config.stale_max_s else None

    def _lead(self, flight: Flight, key: Key, request: Request, deadline: float, past: Entry | None) -> Answer:
        try:
            end = deadline if past is None else min(deadline, self._clock.steady() + _STALE_AFTER_S)
            answer, entry = self._asking.ask(request, end)
            if past is not None and (answer.status >= _SERVER_ERROR or answer.status in _NOT_NOW):
                return self._serve_past(flight, key, past)
        except BaseException as error:
            if past is not None and isinstance(error, Unreachable) and past.owner not in self._dead:
                return self._serve_past(flight, key, past)
            self._land(key, flight)
            flight.fail(error if isinstance(error, VaultgateError) else VaultgateError("the call broke off"))
            raise
        with self._lock:
            # A write took the flight off the list: what it brings may be older than that. Credentials don't age by writes.
            current = self._flights.get(key) is flight or (entry is not None and bool(entry.lease_id))
            dead = entry is not None and entry.owner in self._dead
            kept = entry is not None and current and not dead and not self._closing and self._shelf.put(key, entry)
        if entry is not None and not entry.lease_id and not kept:
            entry = None  # whoever kept a copy would not hear of a write
        self._tell()
        if not dead and not for_one_reader(document_in(answer)):
            flight.answer, flight.entry = answer, entry
        self._land(key, flight)
        flight.land()
        return self._labelled(answer, "miss", entry)

    def _serve_past(self, flight: Flight, key: Key, past: Entry) -> Answer:
        """Answer with what is past its time, as Vault has nothing newer to say, and put it back."""
        with self._lock:
            if self._flights.get(key) is flight and past.owner not in self._dead and not self._closing:
                self._shelf.put(key, past)
        flight.answer, flight.entry = past.answer, past
        self._land(key, flight)
        flight.land()
        self._log.warn("stale", "Vault can't answer; a value past its time was served", path=key[1])
        return self._labelled(past.answer, "hit", past)

    def _land(self, key: Key, flight: Flight) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    def _learn_from(self, request: Request, answer: Answer) -> None:
        """Draw the consequences of what went through: a write makes flights stale, and may tell of a lease's end."""
        if request.method in READS:
            return
        self._take_back_written(request)
        lease_id = ended_lease(request, answer)
        if lease_id:
            with self._lock:
                dropped = self._shelf.drop_lease(lease_id)
            self._tell(anyway=True)
            if dropped:
                self._log.info("lease-dead", "a lease was revoked behind our back; its secret was dropped")

    def _take_back_written(self, request: Request) -> None:
        """Whoever asks from now on must see what a request may have written."""
        written = path_below(request.target)
        with self._lock:
            for key in [key for key in self._flights if touches(written, path_of(key))]:
                del self._flights[key]
            self._shelf.drop_touched(written)
        self._tell()

    def _labelled(self, answer: Answer, cache: str, entry: Entry | None) -> Answer:
        now = self._clock.now()
        stale = cache == "hit" and entry is not None and not entry.lease_id and entry.lifetime.over(now)
        headers = [*answer.headers, ("X-Vaultgate-Cache", "stale" if stale else cache)]
        age = 0.0
        if entry is not None:
            age = now.since(entry.lifetime.sent) if cache == "hit" else 0.0
            left_s = str(max(0, int(entry.lifetime.remaining_s(now))))
            if entry.lease_id:
                headers.append(("X-Vaultgate-Lease-Remaining", left_s))
            elif cache != "bypass":
                headers.append(("X-Vaultgate-Fresh-For", left_s))
        headers.append(("Age", str(max(0, int(age)))))
        return Answer(answer.status, tuple(headers), answer.body)
