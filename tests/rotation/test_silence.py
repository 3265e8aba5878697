"""Where passwords must not be found: the server's general log, its process list, log lines, events, exceptions.

Each place is searched for a planted password first: a search that can't find one proves nothing.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import traceback
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from tests.rotation.bed import login_of
from tests.rotation.faults import Faults

from vaultgate_ops.rotation.application import make_handler
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.mysql.hashes import native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.bed import Bed, User

pytestmark = pytest.mark.stack


@contextmanager
def general_log(bed: Bed) -> Iterator[list[str]]:
    """Every statement that the server sees; the list is filled at the end."""
    bed.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
    statements: list[str] = []
    try:
        yield statements
    finally:
        bed.execute("SET GLOBAL general_log = OFF, GLOBAL log_output = DEFAULT")
        statements += [_text(row[0]) for row in bed.execute("SELECT argument FROM mysql.general_log")]
        bed.execute("TRUNCATE mysql.general_log")


@contextmanager
def process_list(bed: Bed) -> Iterator[set[str]]:
    """Everything that the process list ever showed meanwhile."""
    seen: set[str] = set()
    ended = threading.Event()
    connection = bed.stack.database.connect()

    def watch() -> None:
        with connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("SHOW FULL PROCESSLIST")
                seen.update(str(row[7]) for row in cursor.fetchall() if row[7])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        connection.close()


def _text(found: Any) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def passwords(bed: Bed, user: User) -> list[str]:
    """Every password that this user ever had, promoted or not."""
    texts = [text for text in bed.amazon.service.texts() if user.name in text]
    return sorted({login_of(text)[1] for text in texts})


def test_the_search_finds_a_planted_password(bed: Bed) -> None:
    """In the general log and in the process list, where PASSWORD('...') puts it."""
    planted = f"planted-{uuid.uuid4()}"
    with general_log(bed) as logged, process_list(bed) as listed:
        bed.execute("SELECT PASSWORD(%s), SLEEP(0.2)", planted)
    assert planted in "\n".join(logged)
    assert planted in "\n".join(listed)


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_neither_log_nor_process_list_has_one(bed: Bed, strategy: str) -> None:
    """Through rotations, a sweep and an emergency, of the user and of its rotator."""
    user = bed.user(strategy)
    with general_log(bed) as logged, process_list(bed) as listed:
        user.rotate(3)
        user.drop_previous()
    assert any("GET_LOCK" in statement for statement in logged)
    assert listed
    searched = "\n".join([*logged, *listed])
    known = [*passwords(bed, user), json.loads(bed.client.get_secret_value(SecretId=bed.master)["SecretString"])["password"]]
    assert len(known) == 5
    assert not [password for password in known if password in searched]


@pytest.mark.parametrize("strategy", ["dual", "alternating", "single"])
def test_neither_lines_nor_exceptions_have_one(bed: Bed, strategy: str) -> None:
    """Of the function, whatever call fails: neither a password nor a hash is in a line, a text or a traceback."""
    user = bed.user(strategy)
    count = Faults()
    user.drive(user.begin(), count)
    said = io.StringIO()
    logger = Logger(service=f"silence-{strategy}", stream=said, level=logging.DEBUG)
    rotation = user.begin()
    statements = [call for call in count.calls if not call.startswith("connect")]
    for at in range(1, len(count.calls) + 1):
        handler = make_handler(bed.engine(Refusing(at)), (), logger)
        try:
            Driver(lambda event, handler=handler: handler(event, None), bed.clock, attempts=1).drive(rotation)
        except RotationError as error:
            said.write("".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error)))
    searched = said.getvalue()
    assert searched.count("Traceback") > len(statements) // 2
    assert '"level":"INFO"' in searched
    known = passwords(bed, user)
    assert len(known) == 3
    assert not [text for password in known for text in (password, native(password)) if text in searched]


class Refusing(Faults):
    """Makes one call fail with a text that quotes all it was given, as a server's may."""

    def __init__(self, at: int) -> None:
        super().__init__(at)

    def around(self, name: str, call: Any, lost: Any) -> Any:
        """See `Faults`."""
        self.calls.append(name)
        if len(self.calls) == self.at:
            raise lost()
        return call()
