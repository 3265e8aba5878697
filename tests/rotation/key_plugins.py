"""Plug-ins as somebody else would write them: one that works, and what goes wrong with others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.api_keys.functions import Surprised
from vaultgate_ops.rotation.api_keys.retirement import label, prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.local.key_api import KeyApi
    from vaultgate_ops.rotation.api_keys.functions import Keys

WORDS = "my text quotes"


class Tokens:
    """Four functions for the small API, asked without HTTP.

    Attributes:
        api: the account; set by the test.
        broken: function to break.
        how: what it does then: an exception to raise, or anything to give.
        called: which functions were, in order.
    """

    def __init__(self) -> None:
        self.api: KeyApi
        self.broken, self.how = "", RuntimeError
        self.called: list[str] = []

    def create(self, keys: Keys) -> Mapping[str, Any]:
        self._note("create")
        self._end(keys, {keys.current["key_id"]})
        made = self._ask("POST", "/v1/keys", keys.current, {"name": label(keys.secret_id, keys.token)})
        return self._gives("create", {"key": made["secret"], "key_id": made["id"]}, keys.current)

    def verify(self, value: Mapping[str, Any]) -> bool:
        self._note("verify")
        return self._gives("verify", self.api.answer("GET", "/v1/orders", value["key"], None)[0] == 200, value)

    def promote(self, keys: Keys) -> None:
        self._note("promote")
        assert keys.pending is not None
        self._ask("PUT", "/v1/primary", keys.current, {"id": keys.pending["key_id"]})
        self._gives("promote", None, keys.current)

    def retire(self, keys: Keys) -> bool:
        self._note("retire")
        ended = self._end(keys, {value["key_id"] for value in (keys.current, keys.pending) if value})
        return self._gives("retire", ended, keys.current)

    def _end(self, keys: Keys, keep: set[str]) -> bool:
        former = {keys.previous["key_id"]} if keys.previous else set()
        live = {key["id"]: key["name"] for key in self._ask("GET", "/v1/keys", keys.current, None)["keys"]}
        orphans = {key for key, name in live.items() if name.startswith(prefix(keys.secret_id))} - keep - former
        if orphans - keys.doubted:
            raise Surprised(*orphans)
        ending = live.keys() & (orphans | former) - keep
        for key in ending:
            self._ask("DELETE", f"/v1/keys/{key}", keys.current, None)
        return bool(ending)

    def _ask(self, method: str, path: str, value: Mapping[str, Any], body: Any) -> Any:
        status, answer = self.api.answer(method, path, value["key"], body)
        assert status < 300, f"{method} {path}: {status}"
        return answer

    def _note(self, function: str) -> None:
        self.called.append(function)

    def _gives(self, function: str, normal: Any, value: Mapping[str, Any]) -> Any:
        """What it should, or what breaks it once its work is done."""
        if function != self.broken:
            return normal
        if isinstance(self.how, type) and issubclass(self.how, BaseException):
            raise self.how(f"{WORDS} {value['key']}")
        if isinstance(self.how, Surprised):
            raise self.how
        return self.how


tokens = Tokens()


class Made(Tokens):
    """A class is called for an object."""


def create(keys: Keys) -> Mapping[str, Any]:
    """As a module: see `Tokens`."""
    return tokens.create(keys)


verify, promote, retire = tokens.verify, tokens.promote, tokens.retire


class Half:
    """Two of the four."""

    def create(self) -> None: ...

    def verify(self) -> None: ...


def explode() -> None:
    """Is no class, so it isn't called."""


class Explosive:
    """Can't be made."""

    def __init__(self) -> None:
        raise RuntimeError(WORDS)
