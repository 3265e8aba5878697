"""The loopback door: who may come in, and where our token may go."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vaultgate.errors import Refused
from vaultgate.guard import check_door, check_path, redact, uses_our_token
from vaultgate.model import Answer, Request
from vaultgate.secret import Secret

HOST = ("Host", "127.0.0.1:8200")
ASKED = ("X-Vault-Request", "true")


def knock(*headers: tuple[str, str], method: str = "GET", mode: str = "header") -> str | None:
    """What the door says to a request with these headers."""
    return check_door(Request(method, "/v1/a", headers), mode)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8200", "127.1.2.3:1", "localhost", "LocalHost:8200", "[::1]:8200", "[::1]", "::1"],
)
def test_host_of_this_machine_passes(host: str) -> None:
    """Every way of writing this machine's own address gets in."""
    assert knock(("Host", host), ASKED) is None


@pytest.mark.parametrize(
    "host",
    [
        "vault.example.com",
        "127.0.0.1.example.com",
        "localhost.example.com:8200",
        "169.254.169.254",
        "10.0.0.1:8200",
        "127.0.0.256",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::ffff:127.0.0.1]:8200",
        "127.0.0.\xb2",
        "127.0.0.1:\xb2",
        "127.0.0.1:8200:8200",
        "user@127.0.0.1",
        "",
        ":8200",
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    """A name that only resolves to us, as after DNS rebinding, shows in Host and is refused."""
    with pytest.raises(Refused, match="Host"):
        knock(("Host", host), ASKED)


def test_host_is_there_once() -> None:
    """No Host, or two of them, is refused even if each would do."""
    for hosts in ([], [HOST, HOST]):
        with pytest.raises(Refused, match="Host"):
            knock(*hosts, ASKED)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "x-forwarded-for", "Origin", "origin"])
@pytest.mark.parametrize("mode", ["header", "warn", "open"])
def test_from_elsewhere_is_refused(header: str, mode: str) -> None:
    """What a proxy forwarded or a browser's page sent is refused in every mode."""
    with pytest.raises(Refused, match=header.title().replace("-For", "-For")):
        knock(HOST, ASKED, (header, ""), mode=mode)


@pytest.mark.parametrize(
    "header",
    [("X-Vault-Request", "true"), ("x-vault-request", " TRUE "), ("X-Vault-Token", ""), ("X-Vault-Token", "vaultgate")],
)
def test_either_header_shows_intent(header: tuple[str, str]) -> None:
    """Vault's SDKs send X-Vault-Request, hvac sends X-Vault-Token: either gets in."""
    assert knock(HOST, header) is None


@pytest.mark.parametrize("headers", [[], [("X-Vault-Request", "false")], [("X-Vault-Request", "")], [("X-Vault", "true")]])
def test_without_intent_the_answer_says_how(headers: list[tuple[str, str]]) -> None:
    """A plain GET, all that a forged request can be, is told which header is missing."""
    with pytest.raises(Refused, match="send the header X-Vault-Request: true"):
        knock(HOST, *headers)


def test_warn_and_open() -> None:
    """`warn` lets a request without the header in and says so; `open` says nothing."""
    assert "without X-Vault-Request" in (knock(HOST, mode="warn") or "")
    assert knock(HOST, ASKED, mode="warn") is None
    assert knock(HOST, mode="open") is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "LIST", "POST", "PUT", "PATCH", "DELETE"])
def test_vaults_methods_pass(method: str) -> None:
    """Every method of Vault's API gets in."""
    assert knock(HOST, ASKED, method=method) is None


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "SCAN"])
def test_other_methods_are_refused(method: str) -> None:
    """A method that Vault's API doesn't have is refused; OPTIONS is how browsers ask whether they may."""
    with pytest.raises(Refused, match="none of Vault's"):
        knock(HOST, ASKED, method=method, mode="open")


@pytest.mark.parametrize(("token", "ours"), [(None, True), ("", True), (" ", True), ("vaultgate", True), ("hvs.x", False)])
def test_whose_token(token: str | None, *, ours: bool) -> None:
    """Absent, empty or the word vaultgate asks for the extension's token, anything else is the caller's own."""
    headers = () if token is None else (("x-vault-token", token),)
    assert uses_our_token(Request("GET", "/v1/a", headers)) is ours


ALLOWED = {
    "/v1/secret/data/app": "secret/data/app",
    "/v1/secret/metadata/": "secret/metadata",
    "/v1/database/creds/records?x=/v1/sys/mounts": "database/creds/records",
    "/v1/secret/data/a%20b": "secret/data/a b",
    "/v1/secret/data/system": "secret/data/system",
    "/v1/system/x": "system/x",
    "/v1/secret/sys/mounts": "secret/sys/mounts",
    "/v1/secret/data/...": "secret/data/...",
    "/v1/secret/data/a%25b": "secret/data/a%b",
    "/v1/secret/data/%c3%84rger": "secret/data/Ärger",
    "/v1/auth/token/lookup-self": "auth/token/lookup-self",
    "/v1/auth/token/renew-self": "auth/token/renew-self",
    "/v1/auth/aws/login": "auth/aws/login",
    "/v1/sys/capabilities-self": "sys/capabilities-self",
    "/v1/sys/health": "sys/health",
    "/v1/sys/internal/ui/mounts": "sys/internal/ui/mounts",
    "/v1/sys/internal/ui/mounts/secret/data/app": "sys/internal/ui/mounts/secret/data/app",
    "/v1/sys/leases/lookup": "sys/leases/lookup",
    "/v1/sys/leases/renew": "sys/leases/renew",
    "/v1/sys/wrapping/unwrap": "sys/wrapping/unwrap",
    "/v1/%73ys/health": "sys/health",
}
DENIED = [
    "/v1/sys/mounts",
    "/v1/%73ys/mounts",
    "/v1/%73%79%73/mounts",
    "/v1/s%79s%2Fmounts",
    "/v1/sys%2fmounts",
    "/v1/secret%2fdata/app",
    "/v1/secret/data/a%2Fb",
    "/v1/sys",
    "/v1/sys/",
    "/v1/sys/seal",
    "/v1/sys/health/x",
    "/v1/sys/leases/revoke",
    "/v1/sys/leases/lookup/database",
    "/v1/sys/internal/ui/mountsx",
    "/v1/sys/policies/acl/records",
    "/v1/auth/token",
    "/v1/auth/token/create",
    "/v1/auth/token/revoke-self",
    "/v1/auth/%74oken/create",
    "/v1/auth/token/lookup-self/x",
    "/v1//sys/mounts",
    "//v1/sys/mounts",
    "/v1/secret//data",
    "/v1/./sys/mounts",
    "/v1/secret/../sys/mounts",
    "/v1/secret/%2e%2e/sys/mounts",
    "/v1/secret/%2E./sys/mounts",
    "/v1/secret/..",
    "/v1/secret/..%2fsys/mounts",
    "/v1/secret\\..\\sys/mounts",
    "/v1/secret/data/a%5cb",
    "/v1/secret/data/a%00",
    "/v1/secret/data/a%0ab",
    "/v1/secret/data/a%7f",
    "/v1/secret/data/a%e4",
    "/v1/secret/data/a%c0%af",
    "/v1/secret/data/a%c2%85",
    "/v1/secret/data/a%",
    "/v1/secret/data/a%4",
    "/v1/secret/data/a%zz",
    "/v1/secret/data/\xe4",
    "/v1/",
    "/v1",
    "/v1x/secret",
    "/v2/secret",
    "/V1/secret/data/app",
    "/",
    "",
    "/ui/vault",
    "/v1%2fsys/mounts",
    "/%76%31/sys/mounts",
    "http://127.0.0.1:8200/v1/sys/mounts",
    "http://127.0.0.1:8200/v1/secret/data/app",
    "*",
]


@pytest.mark.parametrize(("target", "path"), ALLOWED.items())
def test_path_passes(target: str, path: str) -> None:
    """A secret's path passes with our token, as do the few paths of the system that an application needs."""
    assert check_path(Request("GET", target)) == path


@pytest.mark.parametrize("target", DENIED)
def test_path_is_refused(target: str) -> None:
    """What mints or changes tokens, reaches the system, or can be read in two ways doesn't pass."""
    with pytest.raises(Refused):
        check_path(Request("GET", target))


def test_refusal_says_what_to_do() -> None:
    """A denied path tells that a token of one's own would pass."""
    with pytest.raises(Refused, match="send a token of your own in X-Vault-Token"):
        check_path(Request("PUT", "/v1/sys/seal"))


OPEN = (
    {"auth/token/lookup-self", "auth/token/renew-self", "sys/capabilities-self", "sys/health", "sys/internal/ui/mounts"}
    | {"sys/leases/lookup", "sys/leases/renew"},
    ("sys/internal/ui/mounts/", "sys/wrapping/"),
)


def unescape(text: str) -> str:
    """One pass over the escapes, as Go's net/url makes it; what is no escape stays."""
    pieces = text.split("%")
    plain = pieces[0]
    for piece in pieces[1:]:
        try:
            plain += chr(int(piece[:2], 16)) + piece[2:] if len(piece) > 1 else "%" + piece
        except ValueError:
            plain += "%" + piece
    return plain


def touches_the_system(path: str) -> bool:
    """Whether a path belongs to what our token must not do."""
    inside = path in {"sys", "auth/token"} or path.startswith(("sys/", "auth/token/"))
    return inside and path not in OPEN[0] and not path.startswith(OPEN[1])


pieces = st.sampled_from(
    [
        "sys",
        "auth",
        "token",
        "mounts",
        "create",
        "health",
        "lookup-self",
        "wrapping",
        "secret",
        "..",
        ".",
        "",
        "v1",
        "leases",
        "seal",
    ]
)
escapes = st.sampled_from(["/", "%2f", "%2F", "//", "/./", "/../", "\\", "%5c", "%252f", "?", ";"])


@st.composite
def targets(draw: st.DrawFn) -> str:
    """Paths made of the words that matter, glued and escaped in every way that has ever confused a server."""
    target = "/v1/" if draw(st.booleans()) else draw(st.sampled_from(["/", "/v1", "/v1//", "/x/../v1/"]))
    for piece in draw(st.lists(pieces, min_size=1, max_size=5)):
        spelt = "".join(f"%{ord(letter):02x}" if draw(st.integers(0, 5)) == 0 else letter for letter in piece)
        target += spelt + draw(escapes)
    return target if draw(st.booleans()) else target.rstrip("/")


@given(targets())
@example("/v1/sys")
@example("/v1/%73ys/mounts")
@example("/v1/secret/%2e%2e/sys/mounts")
def test_no_way_into_the_system(target: str) -> None:
    """No path that Vault would read as the system's or the token store's passes, but for the short list."""
    try:
        check_path(Request("GET", target))
    except Refused:
        return
    once = unescape(target.partition("?")[0]).removeprefix("/v1/").strip("/")
    assert not touches_the_system(once)
    assert not touches_the_system(posixpath.normpath(once))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F), max_size=30))
def test_any_text_is_judged(text: str) -> None:
    """Whatever comes as a path is refused or passes; nothing else is raised."""
    try:
        said = check_path(Request("GET", text))
    except Refused as error:
        said = str(error)
    assert said


def test_redact() -> None:
    """Our token's id is taken out wherever it stands, and nothing else is."""
    body = b'{"data":{"id":"hvs.OURS","accessor":"a"},"copy":"hvs.OURS"}'
    assert (
        redact(Answer(200, (), body), Secret("hvs.OURS")).body == b'{"data":{"id":"redacted","accessor":"a"},"copy":"redacted"}'
    )
