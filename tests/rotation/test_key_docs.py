"""The examples of docs/rotation.md, "API keys", are ones that work."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vaultgate_ops.local.key_api import KeyApi
from vaultgate_ops.local.paths import checkout
from vaultgate_ops.rotation.api_keys import plugin
from vaultgate_ops.rotation.api_keys.functions import Keys, Surprised
from vaultgate_ops.rotation.api_keys.retirement import label

if TYPE_CHECKING:
    import pytest
    from tests.rotation.keys import KeyBed


def example(language: str) -> str:
    """The section's one block of a language."""
    page = (checkout() / "docs" / "rotation.md").read_text(encoding="utf-8")
    section = page.partition("\n## API keys\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return block


def test_the_secret(key_bed: KeyBed) -> None:
    """Rotates, with nothing changed but the key, its id and where the API is."""
    shown = json.loads(example("json"))
    with key_bed.account() as account:
        account.store(**{**shown, "api": {**shown["api"], "url": f"{account.keys.url}/v1"}, **first_of(account.keys.api)})
        account.values = [key_bed.amazon.service.value(account.secret)]
        account.rotate(2)
        assert account.state().live == ("N-0", "N-1")


def first_of(api: KeyApi) -> dict[str, str]:
    """The key that was made by hand."""
    return {"key": api.live[0].secret, "key_id": api.live[0].key_id}


class Key:
    def __init__(self, key: Any) -> None:
        self.id, self.name, self.secret = key.key_id, key.name, key.secret


def library(api: KeyApi) -> type:
    """The made-up library that the example uses."""

    class Client:
        def __init__(self, key: str) -> None:
            self._key = key

        def new_key(self, name: str) -> Key:
            assert api.answer("POST", "/v1/keys", self._key, {"name": name})[0] == 201
            return Key(api.live[-1])

        def accepted(self) -> bool:
            return api.answer("GET", "/v1/orders", self._key, None)[0] == 200

        def keys(self) -> list[Key]:
            return [Key(key) for key in api.live]

        def end(self, key_id: str) -> None:
            assert api.answer("DELETE", f"/v1/keys/{key_id}", self._key, None)[0] == 204

    return Client


def test_the_plugin(key_bed: KeyBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotates, and ends an orphan at the second look."""
    billing, written = ModuleType("billing"), ModuleType("billing_keys")
    monkeypatch.setitem(sys.modules, "billing", billing)
    monkeypatch.setitem(sys.modules, "billing_keys", written)
    key_bed.variables["ROTATION_PLUGIN"] = "billing_keys:BillingKeys"
    with key_bed.account(strategy="plug-in", api=None) as account:
        billing.Client = library(account.keys.api)  # type: ignore[attr-defined] - it is made here
        exec(compile(example("python"), "billing_keys", "exec"), written.__dict__)  # noqa: S102 - our own page's example
        assert isinstance(plugin.load("billing_keys:BillingKeys"), plugin.Plugin)
        assert written.__dict__["Surprised"] is Surprised
        account.rotate(2)
        account.drop_previous()
        orphan = account.keys.api.add(label(account.arn, "orphan"))
        account.rotate()
        assert account.state().live == ("N-0", "N-1")
        assert orphan not in account.keys.api.live
        assert account.admits_current()


def test_the_plugin_with_two_secrets_of_one_account(key_bed: KeyBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither takes the other's key for an orphan of its own."""
    billing, api, written = ModuleType("billing"), KeyApi(key_bed.clock, limit=4), ModuleType("billing_keys")
    billing.Client = library(api)  # type: ignore[attr-defined] - it is made here
    monkeypatch.setitem(sys.modules, "billing", billing)
    exec(compile(example("python"), "billing_keys", "exec"), written.__dict__)  # noqa: S102 - our own page's example
    keys, first = written.__dict__["BillingKeys"](), first_of(api)
    others = keys.create(Keys("arn:of:another", "1", first))
    made = keys.create(Keys("arn:of:it", "1", first))
    assert not keys.retire(Keys("arn:of:it", "", made))
    assert {others["key_id"], made["key_id"]} < {key.key_id for key in api.live}
