"""API keys, described in their secret: the older key's end, disorder, what can be wrong, and what a key must not be found in."""

from __future__ import annotations

import io
import json
import logging
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from tests.rotation.bed import GRACE_S
from tests.rotation.faults import Faults, Kind
from tests.simulators.key_api import GONE, LOST

from vaultgate_ops.rotation.api_keys.retirement import label
from vaultgate_ops.rotation.application import make_handler
from vaultgate_ops.rotation.by_hand import ByHand
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.errors import RotationError
from vaultgate_ops.rotation.model import PENDING
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rotation.keys import Account, KeyBed

    from vaultgate_ops.rotation.driver import Assignment
    from vaultgate_ops.rotation.engine import Engine
    from vaultgate_ops.rotation.service import SecretsManager

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.fixture
def account(key_bed: KeyBed) -> Iterator[Account]:
    """One account; AWSCURRENT's key is looked at after every request."""
    with key_bed.account() as made:
        yield made


def failure(account: Account, begun: Assignment) -> RotationError:
    """What a rotation ends with; AWSCURRENT and the live keys are as they were, and no key is told."""
    before, live = account.current, [key.key_id for key in account.keys.api.live]
    with pytest.raises(RotationError) as caught:
        account.drive(begun, attempts=1)
    assert (account.current, [key.key_id for key in account.keys.api.live]) == (before, live)
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)
    assert not [key for key in (before, *(one.secret for one in account.keys.api.live)) if key in said]
    assert caught.value.hint
    return caught.value


def test_the_sweeper_ends_the_older_key(account: Account, key_bed: KeyBed) -> None:
    """Once grace_s is over, and not before; the current one goes on, and a second sweep finds nothing."""
    account.rotate(2)
    assert account.sweep() == "too early"
    assert account.works(-2)
    key_bed.clock.advance(GRACE_S)
    assert account.sweep() == "swept"
    assert (account.works(-1), account.works(-2)) == (True, False)
    assert account.sweep() == "nothing to do"
    account.rotate()
    assert account.state().live == ("N-0", "N-1")


def test_the_first_key_was_made_by_hand(account: Account, key_bed: KeyBed) -> None:
    """It has no label of ours: its id in the secret is enough to end it."""
    account.rotate()
    assert account.works(-2)
    key_bed.clock.advance(GRACE_S)
    assert account.sweep() == "swept"
    assert account.state().live == ("N-0",)


def test_an_emergency_ends_the_older_key_at_once(account: Account) -> None:
    """And never the current one, though it is seconds old."""
    account.rotate(2)
    assert account.drop_previous() == "swept"
    assert (account.works(-1), account.works(-2)) == (True, False)


def test_a_sweep_that_finds_no_working_key_ends_none(account: Account, key_bed: KeyBed) -> None:
    """If somebody ended AWSCURRENT's by hand, the older one may be all that there is."""
    account.rotate()
    key_bed.clock.advance(GRACE_S)
    current = json.loads(account.values[-1])["key_id"]
    account.keys.api.live = [key for key in account.keys.api.live if key.key_id != current]
    key_bed.watched.clear()
    with pytest.raises(RotationError, match="key-refused"):
        account.sweep()
    assert account.works(-2)


@pytest.mark.parametrize("lag_s", [0, 5])
def test_late_and_repeated_steps(account: Account, key_bed: KeyBed, lag_s: float) -> None:
    """Any step of a rotation again, of this one or one that is over, changes nothing; with reads up to 5 s old neither."""
    account.rotate(2)
    key_bed.clock.advance(60)
    key_bed.amazon.service.lag_s = lag_s
    begun = account.begin()
    for at in range(len(STEPS)):
        for again in range(at + 1):
            account.step(begun, STEPS[again])
    account.values.append(key_bed.amazon.service.value(account.secret))
    key_bed.amazon.service.end(begun)
    clean = account.state()
    assert clean.live == ("N-0", "N-1")
    for step in STEPS:
        with suppress(RotationError):
            account.step(begun, step)
        assert account.state() == clean
    later = account.begin()
    account.drive(later)
    for step in STEPS:
        with suppress(RotationError):
            account.step(begun, step)
    assert account.state() == clean


def test_two_drivers_at_once(account: Account, key_bed: KeyBed) -> None:
    """They may cost a rotation, never a current key; the next rotation leaves what an undisturbed one leaves."""
    account.rotate(3)
    clean = account.state()
    for _ in range(5):
        key_bed.clock.advance(60)
        begun = account.begin()
        together = threading.Barrier(2)

        def drive(begun: Any = begun, together: threading.Barrier = together) -> None:
            for step in STEPS:
                together.wait(20)
                with suppress(RotationError):
                    account.step(begun, step)

        drivers = [threading.Thread(target=drive) for _ in range(2)]
        for driver in drivers:
            driver.start()
        for driver in drivers:
            driver.join(30)
        assert account.admits_current()
        if "AWSPENDING" in key_bed.amazon.service.stages(account.secret):
            with suppress(RotationError):
                account.drive(begun, attempts=9)
        key_bed.amazon.service.end(begun)
        account.values.append(key_bed.amazon.service.value(account.secret))
        key_bed.clock.advance(600)
        account.rotate(2)
        assert account.state() == clean


def test_a_pending_key_that_somebody_ended(account: Account, key_bed: KeyBed) -> None:
    """It is waited for while it may be new; then its value is taken back, and the next rotation makes another."""
    account.rotate(2)
    begun = account.begin()
    account.step(begun, "createSecret")
    ended = json.loads(key_bed.amazon.service.value(account.secret, PENDING))["key_id"]
    account.keys.api.live = [key for key in account.keys.api.live if key.key_id != ended]
    with pytest.raises(RotationError, match="key-unseen"):
        account.step(begun, "setSecret")
    key_bed.clock.advance(120)
    with pytest.raises(RotationError, match="key-gone"):
        account.step(begun, "setSecret")
    assert "AWSPENDING" not in key_bed.amazon.service.stages(account.secret)
    key_bed.amazon.service.end(begun)
    account.rotate()
    assert account.state().stages["AWSCURRENT"] == "N-0"


def test_a_key_of_somebody_else_is_left_alone(account: Account) -> None:
    """Though it takes the second place: nothing is made, and the error says which keys are live."""
    stranger = account.keys.api.add("somebody's own")
    begun = account.begin()
    error = failure(account, begun)
    assert error.code == "keys-full"
    assert stranger.key_id in error.message
    account.keys.api.live.remove(stranger)
    account.drive(begun)
    assert account.works(-1)


def test_a_key_that_somebody_else_ended_a_moment_before(account: Account) -> None:
    """Gone is what it had to be: no reason to fail."""
    account.rotate()
    account.keys.door.faults["DELETE /v1/keys/ID"] = [GONE]
    assert account.drive(account.begin()) == 1
    assert account.state().live == ("N-0", "N-1")


def test_a_key_id_that_is_not_the_keys(account: Account) -> None:
    """Typed by hand, it would have somebody else's key ended, or nobody's: nothing is made before it is right."""
    right = json.loads(account.values[0])["key_id"]
    account.store(key_id="k-0")
    begun = account.begin()
    error = failure(account, begun)
    assert (error.code, error.message) == ("key-misnamed", "AWSCURRENT's key_id is wrong: api.list doesn't give it.")
    account.store(key_id=right)
    account.drive(begun)
    assert len(account.keys.api.live) == 2


def test_a_key_that_was_put_back_without_its_id(account: Account, key_bed: KeyBed) -> None:
    """An older key is current again, whatever id somebody left beside it: it isn't taken for an orphan."""
    account.rotate(2)
    older, newer = (json.loads(text) for text in account.values[-2:])
    take_back(account, key_bed)
    for wrong in (newer["key_id"], "k-0"):
        account.store(key=older["key"], key_id=wrong)
        key_bed.clock.advance(GRACE_S)
        for end in (account.sweep, account.drop_previous):
            with pytest.raises(RotationError, match="key_id is wrong"):
                end()
        begun = account.begin()
        with pytest.raises(RotationError, match="key_id is wrong"):
            account.step(begun, "createSecret")
        key_bed.amazon.service.end(begun)
        take_back(account, key_bed)
        assert {key.key_id for key in account.keys.api.live} == {older["key_id"], newer["key_id"]}
    account.store(key_id=older["key_id"])
    assert account.drop_previous() == "swept"
    assert [key.key_id for key in account.keys.api.live] == [older["key_id"]]


def test_a_repair_does_not_blame_the_new_key_for_the_current_ones_id(account: Account, key_bed: KeyBed) -> None:
    """It ends with what is wrong, and the pending value stays for when that is mended."""
    right = json.loads(account.values[0])["key_id"]
    begun = account.begin()
    account.step(begun, "createSecret")
    account.store(key_id="k-0")
    settings = load(key_bed.variables, STRATEGIES)
    hand = ByHand(key_bed.client, lambda store: build(settings, store, key_bed.clock, send=key_bed.send), key_bed.clock)
    with pytest.raises(RotationError, match="key-misnamed"):
        hand.repair(account.secret)
    assert key_bed.amazon.service.stages(account.secret)[PENDING] == begun.token
    account.store(key_id=right)
    assert hand.repair(account.secret) == "finished"
    assert account.admits_current()


def test_a_value_that_was_taken_back_leaves_its_key_to_the_sweep(account: Account, key_bed: KeyBed) -> None:
    """Nobody uses it, and no later rotation is needed to end it."""
    begun = account.begin()
    account.step(begun, "createSecret")
    take_back(account, key_bed)
    key_bed.amazon.service.end(begun)
    assert len(account.keys.api.live) == 2
    key_bed.clock.advance(GRACE_S)
    assert account.sweep() == "swept"
    assert [key.secret for key in account.keys.api.live] == [account.current]


def test_a_rotation_by_hand_beside_another_makes_way(account: Account, key_bed: KeyBed) -> None:
    """The other's key is pending by now: it is neither taken for an orphan nor overtaken."""
    settings, begun = load(key_bed.variables, STRATEGIES), []

    def late(store: SecretsManager) -> Engine:
        if not begun:
            begun.append(account.begin())
            account.step(begun[0], "createSecret")
        return build(settings, store, key_bed.clock, send=key_bed.send)

    hand = ByHand(key_bed.client, late, key_bed.clock)
    with pytest.raises(RotationError, match=r"rotation-unfinished: Version .* is pending"):
        hand.rotate_here(account.secret)
    assert len(account.keys.api.live) == 2
    assert account.drive(begun[0]) == 1
    assert account.state().live == ("N-0", "N-1")


def take_back(account: Account, key_bed: KeyBed) -> None:
    """Take AWSPENDING off whatever has it: a value that is stored by hand doesn't."""
    pending = key_bed.amazon.service.stages(account.secret)["AWSPENDING"]
    key_bed.client.update_secret_version_stage(SecretId=account.secret, VersionStage="AWSPENDING", RemoveFromVersionId=pending)


def test_a_former_id_that_means_another_key(account: Account) -> None:
    """At another API, or beside the same key, a former value's id is nothing of this secret's."""
    stranger, described = account.keys.api.add("somebody's own"), account.keys.describe()
    right = json.loads(account.values[0])
    for former in (
        {"key": "sk-elsewhere", "api": {**described, "url": "https://api.example.com/v1"}},
        {"key": "sk-elsewhere", "api": None},
        {},
    ):
        account.store(key_id=stranger.key_id, **former)
        account.store(**right)
        assert account.drop_previous() == "nothing to do"
    assert stranger in account.keys.api.live


def test_a_request_that_ends_no_key(account: Account) -> None:
    """Gone, says an API of a wrong path too: a key that is listed still is none that has ended."""
    account.store(api={**account.keys.describe(), "retire": {"path": "/key/{id}"}})
    account.rotate()
    with pytest.raises(RotationError, match=r"api-refused: api\.retire: HTTP 404"):
        account.drop_previous()
    begun = account.begin()
    with pytest.raises(RotationError, match=r"api-refused: api\.retire: HTTP 404"):
        account.step(begun, "createSecret")
    assert len(account.keys.api.live) == 2


def test_a_key_of_another_secret_is_left_alone(account: Account, key_bed: KeyBed) -> None:
    """Its label is of our making, and not this secret's."""
    account.rotate()
    key_bed.clock.advance(GRACE_S)
    other = account.keys.api.add(label("arn:of:another", "1"))
    account.sweep()
    assert other in account.keys.api.live


def test_testing_a_new_configuration_makes_no_key(account: Account) -> None:
    """Secrets Manager runs testSecret alone: AWSCURRENT's key is tried and the list is read, so a wrong pointer is found."""
    begun = account.begin()
    account.keys.door.requests.clear()
    account.step(begun, "testSecret")
    assert set(account.keys.door.requests) == {"GET /v1/orders", "GET /v1/keys"}
    described = account.keys.describe()
    account.store(api={**described, "list": {**described["list"], "items": "/data"}})
    with pytest.raises(RotationError, match=r"api\.list: the answer has nothing at '/data'"):
        account.step(begun, "testSecret")
    account.store(api=described, key_id="k-0")
    with pytest.raises(RotationError, match="key_id is wrong"):
        account.step(begun, "testSecret")
    assert len(account.keys.api.live) == 1


REFUSALS = [
    ("GET /v1/keys", (401, ""), "key-refused", "api.list: HTTP 401"),
    ("GET /v1/keys", (403, ""), "key-refused", "api.list: HTTP 403"),
    ("GET /v1/keys", (404, ""), "api-refused", "api.list: HTTP 404"),
    ("GET /v1/keys", (302, "", {"Location": "https://elsewhere.example.com"}), "api-refused", "never followed"),
    ("GET /v1/keys", (500, "KEY"), "api-unavailable", "api.list: HTTP 500"),
    ("GET /v1/keys", (429, ""), "api-throttled", "api.list: HTTP 429"),
    ("GET /v1/keys", (200, "<html>"), "api-answer-wrong", "api.list: the answer is no JSON"),
    ("GET /v1/keys", (200, "[" * 60_000), "api-answer-wrong", "api.list: the answer is no JSON"),
    ("GET /v1/keys", (200, "[]"), "api-answer-wrong", "api.list: the answer has nothing at '/keys'"),
    ("GET /v1/keys", (200, '{"keys": {}}'), "api-answer-wrong", "api.list: the answer has no array"),
    ("GET /v1/keys", (200, '{"keys": [{"name": "KEY"}]}'), "api-answer-wrong", "api.list: the answer has nothing at '/id'"),
    ("GET /v1/keys", (200, '{"keys": [{"id": ""}]}'), "api-answer-wrong", "api.list: the answer has no text or number"),
    ("GET /v1/keys", (200, '{"keys": [{"id": true}]}'), "api-answer-wrong", "api.list: the answer has no text or number"),
    ("POST /v1/keys", (400, "KEY"), "api-refused", "api.create: HTTP 400"),
    ("POST /v1/keys", (201, '{"id": "1"}'), "api-answer-wrong", "api.create: the answer has nothing at '/secret'"),
    ("POST /v1/keys", (201, '{"secret": "KEY"}'), "api-answer-wrong", "api.create: the answer has nothing at '/id'"),
    (
        "POST /v1/keys",
        (201, '{"secret": "sk-2", "id": "\\ud800"}'),
        "api-answer-wrong",
        "api.create: the answer has no text or number",
    ),
    (
        "POST /v1/keys",
        (201, '{"secret": "sk-2", "id": "\\u0000"}'),
        "api-answer-wrong",
        "api.create: the answer has no text or number",
    ),
    ("POST /v1/keys", (201, '{"secret": 7, "id": "1"}'), "api-answer-wrong", "api.create: the answer has no key"),
    ("POST /v1/keys", (201, '{"secret": ["KEY"], "id": "1"}'), "api-answer-wrong", "api.create: the answer has no key"),
    ("POST /v1/keys", (201, '{"secret": "a b", "id": "1"}'), "api-answer-wrong", "api.create: the answer has no key"),
    ("POST /v1/keys", (201, '{"secret": "KEY", "id": "1"}'), "api-answer-wrong", "api.create: the answer has the current key"),
    ("POST /v1/keys", (201, '{"secret": "sk-2", "id": "ID"}'), "api-answer-wrong", "api.create: the answer has the current key"),
]


@pytest.mark.parametrize(("request_", "answer", "code", "words"), REFUSALS)
def test_an_answer_that_does_not_fit(account: Account, request_: str, answer: Any, code: str, words: str) -> None:
    """Request and status or pointer are named; the answer, which may quote a key, isn't. AWSCURRENT stays."""
    first = account.keys.api.live[0]
    status, body, *rest = answer
    account.keys.door.faults[request_] = [(status, body.replace("KEY", first.secret).replace("ID", first.key_id), *rest)]
    begun = account.begin()
    error = failure(account, begun)
    assert (error.code, words in error.message) == (code, True), error.message
    account.drive(begun)
    assert account.admits_current()


UNCLEAR = [(103, "api-refused"), (500, "api-unavailable"), (429, "api-throttled"), (302, "api-refused"), (404, "api-refused")]


@pytest.mark.parametrize(("status", "code"), UNCLEAR)
def test_an_api_that_can_not_say_whether_a_key_is_good(account: Account, status: int, code: str) -> None:
    """Neither yes nor no: the step fails, nothing is promoted, and no new key is taken for one that is gone."""
    begun = account.begin()
    for step in STEPS:
        if step != "createSecret":
            account.keys.door.faults["GET /v1/orders"] = [(status, "")]
            with pytest.raises(RotationError, match=f"{code}: api.verify: HTTP {status}"):
                account.step(begun, step)
            assert account.current == json.loads(account.values[0])["key"]
        account.step(begun, step)
    assert account.admits_current()
    assert account.current != json.loads(account.values[0])["key"]


WRONG = [
    ({"key": None}, "secret-field-missing"),
    ({"key": ["a"]}, "secret-field-wrong"),
    ({"api": None}, "secret-field-missing"),
    ({"grace_s": "soon"}, "secret-field-wrong"),
    ({"api": {"url": "http://127.0.0.1:1"}}, "secret-field-wrong"),
]


@pytest.mark.parametrize(("fields", "code"), WRONG)
def test_a_description_that_is_wrong(account: Account, key_bed: KeyBed, fields: dict[str, Any], code: str) -> None:
    """Nobody is contacted for it; see `test_api_description` for each field."""
    account.store(**fields)
    key_bed.watched.clear()
    with pytest.raises(RotationError) as caught:
        account.drive(account.begin(), attempts=1)
    assert caught.value.code == code
    assert account.keys.door.requests == []


def test_a_host_that_is_not_listed(account: Account, key_bed: KeyBed) -> None:
    """ROTATION_HOSTS counts for APIs too, before one is contacted."""
    key_bed.variables["ROTATION_HOSTS"] = "*.example.com"
    begun = account.begin()
    assert failure(account, begun).code == "host-refused"
    assert account.keys.door.requests == []
    key_bed.variables["ROTATION_HOSTS"] = "*.example.com,127.0.0.1"
    account.drive(begun)


def test_a_pending_value_that_differs_elsewhere(account: Account, key_bed: KeyBed) -> None:
    """Nobody can have the key sent to another host by storing a pending value."""
    value = {**json.loads(account.values[-1]), "key": "sk-other", "extra": 1}
    value["api"] = {**value["api"], "url": "https://elsewhere.example.com"}
    begun = account.begin()
    key_bed.client.put_secret_value(
        SecretId=account.secret, SecretString=json.dumps(value), ClientRequestToken=begun.token, VersionStages=["AWSPENDING"]
    )
    with pytest.raises(RotationError, match="differs from AWSCURRENT in: api, extra") as caught:
        account.drive(begun, attempts=1)
    assert caught.value.code == "value-changed"
    assert account.keys.door.requests == []


def test_an_api_without_tls(key_bed: KeyBed) -> None:
    """On this machine, where secret and operator say so: rotated like any other."""
    with key_bed.account(tls=False, ssl=False) as account:
        assert failure(account, account.begin()).code == "host-refused"
        assert account.keys.door.requests == []
    key_bed.variables["ROTATION_HOSTS"] = "127.0.0.1"
    with key_bed.account(tls=False, ssl=False) as account:
        account.rotate(2)
        assert account.state().live == ("N-0", "N-1")
    with key_bed.account(tls=False) as account:
        assert failure(account, account.begin()).code == "secret-field-wrong"


def test_an_api_that_needs_no_telling(key_bed: KeyBed) -> None:
    """Without a `promote` in its description nothing is asked in its place."""
    with key_bed.account() as account:
        described = account.keys.describe()
        del described["promote"]
        account.store(api=described)
        account.rotate()
        assert "PUT /v1/primary" not in account.keys.door.requests


def test_neither_lines_nor_exceptions_have_a_key(account: Account, key_bed: KeyBed) -> None:
    """Of the function, whatever call fails: no key is in a line, a text, a traceback, or the API's own log of paths."""
    count = Faults()
    account.drive(account.begin(), count)
    said = io.StringIO()
    logger = Logger(service="silence-keys", stream=said, level=logging.DEBUG)
    account.keys.door.faults["POST /v1/keys"] = [LOST]
    for at in range(1, len(count.calls) + 1):
        begun = account.begin()
        faults = Faults(at, Kind.ANSWER_LOST)
        handler = make_handler(key_bed.engine(faults), (), logger)
        driver = Driver(lambda event, handler=handler: handler(event, None), key_bed.clock, attempts=1)
        try:
            driver.drive(begun)
        except RotationError as error:
            said.write("".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error)))
        account.drive(begun)
    known = {json.loads(text)["key"] for text in key_bed.amazon.service.texts()}
    assert len(known) > 20
    assert said.getvalue().count("Traceback") > 10
    searched = said.getvalue() + "\n".join(account.keys.door.texts)
    assert not [key for key in known if key in searched]
