"""A database that does what a test says, behind the function's own idea of a source."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hunter2-s3cret"


class Cursor:
    """Answers every statement with one number, or raises.

    Args:
        outcome: the number of rows, or the exception.
        statements: gets what was executed.
    """

    def __init__(self, outcome: int | Exception, statements: list[str]) -> None:
        self._outcome = outcome
        self._statements = statements

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None: ...

    def cursor(self) -> Self:
        """Be a connection as well."""
        return self

    def execute(self, statement: str) -> None:
        """Remember, and fail if that is to be."""
        self._statements.append(statement)
        if isinstance(self._outcome, Exception):
            raise self._outcome

    def fetchone(self) -> tuple[int]:
        """One row of one number."""
        assert isinstance(self._outcome, int)
        return (self._outcome,)


class Credential:
    """A database user, the n-th that was made.

    Args:
        number: n.
    """

    def __init__(self, number: int) -> None:
        self.user = f"v-user-{number}"
        self.password = PASSWORD

    def expires_in_s(self) -> int:
        """Ten minutes less a second for each user before."""
        return 601 - int(self.user[-1])


class ScriptedSource:
    """Lends connections that do, one after the other, what the test says.

    Args:
        *outcomes: a number of rows, an exception of the statement, or in a list an exception of the connecting.

    Attributes:
        statements: what was executed.
        raised: for each connection lent, the exception that its block ended with, or None.
    """

    name = "double"

    def __init__(self, *outcomes: int | Exception | list[Exception]) -> None:
        self._outcomes = list(outcomes)
        self.statements: list[str] = []
        self.raised: list[BaseException | None] = []

    @contextmanager
    def connection(self) -> Iterator[tuple[Any, Credential]]:
        """Lend the next one."""
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, list):
            raise outcome[0]
        try:
            yield Cursor(outcome, self.statements), Credential(len(self.raised) + 1)
        except BaseException as error:
            self.raised.append(error)
            raise
        self.raised.append(None)
