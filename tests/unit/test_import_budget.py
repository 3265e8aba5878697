"""What a cold start imports: each module costs every sandbox its milliseconds, so a list says which may be there.

The list is import_budget.json: what Python's interpreter itself loads is taken off, `registering` is what the extension has
imported when it registers, `login` what the first login over TLS adds. It holds what any of Python 3.11, 3.12 and 3.13 loads;
one version may load less, none may load more.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.simulators.certificates import Authority
from tests.simulators.clock import MovableClock
from tests.simulators.extension import KEYS
from tests.simulators.loopback import loopback
from tests.simulators.vault import SERVER_ID, SimulatedVault, over_http

import vaultgate

if TYPE_CHECKING:
    from collections.abc import Iterator

BUDGET = json.loads(Path(__file__).with_name("import_budget.json").read_text(encoding="utf-8"))
PACKAGE = str(Path(vaultgate.__file__).parents[1])

# What the launcher runs, with eyes: it reports what is loaded at each of the two moments.
PROGRAM = """
import sys
before = set(sys.modules)
sys.path.append(sys.argv[1])
import vaultgate.__main__
registering = set(sys.modules)
from vaultgate import config
from vaultgate.auth import AwsLogin
from vaultgate.broker import Broker
from vaultgate.clock import Clock
from vaultgate.credentials import Credentials
from vaultgate.log import Log
from vaultgate.transport import Connections
from vaultgate.vault import Vault
import os
environ = dict(os.environ)
clock = Clock()
settings = config.load(environ)
network = Connections(clock, settings.tls)
vault = Vault(network, settings.vault, settings.namespace, settings.max_retries, clock)
login = AwsLogin(vault, Credentials(environ, network), settings, clock)
broker = Broker(vault, login, settings, clock, Log(sys.stderr, "error", clock))
broker.token(clock.steady() + 20)
broker.close()
after = set(sys.modules)
print("\\n".join(["registering", *sorted(registering - before), "login", *sorted(after - registering)]))
"""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Vault over TLS, as the environment of an extension that logs in to it."""
    authority = Authority(tmp_path)
    with loopback(over_http(SimulatedVault(MovableClock())), authority.server("127.0.0.1")) as server:
        yield {
            **KEYS,
            "VAULT_ADDR": str(server.origin),
            "VAULT_CACERT": str(authority.certificate_file),
            "VAULT_AUTH_ROLE": "records",
            "VAULT_IAM_SERVER_ID": SERVER_ID,
        }


def loaded(environ: dict[str, str]) -> dict[str, set[str]]:
    """Modules by moment."""
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, PACKAGE],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 0, run.stderr
    first, _, second = run.stdout.partition("\nlogin\n")
    return {"registering": set(first.split()[1:]), "login": set(second.split())}


def test_nothing_beyond_the_budget(vault: dict[str, str]) -> None:
    """Neither registering nor the first login loads a module that the list doesn't name."""
    modules = loaded(vault)
    assert sorted(modules["registering"] - set(BUDGET["registering"])) == []
    # What one version loads at registering another may load only now.
    assert sorted(modules["login"] - set(BUDGET["login"]) - set(BUDGET["registering"])) == []


def test_moments_are_what_they_say(vault: dict[str, str]) -> None:
    """TLS, hashes and the login itself come after registering, when the function's init already runs beside them."""
    modules = loaded(vault)
    late = {"ssl", "hashlib", "hmac", "vaultgate.auth", "vaultgate.broker", "vaultgate.sigv4"}
    assert late <= modules["login"]
    assert not late & modules["registering"]


def test_budget_names_each_module_once() -> None:
    """The list is sorted, and what registering has loaded is not in the login's part."""
    for names in BUDGET.values():
        assert names == sorted(set(names))
    assert not set(BUDGET["registering"]) & set(BUDGET["login"])


def test_budget_is_of_the_standard_library() -> None:
    """Nothing on the list comes from anywhere but Python itself and the layer."""
    roots = {name.partition(".")[0] for names in BUDGET.values() for name in names}
    assert roots <= sys.stdlib_module_names | {"vaultgate"}
