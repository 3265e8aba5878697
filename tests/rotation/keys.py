"""An API key under test with its secret: an account of the small API with keys, rotated, looked at.

Rules: each account is an API of its own, since two live keys are all that one allows; after every single call of a rotation,
whoever breaks it, AWSCURRENT's key must be accepted, so a moment in which it is not can't be missed.
"""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.rotation.bed import GRACE_S, User
from tests.rotation.faults import BreakableClient, Faults
from tests.simulators.certificates import Authority
from tests.simulators.clock import MovableClock
from tests.simulators.key_api import ServedKeys, served_keys
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient
from tests.simulators.secrets_manager_http import Served, served

from vaultgate_ops.clock import Clock
from vaultgate_ops.local.key_api import KeyApi
from vaultgate_ops.rotation.api_keys.door import Door
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from vaultgate_ops.rotation.api_keys.door import Call, Reply, Send
    from vaultgate_ops.rotation.engine import Engine


@dataclass(frozen=True)
class State:
    """What is left of a rotation; values are N, N-1 and so on, counted from the newest.

    Attributes:
        stages: label to value.
        live: the values whose keys are live; ``?`` for a key that no value has.
        primary: whose key the API was told to be the one.
    """

    stages: Mapping[str, str]
    live: tuple[str, ...]
    primary: str


class KeyBed:
    """Where accounts grow: a simulated Secrets Manager, and an authority for APIs.

    Args:
        amazon: has the secrets.
        clock: of the secrets, the APIs and the function; moved by whoever waits.
        folder: for certificates.
    """

    def __init__(self, amazon: Served, clock: MovableClock, folder: Path) -> None:
        self.amazon, self.clock = amazon, clock
        self.client = DirectClient(amazon.service)
        self.authority = Authority(folder)
        self.variables = {"ROTATION_CA_BUNDLE": str(self.authority.certificate_file)}
        self.send: Send = Door(str(self.authority.certificate_file), Clock(), answer_s=1.0)
        self.watched: list[Account] = []

    def engine(self, faults: Faults, client: Any = None) -> Engine:
        """The rotation function over doors that break where the faults say."""
        settings = load(self.variables, STRATEGIES)
        store = SecretsManager(BreakableClient(client or self.client, faults), self.clock)  # type: ignore[arg-type] - close enough

        def send(call: Call) -> Reply:
            name = f"{call.method} {call.url.partition('/v1')[2].partition('/k-')[0]}"
            reply: Reply = faults.around(name, lambda: self.send(call), lambda: RotationError("connection-lost", "lost"))
            self._look()
            return reply

        return build(settings, store, self.clock, send=send)

    def _look(self) -> None:
        for account in self.watched:
            assert account.admits_current(), "AWSCURRENT's key is refused"

    @contextmanager
    def account(
        self, *, strategy: str = "api-key", tls: bool = True, certificate_of: str = "127.0.0.1", **fields: Any
    ) -> Iterator[Account]:
        """An account with one key that is current, and its secret; whatever is rotated meanwhile, that key must work."""
        api = KeyApi(self.clock)
        with served_keys(api, self.authority, tls=tls, certificate_of=certificate_of) as keys:
            account = Account(self, keys, {"strategy": strategy, "api": keys.describe(), "grace_s": GRACE_S, **fields})
            self.watched = [account]
            yield account
            self.watched = []


class Account(User):
    """One account, rotated as a user of a database is.

    Attributes:
        keys: the served API.
    """

    def __init__(self, bed: KeyBed, keys: ServedKeys, fields: Mapping[str, Any]) -> None:
        self._bed, self.keys = bed, keys  # type: ignore[assignment] - what of a bed is used is there
        self.name = f"account-{uuid.uuid4().hex[:10]}"
        self.secret = f"api/{self.name}"
        (first,) = keys.api.live
        value = {"key": first.secret, "key_id": first.key_id, **fields}
        self.arn = bed.client.create_secret(Name=self.secret, SecretString=json.dumps(value))["ARN"]
        self.values = [json.dumps(value)]

    @property
    def current(self) -> str:
        """The key that clients are told."""
        return json.loads(self._bed.amazon.service.value(self.secret))["key"]

    def admits_current(self) -> bool:
        """Whether the API takes AWSCURRENT's key, however labels are seen by others."""
        return self._admits(self._bed.amazon.service.value(self.secret))

    def _admits(self, text: str) -> bool:
        return self.keys.api.answer("GET", "/v1/orders", json.loads(text)["key"], None)[0] == 200

    def store(self, **fields: Any) -> None:
        """Write another current value by hand; None takes a field away."""
        value = {**json.loads(self._bed.amazon.service.value(self.secret)), **fields}
        text = json.dumps({name: one for name, one in value.items() if one is not None})
        self._bed.client.put_secret_value(SecretId=self.secret, SecretString=text)

    def state(self) -> State:
        """What there is now."""
        service, age = self._bed.amazon.service, {text: f"N-{back}" for back, text in enumerate(reversed(self.values))}
        of = {json.loads(text)["key_id"]: name for text, name in age.items()}
        api = self.keys.api
        return State(
            {stage: age[service.value(self.secret, stage)] for stage in service.stages(self.secret)},
            tuple(sorted(of.get(key.key_id, "?") for key in api.live)),
            of.get(api.primary, "?"),
        )


@contextmanager
def key_bed(folder: Path) -> Iterator[KeyBed]:
    """A bed with everything new."""
    clock = MovableClock()
    with served(SimulatedSecretsManager(clock)) as amazon:
        yield KeyBed(amazon, clock, folder)
