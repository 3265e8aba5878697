"""SQLAlchemy's connection pool with users that Vault makes and takes away.

Rules: SQLAlchemy is looked for only when its pool asks for a connection, so that nobody else pays for it; what hears its events
passes over connections that are not ours; a connection whose lease is over or dead is retired on its way out of the pool and
on its way back into it, never in the middle of a transaction; after a fork the parent keeps its connections.
Source: SQLAlchemy 2, "Connection Pooling" (disconnect handling, "Using Connection Pools with Multiprocessing or os.fork()") and
"Core Events".
"""

from __future__ import annotations

import os
import sys
from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vaultgate.database_user import Connector, Credential


class _Made:
    """What is known of a connection of ours."""

    __slots__ = ("connector", "credential", "process")

    def __init__(self, connector: Connector, credential: Credential) -> None:
        self.connector = connector
        self.credential = credential
        self.process = os.getpid()

    @property
    def good(self) -> bool:
        return self.connector.good(self.credential)


_made: WeakKeyDictionary[Any, _Made] = WeakKeyDictionary()


def _known(connection: Any) -> _Made | None:
    try:
        return _made.get(connection)
    except TypeError:
        return None  # other people's connections need not bear weak references


def creator(connector: Connector) -> Callable[[], Any]:
    """What `sqlalchemy.create_engine` takes as `creator`.

    Args:
        connector: connects with whatever credential lives.
    """

    def create() -> Any:
        _listen()
        connection, credential = connector.connect()
        _made[connection] = _Made(connector, credential)
        return connection

    return create


def _listen() -> None:
    """Hear of every pool's connections, once; whoever else calls the creator has no such events."""
    if "sqlalchemy" not in sys.modules:
        return
    from sqlalchemy import event  # noqa: PLC0415 - see the module's rules
    from sqlalchemy.engine import Engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import Pool  # noqa: PLC0415 - as above

    if not event.contains(Pool, "checkout", _on_checkout):
        event.listen(Pool, "checkout", _on_checkout)
        event.listen(Pool, "checkin", _on_checkin)
        event.listen(Engine, "handle_error", _on_error)


def _on_checkout(connection: Any, record: Any, proxy: Any) -> None:
    """Before a connection is lent: one whose time is over is refused, and SQLAlchemy makes another in its place."""
    made = _known(connection)
    if made is None:
        return
    from sqlalchemy.exc import DisconnectionError  # noqa: PLC0415 - as above

    if made.process != os.getpid():
        # To say goodbye on the parent's connection would end it there: it is let go.
        record.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("this connection is the parent process's")
    if not made.good:
        raise DisconnectionError("the lease of this connection's user is over")


def _on_checkin(connection: Any, record: Any) -> None:
    """When a connection comes back, after its transaction: one whose time is over doesn't rest."""
    made = _known(connection)
    if made is not None and made.process == os.getpid() and not made.good:
        record.invalidate()


def _on_error(context: Any) -> None:
    """After an error: one that came from a dead lease means that the connection, and the pool's others, are of no use."""
    connection = context.connection
    if connection is None or connection.closed or connection.invalidated:
        return
    made = _known(connection.connection.dbapi_connection)
    if made is not None and made.connector.shows_dead_lease(context.original_exception, made.credential):
        context.is_disconnect = True
