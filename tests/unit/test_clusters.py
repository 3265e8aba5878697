"""Vaults in two clusters: a token, a lease and a signed login of one are never shown to the other."""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from contextlib import suppress

import pytest
from tests.simulators.clock import MovableClock
from tests.simulators.extension import CREDS, KEYS, SETTINGS, Beside, user
from tests.simulators.vault import SERVER_ID, SimulatedVault

from vaultgate.assembly import broker_of
from vaultgate.auth import AwsLogin
from vaultgate.broker import Broker
from vaultgate.clusters import Clusters, by_server_id
from vaultgate.config import load
from vaultgate.credentials import Credentials
from vaultgate.errors import LoginRefused, Unreachable
from vaultgate.log import Log
from vaultgate.model import Answer, Origin, Request
from vaultgate.values import origin
from vaultgate.vault import Vault

HOME, AWAY = "https://vault.example.com:8200", "https://dr.example.com:8200"
AWAY_ID = "dr.vaultgate.local"


class Network:
    """Two Vaults, each at its address; notes what each was shown."""

    def __init__(self, clock: MovableClock) -> None:
        self.servers = {HOME: SimulatedVault(clock), AWAY: SimulatedVault(clock, AWAY_ID, begin=1000)}
        self.tokens: dict[str, set[str]] = {HOME: set(), AWAY: set()}
        self.server_ids: dict[str, set[str]] = {HOME: set(), AWAY: set()}

    def exchange(self, to: Origin, request: Request, deadline: float) -> Answer:
        """Hand a request to whose address it is."""
        token = request.header("X-Vault-Token")
        if token:
            self.tokens[repr(to)].add(token)
        if request.path.endswith("/login"):
            headers = json.loads(b64decode(json.loads(request.body)["iam_request_headers"]))
            self.server_ids[repr(to)].update(headers["X-Vault-AWS-IAM-Server-ID"])
        return self.servers[repr(to)].exchange(to, request, deadline)


class Extension:
    """An extension that knows both."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.network = Network(self.clock)
        self.home, self.away = self.network.servers.values()
        config = load(SETTINGS | {"VAULTGATE_ADDRESSES": f"{AWAY}#{AWAY_ID}"})
        log = Log(io.StringIO(), "info", self.clock)
        vaults = [Vault(self.network, origin(where), None, 0, self.clock) for where in (HOME, AWAY)]
        keys = Credentials(KEYS, self.network)
        logins = [
            AwsLogin(vault, keys, config, self.clock, server_id=server_id)
            for vault, server_id in zip(vaults, (None, AWAY_ID), strict=True)
        ]
        self.broker = Broker(vaults[0], Clusters(logins, config, self.clock), config, self.clock, log)

    def ask(
        self, path: str = CREDS, *headers: tuple[str, str], method: str = "GET", document: object = None, seconds: float = 60
    ) -> Answer:
        """What the broker answers."""
        body = b"" if document is None else json.dumps(document).encode()
        return self.broker.answer(Request(method, f"/v1/{path}", headers, body), self.clock.steady() + seconds)

    def token_comes_due(self) -> None:
        """Let most of the token's life go by, and have it seen to."""
        self.clock.advance(3000)
        care = self.broker.tick()
        assert care is not None
        care.join(10)

    def nothing_was_shown_to_the_other(self) -> None:
        """Each Vault saw its own tokens and its own server id, and nothing else."""
        for where, server in self.network.servers.items():
            assert self.network.tokens[where] <= server.ever
        assert self.network.server_ids[HOME] <= {SERVER_ID}
        assert self.network.server_ids[AWAY] <= {AWAY_ID}


@pytest.fixture
def extension() -> Extension:
    """Both Vaults are there, nobody has logged in."""
    return Extension()


def test_the_first_is_used_while_it_answers(extension: Extension) -> None:
    """The other one hears nothing at all."""
    assert extension.ask().ok
    assert extension.away.seen == []


@pytest.mark.parametrize("state", ["gone", "sealed"])
def test_a_cold_start_while_the_first_is_down(extension: Extension, state: str) -> None:
    """The login goes to the next one, signed for that."""
    extension.home.state = state
    assert extension.ask().ok
    assert (extension.home.logins, extension.away.logins) == (0, 1)
    extension.nothing_was_shown_to_the_other()


@pytest.mark.parametrize("state", ["gone", "sealed"])
def test_the_first_goes_down_later(extension: Extension, state: str) -> None:
    """A read that it doesn't answer is answered by the other one, with another token."""
    extension.ask("secret/data/records")
    extension.home.state = state
    assert extension.ask().ok
    assert extension.ask("secret/data/records").ok
    assert (extension.home.logins, extension.away.logins) == (1, 1)
    extension.nothing_was_shown_to_the_other()


def test_the_first_goes_down_under_several_reads(extension: Extension) -> None:
    """One of them logs in at the other one, everybody else waits for that and is answered too."""
    extension.ask("secret/data/records")
    extension.home.state = "gone"
    gate = extension.away.hold("POST", "auth/aws/login")
    readers = [Beside(extension.ask)]
    assert gate.arrived.wait(10)
    readers.append(Beside(lambda: extension.ask("secret/data/records")).until_it_waits())
    gate.open()
    assert all(reader.result().ok for reader in readers)
    assert extension.away.logins == 1


def test_a_silent_first_leaves_time_for_the_other(extension: Extension) -> None:
    """Half of a read's time is the most that it takes."""
    extension.ask("secret/data/records")
    extension.home.delay_s = 5
    assert extension.ask(seconds=8).ok
    assert extension.away.logins == 1


def test_a_silent_first_leaves_time_for_a_login_at_the_other(extension: Extension) -> None:
    """A cold start's time is shared, too."""
    extension.home.delay_s = 5
    assert extension.ask(seconds=8).ok
    assert extension.away.logins == 1


def test_a_token_is_kept_alive_where_it_is_from(extension: Extension) -> None:
    """While the first is down; and is shown to nobody else for that."""
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    extension.token_comes_due()
    assert extension.away.count("POST", "auth/token/renew-self") == 1
    extension.nothing_was_shown_to_the_other()


def test_a_silent_first_leaves_time_to_keep_the_others_token(extension: Extension) -> None:
    """Half of an invocation's time is the most that the way back may take."""
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    extension.home.state, extension.home.delay_s = "active", 30
    extension.token_comes_due()
    assert extension.away.count("POST", "auth/token/renew-self") == 1


def test_the_first_is_gone_back_to(extension: Extension) -> None:
    """Once the other one's token is due; what that one gave stays good until its own end."""
    extension.home.state = "gone"
    leased = extension.ask()
    extension.home.state = "active"
    extension.ask("secret/data/records")
    assert extension.home.logins == 0
    extension.token_comes_due()
    assert (extension.home.logins, extension.away.count("POST", "auth/token/renew-self")) == (1, 0)
    extension.ask("secret/data/records")
    assert extension.home.count("GET", "secret/data/records") == 1
    assert len(extension.away.tokens) == 2, f"root's, and the one that {user(leased)} hangs on"
    extension.nothing_was_shown_to_the_other()


def test_a_write_goes_back_to_the_first(extension: Extension) -> None:
    """With a token of that, and that alone judges it; reads follow."""
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    extension.home.state = "active"
    extension.ask("secret/data/records", method="POST")
    assert extension.ask("secret/data/records").ok
    assert [one for one in extension.home.seen if "secret" in one[1]] == [
        ("POST", "secret/data/records"),
        ("GET", "secret/data/records"),
    ]
    assert extension.away.count("POST", "secret/data/records") == 0
    extension.nothing_was_shown_to_the_other()


def test_a_write_waits_for_the_first(extension: Extension) -> None:
    """It is not made where reads have gone meanwhile."""
    extension.home.state = "gone"
    assert extension.ask("secret/data/records").ok
    with pytest.raises(Unreachable):
        extension.ask("secret/data/records", method="POST")
    assert extension.away.count("POST", "secret/data/records") == 0
    assert extension.ask("database/creds/records").ok


def test_a_callers_login_is_shown_to_the_first_alone(extension: Extension) -> None:
    """It is signed for that one, and a token that it brings is used there."""
    headers = b64encode(json.dumps({"X-Vault-AWS-IAM-Server-ID": [SERVER_ID]}).encode()).decode()
    login = {"role": "records", "iam_request_headers": headers}
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    with pytest.raises(Unreachable):
        extension.ask("auth/aws/login", method="POST", document=login)
    extension.home.state = "active"
    brought = json.loads(extension.ask("auth/aws/login", method="POST", document=login).body)["auth"]["client_token"]
    assert brought in extension.home.tokens
    assert extension.away.count("POST", "auth/aws/login") == 1, "our own"
    extension.nothing_was_shown_to_the_other()


def test_a_refusal_is_looked_into_where_it_came_from(extension: Extension) -> None:
    """The first cluster would call the other one's token dead, and has no business to see it."""
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    extension.home.state = "active"
    assert extension.ask("elsewhere/data").status == 403
    assert (extension.home.logins, extension.away.logins) == (0, 1)
    extension.nothing_was_shown_to_the_other()


def test_what_concerns_a_lease_stays_where_the_token_is(extension: Extension) -> None:
    """The first cluster knows nothing of it."""
    extension.home.state = "gone"
    lease_id = json.loads(extension.ask().body)["lease_id"]
    extension.home.state = "active"
    assert extension.ask("sys/leases/lookup", method="PUT", document={"lease_id": lease_id}).ok
    assert extension.ask("auth/token/renew-self", method="PUT", document={}).ok
    assert extension.home.logins == 0


def test_health_shows_each_clusters_circuit(extension: Extension) -> None:
    """The worst of them stands for all."""
    assert extension.broker.health()["circuit"] == "closed"
    extension.home.state = "gone"
    for path in ("secret/data/records", "secret/data/one", "secret/data/two"):
        with suppress(Unreachable):
            extension.ask(path, method="POST")
    health = extension.broker.health()
    assert (health["circuit"], health["circuits"]) == ("open", {HOME: "open", AWAY: "closed"})
    extension.away.state = "gone"
    for _ in range(4):
        with suppress(Unreachable):
            extension.ask("secret/data/records")
    extension.home.state = "active"
    extension.clock.advance(31)
    assert extension.ask("secret/data/records").ok
    health = extension.broker.health()
    assert (health["circuit"], health["circuits"]) == ("open", {HOME: "closed", AWAY: "open"})


def test_what_was_leased_stays_good(extension: Extension) -> None:
    """A database user of the first cluster is served from memory until its lease is over, whoever answers meanwhile."""
    first = extension.ask()
    extension.home.state = "gone"
    extension.ask("secret/data/records")
    assert user(extension.ask()) == user(first)


def test_a_write_is_not_made_elsewhere(extension: Extension) -> None:
    """Two clusters are two truths."""
    extension.ask()
    extension.home.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask("secret/data/records", method="POST")
    assert extension.away.seen == []


def test_a_callers_own_token_stays_at_home(extension: Extension) -> None:
    """It is nobody else's business, whichever Vault is in use."""
    extension.home.state = "gone"
    assert extension.ask().ok
    with pytest.raises(Unreachable):
        extension.ask("secret/data/records", ("X-Vault-Token", "hvs.the-callers"))
    assert "hvs.the-callers" not in extension.network.tokens[AWAY]


def test_a_refusal_is_an_answer(extension: Extension) -> None:
    """A login that Vault refuses is not tried elsewhere."""
    extension.home.principal = None
    with pytest.raises(LoginRefused):
        extension.ask()
    assert extension.away.seen == []


def test_both_tokens_are_given_back_at_the_end(extension: Extension) -> None:
    """Each to its own Vault."""
    extension.ask("secret/data/records")
    extension.home.state = "gone"
    extension.ask()
    extension.home.state = "active"
    extension.clock.advance(31)
    extension.broker.close()
    assert [len(server.tokens) for server in (extension.home, extension.away)] == [1, 1]  # root's
    extension.nothing_was_shown_to_the_other()


def test_neither_answers(extension: Extension) -> None:
    """Then the error is told."""
    extension.home.state = extension.away.state = "gone"
    with pytest.raises(Unreachable):
        extension.ask()


def test_the_settings_make_the_clusters() -> None:
    """Addresses with the settings' own server id, or with none, are nodes of the first; the others are told apart by theirs."""
    several = f"https://b:1,https://c:1#x,https://d:1#{SERVER_ID},https://e:1#y,https://f:1#x"
    config = load(SETTINGS | {"VAULTGATE_ADDRESSES": several})
    assert by_server_id(config) == {"x": [origin("https://c:1"), origin("https://f:1")], "y": [origin("https://e:1")]}
    clock = MovableClock()
    assert broker_of(config, KEYS, clock, Log(io.StringIO(), "info", clock)).health()["circuit"] == "closed"
