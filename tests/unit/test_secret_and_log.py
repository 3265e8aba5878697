"""What must not show, doesn't; what a log line holds."""

from __future__ import annotations

import io
import json
import pickle
import threading
import traceback

import pytest
from tests.simulators.clock import MovableClock

from vaultgate.auth import Token
from vaultgate.clock import Clock, Instant
from vaultgate.errors import ConfigurationError, Refused
from vaultgate.guard import check_door
from vaultgate.leases import Lifetime
from vaultgate.log import LEVELS, Log
from vaultgate.model import Answer, AwsKeys, Request
from vaultgate.secret import Secret
from vaultgate.transport import Connections
from vaultgate.values import origin
from vaultgate.vault import Vault

PLANTED = "hvs.PLANTED"


VAULT = Vault(Connections(Clock()), origin("https://vault.example.com:8200"), None, 0, Clock())
TOKEN = Token(Secret(PLANTED), "accessor", Lifetime(Instant(0, 0), 60), VAULT)


def shown(value: object) -> str:
    """Everything that printing, formatting and joining make of a value."""
    return f"{value} {value!r} {value!s} {value:>40} {[value]} {(value,)} %s %r" % (value, value)


def test_the_search_finds_what_is_there() -> None:
    """The search of the tests below does find a secret that is not one of ours."""
    assert PLANTED in shown(PLANTED)


def test_secret_does_not_print() -> None:
    """No way of printing a Secret shows it; only `reveal` does."""
    assert PLANTED not in shown(Secret(PLANTED))
    assert Secret(PLANTED).reveal() == PLANTED


@pytest.mark.parametrize(
    "value",
    [
        AwsKeys("AKID", Secret(PLANTED), Secret(PLANTED)),
        Request("GET", "/v1/a", (("X-Vault-Token", PLANTED),), PLANTED.encode()),
        Answer(200, (("X-Any", PLANTED),), PLANTED.encode()),
        TOKEN,
    ],
    ids=lambda value: type(value).__name__,
)
def test_records_do_not_print_what_they_hold(value: object) -> None:
    """Records that travel with a secret in them have a repr without it."""
    assert PLANTED not in repr(value) + repr([value])


def test_secret_is_not_pickled_or_compared() -> None:
    """A Secret refuses to be pickled, two of them are equal only if they are one, and an empty one is false."""
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(Secret(PLANTED))
    assert Secret(PLANTED) != Secret(PLANTED)
    assert not Secret("")
    assert Secret(PLANTED)


def test_secret_has_no_other_door() -> None:
    """A Secret has no __dict__ that a debugger's dump would walk."""
    assert not hasattr(Secret(PLANTED), "__dict__")


def test_traceback_does_not_show_it() -> None:
    """An exception about a request prints without its token."""
    try:
        check_door(Request("GET", "/v1/a", (("X-Vault-Token", PLANTED), ("Host", "elsewhere"))), "header")
    except Refused:
        assert PLANTED not in traceback.format_exc()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The log's lines, parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line() -> None:
    """A line is one JSON object: time in UTC with milliseconds, level, event, message, fields."""
    stream = io.StringIO()
    Log(stream, "info", MovableClock(1_795_262_400.987)).info("login", "logged in", ms=3.5, token=Secret(PLANTED))
    assert lines(stream) == [
        {
            "ts": "2026-11-21T12:00:00.987Z",
            "level": "info",
            "event": "login",
            "message": "logged in",
            "ms": 3.5,
            "token": "Secret('***')",
        }
    ]


def test_newlines_do_not_split_a_line() -> None:
    """Text with line breaks in it, which a caller may choose, stays in its line."""
    stream = io.StringIO()
    Log(stream, "info", MovableClock()).warn("refused", "a\nb", path='/v1/\r\n{"event":"forged"}')
    assert [line["event"] for line in lines(stream)] == ["refused"]


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level: str) -> None:
    """A level shows itself and everything above; `off` shows nothing."""
    stream = io.StringIO()
    log = Log(stream, level, MovableClock())
    for name in ("debug", "info", "warn", "error"):
        getattr(log, name)("event", "message")
    assert [line["level"] for line in lines(stream)] == [
        name for name in ("debug", "info", "warn", "error") if LEVELS.index(name) >= LEVELS.index(level)
    ]


def test_failure_names_code_and_hint() -> None:
    """An error of ours is logged under its code with its hint; a configuration error with all its problems."""
    stream = io.StringIO()
    log = Log(stream, "error", MovableClock())
    log.failure(Refused("no", "say please"))
    log.failure(ConfigurationError(["A is wrong", "B is missing"]))
    first, second = lines(stream)
    assert (first["event"], first["message"], first["hint"]) == ("refused", "no", "say please")
    assert (second["event"], second["problems"]) == ("configuration", ["A is wrong", "B is missing"])


class Recorder(io.StringIO):
    """Counts writes; a write is what stays together when several threads log."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        """Note it."""
        self.writes.append(text)
        return len(text)


def test_one_line_is_one_write() -> None:
    """Lines of several threads can't mix, because each is written whole."""
    stream = Recorder()
    log = Log(stream, "info", MovableClock())
    threads = [threading.Thread(target=log.info, args=("event", "message")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stream.writes) == 8
    assert all(json.loads(text)["event"] == "event" and text.endswith("}\n") for text in stream.writes)
