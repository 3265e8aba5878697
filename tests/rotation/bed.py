"""A database user under test with its secret: made from nothing, rotated, looked at.

Rules: each user has accounts and secrets of its own, so that tests share a server; what is compared is free of names and
hashes, and counts grants as often as the server shows them.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants.ER import ACCESS_DENIED_ERROR
from tests.rotation.faults import BreakableClient, Faults
from tests.rotation.plugins import provide
from tests.simulators.secrets_manager_direct import DirectClient

from vaultgate_ops.local.database import HOST
from vaultgate_ops.rotation.driver import Driver
from vaultgate_ops.rotation.model import PENDING, Request
from vaultgate_ops.rotation.mysql.hashes import native
from vaultgate_ops.rotation.mysql.server import tls_context
from vaultgate_ops.rotation.rotation import STRATEGIES, build
from vaultgate_ops.rotation.service import SecretsManager
from vaultgate_ops.rotation.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.simulators.clock import MovableClock
    from tests.simulators.secrets_manager_http import Served

    from vaultgate_ops.local.stack import Stack
    from vaultgate_ops.rotation.driver import Assignment
    from vaultgate_ops.rotation.engine import Engine

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
GRACE_S = 60
HOSTS = {"dual": ("%", "10.%"), "alternating": ("%", "10.%"), "single": ("%",)}
_HASH = re.compile(r"\*[0-9A-F]{40}")
_COLUMNS = re.compile(r"\(([^)]+)\)")
_GRANTS = (
    "GRANT SELECT ON shop.orders TO {account} WITH GRANT OPTION",
    "GRANT INSERT (customer, amount_cents), UPDATE (amount_cents) ON shop.orders TO {account}",
    "GRANT {role} TO {account}",
    "SET DEFAULT ROLE {role} FOR {account}",
)
_OPTIONS = ("REQUIRE SSL WITH MAX_USER_CONNECTIONS 50", "REQUIRE X509 WITH MAX_QUERIES_PER_HOUR 900")


@dataclass(frozen=True)
class State:
    """What is left of a rotation; values are N, N-1 and so on, counted from the newest.

    Attributes:
        stages: label to value.
        accounts: for the user of AWSCURRENT and its twin, and each of their hosts, SHOW CREATE USER, the grants as a multiset
            and the default role, with each hash replaced by the value that it is of.
    """

    stages: Mapping[str, str]
    accounts: Mapping[tuple[str, str], tuple[str, Counter[str], str]]


class Bed:
    """Where users grow: a server and a simulated Secrets Manager.

    Args:
        stack: has the server.
        amazon: has the secrets.
        clock: of both the secrets and the function; moved by whoever waits.
    """

    def __init__(self, stack: Stack, amazon: Served, clock: MovableClock) -> None:
        self.stack, self.amazon, self.clock = stack, amazon, clock
        self.client = DirectClient(amazon.service)
        self.tls = tls_context(str(stack.database.ca_file))
        self._root = stack.database.connect()
        password = (stack.folder / "database" / "root-password").read_text()
        master = {"engine": "mariadb", "username": "root", "password": password, "host": HOST, "port": stack.database.port}
        self.master: str = self.client.create_secret(Name=f"master-{uuid.uuid4()}", SecretString=json.dumps(master))["ARN"]
        self.execute("CREATE ROLE IF NOT EXISTS rotation_reader")
        self.execute("GRANT SELECT ON shop.orders TO rotation_reader")

    def engine(self, faults: Faults, client: Any = None) -> Engine:
        """The rotation function over doors that break where the faults say."""
        settings = load({"ROTATION_CA_BUNDLE": str(self.stack.database.ca_file)}, STRATEGIES)
        store = SecretsManager(BreakableClient(client or self.client, faults), self.clock)  # type: ignore[arg-type] - close enough
        return build(settings, store, self.clock, connect=faults.connect)

    def close(self) -> None:
        """End the administrator's session."""
        self._root.close()

    def execute(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Run a statement as the server's administrator; others may have had the server restarted since the last one."""
        try:
            self._root.ping()
        except pymysql.Error:
            self._root = self.stack.database.connect()
        with self._root.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    @contextmanager
    def plugin(self, name: str) -> Iterator[None]:
        """A server that has loaded a plugin; nobody may need it any more at the end."""
        provide(name, self.stack.database.plugin_folder)
        self.execute(f"INSTALL SONAME '{name}'")
        try:
            yield
        finally:
            self.execute(f"UNINSTALL SONAME '{name}'")

    def user(self, strategy: str, **fields: Any) -> User:
        """Make a user with one value that is current, at every host that the strategy cares for."""
        return User(self, strategy, HOSTS[strategy], fields)


class User:
    """One user, rotated by one strategy.

    Attributes:
        name: of the user of the first value.
        secret: its secret's name.
    """

    def __init__(self, bed: Bed, strategy: str, hosts: Iterable[str], fields: Mapping[str, Any]) -> None:
        self._bed = bed
        self.name = f"u{uuid.uuid4().hex[:10]}"
        self.secret = f"app/{self.name}"
        password = f"Aa1-{secrets.token_urlsafe(12)}"
        for host, options in zip(hosts, _OPTIONS, strict=False):
            account = f"'{self.name}'@'{host}'"
            bed.execute(f"CREATE USER %s@%s IDENTIFIED BY %s {options}", self.name, host, password)
            for grant in _GRANTS:
                bed.execute(grant.format(account=account, role="rotation_reader"))
        value = {
            "engine": "mariadb",
            "host": HOST,
            "port": bed.stack.database.port,
            "username": self.name,
            "password": password,
            "dbname": "shop",
            "strategy": strategy,
            **({} if strategy == "single" else {"masterarn": bed.master, "grace_s": GRACE_S}),
            **fields,
        }
        bed.client.create_secret(Name=self.secret, SecretString=json.dumps(value))
        self.values = [json.dumps(value)]

    @property
    def current(self) -> tuple[str, str]:
        """User and password that clients are told."""
        return login_of(self._bed.amazon.service.value(self.secret))

    def begin(self) -> Assignment:
        """Ask the service for a rotation; what it wants the function called with."""
        token, waiting = str(uuid.uuid4()), self._bed.amazon.service.rotations
        self._bed.client.rotate_secret(SecretId=self.secret, ClientRequestToken=token, RotationLambdaARN=FUNCTION)
        (own,) = (one for one in waiting if one.token == token)
        waiting.remove(own)
        return own

    def drive(self, assignment: Assignment, faults: Faults | None = None, attempts: int = 4, client: Any = None) -> int:
        """Call the function as the service does; gives the number of attempts.

        Args:
            assignment: what the service wants.
            faults: what breaks.
            attempts: at most.
            client: boto3's, where the wire matters.
        """
        faults = faults or Faults()
        engine = self._bed.engine(faults, client)
        driver = Driver(
            lambda event: faults.invoke(lambda: engine.step(Request.parse(event))), self._bed.clock, attempts=attempts, pause_s=2
        )
        attempts = driver.drive(assignment)
        self._bed.amazon.service.end(assignment)
        self.values.append(self._bed.amazon.service.value(self.secret))
        return attempts

    def step(self, assignment: Assignment, step: str, client: Any = None) -> str:
        """Call the function once, for one step; gives what it says.

        Args:
            assignment: whose.
            step: in camelCase.
            client: of another region.
        """
        faults = Faults()
        engine = self._bed.engine(faults, client)
        said: list[str] = []
        event = Driver(lambda _: None, self._bed.clock).event(assignment, step)
        faults.invoke(lambda: said.append(engine.step(Request.parse(event))))
        return said[0]

    def sweep(self) -> str:
        """End what is older than AWSCURRENT, if its time has come; gives what the function says."""
        return self._bed.engine(Faults()).sweep(self.secret)

    def drop_previous(self) -> str:
        """End what is older than AWSCURRENT and its sessions at once."""
        return self._bed.engine(Faults()).drop_previous(self.secret)

    def rotate(self, times: int = 1) -> None:
        """Rotate without any fault."""
        for _ in range(times):
            self.drive(self.begin())

    def works(self, place: int) -> bool:
        """Whether the value at a place of the row of all values, -1 being the newest, still logs in."""
        return self._admits(self.values[place])

    def admits_pending(self) -> bool:
        """Whether the value that waits for its promotion logs in."""
        return self._admits(self._bed.amazon.service.value(self.secret, PENDING))

    def _admits(self, text: str) -> bool:
        try:
            self.login(login_of(text))
        except pymysql.OperationalError as error:
            if error.args[0] != ACCESS_DENIED_ERROR:
                raise
            return False
        return True

    def login(self, login: tuple[str, str]) -> None:
        """Log in over TLS, and out."""
        self._connect(login).close()

    @contextmanager
    def session(self, place: int) -> Iterator[Any]:
        """A connection made with the value at a place."""
        connection = self._connect(login_of(self.values[place]))
        yield connection
        with suppress(pymysql.MySQLError):
            connection.close()

    def _connect(self, login: tuple[str, str]) -> Any:
        user, password = login
        port = self._bed.stack.database.port
        return pymysql.connect(host=HOST, port=port, user=user, password=password, ssl=self._bed.tls, connect_timeout=10)

    def state(self) -> State:
        """What there is now."""
        age = {text: f"N-{back}" for back, text in enumerate(reversed(self.values))}
        hashes = {native(login_of(text)[1]): age[text] for text in self.values}
        now = self.current[0]
        twin = self.name if now != self.name else f"{self.name}_clone"
        accounts = {}
        for role, name in (("current", now), ("twin", twin)):
            for host, default_role in self._bed.execute("SELECT host, default_role FROM mysql.user WHERE user = %s", name):
                shown = self._bed.execute("SHOW CREATE USER %s@%s", name, host) + self._bed.execute(
                    "SHOW GRANTS FOR %s@%s", name, host
                )
                create, *grants = [_plain(text, hashes).replace(name, "U") for (text,) in shown]
                accounts[role, host] = (create, Counter(grants), default_role)
        return State({stage: age[text] for stage, text in self.staged().items()}, accounts)

    def staged(self) -> dict[str, str]:
        """The value of each stage."""
        service = self._bed.amazon.service
        return {stage: service.value(self.secret, stage) for stage in service.stages(self.secret)}


def _plain(text: str, hashes: Mapping[str, str]) -> str:
    """What the server shows, with hashes named, and columns, which it keeps in no order, sorted."""
    named = _HASH.sub(lambda found: hashes.get(found[0], "?"), text)
    return _COLUMNS.sub(lambda found: f"({', '.join(sorted(found[1].split(', ')))})", named)


def login_of(text: str) -> tuple[str, str]:
    """A value's user and password."""
    value = json.loads(text)
    return value["username"], value["password"]
