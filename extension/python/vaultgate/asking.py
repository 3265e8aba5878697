"""One request put to Vault with our token: who is asked, what its refusal means, and how its answer may be kept.

Rules: a refusal makes us look the token up, and only a dead one costs a login and one replay of a read; an answer that was on
its way while a clock jumped is asked for again, because it may be older than its own lease; a read that one cluster doesn't
answer goes to the next, a write to the first and to no other, for two clusters are two truths; our token's id is in no answer.
Nothing is kept here, that is the broker's business.
"""

from __future__ import annotations

import json

from vaultgate import guard
from vaultgate.cache import Entry, for_one_reader, path_below, ttl_without_lease
from vaultgate.errors import Unreachable
from vaultgate.leases import Lifetime, margin_s
from vaultgate.vault import READS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vaultgate.auth import Token
    from vaultgate.clock import Clock, Instant
    from vaultgate.config import Config
    from vaultgate.model import Answer, Request
    from vaultgate.session import Session

_FORBIDDEN = 403
# What concerns our token, leases and wrapped answers, which are a cluster's own. A caller's login is none of it: it may be signed
# for the first cluster, and its token is used there.
_WHERE_WE_ARE = (
    "auth/token/lookup-self",
    "auth/token/renew-self",
    "auth/token/revoke-self",
    "sys/capabilities-self",
    "sys/leases/",
    "sys/wrapping/",
)
# What another cluster may have an answer to.
_ELSEWHERE = frozenset({472, 473, 502, 503, 504})


class Asking:
    """Puts requests to Vault. Safe for threads.

    Args:
        session: has the token.
        config: what may be kept for how long.
        clock: judges lives.
    """

    def __init__(self, session: Session, config: Config, clock: Clock) -> None:
        self._session = session
        self._config = config
        self._clock = clock

    def ask(self, request: Request, deadline: float) -> tuple[Answer, Entry | None]:
        """Ask Vault.

        Returns:
            Its answer without our token's id, and an entry if it may be kept: it is leased, or settings and request say so.

        Raises:
            VaultgateError: there is no answer, or no token.
        """
        answer, sent, token = self._forward(request, deadline)
        if answer.status == _FORBIDDEN and self._session.heal(token, deadline) and request.method in READS:
            answer, sent, token = self._forward(request, deadline)
        if request.method in READS and self._clock.now().jumped_since(sent):
            # What arrived may be older than its own lease; that is Vault's all the same, and has to be given back.
            self._entry(request, answer, sent, token)
            answer, sent, token = self._forward(request, deadline)
        answer = self._session.conceal(guard.redact(answer, token.secret))
        return answer, self._entry(request, answer, sent, token)

    def _forward(self, request: Request, deadline: float) -> tuple[Answer, Instant, Token]:
        """Ask the Vault whose token is in use, and for a read another one if that doesn't answer; when, and with whose token."""
        token = self._session.token(deadline)
        if request.method not in READS and not path_below(request.target).startswith(_WHERE_WE_ARE):
            token = self._session.home(token, deadline)
        sent = self._clock.now()
        choice = request.method in READS and self._session.has_choice(token)
        try:
            answer = token.vault.forward(request, token.secret, (sent.steady + deadline) / 2 if choice else deadline)
        except Unreachable as error:
            if not choice or not error.asked or not self._session.move(token, deadline):
                raise
        else:
            if not choice or answer.status not in _ELSEWHERE or not self._session.move(token, deadline):
                return answer, sent, token
        token, sent = self._session.token(deadline), self._clock.now()
        return token.vault.forward(request, token.secret, deadline), sent, token

    def _entry(self, request: Request, answer: Answer, sent: Instant, token: Token) -> Entry | None:
        """How an answer may be kept: for its lease, or for as long as the request and the settings say; None for not at all.

        A lease is taken note of whatever the method: some engines give credentials for a POST, and those end with the token too.
        """
        document = document_in(answer) if answer.ok else {}
        if for_one_reader(document):
            return None
        try:
            lease_id, ttl_s = str(document["lease_id"] or ""), float(document["lease_duration"])
        except (ValueError, KeyError, TypeError):
            return None
        if lease_id and ttl_s > 0:
            life = self.life(sent, ttl_s, token)
            self._session.leased(token, lease_id, life)
            return Entry(answer, lease_id, life, token.name, renewable=document.get("renewable") is True)
        if request.method not in READS:
            return None
        asked = self._config.cache_always or request.header("X-Vault-Cache-Control") is not None
        path = path_below(request.target)
        kept_s = ttl_without_lease(path, self._config.cache_rules, self._config.cache_ttl_s, asked=asked)
        return Entry(answer, "", Lifetime(sent, kept_s), token.name) if kept_s else None

    def life(self, sent: Instant, ttl_s: float, token: Token) -> Lifetime:
        """How long a lease may be used that was asked for with a token at an instant: no longer than the token itself."""
        own = Lifetime(sent, ttl_s, margin_s(ttl_s, self._config.lease_margin_s))
        return own.within(token.lifetime, self._clock.now())


def document_in(answer: Answer) -> dict[str, Any]:
    """The JSON object in an answer of Vault's envelope; empty for anything else."""
    try:
        document = json.loads(answer.body) if b'"lease_id"' in answer.body else None
    except ValueError:
        document = None
    return document if isinstance(document, dict) else {}
