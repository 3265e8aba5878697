"""The secret of the door: who can read our file comes in, from a real disk to a real socket."""

from __future__ import annotations

import http.client
import os
import socket
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.extension import CREDS, Extension

from vaultgate.client import Client
from vaultgate.clock import Clock
from vaultgate.door_secret import DoorSecret, file_of, told
from vaultgate.errors import Refused, Unwritable
from vaultgate.generation import Watch
from vaultgate.model import Answer, Origin, Request
from vaultgate.outlets.proxy import Proxy, bind
from vaultgate.secret import Secret
from vaultgate.transport import Connections
from vaultgate.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = ("127.0.0.1", 8299)
INTENT = ("X-Vault-Request", "true")


def shown(root: Path, listen: tuple[str, int] = LISTEN) -> str:
    """What the file says."""
    name, value = told(listen, str(root))
    assert name == "X-Vaultgate-Secret"
    return value


def test_only_we_can_read_it(tmp_path: Path) -> None:
    """The file is ours alone whatever the umask, says what the door wants to see, and goes away with us."""
    before = os.umask(0)
    door = DoorSecret(LISTEN, str(tmp_path))
    try:
        assert door.current() is None
        door.begin()
    finally:
        os.umask(before)
    (file,) = tmp_path.iterdir()
    assert str(file) == file_of(LISTEN, str(tmp_path))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = door.current()
    assert secret is not None
    assert shown(tmp_path) == secret.reveal()
    assert len(shown(tmp_path)) == 64
    door.end()
    door.end()
    assert list(tmp_path.iterdir()) == []


def test_each_life_has_its_own(tmp_path: Path) -> None:
    """A secret is never the one before, neither in another life nor after another beginning; what is left over is replaced."""
    seen = set()
    for _ in range(3):
        door = DoorSecret(LISTEN, str(tmp_path))
        for _ in range(2):
            door.begin()
            seen.add(shown(tmp_path))
    assert len(seen) == 6


def test_two_extensions_do_not_share_one(tmp_path: Path) -> None:
    """The file is the address's: who asks at another port shows another secret."""
    for port in (8298, 8299):
        DoorSecret(("127.0.0.1", port), str(tmp_path)).begin()
    assert shown(tmp_path, ("127.0.0.1", 8298)) != shown(tmp_path)


def test_a_link_in_its_place_is_replaced(tmp_path: Path) -> None:
    """What somebody put in the file's place is not written through."""
    other = tmp_path / "other"
    other.write_text("precious")
    Path(file_of(LISTEN, str(tmp_path))).symlink_to(other)
    DoorSecret(LISTEN, str(tmp_path)).begin()
    assert other.read_text() == "precious"
    assert shown(tmp_path)


def test_without_a_place_there_is_no_door(tmp_path: Path) -> None:
    """Where the file can't be, the start fails: a door that nobody can pass helps nobody."""
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="file/vaultgate-"):
        DoorSecret(LISTEN, str(tmp_path / "file")).begin()


@pytest.mark.parametrize("planted", ["open", "link", "folder", "pipe", "absent"])
def test_what_may_be_somebody_elses_is_not_shown(tmp_path: Path, planted: str) -> None:
    """The function shows nothing that others may write or read, follows no link, waits for no writer, and says what is wrong."""
    file = Path(file_of(LISTEN, str(tmp_path)))
    if planted == "open":
        file.write_text("x")
        file.chmod(0o644)
    elif planted == "link":
        (tmp_path / "other").write_text("x")
        (tmp_path / "other").chmod(0o600)
        file.symlink_to(tmp_path / "other")
    elif planted == "folder":
        file.mkdir(mode=0o700)
    elif planted == "pipe":
        os.mkfifo(file, 0o600)
    with pytest.raises(Refused, match=f"{file}") as refused:
        told(LISTEN, str(tmp_path))
    assert refused.value.hint


class Open:
    """A door in mode `secret`, and a client beside it."""

    def __init__(self, root: Path, extension: Extension, listener: socket.socket, connections: Connections) -> None:
        self.extension = extension
        self.listen: tuple[str, int] = listener.getsockname()[:2]
        self.door = DoorSecret(self.listen, str(root))
        self.door.begin()
        clock = Clock()
        read = lambda: (INTENT, told(self.listen, str(root)))  # noqa: E731 - as `client` makes it
        self.client = Client(self.listen, 10, connections, clock, Watch(self.listen, str(root)), shown=read)

    def fetch(self, *headers: tuple[str, str]) -> int:
        """The status that an ordinary HTTP client gets."""
        connection = http.client.HTTPConnection(*self.listen, timeout=10)
        try:
            connection.request("GET", f"/v1/{CREDS}", headers=dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def serving(root: Path) -> Iterator[Open]:
    """Such a door while the block runs."""
    extension = Extension()
    listener = bind(("127.0.0.1", 0))
    connections = Connections(Clock())
    opened = Open(root, extension, listener, connections)
    proxy = Proxy(listener, extension.broker, "secret", extension.log, secret=opened.door.current)
    proxy.start()
    try:
        yield opened
    finally:
        connections.close()
        listener.shutdown(socket.SHUT_RDWR)
        proxy.close()


def test_the_client_comes_in_and_a_forged_request_does_not(tmp_path: Path) -> None:
    """The client reads the secret by itself, also one made anew; whoever can't read it is refused, whatever else is sent."""
    with serving(tmp_path) as opened:
        assert opened.client.read(CREDS).data["username"]
        assert opened.fetch(INTENT) == 403
        assert opened.fetch(INTENT, ("X-Vault-Token", "vaultgate")) == 403
        assert opened.fetch(("X-Vault-Token", opened.extension.server.root_token)) == 403
        old = told(opened.listen, str(tmp_path))
        assert opened.fetch(old) == 200
        opened.door.begin()
        assert opened.fetch(old) == 403
        assert opened.client.read("secret/data/records").data


class _Vault:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.headers: list[str] = []

    def exchange(self, origin: Origin, request: Request, deadline: float) -> Answer:  # noqa: ARG002 - a transport's shape
        self.headers += [name.lower() for name, _ in request.headers]
        return Answer(200)


def test_vault_does_not_hear_the_secret() -> None:
    """What was shown at the door isn't sent on."""
    upstream = _Vault()
    vault = Vault(upstream, Origin("https", "vault.example.com", 8200), None, 0, Clock())
    request = Request("GET", "/v1/a", (("X-Vaultgate-Secret", "shown"), ("X-Custom", "kept")))
    vault.forward(request, Secret("token"), Clock().steady() + 10)
    assert "x-custom" in upstream.headers
    assert "x-vaultgate-secret" not in upstream.headers


def test_the_log_does_not_repeat_it(tmp_path: Path) -> None:
    """Neither the secret nor a wrong guess at it stands in the log."""
    with serving(tmp_path) as opened:
        opened.client.read(CREDS)
        opened.fetch(("X-Vaultgate-Secret", "a-wrong-guess"))
        secret = opened.door.current()
        assert secret is not None
        assert secret.reveal() not in str(opened.extension.logged)
        assert "a-wrong-guess" not in str(opened.extension.logged)
