"""Two Vaults for the same assertions: the simulator, and HashiCorp's server over TLS with an STS that checks signatures."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.extension import KEYS
from tests.simulators.vault import BATCH_ROLE, SERVER_ID, SimulatedVault

from vaultgate.approle import AppRoleLogin
from vaultgate.auth import AwsLogin, Token
from vaultgate.clock import Clock
from vaultgate.config import load
from vaultgate.credentials import Credentials
from vaultgate.model import Request, TlsSettings
from vaultgate.secret import Secret
from vaultgate.transport import Connections
from vaultgate.values import origin
from vaultgate.vault import Vault, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from vaultgate.model import Answer
    from vaultgate.transport import Transport
    from vaultgate_ops.local.stack import Stack

APPROLE = "auth/approle/role/records"
_OTHER_ROLE = "somebody-else"


def document(answer: Answer) -> Any:
    """A successful answer's document."""
    assert answer.ok, words_of(answer)
    return json.loads(answer.body)


class Side(Protocol):
    """One of the two Vaults, and the AWS behind it."""

    network: Transport
    clock: Clock
    address: str
    root: Secret

    def keys(self) -> dict[str, str]:
        """Environment with keys of the role that Vault's role is bound to."""

    def wrong_keys(self) -> dict[str, str]:
        """The same with another secret key: STS refuses what it signs."""

    def other_keys(self) -> dict[str, str]:
        """Environment with keys of another role, which STS knows and Vault's role does not."""

    def seal(self) -> AbstractContextManager[None]:
        """Seal Vault while a block runs."""


class SimulatedSide:
    """The simulator; STS's verdict is what the last keys were made for."""

    def __init__(self) -> None:
        self.clock: Clock = MovableClock()
        assert isinstance(self.clock, MovableClock)
        self.server = SimulatedVault(self.clock)
        self.network: Transport = self.server
        self.address = "https://vault.example.com:8200"
        self.root = Secret(self.server.root_token)

    def keys(self) -> dict[str, str]:
        """Keys of the bound role."""
        self.server.principal = "arn:aws:sts::123456789012:assumed-role/vaultgate-records/session"
        return KEYS

    def wrong_keys(self) -> dict[str, str]:
        """Keys that STS refuses."""
        self.server.principal = None
        return KEYS

    def other_keys(self) -> dict[str, str]:
        """Keys of another role."""
        self.server.principal = f"arn:aws:sts::123456789012:assumed-role/{_OTHER_ROLE}/session"
        return KEYS

    @contextmanager
    def seal(self) -> Iterator[None]:
        """Sealed while the block runs."""
        self.server.state = "sealed"
        yield
        self.server.state = "active"


class RealSide:
    """The stack's Vault and emulated AWS."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.clock: Clock = Clock()
        self.network: Transport = Connections(self.clock, TlsSettings(str(stack.vault.ca_file)))
        self.address = stack.vault.address
        self.root = Secret(stack.vault.root_token)

    def keys(self) -> dict[str, str]:
        """Keys of the bound role."""
        return {name: text for name, text in self._stack.function_environment(1).items() if name.startswith("AWS_")}

    def wrong_keys(self) -> dict[str, str]:
        """Keys that STS refuses."""
        return {**self.keys(), "AWS_SECRET_ACCESS_KEY": "not-the-one"}

    def other_keys(self) -> dict[str, str]:
        """Keys of another role."""
        credentials = self._stack.aws.assume(_OTHER_ROLE)
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
        }

    @contextmanager
    def seal(self) -> Iterator[None]:
        """Sealed while the block runs; a restart unseals it."""
        with self._stack.vault.client() as client:
            client.sys.seal()
        yield
        self._stack.vault.restart()


class Caller:
    """What the extension does to a Vault, on either side."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.vault = Vault(side.network, origin(side.address), None, 0, side.clock)
        self.root = side.root

    @property
    def deadline(self) -> float:
        """Enough time."""
        return self.side.clock.steady() + 20

    def login(self, keys: dict[str, str], **settings: str) -> Token:
        """Log in as the extension does, with these settings beside the usual ones."""
        usual = {
            "VAULT_ADDR": self.side.address,
            "VAULT_AUTH_ROLE": "records",
            "VAULT_IAM_SERVER_ID": SERVER_ID,
            "VAULT_STS_ENDPOINT_REGION": "us-east-1",
        }
        config = load(usual | settings)
        return AwsLogin(self.vault, Credentials(keys, self.side.network), config, self.side.clock).login(self.deadline)

    def approle(self, **settings: str) -> AppRoleLogin:
        """AppRole as these settings say it."""
        usual = {"VAULT_ADDR": self.side.address, "VAULTGATE_AUTH_METHOD": "approle"}
        return AppRoleLogin(self.vault, load(usual | settings), self.side.clock)

    def role_id(self) -> str:
        """Of the AppRole `records`."""
        return str(document(self.call("GET", f"{APPROLE}/role-id", None, self.root))["data"]["role_id"])

    def secret_id(self, num_uses: int = 0) -> str:
        """A fresh secret_id of it; usable as often as one likes, unless told otherwise."""
        answer = self.call("POST", f"{APPROLE}/secret-id", {"num_uses": num_uses}, self.root)
        return str(document(answer)["data"]["secret_id"])

    def wrapped(self, method: str, path: str) -> str:
        """A wrapping token for what a request of the administrator's would give."""
        request = Request(method, f"/v1/{path}", (("X-Vault-Wrap-TTL", "60"),))
        return str(document(self.vault.forward(request, self.root, self.deadline))["wrap_info"]["token"])

    def call(self, method: str, path: str, document: dict[str, object] | None, token: Secret | None) -> Answer:
        """One request with this token."""
        return self.vault.call(method, path, document, token, self.deadline)


@pytest.fixture(scope="session")
def simulated_side() -> SimulatedSide:
    """The simulator."""
    return SimulatedSide()


@pytest.fixture(scope="session")
def real_side(stack: Stack) -> Iterator[RealSide]:
    """HashiCorp's Vault."""
    stack.aws.create_role(_OTHER_ROLE)
    with stack.vault.client() as client:
        client.sys.enable_auth_method("approle")
        terms = {"token_policies": "records", "token_no_default_policy": True, "token_ttl": "1h"}
        client.write_data(APPROLE, data=terms)
        usual = client.read("auth/aws/role/records")["data"]
        terms = {name: usual[name] for name in ("auth_type", "bound_iam_principal_arn", "resolve_aws_unique_ids")}
        terms |= {"token_policies": "records", "token_no_default_policy": True, "token_type": "batch", "token_ttl": "1h"}
        client.write_data(f"auth/aws/role/{BATCH_ROLE}", data=terms)
    side = RealSide(stack)
    yield side
    side.network.close()  # type: ignore[attr-defined] - Connections


@pytest.fixture(params=["simulator", pytest.param("real", marks=[pytest.mark.stack, pytest.mark.xdist_group("contract")])])
def caller(request: pytest.FixtureRequest) -> Caller:
    """The same caller for either side."""
    return Caller(request.getfixturevalue("simulated_side" if request.param == "simulator" else "real_side"))


@pytest.fixture
def token(caller: Caller) -> Secret:
    """A fresh token of a login."""
    return caller.login(caller.side.keys()).secret
