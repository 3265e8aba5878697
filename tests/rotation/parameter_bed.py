"""A database user under test whose value is a parameter: rotated as a schedule does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.rotation.bed import User, login_of
from tests.rotation.faults import BreakableClient, Faults, FunctionFailed
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import PENDING
from vaultgate_ops.rotation.parameter_store import ParameterStore
from vaultgate_ops.rotation.parameters import Parameters
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from tests.rotation.bed import Bed
    from tests.simulators.parameter_store import SimulatedParameterStore

_DELIVERIES = 6
_DELIVERED_AGAIN_S = 60
HOSTS = {"dual": ("%", "10.%"), "alternating": ("%", "10.%"), "single": ("%",)}
KEY = "arn:aws:kms:us-east-1:123456789012:key/own"


def parameters(bed: Bed, client: Any, faults: Faults, attempts: int = 3) -> Parameters:
    """The function over doors that break where the faults say.

    Args:
        bed: has the server, and draws passwords.
        client: of Parameter Store.
        faults: what breaks.
        attempts: of one invocation.
    """
    settings = load({"ROTATION_CA_BUNDLE": str(bed.stack.database.ca_file)}, STRATEGIES)
    secrets = SecretsManager(BreakableClient(bed.client, faults), bed.clock)  # type: ignore[arg-type] - close enough
    return Parameters(
        BreakableClient(client, faults),
        lambda values: build(settings, secrets, bed.clock, connect=faults.connect, values=values),
        bed.clock,
        attempts,
    )


class ParameterUser(User):
    """One user, rotated by one strategy, whose value is a parameter.

    Attributes:
        parameter: its name.
        client: of Parameter Store.
    """

    def __init__(self, bed: Bed, service: SimulatedParameterStore, strategy: str, **fields: Any) -> None:
        super().__init__(bed, strategy, HOSTS[strategy], fields)
        self.service, self.client = service, DirectClient(service)  # type: ignore[arg-type] - it serves any service
        self.parameter = f"/app/{self.name}"
        self.client.put_parameter(Name=self.parameter, Value=self.values[0], Type="SecureString", KeyId=KEY, Description="ours")

    @property
    def current(self) -> tuple[str, str]:
        """User and password that clients are told."""
        return login_of(self.service.value(self.parameter))

    def fire(self, faults: Faults | None = None, scheduled_s: float | None = None) -> int:
        """Let the schedule fire, and Lambda deliver its event until it is done; gives how often it did.

        Args:
            faults: what breaks.
            scheduled_s: what the schedule says that it fired for; a second after now without it.
        """
        faults = faults or Faults()
        if scheduled_s is None:
            self._bed.clock.advance(1)
            scheduled_s = self._bed.clock.wall()
        for delivery in range(1, _DELIVERIES):
            function = parameters(self._bed, self.client, faults)
            try:
                faults.invoke(lambda function=function: function.rotate(self.parameter, scheduled_s))  # type: ignore[misc] - bound now
            except (FunctionFailed, RotationError):
                self._bed.clock.advance(_DELIVERED_AGAIN_S)
            else:
                if self.values[-1] != (text := self.service.value(self.parameter)):
                    self.values.append(text)
                return delivery
        raise AssertionError(faults.calls)

    def rotate(self, times: int = 1) -> None:
        """Rotate without any fault."""
        for _ in range(times):
            self.fire()

    def staged(self) -> dict[str, str]:
        """The value of each stage."""
        store = ParameterStore(self.client, self._bed.clock)
        found = {
            stage: version for version, stages in store.describe(self.parameter).stages.labels.items() for stage in sorted(stages)
        }
        assert PENDING not in found
        return {stage: store.value(self.parameter, version, stage).text() for stage, version in found.items()}
