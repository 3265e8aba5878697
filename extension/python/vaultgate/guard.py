"""Who may pass the loopback door, and with whose token: pure decisions on a request's head.

Rules: only what a local SDK sends gets in. A browser or a fetch that somebody smuggled an address into can send a
plain GET to 127.0.0.1, but not a header of its choice (the reasoning of X-Vault-Request in Vault's own agent); a
rebound DNS name shows in Host, a forwarding proxy in X-Forwarded-For; in mode `secret` a caller also has to have read our
file. With our token, paths that could mint, change or show tokens or reach the system are denied but for the few that an
application needs; the settings may deny and allow more. A path that two readers could read differently is refused, not
interpreted, and a rule about a method holds for every way that Vault has of asking for the same.
"""

from __future__ import annotations

import re

from vaultgate.errors import Refused
from vaultgate.model import Answer
from vaultgate.values import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vaultgate.model import Request
    from vaultgate.secret import Secret

OURS = frozenset({"", "vaultgate"})
SECRET_HEADER = "X-Vaultgate-Secret"  # noqa: S105 - a header's name
Rules = tuple[tuple[str, str], ...]  # method or empty, glob; see `values.path_rules`
_MODES_THAT_ASK = frozenset({"header", "warn"})
_METHODS = frozenset({"GET", "HEAD", "LIST", "POST", "PUT", "PATCH", "DELETE"})
# Whole paths, and what paths begin with.
_ALLOWED = (
    frozenset(
        {
            "auth/token/lookup-self",
            "auth/token/renew-self",
            "sys/capabilities-self",
            "sys/health",
            "sys/internal/ui/mounts",
            "sys/leases/lookup",
            "sys/leases/renew",
        }
    ),
    ("sys/internal/ui/mounts/", "sys/wrapping/"),
)
_DENIED = (frozenset({"auth/token", "sys"}), ("auth/token/", "sys/"))
_OPERATIONS = {"HEAD": "GET", "PUT": "POST"}
_OWN_TOKEN = "send a token of your own in X-Vault-Token"  # noqa: S105 - advice
_REDACTED = "redacted"
_AMBIGUOUS = frozenset({"", ".", ".."})
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def uses_our_token(request: Request) -> bool:
    """Whether the extension's token goes along: X-Vault-Token is absent, empty or `vaultgate`."""
    token = request.header("X-Vault-Token")
    return token is None or token.strip() in OURS


def check_door(request: Request, mode: str, secret: Secret | None = None) -> str | None:
    """Judge whether a request may come in at all.

    Args:
        request: its head is looked at.
        mode: `header`, `secret`, `warn` or `open`.
        secret: what mode `secret` wants to see.

    Returns:
        What an operator should be warned of in mode `warn`, else None.

    Raises:
        Refused: with what to send instead.
    """
    hosts = [value for name, value in request.headers if name.lower() == "host"]
    if len(hosts) != 1 or not _names_loopback(hosts[0]):
        raise Refused("the Host header doesn't name a loopback address", "call http://127.0.0.1 by its address, not by a name")
    for name in ("X-Forwarded-For", "Origin"):
        if request.header(name) is not None:
            raise Refused(f"a request with {name} comes from somewhere else", "call the extension from the function itself")
    if request.method not in _METHODS:
        raise Refused(f"the method {request.method} is none of Vault's", f"use one of {', '.join(sorted(_METHODS))}")
    if mode == "secret" and not _knows(request, secret):
        raise Refused(
            f"the request has no {SECRET_HEADER}, or a wrong one",
            "read through vaultgate.client, or send what stands in the file that docs/threat-model.md names",
        )
    if mode not in _MODES_THAT_ASK or _shows_intent(request):
        return None
    if mode == "warn":
        return "a request came without X-Vault-Request and X-Vault-Token"
    raise Refused(
        "the request has neither X-Vault-Request nor X-Vault-Token",
        "send the header X-Vault-Request: true, as Vault's SDKs do, or set VAULTGATE_GUARD=open",
    )


def check_path(request: Request, allow: Rules = (), deny: Rules = ()) -> str:
    """Judge where a request wants to go with the extension's token.

    Args:
        request: its method, target and headers are looked at.
        allow: where there are any, only what fits one of them passes; the system's paths only where a glob names them so.
        deny: what fits one of them doesn't pass, whatever else says so.

    Returns:
        The path below `/v1/`.

    Raises:
        Refused: for a path that is ambiguous, outside `/v1/`, or denied.
    """
    path = request.path
    plain = _decoded(path)
    if plain is None or not plain.startswith("/v1/"):
        raise Refused(f"{path!r} is not a path below /v1/", "read http://127.0.0.1:8200/v1/<path of the secret>")
    segments = plain[len("/v1/") :].removesuffix("/").split("/")
    twice = "\\" in plain or plain.count("/") != path.count("/") or _ESCAPE.search(plain)
    if twice or not _AMBIGUOUS.isdisjoint(segments):
        raise Refused(f"{path!r} can be read in two ways", "write the path plainly: no //, no dot segments, no encoded slashes")
    below = "/".join(segments)
    if below.startswith("auth/token/") and request.header("X-Vault-Wrap-TTL") is not None:
        raise Refused("an answer that shows the extension's token can't be wrapped", "leave out X-Vault-Wrap-TTL")
    operations = _operations(request)
    if deny and any(_fits(below, operation, deny) for operation in operations):
        raise Refused(f"VAULTGATE_DENY denies {below!r} to the extension's token", _OWN_TOKEN)
    if _is_among(below, _ALLOWED):
        return below
    system = _is_among(below, _DENIED)
    if system:
        allow = tuple((method, glob) for method, glob in allow if _is_among(glob, _DENIED))
    if (system or allow) and not all(_fits(below, operation, allow) for operation in operations):
        why = f"{below!r} is denied to the extension's token" if system else f"VAULTGATE_ALLOW doesn't name {below!r}"
        raise Refused(why, _OWN_TOKEN)
    return below


def redact(answer: Answer, token: Secret) -> Answer:
    """An answer without a token's id, wherever it stood in its body or its headers."""
    told = token.reveal()
    headers = answer.headers
    if any(told in value for _, value in headers):
        headers = tuple((name, value.replace(told, _REDACTED)) for name, value in headers)
    elif told.encode() not in answer.body:
        return answer
    return Answer(answer.status, headers, answer.body.replace(told.encode(), _REDACTED.encode()))


def _operations(request: Request) -> frozenset[str]:
    """What Vault may take a request for: its method, by the name that all ways of asking for the same have in common.

    A GET with `list=true` is a listing, the `vault` command lists so; one that speaks of `list` in another way counts as both.
    """
    query = request.target.partition("?")[2]
    if request.method != "GET" or not query:
        return frozenset({_OPERATIONS.get(request.method, request.method)})
    plain = _decoded(query)
    spoken = [pair for pair in (plain or "").split("&") if pair.partition("=")[0] == "list"]
    if plain is None or ";" in plain or (spoken and spoken != ["list=true"]):
        return frozenset({"GET", "LIST"})
    return frozenset({"LIST" if spoken else "GET"})


def _fits(path: str, operation: str, rules: Rules) -> bool:
    return any(method in {"", operation} and re.fullmatch(re.escape(glob).replace(r"\*", ".*"), path) for method, glob in rules)


def _decoded(path: str) -> str | None:
    """The path as Vault will read it, or None where it isn't clean ASCII with well-formed escapes of printable UTF-8."""
    if not path.isascii():
        return None
    if "%" not in path:
        return path if path.isprintable() else None
    if path.count("%") != len(_ESCAPE.findall(path)):
        return None
    try:
        plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), path).encode("latin-1").decode()
    except UnicodeDecodeError:
        return None
    return plain if plain.isprintable() else None


def _shows_intent(request: Request) -> bool:
    asked = request.header("X-Vault-Request")
    return (asked is not None and asked.strip().lower() == "true") or request.header("X-Vault-Token") is not None


def _knows(request: Request, secret: Secret | None) -> bool:
    from hmac import compare_digest  # noqa: PLC0415 - only mode `secret` compares, and a cold start shouldn't pay

    told = request.header(SECRET_HEADER)
    return secret is not None and told is not None and compare_digest(told.encode(), secret.reveal().encode())


def _names_loopback(host: str) -> bool:
    name, colon, port = host.strip().rpartition(":")
    if colon and port.isascii() and port.isdigit() and not name.endswith(":"):
        host = name
    return is_loopback(host.strip().strip("[]"))


def _is_among(path: str, known: tuple[frozenset[str], tuple[str, ...]]) -> bool:
    return path in known[0] or path.startswith(known[1])
