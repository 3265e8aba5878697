"""The simulated Secrets Manager without the wire: what boto3's client looks like, at a tenth of its cost.

Rule: for tests that make thousands of calls; `secrets_manager_http` is what holds the simulator to boto3.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from tests.simulators.secrets_manager import HOME, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulators.secrets_manager import SimulatedSecretsManager


class DirectClient:
    """A client of one region.

    Attributes:
        meta: with region and address, as boto3's has them.
    """

    def __init__(self, service: SimulatedSecretsManager, region: str = HOME) -> None:
        self._service = service
        self.meta = SimpleNamespace(region_name=region, endpoint_url=f"https://simulated.{region}.invalid")

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """A method, named as boto3 names it."""
        operation = "".join(word.capitalize() for word in name.split("_"))

        def call(**parameters: Any) -> dict[str, Any]:
            try:
                return _dated(self._service.call(operation, parameters, self.meta.region_name))
            except Refusal as refusal:
                error = {"Error": {"Code": refusal.code, "Message": refusal.message}}
                raise ClientError(error, operation) from None  # type: ignore[arg-type] - boto3 gives more

        return call


def _dated(answer: Any) -> Any:
    """Dates as boto3 gives them."""
    if isinstance(answer, list):
        return [_dated(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    return {key: datetime.fromtimestamp(one, tz=UTC) if key.endswith("Date") else _dated(one) for key, one in answer.items()}
