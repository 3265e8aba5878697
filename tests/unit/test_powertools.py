"""Powertools' own provider class over the client and a simulated Vault."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from tests.simulators.extension import CREDS, Direct, Extension

from vaultgate.client import Client
from vaultgate.generation import Generation, Watch
from vaultgate.powertools import VaultProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KV = "secret/data/records"
STATIC = "database/static-creds/records-static"
LISTEN = ("127.0.0.1", 8299)


@pytest.fixture
def extension() -> Extension:
    """A Vault with a secret of several fields."""
    made = Extension()
    made.server.kv["records"] = {
        "greeting": "hello",
        "limit": 5,
        "nested": {"a": [1, None]},
        "blob": b64encode(b"bytes").decode(),
        "rules.json": '{"b": 2}',
    }
    return made


@pytest.fixture
def provider(extension: Extension, tmp_path: Path) -> Iterator[VaultProvider]:
    """A provider that nobody asked yet, over a client with a memory."""
    generation = Generation(LISTEN, extension.log, str(tmp_path))
    generation.begin()
    client = Client(LISTEN, 60, Direct(extension), extension.clock, Watch(LISTEN, str(tmp_path)))
    yield VaultProvider(client.read, extension.clock)
    generation.end()


def test_all_fields(provider: VaultProvider) -> None:
    """A path gives all fields of the secret as JSON, whichever version the KV engine is, and a transform reads that."""
    fields = provider.get(KV, transform="json")
    assert fields["greeting"] == "hello"
    assert fields["nested"] == {"a": [1, None]}
    assert json.loads(str(provider.get(KV))) == fields
    assert provider.get(CREDS, transform="json").keys() == {"username", "password"}


@pytest.mark.parametrize(
    ("field", "transform", "value"),
    [
        ("greeting", None, "hello"),
        ("limit", None, "5"),
        ("limit", "json", 5),
        ("nested", "json", {"a": [1, None]}),
        ("blob", "binary", b"bytes"),
        ("rules.json", "auto", {"b": 2}),
    ],
)
def test_one_field(provider: VaultProvider, field: str, transform: str | None, value: object) -> None:
    """`path#field` gives one field: text as it is, anything else as JSON, and Powertools' transforms on top."""
    assert provider.get(f"{KV}#{field}", transform=transform) == value  # type: ignore[arg-type]


def test_field_by_field(provider: VaultProvider) -> None:
    """`get_multiple` gives each field as text, and transforms each."""
    assert provider.get_multiple(KV)["limit"] == "5"
    assert provider.get_multiple(KV, transform="auto")["rules.json"] == {"b": 2}
    assert provider.get_multiple(KV, transform="json")["greeting"] is None
    with pytest.raises(TransformParameterError):
        provider.get_multiple(KV, transform="json", raise_on_transform_error=True, force_fetch=True)


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_max_age_by_either_clock(extension: Extension, provider: VaultProvider, hand: str) -> None:
    """What has no lease is kept for `max_age` seconds, by either clock, and then asked for anew."""
    provider.get(KV, max_age=30)
    getattr(extension.clock, hand)(29)
    provider.get(KV, max_age=30)
    assert extension.server.count("GET", KV) == 1
    getattr(extension.clock, hand)(1)
    provider.get(KV, max_age=30)
    assert extension.server.count("GET", KV) == 2


def test_other_ways_past_what_is_kept(extension: Extension, provider: VaultProvider) -> None:
    """A `max_age` of 0 keeps nothing, `force_fetch` and a cleared cache ask again; each transform is kept apart."""
    for count, ask in enumerate(
        (
            lambda: provider.get(KV, max_age=0),
            lambda: provider.get(KV),
            lambda: provider.get(KV, force_fetch=True),
            lambda: provider.get(KV, transform="json"),
            lambda: provider.get_multiple(KV),
        ),
        1,
    ):
        ask()
        assert extension.server.count("GET", KV) == count
    provider.get(KV)
    assert extension.server.count("GET", KV) == 5
    provider.clear_cache()
    provider.get(KV)
    assert extension.server.count("GET", KV) == 6


@pytest.mark.parametrize("hand", ["advance", "freeze"])
def test_no_max_age_outlives_a_lease(extension: Extension, provider: VaultProvider, hand: str) -> None:
    """A leased value is handed out while its lease lives, and not after, however long `max_age` is."""
    first = provider.get(CREDS, max_age=86_400)
    getattr(extension.clock, hand)(300)
    assert provider.get(CREDS, max_age=86_400) == first
    getattr(extension.clock, hand)(300)
    assert provider.get(CREDS, max_age=86_400) != first
    assert extension.server.count("GET", CREDS) == 2


def test_force_fetch_asks_vault(extension: Extension, provider: VaultProvider) -> None:
    """A leased value that nobody wants any more is asked for anew, past every memory, and that is the value from then on."""
    first = provider.get(f"{CREDS}#username")
    second = provider.get(f"{CREDS}#username", force_fetch=True)
    assert second != first
    assert provider.get_multiple(CREDS)["username"] == second
    assert provider.get_multiple(CREDS, force_fetch=True)["username"] not in {first, second}
    assert extension.server.count("GET", CREDS) == 3


def test_no_max_age_outlives_a_rotation(extension: Extension, provider: VaultProvider) -> None:
    """A static role's password may be rotated at any time: nobody keeps it."""
    provider.get_multiple(STATIC, max_age=86_400)
    provider.get_multiple(STATIC, max_age=86_400)
    assert extension.server.count("GET", STATIC) == 2


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("secret/data/nothing", {}, "secret/data/nothing"),
        (f"{KV}#nothing", {}, "has no field 'nothing' (choose one of blob, greeting, limit, nested, rules.json)"),
        (KV, {"version": 3}, "no further options: version"),
    ],
)
def test_failures_are_powertools_own(provider: VaultProvider, name: str, options: dict[str, int], words: str) -> None:
    """What can't be had is Powertools' GetParameterError with our words in it, and is not kept."""
    for _ in range(2):
        with pytest.raises(GetParameterError) as caught:
            provider.get(name, **options)  # type: ignore[arg-type]
        assert words in str(caught.value)
