"""Drop-in, one by one: every variable, header, port, path and file format of HashiCorp's extension, seen on the built layer.

Each row is one name of the contract and what can be observed of it from outside; docs/migrating.md has the differences. A row
about a defect of theirs shows that ours is right.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.simulators.alone import PROGRAM as ON_8200
from tests.simulators.certificates import Authority
from tests.simulators.extension import eventually
from tests.simulators.loopback import answering, loopback
from tests.simulators.peers import CREDS, ENVELOPE, KV, Peer, answers, assumed_role

from vaultgate.model import Answer
from vaultgate.settings import SETTINGS
from vaultgate_ops.local.paths import checkout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Row = Callable[[Peer], None]

ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Put a name of the contract, and how it shows, into the table."""

    def add(show: Row) -> Row:
        assert name not in ROWS
        ROWS[name] = show
        return show

    return add


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    """A Vault, and an extension beside it."""
    return Peer(Authority(tmp_path), tmp_path)


# --- whom to ask, and as whom ---


@row("VAULT_ADDR")
def _(peer: Peer) -> None:
    """Requests go there; without it nothing starts."""
    with peer.life() as one:
        assert answers(one) == "miss"
        assert len(peer.asked(KV)) == 1
    assert "VAULT_ADDR is missing" in peer.refusal(VAULT_ADDR=None)


@row("VLE_VAULT_ADDR")
def _(peer: Peer) -> None:
    """It wins over VAULT_ADDR."""
    with peer.vault() as usual:
        right = usual["VAULT_ADDR"]
        with peer.beside(usual | {"VAULT_ADDR": "https://127.0.0.1:1", "VLE_VAULT_ADDR": right}) as one:
            assert answers(one) == "miss"


@row("VAULT_AUTH_PROVIDER")
def _(peer: Peer) -> None:
    """It is the path of a mount, whatever that is called."""
    with peer.life(VAULT_AUTH_PROVIDER="team/approle"):
        assert peer.logins("team/approle")


@row("VAULT_AUTH_ROLE")
def _(peer: Peer) -> None:
    """It is the role of the login; without it nothing starts."""
    with peer.life(VAULT_AUTH_ROLE="somebody"):
        assert peer.logins()[0].role == "somebody"
    assert "VAULT_AUTH_ROLE is missing" in peer.refusal(VAULT_AUTH_ROLE=None)


@row("VAULT_IAM_SERVER_ID")
def _(peer: Peer) -> None:
    """It goes along, and it is signed."""
    with peer.life(VAULT_IAM_SERVER_ID="one.of.mine"):
        signed = peer.logins()[0].headers
    assert signed["X-Vault-AWS-IAM-Server-ID"] == "one.of.mine"
    assert "x-vault-aws-iam-server-id" in signed["Authorization"]
    with peer.life(VAULT_IAM_SERVER_ID=None):
        assert "X-Vault-AWS-IAM-Server-ID" not in peer.logins()[0].headers


@row("VAULT_ASSUMED_ROLE_ARN")
def _(peer: Peer) -> None:
    """Its keys are asked of STS, under the function's name, and sign the login."""
    role = "arn:aws:iam::123456789012:role/other"
    with loopback(answering(assumed_role("ASIAASSUMED"))) as sts:
        settings = {"AWS_ENDPOINT_URL_STS": str(sts.origin), "AWS_LAMBDA_FUNCTION_NAME": "shop"}
        with peer.life(VAULT_ASSUMED_ROLE_ARN=role, **settings):
            assert peer.logins()[0].scope.startswith("ASIAASSUMED/")
    asked = sts.requests[0].body.decode()
    assert "Action=AssumeRole" in asked
    assert "RoleSessionName=shop" in asked
    assert "role%2Fother" in asked


@row("VAULT_STS_ENDPOINT_REGION")
def _(peer: Peer) -> None:
    """The region's endpoint, signed for it; unset the global one for us-east-1, or as AWS_STS_REGIONAL_ENDPOINTS says."""
    for settings, url, region in (
        ({"VAULT_STS_ENDPOINT_REGION": "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"),
        ({"AWS_REGION": "eu-west-1"}, "https://sts.amazonaws.com/", "us-east-1"),
        (
            {"AWS_REGION": "eu-north-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional"},
            "https://sts.eu-north-1.amazonaws.com/",
            "eu-north-1",
        ),
    ):
        with peer.life(**settings):
            signed = peer.logins()[0]
        assert (signed.url, signed.scope.split("/")[2:4]) == (url, [region, "sts"])


@row("VAULT_NAMESPACE")
def _(peer: Peer) -> None:
    """The login and proxied calls name it; a call's own wins."""
    with peer.life(VAULT_NAMESPACE="team/a") as one:
        answers(one)
        answers(one, X_Vault_Namespace="team/b")
        told = [request.header("X-Vault-Namespace") for request in peer.listening.requests]
    assert told == ["team/a", "team/a", "team/b"]


@row("VAULT_TOKEN_EXPIRY_GRACE_PERIOD")
def _(peer: Peer) -> None:
    """A token counts as over this long before its end."""
    for settings, usable_s in (({}, 3590), ({"VAULT_TOKEN_EXPIRY_GRACE_PERIOD": "1m40s"}, 3500)):
        with peer.life(**settings) as one:
            remaining = one.ask("sys/vaultgate/health").document["token_remaining_s"]
        assert usable_s - 20 < remaining <= usable_s


# --- the way there ---


@row("VAULT_CACERT")
def _(peer: Peer) -> None:
    """Whom it vouches for is spoken to, and nobody else."""
    with peer.life() as one:
        assert answers(one) == "miss"
    with peer.life(VAULT_CACERT=str(Authority(peer.folder, "another").certificate_file)) as one:
        reply = one.ask(KV)
    assert (reply.status, reply.headers["X-Vaultgate-Error"]) == (503, "unreachable")
    assert peer.listening.requests == []


@row("VAULT_CAPATH")
def _(peer: Peer) -> None:
    """All files of a folder vouch, whatever they are called."""
    trusted = peer.folder / "trusted"
    trusted.mkdir()
    (trusted / "our-own.crt").write_bytes(peer.authority.certificate_file.read_bytes())
    with peer.life(VAULT_CACERT=None, VAULT_CAPATH=str(trusted)) as one:
        assert answers(one) == "miss"


@row("VAULT_CLIENT_CERT")
def _(peer: Peer) -> None:
    """A Vault that asks for a certificate is shown it."""
    certificate, key = peer.authority.issue("function")
    asking = peer.authority.server("127.0.0.1", asks_for=peer.authority)
    with peer.life(asking, VAULT_CLIENT_CERT=str(certificate), VAULT_CLIENT_KEY=str(key)) as one:
        assert answers(one) == "miss"
    with peer.life(peer.authority.server("127.0.0.1", asks_for=peer.authority)) as one:
        assert one.ask(KV).status == 503


@row("VAULT_CLIENT_KEY")
def _(peer: Peer) -> None:
    """It goes with the certificate, never alone, and it must be that one's."""
    certificate, key = (str(path) for path in peer.authority.issue("function"))
    assert "go together" in peer.refusal(VAULT_CLIENT_KEY=key)
    with peer.life(VAULT_CLIENT_CERT=certificate, VAULT_CLIENT_KEY=str(peer.authority.issue("other")[1])) as one:
        assert "VAULT_CLIENT_KEY" in one.ask(KV).text


@row("VAULT_TLS_SERVER_NAME")
def _(peer: Peer) -> None:
    """The name that the certificate must have instead of the address's."""
    with peer.life(peer.authority.server("vault.internal"), VAULT_TLS_SERVER_NAME="vault.internal") as one:
        assert answers(one) == "miss"
    with peer.life(peer.authority.server("vault.internal")) as one:
        assert one.ask(KV).status == 503


@row("VAULT_SKIP_VERIFY")
def _(peer: Peer) -> None:
    """Any certificate will do."""
    with peer.life(peer.authority.server("somebody.else"), VAULT_CACERT=None, VAULT_SKIP_VERIFY="true") as one:
        assert answers(one) == "miss"


@row("VAULT_CLIENT_TIMEOUT")
def _(peer: Peer) -> None:
    """A proxied call to a Vault that is silent ends after it."""
    with peer.life(VAULT_CLIENT_TIMEOUT="300ms", VAULT_MAX_RETRIES="0") as one:
        silent = peer.server.hold("GET", KV)
        reply = one.ask(KV)
        silent.open()
    assert (reply.status, reply.headers["X-Vaultgate-Error"]) == (503, "deadline")


@row("VAULT_MAX_RETRIES")
def _(peer: Peer) -> None:
    """A proxied read is tried again so often."""
    for retries, status in (("2", 200), ("1", 502), ("0", 502)):
        with peer.life(VAULT_MAX_RETRIES=retries) as one:
            peer.server.next(Answer(502), Answer(502))
            assert one.ask(KV).status == status
            assert len(peer.asked(KV)) == int(retries) + 1
        peer.server.forget_next()


@row("VAULT_RATE_LIMIT")
def _(peer: Peer) -> None:
    """Login and proxied calls together; who would wait longer than his time is told so, and Vault isn't asked."""
    with peer.life(VAULT_RATE_LIMIT="0.01:3", VAULT_CLIENT_TIMEOUT="5s") as one:
        assert [one.ask(KV).status for _ in range(2)] == [200, 200]
        reply = one.ask(KV)
        assert (reply.status, "VAULT_RATE_LIMIT" in reply.text) == (503, True)
        assert len(peer.asked(KV)) == 2


# --- the cache ---


@row("VAULT_DEFAULT_CACHE_TTL")
def _(peer: Peer) -> None:
    """Reads that ask for it are kept so long; others aren't. Theirs takes a bad one for none; ours is an error."""
    with peer.life(VAULT_DEFAULT_CACHE_TTL="2s") as one:
        asking = {"X_Vault_Cache_Control": "cache"}
        assert [answers(one, **asking) for _ in range(2)] == ["miss", "hit"]
        eventually(lambda: answers(one, **asking) == "miss")
        assert [answers(one, "secret/data/records?version=1") for _ in range(2)] == ["miss", "miss"]
    assert "VAULT_DEFAULT_CACHE_TTL='10 minutes'" in peer.refusal(VAULT_DEFAULT_CACHE_TTL="10 minutes")


@row("VAULT_DEFAULT_CACHE_ENABLED")
def _(peer: Peer) -> None:
    """Reads are kept unless they say nocache. Theirs takes it without a TTL for nothing; ours is an error."""
    with peer.life(VAULT_DEFAULT_CACHE_TTL="5m", VAULT_DEFAULT_CACHE_ENABLED="true") as one:
        assert [answers(one) for _ in range(2)] == ["miss", "hit"]
        assert answers(one, X_Vault_Cache_Control="nocache") == "bypass"
    assert "needs VAULT_DEFAULT_CACHE_TTL" in peer.refusal(VAULT_DEFAULT_CACHE_ENABLED="true")


@row("X-Vault-Cache-Control: cache")
def _(peer: Peer) -> None:
    """From the cache if it is there; a credential is kept for its lease in any case."""
    with peer.life(VAULT_DEFAULT_CACHE_TTL="5m") as one:
        assert [answers(one, X_Vault_Cache_Control="cache") for _ in range(3)] == ["miss", "hit", "hit"]
        assert [answers(one, CREDS) for _ in range(2)] == ["miss", "hit"]
        assert (len(peer.asked(KV)), len(peer.asked(CREDS))) == (1, 1)


@row("X-Vault-Cache-Control: recache")
def _(peer: Peer) -> None:
    """Fetched, and kept for the next."""
    with peer.life(VAULT_DEFAULT_CACHE_TTL="5m") as one:
        answers(one, X_Vault_Cache_Control="cache")
        peer.server.kv["records"] = {"greeting": "another"}
        assert answers(one, X_Vault_Cache_Control="recache") == "miss"
        reply = one.ask(KV, X_Vault_Cache_Control="cache")
    assert (reply.headers["X-Vaultgate-Cache"], reply.document["data"]["data"]) == ("hit", {"greeting": "another"})


@row("X-Vault-Cache-Control: nocache")
def _(peer: Peer) -> None:
    """Fetched, whatever is kept."""
    with peer.life() as one:
        users = [one.ask(CREDS, X_Vault_Cache_Control="nocache").document["data"]["username"] for _ in range(2)]
    assert users[0] != users[1]


@row("X-Vault-Token-Options: revoke")
def _(peer: Peer) -> None:
    """Theirs forgets the token, ours ends it in Vault, with its leases; the request goes with another."""
    with peer.life() as one:
        old = one.ask(CREDS).document
        [token] = [token for token in peer.server.tokens if token != peer.server.root_token]
        assert one.ask(KV, X_Vault_Token_Options="revoke").status == 200
        assert token not in peer.server.tokens
        eventually(lambda: one.ask(KV).ok and old["lease_id"] not in peer.server.leases)
        assert len(peer.logins()) == 2


# --- files ---


@row("VAULT_SECRET_PATH")
def _(peer: Peer) -> None:
    """Vault's answer, whole, at /tmp/vault/secret.json, before the function starts; theirs is 0644, ours 0600."""
    with peer.boxed(VAULT_SECRET_PATH="/database/creds/records"):
        written = peer.file("vault/secret.json")
        assert written.keys() == ENVELOPE
        assert written["lease_id"] in peer.server.leases
        assert written["data"].keys() == {"username", "password"}
        assert (peer.mode("vault/secret.json"), peer.mode("vault")) == ("0o600", "0o700")


@row("VAULT_SECRET_FILE")
def _(peer: Peer) -> None:
    """Another place for it; one that isn't absolute is below /tmp/vault."""
    for place, found in (("/tmp/own/app.json", "own/app.json"), ("app.json", "vault/app.json")):  # noqa: S108 - the sandbox's own
        with peer.boxed(VAULT_SECRET_PATH=KV, VAULT_SECRET_FILE=place):
            assert peer.file(found)["data"]["data"] == {"greeting": "hello"}


@row("VAULT_SECRET_PATH_X")
def _(peer: Peer) -> None:
    """Several, each with its own file; without one nothing starts."""
    places = {"VAULT_SECRET_FILE_A": "a.json", "VAULT_SECRET_FILE_B": "b.json"}
    with peer.boxed(VAULT_SECRET_PATH_A=KV, VAULT_SECRET_PATH_B=CREDS, **places):
        assert (peer.file("vault/a.json")["lease_id"], peer.file("vault/b.json")["lease_id"] != "") == ("", True)
    assert "VAULT_SECRET_PATH_A needs VAULT_SECRET_FILE_A" in peer.refusal(VAULT_SECRET_PATH_A=KV)


@row("VAULT_SECRET_FILE_X")
def _(peer: Peer) -> None:
    """A file without its secret is an error, and so are two secrets for one file."""
    assert "VAULT_SECRET_FILE_A needs VAULT_SECRET_PATH_A" in peer.refusal(VAULT_SECRET_FILE_A="a.json")
    both = {f"VAULT_SECRET_{kind}_{x}": text for x in "AB" for kind, text in (("PATH", KV), ("FILE", "a.json"))}
    assert "are written to one file" in peer.refusal(**both)


@row("a wrong path in KV")
def _(peer: Peer) -> None:
    """Theirs writes null into the file; ours fails the init, with the path that is likely right."""
    told = peer.refusal(VAULT_SECRET_PATH="secret/records")
    assert "secret/records" in told
    assert "the path is likely secret/data/records" in told


@row("VAULT_RUN_MODE")
def _(peer: Peer) -> None:
    """Which of door and files there are; theirs knows lower case only, ours any."""
    for mode, door, files in (("default", True, True), ("PROXY", True, False), ("File", False, True)):
        with peer.boxed(VAULT_RUN_MODE=mode, VAULT_SECRET_PATH=KV) as one:
            assert (peer.tmp / "vault/secret.json").exists() == files
            with socket.socket() as caller:
                assert (caller.connect_ex(("127.0.0.1", one.port)) == 0) == door
            assert one.shut_down() == 0
            assert not (peer.tmp / "vault").exists()


# --- the rest ---


@row("VAULT_LOG_LEVEL")
def _(peer: Peer) -> None:
    """The least level that is logged, in any case."""
    for level, said in (("DEBUG", {"login", "request"}), ("info", {"login"}), ("Error", set()), ("off", set())):
        with peer.life(VAULT_LOG_LEVEL=level) as one:
            answers(one)
            events = {line["event"] for line in one.events}
        assert events & {"login", "request"} == said


@row("http://127.0.0.1:8200")
def _(peer: Peer) -> None:
    """The door, where nothing else is said."""
    alone = ["--net"] if os.geteuid() == 0 else ["--net", "--map-root-user"]
    program = ["unshare", *alone, sys.executable, "-c", ON_8200]
    run = subprocess.run(program, cwd=checkout(), capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["data"]["data"] == {"greeting": "hello"}


@row("/v1/...")
def _(peer: Peer) -> None:
    """Any path and method of Vault's goes through, body, query and headers too, with the extension's token."""
    peer.server.policies["records"] += (("secret/*", {"list", "update"}),)
    with peer.life() as one:
        assert one.ask("secret/metadata", "LIST").document["data"]["keys"] == ["records"]
        assert one.ask("secret/data/app?x=1", "POST", {"data": {"a": "b"}}, X_Own="kept").status == 200
        [request] = peer.asked("secret/data/app", "POST")
    assert (request.target, request.header("X-Own")) == ("/v1/secret/data/app?x=1", "kept")
    assert (request.header("X-Vault-Token") in peer.server.ever, request.header("X-Vault-Request")) == (True, "true")
    assert peer.server.kv["app"] == {"a": "b"}


@row("durations")
def _(peer: Peer) -> None:
    """Go's, or plain seconds."""
    for text in ("90s", "1m30s", "0h1.5m", "90"):
        with peer.life(VAULT_TOKEN_EXPIRY_GRACE_PERIOD=text) as one:
            assert 3490 < one.ask("sys/vaultgate/health").document["token_remaining_s"] <= 3510


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str, peer: Peer) -> None:
    """The name means what it means in HashiCorp's extension, or what it should mean there."""
    ROWS[name](peer)


def test_the_table_is_whole() -> None:
    """Each variable that isn't ours has its row."""
    theirs = {setting.name for setting in SETTINGS if not setting.name.startswith("VAULTGATE_")}
    assert theirs <= set(ROWS)
