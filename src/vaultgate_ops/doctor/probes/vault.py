"""Vault's health, a login, what the token may do, and the database's credential.

Rules: one node is asked, the first that serves; the login's proof is made by the extension's own code; what Vault shows of a
token or a secret stays in the visit, which gives it back.
Source: HashiCorp, "HTTP API": /sys/health, /sys/capabilities-self, /sys/internal/ui/mounts, AWS auth method.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from vaultgate.approle import AppRoleLogin
from vaultgate.auth import AwsLogin
from vaultgate.errors import VaultgateError
from vaultgate.secret import Secret
from vaultgate.vault import Vault, words_of
from vaultgate_ops.doctor.facts import Grants, Health, Login, Mount, RoleSeen, Times, Wanted

if TYPE_CHECKING:
    from vaultgate.auth import Login as Way
    from vaultgate.credentials import Source
    from vaultgate.model import Answer, Origin
    from vaultgate_ops.doctor.facts import CallerIdentity, Place
    from vaultgate_ops.doctor.visit import Visit

STEP_S, LOGIN_S = 4.0, 8.0
_OK = 200
_NO_TOKEN = 204
""""No content": what a success without a token comes to."""
_TOKEN_ENDS = frozenset({"auth/token/renew-self", "auth/token/revoke-self"})  # what no batch token can do
_OWN = (
    ("auth/token/lookup-self", "read", "to learn whether its token lives"),
    ("auth/token/renew-self", "update", "to make its token live longer"),
    ("auth/token/revoke-self", "update", "to give its token back at the end"),
    ("sys/leases/lookup", "update", "to learn whether a lease lives after the database refused a login"),
    ("sys/leases/renew", "update", "to make leases live longer"),
)
_FROM_VAULT = frozenset({"vault", "vault-static", "vault-kv"})


def document(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def times(who: str, date: str | None, sent: float, received: float) -> Times | None:
    """A clock beside ours, by a Date header.

    Args:
        who: whose.
        date: the header; whole seconds, so half a second is added for the mean.
        sent: when the question left, seconds since 1970 by our clock.
        received: when the answer came.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp() + 0.5 if date else None
    except ValueError:
        theirs = None
    return None if theirs is None else Times(who, theirs - (sent + received) / 2)


def health(visit: Visit, place: Place, server: Origin, deadline: float) -> Health:
    """Ask a node how it is."""
    sent = visit.clock.wall()
    try:
        answer = visit.ask(server, ("GET", "sys/health"), None, min(deadline, visit.clock.steady() + STEP_S))
    except VaultgateError as error:
        return Health(place, 0, {}, error.message)
    return Health(place, answer.status, document(answer), "", times(place.name, answer.header("Date"), sent, visit.clock.wall()))


def login(visit: Visit, node: tuple[Origin, str | None], keys: Source, said: CallerIdentity | None, deadline: float) -> Login:
    """Log in, and keep the token until the end.

    Args:
        visit: keeps it.
        node: where, and the server id of its cluster where that is another than the settings'.
        keys: to sign with.
        said: by STS about us; None where it wasn't asked.
        deadline: steady seconds.
    """
    config, (server, server_id) = visit.config, node
    deadline = min(deadline, visit.clock.steady() + LOGIN_S)
    wanted = server_id or config.iam_server_id or ""
    vault = Vault(visit.vault, server, config.namespace, 0, visit.clock)
    way: Way = AwsLogin(vault, keys, config, visit.clock, server_id=server_id)
    if config.auth_method == "approle":
        way = AppRoleLogin(vault, config, visit.clock)

    def told(status: int, words: str, **seen: Any) -> Login:
        region = config.sts_region or ""
        arn, refused = (said.arn, said.code) if said is not None else ("", "")
        names = (config.auth_method, config.auth_mount, config.auth_role, wanted, region)
        return Login(*names, status, words, arn, refused, **seen)

    try:
        answer = visit.ask(server, ("POST", f"auth/{config.auth_mount}/login"), None, deadline, way.proof(deadline))
    except VaultgateError as error:
        return told(0, error.message)
    auth = document(answer).get("auth")
    if answer.status != _OK or not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
        if answer.ok:
            return told(_NO_TOKEN, "the answer holds no token: is this address Vault's?")
        return told(answer.status, words_of(answer), seen=_other_side(visit, server, deadline))
    token, batch = Secret(auth["client_token"]), auth.get("token_type") == "batch"
    visit.hold(server, token, batch=batch)
    policies = tuple(str(name) for name in auth.get("policies") or ())
    entity, account = str(auth.get("entity_id") or ""), str((auth.get("metadata") or {}).get("account_id") or "")
    try:
        looked = document(visit.ask(server, ("GET", "auth/token/lookup-self"), token, deadline)).get("data") or {}
    except VaultgateError:
        looked = {}
    name = str(looked.get("display_name") or "")
    return told(_OK, "", account=account, display_name=name, entity_id=entity, policies=policies, batch=batch)


def _other_side(visit: Visit, server: Origin, deadline: float) -> RoleSeen:
    """The role and the method's client configuration, by an administrator's token where there is one."""
    token, config = visit.wish.administrator, visit.config
    if token is None or config.auth_method != "aws":
        return RoleSeen()
    try:
        role = visit.ask(server, ("GET", f"auth/{config.auth_mount}/role/{config.auth_role}"), token, deadline)
        client = visit.ask(server, ("GET", f"auth/{config.auth_mount}/config/client"), token, deadline)
    except VaultgateError:
        return RoleSeen()
    terms, settings = document(role).get("data") or {}, document(client).get("data") or {}
    return RoleSeen(
        exists={_OK: True, 404: False}.get(role.status),
        bound=tuple(str(one) for one in terms.get("bound_iam_principal_arn") or ()),
        unique_ids=bool(terms.get("resolve_aws_unique_ids")),
        server_id=str(settings.get("iam_server_id_header_value") or ""),
        sts_region=str(settings.get("sts_region") or ""),
        sts_endpoint=str(settings.get("sts_endpoint") or ""),
    )


def wanted(visit: Visit, *, batch: bool) -> tuple[Wanted, ...]:
    """Every privilege that the settings ask for, with a batch token or another."""
    vital: dict[str, str] = {}
    for plan in visit.config.files:
        for target in sorted(plan.targets):
            vital[target.removeprefix("/v1/").partition("?")[0]] = plan.variable
    if visit.records is not None and visit.records.source in _FROM_VAULT:
        vital[visit.records.secret_path] = "RECORDS_SECRET_PATH"
    own = [
        Wanted(path, capability, vital=False, reason=reason)
        for path, capability, reason in _OWN
        if not (batch and path in _TOKEN_ENDS)
    ]
    return (*(Wanted(path, "read", vital=True, reason=name) for path, name in vital.items()), *own)


def grants(visit: Visit, login: Login, deadline: float) -> Grants:
    """Ask what our token may do, path by path, and where the paths lead that it may not read."""
    deadline = min(deadline, visit.clock.steady() + STEP_S)
    needed, policies = wanted(visit, batch=login.batch), login.policies
    paths = [one.path for one in needed]
    try:
        answer = visit.ask_as_us(("POST", "sys/capabilities-self"), deadline, {"paths": paths})
    except VaultgateError as error:
        return Grants(needed, None, {}, policies, error.message)
    if not answer.ok:
        return Grants(needed, None, {}, policies, words_of(answer) or f"status {answer.status}")
    told = document(answer).get("data") or {}
    held = {path: tuple(str(one) for one in told.get(path) or ()) for path in paths}
    mounts: dict[str, Mount] = {}
    for one in needed:
        if one.vital and one.capability not in held[one.path]:
            mount = _mount(visit, one.path, deadline)
            if mount is not None:
                mounts[one.path] = mount
    return Grants(needed, held, mounts, policies)


def _mount(visit: Visit, path: str, deadline: float) -> Mount | None:
    """Where a path leads; None where our token may not see it."""
    try:
        seen = document(visit.ask_as_us(("GET", f"sys/internal/ui/mounts/{path}"), deadline)).get("data") or {}
    except VaultgateError:
        return None
    if not seen.get("path"):
        return None
    return Mount(str(seen["path"]), str(seen.get("type")), str((seen.get("options") or {}).get("version") or ""))
