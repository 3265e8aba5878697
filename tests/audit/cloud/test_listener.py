"""Vault's socket and syslog devices, spooled: what is received is written, what is lost can be counted."""

from __future__ import annotations

import logging
import socket
import stat
import statistics
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from vaultgate_ops.audit.framing import Frames, entry_of
from vaultgate_ops.audit.listener import Listener, address
from vaultgate_ops.audit.reconcile import reconcile
from vaultgate_ops.cli.main import cli
from vaultgate_ops.clock import Clock
from vaultgate_ops.errors import CheckFailed, Denied, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vaultgate_ops.local.stack import Stack

LOG = logging.getLogger(__name__)
ENTRY = b'{"auth":{},"time":"2026-11-21T11:59:59Z","type":"request"}'


@contextmanager
def listening(text: str, spool: Path, said: list[str] | None = None) -> Iterator[Listener]:
    """A listener that runs while the block does."""
    made = Listener(address(text), spool, (said if said is not None else []).append)
    stopping = threading.Event()
    thread = threading.Thread(target=made.run, args=(stopping,))
    thread.start()
    try:
        yield made
    finally:
        stopping.set()
        thread.join()
        made.close()


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line[:1].isdigit())), st.data())
def test_frames_survive_any_cut(lines: list[bytes], data: st.DataObject) -> None:
    """Counted or ended by a newline, mixed, and received in any pieces."""
    stream = b"".join(b"%d %b" % (len(line), line) if data.draw(st.booleans()) and line else line + b"\n" for line in lines)
    frames, found, place = Frames(counted=True), [], 0
    while place < len(stream):
        step = data.draw(st.integers(1, 9))
        found += frames.feed(stream[place : place + step])
        place += step
    assert (found, frames.unfinished) == (lines, b"")


@pytest.mark.parametrize(
    "message",
    [
        ENTRY,
        b"<86>Nov 21 11:59:59 vault[4711]: " + ENTRY,
        b"<86>Nov  1 11:59:59 node-1 vault[4711]: " + ENTRY,
        b"<86>Nov 21 11:59:59 node-1 vault: " + ENTRY,
        b"<86>1 2026-11-21T11:59:59.123Z node-1 vault 4711 - - " + ENTRY,
        b'<86>1 2026-11-21T11:59:59.123Z node-1 vault 4711 ID47 [a@1 b="c\\]"][d@1] \xef\xbb\xbf' + ENTRY,
        b"<86>" + ENTRY,
    ],
)
def test_what_syslog_puts_before_an_entry_is_taken_away(message: bytes) -> None:
    """In both of its forms; what is neither is kept whole."""
    assert entry_of(message) == ENTRY


@pytest.mark.parametrize("kind", ["tcp", "udp", "unix", "unixgram", "syslog+tcp", "syslog+udp", "syslog+unixgram"])
def test_what_is_received_is_in_the_spool(tmp_path: Path, eventually: Callable[[Callable[[], object]], None], kind: str) -> None:
    """By every kind of socket; nobody else may read it."""
    spool, path = tmp_path / "spool.log", tmp_path / "s"
    local = kind.endswith(("unix", "unixgram"))
    with listening(f"{kind}://{path if local else '127.0.0.1:0'}", spool) as listener:
        sort = socket.SOCK_DGRAM if kind.endswith(("udp", "gram")) else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX if local else socket.AF_INET, sort) as client:
            client.connect(str(path) if local else ("127.0.0.1", listener.port))
            header = b"<86>Nov 21 11:59:59 vault[1]: " if kind.startswith("syslog") else b""
            for _ in range(3):
                client.sendall(header + ENTRY + b"\n")
            eventually(lambda: spool.read_bytes() == (ENTRY + b"\n") * 3)
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_connection_that_ends_within_an_entry_leaves_a_fragment(
    tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    """Kept as a line of its own, counted, and told."""
    said: list[str] = []
    spool = tmp_path / "spool.log"
    with listening("tcp://127.0.0.1:0", spool, said) as listener:
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(ENTRY + b"\n" + ENTRY[:20])
        eventually(lambda: listener.fragments == 1)
    assert spool.read_bytes() == ENTRY + b"\n" + ENTRY[:20] + b"\n"
    assert "first 20 bytes" in said[0]


def test_what_the_kernel_has_taken_is_written_at_the_end(tmp_path: Path) -> None:
    """A listener that is told to stop before it looked: a connection that waits, and what it has sent."""
    spool = tmp_path / "spool.log"
    listener = Listener(address("tcp://127.0.0.1:0"), spool, print)
    with socket.create_connection(("127.0.0.1", listener.port)) as client:
        client.sendall((ENTRY + b"\n") * 3)
        stopping = threading.Event()
        stopping.set()
        listener.run(stopping)
        listener.close()
    assert spool.read_bytes() == (ENTRY + b"\n") * 3


@pytest.mark.parametrize(
    "text",
    [
        "tcp",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:65536",
        "udp://127.0.0.1:\u00b2",
        "http://127.0.0.1:1",
        "syslog+://x",
        "unix://",
    ],
)
def test_nowhere_to_listen_is_said(text: str) -> None:
    """With what would be right."""
    with pytest.raises(UsageProblem):
        address(text)


def test_what_is_taken_is_not_taken_away(tmp_path: Path) -> None:
    """A port of somebody else's, a file where the socket should be, a path that no socket may have, a spool that is a link."""
    file = tmp_path / "file"
    file.write_text("somebody's")
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Denied):
        Listener(address(f"tcp://127.0.0.1:{other.getsockname()[1]}"), tmp_path / "spool", print)
    with pytest.raises(Denied):
        Listener(address(f"unix://{file}"), tmp_path / "spool", print)
    with pytest.raises(Denied, match="path too long"):
        Listener(address(f"unix://{tmp_path / ('x' * 108)}"), tmp_path / "spool", print)
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(Denied):
        Listener(address("tcp://127.0.0.1:0"), link, print)
    assert file.read_text() == "somebody's"


def test_what_a_real_vault_loses_while_nobody_listens_is_counted(
    stack: Stack,
    tmp_path: Path,
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    """A socket device beside the file device: entries of the time without a listener are named, and those before it are not.

    How long Vault's requests took with and without one is told to the log (`--log-cli-level INFO`), and never judged.
    """
    clock = Clock()

    def read(times: int, name: str) -> None:
        took_ms = []
        for _ in range(times):
            began_s = clock.steady()
            client.read("secret/data/records")
            took_ms.append((clock.steady() - began_s) * 1000)
        LOG.info("requests, %s: %.1f ms, the longest %.1f ms", name, statistics.median(took_ms), max(took_ms))

    spool, file = tmp_path / "spool.log", tmp_path / "file.log"
    with stack.vault.client(stack.vault.root_token) as client:
        begin = stack.vault.audit_file.stat().st_size
        with listening("tcp://127.0.0.1:0", spool) as listener:
            options = {"address": f"127.0.0.1:{listener.port}", "socket_type": "tcp", "write_timeout": "1s"}
            client.sys.enable_audit_device("socket", path="socket-of-a-test", options=options)
            try:
                read(5, "listening")
                eventually(lambda: spool.read_bytes().count(b'"path":"secret/data/records"') == 10)
                whole = stack.vault.audit_file.read_bytes()[begin:]
            except BaseException:
                client.sys.disable_audit_device("socket-of-a-test")
                raise
        try:
            read(5, "nobody listens")
        finally:
            client.sys.disable_audit_device("socket-of-a-test")
    lines = [line for line in whole.splitlines(keepends=True) if b'"path":"secret/data/records"' in line]
    file.write_bytes(b"".join(lines))
    assert reconcile(file, spool).lost == []
    everything = stack.vault.audit_file.read_bytes()[begin:].splitlines(keepends=True)
    reads = [line for line in everything if b'"path":"secret/data/records"' in line]
    file.write_bytes(b"".join(reads))
    found = reconcile(file, spool)
    # A first write into a dead connection seems to succeed: that is why a socket can't promise anything.
    assert (found.entries, len(found.lost)) == (20, 10)
    said = CliRunner().invoke(cli, ["mirror", "reconcile", "--file", str(file), "--spool", str(spool)], standalone_mode=False)
    assert isinstance(said.exception, CheckFailed)
    assert "20 entries in the file, 10 of them not in the spool" in said.output
