"""The four functions for an API that the secret describes.

Rules: each request is made with AWSCURRENT's key, but for `verify`, which is made with the key in question. What the API says
is translated here, once: 401 and 403 refuse the key, 429 and 5xx ask for patience, a redirect is an answer like any other that
doesn't fit. A key that was made and whose answer can't be read is an orphan like one whose answer was lost: the next attempt
ends it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vaultgate_ops.rotation.api_keys.description import KEY, KEY_ID, ApiSecret, is_key
from vaultgate_ops.rotation.api_keys.door import Call
from vaultgate_ops.rotation.api_keys.functions import Surprised
from vaultgate_ops.rotation.api_keys.pointer import Nowhere
from vaultgate_ops.rotation.api_keys.retirement import Live, ending, label
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.fields import is_text, listed, refuse_unlisted
from vaultgate_ops.rotation.model import SecretValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaultgate_ops.rotation.api_keys.description import Template
    from vaultgate_ops.rotation.api_keys.door import Reply, Send
    from vaultgate_ops.rotation.api_keys.functions import Keys, Value
    from vaultgate_ops.rotation.api_keys.pointer import Pointer
    from vaultgate_ops.rotation.model import Change

_REFUSED = frozenset({401, 403})
_GONE = frozenset({404, 410})
_THROTTLED, _FAILING = 429, 500
_ROOM = 2
_SHOWN = 8


class DescribedApi:
    """The four functions, and what the strategy asks besides.

    Args:
        send: makes requests.
        hosts: patterns of hosts that may be contacted; empty for no such list.
    """

    def __init__(self, send: Send, hosts: Sequence[str]) -> None:
        self._send, self._hosts = send, hosts

    def check(self, change: Change) -> None:
        """Refuse a wrong description, a host that isn't listed, and a pending value that differs in more than its key.

        Raises:
            RotationError: ``secret-field-missing``, ``secret-field-wrong``, ``host-refused``, ``value-changed``.
        """
        api = ApiSecret.parse(change.current).api
        refuse_unlisted(api.host, self._hosts)
        if not api.tls and not listed(api.host, self._hosts):
            # Lambda's runtime API and Vaultgate's layer listen there, and trust whoever is on this machine.
            raise RotationError(
                "host-refused",
                f"ROTATION_HOSTS doesn't name {api.host}, which would be asked without TLS.",
                "Write https://, or add it to ROTATION_HOSTS.",
            )
        if change.pending is None:
            return
        ApiSecret.parse(change.pending)
        before, after = dict(change.current.fields), dict(change.pending.fields)
        changed = sorted(name for name in {*before, *after} - {KEY, KEY_ID} if before.get(name) != after.get(name))
        if changed:
            raise RotationError(
                "value-changed",
                f"AWSPENDING differs from AWSCURRENT in: {', '.join(changed)}.",
                "Only the key may differ. Take the pending version back (vaultgate rotate repair) and rotate again.",
            )

    def outline(self, current: SecretValue) -> list[tuple[str, str]]:
        """Where the keys are, and which is current."""
        secret = ApiSecret.parse(current)
        return [("service", secret.api.url), ("key", f"{secret.key_id} now, one that the service makes after it")]

    def rehearse(self, current: Value) -> None:
        """List the keys as `create` will; nothing is made."""
        self._listed(_secret(current))

    def create(self, keys: Keys) -> Value:
        """See `Functions`. Makes room first: two live keys are all that such an API allows."""
        secret = _secret(keys.current)
        live = self._end(secret, keys, {secret.key_id}, self._listed(secret))
        template = secret.api.create
        reply = self._ask(secret, template, secret.key, label=label(keys.secret_id, keys.token))
        if not reply.done:
            raise self._no_key(template, reply, live)
        made = _json(template, reply)
        key, key_id = _found(template, secret.api.created_key, "key", made), _name(template, secret.api.created_id, made)
        if not is_key(key):
            raise _wrong(template, "key", "has no key of visible ASCII")
        if key == secret.key or key_id == secret.key_id:
            raise _wrong(template, "key", "has the current key")
        return {KEY: key, KEY_ID: key_id}

    def verify(self, value: Value) -> bool:
        """See `Functions`."""
        secret = _secret(value)
        reply = self._ask(secret, secret.api.verify, secret.key, id=secret.key_id)
        if reply.status in _REFUSED:
            return False
        if not reply.done:
            raise _refusal(secret.api.verify, reply)
        return True

    def promote(self, keys: Keys) -> None:
        """See `Functions`."""
        secret = _secret(keys.pending or keys.current)
        template = secret.api.promote
        if template is not None:
            reply = self._ask(secret, template, _secret(keys.current).key, id=secret.key_id)
            if not reply.done:
                raise _refusal(template, reply)

    def retire(self, keys: Keys) -> bool:
        """See `Functions`."""
        secret = _secret(keys.current)
        keep = {secret.key_id} | ({_secret(keys.pending).key_id} if keys.pending else set())
        live = self._listed(secret)
        return len(self._end(secret, keys, keep, live)) < len(live)

    def _end(self, secret: ApiSecret, keys: Keys, keep: set[str], live: list[Live]) -> list[Live]:
        """End what is this secret's and not to be kept; gives what is left."""
        former = _former(secret, keys.previous)
        plan = ending(live, keys.secret_id, keep, former, keys.doubted)
        if plan.doubtful:
            if secret.key_id in former:
                # A key that was put back without its id looks like an orphan.
                raise _misnamed("it is that of the key before it")
            raise Surprised(*plan.doubtful)
        template = secret.api.retire
        for key_id in plan.certain:
            reply = self._ask(secret, template, secret.key, id=key_id)
            # Gone is what it has to be: an answer may have been lost. A wrong path says the same of a key that is there.
            gone = reply.status in _GONE and key_id not in {one.key_id for one in self._list(secret)}
            if not reply.done and not gone:
                raise _refusal(template, reply)
        return [one for one in live if one.key_id not in plan.certain]

    def _listed(self, secret: ApiSecret) -> list[Live]:
        """All keys, the current one among them."""
        live = self._list(secret)
        if secret.key_id not in {one.key_id for one in live}:
            # A wrong id, typed by hand, would be somebody else's key, or keep this one alive for ever.
            raise _misnamed("api.list doesn't give it")
        return live

    def _list(self, secret: ApiSecret) -> list[Live]:
        api = secret.api
        reply = self._ask(secret, api.list, secret.key)
        if not reply.done:
            raise _refusal(api.list, reply)
        items = _found(api.list, api.items, "items", _json(api.list, reply))
        if not isinstance(items, list):
            raise _wrong(api.list, "items", "has no array")
        return [Live(_name(api.list, api.item_id, one), _label(api.item_label, one)) for one in items]

    def _ask(self, secret: ApiSecret, template: Template, key: str, **words: str) -> Reply:
        path, body = template.fill(**words)
        content = None if body is None else json.dumps(body).encode()
        return self._send(Call(template.method, secret.api.url + path, secret.api.authorized(key), content))

    def _no_key(self, template: Template, reply: Reply, live: Sequence[Live]) -> RotationError:
        refusal = _refusal(template, reply)
        if refusal.code != "api-refused" or len(live) < _ROOM:
            return refusal
        named = ", ".join(one.key_id for one in live[:_SHOWN])
        return RotationError(
            "keys-full",
            f"{template.name}: HTTP {reply.status}, while these keys are live: {named}.",
            "End one that nobody uses: besides the current key only those that a rotation made are ended by it.",
        )


def _former(secret: ApiSecret, previous: Value | None) -> set[str]:
    """The id of the former value, where it means a former key."""
    api = previous.get("api") if previous else None
    url = api.get("url") if isinstance(api, dict) else None
    if previous is None or not isinstance(url, str) or url.rstrip("/") != secret.api.url:
        return set()  # elsewhere the same id is somebody else's
    if previous.get(KEY) == secret.key:
        return set()  # somebody corrected the id, or another field
    return {previous[KEY_ID]} if isinstance(previous.get(KEY_ID), str) else set()


def _misnamed(why: str) -> RotationError:
    return RotationError("key-misnamed", f"AWSCURRENT's key_id is wrong: {why}.", "Store the id that api.list gives for its key.")


def _secret(value: Value) -> ApiSecret:
    return ApiSecret.parse(SecretValue(value))


def _refusal(template: Template, reply: Reply) -> RotationError:
    """What a status means; the answer's text may quote the request, so it isn't quoted."""
    said = f"{template.name}: HTTP {reply.status}"
    if reply.status in _REFUSED:
        return RotationError("key-refused", f"{said}: AWSCURRENT's key may not do that.", "Allow it, or store a key that may.")
    if reply.status == _THROTTLED:
        return RotationError("api-throttled", f"{said}.", "Run the step again later; the service does so by itself.")
    if reply.status >= _FAILING:
        return RotationError("api-unavailable", f"{said}.", "Run the step again later; the service does so by itself.")
    why = " is a redirect, which is never followed" if reply.status < 400 else ""  # noqa: PLR2004 - HTTP's classes
    return RotationError("api-refused", f"{said}{why}.", "Compare the request with the API's reference and the key's rights.")


def _json(template: Template, reply: Reply) -> Any:
    try:
        return json.loads(reply.content)
    except (ValueError, RecursionError):
        raise RotationError(
            "api-answer-wrong", f"{template.name}: the answer is no JSON.", "Compare the request with the API's reference."
        ) from None


def _found(template: Template, pointer: Pointer, name: str, document: Any) -> Any:
    try:
        return pointer.find(document)
    except Nowhere:
        raise _wrong(template, name, f"has nothing at {pointer.text!r}") from None


def _name(template: Template, pointer: Pointer, document: Any) -> str:
    """An id: a text, or a number, of which the text counts."""
    found = _found(template, pointer, "id", document)
    if isinstance(found, bool) or not isinstance(found, str | int) or not is_text(str(found)):
        raise _wrong(template, "id", "has no text or number there")
    return str(found)


def _label(pointer: Pointer, item: Any) -> str:
    """A key's label; others' keys may have none."""
    try:
        found = pointer.find(item)
    except Nowhere:
        return ""
    return found if isinstance(found, str) else ""


def _wrong(template: Template, name: str, why: str) -> RotationError:
    return RotationError(
        "api-answer-wrong", f"{template.name}: the answer {why}.", f"Correct the secret's {template.name}.{name}: a JSON pointer."
    )
