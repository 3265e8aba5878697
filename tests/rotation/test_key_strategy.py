"""What a strategy for keys makes of its four functions' surprise: asked again with what they named, and never a third time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.clock import MovableClock

from vaultgate_ops.rotation.api_keys.strategy import SETTLING_S, ApiKey
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import Change, SecretValue
from vaultgate_ops.rotation.strategies.protocol import Surprised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vaultgate_ops.rotation.api_keys.functions import Keys

CHANGE = Change("arn:of:it", SecretValue({"key": "a", "more": 1}), previous=SecretValue({"key": "z"}))
PENDING = Change("arn:of:it", SecretValue({"key": "a"}), SecretValue({"key": "b"}, "version-1", 0))


class Functions:
    """Finds an orphan that nobody has named yet, each time another.

    Attributes:
        orphans: to be found.
        asked: what create and retire were told.
        accepts: keys that verify takes.
        verified: how often it was asked.
        rehearsed: what a rehearsal was asked with.
    """

    def __init__(self, *orphans: str) -> None:
        self.orphans = list(orphans)
        self.asked: list[Keys] = []
        self.accepts = {"a", "b"}
        self.verified = 0
        self.rehearsed: list[str] = []

    def check(self, change: Change) -> None: ...

    def outline(self, current: SecretValue) -> list[tuple[str, str]]:  # noqa: ARG002 - the protocol's
        return []

    def rehearse(self, current: Mapping[str, Any]) -> None:
        self.rehearsed.append(current["key"])

    def create(self, keys: Keys) -> Mapping[str, Any]:
        self._look(keys)
        return {"key": "made"}

    def verify(self, value: Mapping[str, Any]) -> bool:
        self.verified += 1
        return value["key"] in self.accepts

    def promote(self, keys: Keys) -> None: ...

    def retire(self, keys: Keys) -> bool:
        self._look(keys)
        return True

    def _look(self, keys: Keys) -> None:
        self.asked.append(keys)
        if self.orphans:
            raise Surprised(self.orphans.pop(0), "another")


def strategy(functions: Functions) -> ApiKey:
    """With a clock that nobody waits for."""
    return ApiKey("api-key", functions, MovableClock())


def test_a_surprise_is_asked_about_once_more() -> None:
    """With just what was named, and for the version that it was named for."""
    functions = Functions("orphan")
    tried = strategy(functions)
    with pytest.raises(Surprised):
        tried.propose("version-1", CHANGE, str, sure=False)
    made = tried.propose("version-1", CHANGE, str, sure=True)
    assert made.fields == {"key": "made", "more": 1}
    assert [keys.doubted for keys in functions.asked] == [frozenset(), frozenset({"orphan", "another"})]
    assert {(keys.secret_id, keys.token) for keys in functions.asked} == {("arn:of:it", "version-1")}
    assert [(keys.current["key"], keys.pending, keys.previous) for keys in functions.asked] == [("a", None, {"key": "z"})] * 2
    tried.propose("version-1", CHANGE, str, sure=True)
    tried.propose("version-2", CHANGE, str, sure=False)
    assert [keys.doubted for keys in functions.asked[2:]] == [frozenset()] * 2


def test_surprises_of_two_secrets_at_once_are_kept_apart() -> None:
    """Each is asked about with its own."""
    functions = Functions("one", "two")
    tried = strategy(functions)
    for token in ("version-1", "version-2"):
        with pytest.raises(Surprised):
            tried.propose(token, CHANGE, str, sure=False)
    tried.propose("version-1", CHANGE, str, sure=True)
    assert functions.asked[-1].doubted == {"one", "another"}


def test_a_surprise_that_does_not_end() -> None:
    """Somebody keeps making keys: the step is given up, by name."""
    tried = strategy(Functions("one", "two"))
    with pytest.raises(Surprised):
        tried.propose("version-1", CHANGE, str, sure=False)
    with pytest.raises(RotationError, match="rotation-running"):
        tried.propose("version-1", CHANGE, str, sure=True)
    with strategy(Functions("one", "two")).hold(PENDING) as hold:
        with pytest.raises(Surprised):
            hold.apply(sure=False)
        with pytest.raises(RotationError, match="rotation-running"):
            hold.apply(sure=True)


def test_what_setsecret_was_surprised_by_is_named_to_retire() -> None:
    """And the pending value with it, which is to be kept."""
    functions = Functions("orphan")
    with strategy(functions).hold(PENDING) as hold:
        with pytest.raises(Surprised):
            hold.retire(sure=False, sessions=False)
        assert hold.retire(sure=True, sessions=False)
    assert [keys.doubted for keys in functions.asked] == [frozenset(), frozenset({"orphan", "another"})]
    assert {(keys.token, keys.pending["key"] if keys.pending else "") for keys in functions.asked} == {("version-1", "b")}


@pytest.mark.parametrize("step", ["apply", "prove", "ready"])
def test_a_new_key_is_waited_for(step: str) -> None:
    """For 20 s, a look each second; if the current one is refused as well, that is what is wrong."""
    functions = Functions()
    functions.accepts = {"a"}
    with strategy(functions).hold(PENDING) as hold:
        call = {"apply": lambda: hold.apply(sure=False), "prove": hold.prove, "ready": hold.ready}[step]
        with pytest.raises(RotationError, match="key-gone"):
            call()
        assert SETTLING_S <= functions.verified <= SETTLING_S + 2
        assert functions.asked == []
        functions.accepts = set()
        with pytest.raises(RotationError, match="key-refused"):
            call()


def test_a_test_without_a_new_key_is_a_rehearsal() -> None:
    """With one, it is not."""
    functions = Functions()
    with strategy(functions).hold(PENDING) as hold:
        hold.prove()
    assert functions.rehearsed == []
    with strategy(functions).hold(CHANGE) as hold:
        hold.prove()
    assert (functions.rehearsed, functions.asked) == (["a"], [])


def test_a_current_key_that_is_refused() -> None:
    """Neither a test nor a sweep goes past it."""
    functions = Functions()
    functions.accepts = {"b"}
    with strategy(functions).hold(PENDING) as hold:
        with pytest.raises(RotationError, match="key-refused"):
            hold.prove()
        with pytest.raises(RotationError, match="key-refused"):
            hold.retire(sure=False, sessions=False)
    assert functions.asked == []


@pytest.mark.parametrize(
    ("grace_s", "older"),
    [(None, "works until the next rotation"), (60, "works until the next rotation, or by a sweep after 60 s")],
)
def test_how_long_an_older_key_lives(grace_s: float | None, older: str) -> None:
    """As the secret says; a wrong word for it is refused."""
    value = SecretValue({"key": "a", **({} if grace_s is None else {"grace_s": grace_s})})
    tried = strategy(Functions())
    assert tried.grace_s(value) == grace_s
    assert tried.outline(Change("arn", value)) == [("older value", older)]
    tried.check(Change("arn", value))
    with pytest.raises(RotationError, match="grace_s"):
        tried.check(Change("arn", SecretValue({"key": "a", "grace_s": "soon"})))
