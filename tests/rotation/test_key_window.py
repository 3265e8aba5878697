"""Promise 12 for API keys: whoever uses AWSCURRENT's key is never turned away; and the verbs of `vaultgate rotate` on them."""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from click.testing import CliRunner

from vaultgate_ops.cli.main import cli
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import OpsError
from vaultgate_ops.rotation.load import Logins, TurnedAway
from vaultgate_ops.rotation.trial import Outcome, Subject, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.rotation.keys import Account, KeyBed

ROTATIONS = 20


def call(account: Account, key: str) -> None:
    """Use the API over the wire."""
    context = ssl.create_default_context(cafile=account.keys.ca_file)
    connection = http.client.HTTPSConnection(urlsplit(account.keys.url).netloc, timeout=10, context=context)
    try:
        connection.request("GET", "/v1/orders", headers={"Authorization": f"Bearer {key}"})
        with connection.getresponse() as answer:
            answer.read()
            if answer.status != 200:
                raise TurnedAway(answer.status)
    finally:
        connection.close()


def trial(account: Account, rotations: int, longest_gap_s: float) -> Outcome:
    """Rotate under load; every second rotation is followed by the older key's end.

    Args:
        account: whose key.
        rotations: how often.
        longest_gap_s: between two of them.
    """
    ends_older = itertools.cycle((True, False))

    def rotate() -> None:
        account.rotate()
        if next(ends_older):
            account.drop_previous()

    return run(Subject(lambda: account.current, partial(call, account), rotate), rotations, longest_gap_s, Clock())


def test_nobody_with_the_current_key_is_turned_away(key_bed: KeyBed) -> None:
    """0 failed calls in 20 rotations, half of them with the older key's end behind them."""
    with key_bed.account() as account:
        outcome = trial(account, ROTATIONS, 0.05)
    assert (outcome.figures.failed, outcome.figures.numbers) == (0, frozenset())
    assert outcome.figures.logins > 2 * ROTATIONS, "the load hardly asked"


def test_the_load_sees_a_current_key_that_was_ended(key_bed: KeyBed, eventually: Callable[[Callable[[], object]], None]) -> None:
    """Or its silence would prove nothing."""
    with key_bed.account() as account, Logins(lambda: account.current, partial(call, account), Clock()) as load:
        eventually(lambda: load.figures.logins > 3)
        assert load.figures.failed == 0
        account.keys.api.live.clear()
        eventually(lambda: load.figures.failed > 3)
    assert load.figures.numbers == {401}


def test_the_verbs(key_bed: KeyBed) -> None:
    """now, status, plan, repair, sweep: as for a database, without a word of users, and without a key."""
    environment = {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": key_bed.amazon.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        **key_bed.variables,
    }

    def verb(*words: str) -> tuple[int, str]:
        result = CliRunner(env=environment).invoke(cli, ["rotate", *words])
        code = result.exception.exit_code if isinstance(result.exception, OpsError) else result.exit_code
        said = result.output + str(result.exception or "")
        assert not [text for text in key_bed.amazon.service.texts() if json.loads(text)["key"] in said]
        return code, said

    with key_bed.account() as account:
        first = json.loads(account.values[0])["key_id"]
        code, said = verb("plan", account.secret)
        told = dict(line.split(maxsplit=1) for line in said.replace("older value", "older").replace("done by", "by").splitlines())
        assert code == 0
        assert told == {
            "strategy": "api-key",
            "service": f"{account.keys.url}/v1",
            "key": f"{first} now, one that the service makes after it",
            "older": "works until the next rotation, or by a sweep after 60 s",
            "by": "this process: the secret has no rotation function",
            "schedule": "none: it rotates when it is asked to",
        }
        assert verb("now", "--dry-run", account.secret)[0] == 0
        assert len(account.keys.api.live) == 1
        code, said = verb("now", account.secret)
        assert (code, "AWSPREVIOUS" in said) == (0, True)
        assert (account.admits_current(), len(account.keys.api.live)) == (True, 2)
        assert verb("status", account.secret)[0] == 0
        assert verb("sweep", account.secret) == (0, "too early\n")
        assert verb("sweep", "--drop-previous", account.secret) == (0, "swept\n")
        assert [key.secret for key in account.keys.api.live] == [account.current]
        account.step(account.begin(), "createSecret")
        assert verb("status", account.secret)[0] == 1
        code, said = verb("repair", account.secret)
        assert (code, "finished" in said) == (0, True)
        assert (account.admits_current(), len(account.keys.api.live)) == (True, 2)
