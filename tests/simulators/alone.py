"""An extension on the port that it has by default, alone in a network of its own: nothing else can be on that port there.

`PROGRAM` is run by a Python in a fresh network namespace, from the checkout; it prints what the door answered to a read.
"""

PROGRAM = """
import fcntl, os, socket, struct, sys
sys.path[:0] = ["build/layer/python", "src", "."]
flags = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")  # IFF_UP | IFF_RUNNING
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS, netdevice(7)
from tests.simulators.clock import MovableClock
from tests.simulators.extension import KEYS
from tests.simulators.lambda_api import lambda_api
from tests.simulators.lives import Life
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

with loopback(over_http(SimulatedVault(MovableClock()))) as vault, lambda_api() as api:
    settings = {"VAULT_ADDR": str(vault.origin), "VAULT_AUTH_ROLE": "records", "VAULT_IAM_SERVER_ID": SERVER_ID}
    with Life(KEYS | settings, api, 8200) as one:
        print(one.until_ready().ask("secret/data/records").text)
"""
