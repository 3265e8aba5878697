"""The load sees a window where there is one, and none where there isn't."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pymysql
import pytest

from vaultgate_ops.clock import Clock
from vaultgate_ops.rotation.load import Background, Logins, TurnedAway

if TYPE_CHECKING:
    from collections.abc import Callable

    Eventually = Callable[[Callable[[], object]], None]


class Server:
    """Lets one value in, and promises one to its clients.

    Attributes:
        valid: what it lets in.
        current: what clients are told.
    """

    def __init__(self) -> None:
        self.valid = self.current = "one"

    def login(self, value: str) -> None:
        """Refuse what isn't valid."""
        if value != self.valid:
            raise pymysql.OperationalError(1045, "Access denied")


def test_a_window_is_seen(eventually: Eventually) -> None:
    """From the moment at which the current value stops to work until it works again, in failures and in seconds."""
    server = Server()
    with Logins(lambda: server.current, server.login, Clock(), 0) as load:
        eventually(lambda: load.figures.logins > 5)
        server.valid = "two"
        eventually(lambda: load.figures.failed > 5)
        server.current = "two"
        eventually(lambda: load.figures.window_s > 0)
    assert load.figures.numbers == {1045}


def test_an_api_that_turns_somebody_away_is_seen(eventually: Eventually) -> None:
    """A service that is no database says so in its own way, with its status for a number."""

    def call(_value: str) -> None:
        raise TurnedAway(401)

    with Logins(lambda: "key", call, Clock(), 0) as load:
        eventually(lambda: load.figures.failed > 5)
    assert load.figures.numbers == {401}


def test_no_window_is_no_failure(eventually: Eventually) -> None:
    """Where both values work until the change is over."""
    server = Server()
    with Logins(lambda: server.current, lambda _: None, Clock(), 0) as load:
        server.current = "two"
        eventually(lambda: load.figures.logins > 50)
    assert (load.figures.failed, load.figures.window_s) == (0, 0)


def test_a_value_that_was_overtaken_does_not_count(eventually: Eventually) -> None:
    """Whoever logs in with it was late, not turned away."""
    server = Server()

    def login(_value: str) -> None:
        server.current += "+"
        raise pymysql.OperationalError(1045, "Access denied")

    with Logins(lambda: server.current, login, Clock(), 0) as load:
        eventually(lambda: load.figures.overtaken > 5)
    assert load.figures.failed == 0


def test_what_breaks_the_load_is_raised() -> None:
    """A load that died must not look like one that saw nothing."""
    tried = threading.Event()

    def breaks() -> None:
        tried.set()
        raise LookupError("no secret")

    with pytest.raises(LookupError, match="no secret"), Background(breaks, Clock(), 0):
        assert tried.wait(30)
