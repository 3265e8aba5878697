"""A function in a VPC without any way out, as the doctor sees it; run by `test_cut_off.py` in namespaces of its own.

The network holds loopback alone, with a public and a private address on it. A port with a full queue of connections stands for
what a security group drops, an address without a route for what has none; the resolver takes questions and never answers.
Prints the report. Sources: netdevice(7); resolv.conf(5), hosts(5).
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.doctor.conftest import black_hole

from vaultgate.clock import Clock
from vaultgate_ops.doctor.doctor import diagnose

PUBLIC, PRIVATE, ROUTELESS = "52.94.1.2", "10.9.9.9", "8.8.8.8"
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_UP_AND_RUNNING = 0x41
NAMES = (
    f"127.0.0.1 localhost two.test\n127.0.0.2 two.test\n{PUBLIC} vault.test\n{PRIVATE} db.test sts.test\n{ROUTELESS} logs.test\n"
)


def address(text: str) -> bytes:
    """A sockaddr_in."""
    return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(text))


def arrange(folder: Path) -> None:
    """Make the network of this namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))
        for number, text in enumerate((PUBLIC, PRIVATE)):
            for request, value in ((_SIOCSIFADDR, text), (_SIOCSIFNETMASK, "255.255.255.255")):
                fcntl.ioctl(any_socket, request, struct.pack("16s16s", f"lo:{number}".encode(), address(value)))
    for name, content in (("hosts", NAMES), ("resolv.conf", "nameserver 127.0.0.53\n"), ("nsswitch.conf", "hosts: files dns\n")):
        (folder / name).write_text(content)
        subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True)


def main(folder: Path) -> None:
    """Look, and print."""
    arrange(folder)
    with ExitStack() as held:
        resolver = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        resolver.bind(("127.0.0.53", 53))
        public, private = held.enter_context(black_hole(PUBLIC)), held.enter_context(black_hole(PRIVATE))
        half = held.enter_context(black_hole("127.0.0.2"))
        held.enter_context(socket.create_server(("127.0.0.1", half)))
        environ = {
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_ENDPOINT_URL_STS": f"https://sts.test:{private}",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://nobody-answers.test",
            "AWS_ENDPOINT_URL_LOGS": "https://logs.test",
            "VAULT_ADDR": f"https://vault.test:{public}",
            "VAULTGATE_ADDRESSES": f"https://two.test:{half}",
            "VAULT_AUTH_ROLE": "app",
            "VAULT_IAM_SERVER_ID": "vault",
            "RECORDS_TABLE": "orders",
            "RDS_HOST": "db.test",
            "RDS_PORT": str(private),
            "RDS_DB_NAME": "shop",
        }
        print(json.dumps(diagnose(environ, Clock()).document()))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main(Path(sys.argv[1]))
