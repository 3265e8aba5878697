"""Reads without a lease: kept only where somebody asked for it, and never past a write."""

from __future__ import annotations

import json

import pytest
from tests.simulators.extension import Extension, cache

from vaultgate.cache import path_below, path_of, touches, ttl_without_lease
from vaultgate.errors import ConfigurationError
from vaultgate.model import Answer

KV = "secret/data/records"
ASKED = ("X-Vault-Cache-Control", "cache")


def greeting(answer: Answer) -> str:
    """The value in the demo secret."""
    return str(json.loads(answer.body)["data"]["data"]["greeting"])


def writer(**environ: str) -> Extension:
    """An extension whose policy may write the demo secret too."""
    extension = Extension(**environ)
    extension.server.policies["records"] += ((KV, {"read", "update"}),)
    return extension


def test_nothing_is_kept_unasked() -> None:
    """Without a word from settings or request, each read of a KV secret goes to Vault."""
    extension = Extension()
    assert [cache(extension.ask(KV)) for _ in range(2)] == ["miss", "miss"]
    assert extension.server.count("GET", KV) == 2


def test_a_request_opts_in() -> None:
    """With a default TTL, a request that says `cache` is answered from the shelf until that is over."""
    extension = Extension(VAULT_DEFAULT_CACHE_TTL="30s")
    assert [cache(extension.ask(KV, ASKED)) for _ in range(2)] == ["miss", "hit"]
    extension.clock.advance(30)
    assert cache(extension.ask(KV, ASKED)) == "miss"


def test_without_a_default_ttl_a_request_can_not_opt_in() -> None:
    """As in HashiCorp's extension: the deployer says how long, or nothing is kept."""
    extension = Extension()
    assert [cache(extension.ask(KV, ASKED)) for _ in range(2)] == ["miss", "miss"]


def test_the_deployer_opts_in_for_all_and_a_request_out() -> None:
    """VAULT_DEFAULT_CACHE_ENABLED keeps every read; nocache passes by, recache fetches anew and keeps that."""
    extension = Extension(VAULT_DEFAULT_CACHE_TTL="30s", VAULT_DEFAULT_CACHE_ENABLED="true")
    assert [cache(extension.ask(KV)) for _ in range(2)] == ["miss", "hit"]
    assert cache(extension.ask(KV, ("X-Vault-Cache-Control", "nocache"))) == "bypass"
    assert cache(extension.ask(KV, ("X-Vault-Cache-Control", "recache"))) == "miss"
    assert cache(extension.ask(KV)) == "hit"
    assert extension.server.count("GET", KV) == 3


def test_a_rule_decides_before_the_default() -> None:
    """The first glob that matches says how long; 0 is never, whatever the request says."""
    extension = Extension(VAULTGATE_CACHE="secret/data/rec*=5s,secret/*=0", VAULT_DEFAULT_CACHE_TTL="1h")
    assert [cache(extension.ask(KV)) for _ in range(2)] == ["miss", "hit"]
    extension.clock.advance(5)
    assert cache(extension.ask(KV)) == "miss"
    assert ttl_without_lease("secret/data/other", extension.config.cache_rules, 3600.0, asked=True) == 0


def test_a_version_is_a_secret_of_its_own() -> None:
    """`?version=1` and the newest version don't share an answer."""
    extension = Extension(VAULTGATE_CACHE="secret/*=1m")
    extension.ask(KV)
    assert cache(extension.ask(f"{KV}?version=1")) == "miss"


def test_a_write_through_the_proxy_drops_what_it_touches() -> None:
    """Who writes reads what was written."""
    extension = writer(VAULTGATE_CACHE="secret/*=1m")
    extension.ask(KV)
    extension.ask(KV, method="PUT", document={"data": {"greeting": "changed"}})
    answer = extension.ask(KV)
    assert (cache(answer), greeting(answer)) == ("miss", "changed")


def test_a_read_under_way_while_somebody_writes_is_not_kept() -> None:
    """An answer that left Vault before the write goes to whoever asked before it, and no further."""
    extension = writer(VAULTGATE_CACHE="secret/*=1m")
    extension.ask("database/creds/records")
    gate = extension.server.hold("GET", KV, "after")
    late = extension.beside(KV)
    assert gate.arrived.wait(10)
    extension.ask(KV, method="PUT", document={"data": {"greeting": "changed"}})
    gate.open()
    assert greeting(late.result()) == "hello"
    assert greeting(extension.ask(KV)) == "changed"


def test_who_asks_anew_is_not_answered_by_an_older_question() -> None:
    """Somebody changed the secret in Vault while a read was under way: `recache` waits for it, and asks again."""
    extension = Extension()
    extension.ask("database/creds/records")
    gate = extension.server.hold("GET", KV, "after")
    early = extension.beside(KV)
    assert gate.arrived.wait(10)
    extension.server.kv["records"] = {"greeting": "changed"}
    late = [extension.beside(KV, ("X-Vault-Cache-Control", "recache")).until_it_waits() for _ in range(3)]
    gate.open()
    assert greeting(early.result()) == "hello"
    assert {greeting(reader.result()) for reader in late} == {"changed"}


def test_a_callers_own_token_is_not_answered_from_the_shelf() -> None:
    """What our token fetched is not shown to another token, and the other way round."""
    extension = Extension(VAULTGATE_CACHE="secret/*=1m")
    extension.ask(KV)
    own = ("X-Vault-Token", extension.server.root_token)
    assert [cache(extension.ask(KV, own)) for _ in range(2)] == ["bypass", "bypass"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/secret/data/app?version=2", "secret/data/app"),
        ("/v1/secret/data/user%40home", "secret/data/user@home"),
        ("/v1/secret/d%61ta/%c3%bc%E2%82%ac", "secret/data/ü€"),
        ("/v1/secret/data/half%C3", "secret/data/half\ufffd"),
        ("/v1/secret/data/app?x=%40", "secret/data/app"),
    ],
)
def test_what_stands_at_a_target(target: str, path: str) -> None:
    """Two clients that escape differently speak of the same secret."""
    assert path_below(target) == path
    assert path_of(("GET", target, "")) == path


def test_a_rule_holds_however_its_path_is_escaped() -> None:
    """The settings' globs are paths as they are, a client may escape what it likes."""
    extension = Extension(VAULTGATE_CACHE="secret/data/records=1m")
    extension.ask("database/creds/records")
    extension.server.next(*[Answer(200, (), b'{"lease_id": "", "lease_duration": 0, "data": {}}')] * 2)
    extension.ask("secret/data/rec%6Frds")
    assert cache(extension.ask("secret/data/rec%6Frds")) == "hit"


def test_a_write_by_a_client_that_escapes_otherwise() -> None:
    """It drops what it touches all the same."""
    extension = writer(VAULTGATE_CACHE="secret/*=1m")
    extension.ask(KV)
    extension.server.next(Answer(200))
    extension.ask("secret/data/rec%6Frds", method="PUT", document={"data": {}})
    assert cache(extension.ask(KV)) == "miss"


@pytest.mark.parametrize(
    ("written", "kept", "expected"),
    [
        ("secret/data/app", "secret/data/app", True),
        ("secret/metadata/app", "secret/data/app", True),
        ("secret/destroy/app", "secret/data/app", True),
        ("secret/delete/app", "secret/metadata/app", True),
        ("secret/undelete/app", "secret/subkeys/app", True),
        ("secret/data/app", "secret/metadata", True),
        ("secret/data/team/app", "secret/metadata/team/", True),
        ("secret/metadata/team", "secret/data/team/app", True),
        ("kv1/app", "kv1/app", True),
        ("team/data/secret/data/app", "team/data/secret/data/app", True),
        ("secret/data/app", "secret/data/application", False),
        ("secret/data/app", "other/data/app", False),
        ("kv1/app", "kv1/other", False),
    ],
)
def test_touches(written: str, kept: str, *, expected: bool) -> None:
    """All paths of a KV v2 secret speak of it, a listing of everything below it; a neighbour is left alone."""
    assert touches(written, kept) is expected


@pytest.mark.parametrize("rules", ["secret/*", "=5s", "secret/*=soon", "secret/*=5s,,"])
def test_malformed_rules_are_refused(rules: str) -> None:
    """A rule that can't be read would keep what must not be kept, or not keep what should be."""
    with pytest.raises(ConfigurationError, match="VAULTGATE_CACHE="):
        Extension(VAULTGATE_CACHE=rules)


def test_enabled_without_a_ttl_is_refused() -> None:
    """The name that is missing is said."""
    with pytest.raises(ConfigurationError, match="VAULT_DEFAULT_CACHE_TTL"):
        Extension(VAULT_DEFAULT_CACHE_ENABLED="true")
