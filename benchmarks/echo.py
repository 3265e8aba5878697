"""A server that answers each request with the same bytes: what a read costs before anything is decided about it.

    python -m benchmarks.echo --listen PORT --size BYTES

Rules: one thread per connection, as the extension's door has; a request ends with its head; nothing is parsed. So the
difference to a read through a proxy is that proxy's own work, and the rest is the client's and the kernel's: two system
calls on each side, and the wake-up of a process on each.
"""

from __future__ import annotations

import argparse
import socket
import threading

_END = b"\r\n\r\n"


def serve(listener: socket.socket, answer: bytes) -> None:
    """Answer on each connection until the process ends or the listener is shut down."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_converse, args=(connection, answer), daemon=True).start()


def _converse(connection: socket.socket, answer: bytes) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while piece := connection.recv(65536):
            received += piece
            if received.endswith(_END):
                received = b""
                connection.sendall(answer)


def answer_of(size: int) -> bytes:
    """An answer with the headers of a kept credential and a body of so many bytes."""
    head = (
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 06:00:00 GMT\r\n"
        "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\nX-Vaultgate-Cache: hit\r\n"
        f"X-Vaultgate-Lease-Remaining: 589\r\nAge: 1\r\nContent-Length: {size}"
    )
    return head.encode() + _END + b"x" * size


def main() -> None:
    """Serve on a loopback port."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--listen", type=int, required=True, metavar="PORT", help="on 127.0.0.1")
    parser.add_argument("--size", type=int, required=True, metavar="BYTES", help="of the body")
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", arguments.listen)) as listener:
        serve(listener, answer_of(arguments.size))


if __name__ == "__main__":
    main()
