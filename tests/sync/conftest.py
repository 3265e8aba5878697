"""What the tests of a sync share: the real Vault, and two simulated services of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.parameter_store import SimulatedParameterStore
from tests.simulators.secrets_manager import SimulatedSecretsManager
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.local import paths
from vaultgate_ops.sync import lines, run
from vaultgate_ops.sync.model import Entry, Kind, Wanted
from vaultgate_ops.sync.targets import Parameters, Secrets
from vaultgate_ops.sync.vault import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import hvac

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.sync.model import Outcome
    from vaultgate_ops.sync.targets import Target

PATH, SECRET, PARAMETER = "shop/payment", "shop/payment-key", "/shop/payment/key"
KEY = Entry("secret", PATH, "key", Kind.SECRET, SECRET, "alias/shop")
WHOLE = Entry("secret", PATH, "", Kind.PARAMETER, PARAMETER)


def policy() -> str:
    """The policy that ships."""
    return (paths.checkout() / "vault-config" / "policies" / "sync.hcl").read_text(encoding="utf-8")


@dataclass
class Bridge:
    """A sync between the real Vault and simulated services; each test has its own.

    Attributes:
        root: Vault's administrator.
        origin: Vault as the policy that ships lets it be seen.
    """

    root: hvac.Client
    origin: Origin
    amazon: SimulatedSecretsManager
    store: SimulatedParameterStore
    clock: MovableClock

    def __post_init__(self) -> None:
        self.secrets, self.parameters = DirectClient(self.amazon), DirectClient(self.store)  # type: ignore[arg-type] - of its shape

    def sync(self, *entries: Entry, owner: str = "shop", **flags: bool) -> list[Outcome]:
        """Run once; by default both of a field and a whole secret."""
        return list(run(Wanted(owner, entries or (KEY, WHOLE)), self.origin, self.target, **flags))

    def told(self, *entries: Entry, owner: str = "shop", **flags: bool) -> list[str]:
        """Run once; gives the lines that a person sees."""
        return [line for outcome in self.sync(*entries, owner=owner, **flags) for line in lines(outcome)]

    def target(self, entry: Entry) -> Target:
        """Where an entry goes."""
        kind = entry.kind is Kind.SECRET
        return Secrets(self.secrets, self.clock) if kind else Parameters(self.parameters, self.clock)

    def put(self, path: str = PATH, **fields: Any) -> None:
        """Write a version in Vault."""
        self.root.secrets.kv.v2.create_or_update_secret(path, fields, mount_point="secret")

    def tags(self, name: str = SECRET) -> dict[str, str]:
        """Of a secret."""
        return {tag["Key"]: tag["Value"] for tag in self.secrets.describe_secret(SecretId=name).get("Tags", [])}

    def everything(self) -> object:
        """All that is in both services, to see that nothing changed."""
        names = [one["Name"] for one in self.secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]]
        return (
            {name: (self.secrets.describe_secret(SecretId=name), self.amazon.stages(name)) for name in names},
            {name: self.store.value(name) for name in self.store.names()},
        )


@pytest.fixture
def bridge(stack: Stack) -> Iterator[Bridge]:
    """A secret in Vault with its first version, a token with the policy that ships, nothing in AWS."""
    clock = MovableClock()
    with stack.vault.client() as root:
        root.sys.create_or_update_policy("sync", policy())
        made = root.auth.token.create(policies=["sync"], no_default_policy=True, ttl="5m")["auth"]
        with stack.vault.client(made["client_token"]) as reader:
            bridge = Bridge(root, Origin(reader), SimulatedSecretsManager(clock), SimulatedParameterStore(clock), clock)
            bridge.put(key="first value", user="shop")
            yield bridge
        root.auth.token.revoke_accessor(made["accessor"])
        root.secrets.kv.v2.delete_metadata_and_all_versions(PATH, mount_point="secret")
        root.sys.delete_policy("sync")
