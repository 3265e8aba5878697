"""The loopback door: who may come in, and where our token may go."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.simulators.hostile import OPEN, OPEN_BELOW, touches_the_system, unescape

from vaultgate.errors import Refused
from vaultgate.guard import check_door, check_path, redact, uses_our_token
from vaultgate.model import Answer, Request
from vaultgate.secret import Secret
from vaultgate.values import path_rules

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
    "/v1/sys%252fmounts",
    "/v1/secret/%252e%252e/sys/mounts",
    "/v1/secret/data/a%2525",
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


SAID = [
    (
        Request("GET", "/v1/a", (("Host", "rebound.example.com"), ASKED)),
        "the Host header doesn't name a loopback address",
        "call http://127.0.0.1 by its address, not by a name",
    ),
    (
        Request("GET", "/v1/a", (HOST, ASKED, ("Origin", "null"))),
        "a request with Origin comes from somewhere else",
        "call the extension from the function itself",
    ),
    (
        Request("OPTIONS", "/v1/a", (HOST, ASKED)),
        "the method OPTIONS is none of Vault's",
        "use one of DELETE, GET, HEAD, LIST, PATCH, POST, PUT",
    ),
    (
        Request("GET", "/v1/a", (HOST,)),
        "the request has neither X-Vault-Request nor X-Vault-Token",
        "send the header X-Vault-Request: true, as Vault's SDKs do, or set VAULTGATE_GUARD=open",
    ),
    (
        Request("GET", "/ui/vault", (HOST, ASKED)),
        "'/ui/vault' is not a path below /v1/",
        "read http://127.0.0.1:8200/v1/<path of the secret>",
    ),
    (
        Request("GET", "/v1/a//b", (HOST, ASKED)),
        "'/v1/a//b' can be read in two ways",
        "write the path plainly: no //, no dot segments, no encoded slashes",
    ),
    (
        Request("GET", "/v1/auth/token/lookup-self", (HOST, ASKED, ("x-vault-wrap-ttl", "60"))),
        "an answer that shows the extension's token can't be wrapped",
        "leave out X-Vault-Wrap-TTL",
    ),
    (
        Request("PUT", "/v1/sys/seal", (HOST, ASKED)),
        "'sys/seal' is denied to the extension's token",
        "send a token of your own in X-Vault-Token",
    ),
]


@pytest.mark.parametrize(("request_", "message", "hint"), SAID, ids=[message for _, message, _ in SAID])
def test_refusal_says_what_to_do(request_: Request, message: str, hint: str) -> None:
    """Whoever is refused is told what was looked at, and how to pass."""

    def judge() -> None:
        check_door(request_, "header")
        check_path(request_)

    with pytest.raises(Refused) as refused:
        judge()
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_wrapping_elsewhere_passes() -> None:
    """Wrapping a secret is what wrapping is for; only what shows the extension's token can't be wrapped."""
    wrapped = (("X-Vault-Wrap-TTL", "60"),)
    assert check_path(Request("GET", "/v1/secret/data/app", wrapped)) == "secret/data/app"
    assert check_path(Request("POST", "/v1/sys/wrapping/wrap", wrapped)) == "sys/wrapping/wrap"
    with pytest.raises(Refused, match="can't be wrapped"):
        check_path(Request("POST", "/v1/auth/token/renew-self", wrapped))


SHOWN = Secret("the-secret-of-this-sandbox")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (ASKED,),
        (("X-Vault-Token", "vaultgate"),),
        (("X-Vaultgate-Secret", ""),),
        (("X-Vaultgate-Secret", "the-secret-of-this-sandbo"),),
        (("X-Vaultgate-Secret", "the-secret-of-this-sandbox "),),
        (("X-Vaultgate-Secret", "THE-SECRET-OF-THIS-SANDBOX"),),
        (("X-Vaultgate-Secret", "\xe4"),),
        (("X-Vaultgate-Secret", "wrong"), ("X-Vaultgate-Secret", "the-secret-of-this-sandbox")),
    ],
)
def test_without_the_secret_nobody_comes_in(headers: tuple[tuple[str, str], ...]) -> None:
    """In mode `secret` nothing but the secret itself gets in, and the answer doesn't repeat what was shown."""
    with pytest.raises(Refused) as refused:
        check_door(Request("GET", "/v1/a", (HOST, *headers)), "secret", SHOWN)
    assert refused.value.message == "the request has no X-Vaultgate-Secret, or a wrong one"
    assert refused.value.hint == "read through vaultgate.client, or send what stands in the file that docs/threat-model.md names"


def test_with_the_secret_the_rest_still_counts() -> None:
    """The secret gets in by itself; a wrong Host, a forwarded request and a method that isn't Vault's are refused with it too."""
    shown = ("x-vaultgate-secret", "the-secret-of-this-sandbox")
    assert check_door(Request("GET", "/v1/a", (HOST, shown)), "secret", SHOWN) is None
    for request in (
        Request("GET", "/v1/a", (("Host", "rebound.example.com"), shown)),
        Request("GET", "/v1/a", (HOST, shown, ("X-Forwarded-For", "10.0.0.1"))),
        Request("TRACE", "/v1/a", (HOST, shown)),
    ):
        with pytest.raises(Refused):
            check_door(request, "secret", SHOWN)


def test_without_a_secret_made_nobody_comes_in() -> None:
    """Mode `secret` before there is one is shut, not open."""
    for value in ("", "None"):
        with pytest.raises(Refused):
            check_door(Request("GET", "/v1/a", (HOST, ("X-Vaultgate-Secret", value))), "secret")


def passes(target: str, *, method: str = "GET", allow: str = "", deny: str = "") -> bool:
    """Whether a request passes with the extension's token under these settings."""
    try:
        check_path(Request(method, target), path_rules(allow) if allow else (), path_rules(deny) if deny else ())
    except Refused:
        return False
    return True


RULED = [
    # What is allowed, and nothing beside it.
    ("secret/data/app", "", "GET", "/v1/secret/data/app", True),
    ("secret/data/app", "", "GET", "/v1/secret/data/app/", True),
    ("secret/data/app", "", "GET", "/v1/secret/data/apps", False),
    ("secret/data/app", "", "GET", "/v1/secret/data/app/x", False),
    ("secret/data/app", "", "GET", "/v1/my/secret/data/app", False),
    ("secret/*", "", "GET", "/v1/secret/data/app", True),
    ("secret/*", "", "GET", "/v1/secret", False),
    ("secret/*,database/creds/app", "", "GET", "/v1/database/creds/app", True),
    ("*/data/app", "", "GET", "/v1/secret/data/app", True),
    ("secret/data/a.p", "", "GET", "/v1/secret/data/app", False),
    ("secret/data/a b", "", "GET", "/v1/secret/data/a%20b", True),
    # However it is written.
    ("secret/*", "", "GET", "/v1/%73ecret/data/app", True),
    ("secret/*", "", "GET", "/v1/secret//data", False),
    ("secret/*", "", "GET", "/v1/secret/../database/creds/app", False),
    ("secret/*", "", "GET", "/v1/secret/%2e%2e/database/creds/app", False),
    ("secret/*", "", "GET", "/v1/secret%2fdata", False),
    ("", "secret/data/admin*", "GET", "/v1/secret/data/%61dmin", False),
    ("", "secret/data/admin*", "GET", "/v1/secret//data/admin", False),
    ("", "secret/data/admin*", "GET", "/v1/secret/./data/admin", False),
    ("", "secret/data/admin*", "GET", "/v1/secret/data/%2e/admin", False),
    ("", "secret/data/admin", "GET", "/v1/secret/data/admin/", False),
    # The method.
    ("GET secret/*", "", "GET", "/v1/secret/data/app", True),
    ("GET secret/*", "", "HEAD", "/v1/secret/data/app", True),
    ("GET secret/*", "", "POST", "/v1/secret/data/app", False),
    ("GET secret/*", "", "LIST", "/v1/secret/metadata", False),
    ("PUT secret/*", "", "POST", "/v1/secret/data/app", True),
    ("POST secret/*", "", "PUT", "/v1/secret/data/app", True),
    ("DELETE secret/*", "", "PATCH", "/v1/secret/data/app", False),
    ("", "POST secret/*", "PUT", "/v1/secret/data/app", False),
    ("", "PUT secret/*", "POST", "/v1/secret/data/app", False),
    ("", "PUT secret/*", "GET", "/v1/secret/data/app", True),
    ("", "PUT secret/*", "PATCH", "/v1/secret/data/app", True),
    # A listing is a listing, whichever way it is asked for.
    ("LIST secret/*", "", "LIST", "/v1/secret/metadata", True),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?list=true", True),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?a=b&list=true", True),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata", False),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?list=false", False),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?list=true&list=false", False),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?a;list=true", False),
    ("LIST secret/*", "", "GET", "/v1/secret/metadata?list=true&a=%zz", False),
    ("LIST secret/*", "", "HEAD", "/v1/secret/metadata?list=true", False),
    ("LIST secret/*,GET secret/*", "", "GET", "/v1/secret/metadata?list=false", True),
    ("GET secret/*", "", "GET", "/v1/secret/metadata?list=true", False),
    ("GET secret/*", "", "GET", "/v1/secret/metadata?%6cist=true", False),
    ("GET secret/*", "", "GET", "/v1/secret/metadata?list=1", False),
    ("GET secret/*", "", "GET", "/v1/secret/metadata?list=true?x", False),
    ("GET secret/*", "", "GET", "/v1/secret/metadata?list=true=x", False),
    ("GET secret/*", "", "GET", "/v1/secret/data/app?version=2&listed=x", True),
    ("", "LIST secret/*", "GET", "/v1/secret/metadata?list=true", False),
    ("", "LIST secret/*", "GET", "/v1/secret/metadata?%6cist=true", False),
    ("", "LIST secret/*", "GET", "/v1/secret/metadata?list=T", False),
    ("", "LIST secret/*", "GET", "/v1/secret/metadata?a;list=true", False),
    ("", "LIST secret/*", "GET", "/v1/secret/metadata?a=%zz&list=true", False),
    ("", "GET secret/*", "GET", "/v1/secret/metadata?list=false", False),
    ("", "GET secret/*", "GET", "/v1/secret/metadata?list=true;a", False),
    ("", "LIST secret/*", "GET", "/v1/secret/data/app?version=2", True),
    ("", "LIST secret/*", "POST", "/v1/secret/metadata?list=true", True),
    # Denied wins; the system needs to be named.
    ("secret/*", "secret/data/admin", "GET", "/v1/secret/data/admin", False),
    ("secret/*", "secret/data/admin", "GET", "/v1/secret/data/app", True),
    ("secret/*", "", "GET", "/v1/sys/health", True),
    ("secret/*", "", "GET", "/v1/auth/token/lookup-self", True),
    ("", "sys/health", "GET", "/v1/sys/health", False),
    ("", "sys/wrapping/*", "POST", "/v1/sys/wrapping/unwrap", False),
    ("*", "", "GET", "/v1/sys/mounts", False),
    ("s*", "", "GET", "/v1/sys/mounts", False),
    ("*", "", "POST", "/v1/auth/token/create", False),
    ("auth/*", "", "POST", "/v1/auth/token/create", False),
    ("sys/mounts", "", "GET", "/v1/sys/mounts", True),
    ("sys/mounts", "", "GET", "/v1/sys/policies", False),
    ("GET sys/mounts", "", "POST", "/v1/sys/mounts", False),
    ("auth/token/*", "", "POST", "/v1/auth/token/create", True),
    ("sys/*", "sys/seal", "PUT", "/v1/sys/seal", False),
    ("sys/mounts", "", "GET", "/v1/secret/data/app", False),
]


@pytest.mark.parametrize(("allow", "deny", "method", "target", "expected"), RULED)
def test_lists(allow: str, deny: str, method: str, target: str, *, expected: bool) -> None:
    """VAULTGATE_ALLOW lets pass only what it names, VAULTGATE_DENY wins, and no way of writing a request evades them."""
    assert passes(target, method=method, allow=allow, deny=deny) is expected


def test_a_list_is_named_in_its_refusal() -> None:
    """Whoever is refused by a list is told by which one, and that a token of one's own would pass."""
    own = "send a token of your own in X-Vault-Token"
    with pytest.raises(Refused) as refused:
        check_path(Request("GET", "/v1/a/b"), path_rules("secret/*"))
    assert (refused.value.message, refused.value.hint) == ("VAULTGATE_ALLOW doesn't name 'a/b'", own)
    with pytest.raises(Refused) as refused:
        check_path(Request("GET", "/v1/a/b"), (), path_rules("a/*"))
    assert (refused.value.message, refused.value.hint) == ("VAULTGATE_DENY denies 'a/b' to the extension's token", own)


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


@given(targets())
@example("/v1/secret/%2e%2e/database/creds/x")
@example("/v1/secret//../database/creds/x")
def test_no_way_around_a_list(target: str) -> None:
    """However a path is glued and escaped: what passes a list of one mount is, by anybody's reading, below that mount."""
    for allow, deny, inside in (("secret/*", "", True), ("", "secret*", False)):
        if passes(target, allow=allow, deny=deny):
            once = unescape(target.partition("?")[0]).removeprefix("/v1/").strip("/")
            if once in OPEN or once.startswith(OPEN_BELOW):
                continue
            for reading in (once, posixpath.normpath(once), unescape(once)):
                assert reading.startswith("secret/" if inside else "secret") is inside


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F), max_size=30))
def test_any_text_is_judged(text: str) -> None:
    """Whatever comes as a path is refused or passes; nothing else is raised."""
    try:
        said = check_path(Request("GET", text))
    except Refused as error:
        said = str(error)
    assert said


def test_redact() -> None:
    """Our token's id is taken out wherever it stands, in the body and in headers, and nothing else is."""
    token = Secret("hvs.OURS")
    answer = Answer(
        203,
        (("X-Echo", "<hvs.OURS>"), ("Content-Type", "application/json")),
        b'{"data":{"id":"hvs.OURS","accessor":"a"},"copy":"hvs.OURS"}',
    )
    redacted = redact(answer, token)
    assert redacted.body == b'{"data":{"id":"redacted","accessor":"a"},"copy":"redacted"}'
    assert redacted.headers == (("X-Echo", "<redacted>"), ("Content-Type", "application/json"))
    assert redacted.status == 203
    for other in (Answer(404, (("X-Echo", "hvs.OURS"),), b"{}"), Answer(200, (("A", "b"),), b"hvs.OURS")):
        cleaned = redact(other, token)
        assert "hvs.OURS" not in repr(cleaned.headers) + repr(cleaned.body)
        assert (cleaned.status, len(cleaned.headers)) == (other.status, 1)


def test_what_shows_nothing_stays() -> None:
    """An answer without the token is handed on as it is."""
    answer = Answer(200, (("A", "b"),), b'{"data":{"id":"hvs.OTHER"}}')
    assert redact(answer, Secret("hvs.OURS")) is answer
