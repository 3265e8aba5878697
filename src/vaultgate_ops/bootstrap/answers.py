"""Vault's answers, turned into our errors once, here.

Rules: the only module that names hvac's and requests' exceptions. A request is told by its path and the capability that Vault
asks for. Nothing of a request's body gets into an error; of Vault's own words the reason is kept, with the secrets that we sent
cut out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import requests
from hvac import exceptions as hvac_errors

from vaultgate_ops.bootstrap.model import HIDDEN, Hidden, Write
from vaultgate_ops.errors import CheckFailed, Denied, OpsError, Unreachable, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import hvac

_DEAD_TOKEN: Final = ("invalid token", "bad token", "token is expired")
_CHECK_ADDRESS: Final = "check VAULT_ADDR, and that Vault runs there"


class Forbidden(Denied):
    """The token is alive, but its policies don't allow this."""


def read(client: hvac.Client, path: str) -> Mapping[str, object] | None:
    """Read a path of Vault.

    Returns:
        The answer's ``data``; None where there is nothing.

    Raises:
        Forbidden: the token may not read this path.
        Denied: the token is dead.
        Unreachable: no answer, a sealed Vault, or something that isn't Vault.
    """
    return _data(client, ask(client, lambda: client.read(path), "read", path))


class Answer(NamedTuple):
    """What Vault said to a request.

    Attributes:
        data: empty where there is none.
        warnings: sentences; the request was carried out all the same.
    """

    data: Mapping[str, object]
    warnings: tuple[str, ...]


def send(client: hvac.Client, write: Write) -> Answer:
    """Make a request that changes something (or asks with a body).

    Raises:
        Forbidden: the token may not.
        Denied: the token is dead.
        UsageProblem: Vault refused the values.
        CheckFailed: Vault failed inside.
        Unreachable: as in `read`.
    """
    secrets: list[str] = []
    body = _revealed(write.body, secrets)
    needs = " and ".join(sorted(write.needs))
    answer = ask(client, lambda: client.write_data(write.path, data=body), needs, write.path, hint=write.hint, secrets=secrets)
    if isinstance(answer, requests.Response) and answer.status_code == requests.codes.no_content:
        return Answer({}, ())
    if not isinstance(answer, dict):
        raise no_vault(client)
    return Answer(answer.get("data") or {}, tuple(_cleaned(str(said), secrets) for said in answer.get("warnings") or ()))


def ask(
    client: hvac.Client, call: Callable[[], object], capability: str, path: str, *, hint: str = "", secrets: Sequence[str] = ()
) -> object:
    """Make one call, and turn what goes wrong into our errors."""
    try:
        return call()
    except (hvac_errors.VaultError, requests.RequestException) as error:
        failure = _failure(error, str(client.url), capability, path, hint)
    failure.message = _cleaned(failure.message, secrets)
    failure.args = (failure.message,)
    # Raised out here, where nothing is being handled any more: the cause knows the request, and with it what was sent.
    raise failure


def _failure(error: Exception, address: str, capability: str, path: str, hint: str) -> OpsError:
    if isinstance(error, requests.RequestException):
        return _no_answer(error, address)
    reason = " ".join(", ".join(getattr(error, "errors", None) or [str(error.args[0])]).split())
    match error:
        case hvac_errors.Forbidden() | hvac_errors.Unauthorized():
            return _refusal(reason, address, capability, path)
        case hvac_errors.InvalidRequest():
            return UsageProblem(f"Vault refused {path}: {reason}", hint)
        case hvac_errors.VaultDown() | hvac_errors.VaultNotInitialized():
            return Unreachable(f"Vault at {address} can't serve: {reason}", "initialise and unseal it; see 'vault status'")
        case hvac_errors.BadGateway() | hvac_errors.RateLimitExceeded():
            return Unreachable(f"Vault at {address} can't serve now: {reason}", "try again later")
        case _:
            return CheckFailed(f"Vault failed at {path}: {reason}", hint or "Vault's own log says more")


def _cleaned(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _refusal(reason: str, address: str, capability: str, path: str) -> Denied:
    if any(sign in reason for sign in _DEAD_TOKEN):
        return Denied(f"Vault at {address} doesn't know the token (expired or revoked)", "log in again")
    return Forbidden(f"the token may not {capability} {path}", f'grant it: path "{path}" with {capability}')


def _no_answer(error: requests.RequestException, address: str) -> OpsError:
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable(
            f"the certificate of Vault at {address} can't be verified",
            "name the CA that signed it in VAULT_CACERT, and use the host name that stands in the certificate",
        )
    if isinstance(error, requests.Timeout):
        return Unreachable(f"Vault at {address} didn't answer in time", _CHECK_ADDRESS)
    return Unreachable(f"Vault at {address} can't be reached", _CHECK_ADDRESS)


def _data(client: hvac.Client, answer: object) -> Mapping[str, object] | None:
    if answer is None:
        return None
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise no_vault(client)
    return data


def no_list(client: hvac.Client, path: str) -> OpsError:
    """Say why a list that every Vault has isn't there."""
    if client.adapter.namespace:
        return UsageProblem(
            f"{path} doesn't exist in the namespace {client.adapter.namespace}",
            "what belongs to the root namespace, such as the section audit, has to be left out of the file (--file)",
        )
    return no_vault(client)


def no_vault(client: hvac.Client) -> Unreachable:
    """Say that somebody answers at Vault's address who isn't Vault."""
    return Unreachable(f"what answers at {client.url} is not Vault", _CHECK_ADDRESS)


def _revealed(value: object, secrets: list[str]) -> object:
    if isinstance(value, Hidden):
        shown = value.reveal()
        if isinstance(shown, str) and shown:
            secrets.append(shown)
        return _revealed(shown, secrets)
    if isinstance(value, dict):
        return {key: _revealed(inner, secrets) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_revealed(inner, secrets) for inner in value]
    return value
