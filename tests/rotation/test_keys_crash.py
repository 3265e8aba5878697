"""A crash at any call of an API key's rotation, and what the next attempts make of it: what an undisturbed one leaves.

The matrix of `test_crash`, with what only an API can do added: it fails, throttles, keeps its caller waiting, forgets to answer
after the key was made, spreads a new key slowly and lists it late. `make soak SUITE=rotation` has every kind of fault at every
call, from the first rotation on and with reads that lag.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.rotation.faults import Faults, FunctionFailed, Kind
from tests.simulators.key_api import LOST, TIMEOUT

if TYPE_CHECKING:
    from tests.rotation.keys import Account, KeyBed

REQUESTS = ("POST /v1/keys", "GET /v1/keys", "DELETE /v1/keys/ID", "GET /v1/orders", "PUT /v1/primary")
FAULTS = {"503": (503, "later"), "429": (429, "", {"Retry-After": "1"}), "302": (302, "", {"Location": "/"}), "lost": LOST}


def calls_of(account: Account) -> list[str]:
    """The calls of an undisturbed rotation."""
    faults = Faults()
    account.drive(account.begin(), faults)
    return faults.calls


def test_an_undisturbed_rotation(key_bed: KeyBed) -> None:
    """Two keys are live, the current and the one before; the API knows which is which; no key goes further than a header."""
    with key_bed.account() as account:
        account.rotate(3)
        state = account.state()
        assert state.stages == {"AWSCURRENT": "N-0", "AWSPENDING": "N-0", "AWSPREVIOUS": "N-1"}
        assert (state.live, state.primary) == (("N-0", "N-1"), "N-0")
        assert not account.works(-3)
        known = {json.loads(text)["key"] for text in key_bed.amazon.service.texts()}
        assert len(known) == 4
        assert account.keys.door.texts
        assert not [path for path in account.keys.door.texts for key in known if key in path]


def test_a_death_at_any_call(key_bed: KeyBed) -> None:
    """The next attempt ends as if nothing had happened; no orphan takes a key's place, AWSCURRENT's works all the time."""
    with key_bed.account() as account:
        account.rotate(2)
        calls = calls_of(account)
        clean = account.state()
        assert [call for call in calls if call.startswith(("POST", "DELETE", "PUT"))] == [
            "DELETE /keys",
            "POST /keys",
            "PUT /primary",
        ]
        attempts = [(1, Kind.DEATH_BEFORE), *((at, Kind.DEATH_AFTER) for at in range(1, len(calls) + 1))]
        for at, kind in attempts:
            faults = Faults(at, kind)
            took = account.drive(account.begin(), faults)
            assert (faults.struck, took) == (True, 2), f"{kind.value} call {at}"
            assert account.state() == clean, f"{kind.value} call {at}: {faults.calls[at - 1]}"


def test_a_lost_answer_of_any_change(key_bed: KeyBed) -> None:
    """The work was done and the function doesn't know: it, or its next attempt, ends as if it knew."""
    with key_bed.account() as account:
        account.rotate(2)
        calls = calls_of(account)
        clean = account.state()
        changes = [at for at, call in enumerate(calls, 1) if not call.startswith(("describe", "get", "GET"))]
        assert len(changes) == 5, calls
        for at in changes:
            faults = Faults(at, Kind.ANSWER_LOST)
            account.drive(account.begin(), faults)
            assert faults.struck
            assert account.state() == clean, f"answer of call {at} lost: {calls[at - 1]}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_api_that_fails_at_any_request(key_bed: KeyBed, fault: object) -> None:
    """Whatever it does at one request, over the wire: the next attempt ends as an undisturbed rotation."""
    with key_bed.account() as account:
        account.rotate(3)
        clean = account.state()
        for request in REQUESTS:
            for late in (0, 1):
                account.keys.door.faults[request] = [None] * late + [fault]
                account.drive(account.begin())
                assert account.state() == clean, f"{late + 1}. {request}"
                account.keys.door.faults.clear()


def test_an_api_that_keeps_its_caller_waiting(key_bed: KeyBed) -> None:
    """A request without an answer ends by the function's own deadline, and is tried again by the next attempt."""
    with key_bed.account() as account:
        account.rotate(2)
        clean = account.state()
        account.keys.door.faults["POST /v1/keys"] = [TIMEOUT]
        assert account.drive(account.begin()) == 2
        assert account.state() == clean


def test_a_key_that_spreads_slowly(key_bed: KeyBed) -> None:
    """It is waited for before anything is promoted: 15 s in one attempt, a minute in several."""
    with key_bed.account() as account:
        account.rotate()
        key_bed.clock.advance(60)
        account.keys.api.spreads_s = 15
        assert account.drive(account.begin()) == 1
        key_bed.clock.advance(60)
        account.keys.api.spreads_s = 60
        assert account.drive(account.begin(), attempts=6) > 1
        assert account.admits_current()
        assert account.state().live == ("N-0", "N-1")


@pytest.mark.parametrize("lag_s", [4, 60])
def test_a_list_that_lags(key_bed: KeyBed, lag_s: float) -> None:
    """An orphan that isn't listed yet holds the second place: nothing else is made until it is seen, and it is ended then."""
    with key_bed.account() as account:
        account.rotate(3)
        clean = account.state()
        account.keys.api.lag_s = lag_s
        key_bed.clock.advance(lag_s)
        account.keys.door.faults["POST /v1/keys"] = [LOST]
        account.drive(account.begin(), attempts=9)
        key_bed.clock.advance(lag_s)
        assert account.state() == clean


def test_a_rotation_that_was_given_up(key_bed: KeyBed) -> None:
    """What it left, stored or not, is ended by the next rotation, which has another token."""
    with key_bed.account() as account:
        account.rotate(3)
        clean = account.state()
        for at in range(1, len(calls_of(account))):
            begun, faults = account.begin(), Faults(at, Kind.DEATH_AFTER)
            with suppress(FunctionFailed):
                account.drive(begun, faults, attempts=1)
            if "AWSPENDING" in key_bed.amazon.service.stages(account.secret):
                key_bed.client.update_secret_version_stage(
                    SecretId=account.secret, VersionStage="AWSPENDING", RemoveFromVersionId=begun.token
                )
            key_bed.amazon.service.end(begun)
            key_bed.clock.advance(10)
            account.drive(account.begin())
            assert account.state() == clean, f"given up after call {at}: {faults.calls[at - 1]}"
