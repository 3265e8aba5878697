"""A CloudWatch Logs that only counts: what a mirror's calls are measured against.

Rules: it does as little as it can, for it shares the machine with what it measures: a body is read, its events are counted
by one search, and it is kept in a file as it came, with the moment of its arrival; who wants to know more reads the files
afterwards. It knows no limits (the tests' simulator does) and every signature is right.

Two paths besides the service's: ``GET /-/counts`` and ``POST /-/throttle?seconds=N``, during which PutLogEvents answers with
ThrottlingException.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import ssl
import struct
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from vaultgate_ops.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = struct.Struct("<dBI")
"""Before each kept body: the moment its last byte came (seconds since 1970), 1 for a stream of proofs, its length."""

EVENT = b'"timestamp":'
"""Once in each event: inside a message its quotes are escaped."""

_PROOFS = b'.proof"'
_THROTTLED = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'
_GZIP = zlib.MAX_WBITS | 16


class Kept(NamedTuple):
    """One call of PutLogEvents.

    Attributes:
        arrived_s: seconds since 1970.
        proof: it went to a stream of proofs.
        body: its JSON.
    """

    arrived_s: float
    proof: bool
    body: bytes


def kept(folder: Path) -> Iterator[Kept]:
    """Every call that was kept, connection by connection."""
    for path in sorted(folder.glob("calls-*")):
        with path.open("rb") as file:
            while head := file.read(RECORD.size):
                arrived_s, proof, length = RECORD.unpack(head)
                yield Kept(arrived_s, bool(proof), file.read(length))


class Sink:
    """The server.

    Args:
        folder: where calls are kept.
        clock: the machine's.
        tls: the certificate to show; None for plain HTTP.
    """

    def __init__(self, folder: Path, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        self._folder, self._clock, self._tls = folder, clock, tls
        self._lock = threading.Lock()
        self._connections = 0
        self._throttled_until_s = 0.0
        self.events = 0
        self.proofs = 0
        self.calls = 0
        self.first_s = self.last_s = 0.0

    def serve(self, listener: socket.socket) -> None:
        """Take connections for ever, a thread for each."""
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        # Ends that leave in the middle are theirs to explain.
        with contextlib.suppress(OSError, ValueError), connection:
            speaking = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with self._lock:
                self._connections += 1
                number = self._connections
            with (self._folder / f"calls-{number:04}").open("wb", buffering=0) as file:
                stream = speaking.makefile("rb", buffering=256 * 1024)
                while self._one(stream, speaking, file):
                    pass

    def _one(self, stream: BinaryIO, speaking: socket.socket, file: BinaryIO) -> bool:
        first = stream.readline()
        fields: dict[str, str] = {}
        while (line := stream.readline().strip()) and first:
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        if not first:
            return False
        method, target = first.decode("latin-1").split(" ")[:2]
        body = stream.read(int(fields.get("content-length", 0)))
        if fields.get("content-encoding") == "gzip":
            body = zlib.decompress(body, _GZIP)
        status, answer = self._answer(method, target, fields.get("x-amz-target", "").rpartition(".")[2], body, file)
        reason = "OK" if status == 200 else "Bad Request"  # noqa: PLR2004 - HTTP's OK
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(answer)}\r\n\r\n"
        speaking.sendall(head.encode() + answer)
        return fields.get("connection", "").lower() != "close"

    def _answer(self, method: str, target: str, action: str, body: bytes, file: BinaryIO) -> tuple[int, bytes]:
        if target.startswith("/-/"):
            return 200, json.dumps(self._told(method, target)).encode()
        if action != "PutLogEvents":
            return 200, b'{"logGroups":[],"logStreams":[]}'
        now_s = self._clock.wall()
        if now_s < self._throttled_until_s:
            return 400, _THROTTLED
        proof = _PROOFS in body[:1024]
        file.write(RECORD.pack(now_s, proof, len(body)) + body)
        with self._lock:
            self.calls += 1
            if proof:
                self.proofs += 1
            else:
                self.events += body.count(EVENT)
                self.first_s = self.first_s or now_s
                self.last_s = now_s
        return 200, b'{"nextSequenceToken":"1"}'

    def _told(self, method: str, target: str) -> dict[str, Any]:
        if method == "POST":
            self._throttled_until_s = self._clock.wall() + float(target.partition("seconds=")[2])
        return {
            "events": self.events,
            "proofs": self.proofs,
            "calls": self.calls,
            "first_s": self.first_s,
            "last_s": self.last_s,
        }


def main() -> None:
    """Serve until killed; prints the port once it listens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    given = parser.parse_args()
    tls = None
    if given.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given.certificate, given.key)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    Sink(given.folder, Clock(), tls).serve(listener)


if __name__ == "__main__":
    main()
