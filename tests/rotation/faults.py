"""Breaks one call of a rotation: the n-th of all API calls, logins and statements, counted together.

Rules: a process that died does nothing more, whatever its code would like to do in passing, and the server sees its
connections end; a call whose answer is lost has done its work, and the caller lives on with the error that its driver
would raise.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ReadTimeoutError

from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.server import Server, Target, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Kind(Enum):
    """What happens at the call."""

    DEATH_BEFORE = "dies before"
    DEATH_AFTER = "dies after"
    ANSWER_LOST = "answer lost"


class Death(BaseException):
    """The function's process ended here. Not an `Exception`: nothing may go on from it."""


class FunctionFailed(Exception):
    """What the service sees of a death."""


class Faults:
    """Counts calls, and breaks one.

    Attributes:
        calls: what was called, in order.
        at: number of the call to break, from 1; 0 for none.
        kind: how.
        struck: whether it came to that.
    """

    def __init__(self, at: int = 0, kind: Kind = Kind.DEATH_BEFORE) -> None:
        self.at, self.kind = at, kind
        self.calls: list[str] = []
        self.struck = False
        self._dead = False
        self._open: list[Any] = []

    @property
    def dead(self) -> bool:
        """Whether the process that is being invoked has ended."""
        return self._dead

    def around(self, name: str, call: Callable[[], Any], lost: Callable[[], Exception]) -> Any:
        """Make one call, or what the fault makes of it.

        Args:
            name: for `calls`.
            call: to make.
            lost: ends the conversation and gives the error of a lost answer.
        """
        if self._dead:
            raise Death
        self.calls.append(name)
        if len(self.calls) != self.at:
            return call()
        self.struck = True
        if self.kind is Kind.DEATH_BEFORE:
            self._die()
        # A refusal is an answer too: it is not heard either.
        with suppress(Exception):
            call()
        if self.kind is Kind.DEATH_AFTER:
            self._die()
        raise lost()

    def invoke(self, step: Callable[[], object]) -> None:
        """Run one invocation of the function, in a process that lives until it dies.

        Raises:
            FunctionFailed: it died.
        """
        try:
            step()
        except Death:
            raise FunctionFailed from None
        finally:
            self._dead = False
            self._hang_up()

    def connect(self, target: Target, user: str, password: str, database: str | None = None) -> Server:
        """Log in, with a server whose statements count; see `Connect`."""

        def log_in() -> Server:
            plain = connect(target, user, password, database)
            self._open.append(plain._connection)  # noqa: SLF001 - a dead process's sockets end
            return Breakable(plain._connection, user, self)  # noqa: SLF001 - as above

        found: Server = self.around(f"connect {user}", log_in, lambda: RotationError("connection-lost", "lost at login"))
        return found

    def _die(self) -> None:
        self._dead = True
        self._hang_up()
        raise Death

    def _hang_up(self) -> None:
        for connection in self._open:
            with suppress(Exception):
                connection._force_close()  # noqa: SLF001 - no goodbye, as when a process ends
        self._open = []


class Breakable(Server):
    """A session whose statements count."""

    def __init__(self, connection: Any, user: str, faults: Faults) -> None:
        super().__init__(connection, user)
        self._faults = faults

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Server`."""

        def lost() -> Exception:
            self._connection._force_close()  # type: ignore[attr-defined]  # noqa: SLF001 - the socket ends
            return RotationError("connection-lost", "the answer was lost")

        rows: list[tuple[Any, ...]] = self._faults.around(
            statement, lambda: super(Breakable, self).execute(statement, arguments), lost
        )
        return rows


class BreakableClient:
    """A boto3 client whose calls count."""

    def __init__(self, client: Any, faults: Faults) -> None:
        self._client, self._faults = client, faults
        self.meta = client.meta

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        """A method of boto3's."""
        method = getattr(self._client, operation)

        def call(**parameters: Any) -> Any:
            return self._faults.around(operation, lambda: method(**parameters), lambda: ReadTimeoutError(endpoint_url="lost"))

        return call
