"""What a function sees when something fails, row by row, with the real Vault: docs/operations.md has the table.

The function reads one secret at each invocation. A row's bound is what its slowest invocation may take; the table's figures
were measured, see `measured`.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulators.certificates import DAY, Authority
from tests.simulators.loopback import loopback
from tests.simulators.obstacle import relaying
from tests.simulators.reader import SECRET, reader

from vaultgate.model import Answer, Request
from vaultgate_ops.clock import Clock
from vaultgate_ops.local import markers, paths
from vaultgate_ops.local.fetch.emulator import find_emulator
from vaultgate_ops.local.function_endpoint import InitFailed
from vaultgate_ops.local.proxy_events import GET_RECORDS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.local.sandbox import Sandbox
    from vaultgate_ops.local.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("chaos")]

CREDS = "database/creds/records"
PAGE = paths.checkout() / "docs" / "operations.md"
FIELDS = ["data", "metadata"]
# The clock is the only door to time: this is how it tells another one, which a test sets while the sandbox lives.
SKEW = """

def _skewed(self: Clock) -> float:
    try:
        with open("/tmp/skew", encoding="ascii") as file:
            return time.time() + float(file.read())
    except OSError:
        return time.time()


Clock.wall = _skewed
Clock.now = lambda self: Instant(self.wall(), time.monotonic())
"""


@dataclass
class Scene:
    """A stack to break, and functions that read from its Vault.

    Attributes:
        slowest_s: what the slowest invocation so far took, but for the first of each sandbox.
    """

    stack: Stack
    folder: Path
    held: ExitStack
    slowest_s: float = 0.0
    _clock: Clock = field(default_factory=Clock)
    _started: int = 0

    def start(
        self, *, timeout_s: int = 30, layer: Path | None = None, emulator: Path | None = None, **environment: str
    ) -> Sandbox:
        """A sandbox of the reader; it is killed at the end."""
        self._started += 1
        name = f"{self.folder.name}-{self._started}"
        sandbox = reader(self.stack, self.folder / "code", name, environment, timeout_s, layer=layer, emulator=emulator)
        self.held.callback(sandbox.kill)
        sandbox.start()
        return sandbox

    def read(self, sandbox: Sandbox, path: str = SECRET) -> dict[str, Any]:
        """What an invocation gave."""
        began = self._clock.steady()
        answer: dict[str, Any] = sandbox.invoke({"path": path})
        self.slowest_s = max(self.slowest_s, self._clock.steady() - began)
        return answer

    def fine(self, sandbox: Sandbox, path: str = SECRET) -> bool:
        """Whether the secret was read."""
        return "fields" in self.read(sandbox, path)

    def behind(self, instead: Callable[[Request], Answer | None], ends: dt.timedelta = DAY) -> dict[str, str]:
        """Settings for a Vault with something before it; its certificate's authority and the stack's are trusted."""
        authority = Authority(self.folder)
        server = self.held.enter_context(loopback(relaying(self.stack, instead), authority.server("127.0.0.1", ends)))
        both = self.folder / "both.pem"
        both.write_bytes(authority.certificate_file.read_bytes() + self.stack.vault.ca_file.read_bytes())
        return {"VAULT_ADDR": str(server.origin), "VAULT_CACERT": str(both)}

    def signal_vault(self, what: signal.Signals) -> None:
        """Send Vault's process a signal."""
        for found in markers.find(self.stack.folder, "vault"):
            found.identity.send(what)


@dataclass(frozen=True)
class Row:
    """One line of the table: what happens, and how long an invocation may take."""

    happen: Callable[[Scene], None]
    within_s: float

    @property
    def seen(self) -> str:
        """What the function sees."""
        return " ".join((self.happen.__doc__ or "").split())


ROWS: dict[str, Row] = {}


def row(trouble: str, within_s: float) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Name a row."""

    def named(happen: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ROWS[trouble] = Row(happen, within_s)
        return happen

    return named


@row("Vault is killed and restarted", 3)
def killed(scene: Scene) -> None:
    """`unreachable` at once; leased secrets go on from memory; after the restart the same token reads again."""
    sandbox = scene.start()
    assert scene.fine(sandbox)
    assert scene.fine(sandbox, CREDS)
    scene.stack.vault.kill()
    scene.held.callback(scene.stack.vault.restart)
    assert scene.read(sandbox)["code"] == "unreachable"
    assert scene.fine(sandbox, CREDS)
    scene.stack.vault.start()
    assert scene.fine(sandbox)
    assert sandbox.log().count('"event": "login"') == 1


@row("Vault is sealed and unsealed", 3)
def sealed(scene: Scene) -> None:
    """Vault's 503, which is `unreachable` to the client; once unsealed, the same token reads again."""
    sandbox = scene.start()
    assert scene.fine(sandbox)
    with scene.stack.vault.client() as client:
        client.sys.seal()
    scene.held.callback(scene.stack.vault.restart)
    answer = scene.read(sandbox)
    assert (answer["code"], "Vault is sealed" in answer["message"]) == ("unreachable", True)
    scene.stack.vault.restart()
    assert scene.fine(sandbox)


@row("Vault is slow: 2 s for each answer", 7)
def slow(scene: Scene) -> None:
    """The secret, after the login's and the read's own time."""

    def late(_: Request) -> None:
        threading.Event().wait(2)

    assert scene.fine(scene.start(**scene.behind(late)))


@row("Vault is a black hole", 5.5)
def black_hole(scene: Scene) -> None:
    """`deadline` shortly before the function's own time-out of 5 s; after three of them `circuit-open` at once."""
    sandbox = scene.start(timeout_s=5)
    assert scene.fine(sandbox)
    scene.held.callback(scene.signal_vault, signal.SIGCONT)
    scene.signal_vault(signal.SIGSTOP)
    assert [scene.read(sandbox)["code"] for _ in range(4)] == ["deadline"] * 3 + ["circuit-open"]


@row("Vault limits rates: 429", 4)
def limited(scene: Scene) -> None:
    """The secret, after the time that Vault's Retry-After asks for."""
    sandbox = scene.start()
    with scene.stack.vault.client() as client:
        client.write_data("sys/quotas/config", data={"enable_rate_limit_response_headers": True})
        client.write_data("sys/quotas/rate-limit/chaos", data={"path": "secret/", "rate": 1, "interval": "1s"})
        try:
            assert [scene.fine(sandbox) for _ in range(4)] == [True] * 4
        finally:
            client.delete("sys/quotas/rate-limit/chaos")


@row("A proxy before Vault says 503 twice", 3)
def unavailable(scene: Scene) -> None:
    """The secret, after two retries."""
    left = [Answer(503), Answer(503)]
    sandbox = scene.start(**scene.behind(lambda request: left.pop() if left and request.path.endswith(SECRET) else None))
    assert scene.fine(sandbox)
    assert left == []


@row("A standby redirects to the node that leads", 3)
def redirected(scene: Scene) -> None:
    """The secret, if the settings name that node; otherwise `unreachable`, which says what to add, and no token goes there."""
    leader = scene.stack.vault.address

    def elsewhere(request: Request) -> Answer | None:
        return Answer(307, (("Location", leader + request.target),)) if request.path.endswith(SECRET) else None

    behind = scene.behind(elsewhere)
    assert scene.fine(scene.start(**behind, VAULTGATE_ADDRESSES=leader))
    answer = scene.read(scene.start(**behind, VAULT_MAX_RETRIES="0"))
    assert (answer["code"], "VAULTGATE_ADDRESSES" in answer["hint"]) == ("unreachable", True)


@row("VAULT_CACERT is another authority's", 3)
def wrong_authority(scene: Scene) -> None:
    """`unreachable` with the TLS library's words; the hint is VAULT_CACERT."""
    other = Authority(scene.folder, "another").certificate_file
    answer = scene.read(scene.start(VAULT_CACERT=str(other)))
    assert (answer["code"], "VAULT_CACERT" in answer["hint"]) == ("unreachable", True)


@row("Vault's certificate has expired", 3)
def expired(scene: Scene) -> None:
    """`unreachable`, which says that it has expired."""
    answer = scene.read(scene.start(**scene.behind(lambda _: None, ends=-DAY)))
    assert (answer["code"], "expired" in answer["message"]) == ("unreachable", True)


def jump(scene: Scene, seconds: int) -> Sandbox:
    """A sandbox whose wall clock jumps after a secret was leased."""
    layer = scene.folder / "layer"
    shutil.copytree(paths.build_folder() / "layer", layer)
    for stale in (layer / "python/vaultgate/__pycache__").glob("clock.*"):
        stale.unlink()
    with (layer / "python/vaultgate/clock.py").open("a", encoding="utf-8") as file:
        file.write(SKEW)
    sandbox = scene.start(layer=layer)
    assert scene.fine(sandbox, CREDS)
    (scratch,) = scene.stack.folder.glob(f"sandboxes/{scene.folder.name}-*/tmp")
    (scratch / "skew").write_text(str(seconds), encoding="ascii")
    assert scene.fine(sandbox, CREDS)
    return sandbox


@row("The clock jumps an hour ahead", 4)
def ahead(scene: Scene) -> None:
    """The secret, with a new login and a new lease: what may be over is not used."""
    sandbox = jump(scene, 3600)
    # The invocation's beginning may notice it first, or the function's read.
    assert sandbox.log().count('"event": "login"') == 2
    assert sandbox.log().count('"event": "login"') == 2


@row("The clock is set back an hour", 3)
def back(scene: Scene) -> None:
    """The secret from memory: the steady clock goes on counting."""
    sandbox = jump(scene, -3600)
    assert scene.fine(sandbox)
    assert sandbox.log().count('"event": "login"') == 1


# Another /tmp, in which the folders that the sandbox must see, a checkout for example, stay where they are.
SMALL_TMP = """kept=$(awk '$5 ~ "^/tmp/" {print $5}' /proc/self/mountinfo)
mount --rbind /tmp /mnt && mount -t tmpfs -o size=16k tmpfs /tmp || exit 1
for folder in $kept; do mkdir -p "$folder" && mount --rbind "/mnt${folder#/tmp}" "$folder" || exit 1; done
umount --lazy /mnt
"""


def mounted(scene: Scene, script: str) -> Path:
    """An emulator before which something happens to /tmp."""
    program = scene.folder / "emulator"
    program.write_text(f'#!/bin/sh\n{SMALL_TMP}{script}\nexec {find_emulator()} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return program


@row("/tmp is full", 3)  # noqa: S108 - a title
def full(scene: Scene) -> None:
    """The secret; nothing is kept in the function's memory, and the log says why. A file that was asked for fails the init."""
    emulator = mounted(scene, "head -c 1000000 /dev/zero > /tmp/filler")
    assert scene.fine(scene.start(emulator=emulator))
    with pytest.raises(InitFailed, match="No space left"):
        scene.read(scene.start(emulator=emulator, VAULT_SECRET_PATH=SECRET))


@row("/tmp is read-only", 3)  # noqa: S108 - a title
def read_only(scene: Scene) -> None:
    """The same."""
    emulator = mounted(scene, "mount -o remount,ro /tmp")
    assert scene.fine(scene.start(emulator=emulator))
    with pytest.raises(InitFailed, match="Read-only file system"):
        scene.read(scene.start(emulator=emulator, VAULT_SECRET_PATH=SECRET))


@row("The extension's port is taken", 3)
def taken(scene: Scene) -> None:
    """The init fails, with the port and the variable in its text."""
    holder = scene.held.enter_context(socket.create_server(("127.0.0.1", 0)))
    with pytest.raises(InitFailed, match="VAULTGATE_LISTEN"):
        scene.read(scene.start(VAULTGATE_LISTEN=f"127.0.0.1:{holder.getsockname()[1]}"))


@row("The database is down", 12)
def database_down(scene: Scene) -> None:
    """Vault's 500, `unreachable` to the client; once the database is back, credentials come again."""
    sandbox = scene.start()
    assert scene.fine(sandbox)
    scene.stack.database.stop()
    try:
        assert scene.read(sandbox, CREDS)["code"] == "unreachable"
    finally:
        scene.stack.database.start()
    assert scene.fine(sandbox, CREDS)


@row("STS refuses the signature", 4)
def refused(scene: Scene) -> None:
    """`login-refused`, with Vault's words and the likely setting."""
    answer = scene.read(scene.start(AWS_SECRET_ACCESS_KEY="not-the-one"))
    assert (answer["code"], "sts_region" in answer["hint"]) == ("login-refused", True)


@row("The database user's password is rotated", 3)
def rotated(scene: Scene) -> None:
    """The count: a connection that is refused makes the function read past every memory, once."""
    sandbox = scene.stack.sandbox({"RECORDS_SECRET_PATH": "database/static-creds/records-static"}, name=scene.folder.name)
    scene.held.callback(sandbox.kill)
    sandbox.start()
    assert sandbox.invoke(GET_RECORDS)["statusCode"] == 200
    with scene.stack.vault.client() as client:
        client.write_data("database/rotate-role/records-static", data={})
    assert sandbox.invoke(GET_RECORDS)["statusCode"] == 200


@pytest.fixture
def scene(stack: Stack, request: pytest.FixtureRequest, store: Callable[..., object]) -> Iterator[Scene]:
    """A scene for one row; what it broke is mended."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.callspec.id.lower()).strip("-")
    folder = stack.folder / f"chaos-{name}"[:60]
    folder.mkdir()
    store(greeting="hello")
    with ExitStack() as held:
        yield Scene(stack, folder, held)


@pytest.mark.parametrize("trouble", ROWS)
def test_a_function_sees_what_the_table_says(trouble: str, scene: Scene) -> None:
    """The row's outcome, and no invocation takes longer than the row allows."""
    ROWS[trouble].happen(scene)
    measured(trouble, scene.slowest_s)
    assert scene.slowest_s <= ROWS[trouble].within_s


def measured(trouble: str, seconds: float) -> None:
    """Keep the figure, for the table in docs/operations.md: build/chaos/ has one file per row."""
    folder = paths.build_folder() / "chaos"
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", trouble.lower()).strip("-")
    (folder / f"{name}.json").write_text(json.dumps({"trouble": trouble, "seconds": round(seconds, 2)}), encoding="utf-8")


def test_the_page_has_every_row() -> None:
    """docs/operations.md shows each row's trouble, outcome and bound, and no other row."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| [0-9.]+ s \| (.+?) s \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(trouble, one.seen.rstrip("."), f"{one.within_s:g}") for trouble, one in ROWS.items()]
