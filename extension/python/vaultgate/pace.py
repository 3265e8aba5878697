"""No more requests to Vault than VAULT_RATE_LIMIT allows: a token bucket before the network.

Rules: the bucket is arithmetic on the steady clock; a request waits for its turn, and is refused at once where its turn would
come after its deadline, because waiting in vain helps nobody; every request counts, whoever asked for it, and tries again count
too. What gives something back to Vault isn't held up: a sandbox has a second for it, once. Imported only where a limit is set.
Source: golang.org/x/time/rate, which Vault's own clients use; HashiCorp, "Vault commands: environment variables".
"""

from __future__ import annotations

import threading

from vaultgate.errors import DeadlineExceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.clock import Clock
    from vaultgate.model import Answer, Origin, Request
    from vaultgate.transport import Transport

_AT_ONCE = frozenset({"/v1/auth/token/revoke-self", "/v1/sys/leases/revoke"})


class Pace:
    """The bucket. Not safe for threads: whoever has it has a lock.

    Args:
        rate: requests per second.
        burst: as many may come at once after a rest.
        now_s: steady seconds.
    """

    def __init__(self, rate: float, burst: int, now_s: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._seen_s = now_s

    def wait_s(self, now_s: float, longest_s: float) -> float | None:
        """Seconds until the next request's turn, which is taken; None, and nothing taken, where that is too long."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._seen_s) * self._rate)
        self._seen_s = now_s
        wait_s = max(0.0, (1 - self._tokens) / self._rate)
        if wait_s > longest_s:
            return None
        self._tokens -= 1
        return wait_s


class Paced:
    """A network whose requests wait for their turn. Safe for threads.

    Args:
        network: carries them out.
        rate: requests per second.
        burst: as many may come at once after a rest.
    """

    def __init__(self, network: Transport, rate: float, burst: int, clock: Clock) -> None:
        self._network = network
        self._pace = Pace(rate, burst, clock.steady())
        self._clock = clock
        self._lock = threading.Lock()

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:
        """Send a request in its turn; see `Transport`.

        Raises:
            DeadlineExceeded: its turn would come too late; nothing was sent.
        """
        if request.path not in _AT_ONCE:
            now_s = self._clock.steady()
            with self._lock:
                wait_s = self._pace.wait_s(now_s, deadline - now_s)
            if wait_s is None:
                held_up = DeadlineExceeded(
                    f"{origin} was not asked in time", "VAULT_RATE_LIMIT holds requests up: allow more, or keep more"
                )
                held_up.sent = held_up.asked = False
                raise held_up
            if wait_s:
                self._clock.sleep(wait_s)
        return self._network.exchange(origin, request, deadline)
